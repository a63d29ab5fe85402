"""What is read of the bulletin: by everyone, as it is to be seen at an instant; by staff, all of it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import BindParameter, ColumnElement, Select, and_, bindparam, case, func, select
from sqlalchemy.orm import Session

from registry.bulletin.contents import words_of
from registry.bulletin.records import Notice, NoticeRow, NoticeState, Revision, RevisionRow, notice_of, revision_of
from registry.paging import SIZE, Page, page_of

# More than these at the top of a page, and nobody reads any.
MOST_ON_TOP = 5


@dataclass(frozen=True)
class Wanted:
    """Which notices are looked for: of a category, of a Tokyo month ("2026-11"), with these words; empty for all."""

    category: str = ""
    month: str = ""
    text: str = ""


@dataclass(frozen=True)
class Month:
    """A month ("2026-11") and how many of the notices that are to be seen appeared in it."""

    month: str
    count: int


def visible(session: Session, now: datetime, wanted: Wanted, *, page: int = 1, size: int = SIZE) -> Page[Notice]:
    """Return what readers may see, newest first."""
    query = _narrowed(select(NoticeRow.__table__).where(_is_visible(now)), wanted)
    return page_of(session, query.order_by(*_NEWEST), page, notice_of, size=size)


def pinned(session: Session, now: datetime) -> tuple[Notice, ...]:
    """Return what stands above the others, newest first."""
    return _on_top(session, _PINNED, now)


def urgent(session: Session, now: datetime) -> tuple[Notice, ...]:
    """Return what every page points at, newest first."""
    return _on_top(session, _URGENT, now)


def months(session: Session, now: datetime) -> tuple[Month, ...]:
    """Return the months in which anything appeared that is still to be seen, newest first."""
    query = select(NoticeRow.month, func.count()).where(_is_visible(now)).group_by(NoticeRow.month)
    return tuple(Month(month, count) for month, count in session.execute(query.order_by(NoticeRow.month.desc())) if month)


def find_public(session: Session, number: int, now: datetime) -> Notice | None:
    """Return a notice that readers see or once saw; none that they never saw."""
    notice = find(session, number)
    return notice if notice and notice.visible_from and notice.visible_from <= now else None


def changed_at(session: Session, now: datetime) -> datetime | None:
    """Return when what readers see changed last, by a deed or by the passing of time; None before the first notice.

    The greatest over all rows, also those that are gone: what leaves a list changes it.
    """
    moments = (
        NoticeRow.changed_at,
        case((NoticeRow.visible_from <= now, NoticeRow.visible_from)),
        case((NoticeRow.visible_until <= now, NoticeRow.visible_until)),
    )
    latest = session.execute(select(*(func.max(moment, type_=NoticeRow.changed_at.type) for moment in moments))).one()
    return max(filter(None, latest), default=None)


def find(session: Session, number: int) -> Notice | None:
    """Return a notice in any state."""
    row = session.get(NoticeRow, number)
    return notice_of(row) if row else None


def listed(
    session: Session, *, state: NoticeState | None = None, text: str = "", page: int = 1, size: int = SIZE
) -> Page[Notice]:  # fmt: skip
    """Return notices for staff, what was changed last first."""
    query = _narrowed(select(NoticeRow.__table__), Wanted(text=text))
    if state is not None:
        query = query.where(NoticeRow.state == state.value)
    return page_of(session, query.order_by(NoticeRow.changed_at.desc(), NoticeRow.id.desc()), page, notice_of, size=size)


def revisions(session: Session, number: int) -> tuple[Revision, ...]:
    """Return what was done to a notice, newest first."""
    query = select(RevisionRow).where(RevisionRow.notice_id == number).order_by(RevisionRow.version.desc())
    return tuple(revision_of(row) for row in session.scalars(query))


_NEWEST = (NoticeRow.visible_from.desc(), NoticeRow.id.desc())


def _is_visible(now: datetime | BindParameter[datetime]) -> ColumnElement[bool]:
    return and_(
        NoticeRow.state == NoticeState.PUBLISHED.value,
        NoticeRow.visible_from <= now,
        NoticeRow.visible_until.is_(None) | (NoticeRow.visible_until > now),
    )


def _narrowed(query: Select[*tuple[Any, ...]], wanted: Wanted) -> Select[*tuple[Any, ...]]:
    if wanted.category:
        query = query.where(NoticeRow.category == wanted.category)
    if wanted.month:
        query = query.where(NoticeRow.month == wanted.month)
    for word in words_of(wanted.text):
        query = query.where(NoticeRow.searchable_text.contains(word, autoescape=True))
    return query


_AT_PRESENT = bindparam("now", type_=NoticeRow.visible_from.type)
_PINNED, _URGENT = (
    select(NoticeRow.__table__).where(_is_visible(_AT_PRESENT), chosen).order_by(*_NEWEST).limit(MOST_ON_TOP)
    for chosen in (NoticeRow.is_pinned, NoticeRow.is_urgent)
)


def _on_top(session: Session, query: Select[*tuple[Any, ...]], now: datetime) -> tuple[Notice, ...]:
    return tuple(notice_of(row) for row in session.execute(query, {"now": now}))
