"""Writing OCSP responses (RFC 6960 §4.2) in DER, in the order of the ASN.1.

By hand because this is hot: a few microseconds beside more than twenty for the signature. Tests compare every response,
octet for octet, with what asn1crypto writes of the same content.
"""

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property, lru_cache

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from ca.certificates import CertificateState
from ca.der import BIT_STRING, GENERALIZED_TIME, OCTET_STRING, SEQUENCE, tlv
from ca.issuers import Issuer
from ca.ocsp_states import Status
from ca.revocation import HOLD_REASON
from keys.algorithms import SignatureAlgorithm, SigningKey, VerifyingKey, algorithm_of

# RFC 6960 §2.2: how a responder says "not issued" by the answer "revoked".
NOT_ISSUED_SINCE = datetime(1970, 1, 1, tzinfo=UTC)
# RFC 5280 §5.3.1; an unspecified reason is left out rather than written.
_REASONS = {
    "keyCompromise": 1,
    "cACompromise": 2,
    "affiliationChanged": 3,
    "superseded": 4,
    "cessationOfOperation": 5,
    HOLD_REASON: 6,
    "privilegeWithdrawn": 9,
    "aACompromise": 10,
}
_ENUMERATED = 0x0A
# Of the signatures that may go unverified, one in so many is verified nevertheless (docs/decisions/0020).
_VERIFIED_OF = 32
_BASIC = bytes.fromhex("06092b0601050507300101")
_NONCE = bytes.fromhex("06092b0601050507300102")
_ARCHIVE_CUTOFF = bytes.fromhex("06092b0601050507300106")
_CERT_HASH = bytes.fromhex("06052b2408030d")  # 1.3.36.8.3.13, of Common PKI
_SHA256 = bytes.fromhex("300d06096086480165030402010500")
# RFC 6960 §4.4.8: says that "revoked" may also mean "not issued".
_EXTENDED_REVOKE = bytes.fromhex("300f06092b060105050730010904020500")
_NO_NONCE = tlv(0xA1, tlv(SEQUENCE, _EXTENDED_REVOKE))
_GOOD, _UNKNOWN = b"\x80\x00", b"\x82\x00"


@dataclass(frozen=True)
class Delegate:
    """The right to answer for one issuer: a certificate that this issuer gave for it, and its key (RFC 6960 §4.2.2.2).

    Raises ValueError at once when certificate and key do not belong together.
    """

    issuer: Issuer
    certificate: x509.Certificate
    key: SigningKey = field(repr=False)

    def __post_init__(self) -> None:
        """Refuse a key that is not the certificate's."""
        if self.key.public_key() != self.certificate.public_key():
            message = f"the key of the responder of {self.issuer.name} does not match its certificate"
            raise ValueError(message)

    @cached_property
    def public_key(self) -> VerifyingKey:
        """The key that its signatures are verified with."""
        key: VerifyingKey = self.certificate.public_key()  # type: ignore[assignment]  # `algorithm` knows no others
        return key

    @cached_property
    def algorithm(self) -> SignatureAlgorithm:
        """The algorithm of its signatures."""
        return algorithm_of(self.certificate.public_key())


class ResponseWriter:
    """Writes and signs responses of one delegate; all that never changes is encoded once."""

    def __init__(self, delegate: Delegate) -> None:
        der = delegate.certificate.public_bytes(Encoding.DER)
        self._key, self._algorithm = delegate.key, delegate.algorithm
        self._public_key = delegate.public_key
        self._is_random = isinstance(delegate.public_key, ec.EllipticCurvePublicKey)
        self._unverified, self._was_faulty = -1, False
        self._certificates = tlv(0xA0, tlv(SEQUENCE, der))
        # byKey: the SHA-1 of the public key's bits (§4.2.1), as in a key identifier.
        key_hash = x509.SubjectKeyIdentifier.from_public_key(delegate.certificate.public_key()).digest
        self._responder_id = tlv(0xA2, tlv(OCTET_STRING, key_hash))
        # Nothing is ever forgotten, so certificates are answered for since the issuer began (§4.4.4).
        since = tlv(OCTET_STRING, time_der(delegate.issuer.certificate.not_valid_before_utc))
        self._archive_cutoff = tlv(SEQUENCE, _ARCHIVE_CUTOFF + since)

    def single(self, cert_id: bytes, status: Status | None, valid: bytes) -> bytes:
        """Write a SingleResponse; `valid` is thisUpdate and nextUpdate."""
        content = cert_id + _status(status) + valid
        if status is not None:
            extensions = self._archive_cutoff + (_cert_hash(status.der) if status.der else b"")
            content += tlv(0xA1, tlv(SEQUENCE, extensions))
        return tlv(SEQUENCE, content)

    def response(self, singles: bytes, nonce: bytes | None, produced_at: bytes, *, once: bool = False) -> bytes:
        """Write and sign a whole response; `singles` stand one after the other.

        One that is given out `once` may go without its signature being verified (`_is_trusted`), any other may not.
        Raises InvalidSignature instead of returning a faulty one.
        """
        extensions = _NO_NONCE if nonce is None else _nonce_head(len(nonce)) + nonce
        content = self._responder_id + produced_at + _head(SEQUENCE, len(singles)) + singles + extensions
        tbs = _head(SEQUENCE, len(content)) + content
        signature = self._algorithm.sign(self._key, tbs)
        if not (once and self._is_trusted()):
            self._verify(signature, tbs)
        signed = tbs + self._algorithm.identifier + _head(BIT_STRING, len(signature) + 1) + b"\x00" + signature
        return _frame(len(signed) + len(self._certificates)) + signed + self._certificates

    def _is_trusted(self) -> bool:
        """Whether the next signature may go unverified: with ECDSA all but some, as long as none was ever found faulty.

        Verifying costs three times the ECDSA signature, and its randomness keeps a fault from giving the key away; whoever
        asked finds a faulty one out. With the other algorithms it costs little, or a single fault may give the key away.
        """
        self._unverified = (self._unverified + 1) % _VERIFIED_OF
        return self._is_random and bool(self._unverified) and not self._was_faulty

    def _verify(self, signature: bytes, tbs: bytes) -> None:
        try:
            self._algorithm.verify(self._public_key, signature, tbs)
        except InvalidSignature:
            self._was_faulty = True
            raise


@lru_cache
def _nonce_head(length: int) -> bytes:
    """Write the responseExtensions up to a nonce of some length, which is their end."""
    nonce = bytes(length)
    extension = tlv(SEQUENCE, _NONCE + tlv(OCTET_STRING, tlv(OCTET_STRING, nonce)))
    return tlv(0xA1, tlv(SEQUENCE, _EXTENDED_REVOKE + extension))[: -len(nonce)]


@lru_cache(2_048)
def _head(tag: int, length: int) -> bytes:
    """Write tag and length of an element with so much content."""
    whole = tlv(tag, bytes(length))
    return whole[: len(whole) - length]


@lru_cache(2_048)
def _frame(length: int) -> bytes:
    """Write all that stands before the content of a BasicOCSPResponse of some length."""
    basic = tlv(OCTET_STRING, tlv(SEQUENCE, bytes(length)))
    whole = tlv(SEQUENCE, b"\x0a\x01\x00" + tlv(0xA0, tlv(SEQUENCE, _BASIC + basic)))
    return whole[: len(whole) - length]


def failure(code: int) -> bytes:
    """Write a response without content (RFC 6960 §4.2.1, OCSPResponseStatus)."""
    return tlv(SEQUENCE, tlv(_ENUMERATED, bytes((code,))))


def time_der(instant: datetime) -> bytes:
    """Write a GeneralizedTime as RFC 5280 §4.1.2.5.2 has it: whole seconds, Z."""
    return tlv(GENERALIZED_TIME, instant.strftime("%Y%m%d%H%M%SZ").encode("ascii"))


def valid_der(this_update: datetime, next_update: datetime) -> bytes:
    """Write thisUpdate and nextUpdate."""
    return time_der(this_update) + tlv(0xA0, time_der(next_update))


def _status(status: Status | None) -> bytes:
    if status is None:
        return _UNKNOWN
    if status.state == CertificateState.VALID:
        return _GOOD
    if status.state == CertificateState.RESERVED:
        # Promised, perhaps signed, given to nobody: nobody may trust it yet.
        return _revoked(NOT_ISSUED_SINCE, HOLD_REASON)
    return _revoked(status.at, status.reason)


def _revoked(at: datetime, reason: str | None) -> bytes:
    code = _REASONS.get(reason or "")
    return tlv(0xA1, time_der(at) + (b"" if code is None else tlv(0xA0, tlv(_ENUMERATED, bytes((code,))))))


def _cert_hash(der: bytes) -> bytes:
    value = tlv(SEQUENCE, _SHA256 + tlv(OCTET_STRING, hashlib.sha256(der).digest()))
    return tlv(SEQUENCE, _CERT_HASH + tlv(OCTET_STRING, value))
