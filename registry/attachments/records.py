"""添付ファイル: the rows. Each belongs to a draft until that is sent, then to the application, for good.

A content's own row (`registry_attachment_file`) is what writers and the purge lock: whoever holds it decides about the
file. The purge takes contents to which no attachment points, and files to which no row does.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Select, String, bindparam, exists, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from kernel.database import Base, UtcDateTime, insert_if_absent
from registry.tables import ApplicationRow


class AttachmentFileRow(Base):
    """A content that lies in the store."""

    __tablename__ = "registry_attachment_file"

    sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    stored_at: Mapped[datetime] = mapped_column(UtcDateTime)


class AttachmentRow(Base):
    """A file that somebody sent: with an application's `version`, or with an answer to a question about that version."""

    __tablename__ = "registry_attachment"
    __table_args__ = (
        CheckConstraint("(draft_id IS NULL) = (receipt_number IS NOT NULL)", "ck_registry_attachment_owner"),
        CheckConstraint("(receipt_number IS NULL) = (version IS NULL)", "ck_registry_attachment_version"),
        CheckConstraint("size > 0", "ck_registry_attachment_size"),
    )

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    draft_id: Mapped[str | None] = mapped_column(String(32), index=True)
    receipt_number: Mapped[str | None] = mapped_column(ForeignKey(ApplicationRow.receipt_number), index=True)
    version: Mapped[int | None]
    name: Mapped[str] = mapped_column(String(100))
    size: Mapped[int]
    sha256: Mapped[str] = mapped_column(ForeignKey(AttachmentFileRow.sha256), index=True)
    attached_at: Mapped[datetime] = mapped_column(UtcDateTime)
    attached_by: Mapped[str] = mapped_column(String(100))


@dataclass(frozen=True)
class Attachment:
    """A sent file: its clean name, octets, SHA-256 in hex, when and by whom (an actor of the audit log)."""

    id: str
    name: str
    size: int
    sha256: str
    attached_at: datetime
    attached_by: str
    version: int | None = None


def of_draft(session: Session, draft_id: str) -> tuple[Attachment, ...]:
    """Return what is attached to a draft, in the order in which it came."""
    return _listed(session, _OF_DRAFT, draft_id)


def of_application(session: Session, receipt_number: str) -> tuple[Attachment, ...]:
    """Return what was sent with an application, in the order in which it came."""
    return _listed(session, _OF_APPLICATION, receipt_number)


def hand_over(session: Session, draft_id: str, receipt_number: str, version: int) -> tuple[Attachment, ...]:
    """Give what is attached to a draft to the application that it became, and return it."""
    handed = of_draft(session, draft_id)
    session.execute(
        update(AttachmentRow)
        .where(AttachmentRow.draft_id == draft_id)
        .values(draft_id=None, receipt_number=receipt_number, version=version)
    )
    return handed


def hold_content(session: Session, sha256: str, now: datetime) -> None:
    """Hold a content's row until the transaction ends; a new one if there is none."""
    while True:
        insert_if_absent(session, AttachmentFileRow, {"sha256": sha256, "stored_at": now})
        query = select(AttachmentFileRow.sha256).where(AttachmentFileRow.sha256 == sha256)
        # A purge that held it may have deleted it meanwhile.
        if session.scalar(query.with_for_update()) is not None:
            return


def has_owner(session: Session, sha256: str) -> bool:
    """Return whether an attachment points to a content."""
    return bool(session.scalar(select(exists().where(AttachmentRow.sha256 == sha256))))


def attachment_of(row: AttachmentRow) -> Attachment:
    """Return a row's content."""
    return Attachment(row.id, row.name, row.size, row.sha256, row.attached_at, row.attached_by, row.version)


def digests(files: Iterable[Attachment]) -> str:
    """Return the digests of files for the audit log, shortened as far as a fact may be long."""
    return ",".join(file.sha256[:16] for file in files)


_OF_DRAFT, _OF_APPLICATION = (
    select(AttachmentRow)
    .where(owner == bindparam("owner"))
    .order_by(AttachmentRow.attached_at, AttachmentRow.name, AttachmentRow.id)
    for owner in (AttachmentRow.draft_id, AttachmentRow.receipt_number)
)


def _listed(session: Session, query: Select[AttachmentRow], owner: str) -> tuple[Attachment, ...]:
    return tuple(attachment_of(row) for row in session.scalars(query, {"owner": owner}))
