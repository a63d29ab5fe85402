"""From the codes to a logon with a browser alone: the page at the served retrieval door, judged by other people's programs."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, pkcs12
from playwright.sync_api import Page

from tests.journeys.people import Inputs, Pc
from tests.support import pkcs12_readers
from tests.support.browser import Chromium
from tests.support.demo import Demo, found_demo

PASSPHRASE = "correct horse, battery 7"
NAMES = ("access_key", "auth_code_1", "auth_code_2", "auth_code_3", "office_code")


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """Return a served demo home."""
    founded = found_demo(tmp_path_factory.mktemp("demo"))
    with founded.served():
        yield founded


def test_a_browser_retrieves_and_the_file_logs_on(demo: Demo, chromium: Chromium, tmp_path: Path) -> None:
    trial = json.loads(demo.run("demo", "codes", "--terminals", "1", "--json").stdout)
    inputs: Inputs = {name: trial[name] for name in NAMES}
    file = _retrieve(demo, chromium, inputs, tmp_path)
    for judge in pkcs12_readers.ALL:
        judge(file, PASSPHRASE, trial["terminal"])
    pc = _pc_with(demo, file, tmp_path / "pc")
    assert pc.log_on(inputs["access_key"]) == (True, None)
    logs = "".join(log.read_text(encoding="utf-8") for log in (demo.home / "logs").iterdir())
    assert "/retrieve" in logs
    assert not [name for name in ("access_key", "auth_code_2", "auth_code_3") if inputs[name] in logs]


def _retrieve(demo: Demo, chromium: Chromium, inputs: Inputs, folder: Path) -> Path:
    """Type the inputs, reload in the middle of the first try, type again and save the file."""
    with chromium.visit(demo.root) as visit:
        page = visit.page
        page.goto(f"{demo.facts['retrieval']}/retrieve?office_code={inputs['office_code']}")
        _begin(page, inputs)
        page.wait_for_function("() => document.querySelector('#step-send').className !== 'next'")
        page.reload()
        page.wait_for_selector("#unfinished:not([hidden])")
        if page.locator("#unfinished button.open").count():  # the answer was quicker than the reload
            page.click("#unfinished button.open")
        else:
            _begin(page, inputs)
        with page.expect_download() as download:
            page.click("#download")
        file = folder / download.value.suggested_filename
        download.value.save_as(file)
        visit.complaints.clear()  # a question that the reload cut off
    return file


def _begin(page: Page, inputs: Inputs) -> None:
    for name, value in inputs.items():
        page.fill(f"#{name}", value)
    page.fill("#passphrase", PASSPHRASE)
    page.fill("#passphrase_again", PASSPHRASE)
    page.click("#go")


def _pc_with(demo: Demo, file: Path, folder: Path) -> Pc:
    """Import the file on a PC, where the terminal's client finds key and certificate."""
    opened = pkcs12.load_pkcs12(file.read_bytes(), PASSPHRASE.encode())
    assert opened.key is not None
    assert opened.cert is not None
    folder.mkdir(mode=0o700)
    certificates = {"certificate.pem": [opened.cert], "chain.pem": opened.additional_certs}
    for name, chain in certificates.items():
        (folder / name).write_bytes(b"".join(each.certificate.public_bytes(Encoding.PEM) for each in chain))
    key = folder / "key.pem"
    key.write_bytes(opened.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    key.chmod(0o600)
    return Pc(demo, folder)
