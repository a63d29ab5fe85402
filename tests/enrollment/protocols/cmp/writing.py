"""CMP messages as clients write them, by nothing of ours: any part can be left out, changed or spoiled."""

import hashlib
import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from asn1crypto import core
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.support.clock import MORNING

IR, CR, P10CR, KUR, RR, GENM, ERROR, CERT_CONF, POLL_REQ = 0, 2, 4, 7, 11, 21, 23, 24, 25
SHA256, HMAC_SHA256, HMAC_SHA1 = "2.16.840.1.101.3.4.2.1", "1.2.840.113549.2.9", "1.2.840.113549.2.7"
MD5 = "1.2.840.113549.2.5"
PBM, PBMAC1, PBKDF2 = "1.2.840.113533.7.66.13", "1.2.840.113549.1.5.14", "1.2.840.113549.1.5.12"
ECDSA_SHA256, RSA_SHA256, RSA_PSS = "1.2.840.10045.4.3.2", "1.2.840.113549.1.1.11", "1.2.840.113549.1.1.10"
ED25519, MGF1 = "1.3.101.112", "1.2.840.113549.1.1.8"
IMPLICIT_CONFIRM, CONFIRM_WAIT_TIME = "1.3.6.1.5.5.7.4.13", "1.3.6.1.5.5.7.4.14"
NULL = b"\x05\x00"

# Takes the protected part; returns the protection.
Protect = Callable[[bytes], bytes]
Key = Any


def value(tag: int, content: bytes) -> bytes:
    """Write tag, length, content."""
    length = len(content)
    if length < 0x80:
        return bytes((tag, length)) + content
    octets = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(octets))) + octets + content


def seq(*parts: bytes) -> bytes:
    """Write a SEQUENCE."""
    return value(0x30, b"".join(parts))


def tagged(number: int, content: bytes) -> bytes:
    """Write an explicit context tag."""
    return value(0xA0 | number, content)


def number(integer: int) -> bytes:
    """Write an INTEGER."""
    octets: bytes = core.Integer(integer).dump()
    return octets


def octets(content: bytes) -> bytes:
    """Write an OCTET STRING."""
    return value(0x04, content)


def bits(content: bytes) -> bytes:
    """Write a BIT STRING of whole octets."""
    return value(0x03, b"\x00" + content)


def oid(dotted: str) -> bytes:
    """Write an OBJECT IDENTIFIER."""
    encoded: bytes = core.ObjectIdentifier(dotted).dump()
    return encoded


def algorithm(dotted: str, parameters: bytes = b"") -> bytes:
    """Write an AlgorithmIdentifier."""
    return seq(oid(dotted), parameters)


def info(dotted: str, content: bytes = b"") -> bytes:
    """Write an InfoTypeAndValue."""
    return seq(oid(dotted), content)


def time(instant: datetime) -> bytes:
    """Write a GeneralizedTime."""
    return value(0x18, instant.astimezone(UTC).strftime("%Y%m%d%H%M%SZ").encode())


def directory(name: x509.Name | None = None) -> bytes:
    """Write a GeneralName of a distinguished name, by default of nobody's."""
    return tagged(4, seq() if name is None else name.public_bytes())


def spki(key: Key) -> bytes:
    """Write the SubjectPublicKeyInfo of a key."""
    encoded: bytes = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return encoded


def pbm(rounds: int = 500, *, one_way: bytes | None = None, mac: bytes | None = None, salt: bytes = b"s" * 16) -> bytes:
    """Write an AlgorithmIdentifier of PasswordBasedMac."""
    parameters = seq(octets(salt), one_way or algorithm(SHA256), number(rounds), mac or algorithm(HMAC_SHA256))
    return algorithm(PBM, parameters)


def by_pbm(secret: bytes, rounds: int = 500, salt: bytes = b"s" * 16) -> Protect:
    """Return RFC 4211 §4.4's protection with SHA-256 throughout."""

    def protect(part: bytes) -> bytes:
        key = secret + salt
        for _ in range(rounds):
            key = hashlib.sha256(key).digest()
        return hmac.digest(key, part, "sha256")

    return protect


def pbmac1(
    rounds: int = 2_000, length: bytes | None = None, *, salt: bytes | None = None, kdf: str = PBKDF2, mac: bytes | None = None
) -> bytes:
    """Write an AlgorithmIdentifier of PBMAC1 with SHA-256 throughout."""
    chosen = length if length is not None else number(32)
    parameters = seq(salt or octets(b"s" * 16), number(rounds), chosen, algorithm(HMAC_SHA256, NULL))
    return algorithm(PBMAC1, seq(algorithm(kdf, parameters), mac or algorithm(HMAC_SHA256, NULL)))


def by_pbmac1(secret: bytes, rounds: int = 2_000) -> Protect:
    """Return RFC 8018 §7.1's protection."""
    key = hashlib.pbkdf2_hmac("sha256", secret, b"s" * 16, rounds, 32)
    return lambda part: hmac.digest(key, part, "sha256")


def signing(key: Key) -> tuple[bytes, Protect]:
    """Return the AlgorithmIdentifier by which a key signs here, and its signature."""
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return algorithm(ECDSA_SHA256), lambda part: key.sign(part, ec.ECDSA(hashes.SHA256()))
    if isinstance(key, rsa.RSAPrivateKey):
        return algorithm(RSA_SHA256, NULL), lambda part: key.sign(part, padding.PKCS1v15(), hashes.SHA256())
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return algorithm(ED25519), key.sign
    raise TypeError(type(key).__name__)


def signing_pss(key: rsa.RSAPrivateKey) -> tuple[bytes, Protect]:
    """Return RSASSA-PSS with SHA-256 and a salt of 32."""
    hashed = algorithm(SHA256)
    parameters = seq(tagged(0, hashed), tagged(1, algorithm(MGF1, hashed)), tagged(2, number(32)))
    scheme = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
    return algorithm(RSA_PSS, parameters), lambda part: key.sign(part, scheme, hashes.SHA256())


@dataclass(frozen=True)
class Request:
    """One CertReqMsg: what is None is left out; `possession` overrides the popo that the key would make."""

    key: Key
    request_id: int = 0
    template: tuple[bytes, ...] | None = None
    controls: bytes = b""
    possession: bytes | None = None

    @property
    def certificate_request(self) -> bytes:
        """The CertRequest, which the proof of possession covers."""
        template = (implicit(6, spki(self.key)),) if self.template is None else self.template
        return seq(number(self.request_id), seq(*template), self.controls)

    def written(self) -> bytes:
        """Write it."""
        proof = signature_of(self.key, self.certificate_request) if self.possession is None else self.possession
        return seq(self.certificate_request, proof)


def implicit(tag: int, written: bytes) -> bytes:
    """Write a SEQUENCE under an implicit context tag instead of its own."""
    return bytes((0xA0 | tag,)) + written[1:]


def signature_of(key: Key, signed: bytes) -> bytes:
    """Write a popo: a signature over a CertRequest."""
    named, sign = signing(key)
    return implicit(1, seq(named, bits(sign(signed))))


@dataclass(frozen=True)
class Draft:
    """A message before it is protected and written. What is None is left out."""

    kind: int
    body: bytes
    version: int = 2
    sender: bytes = field(default_factory=directory)
    recipient: bytes = field(default_factory=directory)
    time: datetime | None = MORNING
    algorithm: bytes | None = None
    sender_key: bytes | None = None
    transaction: bytes | None = field(default_factory=lambda: secrets.token_bytes(16))
    sender_nonce: bytes | None = field(default_factory=lambda: secrets.token_bytes(16))
    recipient_nonce: bytes | None = None
    general: tuple[bytes, ...] = ()
    protect: Protect | None = None
    certificates: tuple[bytes, ...] = ()

    @property
    def header(self) -> bytes:
        """The PKIHeader."""
        parts = [number(self.version), self.sender, self.recipient]
        parts += [tagged(0, time(self.time))] if self.time is not None else []
        parts += [tagged(1, self.algorithm)] if self.algorithm is not None else []
        for tag, content in (
            (2, self.sender_key),
            (4, self.transaction),
            (5, self.sender_nonce),
            (6, self.recipient_nonce),
        ):
            parts += [tagged(tag, octets(content))] if content is not None else []
        parts += [tagged(8, seq(*self.general))] if self.general else []
        return seq(*parts)

    def written(self) -> bytes:
        """Write the message."""
        covered = self.header + tagged(self.kind, self.body)
        rest = b"" if self.protect is None else tagged(0, bits(self.protect(seq(covered))))
        if self.certificates:
            rest += tagged(1, seq(*self.certificates))
        return seq(covered, rest)
