"""What pages are told of a change: totals, progress by office, and who has not retrieved yet."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, case, func, select
from sqlalchemy.orm import Session

from enrollment.generations.states import STRAGGLERS, HeldReason, MemberState
from enrollment.generations.tables import MemberRow
from registry.japanese import searchable
from registry.paging import SIZE, Page, page_of


@dataclass(frozen=True)
class OfficeProgress:
    """How far an office is: its terminals in the change (without abolished ones), by what they have."""

    office_code: str
    total: int
    retrieved: int
    prepared: int
    waiting: int

    @property
    def others(self) -> int:
        """Held, lapsed, ended or suspended ones: those that somebody should look at."""
        return self.total - self.retrieved - self.prepared - self.waiting


@dataclass(frozen=True)
class Straggler:
    """A terminal that has not retrieved its new certificate."""

    terminal: str
    office_code: str
    state: MemberState
    reason: HeldReason | None
    prepared_on: date | None
    expires_on: date | None
    changed_at: datetime


def totals(session: Session, generation: int) -> Mapping[MemberState, int]:
    """Return how many terminals there are in each state."""
    query = select(MemberRow.state, func.count()).where(MemberRow.generation == generation).group_by(MemberRow.state)
    found = {MemberState(state): count for state, count in session.execute(query)}
    return {state: found.get(state, 0) for state in MemberState}


def waiting_by_office(session: Session, generation: int) -> dict[str, int]:
    """Return how many terminals of each office have no codes yet: what a forecast begins with."""
    query = select(MemberRow.office_code, func.count()).where(
        MemberRow.generation == generation, MemberRow.state == MemberState.WAITING
    )
    return dict(session.execute(query.group_by(MemberRow.office_code)).all())


def by_office(session: Session, generation: int, *, text: str = "", page: int = 1, size: int = SIZE) -> Page[OfficeProgress]:
    """Return offices by code, those whose code begins with the text, with how far they are."""
    counted = (MemberRow.generation == generation, MemberRow.state != MemberState.LEFT)
    query = select(MemberRow.office_code, func.count(), *(_number_of(state) for state in _SHOWN)).where(*counted)
    if wanted := searchable(text).upper():
        query = query.where(MemberRow.office_code.startswith(wanted, autoescape=True))
    grouped = query.group_by(MemberRow.office_code)
    total = session.scalar(select(func.count()).select_from(grouped.subquery())) or 0
    pages = max(1, -(-total // size))
    number = min(max(page, 1), pages)
    rows = session.execute(grouped.order_by(MemberRow.office_code).limit(size).offset((number - 1) * size))
    found = tuple(OfficeProgress(code, of_all, *shown) for code, of_all, *shown in rows)
    return Page(found, number, pages, total)


def stragglers(
    session: Session, generation: int, *, text: str = "", state: MemberState | None = None, page: int = 1, size: int = SIZE
) -> Page[Straggler]:
    """Return who has not retrieved, by office and name: whose name or office begins with the text, in a state."""
    return page_of(session, _stragglers(generation, text, state), page, _straggler, size=size)


def all_stragglers(session: Session, generation: int, *, text: str = "", state: MemberState | None = None) -> Iterator[Straggler]:
    """Yield all of them, a thousand at a time."""
    return map(_straggler, session.execute(_stragglers(generation, text, state).execution_options(yield_per=1_000)))


_SHOWN = (MemberState.RETRIEVED, MemberState.PREPARED, MemberState.WAITING)


def _number_of(state: MemberState) -> ColumnElement[int]:
    return func.coalesce(func.sum(case((MemberRow.state == state, 1), else_=0)), 0)


def _stragglers(generation: int, text: str, state: MemberState | None) -> Select[*tuple[Any, ...]]:
    states = STRAGGLERS if state is None else (state,)
    query = select(MemberRow.__table__).where(MemberRow.generation == generation, MemberRow.state.in_(states))
    if wanted := searchable(text).upper():
        query = query.where(
            MemberRow.terminal.startswith(wanted, autoescape=True) | MemberRow.office_code.startswith(wanted, autoescape=True)
        )
    return query.order_by(MemberRow.office_code, MemberRow.terminal)


def _straggler(row: Row[*tuple[Any, ...]]) -> Straggler:
    reason = HeldReason(row.reason) if row.reason else None
    return Straggler(
        row.terminal, row.office_code, MemberState(row.state), reason, row.prepared_on, row.expires_on, row.changed_at
    )
