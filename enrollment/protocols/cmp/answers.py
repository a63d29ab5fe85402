"""The messages that we answer with, written in the order of RFC 9810's ASN.1. Certificates stand in them octet by octet."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum

from ca.der import BIT_STRING, GENERALIZED_TIME, INTEGER, OCTET_STRING, SEQUENCE, UTF8_STRING, integer, tlv
from enrollment.protocols.cmp import oids
from enrollment.protocols.cmp.failures import FailInfo
from enrollment.protocols.cmp.messages import Information, Kind
from enrollment.protocols.cmp.oids import encoded_oid


class Status(IntEnum):
    """PKIStatus (RFC 9810 §5.2.3)."""

    ACCEPTED = 0
    GRANTED_WITH_MODS = 1
    REJECTION = 2
    WAITING = 3


@dataclass(frozen=True)
class Body:
    """A body's kind and its content in DER."""

    kind: Kind
    content: bytes


@dataclass(frozen=True)
class AnswerHeader:
    """A PKIHeader of ours; names are GeneralNames in DER, `algorithm` an AlgorithmIdentifier in DER."""

    version: int
    sender: bytes
    recipient: bytes
    time: datetime
    algorithm: bytes | None
    sender_key: bytes | None
    transaction: bytes | None
    sender_nonce: bytes
    recipient_nonce: bytes | None
    is_confirmed: bool = False

    def encoded(self) -> bytes:
        """Return the header in DER (RFC 9810 §5.1.1)."""
        parts = [integer(self.version), self.sender, self.recipient]
        parts.append(explicit(0, tlv(GENERALIZED_TIME, self.time.astimezone(UTC).strftime("%Y%m%d%H%M%SZ").encode())))
        if self.algorithm is not None:
            parts.append(explicit(1, self.algorithm))
        for number, octets in (
            (2, self.sender_key),
            (4, self.transaction),
            (5, self.sender_nonce),
            (6, self.recipient_nonce),
        ):
            if octets is not None:
                parts.append(explicit(number, tlv(OCTET_STRING, octets)))
        if self.is_confirmed:
            confirmed = tlv(SEQUENCE, encoded_oid(oids.IMPLICIT_CONFIRM) + b"\x05\x00")
            parts.append(explicit(8, tlv(SEQUENCE, confirmed)))
        return tlv(SEQUENCE, b"".join(parts))


def protected_part(header_and_body: bytes) -> bytes:
    """Return what protection covers (RFC 9810 §5.1.3)."""
    return tlv(SEQUENCE, header_and_body)


def header_and_body(header: AnswerHeader, body: Body) -> bytes:
    """Return the first two parts of a message."""
    return header.encoded() + explicit(body.kind, body.content)


def message(header_and_body: bytes, protection: bytes | None, certificates: Sequence[bytes]) -> bytes:
    """Return the PKIMessage (RFC 9810 §5.1); `certificates` are extraCerts."""
    rest = b""
    if protection is not None:
        rest += explicit(0, tlv(BIT_STRING, b"\x00" + protection))
    if certificates:
        rest += explicit(1, tlv(SEQUENCE, b"".join(certificates)))
    return tlv(SEQUENCE, header_and_body + rest)


def issued(kind: Kind, request_id: int, certificate: bytes, status: Status, authorities: Sequence[bytes]) -> Body:
    """Return ip, cp or kup with a certificate; `authorities` are caPubs (RFC 9810 §5.3.4)."""
    published = explicit(1, tlv(SEQUENCE, b"".join(authorities))) if authorities else b""
    pair = tlv(SEQUENCE, explicit(0, certificate))
    response = tlv(SEQUENCE, _number(request_id) + status_info(status) + pair)
    return Body(kind, tlv(SEQUENCE, published + tlv(SEQUENCE, response)))


def not_issued(kind: Kind, request_id: int, told: bytes) -> Body:
    """Return ip, cp or kup without a certificate: rejected, or waiting. `told` is a PKIStatusInfo."""
    response = tlv(SEQUENCE, _number(request_id) + told)
    return Body(kind, tlv(SEQUENCE, tlv(SEQUENCE, response)))


def revoked(told: bytes, issuer: bytes | None = None, serial: int = 0) -> Body:
    """Return rp (RFC 9810 §5.3.10); the certificate is named where it was revoked, its issuer by a GeneralName in DER."""
    names = b"" if issuer is None else explicit(0, tlv(SEQUENCE, tlv(SEQUENCE, issuer + integer(serial))))
    return Body(Kind.RP, tlv(SEQUENCE, tlv(SEQUENCE, told) + names))


def confirmed() -> Body:
    """Return pkiconf (RFC 9810 §5.3.17)."""
    return Body(Kind.PKICONF, b"\x05\x00")


def poll_again(request_id: int, seconds: int) -> Body:
    """Return pollRep (RFC 9810 §5.3.22)."""
    return Body(Kind.POLL_REP, tlv(SEQUENCE, tlv(SEQUENCE, _number(request_id) + integer(seconds))))


def told_information(values: Sequence[Information]) -> Body:
    """Return genp (RFC 9810 §5.3.20)."""
    written = (tlv(SEQUENCE, encoded_oid(one.oid) + (one.value or b"")) for one in values)
    return Body(Kind.GENP, tlv(SEQUENCE, b"".join(written)))


def failed(info: FailInfo, *texts: str) -> Body:
    """Return an error message (RFC 9810 §5.3.21)."""
    return Body(Kind.ERROR, tlv(SEQUENCE, status_info(Status.REJECTION, info, *texts)))


def status_info(status: Status, info: FailInfo | None = None, *texts: str) -> bytes:
    """Return a PKIStatusInfo (RFC 9810 §5.2.3)."""
    told = tlv(SEQUENCE, b"".join(tlv(UTF8_STRING, text.encode()) for text in texts)) if texts else b""
    return tlv(SEQUENCE, integer(status) + told + (b"" if info is None else _bit(info)))


def explicit(number: int, value: bytes) -> bytes:
    """Return a value under a context-specific tag of its own."""
    return tlv(0xA0 | number, value)


def _number(request_id: int) -> bytes:
    return tlv(INTEGER, request_id.to_bytes(1, "big", signed=True))


def _bit(number: int) -> bytes:
    """Return a BIT STRING with one bit set and none after it (X.690 §11.2.2)."""
    octets, place = divmod(number, 8)
    return tlv(BIT_STRING, bytes((7 - place,)) + bytes(octets) + bytes((0x80 >> place,)))
