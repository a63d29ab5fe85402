"""A founded hierarchy on both databases."""

from pathlib import Path

import pytest

from kernel.database import Database
from tests.support.clock import SettableClock
from tests.support.house import House, build_house


@pytest.fixture
def house(database: Database, tmp_path: Path, clock: SettableClock) -> House:
    """Return a house whose ceremony was held at the clock's morning."""
    return build_house(database, tmp_path, clock)
