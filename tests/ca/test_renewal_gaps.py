"""Renewals where the last word on a service is no good certificate, and where something is wrong with one of several."""

import dataclasses
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature

from ca import expiry, renewal, revocation
from ca.ceremony import service_certificate
from ca.ceremony_check import newest
from ca.issuers import Issuer, SigningIssuer
from ca.renewal import Renewals
from ca.revocation import Reason
from ca.tables import CertificateRow
from kernel.database import connect
from kernel.errors import Unavailable
from keys.algorithms import ALGORITHMS
from tests.ca.test_ceremony_renewal import SERVICES, SOON, _Gone, renewals_of
from tests.ca.test_ceremony_rollover import hold, issuer_named, with_successor
from tests.conftest import FreshDatabase
from tests.support.clock import SettableClock
from tests.support.house import House, build_house

NAME = "tls-retrieval"
HOUR = timedelta(hours=1)


@pytest.fixture
def lone(sqlite_databases: FreshDatabase, tmp_path: Path, clock: SettableClock) -> Iterator[House]:
    """Return a house on one kind of database, for what does not depend on it."""
    with sqlite_databases() as url:
        database = connect(url)
        yield build_house(database, tmp_path, clock)
        database.dispose()


def last(house: House, name: str = NAME) -> CertificateRow:
    with house.database.snapshot() as session:
        row = newest(session, name)
    assert row is not None
    return row


def revoke(house: House, name: str = NAME, reason: Reason = Reason.SUPERSEDED) -> None:
    row = last(house, name)
    with house.database.transaction() as session:
        revocation.revoke(session, row.issuer, row.serial, reason=reason, now=house.clock.now())


def overdue(house: House) -> dict[str, datetime | None]:
    with house.database.snapshot() as session:
        return dict(renewal.overdue(session, house.clock.now()))


def cut_off(house: House) -> None:
    """Begin the renewals with a key that goes away, so that one is promised and none is signed."""
    gone = dataclasses.replace(house.issuing, key=_Gone(house.issuing.key))  # type: ignore[arg-type]
    with pytest.raises(Unavailable):
        dataclasses.replace(renewals_of(house), signer_of=lambda _issuer: gone).renew_due(house.clock.now())


def test_when_a_renewed_certificate_is_revoked_the_one_before_it_is_renewed_again(house: House, clock: SettableClock) -> None:
    old = last(house)
    clock.advance(SOON + HOUR)
    renewals_of(house).renew_due(clock.now())
    revoke(house)
    clock.instant = old.not_after - timedelta(days=1)
    assert overdue(house) == {NAME: old.not_after}
    assert renewals_of(house).renew_due(clock.now()) == 1
    assert overdue(house) == {}
    new = x509.load_der_x509_certificate(service_certificate(house.database, NAME))
    assert new.not_valid_after_utc > old.not_after
    assert new.public_key() == x509.load_der_x509_certificate(old.der or b"").public_key()
    assert renewals_of(house).renew_due(clock.now()) == 0


def test_when_a_promise_is_given_up_another_one_is_made(house: House, clock: SettableClock) -> None:
    clock.advance(SOON + HOUR)
    cut_off(house)
    promised = last(house, "ocsp")
    assert promised.der is None
    with house.database.transaction() as session:
        revocation.abandon(session, promised.issuer, promised.serial, now=clock.now())
    assert renewals_of(house).renew_due(clock.now()) == len(SERVICES)
    assert last(house, "ocsp").follows == promised.id
    assert last(house, "ocsp").state == "valid"


def test_a_promise_that_another_node_has_signed_by_then_is_followed_by_nothing(house: House, clock: SettableClock) -> None:
    clock.advance(SOON + HOUR)
    cut_off(house)
    promised, renewals = last(house, "ocsp"), renewals_of(house)

    def signer_of(issuer: Issuer) -> SigningIssuer:
        """Open the key so slowly that another node renews everything meanwhile."""
        renewals.renew_due(clock.now())
        return renewals.signer_of(issuer)

    dataclasses.replace(renewals, signer_of=signer_of).renew_due(clock.now())
    assert (last(house, "ocsp").id, last(house, "ocsp").state) == (promised.id, "valid")
    assert renewals.renew_due(clock.now()) == 0


def test_a_promise_that_waits_does_not_hide_the_end_of_what_stands(lone: House, clock: SettableClock) -> None:
    clock.advance(SOON + HOUR)
    cut_off(lone)
    clock.advance(timedelta(days=100))
    assert overdue(lone)["ocsp"] is not None


@pytest.mark.parametrize(("reason", "is_told"), [(Reason.SUPERSEDED, True), (Reason.CESSATION_OF_OPERATION, False)])
def test_a_service_without_a_good_certificate_is_told_unless_it_was_meant_to_end(
    lone: House, reason: Reason, *, is_told: bool
) -> None:
    revoke(lone, reason=reason)
    assert overdue(lone) == ({NAME: None} if is_told else {})
    with lone.database.snapshot() as session:
        told = [str(one) for one in expiry.approaching(session, lone.clock.now()) if one.is_urgent]
    sentence = f"{NAME}: the certificate of the service is missing; hold the ceremony with the next `key` for it in the file"
    assert told == ([sentence] if is_told else [])


def test_a_first_certificate_that_was_given_up_is_told_and_one_in_the_making_is_not(lone: House, clock: SettableClock) -> None:
    row = last(lone)
    with lone.database.transaction() as session:
        stored = session.get_one(CertificateRow, row.id)
        stored.state, stored.der, stored.reserved_at = "reserved", None, clock.now()
    assert overdue(lone) == {}
    clock.advance(timedelta(hours=2))
    assert overdue(lone) == {NAME: None}
    with lone.database.transaction() as session:
        revocation.abandon(session, row.issuer, row.serial, now=clock.now())
    assert overdue(lone) == {NAME: None}


def test_a_promise_of_an_authority_that_was_revoked_is_given_up_and_another_one_signs(lone: House, clock: SettableClock) -> None:
    hold(lone, with_successor(lone.plan, clock.now() + timedelta(days=10)))
    clock.advance(timedelta(days=9))
    revoke(lone, "issuing-2")
    clock.advance(SOON - timedelta(days=8))
    cut_off(lone)
    promised = last(lone, "ocsp")
    with lone.database.transaction() as session:
        stored = session.get_one(CertificateRow, promised.id)
        stored.subject, stored.issuer = "timestamp", "issuing-2"
        stored.follows = next(
            row.id for row in session.query(CertificateRow).filter_by(subject="timestamp") if row.der is not None
        )
        stored.tbs = session.get_one(CertificateRow, stored.follows).tbs
    renewals_of(lone).renew_due(clock.now())
    with lone.database.snapshot() as session:
        assert session.get_one(CertificateRow, promised.id).state == "abandoned"
    standing = x509.load_der_x509_certificate(service_certificate(lone.database, "timestamp"))
    standing.verify_directly_issued_by(issuer_named(lone, "issuing-1").certificate)
    assert last(lone, "timestamp").follows == promised.id


def test_what_waits_for_a_roots_key_goes_on_waiting(lone: House) -> None:
    with lone.database.transaction() as session:
        stored = session.get_one(CertificateRow, last(lone).id)
        stored.state, stored.der, stored.issuer = "reserved", None, "root"
    assert renewals_of(lone).renew_due(lone.clock.now()) == 0
    assert last(lone).state == "reserved"


def _no_key() -> SigningIssuer:
    raise ValueError("this key is another one's")


def _faulty(house: House) -> SigningIssuer:
    class Faulty:
        def public_key(self) -> object:
            return house.issuing.key.public_key()

        def sign(self, *_: object) -> bytes:
            return ALGORITHMS["p256"].sign(ALGORITHMS["p256"].generate(), b"something else")

    return SigningIssuer(house.issuing.issuer, Faulty())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("wrong", "trouble"), [(lambda _house: _no_key(), ValueError), (_faulty, InvalidSignature)], ids=["no key", "faulty"]
)
def test_whatever_is_wrong_with_one_service_stops_no_other_one(
    lone: House, clock: SettableClock, wrong: Callable[[House], SigningIssuer], trouble: type[Exception]
) -> None:
    clock.advance(SOON + HOUR)
    asked: list[str] = []
    sound = renewals_of(lone)

    def signer_of(issuer: Issuer) -> SigningIssuer:
        asked.append(issuer.name)
        return wrong(lone) if len(asked) == 1 else sound.signer_of(issuer)

    with pytest.raises(trouble):
        Renewals(lone.database, lone.plan.addresses, signer_of).renew_due(clock.now())
    assert len(asked) == len(SERVICES)
    assert sound.renew_due(clock.now()) == 1
