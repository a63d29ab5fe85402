"""The checker's reading of stored certificates: pages of rows, and whether row and document can be true together.

It shares nothing with the path to the signature but the tables: asn1crypto reads, and each rule is written out here.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from asn1crypto import core, keys
from asn1crypto import x509 as asn1_x509
from cryptography.exceptions import InvalidSignature
from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from ca.certificates import CertificateRecord, CertificateState, as_record
from ca.findings import Said
from ca.issuers import Issuer
from ca.revocation import HOLD_REASON, Reason
from ca.strictness import parts, require_der
from ca.tables import BlockedKeyRow, CertificateRow

MOST_SERIAL_OCTETS = 20  # RFC 5280 §4.1.2.2
LEAST_SERIAL_BITS = 128  # ours
SIGNED = (CertificateState.VALID, CertificateState.HELD, CertificateState.REVOKED)
_KEY_FIELD = [name for name, *_ in asn1_x509.TbsCertificate._fields].index("subject_public_key_info")
_KNOWN_KEYS = frozenset(keys.PublicKeyAlgorithmId._map.values())  # noqa: SLF001 (there is no public way)
LISTED = (CertificateState.HELD, CertificateState.REVOKED, CertificateState.ABANDONED)


@dataclass(frozen=True)
class Period:
    """Which certificates are read: those reserved from `since` to before `until`; None is open."""

    since: datetime | None = None
    until: datetime | None = None

    def holds(self, at: datetime) -> bool:
        """Return whether an instant lies in it."""
        return (self.since is None or at >= self.since) and (self.until is None or at < self.until)


@dataclass(frozen=True)
class Examined:
    """A certificate as its row has it; `kind` is "terminal" or "service", `number` rises with each row.

    `profile` names the profile that it was made by. `follows` is the number of the one that it follows, of our own only.
    """

    number: int
    kind: str
    profile: str | None
    record: CertificateRecord
    follows: int | None = None

    @property
    def is_terminal(self) -> bool:
        """Return whether it is a terminal's."""
        return self.kind == "terminal"


def count(session: Session, period: Period) -> int:
    """Return how many certificates a period has."""
    query = select(func.count()).select_from(CertificateRow)
    return session.scalar(query.where(*_conditions(period))) or 0


def page(session: Session, period: Period, *, after: int, most: int) -> list[Examined]:
    """Return the next certificates of a period, in the order of their rows."""
    query = select(CertificateRow).where(CertificateRow.id > after, *_conditions(period))
    rows = session.scalars(query.order_by(CertificateRow.id).limit(most))
    return [Examined(row.id, row.kind, row.profile, as_record(row), row.follows) for row in rows]


def living_on_blocked_keys(session: Session, before: datetime) -> list[CertificateRecord]:
    """Return the certificates that are good, held or promised although their key was blocked before an instant."""
    blocked = select(BlockedKeyRow.spki_sha256).where(BlockedKeyRow.blocked_at < before)
    living = CertificateRow.state.in_((CertificateState.RESERVED, CertificateState.VALID, CertificateState.HELD))
    return [
        as_record(row) for row in session.scalars(select(CertificateRow).where(CertificateRow.spki_sha256.in_(blocked), living))
    ]


def row_findings(record: CertificateRecord) -> Iterator[Said]:
    """Find states that no deed of ours leaves behind."""
    state, is_signed = record.state, record.der is not None
    if is_signed != (state in SIGNED):
        yield "row-impossible", f"it is {state} and a signed certificate is {'stored' if is_signed else 'missing'}"
    if (record.issued_at is not None) != is_signed:
        yield "row-impossible", "the time of its issuance does not fit its being signed"
    if (record.revoked_at is not None) != (state in LISTED):
        yield "row-impossible", f"it is {state} and the time of its end is {record.revoked_at}"
    allowed = {HOLD_REASON} if state == CertificateState.HELD else {reason.value for reason in Reason}
    if (record.reason not in allowed) if state in LISTED else (record.reason is not None):
        yield "row-impossible", f"it is {state} for the reason {record.reason}"
    if record.issued_at is not None and record.issued_at < record.reserved_at:
        yield "row-impossible", "it was issued before it was reserved"


def document_findings(record: CertificateRecord, issuer: Issuer | None) -> Iterator[Said]:
    """Find what is wrong with the stored octets: form, promise and signature, and what the row says of them."""
    try:
        tbs = parsed_tbs(record.tbs)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        yield "tbs-unreadable", _one_line(error)
        return
    yield from _tbs_findings(record, tbs)
    if issuer is None:
        yield "issuer-unknown", f"there is no issuer {record.issuer}"
        return
    if tbs["issuer"].dump() != issuer.certificate.subject.public_bytes():
        yield "issuer-differs", f"it does not name {record.issuer} as its issuer"
    if record.der is not None:
        yield from _signed_findings(record.der, record.tbs, issuer)


def _tbs_findings(record: CertificateRecord, tbs: asn1_x509.TbsCertificate) -> Iterator[Said]:
    serial = tbs["serial_number"]
    if f"{serial.native:x}" != record.serial:
        yield "serial-differs", f"the document has {serial.native:x}"
    if serial.native <= 0 or len(serial.contents) > MOST_SERIAL_OCTETS or serial.native.bit_length() < LEAST_SERIAL_BITS:
        yield "serial-shape", "it is not a positive number of 128 bits or more in 20 octets or fewer"
    dates = tbs["validity"]
    if (dates["not_before"].native, dates["not_after"].native) != (record.not_before, record.not_after):
        yield "dates-differ", "row and document have other dates"
    if hashlib.sha256(tbs["subject_public_key_info"].dump()).digest() != record.spki_sha256:
        yield "key-differs", "row and document have other keys"


def _signed_findings(der: bytes, tbs: bytes, issuer: Issuer) -> Iterator[Said]:
    """Take the certificate apart (RFC 5280 §4.1): what was promised, the algorithm as it is named there, a signature."""
    try:
        require_der(der)
        signed, algorithm, signature = parts(der)
        if signed != tbs:
            yield "tbs-differs", "what was signed is not what was promised"
        if algorithm != parsed_tbs(signed)["signature"].dump() or algorithm != issuer.algorithm.identifier:
            yield "signature-algorithm", "its name is not the issuer's, or not the same in both places"
        issuer.algorithm.verify(issuer.public_key, core.OctetBitString.load(signature, strict=True).native, signed)
    except InvalidSignature:
        yield "signature-invalid", f"the key of {issuer.name} did not sign it"
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        yield "certificate-unreadable", _one_line(error)


@lru_cache(maxsize=1_024)
def parsed_tbs(der: bytes) -> asn1_x509.TbsCertificate:
    """Parse a TBSCertificate and each of its fields; raises ValueError and its like. Kept, for several rules look at it."""
    require_der(der)
    parsed = asn1_x509.TbsCertificate.load(der, strict=True)
    for number in range(len(parsed)):
        # Of keys that asn1crypto does not know (ML-DSA) the octets are compared, and pyca reads them where it matters.
        if number != _KEY_FIELD or _is_known_kind(parsed[number].dump()):
            _ = parsed[number].native
    return parsed


def _is_known_kind(spki: bytes) -> bool:
    kind, *_ = parts(parts(spki)[0])
    return keys.PublicKeyAlgorithmId.load(kind).native in _KNOWN_KEYS


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]


def _conditions(period: Period) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if period.since is not None:
        conditions.append(CertificateRow.reserved_at >= period.since)
    if period.until is not None:
        conditions.append(CertificateRow.reserved_at < period.until)
    return conditions
