"""A built house for every test of this room."""

from pathlib import Path

import pytest

from kernel.database import Database
from tests.support.clock import SettableClock
from tests.support.house import House, build_house


@pytest.fixture
def house(database: Database, tmp_path: Path, clock: SettableClock) -> House:
    """Return a house on a fresh database of either kind."""
    return build_house(database, tmp_path, clock)
