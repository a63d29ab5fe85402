"""strongSwan's pki and micromdm's scepclient are SCEP clients (RFC 8894); openssl and curl look at what is told."""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from enrollment.codes import Codes
from kernel.database import connect
from tests.interop.programs import Outcome, Runner
from tests.support.aged_house import aged_house, plain_scep_door
from tests.support.house import new_request
from tests.support.open_doors import OpenDoors


@dataclass(frozen=True)
class Aged:
    """Doors, SCEP without TLS, and a terminal that may renew."""

    doors: OpenDoors
    url: str
    key: rsa.RSAPrivateKey
    certificate: bytes


@pytest.fixture(scope="module")
def aged(sqlite_databases: Callable[[], AbstractContextManager[str]], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aged]:
    key = rsa.generate_private_key(65537, 2048)
    with ExitStack() as stack:
        database = connect(stack.enter_context(sqlite_databases()))
        stack.callback(database.dispose)
        opened = aged_house(database, tmp_path_factory.mktemp("aged"), [new_request(key)])
        doors, [certificate] = stack.enter_context(opened)
        yield Aged(doors, stack.enter_context(plain_scep_door(doors.house)), key, certificate)


@dataclass(frozen=True)
class Client:
    """A folder with the authorities' certificates as strongSwan fetched them, and an RSA key."""

    aged: Aged
    run: Runner
    folder: Path

    def enroll(self, *arguments: str | Path, key: str = "key.pem") -> Outcome:
        authorities = ("--cacert-enc", "ra.pem", "--cacert-sig", "ra.pem", "--cacert", "ca.pem", "--cacert", "ca-1.pem")
        asked = ("--url", self.aged.url, "--in", key, "--dn", "CN=any", "--outform", "pem", "--maxpolltime", "5")
        return self.run("pki", "--scep", *asked, *authorities, *arguments, folder=self.folder)

    def codes(self) -> Codes:
        [(_, codes)] = self.aged.doors.house.new_codes()
        return codes


@pytest.fixture
def client(aged: Aged, run: Runner, tmp_path: Path) -> Client:
    fetched = run(
        "pki", "--scepca", "--url", aged.url, "--caout", "ca.pem", "--raout", "ra.pem", "--outform", "pem", folder=tmp_path
    )
    assert "RA cert is trusted" in fetched.text, fetched.text
    assert "Sub CA cert is trusted" in fetched.text
    assert run("openssl", "genrsa", "-out", "key.pem", "2048", folder=tmp_path).status == 0
    return Client(aged, run, tmp_path)


def _challenge(codes: Codes) -> str:
    return f"{codes.access_key}-{codes.auth_code_1}-{codes.auth_code_2}-{codes.auth_code_3}-{codes.office_code}"


def _serial(outcome: Outcome) -> str:
    assert "Issued certificate is trusted" in outcome.text, outcome.text
    [line] = [line for line in outcome.text.splitlines() if line.strip().startswith("serial:")]
    return line.split("serial:")[1].replace(":", "").strip()


def test_the_capabilities_are_lines_and_no_others(aged: Aged, run: Runner) -> None:
    told = run("curl", "-sS", f"{aged.url}?operation=GetCACaps").text
    assert told == "AES\nDES3\nSHA-1\nSHA-256\nSHA-384\nSHA-512\nPOSTPKIOperation\nSCEPStandard\nRenewal\n"
    secure = run("curl", "-sS", "--cacert", aged.doors.root, f"{aged.doors.retrieval}/scep?operation=GetCACaps").text
    assert secure == told


def test_openssl_reads_the_authorities_certificates(aged: Aged, run: Runner, tmp_path: Path) -> None:
    run("curl", "-sS", "-o", tmp_path / "ca", f"{aged.url}?operation=GetCACert")
    told = run("openssl", "pkcs7", "-inform", "DER", "-in", tmp_path / "ca", "-print_certs", "-noout").text
    assert [told.count(f"subject=C = JP, O = Tegata Trial Network, CN = Tegata Trial Network {name}\n") for name in
            ("SCEP 1", "Issuing CA 1", "Root CA")] == [1, 1, 1]  # fmt: skip


@pytest.mark.parametrize("cipher", ["aes", "des3"])
@pytest.mark.parametrize("digest", ["sha1", "sha256", "sha384", "sha512"])
def test_strongswan_gets_a_certificate(client: Client, cipher: str, digest: str) -> None:
    password = ("--password", _challenge(client.codes()))
    first = client.enroll(*password, "--cipher", cipher, "--digest", digest)
    assert _serial(first) == _serial(client.enroll(*password))


def test_wrong_codes_and_another_key_are_bad_requests(client: Client) -> None:
    codes = client.codes()
    wrong = client.enroll("--password", _challenge(codes).replace(codes.auth_code_2, "WRONG2"))
    assert "failInfo:     badRequest" in wrong.text
    _serial(client.enroll("--password", _challenge(codes)))
    assert client.run("openssl", "genrsa", "-out", "other.pem", "2048", folder=client.folder).status == 0
    assert "failInfo:     badRequest" in client.enroll("--password", _challenge(codes), key="other.pem").text


def test_a_weak_key_is_a_bad_algorithm(client: Client) -> None:
    assert client.run("openssl", "genrsa", "-out", "weak.pem", "1536", folder=client.folder).status == 0
    assert "failInfo:     badAlg" in client.enroll("--password", _challenge(client.codes()), key="weak.pem").text


def test_strongswan_renews_by_the_current_certificate(client: Client) -> None:
    old = x509.load_der_x509_certificate(client.aged.certificate)
    (client.folder / "old.pem").write_bytes(old.public_bytes(Encoding.PEM))
    key = client.aged.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (client.folder / "old.key").write_bytes(key)
    renewed = client.enroll("--cert", "old.pem", "--key", "old.key")
    assert int(_serial(renewed), 16) != old.serial_number
    assert _serial(client.enroll("--cert", "old.pem", "--key", "old.key")) == _serial(renewed)


def test_single_des_is_a_bad_algorithm(client: Client) -> None:
    """Debian's scepclient knows no other cipher."""
    authority = x509.load_pem_x509_certificate((client.folder / "ra.pem").read_bytes())
    digest = hashlib.sha256(authority.public_bytes(Encoding.DER)).hexdigest()
    told = client.run(
        "scepclient", "-server-url", client.aged.url, "-challenge", _challenge(client.codes()), "-ca-fingerprint", digest,
        "-private-key", client.folder / "made.pem", "-certificate", client.folder / "made.crt", folder=client.folder,
    )  # fmt: skip
    assert "failInfo: badAlg (0)" in told.text
