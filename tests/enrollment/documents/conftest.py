"""A notice that was made once, for all tests that only look at it: what a file says does not depend on the database."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from enrollment.documents import store
from kernel.database import connect
from tests.conftest import FreshDatabase
from tests.enrollment.filings import approved
from tests.support.clock import SettableClock
from tests.support.documents import notices, root_der
from tests.support.house import House, build_house


@dataclass(frozen=True)
class Made:
    """A house, its clock, and an approval notice of it."""

    house: House
    clock: SettableClock
    receipt_number: str
    content: bytes

    @property
    def root(self) -> bytes:
        """The root's certificate, DER."""
        return root_der(self.house)


def notice_of(house: House, receipt_number: str) -> bytes:
    """Return the notice that counts, as it is kept."""
    with house.database.snapshot() as session:
        kept = store.latest(session, receipt_number)
        assert kept is not None
        return store.content_of(session, kept)


@pytest.fixture(scope="package")
def made(sqlite_databases: FreshDatabase, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    """Make one; nobody may change anything of it."""
    clock = SettableClock()
    with sqlite_databases() as url:
        database = connect(url)
        house = build_house(database, tmp_path_factory.mktemp("documents"), clock)
        house.new_terminals()
        receipt_number = approved(house)
        assert notices(house).make_due(clock.now()) == 1
        yield Made(house, clock, receipt_number, notice_of(house, receipt_number))
        database.dispose()
