"""What EST refuses, each case from a section of the RFCs: its status, and that a person is told what to do."""

import base64
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from ca.authority import Authority
from ca.issuers import SigningIssuer
from ca.revocation import Reason
from enrollment.codes import Codes
from enrollment.protocols.est import door as est
from enrollment.protocols.est.bodies import LARGEST_BODY
from enrollment.protocols.est.door import EstDoor, Renewing
from enrollment.protocols.est.server_keys import ServerKeys
from enrollment.redemption import Redemption
from keys.trouble import CustodyAwayError
from tests.crash.faults import BrokenKey
from tests.support.house import SECURITY, SOURCE, House, new_request

ENROLL, REENROLL, MAKE = "simpleenroll", "simplereenroll", "serverkeygen"
PKCS10 = "application/pkcs10"
GOOD_KEY = ec.generate_private_key(ec.SECP256R1())
WEAK_KEY = rsa.generate_private_key(65537, 1024)  # noqa: S505 (it is to be refused)
SHORT_KEY = rsa.generate_private_key(3, 2048)


@dataclass
class Sent:
    """A request that would be good; a case spoils one thing of it."""

    house: House
    terminal: str
    codes: Codes
    path: str = ENROLL
    method: str = "POST"
    content_type: str | None = PKCS10
    body: bytes = b""
    authorization: str | None = None
    certificate: bytes | None = None

    def __post_init__(self) -> None:
        self.csr = x509.load_pem_x509_csr(new_request().pem).public_bytes(Encoding.DER)
        self.body = base64.b64encode(self.csr)
        self.user(self.codes.access_key, secret(self.codes))

    def user(self, name: str, password: str) -> None:
        self.authorization = "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()

    def der(self, content: bytes) -> None:
        self.body = base64.b64encode(content)

    def key(self, key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> None:
        self.der(x509.load_pem_x509_csr(new_request(key).pem).public_bytes(Encoding.DER))

    def current(self) -> None:
        """Take a terminal that has its certificate, and let it ask for the next one."""
        self.certificate = self.house.issue().certificate.der
        self.path, self.authorization = REENROLL, None


def secret(codes: Codes) -> str:
    return f"{codes.auth_code_1}-{codes.auth_code_2}-{codes.auth_code_3}-{codes.office_code}"


def _with_header(header: str | None) -> Callable[[Sent], None]:
    def spoil(sent: Sent) -> None:
        sent.authorization = header

    return spoil


def _with_user(name: str | None, password: str | None) -> Callable[[Sent], None]:
    def spoil(sent: Sent) -> None:
        sent.user(sent.codes.access_key if name is None else name, secret(sent.codes) if password is None else password)

    return spoil


def _with_type(content_type: str | None) -> Callable[[Sent], None]:
    def spoil(sent: Sent) -> None:
        sent.content_type = content_type

    return spoil


def _with_body(make: Callable[[bytes], bytes]) -> Callable[[Sent], None]:
    def spoil(sent: Sent) -> None:
        sent.body = make(sent.csr)

    return spoil


def _with_der(make: Callable[[bytes], bytes]) -> Callable[[Sent], None]:
    def spoil(sent: Sent) -> None:
        sent.der(make(sent.csr))

    return spoil


def _at(path: str, method: str = "POST") -> Callable[[Sent], None]:
    def spoil(sent: Sent) -> None:
        sent.path, sent.method = path, method

    return spoil


def _with_key(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> Callable[[Sent], None]:
    return lambda sent: sent.key(key)


def _spent(sent: Sent) -> None:
    sent.house.redemption.redeem(sent.codes, new_request().pem, SOURCE)


def _suspended(sent: Sent) -> None:
    sent.house.endings.suspend(sent.terminal, SECURITY)


def _current(sent: Sent) -> None:
    sent.current()


def _revoked(sent: Sent) -> None:
    sent.current()
    certificate = x509.load_der_x509_certificate(sent.certificate or b"")
    [name] = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    sent.house.endings.revoke(str(name.value), Reason.KEY_COMPROMISE, SECURITY)


def _foreign(sent: Sent) -> None:
    name, now = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "99999W")]), sent.house.clock.now()
    builder = x509.CertificateBuilder(name, name, GOOD_KEY.public_key(), 5, now, now + timedelta(days=9))
    sent.path, sent.authorization = REENROLL, None
    sent.certificate = builder.sign(GOOD_KEY, hashes.SHA256()).public_bytes(Encoding.DER)


def _garbled(sent: Sent) -> None:
    sent.path, sent.authorization, sent.certificate = REENROLL, None, b"no certificate"


def _without_certificate(sent: Sent) -> None:
    sent.path, sent.authorization = REENROLL, None


def _bad_signature(csr: bytes) -> bytes:
    return csr[:-1] + bytes([csr[-1] ^ 1])


CASES: list[tuple[str, Callable[[Sent], None], int]] = [
    ("RFC 7030 §3.2.3: no credentials", _with_header(None), 401),
    ("RFC 9110 §11.4: another scheme", _with_header("Bearer abc"), 401),
    ("RFC 9110 §11.4: a scheme and nothing", _with_header("Basic"), 401),
    ("RFC 7617 §2: no base64", _with_header("Basic ***"), 401),
    ("RFC 7617 §2: no colon", _with_header("Basic " + base64.b64encode(b"nobody").decode()), 401),
    ("RFC 7617 §2.1: no UTF-8", _with_header("Basic " + base64.b64encode(b"\xff:\xff").decode()), 401),
    ("RFC 7617 §2: an empty user", _with_user("", None), 401),
    ("RFC 7617 §2: an empty password", _with_user(None, ""), 401),
    ("RFC 7030 §3.2.3: a user that nobody has", _with_user("0000000000000", None), 401),
    ("RFC 7030 §3.2.3: a wrong password", _with_user(None, "NAC999W-AAAAAA-BBBBB-NAC001"), 401),
    ("RFC 7030 §3.2.3: a password in three parts", _with_user(None, "NAC999W-AAAAAA-BBBBB"), 401),
    ("RFC 7030 §3.2.3: a password that nobody types", _with_user(None, "A" * 5000), 401),
    ("RFC 7617 §2: a control character", _with_user("\x00", None), 401),
    ("RFC 7030 §4.2.1: no media type", _with_type(None), 415),
    ("RFC 7030 §4.2.1: plain text", _with_type("text/plain"), 415),
    ("RFC 7030 §4.2.1: curl's own media type", _with_type("application/x-www-form-urlencoded"), 415),
    ("RFC 7030 §4.3.1: CMC's media type", _with_type("application/pkcs7-mime"), 415),
    ("RFC 7030 §4.2.1: no body", _with_body(lambda _: b""), 400),
    ("RFC 8951 §3.1: nothing but line breaks", _with_body(lambda _: b"\r\n \r\n"), 400),
    ("RFC 8951 §3: DER that is not encoded", _with_body(lambda csr: csr), 400),
    ("RFC 4648 §3.3: no base64", _with_body(lambda _: b"$$$$"), 400),
    ("RFC 4648 §3.3: the alphabet of URLs", _with_body(lambda _: base64.urlsafe_b64encode(b"\xff\xff\xff\xff")), 400),
    ("RFC 4648 §3.2: padding is missing", _with_body(lambda _: b"MIIBAA"), 400),
    ("RFC 8951 §3: PEM instead of base64", _with_body(lambda csr: b"-----BEGIN CERTIFICATE REQUEST-----\n" + csr), 400),
    ("RFC 8951 §3: quoted-printable", _with_body(lambda _: b"=4D=49=49"), 400),
    ("RFC 9110 §15.5.1: larger than any request", _with_body(lambda _: b"A" * (LARGEST_BODY + 4)), 400),
    ("RFC 9110 §15.5.14: larger than the door reads", _with_body(lambda _: b"A" * 40_000), 413),
    ("RFC 2986 §4.2: no request", _with_der(lambda _: b"no request"), 400),
    ("RFC 2986 §4.2: cut off", _with_der(lambda csr: csr[:-9]), 400),
    ("RFC 2986 §4.2: octets after the end", _with_der(lambda csr: csr + b"\x00"), 400),
    ("RFC 2986 §4.2: a null instead", _with_der(lambda _: b"\x05\x00"), 400),
    ("RFC 7030 §3.4: possession is not proven", _with_der(_bad_signature), 422),
    ("RFC 7030 §4.2.3: RSA that is too short", _with_key(WEAK_KEY), 422),
    ("RFC 7030 §4.2.3: RSA with a small exponent", _with_key(SHORT_KEY), 422),
    ("RFC 7030 §4.2.3: a curve that is not accepted", _with_key(ec.generate_private_key(ec.SECP521R1())), 422),
    ("RFC 7030 §4.2.3: codes that another key has spent", _spent, 409),
    ("RFC 7030 §4.2.3: a terminal that is suspended", _suspended, 403),
    ("RFC 7030 §3.2.2: no such operation", _at("simpleenrol"), 404),
    ("RFC 7030 §3.2.2: an operation in capitals", _at("SimpleEnroll"), 404),
    ("RFC 7030 §3.2.2: an operation as the label", _at("cacerts/simpleenroll"), 404),
    ("RFC 7030 §3.2.2: two labels", _at("one/two/simpleenroll"), 404),
    ("RFC 7030 §3.2.2: a label with other characters", _at("a%20b/simpleenroll"), 404),
    ("RFC 7030 §3.2.2: a label without end", _at(f"{'a' * 65}/simpleenroll"), 404),
    ("RFC 7030 §3.2.2: something behind the operation", _at("simpleenroll/"), 404),
    ("RFC 7030 §4.2.1: enrolment by GET", _at(ENROLL, "GET"), 405),
    ("RFC 7030 §4.2.2: renewal by GET", _at(REENROLL, "GET"), 405),
    ("RFC 7030 §4.1.2: cacerts by POST", _at("cacerts"), 405),
    ("RFC 7030 §4.5.1: csrattrs by POST", _at("csrattrs"), 405),
    ("RFC 7030 §4.2.1: enrolment by PUT", _at(ENROLL, "PUT"), 405),
    ("RFC 7030 §4.1.2: cacerts by DELETE", _at("cacerts", "DELETE"), 405),
    ("RFC 7030 §4.2.2: no certificate in TLS", _without_certificate, 403),
    ("RFC 7030 §4.2.2: octets that are no certificate", _garbled, 403),
    ("RFC 7030 §4.2.2: a certificate of another authority", _foreign, 403),
    ("RFC 7030 §4.2.2: a certificate that was revoked", _revoked, 403),
    ("RFC 7030 §4.2.2: a certificate that is too young", _current, 403),
    ("RFC 7030 §4.4: keys are not made here", _at(MAKE), 501),
    ("RFC 7030 §4.3: there is no full CMC", _at("fullcmc"), 501),
]


@pytest.fixture(scope="module")
def presented() -> list[bytes]:
    """Return what the TLS connection carries: at most one certificate."""
    return []


@pytest.fixture(scope="module")
def app(shared_house: House, presented: list[bytes]) -> Flask:
    renewing = Renewing(shared_house.renewal, lambda _environ: presented[0] if presented else None)
    return _app(EstDoor(shared_house.redemption, renewing))


def _app(door: EstDoor) -> Flask:
    made = Flask("est", static_folder=None)
    made.config["MAX_CONTENT_LENGTH"] = 32_768
    est.mount(made, door)
    return made


def send(client: FlaskClient, sent: Sent) -> TestResponse:
    headers = {}
    if sent.authorization is not None:
        headers["Authorization"] = sent.authorization
    if sent.content_type is not None:
        headers["Content-Type"] = sent.content_type
    return client.open(f"/.well-known/est/{sent.path}", method=sent.method, data=sent.body, headers=headers)


@pytest.fixture
def sent(shared_house: House) -> Sent:
    [(terminal, codes)] = shared_house.new_codes()
    return Sent(shared_house, terminal, codes)


@pytest.mark.parametrize(("spoil", "status"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_what_is_refused(
    app: Flask, presented: list[bytes], sent: Sent, spoil: Callable[[Sent], None], status: int
) -> None:  # fmt: skip
    spoil(sent)
    presented[:] = [sent.certificate] if sent.certificate else []
    answer = send(app.test_client(), sent)
    assert (answer.status_code, answer.mimetype) == (status, "text/plain"), answer.get_data(as_text=True)
    japanese, english = answer.get_data(as_text=True).splitlines()
    assert english.isascii()
    assert not japanese.isascii()
    assert english != "This is not possible."
    assert answer.headers["Cache-Control"] == "no-store"
    if status == 401:
        assert answer.headers["WWW-Authenticate"].startswith("Basic realm=")
    if status == 405:
        assert answer.headers["Allow"] in {"GET", "POST"}
    assert not {sent.codes.auth_code_2, sent.codes.auth_code_3} & set(english.split())
    good = Sent(sent.house, sent.terminal, sent.codes)
    assert spoil in {_spent, _suspended} or send(app.test_client(), good).status_code == 200  # nothing was burnt


def test_a_guesser_is_told_when_to_come_again(app: Flask, sent: Sent) -> None:
    """RFC 6585 §4."""
    _with_user(None, "NAC999W-AAAAAA-BBBBB-NAC001")(sent)
    answers = [send(app.test_client(), sent) for _ in range(6)]
    assert [answer.status_code for answer in answers][-2:] == [401, 429]
    assert answers[-1].headers["Retry-After"] == "1800"


def test_a_signer_that_is_away_is_told_and_nothing_is_lost(shared_house: House, sent: Sent, app: Flask) -> None:
    """RFC 9110 §15.6.4."""
    key = BrokenKey(shared_house.issuing.key)
    key.before = _away
    authority = Authority(SigningIssuer(shared_house.issuing.issuer, key), shared_house.profile)
    broken = _app(EstDoor(Redemption(shared_house.database, shared_house.clock, authority, shared_house.hasher)))
    answer = send(broken.test_client(), sent)
    assert (answer.status_code, answer.mimetype) == (503, "text/plain")
    assert int(answer.headers["Retry-After"]) > 0
    assert send(app.test_client(), sent).status_code == 200


def _away() -> None:
    raise CustodyAwayError("token is away")


def test_a_made_key_is_not_encrypted_once_more(shared_house: House, sent: Sent) -> None:
    """RFC 7030 §4.4.1.1: who asks for encryption that is not there must be told, and not be sent the bare key."""
    app = _app(EstDoor(shared_house.redemption, None, ServerKeys(shared_house.hasher)))
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    identifier = x509.ObjectIdentifier("1.2.840.113549.1.9.16.2.37")
    csr = builder.add_attribute(identifier, b"key").sign(GOOD_KEY, hashes.SHA256())
    sent.path = MAKE
    sent.der(csr.public_bytes(Encoding.DER))
    assert send(app.test_client(), sent).status_code == 400
    sent.der(_bad_signature(sent.csr))
    assert send(app.test_client(), sent).status_code == 422
    sent.body = b"$"
    assert send(app.test_client(), sent).status_code == 400
