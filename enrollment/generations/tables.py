"""The tables of generation changes."""

from datetime import date, datetime

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, Integer, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from kernel.database import Base, UtcDateTime


class GenerationRow(Base):
    """One change: to which issuing CA (`issuer`), until which last day of the old generation (`ends_on`), by whom.

    `hourly_capacity` is how many retrievals an hour the installation was measured to carry; forecasts are held against it.
    """

    __tablename__ = "enrollment_generation"
    __table_args__ = (
        # Four eyes: whoever planned it does not start it, and is not the one that its code sets name as approver.
        CheckConstraint("approver <> planner", "ck_enrollment_generation_four_eyes"),
        CheckConstraint("hourly_capacity > 0", "ck_enrollment_generation_capacity"),
        # A terminal belongs to one change at a time.
        Index(
            "uq_enrollment_generation_open",
            "is_open",
            unique=True,
            sqlite_where=text("is_open"),
            postgresql_where=text("is_open"),
        ),
    )

    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    name: Mapped[str] = mapped_column(String(60), unique=True)
    issuer: Mapped[str] = mapped_column(String(40))
    state: Mapped[str] = mapped_column(String(10))
    is_open: Mapped[bool]
    ends_on: Mapped[date]
    hourly_capacity: Mapped[int]
    planner: Mapped[str] = mapped_column(String(100))
    planned_at: Mapped[datetime] = mapped_column(UtcDateTime)
    approver: Mapped[str | None] = mapped_column(String(100))
    approved_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class WaveRow(Base):
    """From a day on, so many code sets a day at most; `offices` are the offices or companies it is for, empty for all."""

    __tablename__ = "enrollment_generation_wave"
    __table_args__ = (CheckConstraint("daily_quota > 0", "ck_enrollment_generation_wave_quota"),)

    generation: Mapped[int] = mapped_column(ForeignKey("enrollment_generation.number"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    starts_on: Mapped[date]
    daily_quota: Mapped[int]
    offices: Mapped[str] = mapped_column(Text)


class MemberRow(Base):
    """A terminal that had a certificate of the old generation: its key is that codes are made for it once.

    `prepared_on` and `wave` are what the daily quota counts; `code_set` is the set it is to redeem. `reason` says why it is
    held. `changed_at` is when the state was last looked at.
    """

    __tablename__ = "enrollment_generation_member"
    __table_args__ = (
        Index("ix_enrollment_generation_member_office", "generation", "office_code", "state"),
        Index("ix_enrollment_generation_member_state", "generation", "state", "office_code", "terminal"),
        Index("ix_enrollment_generation_member_day", "generation", "prepared_on", "wave"),
    )

    generation: Mapped[int] = mapped_column(ForeignKey("enrollment_generation.number"), primary_key=True)
    terminal: Mapped[str] = mapped_column(String(6), primary_key=True)
    office_code: Mapped[str] = mapped_column(String(6))
    state: Mapped[str] = mapped_column(String(10))
    reason: Mapped[str | None] = mapped_column(String(20))
    wave: Mapped[int | None]
    prepared_on: Mapped[date | None]
    code_set: Mapped[str | None] = mapped_column(String(32))
    expires_on: Mapped[date | None]
    retrieved_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    changed_at: Mapped[datetime] = mapped_column(UtcDateTime)


class ReminderRow(Base):
    """An office was reminded, so many days before the end."""

    __tablename__ = "enrollment_generation_reminder"

    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    generation: Mapped[int] = mapped_column(ForeignKey("enrollment_generation.number"))
    office_code: Mapped[str] = mapped_column(String(6))
    days: Mapped[int]
    at: Mapped[datetime] = mapped_column(UtcDateTime)

    __table_args__ = (Index("uq_enrollment_generation_reminder", "generation", "office_code", "days", unique=True),)
