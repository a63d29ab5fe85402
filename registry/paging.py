"""Long lists, page by page."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

Row = TypeVar("Row")
Record = TypeVar("Record")

SIZE = 50


@dataclass(frozen=True)
class Page(Generic[Record]):
    """One page of a list: its records, its number (from 1), how many pages and records there are in all."""

    records: tuple[Record, ...]
    number: int
    pages: int
    total: int


def page_of(
    session: Session, query: Select[Row], number: int, make: Callable[[Row], Record], *, size: int = SIZE
) -> Page[Record]:
    """Return a page of what an ordered query of one entity finds; a number beyond either end gives the page there."""
    counted: Select[Any] = select(func.count()).select_from(query.order_by(None).subquery())
    total = session.scalar(counted) or 0
    pages = max(1, -(-total // size))
    number = min(max(number, 1), pages)
    rows = session.scalars(query.limit(size).offset((number - 1) * size))
    return Page(tuple(make(row) for row in rows), number, pages, total)
