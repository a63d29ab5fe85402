from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import BytesIO

import pytest
from asn1crypto import keys
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.sign import PdfSignatureMetadata
from pyhanko.sign.signers import SimpleSigner, sign_pdf
from pyhanko_certvalidator.registry import SimpleCertificateStore

from enrollment.documents import facts
from enrollment.documents.children import Children
from enrollment.documents.examination import Examination, Outcome
from enrollment.documents.store import issued
from enrollment.documents.typesetting import typeset
from enrollment.documents.verification import LARGEST, PER_SOURCE, Report, Standing, Verdict, Verification
from enrollment.start_moves import StartMoves
from kernel.errors import Refused, Unavailable
from registry.calendar import next_scheduled
from tests.enrollment.documents.conftest import Made, notice_of
from tests.enrollment.filings import LETTERS, approved, departures, start_of
from tests.support.clock import SettableClock
from tests.support.documents import PUBLISHER, notices
from tests.support.house import SECURITY, SOURCE, House

CHILDREN = Children(patience=60)


class Idle(Children):
    """Reads nothing, for tests about what is known without."""

    def examine(self, *_: object) -> Examination:
        """Tell nothing of a file."""
        return Examination(Outcome.UNREADABLE)


def judged(made: Made, content: bytes) -> Report:
    return Verification(made.house.database, made.clock, CHILDREN).judge(content, SOURCE)


def form_of(made: Made) -> bytes:
    with made.house.database.snapshot() as session:
        told = facts.application_form(session, made.receipt_number, PUBLISHER)
    return typeset(told, made.clock.now())


def test_the_very_file_that_was_issued_is_genuine(made: Made) -> None:
    report = judged(made, made.content)
    assert report.verdict is Verdict.GENUINE
    assert report.examination.outcome is Outcome.WHOLE
    assert report.examination.signed_at == made.clock.now()
    assert report.issued is not None
    assert report.issued.notice.receipt_number == made.receipt_number
    assert report.issued.standing is Standing.CURRENT


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        (lambda content: content + b"\n", Verdict.ALTERED),
        (lambda content: content[:20_000] + bytes([content[20_000] ^ 1]) + content[20_001:], Verdict.ALTERED),
        (lambda content: content[:5_000], Verdict.UNREADABLE),
        (lambda _: b"%PDF-1.7\nnothing more", Verdict.UNREADABLE),
    ],
    ids=["appended", "changed", "cut", "nothing"],
)
def test_what_was_not_issued_so_is_told(made: Made, change: Callable[[bytes], bytes], verdict: Verdict) -> None:
    report = judged(made, change(made.content))
    assert (report.verdict, report.issued) == (verdict, None)


def test_a_form_bears_no_signature(made: Made) -> None:
    assert judged(made, form_of(made)).verdict is Verdict.UNSIGNED


def test_the_signature_of_somebody_else_is_a_strangers(made: Made) -> None:
    written = sign_pdf(IncrementalPdfFileWriter(BytesIO(form_of(made))), PdfSignatureMetadata(field_name="A"), _strangers())
    report = judged(made, written.getvalue())
    assert report.verdict is Verdict.FOREIGN
    assert report.examination.signer == "Tegata Trial Network documents 1"  # says who signed; the verdict says the rest


def test_the_same_content_signed_by_us_once_more_is_not_what_we_issued(made: Made) -> None:
    ready = notices(made.house).equip(made.clock.now())
    again = ready.signer.sign(form_of(made), ready.evidence, made.clock.now())
    report = judged(made, again)
    assert report.examination.outcome is Outcome.WHOLE
    assert report.verdict is Verdict.ALTERED


def test_a_replaced_notice_and_one_whose_approval_ended_are_told(sqlite_house: House, clock: SettableClock) -> None:
    house = sqlite_house
    house.new_terminals()
    number = approved(house)
    notices(house).make_due(clock.now())
    first = notice_of(house, number)
    desk = Verification(house.database, clock, Idle())
    later = next_scheduled(start_of(house) + timedelta(days=3))
    StartMoves(house.database, clock, LETTERS).move(number, later, "回線工事の都合", actor=SECURITY)
    told = desk.judge(first, SOURCE).issued
    assert told is not None
    assert (told.standing, told.replaced_on) == (Standing.SUPERSEDED, None)
    clock.advance(timedelta(days=1))
    notices(house).make_due(clock.now())
    second = notice_of(house, number)
    with house.database.snapshot() as session:
        replacing = issued(session, second)
    assert replacing is not None
    told = desk.judge(first, SOURCE).issued
    assert told is not None
    assert (told.standing, told.replaced_on) == (Standing.SUPERSEDED, replacing.issued_on)
    departures(house).cancel(number, "申込者の都合", actor=SECURITY)
    for content in (first, second):
        report = desk.judge(content, SOURCE)
        assert report.verdict is Verdict.GENUINE
        assert report.issued is not None
        assert report.issued.standing is Standing.ENDED


@pytest.mark.parametrize(
    ("content", "code"),
    [(b"", "file-missing"), (b"%PDF-" + bytes(LARGEST), "file-too-large"), (b"GIF89a", "file-not-pdf")],
)
def test_what_can_be_no_notice_is_refused_before_anybody_reads_it(made: Made, content: bytes, code: str) -> None:
    with pytest.raises(Refused, match=code):
        judged(made, content)


def test_a_source_that_sends_many_files_waits_and_no_other_does(sqlite_house: House, clock: SettableClock) -> None:
    desk = Verification(sqlite_house.database, clock, Idle())
    for _ in range(PER_SOURCE.failures):
        desk.judge(b"%PDF-", SOURCE)
    with pytest.raises(Refused, match="throttled"):
        desk.judge(b"%PDF-", SOURCE)
    desk.judge(b"%PDF-", "198.51.100.1")
    clock.advance(PER_SOURCE.lock + timedelta(seconds=1))
    desk.judge(b"%PDF-", SOURCE)


def test_a_reader_that_takes_too_long_is_ended_and_the_file_is_unreadable(made: Made) -> None:
    hasty = replace(CHILDREN, patience=0.01)
    assert hasty.examine(made.content, [made.root], made.clock.now()) == Examination(Outcome.UNREADABLE)


def test_while_all_readers_are_busy_the_next_one_is_told_to_come_again(made: Made) -> None:
    busy = Children(patience=0.02)
    with busy._turn(), busy._turn(), pytest.raises(Unavailable):  # noqa: SLF001 (nobody else holds a turn for so long)
        busy.examine(made.content, [made.root], made.clock.now())


def _strangers() -> SimpleSigner:
    """Return a stranger who calls himself as we do."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Tegata Trial Network documents 1")])
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, begin, begin + timedelta(days=3650))
    usage = x509.KeyUsage(True, True, *[False] * 7)  # noqa: FBT003 (pyca's own order)
    certificate = builder.add_extension(usage, critical=True).sign(key, hashes.SHA256())
    encoded = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    return SimpleSigner(
        asn1_x509.Certificate.load(certificate.public_bytes(Encoding.DER)),
        keys.PrivateKeyInfo.load(encoded),
        SimpleCertificateStore(),  # type: ignore[no-untyped-call]
    )
