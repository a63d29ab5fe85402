"""Each fault is planted behind the product's back, in the rows, and found; a clean house has no finding."""

import dataclasses
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy import delete, func, select, text, update
from sqlalchemy.orm import Session

from ca import blocked_keys, inspection
from ca.authority import Authority
from ca.certificates import CertificateRecord
from ca.crl import CrlPublisher
from ca.inspection import Period
from ca.profile_history import ProfileRow
from ca.profiles import Addresses, Subject, Validity
from ca.revocation import Reason
from ca.signing import assemble, certify, to_be_signed
from ca.tables import CertificateRow
from enrollment.blocking import KeyBlocking
from enrollment.bulk import BulkRevocation
from enrollment.checker import CertificateCheck
from enrollment.deeds import Ending
from enrollment.tables import CodeSetRow, CredentialRow
from kernel import audit
from kernel.audit import AuditEntry
from kernel.clock import tokyo_date
from registry.tables import ApplicationRow, TerminalRow
from tests.enrollment.filings import approved
from tests.support.clock import SettableClock
from tests.support.house import OFFICE, PREPARER, SECURITY, SOURCE, House, new_request

pytestmark = pytest.mark.slow
HOUR = timedelta(hours=1)


@pytest.fixture
def certificate(house: House, sealed: Callable[[], None]) -> CertificateRecord:
    """Return a good certificate, begun an hour ago."""
    record = house.issue().certificate
    sealed()
    return record


def codes_found(check: CertificateCheck, house: House, period: Period | None = None) -> set[str]:
    return {finding.code for finding in check.run(house.clock.now(), period or Period())[1]}


def test_a_clean_house_has_no_finding(house: House, check: CertificateCheck, sealed: Callable[[], None]) -> None:
    start = tokyo_date(house.clock.now()) + timedelta(days=20)
    [good, ahead, revoked, held, ended] = [house.issue(start_date=day).certificate for day in (None, start, None, None, None)]
    house.endings.revoke(revoked.subject, Reason.KEY_COMPROMISE, SECURITY)
    house.endings.revoke(ended.subject, Reason.UNSPECIFIED, SECURITY)
    house.endings.suspend(held.subject, SECURITY)
    house.endings.suspend(good.subject, SECURITY)
    house.endings.resume(good.subject, SECURITY)
    sealed()
    read, found = check.run(house.clock.now(), Period())
    assert found == []
    assert read == 5 + _services(house)
    assert ahead.not_before > house.clock.now()


def _services(house: House) -> int:
    with house.database.snapshot() as session:
        return session.scalar(select(func.count()).where(CertificateRow.kind == "service")) or 0


def test_certificates_of_an_application_are_without_finding(
    house: House, check: CertificateCheck, sealed: Callable[[], None]
) -> None:
    house.issue()
    _retrieved_by_application(house)
    sealed()
    assert codes_found(check, house) == set()


def _retrieved_by_application(house: House) -> tuple[str, CertificateRecord]:
    receipt_number = approved(house)
    name, *_ = house.preparation.prepare(receipt_number, PREPARER)
    return receipt_number, house.redemption.redeem(house.codes_of(name), new_request().pem, SOURCE).certificate


def test_what_ended_in_one_deed_or_with_its_key_is_without_finding(
    house: House, check: CertificateCheck, sealed: Callable[[], None]
) -> None:
    issued = [house.issue().certificate for _ in range(4)]
    now = house.clock.now()
    ending = Ending(Reason.CESSATION_OF_OPERATION, SECURITY, now, invalid_since=now - HOUR)
    BulkRevocation(house.database, house.clock).revoke([one.subject for one in issued[:2]], lambda _: ending)
    KeyBlocking(house.database, house.clock).block([issued[2].spki_sha256], SECURITY)
    sealed()
    assert codes_found(check, house) == set()


def test_a_good_certificate_on_a_blocked_key_is_found(
    house: House, check: CertificateCheck, certificate: CertificateRecord, clock: SettableClock
) -> None:
    with house.database.transaction() as session:
        blocked_keys.block(session, certificate.spki_sha256, clock.now())
    assert codes_found(check, house) == set()  # whoever blocks it revokes in the next transaction
    clock.advance(HOUR)
    assert codes_found(check, house) == {"key-blocked"}


Plant = Callable[[Session, CertificateRecord], None]


def _set(**values: object) -> Plant:
    """Plant other values into the certificate's row."""

    def plant(session: Session, record: CertificateRecord) -> None:
        session.execute(update(CertificateRow).where(CertificateRow.serial == record.serial).values(**values))

    return plant


def _codes(**values: object) -> Plant:
    def plant(session: Session, record: CertificateRecord) -> None:
        session.execute(update(CodeSetRow).where(CodeSetRow.serial == record.serial).values(**values))

    return plant


def _flipped(session: Session, record: CertificateRecord) -> None:
    """Change one bit of the stored certificate's signature."""
    der = bytearray(record.der or b"")
    der[-1] ^= 1
    _set(der=bytes(der))(session, record)


def _other_tbs(session: Session, record: CertificateRecord) -> None:
    """Promise something else than was signed: the serial number's last digit."""
    _set(tbs=record.tbs.replace(bytes.fromhex(record.serial), bytes.fromhex(record.serial)[:-1] + b"\x00"))(session, record)


def _cut(session: Session, record: CertificateRecord) -> None:
    _set(der=(record.der or b"") + b"\x00")(session, record)


def _unsealed(session: Session, record: CertificateRecord) -> None:
    subject = f"terminal:{record.subject}"
    session.execute(update(AuditEntry).where(AuditEntry.subject == subject).values(leaf_index=None))


def _unlogged(session: Session, record: CertificateRecord) -> None:
    subject = f"terminal:{record.subject}"
    session.execute(delete(AuditEntry).where(AuditEntry.subject == subject, AuditEntry.action == "certificate.issue"))


def _relogged(session: Session, record: CertificateRecord) -> None:
    subject = f"terminal:{record.subject}"
    session.execute(update(AuditEntry).where(AuditEntry.subject == subject).values(actor="staff:somebody"))


def _terminal(**values: object) -> Plant:
    def plant(session: Session, record: CertificateRecord) -> None:
        session.execute(update(TerminalRow).where(TerminalRow.name == record.subject).values(**values))

    return plant


def _credential(**values: object) -> Plant:
    def plant(session: Session, record: CertificateRecord) -> None:
        session.execute(update(CredentialRow).where(CredentialRow.terminal == record.subject).values(**values))

    return plant


def _deleted(session: Session, record: CertificateRecord) -> None:
    session.execute(delete(CertificateRow).where(CertificateRow.serial == record.serial))


def _without_codes(session: Session, record: CertificateRecord) -> None:
    session.execute(delete(CodeSetRow).where(CodeSetRow.serial == record.serial))


def _later_start(session: Session, record: CertificateRecord) -> None:
    """Move the terminal's start date behind the certificate's beginning."""
    _terminal(start_date=tokyo_date(record.not_before) + timedelta(days=2))(session, record)


def _later_confirmed(session: Session, record: CertificateRecord) -> None:
    _codes(start_date=tokyo_date(record.not_before) + timedelta(days=2))(session, record)


def _longer(session: Session, record: CertificateRecord) -> None:
    _set(not_after=record.not_after + timedelta(days=365))(session, record)


def _abolished(session: Session, record: CertificateRecord) -> None:
    _terminal(state="abolished", abolished_at=record.reserved_at)(session, record)


def _revoked(session: Session, record: CertificateRecord) -> None:
    _set(state="revoked", reason="superseded", revoked_at=record.reserved_at)(session, record)


def _promised_again(session: Session, record: CertificateRecord) -> None:
    """Make the row what it was before it was signed."""
    _set(state="reserved", der=None, issued_at=None)(session, record)


FAULTS: dict[str, tuple[Plant, set[str]]] = {
    "a signature that is none": (_flipped, {"signature-invalid"}),
    "another promise": (_other_tbs, {"tbs-differs", "serial-differs"}),
    "octets after the end": (_cut, {"certificate-unreadable", "lint"}),
    "an unreadable promise": (_set(tbs=b"\x30\x00"), {"tbs-unreadable", "profile"}),
    "another serial number": (_set(serial="7f"), {"serial-differs", "codes-missing", "certificate-missing"}),
    "other dates": (_longer, {"dates-differ"}),
    "another key": (_set(spki_sha256=b"x" * 32), {"key-differs", "codes-differ"}),
    "another subject": (_set(subject="00001A"), {"subject-differs", "terminal-unknown"}),
    "signed and lost": (_set(der=None), {"row-impossible"}),
    "signed and still reserved": (_set(state="reserved"), {"row-impossible", "audit-differs"}),
    "a state that nothing made": (_set(state="held"), {"row-impossible", "audit-differs", "crl-lacks-it"}),
    "a revocation that nobody made": (_revoked, {"audit-differs", "crl-lacks-it"}),
    "a promise that was signed": (_promised_again, {"audit-differs", "credential-differs", "codes-differ"}),
    "a deleted certificate": (_deleted, {"certificate-missing"}),
    "an issuer that is not": (_set(issuer="issuing-9"), {"issuer-unknown"}),
    "the wrong issuer": (_set(issuer="root"), {"issuer-differs", "signature-invalid"}),
    "codes of another key": (_codes(claimed_key=b"x" * 32), {"codes-differ"}),
    "codes of another terminal": (_codes(terminal="00001A"), {"codes-differ"}),
    "codes that were never redeemed": (_codes(redeemed_at=None), {"codes-differ"}),
    "no codes": (_without_codes, {"codes-missing"}),
    "an application that is not": (_codes(receipt_number="999999Z"), {"approval"}),
    "a later start date": (_later_start, {"starts-too-early"}),
    "a later confirmed date": (_later_confirmed, {"starts-too-early"}),
    "entries that were not sealed": (_unsealed, {"audit-unsealed"}),
    "an entry that is gone": (_unlogged, {"audit-differs"}),
    "entries that were changed": (_relogged, {"audit-changed"}),
    "another credential": (_credential(serial="7f"), {"credential-differs", "certificate-missing"}),
    "a credential of another office": (_credential(office_code="NAC002"), {"credential-differs"}),
    "an abolished terminal": (_abolished, {"terminal-state"}),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found(house: House, check: CertificateCheck, certificate: CertificateRecord, fault: str) -> None:
    plant, wanted = FAULTS[fault]
    with house.database.transaction() as session:
        plant(session, certificate)
    assert wanted <= codes_found(check, house)


def _replaced(house: House, record: CertificateRecord, **profile: Any) -> None:  # noqa: ANN401 (fields of the profile)
    """Put a really signed certificate of another profile in the place of a good one, row and all."""
    with house.database.snapshot() as session:
        [examined] = [one for one in inspection.page(session, Period(), after=0, most=100) if one.record == record]
    public_key = x509.load_der_x509_certificate(record.der or b"").public_key()
    other = dataclasses.replace(house.profile, **profile)
    builder = other.builder(
        house.issuing.issuer,
        public_key,
        Subject(record.subject, OFFICE, "NAC Trading Co., Ltd."),
        int(record.serial, 16),
        Validity(record.not_before, record.not_after),
    )
    tbs = to_be_signed(builder, house.issuing.issuer.public_key)
    with house.database.transaction() as session:
        values = {"tbs": tbs, "der": certify(tbs, house.issuing)}
        session.execute(update(CertificateRow).where(CertificateRow.id == examined.number).values(**values))


@pytest.mark.parametrize(
    ("profile", "wanted"),
    [
        ({"san_prefix": "urn:other:"}, {"profile", "lint"}),
        ({"san_prefix": "tag:example.org,2026:terminal:"}, {"profile", "lint"}),
        ({"policy_oid": "1.2.3.4"}, {"profile"}),
        ({"addresses": Addresses("http://elsewhere.example.jp")}, {"profile"}),
        ({"usages": ("digital_signature", "key_agreement")}, {"profile"}),
        ({"purposes": ("1.3.6.1.5.5.7.3.1",)}, {"profile"}),
    ],
)
def test_a_certificate_of_another_profile_is_found(
    house: House, check: CertificateCheck, certificate: CertificateRecord, profile: dict[str, Any], wanted: set[str]
) -> None:
    _replaced(house, certificate, **profile)
    assert codes_found(check, house) == wanted


def test_each_certificate_is_judged_by_the_profile_that_it_was_made_by(
    house: House, check: CertificateCheck, certificate: CertificateRecord, sealed: Callable[[], None]
) -> None:
    changed = dataclasses.replace(
        house.profile, policy_oid="1.3.6.1.4.1.32473.9", san_prefix="tag:example.org,2027:terminal:", delta=True
    )
    redemption = dataclasses.replace(house.redemption, authority=Authority(house.issuing, changed))
    [(_, codes)] = house.new_codes()
    later = redemption.redeem(codes, new_request().pem, SOURCE).certificate
    sealed()
    today = dataclasses.replace(check, profile=changed)
    assert codes_found(today, house) == set()
    # Neither is good by the other's profile.
    names = _profiles(house)
    assert len(set(names.values())) == 2
    for one, other in ((certificate, later), (later, certificate)):
        with house.database.transaction() as session:
            _set(profile=names[other.serial])(session, one)
        assert "profile" in codes_found(today, house)
        with house.database.transaction() as session:
            _set(profile=names[one.serial])(session, one)


def _profiles(house: House) -> dict[str, str | None]:
    with house.database.snapshot() as session:
        rows = session.scalars(select(CertificateRow).where(CertificateRow.kind == "terminal"))
        return {row.serial: row.profile for row in rows}


def test_a_certificate_without_profile_and_a_profile_that_was_changed_are_found(
    house: House, check: CertificateCheck, certificate: CertificateRecord
) -> None:
    with house.database.transaction() as session:
        _set(profile=None)(session, certificate)
    assert codes_found(check, house) == {"profile-unknown"}
    with house.database.transaction() as session:
        session.execute(update(ProfileRow).values(content=ProfileRow.content + " "))
    assert codes_found(check, house) == {"profile-unknown", "profile-changed"}


def test_what_was_signed_by_another_key_is_found(house: House, check: CertificateCheck, certificate: CertificateRecord) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    forged = assemble(certificate.tbs, key.sign(certificate.tbs, ec.ECDSA(hashes.SHA256())))
    with house.database.transaction() as session:
        _set(der=forged)(session, certificate)
    assert codes_found(check, house) == {"signature-invalid"}


def test_what_was_signed_and_never_stored_is_found(house: House, check: CertificateCheck, certificate: CertificateRecord) -> None:
    now = house.clock.now()
    with house.database.transaction() as session:
        facts = {"issuer": certificate.issuer, "serial": "4" + "0" * 39}
        audit.record(session, now=now, actor=SECURITY, action="certificate.issue", subject="terminal:99998W", **facts)
    assert codes_found(check, house) == {"certificate-missing"}


def test_a_reservation_that_waits_for_too_long_is_found(
    house: House, check: CertificateCheck, clock: SettableClock, sealed: Callable[[], None]
) -> None:
    [(_, codes)] = house.new_codes()
    claimed = dataclasses.replace(house.redemption, authority=_Dumb(house.issuing, house.profile))
    with pytest.raises(NotImplementedError):
        claimed.redeem(codes, new_request().pem, SOURCE)
    sealed()
    assert codes_found(check, house) == set()
    clock.advance(timedelta(hours=25))
    house.crl.publish_if_due(clock.now())
    assert codes_found(check, house) == {"reserved-too-old"}


class _Dumb(Authority):
    """Promises and does not sign."""

    def sign(self, reserved: CertificateRecord) -> bytes:
        raise NotImplementedError(reserved.serial)


@pytest.mark.parametrize("approver", ["staff:somebody", PREPARER])
def test_an_approval_that_was_not_is_found(
    house: House, check: CertificateCheck, sealed: Callable[[], None], approver: object
) -> None:
    house.issue()
    receipt_number, _ = _retrieved_by_application(house)
    sealed()
    with house.database.transaction() as session:
        row = update(ApplicationRow).where(ApplicationRow.receipt_number == receipt_number)
        session.execute(row.values(approved_by=str(approver)))
    assert codes_found(check, house) == {"approval"}


def test_a_key_in_two_certificates_is_found(house: House, check: CertificateCheck, sealed: Callable[[], None]) -> None:
    first, second = (house.issue().certificate for _ in range(2))
    sealed()
    with house.database.transaction() as session:
        # The index forbids it among terminals; what if the index was dropped?
        session.execute(text("DROP INDEX uq_ca_certificate_terminal_key"))
        _set(spki_sha256=first.spki_sha256)(session, second)
    assert codes_found(check, house) >= {"key-shared", "key-differs"}


def test_a_list_that_lacks_a_revocation_is_found(
    house: House, check: CertificateCheck, certificate: CertificateRecord, sealed: Callable[[], None]
) -> None:
    old = house.crl.file.read_bytes()
    house.endings.revoke(certificate.subject, Reason.KEY_COMPROMISE, SECURITY)
    sealed()
    assert codes_found(check, house) == set()
    house.crl.file.write_bytes(old)
    assert codes_found(check, house) == {"crl-lacks-it"}
    house.crl.file.unlink()
    assert codes_found(check, house) == {"crl-missing"}


def test_a_list_that_names_what_is_good_or_unknown_is_found(
    house: House, check: CertificateCheck, certificate: CertificateRecord
) -> None:
    now = house.clock.now().replace(microsecond=0)
    builder = x509.CertificateRevocationListBuilder(
        issuer_name=house.issuing.issuer.certificate.subject, last_update=now, next_update=now + HOUR
    )
    for serial in (int(certificate.serial, 16), 4711):
        builder = builder.add_revoked_certificate(x509.RevokedCertificateBuilder(serial, now).build())
    house.crl.file.write_bytes(builder.sign(house.issuing.key, hashes.SHA256()).public_bytes(Encoding.DER))
    assert codes_found(check, house) == {"crl-lists-it", "certificate-missing"}
    forged = builder.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
    house.crl.file.write_bytes(forged.public_bytes(Encoding.DER))
    assert "crl-signature" in codes_found(check, house)


def test_the_partition_that_a_certificate_names_is_read_too(
    house: House, check: CertificateCheck, sealed: Callable[[], None], clock: SettableClock
) -> None:
    authority = Authority(house.issuing, dataclasses.replace(house.profile, partition_size=2, delta=True))
    redemption = dataclasses.replace(house.redemption, authority=authority)
    lists = CrlPublisher(
        house.database, house.issuing, house.crl_folder, addresses=house.profile.addresses, partition_size=2, delta=True
    )
    lists.publish_if_due(clock.now())
    issued = [redemption.redeem(codes, new_request().pem, SOURCE).certificate for _, codes in house.new_codes(3)]
    house.endings.revoke(issued[0].subject, Reason.KEY_COMPROMISE, SECURITY)
    before = {file: file.read_bytes() for file in house.crl_folder.iterdir()}
    lists.publish_if_due(clock.advance(timedelta(minutes=1)))
    sealed()
    assert codes_found(check, house) == set()
    changed = [file for file, content in before.items() if file.read_bytes() != content and "delta" not in file.name]
    partition = next(file for file in changed if file.name != "issuing-1.crl")
    partition.write_bytes(before[partition])
    assert codes_found(check, house) == {"crl-lacks-it"}


def test_a_stale_list_is_found(
    house: House, check: CertificateCheck, certificate: CertificateRecord, clock: SettableClock
) -> None:
    assert certificate.state == "valid"
    clock.advance(timedelta(days=30))
    assert "crl-stale" in codes_found(check, house)


def test_a_responder_that_says_something_else_is_found(
    house: House, check: CertificateCheck, certificate: CertificateRecord, sealed: Callable[[], None]
) -> None:
    recorded: dict[bytes, bytes] = {}

    def remember(question: bytes) -> bytes:
        return recorded.setdefault(question, check.ask(question))

    remembering = dataclasses.replace(check, ask=remember)
    assert codes_found(remembering, house) == set()
    house.endings.revoke(certificate.subject, Reason.SUPERSEDED, SECURITY)
    sealed()
    assert codes_found(remembering, house) == {"ocsp-differs", "ocsp-stale"}


def test_a_responder_that_is_silent_or_talks_nonsense_is_found(
    house: House, check: CertificateCheck, certificate: CertificateRecord
) -> None:
    def away(_question: bytes) -> bytes:
        raise ConnectionRefusedError

    assert certificate.state == "valid"
    for ask in (away, lambda _: b"", lambda _: b"\x30\x03\x0a\x01\x06"):
        found = dataclasses.replace(check, ask=ask).run(house.clock.now(), Period())[1]
        assert {finding.code for finding in found} <= {"ocsp-silent", "ocsp-refused"}
        assert found


def test_only_the_period_is_read(
    house: House, check: CertificateCheck, certificate: CertificateRecord, clock: SettableClock
) -> None:
    with house.database.transaction() as session:
        _flipped(session, certificate)
    before = Period(until=certificate.reserved_at)
    after = Period(since=clock.now())
    assert "signature-invalid" in codes_found(check, house, Period(since=certificate.reserved_at))
    assert codes_found(check, house, after) == set()
    assert check.run(clock.now(), after)[0] == 0
    assert codes_found(check, house, before) == set()


def test_progress_is_told_and_findings_are_lines(house: House, check: CertificateCheck, certificate: CertificateRecord) -> None:
    told: list[tuple[int, int]] = []
    with house.database.transaction() as session:
        _flipped(session, certificate)
    read, [finding] = check.run(house.clock.now(), Period(), lambda done, everything: told.append((done, everything)))
    assert told == [(read, read)]
    assert str(finding) == (f"signature-invalid {certificate.subject} {certificate.serial}: the key of issuing-1 did not sign it")
