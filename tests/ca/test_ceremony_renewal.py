import dataclasses
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509

from ca.ceremony import service_certificate
from ca.ceremony_check import newest
from ca.issuers import Issuer, SigningIssuer
from ca.renewal import Renewals
from ca.tables import CertificateRow
from kernel.errors import Unavailable
from keys.trouble import CustodyAwayError
from tests.ca.test_ceremony_rollover import hold, issuer_named, publish_all, responder_of, verify, with_successor
from tests.support.clock import SettableClock
from tests.support.house import House

SERVICES = {"ocsp", "timestamp", "cmp", "documents", "tls-retrieval", "tls-terminals"}
# Two years, of which a sixth is left.
SOON = timedelta(days=730) * 5 / 6


def renewals_of(house: House) -> Renewals:
    def signer_of(issuer: Issuer) -> SigningIssuer:
        return SigningIssuer(issuer, house.keys.open_signing(issuer.key_name))

    return Renewals(house.database, house.plan.addresses, signer_of)


def certificate(house: House, name: str) -> x509.Certificate:
    return x509.load_der_x509_certificate(service_certificate(house.database, name))


def rows(house: House) -> int:
    with house.database.snapshot() as session:
        return session.query(CertificateRow).count()


def test_services_are_renewed_in_time_on_the_same_key_and_say_the_same(
    house: House, clock: SettableClock, tmp_path: Path
) -> None:  # fmt: skip
    renewals = renewals_of(house)
    before = {name: certificate(house, name) for name in SERVICES}
    clock.advance(SOON - timedelta(hours=1))
    assert renewals.renew_due(clock.now()) == 0
    clock.advance(timedelta(hours=2))
    assert renewals.renew_due(clock.now()) == len(SERVICES)
    assert renewals.renew_due(clock.now()) == 0
    for name, old in before.items():
        new = certificate(house, name)
        assert (new.public_key(), new.subject) == (old.public_key(), old.subject)
        assert list(new.extensions) == list(old.extensions)
        assert new.serial_number != old.serial_number
        assert new.not_valid_after_utc - new.not_valid_before_utc == timedelta(days=730)
        der = service_certificate(house.database, name)
        assert verify(tmp_path, clock.now(), house.root.der, [house.issuing.issuer.der], der) == "OK"
    [delegate] = responder_of(house).delegates
    assert delegate.certificate == certificate(house, "ocsp")


def test_the_ceremony_held_again_after_a_renewal_changes_nothing(house: House, clock: SettableClock) -> None:
    clock.advance(SOON + timedelta(hours=1))
    renewals_of(house).renew_due(clock.now())
    publish_all(house)
    house.keys.path("root").unlink()  # its list would be due
    assert not hold(house, house.plan)


def test_a_renewal_that_was_cut_off_is_finished_with_what_was_promised(house: House, clock: SettableClock) -> None:
    clock.advance(SOON + timedelta(hours=1))

    def gone(_issuer: Issuer) -> SigningIssuer:
        return dataclasses.replace(house.issuing, key=_Gone(house.issuing.key))  # type: ignore[arg-type]

    with pytest.raises(Unavailable):
        Renewals(house.database, house.plan.addresses, gone).renew_due(clock.now())
    with house.database.snapshot() as session:
        promised = newest(session, "ocsp")
    assert promised is not None
    assert promised.der is None
    stood = rows(house)
    assert renewals_of(house).renew_due(clock.now()) == len(SERVICES)
    assert rows(house) == stood + len(SERVICES) - 1
    assert f"{certificate(house, 'ocsp').serial_number:x}" == promised.serial


def test_after_a_change_of_issuers_services_follow_and_responders_stay(house: House, clock: SettableClock) -> None:
    hold(house, with_successor(house.plan, clock.now() + timedelta(days=10)))
    clock.advance(SOON + timedelta(hours=1))
    renewals_of(house).renew_due(clock.now())
    new, old = issuer_named(house, "issuing-2"), house.issuing.issuer
    portal = certificate(house, "tls-retrieval")
    portal.verify_directly_issued_by(new.certificate)
    assert portal.extensions.get_extension_for_class(x509.CRLDistributionPoints).value[0].full_name == [
        x509.UniformResourceIdentifier(house.plan.addresses.crl("issuing-2"))
    ]
    responder = certificate(house, "ocsp")
    responder.verify_directly_issued_by(old.certificate)
    # No longer than it is needed: what the old one gave ends with the services' first certificates.
    assert responder.not_valid_after_utc < clock.now() + timedelta(days=130)
    clock.advance(timedelta(days=140))
    assert renewals_of(house).renew_due(clock.now()) == 0
    assert publish_all(house) == ["issuing-2"]


class _Gone:
    """A key whose custody does not answer."""

    def __init__(self, key: object) -> None:
        self._key = key

    def public_key(self) -> object:
        return self._key.public_key()  # type: ignore[attr-defined]

    def sign(self, *_: object) -> bytes:
        raise CustodyAwayError("the token was pulled")
