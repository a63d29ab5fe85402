"""The online status protocol (RFC 6960, RFC 5019, nonce by RFC 9654): request octets in, response octets out.

Signed live by a delegated responder. asn1crypto reads and writes, because several CertIDs may stand in one request.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property

from asn1crypto import algos, core, ocsp
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy.orm import Session

from ca.certificates import CertificateRecord, CertificateState, of_serials, serial_text
from ca.issuers import Issuer
from ca.revocation import HOLD_REASON
from kernel.database import Database
from keys.algorithms import SigningKey, algorithm_of

LARGEST_REQUEST = 16_384  # octets; one CertID takes about 80
MOST_CERTIFICATES = 100
LONGEST_NONCE = 128  # RFC 9654 §2.1
# How long a relying party may go on with an answer. Short, because a revocation is to be seen at once.
ANSWER_LIFETIME = timedelta(minutes=5)
# RFC 6960 §2.2: how a responder says "not issued" by the answer "revoked".
NOT_ISSUED_SINCE = datetime(1970, 1, 1, tzinfo=UTC)
_EXTENDED_REVOKE = "1.3.6.1.5.5.7.48.1.9"
_REASONS = {
    "keyCompromise": "key_compromise",
    "affiliationChanged": "affiliation_changed",
    "superseded": "superseded",
    "cessationOfOperation": "cessation_of_operation",
    HOLD_REASON: "certificate_hold",
    "privilegeWithdrawn": "privilege_withdrawn",
}


@dataclass(frozen=True)
class Answer:
    """An OCSP response; `cacheable_until` is None when it answers one nonce or says that something is wrong."""

    der: bytes
    produced_at: datetime | None = None
    cacheable_until: datetime | None = None


@dataclass(frozen=True)
class Responder:
    """Answers for the certificates of one issuer with a key that this issuer delegated."""

    database: Database
    issuer: Issuer
    certificate: x509.Certificate
    key: SigningKey

    @cached_property
    def _names(self) -> frozenset[tuple[str, bytes, bytes]]:
        return frozenset((algorithm, *self.issuer.identifier_hashes(algorithm)) for algorithm in ("sha1", "sha256"))

    @cached_property
    def _own_certificate(self) -> asn1_x509.Certificate:
        return asn1_x509.Certificate.load(self.certificate.public_bytes(Encoding.DER))

    def answer(self, request: bytes, now: datetime) -> Answer:
        """Answer a request; never raises for what a client sent (RFC 6960 §2.3 error responses instead)."""
        try:
            cert_ids, nonce = _read(request)
        except (ValueError, TypeError, KeyError):
            return _error("malformed_request")
        # RFC 6960 §2.3: we are not authoritative when no certificate asked for is of our issuer.
        if not any(self._is_ours(cert_id) for cert_id in cert_ids):
            return _error("unauthorized")
        with self.database.snapshot() as session:
            records = self._look_up(session, cert_ids)
        now = now.replace(microsecond=0)
        responses = [self._single_response(cert_id, records, now) for cert_id in cert_ids]
        der = self._sign(responses, nonce, now)
        return Answer(der) if nonce is not None else Answer(der, now, now + ANSWER_LIFETIME)

    def _is_ours(self, cert_id: ocsp.CertId) -> bool:
        algorithm = cert_id["hash_algorithm"]["algorithm"].native
        return (algorithm, cert_id["issuer_name_hash"].native, cert_id["issuer_key_hash"].native) in self._names

    def _look_up(self, session: Session, cert_ids: list[ocsp.CertId]) -> dict[str, CertificateRecord]:
        serials = {cert_id["serial_number"].native for cert_id in cert_ids if self._is_ours(cert_id)}
        asked = {(self.issuer.name, serial_text(serial)) for serial in serials if serial > 0}
        return {serial: record for (_, serial), record in of_serials(session, asked).items()}

    def _single_response(self, cert_id: ocsp.CertId, records: dict[str, CertificateRecord], now: datetime) -> ocsp.SingleResponse:
        serial = cert_id["serial_number"].native
        record = records.get(serial_text(serial)) if self._is_ours(cert_id) and serial > 0 else None
        return ocsp.SingleResponse(
            {
                "cert_id": cert_id,
                "cert_status": _status(record),
                "this_update": now,
                "next_update": now + ANSWER_LIFETIME,
            }
        )

    def _sign(self, responses: list[ocsp.SingleResponse], nonce: bytes | None, now: datetime) -> bytes:
        extensions = [{"extn_id": _EXTENDED_REVOKE, "critical": False, "extn_value": core.ParsableOctetString(b"\x05\x00")}]
        if nonce is not None:
            extensions.append({"extn_id": "nonce", "critical": False, "extn_value": core.ParsableOctetString(nonce)})
        own = self._own_certificate
        response_data = ocsp.ResponseData(
            {
                "responder_id": ocsp.ResponderId("by_key", core.OctetString(own.public_key.sha1)),
                "produced_at": now,
                "responses": responses,
                "response_extensions": extensions,
            }
        )
        algorithm, tbs = algorithm_of(self.key.public_key()), response_data.dump()
        signature = algorithm.sign(self.key, tbs)
        algorithm.verify(self.key.public_key(), signature, tbs)
        basic = ocsp.BasicOCSPResponse(
            {
                "tbs_response_data": response_data,
                "signature_algorithm": algos.SignedDigestAlgorithm.load(algorithm.identifier),
                "signature": signature,
                "certs": [own],
            }
        )
        response = ocsp.OCSPResponse(
            {
                "response_status": "successful",
                "response_bytes": {"response_type": "basic_ocsp_response", "response": basic},
            }
        )
        encoded: bytes = response.dump()
        return encoded


def _read(request: bytes) -> tuple[list[ocsp.CertId], bytes | None]:
    """Return the CertIDs and the nonce's octets; raises ValueError for anything that is not a usable request."""
    if not 0 < len(request) <= LARGEST_REQUEST:
        message = "size"
        raise ValueError(message)
    parsed = ocsp.OCSPRequest.load(request, strict=True)
    tbs = parsed["tbs_request"]
    cert_ids = [entry["req_cert"] for entry in tbs["request_list"]]
    if not 0 < len(cert_ids) <= MOST_CERTIFICATES:
        message = "number of certificates"
        raise ValueError(message)
    for cert_id in cert_ids:
        _touch(cert_id)
    nonce = None
    for extension in tbs["request_extensions"] or ():
        if extension["extn_id"].native == "nonce":
            nonce = bytes(extension["extn_value"])
            _check_nonce(nonce)
        elif extension["critical"].native and extension["extn_id"].native != "acceptable_responses":
            message = "unknown critical extension"
            raise ValueError(message)
    return cert_ids, nonce


def _touch(cert_id: ocsp.CertId) -> None:
    """Make asn1crypto parse every field now, where a fault in one is still the client's."""
    _ = cert_id.native


def _check_nonce(encoded: bytes) -> None:
    """RFC 9654 §2.1: an OCTET STRING of 1 to 128 octets."""
    octets = core.OctetString.load(encoded, strict=True).native
    if not 1 <= len(octets) <= LONGEST_NONCE:
        message = "nonce length"
        raise ValueError(message)


def _status(record: CertificateRecord | None) -> ocsp.CertStatus:
    if record is None:
        return ocsp.CertStatus("unknown", core.Null())
    if record.state == CertificateState.VALID:
        return ocsp.CertStatus("good", core.Null())
    if record.state == CertificateState.RESERVED:
        # Promised, perhaps signed, given to nobody: nobody may trust it yet.
        return _revoked(NOT_ISSUED_SINCE, HOLD_REASON)
    return _revoked(record.revoked_at or record.reserved_at, record.reason)


def _revoked(at: datetime, reason: str | None) -> ocsp.CertStatus:
    revoked: dict[str, object] = {"revocation_time": at.replace(microsecond=0)}
    if reason in _REASONS:
        revoked["revocation_reason"] = _REASONS[reason]
    return ocsp.CertStatus("revoked", ocsp.RevokedInfo(revoked))


def _error(status: str) -> Answer:
    return Answer(ocsp.OCSPResponse({"response_status": status}).dump())
