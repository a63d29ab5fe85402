"""The browser of the suite is itself judged: what it must refuse or complain about, it does."""

import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from playwright.sync_api import Error

from tests.support.browser import Chromium

FINE = '<!doctype html><html lang="ja"><meta charset="utf-8"><link rel="icon" href="data:,"><title>よし</title><p>{}</p></html>'


@dataclass(frozen=True)
class Site:
    """A small site under TLS, and the root under which its certificate stands."""

    address: str
    root: Path


def _certificate(
    name: str, issuer: tuple[x509.Name, ec.EllipticCurvePrivateKey] | None, key: ec.EllipticCurvePrivateKey
) -> bytes:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    signer = issuer or (subject, key)
    instant = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder(signer[0], subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(instant - timedelta(hours=1))
        .not_valid_after(instant + timedelta(days=30))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
    )
    if issuer:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    return builder.sign(signer[1], hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Serve three pages: one that is fine, one whose script fails, one that lacks a picture."""
    folder = tmp_path_factory.mktemp("site")
    root_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    root = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Root")])
    (folder / "root.pem").write_bytes(_certificate("Root", None, root_key))
    pem, no_password = serialization.Encoding.PEM, serialization.NoEncryption()
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, no_password)
    (folder / "site.pem").write_bytes(private + _certificate("localhost", (root, root_key), key))
    for name, content in (("fine", ""), ("script", "<script>no.such.thing()</script>"), ("picture", '<img src="no.png" alt="">')):
        (folder / f"{name}.html").write_text(FINE.format(content), encoding="utf-8")
    # The browser asks for it on its own, whenever it likes, on pages that name no icon (the one of a missing page).
    (folder / "favicon.ico").write_bytes(b"")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "site.pem")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=str(folder)))
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield Site(f"https://localhost:{server.server_port}", folder / "root.pem")
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_page_under_a_trusted_root_is_shown_and_photographed(chromium: Chromium, site: Site) -> None:
    with chromium.visit(site.root) as visit:
        visit.page.goto(f"{site.address}/fine.html")
        assert visit.page.title() == "よし"
        assert visit.screenshot("browser-of-the-suite").read_bytes().startswith(b"\x89PNG")


def test_a_root_that_was_not_given_is_not_trusted(chromium: Chromium, site: Site) -> None:
    with chromium.visit() as visit, pytest.raises(Error, match="ERR_CERT_AUTHORITY_INVALID"):
        visit.page.goto(f"{site.address}/fine.html")


def test_a_name_that_the_certificate_does_not_hold_is_not_trusted(chromium: Chromium, site: Site) -> None:
    with chromium.visit(site.root) as visit, pytest.raises(Error, match="ERR_CERT_COMMON_NAME_INVALID"):
        visit.page.goto(f"{site.address}/fine.html".replace("localhost", "127.0.0.1"))


def test_a_page_that_says_no_is_not_a_complaint(chromium: Chromium, site: Site) -> None:
    with chromium.visit(site.root) as visit:
        visit.page.goto(f"{site.address}/fine.html")
        visit.page.goto(f"{site.address}/no-such-page.html")
        assert visit.page.locator("h1").count() == 1


@pytest.mark.parametrize(("page", "complaint"), [("script", "no is not defined"), ("picture", "no.png")])
def test_a_failing_script_and_a_missing_picture_fail_the_visit(chromium: Chromium, site: Site, page: str, complaint: str) -> None:
    with pytest.raises(pytest.fail.Exception, match=complaint), chromium.visit(site.root) as visit:
        visit.page.goto(f"{site.address}/{page}.html")
