from collections.abc import Callable

import pytest
from sqlalchemy import select

from kernel.database import Database
from registry.paging import Page, page_of
from registry.tables import ApplicationRow
from tests.registry.conftest import File

pytestmark = pytest.mark.usefixtures("terminal")


def _pages(database: Database, file: File, count: int) -> Callable[..., Page[str]]:
    for _ in range(count):
        file()
    query = select(ApplicationRow.__table__).order_by(ApplicationRow.receipt_number)

    def page(number: int, *, size: int = 2, bound: int | None = None) -> Page[str]:
        with database.snapshot() as session:
            return page_of(session, query, number, lambda row: row.receipt_number, size=size, bound=bound)

    return page


def test_a_list_tells_how_many_there_are_and_a_number_beyond_its_ends_gives_the_page_there(
    database: Database, file: File
) -> None:
    page = _pages(database, file, 5)
    assert [page(number).records for number in (1, 2, 3)] == [
        ("260001A", "260002A"),
        ("260003A", "260004A"),
        ("260005A",),
    ]
    assert {(one.number, one.pages, one.total, one.has_more) for one in (page(3), page(4), page(99))} == {(3, 3, 5, False)}
    assert page(-1) == page(0) == page(1)
    assert page(1, size=5).total == page(1, size=6).total == 5


def test_a_list_without_records_has_one_empty_page(database: Database, file: File) -> None:
    page = _pages(database, file, 0)
    assert page(1) == page(7) == page(7, bound=3) == Page((), 1, 1, 0)


def test_a_bounded_list_says_that_there_is_more(database: Database, file: File) -> None:
    page = _pages(database, file, 5)
    assert (page(1, bound=5).total, page(1, bound=5).has_more) == (5, False)
    bounded = page(1, bound=4)
    assert (bounded.pages, bounded.total, bounded.has_more) == (2, 4, True)
    assert page(2, bound=4).records == page(99, bound=4).records == ("260003A", "260004A")
