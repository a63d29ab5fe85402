"""A revocation ends the certificate that whoever asked for it was looking at."""

import pytest

from ca.certificates import CertificateState
from ca.revocation import Reason
from enrollment import credentials
from kernel.errors import Refused
from tests.support.house import SECURITY, SOURCE, House, new_request


def test_a_revocation_means_the_certificate_that_was_seen(house: House) -> None:
    [(terminal, codes)] = house.new_codes()
    house.redemption.redeem(codes, new_request().pem, SOURCE)
    with pytest.raises(Refused, match="certificate-changed"):
        house.endings.revoke(terminal, Reason.KEY_COMPROMISE, SECURITY, serial="1234")
    with house.database.snapshot() as session:
        view = credentials.of_terminals(session, [terminal])[terminal]
    assert view.state == CertificateState.VALID
    assert house.endings.revoke(terminal, Reason.KEY_COMPROMISE, SECURITY, serial=view.serial)
