"""SCEP's pkiMessage (RFC 8894 §3): the attributes that make a transaction, and what the envelope holds for each type."""

import secrets
from dataclasses import dataclass, field
from enum import StrEnum

from asn1crypto import cms, core, csr
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15

from ca import requests
from ca.requests import RequestedKey
from enrollment.protocols.scep import ber
from enrollment.protocols.scep.algorithms import DIGESTS
from enrollment.protocols.scep.cms import (
    SIGNING_TIME,
    Envelope,
    SignedMessage,
    Signer,
    Signing,
    read_envelope,
    read_signed,
    reading,
    signed,
)
from enrollment.protocols.scep.failures import FailInfo, MalformedError, ScepFault, bad_message
from enrollment.protocols.scep.kinds import MessageType

# RFC 8894 §3.2.1: id-attributes of VeriSign's arc, and id-scep of PKIX'.
_ATTRIBUTES = "2.16.840.1.113733.1.9."
MESSAGE_TYPE, PKI_STATUS, FAIL_INFO = f"{_ATTRIBUTES}2", f"{_ATTRIBUTES}3", f"{_ATTRIBUTES}4"
SENDER_NONCE, RECIPIENT_NONCE, TRANSACTION_ID = f"{_ATTRIBUTES}5", f"{_ATTRIBUTES}6", f"{_ATTRIBUTES}7"
FAIL_INFO_TEXT = "1.3.6.1.5.5.7.24.1"
_NONCE_LENGTH = 16  # §3.2.1.5
_LONGEST_TRANSACTION_ID = 255
_CHALLENGE_PASSWORD = "1.2.840.113549.1.9.7"  # noqa: S105 (PKCS#9's name of an attribute)


class PkiStatus(StrEnum):
    """RFC 8894 §3.2.1.3."""

    SUCCESS = "0"
    FAILURE = "2"
    PENDING = "3"


@dataclass(frozen=True)
class Transaction:
    """What an answer repeats of the message that it answers (§3.2.1.1, §3.2.1.5), and how it is signed."""

    id: str
    sender_nonce: bytes
    digest: str


@dataclass(frozen=True)
class PkiMessage:
    """A message as it came: nothing of it is verified before `verify`."""

    transaction: Transaction
    _signed: SignedMessage = field(repr=False)

    @property
    def message_type(self) -> MessageType:
        """What is asked for; raises ScepFault for a type that nobody may send here."""
        try:
            asked = MessageType(_printable(self._signed.attributes.get(MESSAGE_TYPE)) or "")
        except ValueError:
            asked = MessageType.CERT_REP
        if asked == MessageType.CERT_REP:
            raise ScepFault(FailInfo.BAD_REQUEST, "Messages are PKCSReq, RenewalReq, CertPoll, GetCert and GetCRL.")
        return asked

    @property
    def signing_time(self) -> object:
        """When the client says that it signed, an aware datetime, or None where it does not say so."""
        encoded = self._signed.attributes.get(SIGNING_TIME)
        try:
            with reading():
                return asn1_x509.Time.load(encoded, strict=True).native if encoded else None
        except MalformedError:
            raise bad_message() from None

    def verify(self) -> Signer:
        """Return who signed; raises ScepFault unless all that a message must carry is there and the signature is right."""
        signer = self._signed.verify()
        if len(self.transaction.sender_nonce) != _NONCE_LENGTH:
            raise ScepFault(FailInfo.BAD_REQUEST, "senderNonce must have 16 octets.")
        return signer

    def envelope(self, recipient: x509.Certificate) -> Envelope:
        """Return what is encrypted to the registration authority; raises ScepFault."""
        return read_envelope(self._signed.content, recipient)


def read(encoded: bytes) -> PkiMessage:
    """Read a message, in BER or DER; raises MalformedError when it could not even be answered."""
    message = read_signed(encoded)
    identifier = _printable(message.attributes.get(TRANSACTION_ID))
    if not identifier or len(identifier) > _LONGEST_TRANSACTION_ID:
        raise MalformedError
    sender_nonce = _octets(message.attributes.get(SENDER_NONCE))
    digest = message.digest if message.digest in DIGESTS else "sha256"
    return PkiMessage(Transaction(identifier, sender_nonce, digest), message)


@dataclass(frozen=True)
class Enrolment:
    """A request (PKCS#10, DER) that proves its key, and its challengePassword (RFC 2985 §5.4.1), "" where there is none."""

    request: bytes | RequestedKey
    public_key: object = field(repr=False)
    challenge: str = field(repr=False)


def enrolment(content: bytes) -> Enrolment:
    """Read the content of PKCSReq and RenewalReq (§3.3.1).

    Raises ScepFault, uniformly up to the request's own signature: what passes that was not tampered with.
    """
    try:
        with reading():
            encoded = ber.definite(content)
            request = x509.load_der_x509_csr(encoded)
            public_key = request.public_key()
            is_old = _is_proven_by_sha1(request, public_key)
            if not is_old and not request.is_signature_valid:
                raise ValueError("possession is not proven")
            wanted = csr.CertificationRequest.load(encoded, strict=True)["certification_request_info"]
            found = [one["values"] for one in wanted["attributes"] or () if one["type"].dotted == _CHALLENGE_PASSWORD]
            challenges = [str(value.native) for values in found for value in values]
            if len(challenges) > 1:
                raise ValueError("RFC 2985 §5.4.1: single-valued")
    except MalformedError:
        raise bad_message() from None
    known = requests.of_proven(public_key) if is_old else encoded
    return Enrolment(known, public_key, challenges[0] if challenges else "")


def _is_proven_by_sha1(request: x509.CertificateSigningRequest, key: object) -> bool:
    """Tell about what only old clients know: SHA-1 proves possession well enough, and signs nothing that lasts."""
    if not isinstance(key, rsa.RSAPublicKey) or not isinstance(request.signature_hash_algorithm, hashes.SHA1):
        return False
    try:
        key.verify(request.signature, request.tbs_certrequest_bytes, PKCS1v15(), hashes.SHA1())  # noqa: S303
    except InvalidSignature:
        return False
    return True


def asked_certificate(content: bytes) -> tuple[bytes, int]:
    """Read the content of GetCert and GetCRL (§3.3.4): issuer (DER) and serial number; raises ScepFault, uniformly."""
    try:
        with reading():
            named = cms.IssuerAndSerialNumber.load(ber.definite(content), strict=True)
            return named["issuer"].dump(), int(named["serial_number"].native)
    except MalformedError:
        raise bad_message() from None


class IssuerAndSubject(core.Sequence):  # type: ignore[misc]  # asn1crypto carries no types
    """RFC 8894 §3.3.3."""

    _fields = [("issuer", asn1_x509.Name), ("subject", asn1_x509.Name)]  # noqa: RUF012 (asn1crypto's own way)


def require_poll(content: bytes) -> None:
    """Read the content of CertPoll (§3.3.3); raises ScepFault, uniformly. Who polls is told by the signature, not by names."""
    try:
        with reading():
            polled = IssuerAndSubject.load(ber.definite(content), strict=True)
            polled["issuer"].dump()
            polled["subject"].native  # noqa: B018 (reading is what checks it)
            polled["issuer"].native  # noqa: B018
    except MalformedError:
        raise bad_message() from None


def success(encrypted: bytes, asked: Transaction, by: Signing) -> bytes:
    """Return a CertRep with certificates or a list, which `cms.envelope` has encrypted to who asked (§3.3.2.1)."""
    return signed(encrypted, _answering(asked, PkiStatus.SUCCESS), by)


def failure(fault: ScepFault, asked: Transaction, by: Signing) -> bytes:
    """Return a CertRep that says what went wrong; it has no envelope (§3.3.2.2)."""
    told = {
        FAIL_INFO: core.PrintableString(fault.fail_info.value),
        FAIL_INFO_TEXT: core.UTF8String(fault.text),
    }
    return signed(None, _answering(asked, PkiStatus.FAILURE) | told, by)


def _answering(asked: Transaction, status: PkiStatus) -> dict[str, core.Asn1Value]:
    answering: dict[str, core.Asn1Value] = {
        TRANSACTION_ID: core.PrintableString(asked.id),
        MESSAGE_TYPE: core.PrintableString(MessageType.CERT_REP.value),
        PKI_STATUS: core.PrintableString(status.value),
        SENDER_NONCE: core.OctetString(secrets.token_bytes(_NONCE_LENGTH)),
    }
    if asked.sender_nonce:
        answering[RECIPIENT_NONCE] = core.OctetString(asked.sender_nonce)
    return answering


def _printable(encoded: bytes | None) -> str | None:
    """Return a PrintableString's text, or None for anything else."""
    if encoded is None:
        return None
    try:
        with reading():
            text = str(core.PrintableString.load(encoded, strict=True).native)
    except MalformedError:
        return None
    return text if text.isascii() and text.isprintable() else None


def _octets(encoded: bytes | None) -> bytes:
    """Return an OctetString's octets, or none for anything else."""
    try:
        with reading():
            return bytes(core.OctetString.load(encoded or b"", strict=True).native)
    except MalformedError:
        return b""
