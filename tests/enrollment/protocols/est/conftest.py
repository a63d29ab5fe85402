"""One house for all cases of a module: refusals leave nothing behind."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import pytest

from kernel.database import connect
from tests.support.clock import SettableClock
from tests.support.house import House, build_house


@pytest.fixture(scope="module")
def shared_house(
    sqlite_databases: Callable[[], AbstractContextManager[str]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[House]:
    with sqlite_databases() as url:
        database = connect(url)
        yield build_house(database, tmp_path_factory.mktemp("house"), SettableClock())
        database.dispose()
