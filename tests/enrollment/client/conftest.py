"""One house with open doors for the client's tests; what the client sees does not depend on the database."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from enrollment.client.connection import Server
from kernel.clock import SystemClock
from kernel.database import connect
from server.tls import Credentials
from tests.enrollment.client.aged import Aged
from tests.support.aged_house import aged_house
from tests.support.clock import SettableClock
from tests.support.house import PASSPHRASE
from tests.support.open_doors import OpenDoors, open_house


@pytest.fixture(scope="session")
def doors(
    sqlite_databases: Callable[[], AbstractContextManager[str]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[OpenDoors]:
    """Return a house by the machine's clock: TLS looks at no other."""
    with sqlite_databases() as url:
        database = connect(url)
        with open_house(database, tmp_path_factory.mktemp("client-house"), SystemClock()) as opened:
            yield opened
        database.dispose()


@pytest.fixture(scope="session")
def aged_doors(
    sqlite_databases: Callable[[], AbstractContextManager[str]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[OpenDoors]:
    """Return a house that was founded most of a year ago: TLS goes by the machine's clock, so the past is made up."""
    with sqlite_databases() as url:
        database = connect(url)
        with aged_house(database, tmp_path_factory.mktemp("aged-house"), []) as (opened, _):
            yield opened
        database.dispose()


@pytest.fixture
def aged(aged_doors: OpenDoors) -> Aged:
    """Return the doors of terminals that may renew today."""
    clock = aged_doors.house.clock
    assert isinstance(clock, SettableClock)
    clock.instant = SystemClock().now()
    return Aged(aged_doors, clock, clock.instant)


@pytest.fixture
def credentials(doors: OpenDoors) -> Credentials:
    """Return the retrieval door's certificate and key, for doors that behave badly."""
    folder = doors.root.parent
    return Credentials(folder / "tls-retrieval.pem", doors.house.keys.path("tls-retrieval"), lambda: PASSPHRASE)


@pytest.fixture
def waits() -> list[float]:
    """Return the list of how long the client waited."""
    return []


@pytest.fixture
def reach(doors: OpenDoors, waits: list[float]) -> Callable[..., Server]:
    """Return what makes a `Server` for an address that waits in no time."""

    def make(url: str, ca_bundle: Path | None = None, **more: object) -> Server:
        options: dict[str, object] = {"timeout": 60.0, "pause": waits.append} | more
        return Server(url, ca_bundle or doors.root, doors.house.clock, **options)  # type: ignore[arg-type]

    return make
