"""The published start dates: the rule, and what the center says against it."""

from datetime import date

import pytest

from kernel.database import Database
from kernel.errors import Refused
from registry import schedule
from registry.calendar import RULE, StartWarning, holiday_name, warnings
from registry.faults import Invalid
from registry.schedule import DayDeed, ScheduleDesk
from tests.registry.conftest import SATO
from tests.registry.reading import deeds
from tests.support.clock import SettableClock

TODAY, TUESDAY, WEDNESDAY, SATURDAY = date(2026, 11, 24), date(2026, 12, 15), date(2026, 12, 16), date(2026, 12, 19)


@pytest.fixture
def desk(database: Database, clock: SettableClock) -> ScheduleDesk:
    """Return the use cases."""
    return ScheduleDesk(database, clock)


def test_a_day_is_opened_closed_and_left_to_the_rule(desk: ScheduleDesk, database: Database) -> None:
    desk.change(WEDNESDAY, DayDeed.OPEN, "臨時", SATO)
    desk.change(TUESDAY, DayDeed.CLOSE, "", SATO)
    with database.snapshot() as session:
        published = schedule.read(session)
        assert [(one.day, one.is_open, one.note) for one in schedule.changes(session, TODAY)] == [
            (TUESDAY, False, ""),
            (WEDNESDAY, True, "臨時"),
        ]
    assert published.days(date(2026, 12, 14), date(2026, 12, 18)) == (WEDNESDAY, date(2026, 12, 17))
    assert warnings(WEDNESDAY, TODAY, published) == ()
    assert warnings(TUESDAY, TODAY, published) == (StartWarning("off-schedule", WEDNESDAY),)
    desk.change(WEDNESDAY, DayDeed.RESTORE, "", SATO)
    desk.change(TUESDAY, DayDeed.OPEN, "", SATO)
    with database.snapshot() as session:
        assert schedule.read(session) == RULE
    assert [deed[1] for deed in deeds(database)] == ["schedule.open", "schedule.close", "schedule.restore", "schedule.open"]


def test_days_that_can_not_be_changed_so_are_refused(desk: ScheduleDesk) -> None:
    for day, deed, code in (
        (date(2026, 11, 23), DayDeed.OPEN, "date-past"),
        (date(2028, 1, 4), DayDeed.OPEN, "date-far"),
        (SATURDAY, DayDeed.OPEN, "day-not-business"),
        (TUESDAY, DayDeed.OPEN, "day-same"),
        (WEDNESDAY, DayDeed.CLOSE, "day-same"),
        (WEDNESDAY, DayDeed.RESTORE, "day-same"),
    ):
        with pytest.raises(Refused, match=code):
            desk.change(day, deed, "", SATO)
    with pytest.raises(Invalid):
        desk.change(WEDNESDAY, DayDeed.OPEN, "あ" * 101, SATO)


def test_holidays_have_names() -> None:
    assert (holiday_name(date(2026, 11, 23)), holiday_name(WEDNESDAY)) == ("勤労感謝の日", None)
