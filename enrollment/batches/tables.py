"""The tables of batches."""

from datetime import datetime

from sqlalchemy import JSON, CheckConstraint, ForeignKey, Index, LargeBinary, String, text
from sqlalchemy.orm import Mapped, mapped_column

from kernel.database import Base, UtcDateTime


class BatchRow(Base):
    """Requests that somebody of an office sent together.

    Nothing is redeemed before `confirmer` has proven once more, at `confirmed_at`, to be who is logged in; `source` is the
    address from which that was done.
    """

    __tablename__ = "enrollment_batch"
    __table_args__ = (
        CheckConstraint("(confirmed_at IS NULL) = (confirmer IS NULL)", "ck_enrollment_batch_confirmed"),
        CheckConstraint("state <> 'confirmed' OR confirmed_at IS NOT NULL", "ck_enrollment_batch_state"),
        Index("ix_enrollment_batch_office", "office_code", "uploaded_at"),
    )

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    office_code: Mapped[str] = mapped_column(String(6))
    state: Mapped[str] = mapped_column(String(10))
    uploader: Mapped[str] = mapped_column(String(100))
    uploaded_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    confirmer: Mapped[str | None] = mapped_column(String(100))
    confirmed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    source: Mapped[str | None] = mapped_column(String(45))


class BatchItemRow(Base):
    """One file of a batch: whose request it is, for which code set it was confirmed, what became of it.

    `reason` and `facts` say why it was refused; `next_try_at` when a try that found something away is repeated.
    """

    __tablename__ = "enrollment_batch_item"
    __table_args__ = (
        CheckConstraint("(state = 'refused') = (reason IS NOT NULL)", "ck_enrollment_batch_item_refused"),
        CheckConstraint("(state = 'done') = (serial IS NOT NULL)", "ck_enrollment_batch_item_done"),
        Index(
            "ix_enrollment_batch_item_waiting",
            "next_try_at",
            sqlite_where=text("state = 'confirmed'"),
            postgresql_where=text("state = 'confirmed'"),
        ),
    )

    batch: Mapped[str] = mapped_column(ForeignKey("enrollment_batch.id", ondelete="CASCADE"), primary_key=True)
    place: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    file_name: Mapped[str] = mapped_column(String(100))
    terminal: Mapped[str | None] = mapped_column(String(6))
    request: Mapped[bytes | None] = mapped_column(LargeBinary)
    state: Mapped[str] = mapped_column(String(10))
    code_set: Mapped[str | None] = mapped_column(String(32))
    reason: Mapped[str | None] = mapped_column(String(40))
    facts: Mapped[dict[str, str | int] | None] = mapped_column(JSON)
    issuer: Mapped[str | None] = mapped_column(String(40))
    serial: Mapped[str | None] = mapped_column(String(40))
    next_try_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    decided_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
