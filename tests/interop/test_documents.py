"""Approval notices as others read them: poppler trusts the signature, qpdf finds the file sound, pyHanko calls it B-LTA."""

import asyncio
import shutil
import subprocess
from io import BytesIO
from pathlib import Path

import pytest
from asn1crypto import x509 as asn1_x509
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.ades.report import AdESPassed
from pyhanko.sign.validation.ades import ades_lta_validation
from pyhanko.sign.validation.policy_decl import (
    PdfSignatureValidationSpec,
    RevinfoOnlineFetchingRule,
    RevocationInfoGatheringSpec,
    SignatureValidationSpec,
)
from pyhanko_certvalidator.context import CertValidationPolicySpec
from pyhanko_certvalidator.policy_decl import REQUIRE_REVINFO, CertRevTrustPolicy
from pyhanko_certvalidator.registry import SimpleTrustManager

from enrollment.documents import facts
from enrollment.documents.store import content_of, latest
from enrollment.documents.typesetting import typeset
from tests.enrollment.filings import approved
from tests.interop.programs import Outcome, Runner
from tests.support.documents import PUBLISHER, notices, root_der
from tests.support.open_doors import OpenDoors
from tests.support.required import missing


@pytest.fixture(scope="module")
def notice(doors: OpenDoors) -> bytes:
    """Make a notice by the machine's clock, which is the one that other people's programs look at."""
    house = doors.house
    house.new_terminals()
    receipt_number = approved(house)
    assert notices(house).make_due(house.clock.now()) == 1
    with house.database.snapshot() as session:
        kept = latest(session, receipt_number)
        assert kept is not None
        return content_of(session, kept)


@pytest.fixture
def form(doors: OpenDoors, notice: bytes) -> bytes:
    """Set the form of the same application."""
    assert notice
    house = doors.house
    with house.database.snapshot() as session:
        told = facts.application_form(session, house_receipt(notice), PUBLISHER)
    return typeset(told, house.clock.now())


def house_receipt(notice: bytes) -> str:
    """Return the receipt number of a notice: its document's keyword."""
    return str(PdfFileReader(BytesIO(notice)).trailer["/Info"]["/Keywords"])


def pdfsig(run: Runner, folder: Path, root: str, content: bytes) -> Outcome:
    """Return what poppler says of a file's signatures, by our root."""
    if shutil.which("pdfsig") is None:
        missing("pdfsig (Debian's poppler-utils)")
    if shutil.which("certutil") is None:
        missing("certutil (Debian's libnss3-tools)")
    trust, file = folder / "nss", folder / "notice.pdf"
    if not trust.exists():
        trust.mkdir()
        (folder / "root.pem").write_text(root, encoding="ascii")
        for command in (("-N", "--empty-password"), ("-A", "-n", "root", "-t", "C,C,C", "-a", "-i", str(folder / "root.pem"))):
            subprocess.run(["certutil", "-d", f"sql:{trust}", *command], check=True, capture_output=True)
    file.write_bytes(content)
    # What is in the file must do: no network.
    return run("pdfsig", "-nssdir", f"sql:{trust}", "-no-ocsp", file)


def test_pdfsig_trusts_it(run: Runner, doors: OpenDoors, notice: bytes, tmp_path: Path) -> None:
    told = pdfsig(run, tmp_path, doors.house.root.pem, notice)
    first = told.text.partition("Signature #2")[0]
    assert "Signature Validation: Signature is Valid." in first
    assert "Certificate Validation: Certificate is Trusted." in first
    assert "Signer Certificate Common Name: Tegata Trial Network documents 1" in first
    assert "ETSI.CAdES.detached" in first


def test_pdfsig_does_not_call_a_changed_one_valid(run: Runner, doors: OpenDoors, notice: bytes, tmp_path: Path) -> None:
    for at in (200, len(notice) // 4, len(notice) // 2):
        changed = bytearray(notice)
        changed[at] ^= 1
        told = pdfsig(run, tmp_path, doors.house.root.pem, bytes(changed))
        assert "Signature is Valid" not in told.text, at


def test_qpdf_finds_notice_and_form_sound(run: Runner, notice: bytes, form: bytes, tmp_path: Path) -> None:
    for content in (notice, form):
        file = tmp_path / "file.pdf"
        file.write_bytes(content)
        told = run("qpdf", "--check", file)
        assert told.status == 0, told.text
        assert "No syntax or stream encoding errors found" in told.text


def test_verapdf_finds_notice_and_form_to_be_what_they_say(run: Runner, notice: bytes, form: bytes, tmp_path: Path) -> None:
    if shutil.which("verapdf") is None:
        pytest.skip("missing: verapdf, which Debian does not have")
    for flavour in ("3a", "ua1"):
        for content in (notice, form):
            file = tmp_path / "file.pdf"
            file.write_bytes(content)
            told = run("verapdf", "--flavour", flavour, "--format", "text", file)
            assert told.text.startswith("PASS"), told.text


def has_lasting_signature(root: bytes, content: bytes) -> bool:
    """Return whether pyHanko finds one signature with long-term material that holds by a root, without asking anybody."""
    trust = SimpleTrustManager.build(trust_roots=[asn1_x509.Certificate.load(root)])
    policy = CertValidationPolicySpec(trust_manager=trust, revinfo_policy=CertRevTrustPolicy(REQUIRE_REVINFO))
    offline = RevocationInfoGatheringSpec(online_fetching_rule=RevinfoOnlineFetchingRule.LOCAL_ONLY)
    specification = PdfSignatureValidationSpec(SignatureValidationSpec(policy, offline))
    [signature] = PdfFileReader(BytesIO(content), strict=True).embedded_regular_signatures
    return asyncio.run(ades_lta_validation(signature, specification)).ades_subindic is AdESPassed.OK


def test_pyhanko_calls_it_a_signature_with_long_term_material_that_holds(doors: OpenDoors, notice: bytes) -> None:
    assert has_lasting_signature(root_der(doors.house), notice)
