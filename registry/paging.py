"""Long lists, page by page."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from sqlalchemy import Row, Select, func, literal_column, select
from sqlalchemy.orm import Session

Record = TypeVar("Record")
Other = TypeVar("Other")

SIZE = 50
# A list of the whole country tells exactly how many records it has up to these, and shows no more of them: whoever looks for
# one among so many narrows the list. Counting a hundred thousand rows would cost more than the rest of the page, at each look.
COUNTED = 10_000
# No list has so many pages, and no database counts beyond what they hold.
_MOST_PAGES = 1_000_000


@dataclass(frozen=True)
class Page(Generic[Record]):
    """One page of a list: its records, its number (from 1), how many pages and records there are in all.

    `has_more`: there are more than are counted here and shown.
    """

    records: tuple[Record, ...]
    number: int
    pages: int
    total: int
    has_more: bool = False

    def of(self, records: tuple[Other, ...]) -> "Page[Other]":
        """Return the same page of what its records became."""
        return Page(records, self.number, self.pages, self.total, self.has_more)


def page_of(
    session: Session,
    query: Select[*tuple[Any, ...]],
    number: int,
    make: Callable[[Row[*tuple[Any, ...]]], Record],
    *,
    size: int = SIZE,
    bound: int | None = None,
) -> Page[Record]:
    """Return a page of what an ordered query finds; a number beyond either end gives the page there.

    It asks for a table's columns, not for the objects that the session would follow: `select(TerminalRow.__table__)`.

    With a `bound`, no more than so many records are counted and shown.
    """
    number = min(max(number, 1), _MOST_PAGES if bound is None else -(-bound // size))
    rows = _rows(session, query, number, size)
    is_last = len(rows) < size and (number == 1 or rows)
    counted = (number - 1) * size + len(rows) if is_last else _count(session, query, bound)
    total = counted if bound is None else min(counted, bound)
    pages = max(1, -(-total // size))
    if number > pages:
        number, rows = pages, _rows(session, query, pages, size)
    return Page(tuple(make(row) for row in rows), number, pages, total, has_more=counted > total)


def _rows(session: Session, query: Select[*tuple[Any, ...]], number: int, size: int) -> Sequence[Row[*tuple[Any, ...]]]:
    return session.execute(query.limit(size).offset((number - 1) * size)).all()


def _count(session: Session, query: Select[*tuple[Any, ...]], bound: int | None) -> int:
    """Return how many rows a query finds; of a bounded one that finds more, one more than the bound."""
    unordered = query.order_by(None)
    if bound is None:
        return session.scalar(unordered.with_only_columns(func.count(), maintain_column_froms=True)) or 0
    found: Select[Any] = unordered.with_only_columns(literal_column("1"), maintain_column_froms=True).limit(bound + 1)
    return session.scalar(select(func.count()).select_from(found.subquery())) or 0
