"""利用開始日の予定: the published start dates, which are `calendar`'s rule but for the days that the center says otherwise.

    read(session) -> Schedule
    changes(session, first) -> tuple[DayChange, ...]
    ScheduleDesk(database, clock).change(day, deed, note, actor)

A change is about one day: it is opened, closed, or left to the rule again. Days that are over stay as they were.
"""

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from sqlalchemy import String, delete, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from kernel import audit
from kernel.clock import Clock, tokyo_date
from kernel.database import Base, Database, UtcDateTime
from kernel.errors import Refused
from registry.calendar import HORIZON, Schedule, is_business_day
from registry.faults import Faults, FieldFault, Invalid
from registry.japanese import free_text

NOTE_MOST = 100


class DayDeed(StrEnum):
    """What the center says of a day: service may start on it, or not, or the rule decides again."""

    OPEN = "open"
    CLOSE = "close"
    RESTORE = "restore"


class StartDayRow(Base):
    """A day that the center opened or closed against the rule, and what it tells its staff of it."""

    __tablename__ = "registry_start_day"

    day: Mapped[date] = mapped_column(primary_key=True)
    is_open: Mapped[bool]
    note: Mapped[str] = mapped_column(String(NOTE_MOST))
    changed_at: Mapped[datetime] = mapped_column(UtcDateTime)
    changed_by: Mapped[str] = mapped_column(String(100))


@dataclass(frozen=True)
class DayChange:
    """A day that was opened or closed, with the note, when and by whom."""

    day: date
    is_open: bool
    note: str
    changed_at: datetime
    changed_by: str


@dataclass(frozen=True)
class ScheduleDesk:
    """What staff do with the published start dates."""

    database: Database
    clock: Clock

    def change(self, day: date, deed: DayDeed, note: str, actor: audit.Actor) -> None:
        """Open or close a day, or leave it to the rule again.

        Raises Invalid (field `note`), Refused with date-past, date-far (with `last`), day-not-business (of a day to be opened),
        day-same (it is so already).
        """
        words = free_text("note", note, most=NOTE_MOST, required=False)
        if isinstance(words, FieldFault):
            raise Invalid(Faults([words]))
        now = self.clock.now()
        today = tokyo_date(now)
        if day < today:
            raise Refused("date-past")
        if day > today + HORIZON:
            raise Refused("date-far", last=today + HORIZON)
        if deed is DayDeed.OPEN and not is_business_day(day):
            raise Refused("day-not-business")
        with self.database.transaction() as session:
            before = read(session).has(day)
            session.execute(delete(StartDayRow).where(StartDayRow.day == day))
            if deed is not DayDeed.RESTORE and Schedule().has(day) is not (deed is DayDeed.OPEN):
                is_open = deed is DayDeed.OPEN
                session.add(StartDayRow(day=day, is_open=is_open, note=words, changed_at=now, changed_by=str(actor)))
            session.flush()
            after = read(session).has(day)
            if before is after:
                raise Refused("day-same")
            subject = f"start-day:{day.isoformat()}"
            audit.record(session, now=now, actor=actor, action=f"schedule.{deed}", subject=subject, is_open=after, note=words)


_DAYS = select(StartDayRow.day, StartDayRow.is_open)


def read(session: Session) -> Schedule:
    """Return the published start dates."""
    days = session.execute(_DAYS).all()
    return Schedule(frozenset(day for day, is_open in days if is_open), frozenset(day for day, is_open in days if not is_open))


def changes(session: Session, first: date) -> tuple[DayChange, ...]:
    """Return the days from a day on that the center opened or closed."""
    query = select(StartDayRow).where(StartDayRow.day >= first).order_by(StartDayRow.day)
    rows = session.scalars(query)
    return tuple(DayChange(row.day, row.is_open, row.note, row.changed_at, row.changed_by) for row in rows)
