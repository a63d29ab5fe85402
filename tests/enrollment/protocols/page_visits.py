"""What a person does at the retrieval page, and what is found out about it behind the person's back."""

import json
import ssl
from http.client import HTTPSConnection
from pathlib import Path
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, pkcs12
from playwright.sync_api import Page, Route

from tests.support.browser import Visit
from tests.support.open_doors import OpenDoors

REST = "**/api/v1/retrievals"
PASSPHRASE = "correct horse, battery 7"
Inputs = dict[str, str]


def open_page(visit: Visit, doors: OpenDoors, query: str = "") -> Page:
    visit.page.goto(f"{doors.retrieval}/retrieve{query}")
    visit.page.wait_for_selector("#form:not([hidden])")
    return visit.page


def fill(page: Page, inputs: Inputs, passphrase: str = PASSPHRASE) -> None:
    for name, value in inputs.items():
        page.fill(f"#{name}", value)
    page.fill("#passphrase", passphrase)
    page.fill("#passphrase_again", passphrase)


def finish(page: Page) -> bytes:
    """Wait for the file and save it."""
    page.wait_for_selector("#done:not([hidden])")
    with page.expect_download() as download:
        page.click("#download")
    return Path(download.value.path()).read_bytes()


def open_file(content: bytes, passphrase: str = PASSPHRASE) -> pkcs12.PKCS12KeyAndCertificates:
    opened = pkcs12.load_pkcs12(content, passphrase.encode())
    assert opened.cert is not None
    assert opened.key is not None
    assert opened.key.public_key() == opened.cert.certificate.public_key()
    return opened


def certificate_of(content: bytes) -> x509.Certificate:
    opened = open_file(content)
    assert opened.cert is not None
    return opened.cert.certificate


def log_on(doors: OpenDoors, content: bytes, access_key: str, folder: Path) -> tuple[int, str]:
    """Show the file's certificate at the terminals door."""
    opened = open_file(content)
    assert opened.cert is not None
    assert opened.key is not None
    leaf, file = opened.cert.certificate, folder / "client.pem"
    terminal = leaf.subject.rfc4514_string().partition("CN=")[2].partition(",")[0]
    chain = [leaf, *(each.certificate for each in opened.additional_certs)]
    key = opened.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    file.write_bytes(key + b"".join(each.public_bytes(Encoding.PEM) for each in chain))
    context = ssl.create_default_context(cafile=str(doors.root))
    context.load_cert_chain(file)
    connection = HTTPSConnection(urlsplit(doors.terminals).netloc, context=context)
    body = json.dumps({"terminal": terminal, "access_key": access_key})
    connection.request("POST", "/api/v1/logons", body, {"Content-Type": "application/json"})
    response = connection.getresponse()
    return response.status, response.read().decode()


def redeem_unheard(doors: OpenDoors, route: Route) -> str:
    """Let the center issue what the browser asks for, and nobody hear of it; return the request that was sent."""
    connection = HTTPSConnection(urlsplit(doors.retrieval).netloc, context=ssl.create_default_context(cafile=str(doors.root)))
    connection.request("POST", "/api/v1/retrievals", route.request.post_data or "", {"Content-Type": "application/json"})
    assert connection.getresponse().status == 201
    return request_in(route)


def request_in(route: Route) -> str:
    """Return the certification request that a question to the center carries."""
    return str(json.loads(route.request.post_data or "{}")["csr"])


def kept(page: Page) -> list[list[str]]:
    """Return the names of what each record in the browser's database holds."""
    records: list[list[str]] = page.evaluate(
        """() => new Promise((resolve) => {
            const opening = indexedDB.open("tegata-retrieval");
            opening.onsuccess = () => {
                const all = opening.result.transaction("attempts").objectStore("attempts").getAll();
                all.onsuccess = () => resolve(all.result.map((record) => Object.keys(record).sort()));
            };
        })"""
    )
    return records
