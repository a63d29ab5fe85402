"""Certificates as records: their states, their read-only view, and how they are found."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from cryptography import x509
from cryptography.x509.oid import NameOID
from sqlalchemy import select
from sqlalchemy.orm import Session

from ca import issuers
from ca.tables import CertificateRow
from kernel.database import among, many
from kernel.errors import Refused
from kernel.lifecycle import Lifecycle


class CertificateState(StrEnum):
    """Where a certificate is in its life."""

    RESERVED = "reserved"
    VALID = "valid"
    HELD = "held"
    REVOKED = "revoked"
    ABANDONED = "abandoned"


class CertificateEvent(StrEnum):
    """What may happen to a certificate."""

    COMPLETE = "complete"
    ABANDON = "abandon"
    HOLD = "hold"
    RELEASE = "release"
    REVOKE = "revoke"


LIFECYCLE = Lifecycle(
    "certificate",
    CertificateState.RESERVED,
    {
        (CertificateState.RESERVED, CertificateEvent.COMPLETE): CertificateState.VALID,
        (CertificateState.RESERVED, CertificateEvent.ABANDON): CertificateState.ABANDONED,
        (CertificateState.VALID, CertificateEvent.HOLD): CertificateState.HELD,
        (CertificateState.HELD, CertificateEvent.RELEASE): CertificateState.VALID,
        (CertificateState.VALID, CertificateEvent.REVOKE): CertificateState.REVOKED,
        (CertificateState.HELD, CertificateEvent.REVOKE): CertificateState.REVOKED,
    },
)


@dataclass(frozen=True)
class CertificateRecord:
    """What other rooms see of a certificate; `der` is None until it was signed and stored."""

    issuer: str
    serial: str
    subject: str
    state: CertificateState
    spki_sha256: bytes
    tbs: bytes
    der: bytes | None
    not_before: datetime
    not_after: datetime
    reserved_at: datetime
    issued_at: datetime | None
    revoked_at: datetime | None
    reason: str | None


def serial_text(serial: int) -> str:
    """Return a serial number as it is stored: lower-case hexadecimal without leading zeros."""
    return f"{serial:x}"


def find(session: Session, issuer: str, serial: str) -> CertificateRecord | None:
    """Return a certificate by its issuer's name and serial number."""
    row = find_row(session, issuer, serial)
    return as_record(row) if row else None


@dataclass(frozen=True)
class Presented:
    """What a certificate that somebody presents says of itself; `issuer` is None when it is none of ours."""

    subject: str
    issuer: str | None
    serial: str
    der: bytes


def identify(session: Session, der: bytes) -> Presented:
    """Read a presented certificate. Whether it is really ours is told by comparing `der` with what is stored.

    Raises Refused("certificate-unreadable").
    """
    try:
        certificate = x509.load_der_x509_certificate(der)
        names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        issuer_name = certificate.issuer
    except (ValueError, TypeError, x509.InvalidVersion):  # TypeError: pyca about a bit string in a name
        raise Refused("certificate-unreadable") from None
    issuer = next((ours.name for ours in issuers.load_all(session) if ours.certificate.subject == issuer_name), None)
    return Presented(str(names[0].value) if names else "", issuer, serial_text(certificate.serial_number), der)


def of_subject(session: Session, subject: str) -> list[CertificateRecord]:
    """Return all certificates of a terminal (or service), newest first."""
    query = select(CertificateRow).where(CertificateRow.subject == subject).order_by(CertificateRow.id.desc())
    return [as_record(row) for row in session.scalars(query)]


_LIVING = select(CertificateRow.issuer, CertificateRow.serial, CertificateRow.subject).where(
    among(CertificateRow.subject), CertificateRow.state.in_((CertificateState.VALID, CertificateState.HELD))
)


def living(session: Session, subjects: Collection[str]) -> dict[tuple[str, str], str]:
    """Return the certificates of terminals (or services) that can be revoked: (issuer, serial) and whose it is."""
    return {(issuer, serial): subject for issuer, serial, subject in session.execute(_LIVING, many(subjects))}


def of_serials(session: Session, issuer_and_serial: set[tuple[str, str]]) -> dict[tuple[str, str], CertificateRecord]:
    """Return many certificates at once, by (issuer, serial)."""
    # The issuers are said, too: the index begins with them.
    issued_by, serials = ({key[place] for key in issuer_and_serial} for place in (0, 1))
    query = select(CertificateRow).where(CertificateRow.issuer.in_(issued_by), CertificateRow.serial.in_(serials))
    found = {(row.issuer, row.serial): as_record(row) for row in session.scalars(query)}
    return {key: record for key, record in found.items() if key in issuer_and_serial}


def key_was_used(session: Session, spki_sha256: bytes) -> bool:
    """Return whether a terminal certificate that may have been signed carries this public key."""
    query = select(CertificateRow.id).where(
        CertificateRow.spki_sha256 == spki_sha256,
        CertificateRow.kind == "terminal",
        CertificateRow.state != CertificateState.ABANDONED,
    )
    return session.scalar(query.limit(1)) is not None


_USED = select(CertificateRow.spki_sha256).where(
    among(CertificateRow.spki_sha256),
    CertificateRow.kind == "terminal",
    CertificateRow.state != CertificateState.ABANDONED,
)


def used_keys(session: Session, keys: Collection[bytes]) -> set[bytes]:
    """Return those of some public keys that a terminal certificate carries which may have been signed."""
    return set(session.connection().scalars(_USED, many(keys)))


def of_key(session: Session, spki_sha256: bytes) -> CertificateRecord | None:
    """Return the terminal certificate of a public key (SHA-256 over its SubjectPublicKeyInfo): there is at most one."""
    query = select(CertificateRow).where(
        CertificateRow.spki_sha256 == spki_sha256,
        CertificateRow.kind == "terminal",
        CertificateRow.state != CertificateState.ABANDONED,
    )
    row = session.scalar(query)
    return as_record(row) if row else None


def find_row(session: Session, issuer: str, serial: str, *, lock: bool = False) -> CertificateRow | None:
    """Return the row itself, for this room's own deeds; locked, it is as it stands now, whatever the session read before."""
    query = select(CertificateRow).where(CertificateRow.issuer == issuer, CertificateRow.serial == serial)
    return session.scalar(query.with_for_update().execution_options(populate_existing=True) if lock else query)


def as_record(row: CertificateRow) -> CertificateRecord:
    """Return the frozen view of a row."""
    return CertificateRecord(
        issuer=row.issuer,
        serial=row.serial,
        subject=row.subject,
        state=CertificateState(row.state),
        spki_sha256=row.spki_sha256,
        tbs=row.tbs,
        der=row.der,
        not_before=row.not_before,
        not_after=row.not_after,
        reserved_at=row.reserved_at,
        issued_at=row.issued_at,
        revoked_at=row.revoked_at,
        reason=row.reason,
    )
