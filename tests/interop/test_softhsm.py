"""Everything with the keys in a SoftHSM token: ceremony, issuance, CRL, OCSP, a served home, and the token's loss."""

import base64
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import pytest
from asn1crypto import cms
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7
from pyhanko.pdf_utils.reader import PdfFileReader

from ca.ceremony import ISSUING, RESPONDER, ROOT, TIMESTAMP, Ceremony, service_certificate
from ca.certificates import CertificateState
from ca.crl import CrlPublisher
from ca.mail_signatures import MailSigner
from ca.plan import CMP, DOCUMENTS, MAIL, SCEP, with_mail
from enrollment.code_sets import CodeSetState
from enrollment.documents.store import content_of, latest
from kernel.clock import SystemClock
from kernel.database import connect
from kernel.errors import Refused, Unavailable
from kernel.outbox import Letter
from keys import tokens
from keys.custody import CustodyKey, KeyAlgorithm, SoftwareKeys
from keys.pkcs11 import TokenKeys
from keys.tokens import Token
from server.key_places import decrypts, is_always_software
from server.mail import Sender
from tests.enrollment.filings import approved
from tests.interop.programs import Papers, Runner
from tests.interop.test_cmp import Client as CmpClient
from tests.interop.test_documents import has_lasting_signature, pdfsig
from tests.support import scep_client
from tests.support.documents import notices, root_der
from tests.support.house import PASSPHRASE, SOURCE, new_request
from tests.support.open_doors import OpenDoors, open_house
from tests.support.softhsm import SoftToken, soft_token

SIGNERS = (ROOT, ISSUING, RESPONDER, TIMESTAMP, CMP, DOCUMENTS, SCEP)


@dataclass(frozen=True)
class TokenHouseKeys(SoftwareKeys):
    """All keys that may be in a token are; the others are files."""

    token: Token

    def in_token(self, name: str) -> TokenKeys:
        """Return the custody of a key that is in the token."""
        return TokenKeys(self.token, decrypts=decrypts(name))

    def exists(self, name: str) -> bool:
        """Return whether there is such a key."""
        return super().exists(name) if _is_file(name) else self.in_token(name).exists(name)

    def keep(self, name: str, key: CustodyKey) -> None:
        """Keep a key that was made before as a file; what belongs into the token is made there instead."""
        if _is_file(name):
            super().keep(name, key)
        else:
            self.in_token(name).create(name, KeyAlgorithm.RSA3072)

    def create(self, name: str, algorithm: KeyAlgorithm) -> CustodyKey:
        """Make a key where it belongs."""
        return super().create(name, algorithm) if _is_file(name) else self.in_token(name).create(name, algorithm)

    def open(self, name: str) -> CustodyKey:
        """Open a key."""
        return super().open(name) if _is_file(name) else self.in_token(name).open(name)


STAMP_TYPE = "Content-Type: application/timestamp-query"


def ts_query(folder: Path, run: Runner, *options: str) -> Path:
    """Let openssl write a time-stamp request."""
    (folder / "content").write_text("octets", encoding="ascii")
    run("openssl", "ts", "-query", "-data", folder / "content", "-sha256", "-out", folder / "query", *options)
    return folder / "query"


def _is_file(name: str) -> bool:
    return is_always_software(name) or name == "sealing"


@pytest.fixture(scope="module")
def soft(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SoftToken]:
    """Return the token of this module's house."""
    with soft_token(tmp_path_factory.mktemp("token")) as made:
        yield made


@pytest.fixture(scope="module")
def doors(
    soft: SoftToken, sqlite_databases: Callable[[], AbstractContextManager[str]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[OpenDoors]:
    """Return a house whose keys are in the token."""
    folder = tmp_path_factory.mktemp("house")
    with sqlite_databases() as url:
        database = connect(url)
        keys = TokenHouseKeys(folder / "keys", PASSPHRASE, soft.token)
        with open_house(database, folder, SystemClock(), keys=keys) as opened:
            yield opened
        database.dispose()


def test_the_ceremony_made_its_keys_in_the_token_and_changes_nothing_when_repeated(doors: OpenDoors) -> None:
    house = doors.house
    assert not [name for name in SIGNERS if (house.keys.folder / f"{name}.key").exists()]
    assert all(TokenKeys(house.keys.token).exists(name) for name in SIGNERS)  # type: ignore[attr-defined]
    assert not Ceremony(house.database, house.keys, house.plan).hold(house.clock.now())


def test_openssl_verifies_chain_and_lists(doors: OpenDoors, papers: Papers, run: Runner) -> None:
    record, file = papers.certificate()
    command = ("openssl", "verify", "-x509_strict", "-purpose", "sslclient", "-CAfile", doors.root, "-untrusted", doors.issuing)
    assert run(*command, "-crl_check_all", "-CRLfile", papers.lists(), file).status == 0
    papers.revoke(record)
    outcome = run(*command, "-crl_check_all", "-CRLfile", papers.lists(), file)
    assert "certificate revoked" in outcome.text


def test_openssl_verifies_partitions_and_deltas_that_the_token_signed(doors: OpenDoors, run: Runner, tmp_path: Path) -> None:
    house = doors.house
    lists = CrlPublisher(
        house.database, house.issuing, tmp_path, addresses=house.profile.addresses, partition_size=10_000, delta=True
    )
    lists.publish_if_due(house.clock.now())
    files = sorted(tmp_path.glob("*.crl"))
    assert [file.name for file in files] == [
        f"issuing-1{partition}{delta}.crl" for partition in (".1", ".2", "") for delta in ("", ".delta")
    ]
    for file in files:
        assert "verify OK" in run("openssl", "crl", "-inform", "DER", "-in", file, "-noout", "-CAfile", doors.issuing).text


def test_openssl_verifies_ocsp(doors: OpenDoors, papers: Papers, run: Runner) -> None:
    record, file = papers.certificate()
    command = (
        *("openssl", "ocsp", "-issuer", doors.issuing, "-cert", file, "-CAfile", doors.root),
        *("-verify_other", doors.issuing, "-url", f"{doors.status}/ocsp"),
    )
    told = run(*command).text
    assert "Response verify OK" in told
    assert f"{file}: good" in told
    papers.revoke(record)
    assert f"{file}: revoked" in run(*command).text


def test_openssl_verifies_a_time_stamp(doors: OpenDoors, run: Runner, tmp_path: Path) -> None:
    query, reply = ts_query(tmp_path, run, "-cert"), tmp_path / "reply"
    run("curl", "--silent", "--fail", "--data-binary", f"@{query}", "-H", STAMP_TYPE, "-o", reply, f"{doors.status}/tsa")
    outcome = run("openssl", "ts", "-verify", "-queryfile", query, "-in", reply, "-CAfile", doors.root)
    assert "Verification: OK" in outcome.text, outcome.text


@pytest.fixture(scope="module")
def notice(doors: OpenDoors) -> bytes:
    """Return an approval notice whose signer and time stamps are in the token."""
    house = doors.house
    house.new_terminals()
    receipt_number = approved(house)
    assert notices(house).make_due(house.clock.now()) == 1
    with house.database.snapshot() as session:
        kept = latest(session, receipt_number)
        assert kept is not None
        return content_of(session, kept)


def test_poppler_and_pyhanko_trust_a_notice(doors: OpenDoors, notice: bytes, run: Runner, tmp_path: Path) -> None:
    assert not (doors.house.keys.folder / f"{DOCUMENTS}.key").exists()
    told = pdfsig(run, tmp_path, doors.house.root.pem, notice).text.partition("Signature #2")[0]
    assert "Signature Validation: Signature is Valid." in told
    assert "Certificate Validation: Certificate is Trusted." in told
    assert has_lasting_signature(root_der(doors.house), notice)


def test_openssl_verifies_a_notices_signature_and_time_stamp(
    doors: OpenDoors, notice: bytes, run: Runner, tmp_path: Path
) -> None:  # fmt: skip
    reader = PdfFileReader(BytesIO(notice))
    [signature], [stamp] = reader.embedded_regular_signatures, reader.embedded_timestamp_signatures
    for one, name in ((signature, "signature"), (stamp, "stamp")):
        begin, length, after, rest = (int(number) for number in one.byte_range)
        (tmp_path / f"{name}.content").write_bytes(notice[begin : begin + length] + notice[after : after + rest])
        (tmp_path / name).write_bytes(cms.ContentInfo.load(one.pkcs7_content).dump())
    detached = ("-inform", "DER", "-binary", "-content", tmp_path / "signature.content", "-out", tmp_path / "out")
    trust = ("-CAfile", doors.root)
    outcome = run("openssl", "cms", "-verify", *detached, "-in", tmp_path / "signature", *trust, "-purpose", "any")
    assert "Verification successful" in outcome.text, outcome.text
    token = ("-in", tmp_path / "stamp", "-token_in", "-data", tmp_path / "stamp.content")
    outcome = run("openssl", "ts", "-verify", *token, *trust, "-untrusted", doors.issuing)
    assert "Verification: OK" in outcome.text, outcome.text
    (tmp_path / "stamp.content").write_bytes(notice[:-1])
    assert "Verification: FAILED" in run("openssl", "ts", "-verify", *token, *trust, "-untrusted", doors.issuing).text


@pytest.mark.parametrize("program", ["smime", "cms"])
def test_openssl_verifies_a_mail(doors: OpenDoors, run: Runner, tmp_path: Path, program: str) -> None:
    house = doors.house
    Ceremony(house.database, house.keys, with_mail(house.plan, "no-reply@example.jp")).hold(house.clock.now())
    assert not (house.keys.folder / f"{MAIL}.key").exists()
    own = x509.load_der_x509_certificate(service_certificate(house.database, MAIL))
    signer = MailSigner(own, (house.issuing.issuer.certificate,), house.keys.open_signing(MAIL))
    sender = Sender("no-reply@example.jp", "センター", lambda content: signer.sign(content, house.clock.now()))
    octets = sender.octets(Letter("abc123", "hanako@example.jp", "お知らせ", "通関 花子 様\n", house.clock.now()))
    mail, verify = tmp_path / "mail", ("openssl", program, "-verify", "-CAfile", doors.root, "-purpose", "smimesign")
    mail.write_bytes(octets)
    outcome = run(*verify, "-in", mail, "-out", tmp_path / "content")
    assert (outcome.status, "Verification successful" in outcome.text) == (0, True), outcome.text
    word = base64.b64encode("通関".encode())
    assert word in octets
    mail.write_bytes(octets.replace(word, base64.b64encode("通信".encode())))
    assert "erification fail" in run(*verify, "-in", mail, "-out", tmp_path / "content").text


def test_openssl_enrols_by_cmp_and_trusts_what_its_signer_signed(doors: OpenDoors, run: Runner, tmp_path: Path) -> None:
    [(_, codes)] = doors.house.new_codes()
    client, request = CmpClient(doors, run, tmp_path), new_request()
    outcome = client("ir", *client.by_codes(codes), "-mac", "hmacWithSHA256", *client.request("ir", request))
    assert outcome.status == 0, outcome.text
    assert client.got().public_key() == request.key.public_key()
    # A wrong secret is told in a message that CMP's signer has signed.
    wrong = client("ir", *client.by_codes(codes, "0000"), *client.request("ir", request), "-trusted", doors.root)
    assert wrong.status != 0
    assert "received error" in wrong.text.lower() or "badMessageCheck" in wrong.text, wrong.text


def test_curl_enrols_by_est(doors: OpenDoors, run: Runner, tmp_path: Path) -> None:
    [(_, codes)] = doors.house.new_codes()
    body, came = tmp_path / "request.b64", tmp_path / "came.b64"
    request = x509.load_pem_x509_csr(new_request().pem)
    body.write_bytes(base64.encodebytes(request.public_bytes(Encoding.DER)))
    account = f"{codes.access_key}:{codes.auth_code_1}-{codes.auth_code_2}-{codes.auth_code_3}-{codes.office_code}"
    url = f"{doors.retrieval}/.well-known/est/simpleenroll"
    kind = ("-H", "Content-Type: application/pkcs10", "--data-binary", f"@{body}", "-u", account)
    outcome = run("curl", "--silent", "--show-error", "--fail", "--cacert", doors.root, *kind, "-o", came, url)
    assert outcome.status == 0, outcome.text
    [certificate] = pkcs7.load_der_pkcs7_certificates(base64.b64decode(came.read_bytes()))
    assert certificate.public_key() == request.public_key()


@pytest.mark.parametrize("digest", ["sha1", "sha256"])
def test_scep_enrols_to_a_registration_authority_whose_key_decrypts_in_the_token(
    doors: OpenDoors, run: Runner, tmp_path: Path, digest: str
) -> None:
    house, key = doors.house, rsa.generate_private_key(65537, 2048)
    assert not (house.keys.folder / f"{SCEP}.key").exists()
    authority = x509.load_der_x509_certificate(service_certificate(house.database, SCEP))
    [(_, codes)] = house.new_codes()
    envelope = scep_client.Sealed(scep_client.request_of(key, scep_client.challenge_of(codes)), authority)
    asked, came = tmp_path / "asked", tmp_path / "came"
    draft = scep_client.signed_by(key, scep_client.self_signed(key), envelope.der())
    draft.digest = digest
    asked.write_bytes(draft.der())
    kind = "Content-Type: application/x-pki-message"
    url = f"{doors.retrieval}/scep?operation=PKIOperation"
    run("curl", "-sS", "--fail", "--cacert", doors.root, "-H", kind, "--data-binary", f"@{asked}", "-o", came, url)
    told = scep_client.read_answer(came.read_bytes(), authority, key)
    assert (told.status, told.digest) == ("0", digest)
    assert told.certificates[0].public_key() == key.public_key()


def test_a_pulled_token_burns_no_code_and_the_same_key_gets_its_certificate_afterwards(
    soft: SoftToken, doors: OpenDoors, run: Runner, tmp_path: Path
) -> None:
    house, request = doors.house, new_request()
    [(terminal, codes)] = house.new_codes()
    soft.pull()
    try:
        for _ in range(2):
            with pytest.raises(Unavailable, match="custody of keys") as caught:
                house.redemption.redeem(codes, request.pem, SOURCE)
            assert caught.value.retry_after > 0
        [row] = house.code_set_rows(terminal)
        assert row.state == CodeSetState.CLAIMED
        with pytest.raises(Unavailable, match="custody of keys"):
            house.crl.publish(house.clock.now())
        query = ts_query(folder=tmp_path, run=run)
        refused = run("curl", "--silent", "--include", "--data-binary", f"@{query}", "-H", STAMP_TYPE, f"{doors.status}/tsa")
        assert "503" in refused.text.partition("\n")[0]
        assert "Retry-After" in refused.text
    finally:
        soft.put_back()
    with pytest.raises(Refused, match="codes-spent"):
        house.redemption.redeem(codes, new_request().pem, SOURCE)
    time.sleep(tokens.PAUSE)
    retrieved = house.redemption.redeem(codes, request.pem, SOURCE)
    assert retrieved.certificate.state == CertificateState.VALID
    assert retrieved.certificate.serial == row.serial
    parsed = x509.load_der_x509_certificate(retrieved.certificate.der or b"")
    parsed.verify_directly_issued_by(house.issuing.issuer.certificate)
