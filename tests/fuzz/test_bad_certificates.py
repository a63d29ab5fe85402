"""Certificates that are wrong in one way each, as the terminals door is presented with them, each refused by its code.

Most of these end in the TLS handshake already. Here nothing stands before the door: a gateway in front of it may be
lenient. Unless said otherwise they are signed by the issuing CA's own key: not even that may let one through.
"""

import base64
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from flask.testing import FlaskClient

from ca.ceremony import RESPONDER
from ca.certificates import CertificateRecord, of_subject
from ca.strictness import parts
from enrollment.protocols.terminals import TerminalsDoor, create_app
from kernel.database import connect
from tests.fuzz import der
from tests.fuzz.der import (
    COMMON_NAME,
    NULL,
    algorithm,
    attribute,
    bits,
    boolean,
    explicit,
    extension,
    integer,
    name,
    octets,
    oid,
    point,
    seq,
    set_,
    signature,
    text,
    with_length,
)
from tests.fuzz.mutation import tlv
from tests.fuzz.test_bad_requests import N, rsa_key
from tests.support.clock import SettableClock
from tests.support.house import SOURCE, House, build_house, new_request

UNREADABLE, OTHER_TERMINAL, OTHER_ISSUER, NOT_OURS = "certificate-unreadable", "A0019", "A0035", "A0036"
SUBJECT_ALTERNATIVE, BASIC, USAGE, EXTENDED, CONSTRAINTS = "2.5.29.17", "2.5.29.19", "2.5.29.15", "2.5.29.37", "2.5.29.30"


@dataclass(frozen=True)
class Paper:
    """A certificate's fields (RFC 5280 §4.1), those of a good one unless they are exchanged."""

    key: ec.EllipticCurvePrivateKey
    version: bytes
    serial: bytes
    algorithm: bytes
    issuer: bytes
    validity: bytes
    subject: bytes
    public_key: bytes
    extensions: bytes
    good: bytes
    terminal: str

    @property
    def tbs(self) -> bytes:
        """What is signed."""
        fields = (self.version, self.serial, self.algorithm, self.issuer, self.validity, self.subject, self.public_key)
        return seq(*fields, self.extensions)

    def with_(self, **fields: bytes) -> bytes:
        """Return a certificate with other fields, signed."""
        other = replace(self, **fields)  # type: ignore[arg-type]  # only its octets are exchanged
        return der.signed(other.tbs, self.algorithm, signature(other.tbs, self.key))

    def dated(self, begin: bytes, end: bytes) -> bytes:
        """Return a certificate with other dates."""
        return self.with_(validity=seq(begin, end))

    def named(self, *attributes: bytes) -> bytes:
        """Return a certificate with another subject."""
        return self.with_(subject=seq(*attributes))

    def common(self, value: bytes) -> bytes:
        """Return a certificate with another common name."""
        return self.named(attribute(COMMON_NAME, value))

    def extended(self, *extensions: bytes) -> bytes:
        """Return a certificate with more extensions."""
        return self.with_(extensions=explicit(3, seq(*parts(parts(self.extensions)[0]), *extensions)))


def _utc(value: str) -> bytes:
    return text(value, der.UTC)


def _general(value: str) -> bytes:
    return text(value, der.GENERALIZED)


BEGIN, END = _utc("260101000000Z"), _utc("301231235959Z")
STRANGER = ec.generate_private_key(ec.SECP256R1())
Made = Callable[[Paper], bytes]

BAD: dict[str, tuple[Made, str]] = {
    # The outermost value
    "nothing": (lambda _: b"", UNREADABLE),
    "an empty sequence": (lambda _: seq(), UNREADABLE),
    "PEM": (lambda p: b"-----BEGIN CERTIFICATE-----\n" + base64.b64encode(p.good) + b"\n-----END CERTIFICATE-----\n", UNREADABLE),
    "trailing octets": (lambda p: p.good + b"\x00", UNREADABLE),
    "twice": (lambda p: p.good + p.good, UNREADABLE),
    "cut off": (lambda p: p.good[:-1], UNREADABLE),
    "indefinite length": (lambda p: with_length(p.good, b"\x80") + b"\x00\x00", UNREADABLE),
    "a length too long by an octet": (lambda p: with_length(p.good, b"\x83\x00" + p.good[2:4]), UNREADABLE),
    "a length of four gigabytes": (lambda p: with_length(p.good, b"\x84\xff\xff\xff\xff"), UNREADABLE),
    "a list of revoked certificates": (lambda p: der.signed(seq(integer(1), p.algorithm, p.issuer, BEGIN, END)), UNREADABLE),
    "a certification request": (lambda _: new_request().pem, UNREADABLE),
    # Signature
    "a flipped bit of the signature": (lambda p: p.good[:-1] + bytes([p.good[-1] ^ 1]), NOT_OURS),
    "a stranger's signature": (lambda p: der.signed(p.tbs, p.algorithm, signature(p.tbs, STRANGER)), NOT_OURS),
    "no signature": (lambda p: seq(p.tbs, p.algorithm), UNREADABLE),
    "an empty signature": (lambda p: seq(p.tbs, p.algorithm, bits(b"")), NOT_OURS),
    "a signature of zeros": (lambda p: der.signed(p.tbs, p.algorithm, seq(integer(0), integer(0))), NOT_OURS),
    "another algorithm outside": (lambda p: der.signed(p.tbs, algorithm(der.RSA_SHA256, NULL)), NOT_OURS),
    "another algorithm inside": (lambda p: p.with_(algorithm=algorithm(der.RSA_SHA256, NULL)), NOT_OURS),
    "MD5": (lambda p: der.signed(p.tbs, algorithm(der.MD5_RSA, NULL)), NOT_OURS),
    "an algorithm without name": (lambda p: der.signed(p.tbs, seq()), UNREADABLE),
    "ECDSA with parameters": (lambda p: der.signed(p.tbs, algorithm(der.ECDSA_SHA256, NULL)), UNREADABLE),
    "the same, signed once more": (lambda p: p.with_(), NOT_OURS),
    # Version
    "version 1 with extensions": (lambda p: p.with_(version=b""), NOT_OURS),
    "version 2": (lambda p: p.with_(version=explicit(0, integer(1))), UNREADABLE),
    "version 4": (lambda p: p.with_(version=explicit(0, integer(3))), UNREADABLE),
    "version minus one": (lambda p: p.with_(version=explicit(0, integer(-1))), UNREADABLE),
    "a version without number": (lambda p: p.with_(version=explicit(0)), UNREADABLE),
    # Serial number
    "another serial number": (lambda p: p.with_(serial=integer(4711)), NOT_OURS),
    "serial number zero": (lambda p: p.with_(serial=integer(0)), NOT_OURS),
    "a negative serial number": (lambda p: p.with_(serial=integer(-1)), NOT_OURS),
    "a serial number of 21 octets": (lambda p: p.with_(serial=integer(1 << 167)), NOT_OURS),
    "a serial number of 1,000 octets": (lambda p: p.with_(serial=integer(1 << 7_990)), NOT_OURS),
    "a serial number with an octet too many": (lambda p: p.with_(serial=tlv(0x02, b"\x00" + p.serial[2:])), UNREADABLE),
    "an empty serial number": (lambda p: p.with_(serial=b"\x02\x00"), UNREADABLE),
    # Issuer
    "another issuer": (lambda p: p.with_(issuer=name("Another CA")), OTHER_ISSUER),
    "no issuer's name": (lambda p: p.with_(issuer=seq()), OTHER_ISSUER),
    "itself as its issuer": (lambda p: p.with_(issuer=p.subject), OTHER_ISSUER),
    "an issuer that is a set": (lambda p: p.with_(issuer=set_()), UNREADABLE),
    "an issuer's name that is no UTF-8": (
        lambda p: p.with_(issuer=seq(attribute(COMMON_NAME, tlv(der.UTF8, b"\xff")))),
        UNREADABLE,
    ),
    # Dates
    "the end before the beginning": (lambda p: p.dated(END, BEGIN), NOT_OURS),
    "a thousand years": (lambda p: p.dated(BEGIN, _general("30261231235959Z")), NOT_OURS),
    "GeneralizedTime before 2050": (lambda p: p.dated(BEGIN, _general("20301231235959Z")), NOT_OURS),
    "the thirteenth month": (lambda p: p.dated(BEGIN, _utc("301331235959Z")), UNREADABLE),
    "the thirtieth of February": (lambda p: p.dated(_utc("260230000000Z"), END), UNREADABLE),
    "the twenty-fifth hour": (lambda p: p.dated(BEGIN, _utc("301231255959Z")), UNREADABLE),
    "no seconds": (lambda p: p.dated(BEGIN, _utc("3012312359Z")), UNREADABLE),
    "parts of a second": (lambda p: p.dated(BEGIN, _general("20601231235959.5Z")), UNREADABLE),
    "local time": (lambda p: p.dated(BEGIN, _utc("301231235959+0900")), UNREADABLE),
    "a date that is no number": (lambda p: p.dated(BEGIN, _utc("30123123595xZ")), UNREADABLE),
    "one date": (lambda p: p.with_(validity=seq(BEGIN)), UNREADABLE),
    "three dates": (lambda p: p.with_(validity=seq(BEGIN, END, END)), UNREADABLE),
    "a date as text": (lambda p: p.dated(BEGIN, text("301231235959Z")), UNREADABLE),
    # Subject
    "another terminal": (lambda p: p.common(text("00000A")), OTHER_TERMINAL),
    "an empty subject": (lambda p: p.named(), OTHER_TERMINAL),
    "an empty common name": (lambda p: p.common(text("")), OTHER_TERMINAL),
    "a terminal's name and NUL": (lambda p: p.common(text(p.terminal + "\x00")), OTHER_TERMINAL),
    "NUL and another name behind the terminal's": (lambda p: p.common(text(p.terminal + "\x00.example.jp")), OTHER_TERMINAL),
    "small letters": (lambda p: p.common(text(p.terminal.lower())), OTHER_TERMINAL),
    "a blank behind the name": (lambda p: p.common(text(p.terminal + " ")), OTHER_TERMINAL),
    "full-width letters": (lambda p: p.common(text(p.terminal.translate({ord("W"): "Ｗ"}))), OTHER_TERMINAL),
    "two names, another one first": (
        lambda p: p.named(attribute(COMMON_NAME, text("00000A")), attribute(COMMON_NAME, text(p.terminal))),
        OTHER_TERMINAL,
    ),
    "two names, the terminal's first": (
        lambda p: p.named(attribute(COMMON_NAME, text(p.terminal)), attribute(COMMON_NAME, text("00000A"))),
        NOT_OURS,
    ),
    "a name that is no UTF-8": (lambda p: p.common(tlv(der.UTF8, b"\xc3\x28")), UNREADABLE),
    "half a character of a BMPString": (lambda p: p.common(tlv(der.BMP, b"\x00x\x00")), UNREADABLE),
    "a name of bits": (lambda p: p.common(bits(p.terminal.encode())), UNREADABLE),
    "a name of another string type": (lambda p: p.common(text(p.terminal, der.PRINTABLE)), NOT_OURS),
    "an attribute without value": (lambda p: p.named(set_(seq(oid(COMMON_NAME)))), UNREADABLE),
    "an empty set in the name": (lambda p: p.named(set_()), UNREADABLE),
    "a subject of another office": (
        lambda p: p.named(attribute("2.5.4.11", text("NAC999")), attribute(COMMON_NAME, text(p.terminal))),
        NOT_OURS,
    ),
    # Key
    "another key": (lambda p: p.with_(public_key=der.public_key(STRANGER)), NOT_OURS),
    "no key": (lambda p: p.with_(public_key=b""), UNREADABLE),
    "an empty key": (lambda p: p.with_(public_key=seq()), UNREADABLE),
    "a point that is not on the curve": (
        lambda p: p.with_(public_key=seq(algorithm(der.EC_KEY, oid(der.P256)), bits(point()[:-1] + bytes([point()[-1] ^ 1])))),
        NOT_OURS,
    ),
    "an RSA key of exponent one": (lambda p: p.with_(public_key=rsa_key(N, 1)), NOT_OURS),
    "an RSA key of 100,000 bits": (lambda p: p.with_(public_key=rsa_key((1 << 100_000) + 1, 65537)), NOT_OURS),
    # Unique identifiers and extensions
    "unique identifiers": (lambda p: p.with_(extensions=tlv(0x81, b"\x00x") + tlv(0x82, b"\x00x") + p.extensions), NOT_OURS),
    "no extensions": (lambda p: p.with_(extensions=b""), NOT_OURS),
    "an empty list of extensions": (lambda p: p.with_(extensions=explicit(3, seq())), NOT_OURS),
    "extensions under another number": (lambda p: p.with_(extensions=explicit(4, *parts(p.extensions))), UNREADABLE),
    "an extension twice": (lambda p: p.extended(extension(SUBJECT_ALTERNATIVE, seq())), NOT_OURS),
    "an unknown critical extension": (lambda p: p.extended(extension("1.2.3.4", NULL, boolean(255))), NOT_OURS),
    "a CA": (lambda p: p.extended(extension(BASIC, seq(boolean(255)), boolean(255))), NOT_OURS),
    "a boolean that is neither true nor false": (lambda p: p.extended(extension(BASIC, seq(), boolean(1))), UNREADABLE),
    "a default that is written": (lambda p: p.extended(extension(BASIC, seq(), boolean(0))), UNREADABLE),
    "an extension without value": (lambda p: p.extended(seq(oid(BASIC))), UNREADABLE),
    "an extension whose value is a sequence": (lambda p: p.extended(seq(oid(BASIC), seq())), UNREADABLE),
    "an extension of rubbish": (lambda p: p.extended(extension(CONSTRAINTS, b"\xff\xff")), NOT_OURS),
    "an extension that holds octets": (lambda p: p.extended(extension(EXTENDED + ".0", octets(b""))), NOT_OURS),
    "key usage without bits": (lambda p: p.extended(extension(USAGE + ".9", bits(b""), boolean(255))), NOT_OURS),
    "a fourth field": (lambda p: seq(p.tbs, p.algorithm, bits(signature(p.tbs, p.key)), NULL), UNREADABLE),
    "something behind the extensions": (lambda p: p.with_(extensions=p.extensions + NULL), UNREADABLE),
}


@pytest.fixture(scope="module")
def house(
    sqlite_databases: Callable[[], AbstractContextManager[str]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[House]:
    """Return one house for all: nothing here changes it."""
    with sqlite_databases() as url:
        database = connect(url)
        yield build_house(database, tmp_path_factory.mktemp("house"), SettableClock())
        database.dispose()


@dataclass(frozen=True)
class Door:
    """The terminals door, with a terminal that may log on."""

    client: FlaskClient
    presented: list[bytes]
    record: CertificateRecord
    access_key: str
    paper: Paper

    def told(self, certificate: bytes, address: str = "/api/v1/logons") -> tuple[int, str]:
        """Return the answer's status and code when this certificate is presented."""
        self.presented[:] = [certificate]
        bodies = {"/api/v1/renewals": {"csr": new_request().pem.decode()}}
        body = bodies.get(address, {"terminal": self.record.subject, "access_key": self.access_key})
        answer = self.client.post(address, json=body)
        return answer.status_code, str(answer.get_json().get("code"))


@pytest.fixture(scope="module")
def door(house: House) -> Door:
    """Return the door."""
    presented: list[bytes] = []
    app = create_app(TerminalsDoor(house.logon, lambda _: presented[0], house.renewal, house.reissues, house.own_states))
    [(_, codes)] = house.new_codes()
    record = house.redemption.redeem(codes, new_request().pem, SOURCE).certificate
    key = house.issuing.key
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    version, serial, algorithm_, issuer, validity, subject, public_key, extensions = parts(record.tbs)
    paper = Paper(
        key,
        version,
        serial,
        algorithm_,
        issuer,
        validity,
        subject,
        public_key,
        extensions,
        good=record.der or b"",
        terminal=record.subject,
    )
    return Door(app.test_client(), presented, record, codes.access_key, paper)


def test_the_good_one_may_log_on(door: Door) -> None:
    assert door.told(door.paper.good)[0] == 200


@pytest.mark.filterwarnings("ignore::UserWarning")  # pyca about names and serial numbers that RFC 5280 forbids
@pytest.mark.parametrize(("made", "code"), BAD.values(), ids=BAD)
def test_it_is_refused_by_its_code(door: Door, made: Made, code: str) -> None:
    certificate = made(door.paper)
    assert door.told(certificate) == (403, code)
    status, code = door.told(certificate, "/api/v1/renewals")
    assert (status, code) in {(403, UNREADABLE), (403, "certificate-foreign")}


def test_our_own_other_certificates_are_no_terminals(door: Door, house: House) -> None:
    with house.database.snapshot() as session:
        [responder] = of_subject(session, RESPONDER)
    ours = [house.issuing.issuer.der, house.root.der, responder.der or b""]
    assert {door.told(certificate) for certificate in ours} == {(403, OTHER_TERMINAL)}
    other = house.issue().certificate.der or b""
    assert door.told(other) == (403, OTHER_TERMINAL)
