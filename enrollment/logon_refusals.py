"""The last logon of a terminal that was refused, by code: what "it does not work" was, when somebody asks later.

One row a terminal and code, so that nobody can fill the table; only what a certificate of ours brought is noted.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import String, delete, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from kernel.database import Base, UtcDateTime, insert_if_absent

# A program that tries again and again is written down once in so long.
ONCE_IN = timedelta(minutes=1)
KEPT = timedelta(days=90)


class LogonRefusalRow(Base):
    """The last refusal of a code; `serial` is the certificate's that was shown, `times` how often it was written down."""

    __tablename__ = "enrollment_logon_refusal"

    terminal: Mapped[str] = mapped_column(String(6), primary_key=True)
    code: Mapped[str] = mapped_column(String(10), primary_key=True)
    serial: Mapped[str] = mapped_column(String(40))
    times: Mapped[int]
    last_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)


@dataclass(frozen=True)
class LogonRefusal:
    """A refusal, for pages."""

    code: str
    serial: str
    times: int
    last_at: datetime


def is_noted(session: Session, terminal: str, code: str, now: datetime) -> bool:
    """Return whether such a refusal was written down a moment ago."""
    row = session.get(LogonRefusalRow, (terminal, code))
    return row is not None and now - row.last_at < ONCE_IN


def note(session: Session, terminal: str, code: str, serial: str, now: datetime) -> None:
    """Write down that a logon was refused."""
    first = {"terminal": terminal, "code": code, "serial": serial[:40], "times": 1, "last_at": now}
    if insert_if_absent(session, LogonRefusalRow, first):
        return
    again = update(LogonRefusalRow).where(
        LogonRefusalRow.terminal == terminal, LogonRefusalRow.code == code, LogonRefusalRow.last_at <= now - ONCE_IN
    )
    session.execute(again.values(serial=serial[:40], times=LogonRefusalRow.times + 1, last_at=now))


def of_terminal(session: Session, terminal: str) -> tuple[LogonRefusal, ...]:
    """Return the last refusals of a terminal, newest first."""
    query = select(LogonRefusalRow).where(LogonRefusalRow.terminal == terminal).order_by(LogonRefusalRow.last_at.desc())
    return tuple(LogonRefusal(row.code, row.serial, row.times, row.last_at) for row in session.scalars(query))


def purge(session: Session, now: datetime) -> int:
    """Forget what is long ago. A job."""
    result = session.execute(delete(LogonRefusalRow).where(LogonRefusalRow.last_at < now - KEPT))
    return int(result.rowcount)  # type: ignore[attr-defined]
