"""What the bodies of requests say (RFC 9810 §5.3, RFC 4211), held to the lightweight profile (RFC 9483 §4)."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_der_public_key
from pyasn1.type.base import Asn1Item
from pyasn1.type.univ import Enumerated
from pyasn1_alt_modules import rfc9810

from ca import requests
from ca.der import SEQUENCE, content, elements
from ca.requests import RequestedKey
from enrollment.protocols.cmp import oids, signatures
from enrollment.protocols.cmp.failures import FailInfo, Fault
from enrollment.protocols.cmp.messages import Algorithm, Information, algorithm_of, decoded, information, optional

# The one request of a message has this number; a PKCS#10 request has none to repeat (RFC 9483 §4.1.4).
REQUEST_ID, PKCS10_ID = 0, -1
_ACCEPTED, _WITH_MODIFICATIONS, _REJECTION = 0, 1, 2
_X509_V3 = 2
# RFC 4211 §5: an authority assigns these, nobody asks for them.
_NOT_FOR_REQUESTS = ("serialNumber", "signingAlg", "issuerUID", "subjectUID")
_REASON_CODE = "2.5.29.21"
_PUBLIC_KEY, _ISSUER, _SUBJECT, _EXTENSIONS = 0xA6, 0xA3, 0xA5, 0xA9


@dataclass(frozen=True)
class CertificateName:
    """A certificate by its issuer's name (a Name in DER) and serial number."""

    issuer: bytes
    serial: int


@dataclass(frozen=True)
class Wishes:
    """What a template asks for beyond the key, in DER: whatever of it we do not grant is told (RFC 9810 §5.2.3)."""

    issuer: bytes | None = None
    subject: bytes | None = None
    validity: bool = False
    extensions: tuple[bytes, ...] = ()


@dataclass(frozen=True)
class CertificateRequest:
    """One request with its possession proven; `renews` is the certificate that a kur names, if it does."""

    key: RequestedKey
    wishes: Wishes = field(default_factory=Wishes)
    renews: CertificateName | None = None


@dataclass(frozen=True)
class Confirmation:
    """A CertStatus: the hash of the certificate, whether it is accepted, and the hash's name if it is said."""

    certificate_hash: bytes
    request_id: int
    is_accepted: bool
    hash_algorithm: Algorithm | None


@dataclass(frozen=True)
class Revocation:
    """A RevDetails: the certificate, its number in RFC 5280 §5.3.1's list of reasons, and what else must fit it."""

    certificate: CertificateName
    reason: int
    subject: bytes | None
    spki: bytes | None


def certificate_request(body: bytes) -> CertificateRequest:
    """Read ir, cr or kur: one CertReqMsg with a signature as its proof of possession; raises Fault and Refused."""
    messages = _decoded(body, rfc9810.CertReqMessages())
    if len(messages) != 1:
        raise Fault(FailInfo.BAD_REQUEST, "exactly one certificate can be asked for in a message")
    [octets] = elements(body)
    request_octets = next(elements(octets))
    request, possession = messages[0]["certReq"], optional(messages[0], "popo")
    if int(request["certReqId"]) != REQUEST_ID:
        raise Fault(FailInfo.BAD_REQUEST, "certReqId must be 0")
    _, template, *_ = elements(request_octets)
    parts = _template_parts(template)
    _require_template(request["certTemplate"], parts)
    renews = _old_certificate(optional(request, "controls"))
    key = _public_key(parts[_PUBLIC_KEY])
    _require_possession(key, possession, request_octets)
    return CertificateRequest(requests.of_proven(key), _wishes(request["certTemplate"], parts), renews)


def pkcs10_request(body: bytes) -> CertificateRequest:
    """Read p10cr; raises Refused."""
    return CertificateRequest(requests.read(body))


def confirmation(body: bytes) -> Confirmation:
    """Read certConf; raises Fault."""
    statuses = _decoded(body, rfc9810.CertConfirmContent())
    if len(statuses) != 1:
        raise Fault(FailInfo.BAD_REQUEST, "exactly one certificate can be confirmed")
    [status] = statuses
    told = optional(status, "statusInfo")
    number = _ACCEPTED if told is None else int(told["status"])
    if number not in {_ACCEPTED, _WITH_MODIFICATIONS, _REJECTION}:
        raise Fault(FailInfo.BAD_REQUEST, "a certificate is accepted or rejected")
    if told is not None and number != _REJECTION and optional(told, "failInfo") is not None:
        raise Fault(FailInfo.BAD_REQUEST, "a certificate that is accepted has no failInfo")
    algorithm = optional(status, "hashAlg")
    return Confirmation(
        certificate_hash=bytes(status["certHash"]),
        request_id=int(status["certReqId"]),
        is_accepted=number != _REJECTION,
        hash_algorithm=None if algorithm is None else algorithm_of(algorithm),
    )


def polled_request(body: bytes) -> int:
    """Read pollReq: the certReqId that is asked for; raises Fault."""
    polled = _decoded(body, rfc9810.PollReqContent())
    if len(polled) != 1:
        raise Fault(FailInfo.BAD_REQUEST, "exactly one request can be polled for")
    return int(polled[0]["certReqId"])


def revocation(body: bytes) -> Revocation:
    """Read rr; raises Fault."""
    wanted = _decoded(body, rfc9810.RevReqContent())
    if len(wanted) != 1:
        raise Fault(FailInfo.BAD_REQUEST, "exactly one certificate can be revoked")
    [octets] = elements(body)
    template, parts = wanted[0]["certDetails"], _template_parts(next(elements(octets)))
    serial, version = optional(template, "serialNumber"), optional(template, "version")
    if serial is None or _ISSUER not in parts:
        raise Fault(FailInfo.ADD_INFO_NOT_AVAILABLE, "issuer and serialNumber must be said")
    if version is not None and int(version) != _X509_V3:
        raise Fault(FailInfo.BAD_REQUEST, "certificates are of version 3")
    return Revocation(
        certificate=CertificateName(content(parts[_ISSUER]), int(serial)),
        reason=_reason(optional(wanted[0], "crlEntryDetails")),
        subject=content(parts[_SUBJECT]) if _SUBJECT in parts else None,
        spki=_spki(parts[_PUBLIC_KEY]) if _PUBLIC_KEY in parts else None,
    )


def questions(body: bytes) -> tuple[Information, ...]:
    """Read genm; raises Fault."""
    return information(_decoded(body, rfc9810.GenMsgContent()))


def error(body: bytes) -> None:
    """Read an error message, whose sender gives up; raises Fault when it is none."""
    _decoded(body, rfc9810.ErrorMsgContent())


def _decoded(body: bytes, specification: Asn1Item) -> Asn1Item:
    try:
        return decoded(body, specification)
    except ValueError:
        raise Fault(FailInfo.BAD_DATA_FORMAT, "the body can not be read") from None


def _template_parts(template: bytes) -> Mapping[int, bytes]:
    """Return a template's fields as they came, by their tags."""
    return {part[0]: part for part in elements(template)}


def _require_template(template: Asn1Item, parts: Mapping[int, bytes]) -> None:
    version = optional(template, "version")
    if version is not None and int(version) != _X509_V3:
        raise Fault(FailInfo.BAD_CERT_TEMPLATE, "certificates are of version 3")
    for name in _NOT_FOR_REQUESTS:
        if optional(template, name) is not None:
            raise Fault(FailInfo.BAD_CERT_TEMPLATE, f"{name} can not be asked for")
    if _PUBLIC_KEY not in parts:
        raise Fault(FailInfo.BAD_CERT_TEMPLATE, "keys are made by their owners: publicKey is missing")


def _wishes(template: Asn1Item, parts: Mapping[int, bytes]) -> Wishes:
    return Wishes(
        issuer=content(parts[_ISSUER]) if _ISSUER in parts else None,
        subject=content(parts[_SUBJECT]) if _SUBJECT in parts else None,
        validity=optional(template, "validity") is not None,
        extensions=tuple(elements(parts[_EXTENSIONS])) if _EXTENSIONS in parts else (),
    )


def _old_certificate(controls: Asn1Item | None) -> CertificateName | None:
    found = {str(one["type"]): bytes(one["value"]) for one in controls or ()}
    if oids.PKI_ARCHIVE_OPTIONS in found:
        raise Fault(FailInfo.BAD_REQUEST, "private keys are not archived")
    if oids.OLD_CERT_ID not in found:
        return None
    try:
        name = decoded(found[oids.OLD_CERT_ID], rfc9810.CertId())
        issuer, _ = elements(found[oids.OLD_CERT_ID])
    except ValueError:
        raise Fault(FailInfo.BAD_CERT_ID, "oldCertID can not be read") from None
    if name["issuer"].getName() != "directoryName":
        raise Fault(FailInfo.BAD_CERT_ID, "oldCertID must have a distinguished name")
    return CertificateName(content(issuer), int(name["serialNumber"]))


def _public_key(part: bytes) -> object:
    try:
        return load_der_public_key(_spki(part))
    except UnsupportedAlgorithm:
        raise Fault(FailInfo.BAD_ALG, "keys of this kind are not supported") from None
    except (ValueError, TypeError):
        raise Fault(FailInfo.BAD_CERT_TEMPLATE, "the public key can not be read") from None


def _spki(part: bytes) -> bytes:
    """Return a SubjectPublicKeyInfo, which a template tags implicitly."""
    return bytes((SEQUENCE,)) + part[1:]


def _require_possession(key: object, possession: Asn1Item | None, signed: bytes) -> None:
    """RFC 9483 §4.1.1: a signature over the CertRequest, for every key here can sign; nobody may vouch for another."""
    if possession is None:
        raise Fault(FailInfo.BAD_POP, "the proof of possession is missing")
    if possession.getName() == "raVerified":
        raise Fault(FailInfo.NOT_AUTHORIZED, "only a registration authority may say raVerified")
    if possession.getName() != "signature":
        raise Fault(FailInfo.BAD_POP, "possession is proven by a signature")
    proof = possession["signature"]
    if optional(proof, "poposkInput") is not None:
        raise Fault(FailInfo.BAD_POP, "possession is proven by a signature over the request itself")
    try:
        signatures.verify(key, algorithm_of(proof["algorithmIdentifier"]), proof["signature"].asOctets(), signed)
    except InvalidSignature:
        raise Fault(FailInfo.BAD_POP, "the proof of possession is not of this key") from None
    except Fault as fault:
        raise Fault(FailInfo.BAD_POP, *fault.texts) from None


def _reason(extensions: Asn1Item | None) -> int:
    values = [bytes(one["extnValue"]) for one in extensions or () if str(one["extnID"]) == _REASON_CODE]
    if len(values) > 1:
        raise Fault(FailInfo.BAD_REQUEST, "a certificate is revoked for one reason")
    try:
        return int(decoded(values[0], Enumerated())) if values else 0
    except ValueError:
        raise Fault(FailInfo.BAD_DATA_FORMAT, "the reason can not be read") from None
