"""CMP as OpenSSL speaks it: the lines by which terminals fetch, renew and revoke, at a real retrieval door."""

import itertools
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from ca.certificates import CertificateState, find
from enrollment.codes import Codes
from enrollment.mac_secrets import secret_of
from kernel.database import connect
from tests.interop.programs import Outcome, Runner
from tests.support.aged_house import aged_house
from tests.support.house import Request, new_request
from tests.support.open_doors import OpenDoors

MAC = ("-mac", "hmacWithSHA256")
CONFIRMATIONS = ((), ("-implicit_confirm",))


@dataclass(frozen=True)
class Client:
    """`openssl cmp` with files of its own."""

    doors: OpenDoors
    run: Runner
    folder: Path
    path: str = "/.well-known/cmp"

    def __call__(self, command: str, *arguments: str | Path) -> Outcome:
        """Send a request and what follows from it; the certificate comes to `got.pem`, caPubs to `authorities.pem`."""
        server = ("-config", "", "-server", f"{self.doors.retrieval}{self.path}", "-tls_used", "-tls_trusted", self.doors.root)
        return self.run("openssl", "cmp", "-cmd", command, *server, *arguments)

    def by_codes(self, codes: Codes, secret: str | None = None) -> tuple[str, ...]:
        """Return the arguments that protect a message by codes."""
        return ("-ref", codes.access_key, "-secret", f"pass:{secret or secret_of(codes).decode()}")

    def key(self, request: Request) -> Path:
        """Write a key to a file."""
        file = self.folder / f"{id(request)}.key"
        file.write_bytes(request.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return file

    def request(self, command: str, request: Request) -> tuple[str | Path, ...]:
        """Return the arguments that ask for a key's certificate, and where it is put."""
        csr = self.folder / f"{id(request)}.csr"
        csr.write_bytes(request.pem)
        asked = ("-csr", csr) if command == "p10cr" else ("-newkey", self.key(request))
        return (*asked, "-certout", self.folder / "got.pem", "-cacertsout", self.folder / "authorities.pem")

    def got(self) -> x509.Certificate:
        """Read the certificate that came."""
        return x509.load_pem_x509_certificate((self.folder / "got.pem").read_bytes())


@pytest.fixture
def client(doors: OpenDoors, run: Runner, tmp_path: Path) -> Client:
    return Client(doors, run, tmp_path)


@pytest.fixture
def codes(doors: OpenDoors) -> Codes:
    [(_, codes)] = doors.house.new_codes()
    return codes


@pytest.mark.parametrize(("command", "confirmation"), list(itertools.product(("ir", "cr", "p10cr"), CONFIRMATIONS)))
def test_openssl_fetches_a_certificate_by_codes(
    client: Client, codes: Codes, command: str, confirmation: tuple[str, ...]
) -> None:  # fmt: skip
    request = new_request()
    asked = (*client.by_codes(codes), *MAC, *confirmation, *client.request(command, request))
    outcome = client(command, *asked, "-out_trusted", client.doors.root)
    assert outcome.status == 0, outcome.text
    assert ("CERTCONF" in outcome.text) == (not confirmation)
    assert client.got().public_key() == request.key.public_key()
    client.got().verify_directly_issued_by(client.doors.house.issuing.issuer.certificate)
    [root] = x509.load_pem_x509_certificates((client.folder / "authorities.pem").read_bytes())
    assert root == client.doors.house.root.certificate


def test_the_same_key_gets_the_same_certificate_again_and_another_key_none(client: Client, codes: Codes) -> None:
    request = new_request()
    asked = (*client.by_codes(codes), *MAC, *client.request("ir", request))
    first = (client("ir", *asked).status, client.got())
    assert (client("ir", *asked).status, client.got()) == first
    assert first[0] == 0
    other = client("ir", *client.by_codes(codes), *client.request("ir", new_request()))
    assert other.status != 0
    assert "duplicateCertReq" in other.text
    assert "codes-spent" in other.text


@pytest.mark.parametrize("mac", ["hmac-sha1", "hmacWithSHA384", "hmacWithSHA512"])
def test_openssl_may_use_other_macs(client: Client, codes: Codes, mac: str) -> None:
    outcome = client("ir", *client.by_codes(codes), "-mac", mac, *client.request("ir", new_request()))
    assert outcome.status == 0, outcome.text


@pytest.mark.parametrize("digest", ["sha384", "sha512"])
def test_openssl_may_use_other_digests(client: Client, codes: Codes, digest: str) -> None:
    outcome = client("ir", *client.by_codes(codes), *MAC, "-digest", digest, *client.request("ir", new_request()))
    assert outcome.status == 0, outcome.text


def test_wishes_that_are_not_granted_are_told(client: Client, codes: Codes) -> None:
    wishes = ("-subject", "/CN=somebody else", "-sans", "wished.example.jp", "-days", "3650")
    outcome = client("ir", *client.by_codes(codes), *MAC, *wishes, *client.request("ir", new_request()))
    assert outcome.status == 0, outcome.text
    assert "grantedWithMods" in outcome.text


def test_a_wrong_secret_is_told_by_a_signed_error(client: Client, codes: Codes) -> None:
    asked = (*client.request("ir", new_request()), "-trusted", client.doors.root)
    outcome = client("ir", *client.by_codes(codes, "NAC999W-222222-22222-NAC001"), *asked)
    assert outcome.status != 0
    assert "badMessageCheck" in outcome.text
    assert "codes-wrong" in outcome.text


@pytest.mark.parametrize("path", ["/.well-known/cmp/initialization", "/.well-known/cmp/p/terminals/initialization"])
def test_the_addresses_of_the_profile_lead_here(doors: OpenDoors, run: Runner, tmp_path: Path, codes: Codes, path: str) -> None:
    client = Client(doors, run, tmp_path, path)
    outcome = client("ir", *client.by_codes(codes), *MAC, *client.request("ir", new_request()))
    assert outcome.status == 0, outcome.text


@pytest.mark.parametrize("question", ["caCerts", "signKeyPairTypes", "certReqTemplate", "currentCRL"])
def test_openssl_asks_questions_by_codes(client: Client, codes: Codes, question: str) -> None:
    outcome = client("genm", "-infotype", question, *client.by_codes(codes), *MAC)
    assert outcome.status == 0, outcome.text
    assert f"id-it-{question}" in outcome.text


@dataclass(frozen=True)
class Aged:
    """A terminal whose certificate can be renewed, at open doors, and the files of its key and certificate."""

    client: Client
    request: Request
    certificate: x509.Certificate

    @property
    def signing(self) -> tuple[str | Path, ...]:
        """The arguments that protect a message by the certificate."""
        file = self.client.folder / "own.pem"
        file.write_bytes(self.certificate.public_bytes(Encoding.PEM))
        return ("-cert", file, "-key", self.client.key(self.request), "-trusted", self.client.doors.root)

    def state(self, certificate: x509.Certificate) -> CertificateState:
        """Return what became of a certificate."""
        with self.client.doors.house.database.snapshot() as session:
            record = find(session, "issuing-1", f"{certificate.serial_number:x}")
        assert record is not None
        return record.state


AgedHouse = tuple[OpenDoors, Iterator[tuple[Request, bytes]]]


@pytest.fixture(scope="module")
def aged_doors(
    sqlite_databases: Callable[[], AbstractContextManager[str]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[AgedHouse]:
    """Open a house whose terminals fetched their certificates almost a year ago."""
    requests = [new_request() for _ in range(12)]
    with sqlite_databases() as url:
        database = connect(url)
        with aged_house(database, tmp_path_factory.mktemp("aged"), requests) as (doors, issued):
            yield doors, iter(list(zip(requests, issued, strict=True)))
        database.dispose()


@pytest.fixture
def aged(aged_doors: AgedHouse, run: Runner, tmp_path: Path) -> Aged:
    doors, terminals = aged_doors
    request, der = next(terminals)
    return Aged(Client(doors, run, tmp_path), request, x509.load_der_x509_certificate(der))


@pytest.mark.parametrize(("command", "confirmation"), list(itertools.product(("kur", "ir", "cr", "p10cr"), CONFIRMATIONS)))
def test_openssl_renews_by_the_current_certificate(aged: Aged, command: str, confirmation: tuple[str, ...]) -> None:
    request = new_request()
    outcome = aged.client(command, *aged.signing, *confirmation, *aged.client.request(command, request))
    assert outcome.status == 0, outcome.text
    renewed = aged.client.got()
    assert renewed.public_key() == request.key.public_key()
    assert renewed.subject == aged.certificate.subject
    assert renewed.not_valid_after_utc > aged.certificate.not_valid_after_utc
    assert aged.state(renewed) == CertificateState.VALID


def test_openssl_revokes_by_the_current_certificate(aged: Aged) -> None:
    asked = (*aged.signing, "-oldcert", aged.client.folder / "own.pem", "-revreason", "1")
    outcome = aged.client("rr", *asked)
    assert outcome.status == 0, outcome.text
    assert aged.state(aged.certificate) == CertificateState.REVOKED
    again = aged.client("rr", *asked)
    assert again.status != 0
    assert "certRevoked" in again.text


def test_openssl_asks_questions_by_the_current_certificate(aged: Aged) -> None:
    outcome = aged.client("genm", "-infotype", "caCerts", *aged.signing)
    assert outcome.status == 0, outcome.text
    assert "id-it-caCerts" in outcome.text


def test_an_early_renewal_is_told_its_dates(client: Client, doors: OpenDoors) -> None:
    request = new_request()
    certificate = x509.load_der_x509_certificate(doors.house.issue(request=request).certificate.der or b"")
    early = Aged(client, request, certificate)
    outcome = client("kur", *early.signing, *client.request("kur", new_request()))
    assert outcome.status != 0
    assert "renewal-too-early" in outcome.text
