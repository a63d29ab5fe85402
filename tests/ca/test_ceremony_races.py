from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from threading import Barrier, Event

import pytest
from cryptography import x509
from sqlalchemy import select

from ca import blocked_keys, revocation
from ca.ceremony import Ceremony, Promise, issue, usual_plan
from ca.certificates import CertificateState
from ca.own_profiles import of_service
from ca.plan import YEAR, ServiceKind, ServicePlan
from ca.profiles import BACKDATING, Addresses, Validity
from ca.requests import spki_digest
from ca.revocation import Reason
from ca.service_profiles import service_builder
from ca.signing import certify, to_be_signed
from ca.tables import CertificateRow
from kernel.audit import AuditEntry
from kernel.database import Database
from kernel.errors import Refused
from keys.algorithms import ALGORITHMS
from keys.custody import SoftwareKeys
from tests.ca.trial import NOW
from tests.support.house import House

PATIENCE = 60.0  # seconds; a busy machine is slow


def _deeds(database: Database, action: str) -> list[str]:
    with database.snapshot() as session:
        return sorted(session.scalars(select(AuditEntry.subject).where(AuditEntry.action == action)))


def _promise(house: House, meeting: Barrier) -> Promise:
    """Describe one certificate as each of two ceremonies does that know nothing of each other."""
    now, issuing = house.clock.now(), house.issuing.issuer
    service = ServicePlan("mail", ServiceKind.MAIL, "Center", "p256", 1, issuing.name, mail="a@example.jp")
    public_key = ALGORITHMS["p256"].generate().public_key()

    def compose() -> bytes:
        meeting.wait(PATIENCE)
        validity = Validity(now - BACKDATING, now - BACKDATING + YEAR)
        return to_be_signed(service_builder(house.plan, service, issuing, public_key, validity), issuing.public_key)

    def sign(tbs: bytes) -> bytes:
        der = certify(tbs, house.issuing)
        meeting.wait(PATIENCE)
        return der

    return Promise(of_service(house.plan, service), issuing.name, compose, sign)


def test_two_that_promise_and_sign_the_same_at_once_get_one_certificate_on_record_once(house: House) -> None:
    meeting = Barrier(2)
    with ThreadPoolExecutor(2) as both:
        running = [both.submit(issue, house.database, _promise(house, meeting), house.clock.now()) for _ in range(2)]
        one, other = (each.result(PATIENCE) for each in running)
    assert one == other
    x509.load_der_x509_certificate(one).verify_directly_issued_by(house.issuing.issuer.certificate)
    with house.database.snapshot() as session:
        [row] = session.scalars(select(CertificateRow).where(CertificateRow.subject == "mail"))
    assert (row.der, row.state, row.follows) == (one, CertificateState.VALID, 0)
    for action in ("certificate.reserve", "certificate.issue"):
        assert _deeds(house.database, action).count("service:mail") == 1


def test_two_ceremonies_at_once_found_everything_once(database: Database, tmp_path: Path) -> None:
    plan = usual_plan("Trial Network", Addresses("http://status.example.jp"), {}, tmp_path / "published")
    ceremonies = [Ceremony(database, SoftwareKeys(tmp_path / "keys", b"secret"), plan) for _ in range(2)]
    with ThreadPoolExecutor(2) as both:
        for running in [both.submit(ceremony.hold, NOW) for ceremony in ceremonies]:
            running.result(PATIENCE)
    with database.snapshot() as session:
        rows = list(session.scalars(select(CertificateRow)))
    names = sorted(["root", "issuing-1", "ocsp", "timestamp", "cmp", "documents"])
    assert sorted(row.subject for row in rows) == names
    for action in ("certificate.reserve", "certificate.issue"):
        assert _deeds(database, action) == [f"service:{name}" for name in names]
    keys = SoftwareKeys(tmp_path / "keys", b"secret")
    for row in rows:
        assert x509.load_der_x509_certificate(row.der or b"").public_key() == keys.open_signing(row.subject).public_key()
    assert not ceremonies[0].hold(NOW)


class _Overtaken(Ceremony):
    """Looks, and is slow to act: what it saw promised, another ceremony has signed by then."""

    def _newest(self, name: str) -> CertificateRow | None:
        seen = super()._newest(name)
        if seen is not None and seen.der is None:
            assert Ceremony(self.database, self.keys, self.plan).hold(NOW)
        return seen


def test_a_promise_that_another_ceremony_has_signed_by_then_is_followed_by_nothing(database: Database, tmp_path: Path) -> None:
    plan = usual_plan("Trial Network", Addresses("http://status.example.jp"), {}, tmp_path / "published")
    keys = SoftwareKeys(tmp_path / "keys", b"secret")
    Ceremony(database, keys, plan).hold(NOW)
    with database.transaction() as session:
        row = session.scalars(select(CertificateRow).where(CertificateRow.subject == "timestamp")).one()
        row.state, row.der = CertificateState.RESERVED, None
    _Overtaken(database, keys, plan).hold(NOW)
    with database.snapshot() as session:
        row = session.scalars(select(CertificateRow).where(CertificateRow.subject == "timestamp")).one()
    assert row.state == CertificateState.VALID


def test_a_key_that_is_blocked_while_it_is_certified_gets_no_certificate(house: House) -> None:
    alone = Barrier(1)
    promise = _promise(house, alone)

    def sign_late(tbs: bytes) -> bytes:
        spki = x509.load_der_x509_certificate(promise.sign(tbs)).public_key()
        with house.database.transaction() as session:
            blocked_keys.block(session, spki_digest(spki), house.clock.now())
        return promise.sign(tbs)

    with pytest.raises(Refused, match="key-blocked"):
        issue(house.database, replace(promise, sign=sign_late), house.clock.now())
    assert _deeds(house.database, "certificate.issue").count("service:mail") == 0
    # It waits for nothing any more, and is promised nothing else on this key.
    with house.database.snapshot() as session:
        [row] = session.scalars(select(CertificateRow).where(CertificateRow.subject == "mail"))
    assert row.state == CertificateState.ABANDONED
    assert _deeds(house.database, "certificate.abandon") == ["service:mail"]
    with pytest.raises(Refused, match="key-blocked"):
        issue(house.database, replace(promise, follows=row.id), house.clock.now())
    assert _deeds(house.database, "certificate.reserve").count("service:mail") == 1


def test_a_compromise_beside_a_renewal_leaves_nothing_good_on_the_key(house: House) -> None:
    with house.database.snapshot() as session:
        old = session.scalars(select(CertificateRow).where(CertificateRow.subject == "cmp")).one()
    plan = next(one for one in house.plan.services if one.name == "cmp")
    issuing, now = house.issuing.issuer, house.clock.now()
    public_key = x509.load_der_x509_certificate(old.der or b"").public_key()
    validity, begun = Validity(now - BACKDATING, now - BACKDATING + 2 * YEAR), Event()

    def compose() -> bytes:
        return to_be_signed(service_builder(house.plan, plan, issuing, public_key, validity), issuing.public_key)

    def sign(tbs: bytes) -> bytes:
        begun.set()
        return certify(tbs, house.issuing)

    def revoke() -> None:
        begun.wait(PATIENCE)
        with house.database.transaction() as session:
            revocation.revoke(session, old.issuer, old.serial, reason=Reason.KEY_COMPROMISE, now=now)

    promise = Promise(of_service(house.plan, plan), issuing.name, compose, sign, follows=old.id)
    with ThreadPoolExecutor(1) as beside:
        revoking = beside.submit(revoke)
        with suppress(Refused):
            issue(house.database, promise, now)
        revoking.result(PATIENCE)
    with house.database.snapshot() as session:
        states = list(session.scalars(select(CertificateRow.state).where(CertificateRow.spki_sha256 == old.spki_sha256)))
    assert len(states) == 2
    assert set(states) <= {CertificateState.REVOKED, CertificateState.ABANDONED}
