"""OpenSSL asks for time stamps over HTTP, and judges them; the lines of docs/time-stamps.md, executed as they stand there."""

import os
import re
import shutil
from pathlib import Path

import pytest

from ca.timestamp_requests import Imprint
from tests.interop.programs import Outcome, Runner
from tests.support.open_doors import OpenDoors
from tests.support.schema import ROOT

MANUAL = (ROOT / "docs" / "time-stamps.md").read_text(encoding="utf-8")
LINES = re.findall(r"^```sh\n(.*?)^```$", MANUAL, re.DOTALL | re.MULTILINE)


@pytest.fixture
def document(tmp_path: Path) -> Path:
    """Return a file to stamp."""
    file = tmp_path / "notice.pdf"
    file.write_bytes(b"%PDF-1.7 a notice")
    return file


def _stamp(doors: OpenDoors, run: Runner, document: Path, *options: str) -> tuple[Path, Path]:
    """Return the files of a question and its answer."""
    query, reply = document.with_suffix(".tsq"), document.with_suffix(".tsr")
    assert run("openssl", "ts", "-query", "-data", document, "-out", query, *options).status == 0
    asked = ("-sS", "--fail", "-H", "Content-Type: application/timestamp-query", "--data-binary", f"@{query}")
    outcome = run("curl", *asked, "-o", reply, f"{doors.status}/tsa")
    assert outcome.status == 0, outcome.text
    return query, reply


@pytest.mark.parametrize("digest", ["-sha256", "-sha384", "-sha512"])
@pytest.mark.parametrize("nonce", [(), ("-no_nonce",)])
def test_a_stamp_with_certificates_verifies_with_the_root_alone(
    doors: OpenDoors, run: Runner, document: Path, digest: str, nonce: tuple[str, ...]
) -> None:
    query, reply = _stamp(doors, run, document, digest, "-cert", *nonce)
    for asked in (("-queryfile", query), ("-data", document)):
        outcome = run("openssl", "ts", "-verify", *asked, "-in", reply, "-CAfile", doors.root)
        assert "Verification: OK" in outcome.text, outcome.text


def test_a_stamp_without_certificates_verifies_with_those_that_one_has(
    doors: OpenDoors, run: Runner, document: Path, tmp_path: Path
) -> None:
    query, reply = _stamp(doors, run, document, "-sha256")
    verify = ("openssl", "ts", "-verify", "-queryfile", query, "-in", reply, "-CAfile", doors.root)
    assert run(*verify).status != 0
    _, full = _stamp(doors, run, document, "-sha256", "-cert")
    token, held = tmp_path / "token", tmp_path / "held.pem"
    assert run("openssl", "ts", "-reply", "-in", full, "-token_out", "-out", token).status == 0
    assert run("openssl", "pkcs7", "-inform", "DER", "-in", token, "-print_certs", "-out", held).status == 0
    query, reply = _stamp(doors, run, document, "-sha256")
    outcome = run("openssl", "ts", "-verify", "-queryfile", query, "-in", reply, "-CAfile", doors.root, "-untrusted", held)
    assert "Verification: OK" in outcome.text, outcome.text


def test_a_stamp_is_no_stamp_of_another_document(doors: OpenDoors, run: Runner, document: Path, tmp_path: Path) -> None:
    _, reply = _stamp(doors, run, document, "-sha256", "-cert")
    other = tmp_path / "other.pdf"
    other.write_bytes(b"%PDF-1.7 another notice")
    outcome = run("openssl", "ts", "-verify", "-data", other, "-in", reply, "-CAfile", doors.root)
    assert outcome.status != 0
    assert "message imprint mismatch" in outcome.text


def test_openssl_understands_the_refusal(doors: OpenDoors, run: Runner, document: Path) -> None:
    _, reply = _stamp(doors, run, document, "-sha1")
    told = run("openssl", "ts", "-reply", "-in", reply, "-text").text
    assert "Rejected" in told
    assert "unrecognized or unsupported algorithm" in told
    _, reply = _stamp(doors, run, document, "-tspolicy", "1.2.3.4")
    assert "requested TSA policy is not supported" in run("openssl", "ts", "-reply", "-in", reply, "-text").text


def test_a_token_made_in_process_verifies_too(doors: OpenDoors, run: Runner, document: Path, tmp_path: Path) -> None:
    house, token = doors.house, tmp_path / "token"
    token.write_bytes(house.timestamps.stamp(Imprint.of(document.read_bytes()), house.clock.now()))
    outcome = run("openssl", "ts", "-verify", "-data", document, "-in", token, "-token_in", "-CAfile", doors.root)
    assert "Verification: OK" in outcome.text, outcome.text


def _follow(run: Runner, doors: OpenDoors, document: Path, steps: list[str]) -> Outcome:
    shutil.copy(doors.root, document.with_name("root.pem"))
    variables = {"PATH": os.environ["PATH"], "STATUS": doors.status, "FILE": document.name}
    return run("sh", "-eu", "-c", "\n".join(steps), folder=document.parent, environment=variables)


def test_the_manuals_lines_stamp_a_file_and_verify_it(doors: OpenDoors, run: Runner, document: Path) -> None:
    assert len(LINES) == 4
    outcome = _follow(run, doors, document, LINES)
    assert outcome.status == 0, outcome.text
    assert outcome.text.count("Verification: OK") == 2
    assert "notice.pdf was there at " in outcome.text
    assert "unit.pem: OK" in outcome.text


def test_the_manuals_lines_tell_that_a_file_was_changed(doors: OpenDoors, run: Runner, document: Path) -> None:
    assert _follow(run, doors, document, LINES[:2]).status == 0
    document.write_bytes(document.read_bytes() + b" changed")
    outcome = _follow(run, doors, document, LINES[2:3])
    assert outcome.status != 0
    assert "message imprint mismatch" in outcome.text
    assert "was there at" not in outcome.text
