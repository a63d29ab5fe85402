"""Whose word about a client's certificate counts: the handshake's, or that of a proxy of ours; never the client's own."""

import ipaddress
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from server.client_certificates import BY_PROXY, client_certificate
from server.front import Front
from tests.support.clock import SettableClock

PROXY, PASSING, STRANGER = "192.0.2.1", "192.0.2.2", "198.51.100.7"
VERIFY, CERTIFICATE = "HTTP_X_SSL_CLIENT_VERIFY", "HTTP_X_SSL_CLIENT_CERT"


class Connection:
    """A TLS connection, as gunicorn hands it over, with the certificate that was shown in its handshake."""

    def __init__(self, certificate: bytes | None) -> None:
        self._certificate = certificate

    def getpeercert(self, *, binary_form: bool) -> bytes | None:
        """Return it."""
        assert binary_form
        return self._certificate


@pytest.fixture(scope="module")
def certificate() -> x509.Certificate:
    key, now = ec.generate_private_key(ec.SECP256R1()), SettableClock().now()
    name = x509.Name([])
    return x509.CertificateBuilder(name, name, key.public_key(), 1, now, now).sign(key, hashes.SHA256())


def seen(environ: dict[str, Any]) -> bytes | None:
    """Return the certificate that an app behind the front would see."""
    found: list[bytes | None] = []

    def app(environ: dict[str, Any], start_response: object) -> Iterable[bytes]:
        del start_response
        assert VERIFY not in environ
        assert CERTIFICATE not in environ
        found.append(client_certificate(environ))
        return []

    [ends_tls, passes_tls] = [ipaddress.ip_network(f"{address}/32") for address in (PROXY, PASSING)]
    front = Front(app, {}, (ends_tls, passes_tls), certificate_proxies=(ends_tls,))
    front({"PATH_INFO": "/", "gunicorn.socket": Connection(None), **environ}, lambda *_: None)
    return found[0]


def escaped(certificate: x509.Certificate) -> str:
    return quote(certificate.public_bytes(Encoding.PEM).decode(), safe="")


def test_a_trusted_proxy_hands_the_certificate_on(certificate: x509.Certificate) -> None:
    environ = {"REMOTE_ADDR": PROXY, VERIFY: "SUCCESS", CERTIFICATE: escaped(certificate)}
    assert seen(environ) == certificate.public_bytes(Encoding.DER)
    for left_to_us in ("has expired", "is not yet valid", "revoked"):
        assert seen(environ | {VERIFY: f"FAILED:certificate {left_to_us}"}) == certificate.public_bytes(Encoding.DER)


@pytest.mark.parametrize("verify", ["NONE", "", "FAILED:self-signed certificate", "success", "SUCCESS "])
def test_what_the_proxy_did_not_verify_is_no_certificate(certificate: x509.Certificate, verify: str) -> None:
    assert seen({"REMOTE_ADDR": PROXY, VERIFY: verify, CERTIFICATE: escaped(certificate)}) is None


def test_a_strangers_headers_count_for_nothing(certificate: x509.Certificate) -> None:
    forged = {VERIFY: "SUCCESS", CERTIFICATE: escaped(certificate)}
    assert seen({"REMOTE_ADDR": STRANGER, **forged}) is None
    assert seen({"REMOTE_ADDR": STRANGER, "HTTP_X_FORWARDED_FOR": PROXY, **forged}) is None
    assert seen({"REMOTE_ADDR": "", **forged}) is None
    assert seen({"REMOTE_ADDR": STRANGER, "gunicorn.socket": Connection(b"shown"), **forged}) == b"shown"


def test_a_proxy_that_passes_tls_through_is_believed_about_addresses_only(certificate: x509.Certificate) -> None:
    written_by_a_client = {VERIFY: "SUCCESS", CERTIFICATE: escaped(certificate)}
    assert seen({"REMOTE_ADDR": PASSING, **written_by_a_client}) is None
    assert seen({"REMOTE_ADDR": PASSING, "HTTP_X_FORWARDED_FOR": PROXY, **written_by_a_client}) is None


def test_of_a_proxy_only_the_headers_count(certificate: x509.Certificate) -> None:
    own = {"gunicorn.socket": Connection(b"the proxy's own")}
    assert seen({"REMOTE_ADDR": PROXY, **own}) is None
    assert seen({"REMOTE_ADDR": PROXY, VERIFY: "SUCCESS", **own}) is None
    assert seen({"REMOTE_ADDR": PROXY, CERTIFICATE: escaped(certificate), **own}) is None


def test_what_a_proxy_garbled_is_handed_on_to_be_refused() -> None:
    assert seen({"REMOTE_ADDR": PROXY, VERIFY: "SUCCESS", CERTIFICATE: "garbled%0Aé"}) == "garbled\né".encode()


def test_nobody_else_can_write_what_the_front_writes() -> None:
    assert seen({"REMOTE_ADDR": STRANGER, BY_PROXY: ("SUCCESS", "forged")}) is None
