"""Certification requests that are wrong in one way each, signed by their key where that can be: each is refused by its code."""

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from ca import requests
from kernel.errors import Refused
from tests.fuzz import der
from tests.fuzz.der import (
    COMMON_NAME,
    KEY,
    NULL,
    algorithm,
    attribute,
    bits,
    explicit,
    extension,
    integer,
    name,
    octets,
    oid,
    point,
    public_key,
    seq,
    set_,
    signature,
    signed,
    text,
    with_length,
)
from tests.fuzz.mutation import tlv

MALFORMED, UNPROVEN, UNSUPPORTED, WEAK = "csr-malformed", "csr-signature", "key-unsupported", "key-weak"
EXTENSIONS, CHALLENGE, BASIC, ALTERNATIVE = "1.2.840.113549.1.9.14", "1.2.840.113549.1.9.7", "2.5.29.19", "2.5.29.17"
ATTRIBUTES = explicit(0)
RSA = rsa.generate_private_key(65537, 2048)
N = RSA.public_key().public_numbers().n
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def tbs(
    version: bytes | None = None, subject: bytes | None = None, key: bytes | None = None, attributes: bytes = ATTRIBUTES
) -> bytes:
    """Return a CertificationRequestInfo (RFC 2986 §4.1)."""
    return seq(
        integer(0) if version is None else version, name() if subject is None else subject, key or public_key(), attributes
    )


def csr(**fields: bytes) -> bytes:
    """Return a request with these fields, signed."""
    return signed(tbs(**fields))


def elliptic(parameters: bytes, where: bytes) -> bytes:
    """Return a request whose elliptic key is written like this."""
    return csr(key=seq(seq(oid(der.EC_KEY), parameters), bits(where)))


def rsa_key(modulus: int, exponent: int, parameters: bytes = NULL) -> bytes:
    """Return an RSA key."""
    return seq(algorithm(der.RSA_KEY, parameters), bits(seq(integer(modulus), integer(exponent))))


def rsa_csr(modulus: int = N, exponent: int = 65537, parameters: bytes = NULL) -> bytes:
    """Return a request of an RSA key, signed by the one that it would be if nothing was changed."""
    content = tbs(key=rsa_key(modulus, exponent, parameters))
    made = RSA.sign(content, padding.PKCS1v15(), hashes.SHA256())
    return signed(content, algorithm(der.RSA_SHA256, NULL), made)


def requested(extensions: bytes) -> bytes:
    """Return a request that asks for extensions."""
    return csr(attributes=explicit(0, seq(oid(EXTENSIONS), set_(extensions))))


def spki(key: ec.EllipticCurvePublicKey | dsa.DSAPublicKey) -> bytes:
    """Return a key as it is written."""
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


GOOD, INNER = csr(), tbs()
R_AND_S = seq(integer(1), integer(1))
NESTED = seq()
for _ in range(3_000):
    NESTED = seq(NESTED)

BAD: dict[str, tuple[bytes, str]] = {
    # The outermost value
    "nothing": (b"", MALFORMED),
    "one octet": (b"\x30", MALFORMED),
    "an empty sequence": (seq(), MALFORMED),
    "three empty sequences": (seq(seq(), seq(), seq()), MALFORMED),
    "trailing octets": (GOOD + b"\x00", MALFORMED),
    "two requests": (GOOD + GOOD, MALFORMED),
    "cut off by an octet": (GOOD[:-1], MALFORMED),
    "a set instead of a sequence": (b"\x31" + GOOD[1:], MALFORMED),
    "a primitive sequence": (b"\x10" + GOOD[1:], MALFORMED),
    "indefinite length": (with_length(GOOD, b"\x80") + b"\x00\x00", MALFORMED),
    "a length too long by an octet": (with_length(GOOD, b"\x83\x00" + GOOD[2:4]), MALFORMED),
    "a length of four gigabytes": (with_length(GOOD, b"\x84\xff\xff\xff\xff"), MALFORMED),
    "a length of 126 octets": (with_length(GOOD, b"\xfe" + bytes(126)), MALFORMED),
    "a reserved length": (with_length(GOOD, b"\xff"), MALFORMED),
    "a length one less": (with_length(GOOD, bytes([0x81, GOOD[2] - 1])), MALFORMED),
    "a certificate's tag of long form": (b"\x3f\x10" + GOOD[1:], MALFORMED),
    "a fourth field": (seq(INNER, algorithm(der.ECDSA_SHA256), bits(signature(INNER)), NULL), MALFORMED),
    "no signature": (seq(INNER, algorithm(der.ECDSA_SHA256)), MALFORMED),
    "too large": (GOOD + bytes(requests.LARGEST), MALFORMED),
    # Version
    "version 2": (csr(version=integer(1)), MALFORMED),
    "version minus one": (csr(version=integer(-1)), MALFORMED),
    "a version of two octets": (csr(version=b"\x02\x02\x00\x00"), MALFORMED),
    "an empty version": (csr(version=b"\x02\x00"), MALFORMED),
    "a huge version": (csr(version=integer(1 << 4_000)), MALFORMED),
    "no version": (csr(version=b""), MALFORMED),
    "version as a boolean": (csr(version=der.boolean(0)), MALFORMED),
    # Subject: nothing of it counts, but it must be one
    "no subject": (csr(subject=b""), MALFORMED),
    "a subject that is a set": (csr(subject=set_()), MALFORMED),
    "a subject with an empty set": (csr(subject=seq(set_())), MALFORMED),
    "a subject without sets": (csr(subject=seq(seq(oid(COMMON_NAME), text("x")))), MALFORMED),
    "an attribute without value": (csr(subject=seq(set_(seq(oid(COMMON_NAME))))), MALFORMED),
    "an attribute of three parts": (csr(subject=seq(set_(seq(oid(COMMON_NAME), text("x"), NULL)))), MALFORMED),
    "UTF-8 that is none": (csr(subject=seq(attribute(COMMON_NAME, tlv(der.UTF8, b"\xc3\x28")))), MALFORMED),
    "UTF-8 with a surrogate": (csr(subject=seq(attribute(COMMON_NAME, tlv(der.UTF8, b"\xed\xa0\x80")))), MALFORMED),
    "UTF-8 longer than it must be": (csr(subject=seq(attribute(COMMON_NAME, tlv(der.UTF8, b"\xc0\xaf")))), MALFORMED),
    "half a character of a BMPString": (csr(subject=seq(attribute(COMMON_NAME, tlv(der.BMP, b"\x00x\x00")))), MALFORMED),
    "a string in pieces": (csr(subject=seq(attribute(COMMON_NAME, tlv(0x2C, text("x") + text("y"))))), MALFORMED),
    "a name's set out of order": (
        csr(subject=seq(set_(seq(oid(COMMON_NAME), text("y")), seq(oid(COMMON_NAME), text("x"))))),
        MALFORMED,
    ),
    "a country twice in a set": (csr(subject=seq(set_(*[seq(oid(der.COUNTRY), text("JP", der.PRINTABLE))] * 2))), MALFORMED),
    "an object identifier that does not end": (csr(subject=seq(set_(seq(b"\x06\x03\x55\x04\x83", text("x"))))), MALFORMED),
    "an object identifier with padding": (csr(subject=seq(set_(seq(b"\x06\x04\x55\x04\x80\x03", text("x"))))), MALFORMED),
    "an empty object identifier": (csr(subject=seq(set_(seq(b"\x06\x00", text("x"))))), MALFORMED),
    # The form of keys
    "no key": (signed(seq(integer(0), name(), ATTRIBUTES)), MALFORMED),
    "an empty key": (csr(key=seq()), MALFORMED),
    "a key without bits": (csr(key=seq(algorithm(der.EC_KEY, oid(der.P256)), bits(b""))), MALFORMED),
    "a key in an octet string": (csr(key=seq(algorithm(der.EC_KEY, oid(der.P256)), octets(point()))), MALFORMED),
    "a key with unused bits": (csr(key=seq(algorithm(der.EC_KEY, oid(der.P256)), bits(point(), 3))), MALFORMED),
    "a key of an unknown kind": (csr(key=seq(algorithm("1.2.3.4"), bits(point()))), UNSUPPORTED),
    "octets behind the key": (csr(key=seq(algorithm(der.EC_KEY, oid(der.P256)), bits(point()), NULL)), MALFORMED),
    # Elliptic keys
    "an elliptic key without its curve": (elliptic(b"", point()), MALFORMED),
    "an elliptic key with NULL for a curve": (elliptic(NULL, point()), UNSUPPORTED),
    "an unknown curve": (elliptic(oid("1.2.3.4"), point()), UNSUPPORTED),
    "a point that is not on the curve": (elliptic(oid(der.P256), point()[:-1] + bytes([point()[-1] ^ 1])), MALFORMED),
    "the point at infinity": (elliptic(oid(der.P256), b"\x00"), MALFORMED),
    "a point of zeros": (elliptic(oid(der.P256), b"\x04" + bytes(64)), MALFORMED),
    "a coordinate beyond the field": (elliptic(oid(der.P256), b"\x04" + b"\xff" * 64), MALFORMED),
    "a point too short": (elliptic(oid(der.P256), point()[:-1]), MALFORMED),
    "a point too long": (elliptic(oid(der.P256), point() + b"\x00"), MALFORMED),
    "a point of a form that is none": (elliptic(oid(der.P256), b"\x05" + point()[1:]), MALFORMED),
    "a compressed point without root": (elliptic(oid(der.P256), b"\x02" + (5).to_bytes(32)), UNPROVEN),
    "a point of P-256 on P-384": (elliptic(oid("1.3.132.0.34"), point()), MALFORMED),
    "the curve P-521": (csr(key=spki(ec.generate_private_key(ec.SECP521R1()).public_key())), UNPROVEN),
    "explicit parameters that are cut off": (elliptic(seq(integer(1)), point()), MALFORMED),
    # RSA keys
    "exponent one": (rsa_csr(exponent=1), MALFORMED),
    "exponent zero": (rsa_csr(exponent=0), MALFORMED),
    "exponent minus three": (rsa_csr(exponent=-3), MALFORMED),
    "an even exponent": (rsa_csr(exponent=65536), MALFORMED),
    "an exponent as long as the modulus": (rsa_csr(exponent=N - 2), UNPROVEN),
    "a modulus of zero": (rsa_csr(modulus=0), MALFORMED),
    "a negative modulus": (rsa_csr(modulus=-N), MALFORMED),
    "an even modulus": (rsa_csr(modulus=N - 1), UNPROVEN),
    "a modulus of 16,000 bits": (rsa_csr(modulus=(1 << 16_000) + 1), UNPROVEN),
    "a modulus of 100,000 bits": (rsa_csr(modulus=(1 << 100_000) + 1), UNPROVEN),
    "a modulus of 512 bits": (rsa_csr(modulus=(1 << 511) + 1), UNPROVEN),
    "an RSA key with a curve": (rsa_csr(parameters=oid(der.P256)), MALFORMED),
    "an RSA key of one number": (csr(key=seq(algorithm(der.RSA_KEY, NULL), bits(seq(integer(N))))), MALFORMED),
    "an RSA key of three numbers": (csr(key=seq(algorithm(der.RSA_KEY, NULL), bits(seq(*[integer(N)] * 3)))), MALFORMED),
    "a modulus with an octet too many": (
        csr(key=seq(algorithm(der.RSA_KEY, NULL), bits(seq(tlv(0x02, b"\x00\x00" + N.to_bytes(256)), integer(65537))))),
        MALFORMED,
    ),
    # Edwards keys
    "an Ed25519 key too short": (csr(key=seq(algorithm(der.ED25519), bits(bytes(31)))), MALFORMED),
    "an Ed25519 key with NULL": (csr(key=seq(algorithm(der.ED25519, NULL), bits(bytes(32)))), MALFORMED),
    # Attributes
    "no attributes": (csr(attributes=b""), MALFORMED),
    "attributes under another number": (csr(attributes=explicit(1)), MALFORMED),
    "attributes that are a sequence": (csr(attributes=seq()), MALFORMED),
    "something behind the attributes": (csr(attributes=ATTRIBUTES + NULL), MALFORMED),
    "an attribute without set": (csr(attributes=explicit(0, seq(oid(CHALLENGE), text("x")))), MALFORMED),
    "an empty attribute": (csr(attributes=explicit(0, seq())), MALFORMED),
    "values of an attribute out of order": (
        csr(attributes=explicit(0, seq(oid(CHALLENGE), set_(text("y"), text("x"))))),
        MALFORMED,
    ),
    "a boolean that is neither true nor false": (requested(seq(extension(BASIC, seq(), der.boolean(1)))), MALFORMED),
    "an indefinite length deep inside": (requested(b"\x30\x80" + extension(ALTERNATIVE, seq()) + b"\x00\x00"), MALFORMED),
    "a length too long deep inside": (requested(b"\x30\x81\x0b" + extension(ALTERNATIVE, seq())), MALFORMED),
    "values inside of values, three thousand": (requested(NESTED), MALFORMED),
    # Signature
    "another algorithm's name": (signed(INNER, algorithm(der.RSA_SHA256, NULL)), UNPROVEN),
    "SHA-1": (signed(INNER, algorithm(der.ECDSA_SHA1), KEY.sign(INNER, ec.ECDSA(hashes.SHA1()))), UNPROVEN),  # noqa: S303 (refused)
    "MD5": (signed(INNER, algorithm(der.MD5_RSA, NULL)), UNPROVEN),
    "an unknown algorithm": (signed(INNER, algorithm("1.2.3.4")), UNPROVEN),
    "an algorithm without name": (signed(INNER, seq()), MALFORMED),
    "ECDSA with parameters": (signed(INNER, algorithm(der.ECDSA_SHA256, NULL)), MALFORMED),
    "an empty signature": (seq(INNER, algorithm(der.ECDSA_SHA256), bits(b"")), UNPROVEN),
    "a signature of zeros": (signed(INNER, made=seq(integer(0), integer(0))), UNPROVEN),
    "a signature of ones": (signed(INNER, made=R_AND_S), UNPROVEN),
    "r as long as the order": (signed(INNER, made=seq(integer(ORDER), integer(1))), UNPROVEN),
    "a negative r": (signed(INNER, made=seq(integer(-1), integer(1))), UNPROVEN),
    "three numbers": (signed(INNER, made=seq(integer(1), integer(1), integer(1))), UNPROVEN),
    "octets behind the signature": (signed(INNER, made=signature(INNER) + b"\x00"), UNPROVEN),
    "a signature with unused bits": (seq(INNER, algorithm(der.ECDSA_SHA256), bits(signature(INNER), 7)), MALFORMED),
    "a signature in an octet string": (seq(INNER, algorithm(der.ECDSA_SHA256), octets(signature(INNER))), MALFORMED),
    "another key's signature": (signed(INNER, made=signature(INNER, ec.generate_private_key(ec.SECP256R1()))), UNPROVEN),
    "another request's signature": (signed(INNER, made=signature(tbs(subject=name("99998W")))), UNPROVEN),
}


@pytest.mark.parametrize(("request_", "code"), BAD.values(), ids=BAD)
def test_it_is_refused_by_its_code(request_: bytes, code: str) -> None:
    with pytest.raises(Refused) as refusal:
        requests.read(request_)
    assert refusal.value.code == code


def test_the_request_that_they_are_made_of_is_good() -> None:
    for good in (GOOD, rsa_csr(), rsa_csr(parameters=b""), requested(seq(extension(ALTERNATIVE, seq())))):
        requests.read(good)


@pytest.mark.parametrize(
    "subject", [seq(), name("99998W\x00"), name("\u202e"), name("x" * 5_000), seq(*[attribute(COMMON_NAME, text("x"))] * 50)]
)
def test_of_a_subject_that_can_be_written_nothing_counts(subject: bytes) -> None:
    assert requests.read(csr(subject=subject)).spki == public_key()
