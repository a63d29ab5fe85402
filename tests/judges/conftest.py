"""A town whose pages are judged."""

from collections.abc import Iterator

import pytest

from kernel.database import connect
from tests.conftest import FreshDatabase
from tests.judges.town import Town, build_town


@pytest.fixture(scope="module")
def town(sqlite_databases: FreshDatabase, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """Return a town over a database of its own; what PostgreSQL does is watched in the pages' own tests."""
    with sqlite_databases() as url:
        database = connect(url)
        yield build_town(database, tmp_path_factory.mktemp("town"))
        database.dispose()
