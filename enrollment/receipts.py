"""Receipts of retrievals: the notice to the administrator goes out with the proof that the issuance is in the public log.

The proof needs a signed checkpoint over the entry, so a redemption only notes here what is owed, and a job posts the notice
once the entry is sealed: within a minute. A log that can not be sealed does not silence the notice: after `PATIENCE` it goes
without the receipt, which the portal offers as soon as there is one.
"""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Index, Row, String, Text, select, text
from sqlalchemy.orm import Mapped, Session, mapped_column

from ca import certificates
from ca.certificates import CertificateRecord
from enrollment import letters
from enrollment.interfaces import Interface
from enrollment.letters import Envelope, Retrieval
from enrollment.tables import CodeSetRow
from kernel import audit
from kernel.audit import AuditEntry, NoteError, ProofError
from kernel.audit.notes import CheckSignature
from kernel.clock import day_start
from kernel.database import Base, Database, UtcDateTime, insert_all
from kernel.errors import Refused
from kernel.outbox import Attachment
from registry.letters import Letters

PATIENCE = timedelta(minutes=5)
_AT_ONCE = 200


class RetrievalReceiptRow(Base):
    """A retrieval of which the administrator is told: how it came, what the notice says, the receipt, and when it was posted."""

    __tablename__ = "enrollment_retrieval_receipt"
    __table_args__ = (
        Index(
            "ix_enrollment_retrieval_receipt_owed",
            "at",
            sqlite_where=text("receipt IS NULL"),
            postgresql_where=text("receipt IS NULL"),
        ),
        Index("ix_enrollment_retrieval_receipt_terminal", "terminal", "at"),
    )

    issuer: Mapped[str] = mapped_column(String(40), primary_key=True)
    serial: Mapped[str] = mapped_column(String(40), primary_key=True)
    terminal: Mapped[str] = mapped_column(String(6))
    office_code: Mapped[str] = mapped_column(String(6))
    interface: Mapped[str] = mapped_column(String(10))
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    starts_at: Mapped[datetime] = mapped_column(UtcDateTime)
    ends_at: Mapped[datetime] = mapped_column(UtcDateTime)
    receipt: Mapped[str | None] = mapped_column(Text)
    posted_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


# Notices that wait before receipts that come late.
_FIRST = (RetrievalReceiptRow.posted_at.is_not(None), RetrievalReceiptRow.at)


def owe(session: Session, row: CodeSetRow, issued: CertificateRecord, interface: Interface, now: datetime) -> None:
    """Note that a certificate was retrieved with a code set by an interface, in the redemption's own transaction."""
    session.add(
        RetrievalReceiptRow(
            issuer=issued.issuer,
            serial=issued.serial,
            terminal=row.terminal,
            office_code=row.office_code,
            interface=interface.value,
            at=now,
            starts_at=starts_at(issued, row.start_date),
            ends_at=issued.not_after,
        )
    )


def owe_all(session: Session, retrieved: Sequence[tuple[Row[Any], CertificateRecord, Interface]], now: datetime) -> None:
    """Note that certificates were retrieved, each with a code set by an interface, as `owe` does."""
    rows = [
        {
            "issuer": issued.issuer,
            "serial": issued.serial,
            "terminal": row.terminal,
            "office_code": row.office_code,
            "interface": interface.value,
            "at": now,
            "starts_at": starts_at(issued, row.start_date),
            "ends_at": issued.not_after,
        }
        for row, issued, interface in retrieved
    ]
    insert_all(session, RetrievalReceiptRow, rows)


def starts_at(issued: CertificateRecord, start_date: date) -> datetime:
    """Return the instant from which a certificate can be used."""
    return max(issued.not_before, day_start(start_date))


@dataclass(frozen=True)
class Receipts:
    """Makes receipts and posts the notices. `check(signature, text)` raises for what the log's key did not sign."""

    database: Database
    check: CheckSignature
    letters: Letters = letters.PLAIN

    def settle_due(self, now: datetime) -> int:
        """Make what receipts can be made and post what can wait no longer; return how many notices left. A job, repeatable."""
        query = select(RetrievalReceiptRow.issuer, RetrievalReceiptRow.serial).where(RetrievalReceiptRow.receipt.is_(None))
        with self.database.snapshot() as session:
            owed = session.execute(query.order_by(*_FIRST).limit(_AT_ONCE)).all()
        return sum(self._settle(issuer, serial, now) for issuer, serial in owed)

    def _settle(self, issuer: str, serial: str, now: datetime) -> bool:
        with self.database.snapshot() as session:
            row = session.get_one(RetrievalReceiptRow, (issuer, serial))
            receipt = self._receipt(session, row)
            is_late = row.posted_at is None and now >= row.at + PATIENCE
        if receipt is None and not is_late:
            return False
        with self.database.transaction() as session:
            row = session.get_one(RetrievalReceiptRow, (issuer, serial), with_for_update=True)
            row.receipt = row.receipt or receipt
            if row.posted_at is not None:
                return False
            row.posted_at = now
            self._post(session, row, now)
        return True

    def _receipt(self, session: Session, row: RetrievalReceiptRow) -> str | None:
        entry = _entry(session, row.terminal, (row.issuer, row.serial), "certificate.issue", row.office_code)
        return None if entry is None else _proven(session, entry, self.check)

    def _post(self, session: Session, row: RetrievalReceiptRow, now: datetime) -> None:
        certificate = certificates.find(session, row.issuer, row.serial)
        if certificate is None or certificate.der is None:
            message = f"certificate {row.serial} was retrieved and is not there"
            raise LookupError(message)
        facts = Retrieval(
            terminal=row.terminal,
            serial=row.serial,
            fingerprint=fingerprint_of(certificate.der),
            at=row.at,
            starts=row.starts_at,
            ends=row.ends_at,
            receipt=Attachment(file_name(row.terminal, row.serial), row.receipt) if row.receipt else None,
        )
        letters.post_retrieved(Envelope(session, self.letters, row.office_code, now), facts)


def newest_of(session: Session, terminals: Collection[str], office_code: str) -> Mapping[str, str]:
    """Return the serial numbers of the latest retrieval of each terminal of an office of which there is a receipt."""
    query = select(RetrievalReceiptRow.terminal, RetrievalReceiptRow.serial).where(
        RetrievalReceiptRow.terminal.in_(terminals),
        RetrievalReceiptRow.office_code == office_code,
        RetrievalReceiptRow.receipt.is_not(None),
    )
    return {row.terminal: row.serial for row in session.execute(query.order_by(RetrievalReceiptRow.at))}


def text_of(session: Session, terminal: str, serial: str, office_code: str) -> str | None:
    """Return the receipt of an office's retrieval, as JSON; None when there is none, or it is another office's."""
    query = select(RetrievalReceiptRow.receipt).where(
        RetrievalReceiptRow.terminal == terminal,
        RetrievalReceiptRow.serial == serial,
        RetrievalReceiptRow.office_code == office_code,
    )
    return session.scalar(query.limit(1))


def proof_of(
    session: Session,
    certificate: CertificateRecord,
    office_code: str,
    *,
    check: CheckSignature,
    action: str = "certificate.issue",
) -> str | None:
    """Return the receipt of a deed on an office's certificate, made now where none is kept; None while it is not sealed.

    `action` is that of the audit entry: `certificate.issue`, `certificate.revoke`. `check(signature, text)` raises for what the
    log's key did not sign.
    """
    name = (certificate.issuer, certificate.serial)
    if action == "certificate.issue" and (kept := text_of(session, certificate.subject, certificate.serial, office_code)):
        return kept
    entry = _entry(session, certificate.subject, name, action, office_code)
    return None if entry is None else _proven(session, entry, check)


def file_name(terminal: str, serial: str) -> str:
    """Return what a receipt's file is called."""
    return f"receipt-{terminal}-{serial}.json"


def fingerprint_of(der: bytes) -> str:
    """Return the SHA-256 fingerprint of a certificate, in hexadecimal as the receipt has it."""
    return hashlib.sha256(der).hexdigest()


def _proven(session: Session, entry: int, check: CheckSignature) -> str | None:
    try:
        return audit.receipt(session, entry, check=check).text()
    except (Refused, NoteError, ProofError):
        return None  # not sealed yet; or the log is damaged, which `verify` tells of


def _entry(session: Session, terminal: str, name: tuple[str, str], action: str, office_code: str) -> int | None:
    query = select(AuditEntry).where(
        AuditEntry.subject == f"terminal:{terminal}", AuditEntry.action == action, AuditEntry.office_code == office_code
    )
    found = session.scalars(query.order_by(AuditEntry.id.desc()))
    return next((entry.id for entry in found if (entry.facts.get("issuer"), entry.facts.get("serial")) == name), None)
