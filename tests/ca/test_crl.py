import hashlib
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy import select

from ca import crl_entries, revocation
from ca.certificates import CertificateRecord
from ca.crl import ClockBehindError, CrlPublisher, crl_file, latest
from ca.crl_drafts import ListFaultError
from ca.issuers import SigningIssuer
from ca.revocation import Reason
from ca.tables import CertificateRow, CrlRow
from kernel.audit import AuditEntry
from tests.ca.issuance import issue, reserve
from tests.support.clock import SettableClock
from tests.support.house import House

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
# The house's issuer began ten minutes before its ceremony, and a number is at least the seconds since then.
FIRST = 600


def _revoke(house: House, certificate: CertificateRecord, reason: Reason = Reason.SUPERSEDED) -> None:
    with house.database.transaction() as session:
        revocation.revoke(session, certificate.issuer, certificate.serial, reason=reason, now=house.clock.now())


def _file(house: House) -> x509.CertificateRevocationList:
    return x509.load_der_x509_crl(house.crl.file.read_bytes())


def _number(crl: x509.CertificateRevocationList) -> int:
    return crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number


def _rows(house: House) -> list[CrlRow]:
    with house.database.snapshot() as session:
        return list(session.scalars(select(CrlRow).where(CrlRow.issuer == "issuing-1").order_by(CrlRow.number)))


def test_the_ceremony_publishes_the_first_list(house: House) -> None:
    crl = _file(house)
    assert _number(crl) == FIRST
    assert len(crl) == 0
    assert crl.is_signature_valid(house.issuing.issuer.public_key)
    assert crl.issuer == house.issuing.issuer.certificate.subject
    identifier = crl.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    assert identifier.key_identifier == house.issuing.issuer.key_identifier.digest
    assert len(crl.extensions) == 2


def test_without_a_change_nothing_is_published_within_the_day(house: House, clock: SettableClock) -> None:
    assert house.crl.publish_if_due(clock.advance(DAY - MINUTE)) is None
    assert _number(_file(house)) == FIRST


def test_a_list_appears_each_day(house: House, clock: SettableClock) -> None:
    day = int(DAY.total_seconds())
    numbers = [house.crl.publish_if_due(clock.advance(DAY)) for _ in range(3)]
    assert numbers == [FIRST + day, FIRST + 2 * day, FIRST + 3 * day]
    crl = _file(house)
    assert crl.last_update_utc == clock.now()
    assert crl.next_update_utc == clock.now() + timedelta(days=3)


def test_a_revocation_makes_a_list_due_at_once(house: House, clock: SettableClock) -> None:
    certificate = issue(house)
    assert house.crl.publish_if_due(clock.now()) is None
    _revoke(house, certificate)
    assert house.crl.publish_if_due(clock.now()) == FIRST + 1
    assert _file(house).get_revoked_certificate_by_serial_number(int(certificate.serial, 16)) is not None
    assert house.crl.publish_if_due(clock.now()) is None


@pytest.mark.parametrize("reason", Reason)
def test_an_entry_tells_time_and_reason(house: House, reason: Reason) -> None:
    certificate = issue(house)
    _revoke(house, certificate, reason)
    house.crl.publish(house.clock.now())
    entry = _file(house).get_revoked_certificate_by_serial_number(int(certificate.serial, 16))
    assert entry is not None
    assert entry.revocation_date_utc == house.clock.now()
    if reason is Reason.UNSPECIFIED:
        assert len(entry.extensions) == 0
    else:
        assert entry.extensions.get_extension_for_class(x509.CRLReason).value.reason == x509.ReasonFlags(reason.value)


def test_held_and_abandoned_are_listed_good_promised_and_released_are_not(house: House) -> None:
    good, promised, held, released, abandoned = issue(house), reserve(house), issue(house), issue(house), reserve(house)
    now = house.clock.now()
    with house.database.transaction() as session:
        revocation.hold(session, held.issuer, held.serial, now=now)
        revocation.hold(session, released.issuer, released.serial, now=now)
        revocation.release(session, released.issuer, released.serial)
        revocation.abandon(session, abandoned.issuer, abandoned.serial, now=now)
    house.crl.publish(now)
    listed = {f"{entry.serial_number:x}": entry for entry in _file(house)}
    assert set(listed) == {held.serial, abandoned.serial}
    assert not {good.serial, promised.serial, released.serial} & set(listed)
    reasons = {serial: entry.extensions.get_extension_for_class(x509.CRLReason).value.reason for serial, entry in listed.items()}
    assert reasons == {
        held.serial: x509.ReasonFlags.certificate_hold,
        abandoned.serial: x509.ReasonFlags.cessation_of_operation,
    }


def test_an_ended_certificate_stays_until_it_was_listed_after_its_end(house: House, clock: SettableClock) -> None:
    certificate = issue(house)
    _revoke(house, certificate)
    house.crl.publish(certificate.not_after + MINUTE)
    assert len(_file(house)) == 1
    house.crl.publish(certificate.not_after + 2 * DAY + MINUTE)
    assert len(_file(house)) == 0
    assert clock.now() < certificate.not_after


def test_numbers_and_times_rise(house: House, clock: SettableClock) -> None:
    for _ in range(5):
        house.crl.publish(clock.advance(MINUTE))
    rows = _rows(house)
    assert [row.number for row in rows] == [FIRST + 60 * minute for minute in range(6)]
    assert [row.this_update for row in rows] == sorted({row.this_update for row in rows})


def test_a_clock_that_is_behind_publishes_nothing(house: House, clock: SettableClock) -> None:
    house.crl.publish(clock.now())
    before = house.crl.file.read_bytes()
    with pytest.raises(ClockBehindError, match=f"CRL {FIRST + 1}"):
        house.crl.publish(clock.now() - MINUTE)
    assert house.crl.file.read_bytes() == before
    assert len(_rows(house)) == 2


def test_the_file_is_written_whole_and_leaves_no_draft(house: House, clock: SettableClock) -> None:
    torn: list[bytes] = []
    is_over = threading.Event()

    def read() -> None:
        while not is_over.is_set():
            content = house.crl.file.read_bytes()
            if not x509.load_der_x509_crl(content).is_signature_valid(house.issuing.issuer.public_key):
                torn.append(content)

    reader = threading.Thread(target=read)
    reader.start()
    for _ in range(15):
        house.crl.publish(clock.advance(MINUTE))
    is_over.set()
    reader.join()
    assert torn == []
    assert sorted(file.name for file in house.crl_folder.iterdir()) == ["issuing-1.crl", "root.crl"]


@pytest.mark.parametrize("content", [None, b"", b"something older"])
def test_a_lost_or_stale_file_is_put_right(house: House, clock: SettableClock, content: bytes | None) -> None:
    if content is None:
        house.crl.file.unlink()
    else:
        house.crl.file.write_bytes(content)
    assert house.crl.publish_if_due(clock.now()) == FIRST + 1
    assert _number(_file(house)) == FIRST + 1
    assert house.crl.publish_if_due(clock.now()) is None


def test_publishers_at_once_take_different_numbers_and_leave_the_newest(house: House, clock: SettableClock) -> None:
    numbers: list[int] = []
    failures: list[BaseException] = []

    def publish(folder: Path) -> None:
        try:
            for _ in range(4):
                numbers.append(CrlPublisher(house.database, house.issuing, folder).publish(clock.now()))  # noqa: PERF401 (threads share it)
        except BaseException as failure:  # noqa: BLE001 (told below)
            failures.append(failure)

    threads = [threading.Thread(target=publish, args=(house.crl_folder,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert sorted(numbers) == list(range(FIRST + 1, FIRST + 17))
    assert _number(_file(house)) == FIRST + 16
    with house.database.snapshot() as session:
        newest = latest(session, "issuing-1")
    assert newest is not None
    assert newest.sha256 == hashlib.sha256(house.crl.file.read_bytes()).digest()


def test_the_root_has_a_list_of_its_own_for_a_year(house: House) -> None:
    crl = x509.load_der_x509_crl(crl_file(house.crl_folder, "root").read_bytes())
    assert crl.is_signature_valid(house.root.public_key)
    assert crl.next_update_utc is not None
    assert crl.next_update_utc - crl.last_update_utc == timedelta(days=365)


def test_each_list_is_on_record(house: House, clock: SettableClock) -> None:
    house.crl.publish(clock.now())
    with house.database.snapshot() as session:
        entries = session.scalars(select(AuditEntry).where(AuditEntry.action == "crl.publish")).all()
    assert {(entry.subject, entry.facts["number"]) for entry in entries} == {
        ("issuer:root", FIRST),
        ("issuer:issuing-1", FIRST),
        ("issuer:issuing-1", FIRST + 1),
    }


class _FaultyKey:
    """A device that says it has the right key and signs with another."""

    def __init__(self, key: ec.EllipticCurvePrivateKey) -> None:
        self._key = key
        self.curve = key.curve

    def public_key(self) -> ec.EllipticCurvePublicKey:
        return self._key.public_key()

    def sign(self, _message: bytes, algorithm: ec.EllipticCurveSignatureAlgorithm) -> bytes:
        return self._key.sign(bytes(32), algorithm)  # the digest of something else


def test_a_faulty_key_takes_a_number_and_publishes_nothing(house: House, clock: SettableClock) -> None:
    before = house.crl.file.read_bytes()
    faulty = SigningIssuer(house.issuing.issuer, _FaultyKey(house.issuing.key))  # type: ignore[arg-type]
    with pytest.raises(ListFaultError, match="signature"):
        CrlPublisher(house.database, faulty, house.crl_folder).publish(clock.now())
    assert house.crl.file.read_bytes() == before
    assert house.crl.publish(clock.now()) == FIRST + 2


def test_a_list_of_thousands_is_made_in_a_moment(house: House, clock: SettableClock) -> None:
    now = clock.now()
    rows = [
        CertificateRow(
            issuer="issuing-1",
            serial=f"{(1 << 158) + number:x}",
            kind="terminal",
            subject="99999W",
            spki_sha256=number.to_bytes(32, "big"),
            state="revoked",
            tbs=b"",
            der=b"",
            not_before=now,
            not_after=datetime(2028, 1, 1, tzinfo=UTC),
            reserved_at=now,
            partition=0,
            revoked_at=now,
            reason="superseded",
        )
        for number in range(20_000)
    ]
    with house.database.transaction() as session:
        session.add_all(rows)
        crl_entries.show(session, "issuing-1", rows)
    house.crl.publish(now)
    assert len(_file(house)) == 20_000
