"""curl, openssl and strongSwan's pki are EST clients (RFC 7030, RFC 8951)."""

import base64
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, pkcs7

from enrollment.codes import Codes
from kernel.database import connect
from tests.interop.programs import Outcome, Runner
from tests.support.aged_house import aged_house
from tests.support.house import Request, new_request
from tests.support.open_doors import OpenDoors

WELL_KNOWN = ".well-known/est"


@dataclass(frozen=True)
class Aged:
    """Open doors, and terminals that may renew: their requests and certificates."""

    doors: OpenDoors
    requests: list[Request]
    certificates: list[bytes]


@pytest.fixture(scope="module")
def aged(sqlite_databases: Callable[[], AbstractContextManager[str]], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aged]:
    requests = [new_request() for _ in range(3)]
    with sqlite_databases() as url:
        database = connect(url)
        with aged_house(database, tmp_path_factory.mktemp("aged"), requests) as (doors, certificates):
            yield Aged(doors, requests, certificates)
        database.dispose()


@dataclass(frozen=True)
class Terminal:
    """A folder at a terminal, with what curl and openssl are asked to do there."""

    aged: Aged
    run: Runner
    folder: Path

    def curl(self, *arguments: str | Path) -> Outcome:
        trusting = ("curl", "-sS", "--cacert", self.aged.doors.root, "-w", "\n%{http_code} %{content_type}")
        return self.run(*trusting, *arguments, folder=self.folder)

    def request(self) -> Path:
        """Make a key and a request in base64, as a person would by hand."""
        curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256")
        made = self.run(
            "openssl", "req", "-new", *curve, "-nodes", "-keyout", "key.pem", "-subj", "/CN=any", "-outform", "DER",
            "-out", "request.der", folder=self.folder,
        )  # fmt: skip
        assert made.status == 0, made.text
        file = self.folder / "request.b64"
        file.write_bytes(base64.encodebytes((self.folder / "request.der").read_bytes()))
        return file

    def enroll(self, *arguments: str | Path, body: Path, door: str | None = None, operation: str = "simpleenroll") -> Outcome:
        url = f"{door or self.aged.doors.retrieval}/{WELL_KNOWN}/{operation}"
        return self.curl(*arguments, "-H", "Content-Type: application/pkcs10", "--data-binary", f"@{body}", url)

    def codes(self) -> Codes:
        [(_, codes)] = self.aged.doors.house.new_codes()
        return codes


@pytest.fixture
def terminal(aged: Aged, run: Runner, tmp_path: Path) -> Terminal:
    return Terminal(aged, run, tmp_path)


def _user(codes: Codes) -> tuple[str, str]:
    return "-u", f"{codes.access_key}:{codes.auth_code_1}-{codes.auth_code_2}-{codes.auth_code_3}-{codes.office_code}"


def _certificates(outcome: Outcome) -> list[x509.Certificate]:
    body, told = outcome.text.rsplit("\n", 1)
    assert told.startswith("200 application/pkcs7-mime"), outcome.text
    assert "\n" not in body  # one line
    return pkcs7.load_der_pkcs7_certificates(base64.b64decode(body, validate=True))


def test_cacerts_gives_the_whole_chain_with_and_without_a_label(terminal: Terminal) -> None:
    for door in (terminal.aged.doors.retrieval, terminal.aged.doors.terminals):
        for path in ("cacerts", "a-label/cacerts"):
            found = _certificates(terminal.curl(f"{door}/{WELL_KNOWN}/{path}"))
            house = terminal.aged.doors.house
            assert {one.subject for one in found} == {house.root.certificate.subject, house.issuing.issuer.certificate.subject}


def test_csrattrs_are_read_by_openssl(terminal: Terminal) -> None:
    body = terminal.curl(f"{terminal.aged.doors.retrieval}/{WELL_KNOWN}/csrattrs").text.rsplit("\n", 1)[0]
    (terminal.folder / "attributes").write_bytes(base64.b64decode(body))
    parsed = terminal.run("openssl", "asn1parse", "-inform", "DER", "-in", "attributes", folder=terminal.folder)
    assert ":id-ecPublicKey" in parsed.text
    assert ":prime256v1" in parsed.text
    assert ":ecdsa-with-SHA256" in parsed.text


@pytest.mark.parametrize("door", ["retrieval", "terminals"])
def test_codes_by_basic_give_a_certificate_and_openssl_verifies_it(terminal: Terminal, door: str) -> None:
    body, codes = terminal.request(), terminal.codes()
    address = getattr(terminal.aged.doors, door)
    [certificate] = _certificates(terminal.enroll(*_user(codes), body=body, door=address))
    again = _certificates(terminal.enroll(*_user(codes), "-H", "Content-Transfer-Encoding: base64", body=body, door=address))
    assert again == [certificate]
    (terminal.folder / "certificate.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
    chain = ("-CAfile", terminal.aged.doors.root, "-untrusted", terminal.aged.doors.issuing)
    verified = terminal.run("openssl", "verify", "-x509_strict", *chain, terminal.folder / "certificate.pem")
    assert verified.status == 0, verified.text


def test_without_codes_curl_is_asked_for_them(terminal: Terminal) -> None:
    told = terminal.enroll("-i", body=terminal.request()).text
    assert "401" in told
    assert 'WWW-Authenticate: Basic realm="tegata"' in told
    assert "CODE1-CODE2-CODE3-OFFICE" in told


def test_curl_that_is_told_to_try_any_scheme_arrives(terminal: Terminal) -> None:
    body, codes = terminal.request(), terminal.codes()
    url = f"{terminal.aged.doors.retrieval}/{WELL_KNOWN}/simpleenroll"
    header = ("-H", "Content-Type: application/pkcs10", "--data-binary", f"@{body}")
    assert "200 application/pkcs7-mime" in terminal.curl("--anyauth", *_user(codes), *header, url).text


def _identity(terminal: Terminal, index: int) -> tuple[str | Path, ...]:
    key, certificate = terminal.folder / "old.key", terminal.folder / "old.pem"
    private = terminal.aged.requests[index].key
    assert isinstance(private, ec.EllipticCurvePrivateKey)
    key.write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    loaded = x509.load_der_x509_certificate(terminal.aged.certificates[index])
    certificate.write_bytes(loaded.public_bytes(Encoding.PEM))
    return "--cert", certificate, "--key", key


def test_the_current_certificate_renews_itself(terminal: Terminal) -> None:
    body, identity = terminal.request(), _identity(terminal, 0)
    address = terminal.aged.doors.terminals
    [renewed] = _certificates(terminal.enroll(*identity, body=body, door=address, operation="simplereenroll"))
    old = x509.load_der_x509_certificate(terminal.aged.certificates[0])
    assert renewed.subject == old.subject
    assert renewed.not_valid_after_utc > old.not_valid_after_utc
    assert _certificates(terminal.enroll(*identity, body=body, door=address, operation="simplereenroll")) == [renewed]


def test_without_a_certificate_there_is_no_renewal(terminal: Terminal) -> None:
    body = terminal.request()
    told = terminal.enroll(body=body, door=terminal.aged.doors.terminals, operation="simplereenroll")
    assert "403 text/plain" in told.text
    elsewhere = terminal.enroll(body=body, operation="simplereenroll")
    assert "404 text/plain" in elsewhere.text
    assert "terminals door" in elsewhere.text


def test_a_certificate_of_today_is_told_from_when_it_may_be_renewed(terminal: Terminal) -> None:
    request = new_request()
    issued = terminal.aged.doors.house.issue(request=request).certificate.der or b""
    fresh = Terminal(Aged(terminal.aged.doors, [request], [issued]), terminal.run, terminal.folder)
    told = fresh.enroll(*_identity(fresh, 0), body=fresh.request(), door=fresh.aged.doors.terminals, operation="simplereenroll")
    assert "403 text/plain" in told.text
    begins = x509.load_der_x509_certificate(issued).not_valid_after_utc.year
    assert str(begins) in told.text


def test_strongswan_gets_the_authorities_a_certificate_and_its_renewal(terminal: Terminal) -> None:
    def pki(*arguments: str | Path) -> Outcome:
        return terminal.run("pki", *arguments, "--cacert", terminal.aged.doors.root, "--outform", "pem", folder=terminal.folder)

    got = pki("--estca", "--url", terminal.aged.doors.retrieval, "--caout", "ca.pem")
    assert "Root CA cert is trusted" in got.text
    assert "Sub CA cert is trusted" in got.text
    terminal.request()
    codes = terminal.codes()
    user = ("--userpass", _user(codes)[1])
    issued = pki("--est", "--url", terminal.aged.doors.retrieval, "--in", "request.der", *user, "--cacert", "ca-1.pem")
    assert "Issued certificate is trusted" in issued.text, issued.text
    identity = _identity(terminal, 1)
    (terminal.folder / "next.der").write_bytes(_der(new_request()))
    renewed = pki("--est", "--url", terminal.aged.doors.terminals, "--in", "next.der", *identity, "--cacert", "ca-1.pem")
    assert "Issued certificate is trusted" in renewed.text, renewed.text


def _der(request: Request) -> bytes:
    return x509.load_pem_x509_csr(request.pem).public_bytes(Encoding.DER)
