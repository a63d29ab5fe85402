"""Which terminals a deadline concerns: one question for each kind, over all terminals, answered by indices on the days.

A notice that was sent is a row; whoever inserts it sends it. Its key makes it one, on however many nodes.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Select, String, select
from sqlalchemy.orm import InstrumentedAttribute, Mapped, Session, aliased, mapped_column

from enrollment import reissue_records
from enrollment.deadlines.days import Kind
from enrollment.reissue_records import ReissueState
from enrollment.tables import ENDS, CodeSetRow, CredentialRow, ReissueRow
from kernel.database import Base, UtcDateTime

# In the place of "so many days before": the suspension itself.
AT_LAST = 0


class Outcome(StrEnum):
    """What came of a deadline: `passed` when the terminal was suspended or abolished for another reason by then."""

    TOLD = "told"
    SUSPENDED = "suspended"
    PASSED = "passed"


class DeadlineRow(Base):
    """A notice that was sent, or a suspension by rule (`days` is 0): once for each terminal, kind and last day."""

    __tablename__ = "enrollment_deadline"

    terminal: Mapped[str] = mapped_column(String(6), primary_key=True)
    kind: Mapped[str] = mapped_column(String(12), primary_key=True)
    last_day: Mapped[date] = mapped_column(primary_key=True)
    days: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    outcome: Mapped[str] = mapped_column(String(10))


@dataclass(frozen=True, order=True)
class Due:
    """A terminal that something falls due for, and the last day from which that counts."""

    office_code: str
    last_day: date
    terminal: str


@dataclass(frozen=True)
class _Source:
    """Where a kind's last days stand, and of which rows."""

    terminal: InstrumentedAttribute[str]
    office_code: InstrumentedAttribute[str]
    last_day: InstrumentedAttribute[Any]
    conditions: tuple[ColumnElement[bool], ...]


def waiting(
    session: Session, kind: Kind, days: int, *, first: date | None, last: date, names: Collection[str] | None = None
) -> list[Due]:  # fmt: skip
    """Return, by office, those with a last day from `first` to `last` for whom there is no such row yet."""
    source = _SOURCES[kind]
    noted = select(DeadlineRow.terminal).where(
        DeadlineRow.terminal == source.terminal,
        DeadlineRow.kind == kind.value,
        DeadlineRow.last_day == source.last_day,
        DeadlineRow.days == days,
    )
    query: Select[Any] = select(source.office_code, source.last_day, source.terminal)
    query = query.where(source.last_day <= last, ~noted.exists(), *source.conditions)
    if first is not None:
        query = query.where(source.last_day >= first)
    if names is not None:
        query = query.where(source.terminal.in_(names))
    return sorted(Due(*row) for row in session.execute(query))


def _not_retrieved() -> _Source:
    """Rule 1: codes, and no certificate since; a newer set counts instead, and a reissue counts by rule 3.

    Of a terminal with a certificate only codes of an application count: its start date was moved.
    """
    newer = aliased(CodeSetRow)
    has_newer = select(newer.id).where(
        newer.terminal == CodeSetRow.terminal, newer.state.in_(ENDS), newer.prepared_at > CodeSetRow.prepared_at
    )
    has_certificate = select(CredentialRow.terminal).where(
        CredentialRow.terminal == CodeSetRow.terminal,
        (CredentialRow.since > CodeSetRow.prepared_at) | CodeSetRow.receipt_number.is_(None),
    )
    is_reissued = select(ReissueRow.id).where(
        ReissueRow.terminal == CodeSetRow.terminal,
        ReissueRow.state.in_(reissue_records.OPEN) | (ReissueRow.prepared_at >= CodeSetRow.prepared_at),
    )
    conditions = (CodeSetRow.state.in_(ENDS), ~has_certificate.exists(), ~is_reissued.exists(), ~has_newer.exists())
    return _Source(CodeSetRow.terminal, CodeSetRow.office_code, CodeSetRow.expires_on, conditions)


def _not_renewed() -> _Source:
    """Rule 2: the current certificate's end; whoever is being given new codes has asked in time."""
    asked = select(ReissueRow.id).where(ReissueRow.terminal == CredentialRow.terminal, ReissueRow.state.in_(reissue_records.OPEN))
    return _Source(CredentialRow.terminal, CredentialRow.office_code, CredentialRow.last_day, (~asked.exists(),))


def _reissue_not_retrieved() -> _Source:
    """Rule 3: codes of a reissue, lapsed with them or not; what was asked for or retrieved since counts instead."""
    newer = aliased(ReissueRow)
    has_newer = select(newer.id).where(
        newer.terminal == ReissueRow.terminal,
        newer.requested_at > ReissueRow.requested_at,
        newer.state.in_((*reissue_records.OPEN, ReissueState.COMPLETED)),
    )
    conditions = (
        ReissueRow.state.in_((ReissueState.PREPARED, ReissueState.LAPSED)),
        ReissueRow.prepared_at.is_not(None),
        ~has_newer.exists(),
    )
    return _Source(ReissueRow.terminal, ReissueRow.office_code, ReissueRow.ends_on, conditions)


_SOURCES = {
    Kind.RENEWAL: _Source(CredentialRow.terminal, CredentialRow.office_code, CredentialRow.last_day, ()),
    Kind.NOT_RETRIEVED: _not_retrieved(),
    Kind.NOT_RENEWED: _not_renewed(),
    Kind.REISSUE_NOT_RETRIEVED: _reissue_not_retrieved(),
}
