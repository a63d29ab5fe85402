"""One house with open doors for all of these tests: what other people's programs see does not depend on the database."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from kernel.clock import SystemClock
from kernel.database import connect
from tests.interop.programs import Papers, Runner
from tests.support.open_doors import OpenDoors, open_house
from tests.support.required import missing


@pytest.fixture(scope="session")
def doors(
    sqlite_databases: Callable[[], AbstractContextManager[str]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[OpenDoors]:
    """Return a house by the machine's clock, which is the one that other people's programs look at."""
    with sqlite_databases() as url:
        database = connect(url)
        with open_house(database, tmp_path_factory.mktemp("house"), SystemClock()) as opened:
            yield opened
        database.dispose()


@pytest.fixture
def run() -> Runner:
    """Return what runs a program and returns its output; a program that is not installed skips the test by name."""
    for program in ("openssl", "curl"):
        if shutil.which(program) is None:
            missing(program)
    return Runner()


@pytest.fixture
def papers(doors: OpenDoors, tmp_path: Path) -> Papers:
    """Return what writes certificates, chains and lists as the files that programs want."""
    return Papers(doors, tmp_path)
