"""pkilint's own programs, as an auditor calls them on files."""

import csv
import io
import sys
from pathlib import Path

from tests.ca.ocsp_requests import cert_id, request
from tests.interop.programs import Papers, Runner
from tests.support.open_doors import OpenDoors

# RFC 4151's tag URIs have no host, which pkilint asks of URIs; the tests' doors are on localhost.
BY_DESIGN = {"pkix.invalid_uri_syntax", "pkix.invalid_domain_name_syntax"}


def _found(run: Runner, program: str, *words: str | Path) -> set[str]:
    """Return the codes of what a program finds at WARNING or above."""
    outcome = run(Path(sys.executable).with_name(program), "lint", "-s", "WARNING", "-f", "CSV", *words)
    assert "Traceback" not in outcome.text
    return {row["code"] for row in csv.DictReader(io.StringIO(outcome.text))}


def test_a_terminals_certificate_is_as_it_must_be_alone_and_under_its_issuer(
    doors: OpenDoors, papers: Papers, run: Runner
) -> None:
    _, file = papers.certificate()
    assert _found(run, "lint_pkix_cert", file) <= BY_DESIGN
    assert _found(run, "lint_pkix_signer_signee_cert_chain", doors.issuing, file) <= BY_DESIGN
    assert _found(run, "lint_pkix_signer_signee_cert_chain", doors.root, doors.issuing) <= BY_DESIGN


def test_so_are_the_list_and_the_responders_answer(doors: OpenDoors, papers: Papers, run: Runner, tmp_path: Path) -> None:
    record, _ = papers.certificate()
    papers.revoke(record)
    house = doors.house
    assert _found(run, "lint_crl", "-t", "CRL", "-p", "PKIX", house.crl.file) == set()
    answer = tmp_path / "answer.der"
    asked = request(cert_id(house.issuing.issuer, record.serial))
    answer.write_bytes(house.responder.answer(asked, house.clock.now()).der)
    assert _found(run, "lint_ocsp_response", answer) == set()


def test_the_programs_bite(doors: OpenDoors, run: Runner, tmp_path: Path) -> None:
    spoilt = tmp_path / "spoilt.der"
    der = doors.house.issuing.issuer.der
    spoilt.write_bytes(der.replace(bytes.fromhex("0603551d13"), bytes.fromhex("0603551d63")))
    assert _found(run, "lint_pkix_cert", spoilt)
