"""The checker's view of renewals and reissues: clean ones are clean, rows that were changed are found."""

import dataclasses
from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import update

from ca.inspection import Period
from enrollment.checker import CertificateCheck
from enrollment.reissue_records import ReissueReason
from enrollment.tables import RenewalRow
from kernel.clock import tokyo_date
from tests.enrollment.renewing import Renewable, renewable
from tests.support.clock import SettableClock
from tests.support.house import PREPARER, SECURITY, SOURCE, House, new_request

pytestmark = pytest.mark.slow


def _found(check: CertificateCheck, house: House) -> set[str]:
    return {finding.code for finding in check.run(house.clock.now(), Period())[1]}


def test_renewals_in_every_state_and_a_reissue_are_without_finding(
    house: House, check: CertificateCheck, sealed: Callable[[], None], clock: SettableClock
) -> None:
    first = renewable(house, clock)
    issued, awaiting, rejected, settled = [first, *(_another(first) for _ in range(3))]
    issued.renew()
    awaiting.renew(awaits=True)
    offered = rejected.renew(awaits=True).certificate
    house.confirmations.reject(offered.issuer, offered.serial)
    assert settled.log_on(settled.renew().certificate.der) == "permitted"
    house.crl.publish_if_due(clock.now())
    reissued = house.reissues.request(rejected.terminal, ReissueReason.PC_REPLACED, PREPARER)
    clock.advance(timedelta(days=4))
    house.reissue_preparation.prepare(reissued.id, SECURITY)
    house.redemption.redeem(house.codes_of(rejected.terminal), new_request().pem, SOURCE)
    sealed()
    assert _found(check, house) == set()


def _another(renewing: Renewable) -> Renewable:
    """Return another terminal that may renew today, by the same profile with a shorter life."""
    house = renewing.house
    [(name, codes)] = house.new_codes()
    profile = dataclasses.replace(house.profile, fixed_end=tokyo_date(renewing.old.not_after))
    shorter = dataclasses.replace(house.redemption, authority=dataclasses.replace(house.authority, profile=profile))
    return Renewable(house, name, codes.access_key, shorter.redeem(codes, new_request().pem, SOURCE).certificate)


@pytest.mark.parametrize(
    "fault", [{"spki_sha256": bytes(32)}, {"state": "abandoned"}, {"terminal": "00000A"}, {"predecessor": "1234"}], ids=str
)
def test_a_renewal_that_does_not_fit_is_found(
    house: House, check: CertificateCheck, sealed: Callable[[], None], clock: SettableClock, fault: dict[str, object]
) -> None:
    renewable(house, clock).renew()
    with house.database.transaction() as session:
        session.execute(update(RenewalRow).values(**fault))
    sealed()
    assert _found(check, house) & {"renewal-differs", "codes-missing"}
