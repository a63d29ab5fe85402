"""The lines of the bulletin's manual on retrieval with OpenSSL and curl, executed as they stand on the page."""

import json
import os
import re
import shutil
from dataclasses import astuple, replace
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from lxml import html  # type: ignore[import-untyped]

from enrollment.codes import Codes
from tests.interop.programs import Outcome, Runner
from tests.support.open_doors import OpenDoors
from tests.support.required import missing
from webui import markup
from webui.bulletin.manuals import read_manuals

# What stands for the door's address, and what begins the part about Windows, by languages.
LANGUAGES = {"ja": ("接続先", "Windowsでは"), "en": ("ADDRESS", "On Windows")}


def _steps(language: str, *, on_windows: bool = False) -> list[str]:
    """Return the commands of each step, as the page shows them."""
    section = next(one for one in read_manuals()["retrieval"].sections if one.anchor == "openssl")
    body = markup.render(section.body.en if language == "en" else section.body.ja, top=3)
    unixes, _, windows = body.partition(f"<h3>{LANGUAGES[language][1]}")
    shown = html.fragment_fromstring(windows.partition("</h3>")[2] if on_windows else unixes, create_parent=True)
    return [block.text_content() for block in shown.findall("pre")]


@pytest.fixture
def folder(doors: OpenDoors, tmp_path: Path) -> Path:
    for program in ("bash", "jq"):
        if shutil.which(program) is None:
            missing(program)
    shutil.copy(doors.root, tmp_path / "root.pem")
    return tmp_path


def _run(run: Runner, doors: OpenDoors, codes: Codes, folder: Path, steps: list[str], language: str = "ja") -> Outcome:
    script = "\n".join(steps).replace(LANGUAGES[language][0], doors.retrieval)
    typed = (codes.access_key, codes.auth_code_1, codes.auth_code_2, codes.auth_code_3, codes.office_code)
    environment = {"PATH": os.environ["PATH"]}
    return run(
        "bash", "-eu", "-o", "pipefail", "-c", script, folder=folder, environment=environment, typed="\n".join(typed) + "\n"
    )


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_pages_lines_take_a_certificate_for_the_key_that_they_made(
    doors: OpenDoors, run: Runner, folder: Path, language: str
) -> None:
    [(_, codes)] = doors.house.new_codes()
    steps = _steps(language)
    assert len(steps) == 3
    outcome = _run(run, doors, codes, folder, steps, language)
    assert outcome.status == 0, outcome.text
    own = folder / "99999W"
    assert (own / "key.pem").stat().st_mode & 0o077 == 0
    of_key = run("openssl", "pkey", "-in", own / "key.pem", "-pubout").text
    assert run("openssl", "x509", "-in", own / "certificate.pem", "-noout", "-pubkey").text == of_key
    verified = run(
        *("openssl", "verify", "-CAfile", folder / "root.pem", "-untrusted", own / "certificate.pem", own / "certificate.pem")
    )
    assert verified.status == 0, verified.text
    assert not any(secret in outcome.text for secret in astuple(codes)[:4])


def test_the_same_lines_fetch_a_lost_answer_again(doors: OpenDoors, run: Runner, folder: Path) -> None:
    [(_, codes)] = doors.house.new_codes()
    make, fetch, _ = _steps("ja")
    assert _run(run, doors, codes, folder, [make, fetch]).status == 0
    first = (folder / "99999W" / "certificate.pem").read_bytes()
    (folder / "99999W" / "certificate.pem").unlink()
    assert _run(run, doors, codes, folder / "99999W", [fetch]).status == 0
    assert (folder / "99999W" / "certificate.pem").read_bytes() == first


def test_a_refusal_is_where_the_page_says(doors: OpenDoors, run: Runner, folder: Path) -> None:
    [(_, codes)] = doors.house.new_codes()
    make, fetch, _ = _steps("ja")
    outcome = _run(run, doors, replace(codes, auth_code_3="ZZZZZ"), folder, [make, fetch])
    assert outcome.status == 22
    assert json.loads((folder / "99999W" / "certificate.pem").read_bytes())["code"] == "codes-wrong"


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_lines_for_windows_send_what_those_send_that_were_run(language: str) -> None:
    make, fetch, accept = _steps(language, on_windows=True)
    assert make == "certreq.exe -new -user 99999W.inf request.pem"
    assert accept.splitlines() == ["certreq.exe -accept -user certificate.p7b", "Remove-Variable codes"]
    sent = re.findall(r"'([a-z_0-9]+)'", fetch.splitlines()[1])
    of_bash = re.findall(r"([a-z_0-9]+): \$", _steps(language)[1])
    assert {*sent, "csr"} == set(of_bash)
    assert '[IO.File]::ReadAllText("$PWD\\request.pem")' in fetch
    assert fetch.endswith(f"-o certificate.p7b {LANGUAGES[language][0]}/api/v1/retrievals")
    # No code on a command line, where others of the PC see it.
    assert "--data-binary '@-'" in fetch


def test_the_door_takes_what_the_curl_line_for_windows_sends(doors: OpenDoors, run: Runner, folder: Path) -> None:
    [(_, codes)] = doors.house.new_codes()
    key, csr = folder / "key.pem", folder / "request.pem"
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    assert run("openssl", "req", "-new", *curve, "-keyout", key, "-subj", "/CN=99999W", "-out", csr).status == 0
    line = _steps("ja", on_windows=True)[1].splitlines()[-1].rpartition("| curl.exe ")[2]
    line = line.replace(LANGUAGES["ja"][0], doors.retrieval)
    # Of Windows' own store this one knows nothing.
    environment = {"PATH": os.environ["PATH"], "CURL_CA_BUNDLE": str(folder / "root.pem")}
    typed = json.dumps(vars(codes) | {"csr": csr.read_text(encoding="ascii").replace("\n", "\r\n")})
    outcome = run("bash", "-eu", "-c", f"curl {line}", folder=folder, environment=environment, typed=typed)
    assert outcome.status == 0, outcome.text
    told = run("openssl", "pkcs7", "-inform", "DER", "-in", folder / "certificate.p7b", "-print_certs")
    chain = x509.load_pem_x509_certificates(told.text.encode())
    keys = {one.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode() for one in chain}
    assert (run("openssl", "pkey", "-in", key, "-pubout").text in keys, len(keys)) == (True, 2)
