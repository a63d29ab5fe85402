"""DER written by hand, so that it can also be written badly."""

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.fuzz.mutation import tlv

ECDSA_SHA256, ECDSA_SHA1, RSA_SHA256, MD5_RSA = (
    "1.2.840.10045.4.3.2",
    "1.2.840.10045.4.1",
    "1.2.840.113549.1.1.11",
    "1.2.840.113549.1.1.4",
)
EC_KEY, RSA_KEY, ED25519, PSS_KEY = "1.2.840.10045.2.1", "1.2.840.113549.1.1.1", "1.3.101.112", "1.2.840.113549.1.1.10"
P256, P521, SECP256K1 = "1.2.840.10045.3.1.7", "1.3.132.0.35", "1.3.132.0.10"
COMMON_NAME, COUNTRY = "2.5.4.3", "2.5.4.6"
NULL = b"\x05\x00"
UTF8, PRINTABLE, BMP, T61, IA5, UTC, GENERALIZED = 0x0C, 0x13, 0x1E, 0x14, 0x16, 0x17, 0x18
KEY = ec.generate_private_key(ec.SECP256R1())


def seq(*parts: bytes) -> bytes:
    """Return a SEQUENCE."""
    return tlv(0x30, b"".join(parts))


def set_(*parts: bytes) -> bytes:
    """Return a SET, in the order given."""
    return tlv(0x31, b"".join(parts))


def explicit(number: int, *parts: bytes) -> bytes:
    """Return a constructed context-specific value."""
    return tlv(0xA0 | number, b"".join(parts))


def integer(number: int) -> bytes:
    """Return an INTEGER."""
    return tlv(0x02, number.to_bytes(number.bit_length() // 8 + 1, "big", signed=True))


def bits(content: bytes, unused: int = 0) -> bytes:
    """Return a BIT STRING."""
    return tlv(0x03, bytes([unused]) + content)


def octets(content: bytes) -> bytes:
    """Return an OCTET STRING."""
    return tlv(0x04, content)


def boolean(content: int) -> bytes:
    """Return a BOOLEAN with this octet; DER knows 0 and 255."""
    return tlv(0x01, bytes([content]))


def oid(dotted: str) -> bytes:
    """Return an OBJECT IDENTIFIER."""
    first, second, *rest = map(int, dotted.split("."))
    return tlv(0x06, b"".join(map(_arc, [40 * first + second, *rest])))


def text(value: str, tag: int = UTF8) -> bytes:
    """Return a string of some kind."""
    return tlv(tag, value.encode({BMP: "utf-16-be"}.get(tag, "utf-8")))


def attribute(kind: str, value: bytes) -> bytes:
    """Return a relative distinguished name of one attribute."""
    return set_(seq(oid(kind), value))


def name(common_name: str = "99999W") -> bytes:
    """Return a distinguished name."""
    return seq(attribute(COMMON_NAME, text(common_name)))


def extension(kind: str, value: bytes, critical: bytes = b"") -> bytes:
    """Return an extension."""
    return seq(oid(kind), critical, octets(value))


def algorithm(kind: str, parameters: bytes = b"") -> bytes:
    """Return an AlgorithmIdentifier."""
    return seq(oid(kind), parameters)


def public_key(key: ec.EllipticCurvePrivateKey = KEY) -> bytes:
    """Return a SubjectPublicKeyInfo."""
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def point(key: ec.EllipticCurvePrivateKey = KEY, form: PublicFormat = PublicFormat.UncompressedPoint) -> bytes:
    """Return a public key as a point."""
    return key.public_key().public_bytes(Encoding.X962, form)


def signature(content: bytes, key: ec.EllipticCurvePrivateKey = KEY) -> bytes:
    """Return an ECDSA signature with SHA-256."""
    return key.sign(content, ec.ECDSA(hashes.SHA256()))


def signed(content: bytes, kind: bytes | None = None, made: bytes | None = None) -> bytes:
    """Return what was signed, the algorithm and the signature as X.509 puts them together."""
    return seq(content, kind or algorithm(ECDSA_SHA256), bits(made or signature(content)))


def with_length(value: bytes, length: bytes) -> bytes:
    """Return a value whose length octets are others; its own are found and left out."""
    begin = 2 + (value[1] - 0x80 if value[1] >= 0x80 else 0)
    return value[:1] + length + value[begin:]


def _arc(arc: int) -> bytes:
    content = bytes([arc & 0x7F])
    while arc := arc >> 7:
        content = bytes([0x80 | arc & 0x7F]) + content
    return content
