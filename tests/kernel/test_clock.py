from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from kernel.clock import DemoClock, SystemClock, day_end, day_start, tokyo_date


@pytest.mark.parametrize(
    ("instant", "day"),
    [
        (datetime(2026, 3, 31, 14, 59, 59, tzinfo=UTC), date(2026, 3, 31)),
        (datetime(2026, 3, 31, 15, 0, 0, tzinfo=UTC), date(2026, 4, 1)),
        (datetime(2026, 12, 31, 15, 0, 0, tzinfo=UTC), date(2027, 1, 1)),
    ],
)
def test_a_day_begins_at_midnight_in_tokyo(instant: datetime, day: date) -> None:
    assert tokyo_date(instant) == day


def test_a_day_lasts_from_its_first_to_its_last_second() -> None:
    assert day_start(date(2026, 4, 1)) == datetime(2026, 3, 31, 15, 0, 0, tzinfo=UTC)
    assert day_end(date(2026, 4, 1)) == datetime(2026, 4, 1, 14, 59, 59, tzinfo=UTC)
    assert day_end(date(2026, 4, 1)) + timedelta(seconds=1) == day_start(date(2026, 4, 2))


def test_the_machines_clock_is_aware_and_in_utc() -> None:
    assert SystemClock().now().tzinfo is UTC


def test_a_demos_clock_runs_with_the_machines_until_it_is_moved(tmp_path: Path) -> None:
    clock = DemoClock(tmp_path / "clock-offset")
    assert clock.offset() == timedelta()
    assert abs(clock.now() - SystemClock().now()) < timedelta(minutes=1)


def test_moves_of_a_demos_clock_add_up_and_reach_every_process_of_the_home(tmp_path: Path) -> None:
    one, other = DemoClock(tmp_path / "clock-offset"), DemoClock(tmp_path / "clock-offset")
    assert one.shift(timedelta(days=2)) == timedelta(days=2)
    assert other.shift(-timedelta(hours=1)) == timedelta(days=2, hours=-1)
    assert one.offset() == timedelta(days=2, hours=-1)
    assert abs(one.now() - SystemClock().now() - timedelta(days=2, hours=-1)) < timedelta(minutes=1)


def test_moving_a_demos_clock_leaves_nothing_but_the_offset(tmp_path: Path) -> None:
    DemoClock(tmp_path / "clock-offset").shift(timedelta(seconds=90))
    assert [(file.name, file.read_text(encoding="ascii")) for file in tmp_path.iterdir()] == [("clock-offset", "90")]
