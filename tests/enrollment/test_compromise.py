"""A compromise, by each way in which it can be told: the key is blocked on record, and everything on it ends in one deed."""

import dataclasses
from collections.abc import Callable
from datetime import timedelta

import pytest
from cryptography import x509
from sqlalchemy import select, update

from ca import blocked_keys
from ca.certificates import CertificateRecord, CertificateState, find
from ca.inspection import Period
from ca.revocation import Reason
from ca.tables import CertificateRow
from enrollment.blocking import UNDER_WAY, KeyBlocking
from enrollment.bulk import BulkRevocation
from enrollment.checker import CertificateCheck
from enrollment.deeds import Ending, owner_of, revoke_many
from enrollment.reissue_records import ReissueReason
from kernel import outbox
from kernel.audit import AuditEntry
from keys.algorithms import VerifyingKey
from registry import news
from tests.ca.issuance import on_key
from tests.support.clock import SettableClock
from tests.support.house import OFFICE, SECURITY, House

Way = Callable[[House, CertificateRecord], object]


def _alone(house: House, certificate: CertificateRecord) -> None:
    house.endings.revoke(certificate.subject, Reason.KEY_COMPROMISE, SECURITY)


def _named(name: Callable[[CertificateRecord], str]) -> Way:
    def revoke(house: House, certificate: CertificateRecord) -> None:
        ending = Ending(Reason.KEY_COMPROMISE, SECURITY, house.clock.now())
        BulkRevocation(house.database, house.clock).revoke([name(certificate)], lambda _: ending)

    return revoke


def _reissued(house: House, certificate: CertificateRecord) -> None:
    house.reissues.request(certificate.subject, ReissueReason.COMPROMISED, SECURITY)


def _blocked(house: House, certificate: CertificateRecord) -> None:
    KeyBlocking(house.database, house.clock).block([certificate.spki_sha256], SECURITY)


WAYS: dict[str, Way] = {
    "by a person of the office or the center": _alone,
    "among many, by the terminal's name": _named(lambda one: one.subject),
    "among many, by the serial number": _named(lambda one: f"{one.issuer}:{one.serial}"),
    "with a reissue": _reissued,
    "by the key": _blocked,
}


def public_key(certificate: CertificateRecord) -> VerifyingKey:
    key = x509.load_der_x509_certificate(certificate.der or b"").public_key()
    assert isinstance(key, VerifyingKey)
    return key


def _read(house: House, certificate: CertificateRecord) -> CertificateRecord:
    with house.database.snapshot() as session:
        found = find(session, certificate.issuer, certificate.serial)
    assert found is not None
    return found


def _told(house: House, action: str) -> list[tuple[str, str, str | None, str]]:
    with house.database.snapshot() as session:
        entries = session.scalars(select(AuditEntry).where(AuditEntry.action == action).order_by(AuditEntry.id)).all()
    return [(entry.subject, entry.actor, entry.office_code, str(entry.facts.get("reason"))) for entry in entries]


@pytest.mark.parametrize("way", WAYS)
def test_a_compromise_takes_the_key_and_all_that_stands_on_it(
    house: House, check: CertificateCheck, sealed: Callable[[], None], way: str
) -> None:
    terminal, other = house.issue().certificate, house.issue().certificate
    service, waiting = on_key(house, public_key(terminal)), on_key(house, public_key(terminal), "post", is_signed=False)
    WAYS[way](house, terminal)
    assert [_read(house, one).state for one in (terminal, service, waiting, other)] == [
        CertificateState.REVOKED,
        CertificateState.REVOKED,
        CertificateState.ABANDONED,
        CertificateState.VALID,
    ]
    assert _read(house, service).reason == Reason.KEY_COMPROMISE
    assert _told(house, "key.block") == [(f"key:{terminal.spki_sha256.hex()}", str(SECURITY), None, "None")]
    assert sorted(_told(house, "certificate.revoke")) == [
        ("service:mail", str(SECURITY), None, "keyCompromise"),
        (f"terminal:{terminal.subject}", str(SECURITY), OFFICE, "keyCompromise"),
    ]
    assert [(subject, actor) for subject, actor, *_ in _told(house, "certificate.abandon")] == [("service:post", str(SECURITY))]
    sealed()
    assert check.run(house.clock.now(), Period())[1] == []


def test_a_terminal_on_a_services_key_ends_with_news_and_mail_as_if_it_had_been_named(house: House) -> None:
    terminal = house.issue().certificate
    service = on_key(house, public_key(terminal))
    bulk = BulkRevocation(house.database, house.clock)
    named = [f"{service.issuer}:{service.serial}"]
    assert bulk.preview(named, Reason.SUPERSEDED).certificates == 1
    assert bulk.preview(named, Reason.KEY_COMPROMISE).certificates == 2
    _named(lambda one: f"{one.issuer}:{one.serial}")(house, service)
    assert _read(house, terminal).state == CertificateState.REVOKED
    assert (f"terminal:{terminal.subject}", str(SECURITY), OFFICE, "keyCompromise") in _told(house, "certificate.revoke")
    with house.database.snapshot() as session:
        assert news.latest(session, OFFICE)[0].code == "certificate-revoked"
        assert "鍵の漏えい" in outbox.search(session, outbox.Wanted(mentioning="失効"))[0].body
    assert not house.endings.revoke(terminal.subject, Reason.KEY_COMPROMISE, SECURITY)


def test_each_ending_is_on_record_with_the_reason_that_lists_give(house: House) -> None:
    terminal = house.issue().certificate
    service = on_key(house, public_key(terminal))
    ending = Ending(Reason.CA_COMPROMISE, SECURITY, house.clock.now())
    with house.database.transaction() as session:
        revoke_many(session, {(service.issuer, service.serial): owner_of("mail", None)}, ending)
    assert (_read(house, terminal).reason, _read(house, service).reason) == ("keyCompromise", "cACompromise")
    assert sorted(_told(house, "certificate.revoke")) == [
        ("service:mail", str(SECURITY), None, "cACompromise"),
        (f"terminal:{terminal.subject}", str(SECURITY), OFFICE, "keyCompromise"),
    ]


def test_what_was_left_on_a_blocked_key_is_ended_by_the_job_and_not_while_somebody_is_at_it(
    house: House, clock: SettableClock
) -> None:
    left, fine = house.issue().certificate, house.issue().certificate
    blocking = KeyBlocking(house.database, clock)
    with house.database.transaction() as session:  # and the process died
        blocked_keys.block(session, left.spki_sha256, clock.now())
    assert blocking.finish(clock.now()) == 0
    assert blocking.finish(clock.advance(UNDER_WAY + timedelta(seconds=1))) == 1
    assert blocking.finish(clock.now()) == 0
    assert (_read(house, left).state, _read(house, left).reason) == (CertificateState.REVOKED, Reason.KEY_COMPROMISE)
    assert _read(house, fine).state == CertificateState.VALID
    assert [actor for _, actor, *_ in _told(house, "certificate.revoke")] == ["job:blocking"]


def test_a_compromise_that_stops_half_way_has_done_nothing(house: House) -> None:
    terminal = house.issue().certificate
    service = on_key(house, public_key(terminal))
    with house.database.transaction() as session:
        row = update(CertificateRow).where(CertificateRow.serial == service.serial)
        session.execute(row.values(serial="number"))  # which no list can tell
    with pytest.raises(ValueError, match="invalid literal"):
        house.endings.revoke(terminal.subject, Reason.KEY_COMPROMISE, SECURITY)
    assert _read(house, terminal).state == CertificateState.VALID
    assert _read(house, dataclasses.replace(service, serial="number")).state == CertificateState.VALID
    assert _told(house, "key.block") == []
    with house.database.snapshot() as session:
        assert not blocked_keys.is_blocked(session, terminal.spki_sha256)
