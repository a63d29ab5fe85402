"""What EST's bodies and headers carry, read and written without any connection.

Bodies are base64 (RFC 4648 §4) of DER. We write it on one line; whoever sends it may break it (RFC 8951 §3.1). The
header Content-Transfer-Encoding counts for nothing when it is sent (RFC 8951 §3), and is written for clients of
RFC 7030, which look for it.
"""

import base64
import binascii
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from asn1crypto import core, csr
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7

from ca.der import SEQUENCE, SET, tlv

# Twice an honest RSA-4096 request in base64.
LARGEST_BODY = 16_384
PKCS7, PKCS10, PKCS8 = "application/pkcs7-mime", "application/pkcs10", "application/pkcs8"
CERTS_ONLY = f"{PKCS7}; smime-type=certs-only"
_WHITESPACE = b" \t\r\n"

_EC_PUBLIC_KEY, _P256 = "1.2.840.10045.2.1", "1.2.840.10045.3.1.7"  # RFC 5480 §2.1.1
_ECDSA_SHA256 = "1.2.840.10045.4.3.2"  # RFC 5758 §3.2
# RFC 4108 §2.2.5 and RFC 7030 §4.4.1.2: a key to encrypt the made key with.
_DECRYPT_KEY_IDENTIFIERS = {"1.2.840.113549.1.9.16.2.37", "1.2.840.113549.1.9.16.2.54"}
_ENCRYPTION_CAPABILITIES = "1.2.840.113549.1.9.15"  # sMIMECapabilities, RFC 8551 §2.5.2


class BodyError(Exception):
    """A body or header is not what the RFC says."""


@dataclass(frozen=True)
class Basic:
    """What HTTP Basic carries (RFC 7617)."""

    user: str
    password: str = field(repr=False)


def decode(body: bytes) -> bytes:
    """Return the DER in a body; raises BodyError for what is no base64, or is nothing."""
    if len(body) > LARGEST_BODY:
        raise BodyError
    try:
        content = base64.b64decode(body.translate(None, _WHITESPACE), validate=True)
    except binascii.Error:
        raise BodyError from None
    if not content:
        raise BodyError
    return content


def encode(content: bytes) -> bytes:
    """Return a body: base64 on one line."""
    return base64.b64encode(content)


def certs_only(certificates: Sequence[x509.Certificate]) -> bytes:
    """Return the body of certificates without a message (RFC 5751 §3.6: certs-only)."""
    return encode(pkcs7.serialize_certificates(list(certificates), Encoding.DER))


def csr_attributes() -> bytes:
    """Return the body of what a request should be like (RFC 7030 §4.5.2, RFC 8951 §4): a key on P-256, signed with SHA-256.

    Hints, no rules: other keys are accepted, and of a request the key alone is taken.
    """
    key = tlv(SEQUENCE, _oid(_EC_PUBLIC_KEY) + tlv(SET, _oid(_P256)))
    return encode(tlv(SEQUENCE, key + _oid(_ECDSA_SHA256)))


def basic(header: str) -> Basic | None:
    """Return the user and password of an Authorization header, or None when it has none that can be read."""
    scheme, _, credentials = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        text = base64.b64decode(credentials.strip(), validate=True).decode("utf-8")
    except ValueError:  # no base64, or no UTF-8 (RFC 7617 §2.1)
        return None
    user, colon, password = text.partition(":")
    return Basic(user, password) if colon else None


def asks_for_encryption(request: bytes) -> bool:
    """Return whether a PKCS#10 request wants the key that we make encrypted to another one (RFC 7030 §4.4.1)."""
    try:
        attributes = csr.CertificationRequest.load(request)["certification_request_info"]["attributes"]
        kinds = {attribute["type"].dotted for attribute in attributes or ()}
    except (ValueError, TypeError, KeyError):
        return False  # whoever reads the request says what is wrong with it
    return bool(kinds & {*_DECRYPT_KEY_IDENTIFIERS, _ENCRYPTION_CAPABILITIES})


@dataclass(frozen=True)
class Multipart:
    """A key and its certificate (RFC 7030 §4.4.2): `media_type` with its boundary, and the octets."""

    media_type: str
    body: bytes = field(repr=False)


def key_and_certificate(private_key: bytes, certificate: bytes) -> Multipart:
    """Return the answer of serverkeygen: `private_key` is PKCS#8 in DER, `certificate` a body of `certs_only`."""
    boundary = secrets.token_hex(16)
    parts = ((PKCS8, encode(private_key)), (CERTS_ONLY, certificate))
    return Multipart(f"multipart/mixed; boundary={boundary}", b"".join(_parts(boundary, parts)))


def _parts(boundary: str, parts: Iterable[tuple[str, bytes]]) -> Iterable[bytes]:
    for media_type, body in parts:
        yield f"--{boundary}\r\nContent-Type: {media_type}\r\nContent-Transfer-Encoding: base64\r\n\r\n".encode() + body + b"\r\n"
    yield f"--{boundary}--\r\n".encode()


def _oid(dotted: str) -> bytes:
    encoded: bytes = core.ObjectIdentifier(dotted).dump()
    return encoded
