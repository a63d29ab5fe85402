"""新着情報: what an office is told on its menu. Lines are codes and facts; the edge words them for its reader.

    publish(session, *, now, office_code, kind, code, target=None, **facts)
    publish_all(session, lines, *, now, kind, code)           the same for many at once
    latest(session, office_code) -> tuple[News, ...]          the menu's ten
    behind(session, office_code, news_id, since, most=…)      numbers of the lines after one
    find(session, office_code, news_id) -> News | None
    search(session, office_code, kind=None, receipt_number="", page=1) -> Page[News]

A target names what the details button opens, as `application:260001A` or `id_notice:260001A`.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Row, bindparam, select
from sqlalchemy.orm import Session

from kernel.database import insert_all
from registry.japanese import searchable
from registry.paging import SIZE, Page, page_of
from registry.tables import NewsRow

LATEST = 10
RECEIPT_NUMBER = re.compile(r"[0-9]{6}[A-Z]")

Fact = str | int | bool | None


class NewsKind(StrEnum):
    """種別: the label in front of a line."""

    APPLICATION = "application"
    CERTIFICATE = "certificate"
    SETTINGS = "settings"
    BILLING = "billing"


@dataclass(frozen=True)
class News:
    """One line."""

    id: int
    office_code: str
    at: datetime
    kind: NewsKind
    code: str
    receipt_number: str | None
    target: str | None
    facts: Mapping[str, Fact]


def publish(
    session: Session,
    *,
    now: datetime,
    office_code: str,
    kind: NewsKind,
    code: str,
    target: str | None = None,
    **facts: Fact,
) -> None:
    """Add a line, in the transaction of the deed that makes it.

    The line's 【receipt number】 is the target's, when the target names one.
    """
    session.add(
        NewsRow(
            office_code=office_code,
            at=now,
            kind=kind.value,
            code=code,
            receipt_number=_receipt_number(target),
            target=target,
            facts=facts,
        )
    )


def publish_all(
    session: Session, lines: Iterable[tuple[str, Mapping[str, Fact]]], *, now: datetime, kind: NewsKind, code: str
) -> None:  # fmt: skip
    """Add the same line with other facts for each of many (office code, facts), none of which opens anything."""
    publish_each(session, ((office_code, None, facts) for office_code, facts in lines), now=now, kind=kind, code=code)


def publish_each(
    session: Session,
    lines: Iterable[tuple[str, str | None, Mapping[str, Fact]]],
    *,
    now: datetime,
    kind: NewsKind,
    code: str,
) -> None:
    """Add the same line with other facts for each of many (office code, target, facts)."""
    same: dict[str, object] = {"at": now, "kind": kind.value, "code": code}
    rows = [
        same | {"office_code": office, "receipt_number": _receipt_number(target), "target": target, "facts": dict(facts)}
        for office, target, facts in lines
    ]
    insert_all(session, NewsRow, rows)


_LATEST = select(NewsRow.__table__).where(NewsRow.office_code == bindparam("office_code")).order_by(NewsRow.id.desc())


def latest(session: Session, office_code: str, *, most: int = LATEST) -> tuple[News, ...]:
    """Return an office's latest lines, newest first."""
    return tuple(map(_news_of, session.execute(_LATEST.limit(most), {"office_code": office_code})))


_MOMENTS = select(NewsRow.id).where(
    NewsRow.office_code == bindparam("office_code"), NewsRow.id > bindparam("behind"), NewsRow.at >= bindparam("since")
)


def behind(session: Session, office_code: str, news_id: int, since: datetime, *, most: int) -> tuple[int, ...]:
    """Return the numbers of an office's lines after a line that came in since an instant, newest first."""
    query = _MOMENTS.order_by(NewsRow.id.desc()).limit(most)
    return tuple(session.scalars(query, {"office_code": office_code, "behind": news_id, "since": since}))


def find(session: Session, office_code: str, news_id: int) -> News | None:
    """Return a line of an office; another office's is none."""
    row = session.scalar(select(NewsRow).where(NewsRow.office_code == office_code, NewsRow.id == news_id))
    return _news_of(row) if row else None


def search(
    session: Session,
    office_code: str,
    *,
    kind: NewsKind | None = None,
    receipt_number: str = "",
    page: int = 1,
    size: int = SIZE,
) -> Page[News]:
    """Return an office's lines, newest first: of a kind, and those whose receipt number begins so."""
    query = select(NewsRow.__table__).where(NewsRow.office_code == office_code).order_by(NewsRow.id.desc())
    if kind is not None:
        query = query.where(NewsRow.kind == kind.value)
    if wanted := searchable(receipt_number).upper():
        query = query.where(NewsRow.receipt_number.startswith(wanted, autoescape=True))
    return page_of(session, query, page, _news_of, size=size)


def _receipt_number(target: str | None) -> str | None:
    name = (target or "").rpartition(":")[2]
    return name if RECEIPT_NUMBER.fullmatch(name) else None


def _news_of(row: NewsRow | Row[*tuple[Any, ...]]) -> News:
    return News(
        id=row.id,
        office_code=row.office_code,
        at=row.at,
        kind=NewsKind(row.kind),
        code=row.code,
        receipt_number=row.receipt_number,
        target=row.target,
        facts=row.facts,
    )
