import itertools
from calendar import monthrange
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.errors import Refused
from registry.calendar import (
    HORIZON,
    StartWarning,
    add_business_days,
    check_start,
    is_business_day,
    is_scheduled,
    last_suspended,
    months_after,
    next_scheduled,
    read_start,
    schedule,
    settings_deadline,
    suspension_day,
    warnings,
)
from registry.faults import FieldFault

FIRST = date(2026, 1, 1)
TEN_YEARS = [FIRST + timedelta(days=ahead) for ahead in range(3653)]
TODAY = date(2026, 11, 24)
DAYS = st.dates(date(2020, 1, 1), date(2060, 12, 31))


@pytest.mark.parametrize(
    "day",
    [
        date(2026, 11, 22),  # Sunday
        date(2026, 11, 21),  # Saturday
        date(2026, 11, 23),  # 勤労感謝の日
        date(2026, 9, 22),  # 国民の休日: between two holidays
        date(2027, 3, 22),  # 振替休日: the equinox falls on a Sunday
        date(2026, 12, 29),
        date(2026, 12, 31),
        date(2027, 1, 1),
        date(2028, 1, 3),
    ],
)
def test_offices_are_closed(day: date) -> None:
    assert not is_business_day(day)


@pytest.mark.parametrize("day", [date(2026, 11, 24), date(2026, 12, 28), date(2027, 1, 4), date(2026, 12, 25)])
def test_offices_are_open(day: date) -> None:
    assert is_business_day(day)


def test_business_days_are_counted_over_ten_years_as_they_stand_in_the_calendar() -> None:
    business = [day for day in TEN_YEARS if is_business_day(day)]
    position = {day: at for at, day in enumerate(business)}
    for day in TEN_YEARS[:-40]:
        behind = max((at for at in (position.get(day - timedelta(days=ago)) for ago in range(12)) if at is not None), default=-1)
        assert add_business_days(day, 10) == business[behind + 10]


@given(DAYS, st.integers(0, 30))
def test_counting_forth_and_back_returns_to_a_business_day(day: date, count: int) -> None:
    start = add_business_days(day, 1)
    assert add_business_days(add_business_days(start, count), -count) == start


@given(DAYS)
def test_the_settings_deadline_leaves_four_business_days(start: date) -> None:
    deadline = settings_deadline(start)
    between = (deadline + timedelta(days=ahead) for ahead in range(1, (start - deadline).days))
    assert is_business_day(deadline)
    assert sum(is_business_day(day) for day in between) == 3


def test_no_day_is_in_the_schedule_that_is_not_a_tuesday_or_thursday_of_work() -> None:
    published = schedule(TEN_YEARS[0], TEN_YEARS[-1])
    assert published == tuple(day for day in TEN_YEARS if is_scheduled(day))
    assert {day.weekday() for day in published} == {1, 3}
    assert all(is_business_day(day) for day in published)
    gaps = [later - earlier for earlier, later in itertools.pairwise(published)]
    assert max(gaps) <= timedelta(days=14)


def test_the_next_scheduled_day_skips_the_turn_of_the_year() -> None:
    assert next_scheduled(date(2026, 12, 25)) == date(2027, 1, 5)


@pytest.mark.parametrize("text", ["20261210", "2026-12-10", "2026/12/10", "２０２６１２１０", " 2026.12.10　"])
def test_a_date_is_read_in_the_forms_that_people_type(text: str) -> None:
    assert read_start(text, TODAY) == date(2026, 12, 10)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "required"),
        ("　", "required"),
        ("tomorrow", "date-form"),
        ("2026121", "date-form"),
        ("2026-12/10", "date-form"),
        ("٢٠٢٦١٢١٠", "date-form"),
        ("20260230", "date-impossible"),
        ("20270229", "date-impossible"),
        ("00001210", "date-impossible"),
        ("20261123", "date-past"),
        ("20131205", "date-past"),
        ("20281210", "date-far"),
        ("99991231", "date-far"),
    ],
)
def test_a_date_that_can_not_be_is_refused(text: str, code: str) -> None:
    fault = read_start(text, TODAY)
    assert isinstance(fault, FieldFault)
    assert (fault.field, fault.code) == ("wished_start", code)


@given(st.text())
def test_whatever_is_typed_for_a_date_is_a_date_or_a_fault(text: str) -> None:
    assert isinstance(read_start(text, TODAY), date | FieldFault)


def test_today_and_the_horizon_are_still_taken() -> None:
    assert read_start("20261124", TODAY) == TODAY
    assert read_start((TODAY + HORIZON).isoformat(), TODAY) == TODAY + HORIZON


def test_a_published_date_beyond_the_lead_time_is_taken_without_a_warning() -> None:
    assert warnings(date(2026, 12, 10), TODAY) == ()


def test_a_date_off_the_schedule_is_warned_about() -> None:
    assert warnings(date(2026, 12, 11), TODAY) == (StartWarning("off-schedule", date(2026, 12, 15)),)


def test_a_date_nearer_than_ten_business_days_is_warned_about() -> None:
    # Ten business days after the 24th of November is the 8th of December, a Tuesday.
    assert warnings(date(2026, 12, 3), TODAY) == (StartWarning("near", date(2026, 12, 8)),)
    assert warnings(date(2026, 12, 8), TODAY) == ()


def test_a_near_sunday_is_warned_about_twice_and_offered_a_date_that_is_fine() -> None:
    found = warnings(date(2026, 11, 29), TODAY)
    assert [warning.code for warning in found] == ["near", "off-schedule"]
    assert all(warnings(warning.better, TODAY) == () for warning in found)


def test_the_center_can_not_confirm_a_date_that_has_passed() -> None:
    with pytest.raises(Refused, match="date-past"):
        check_start(TODAY - timedelta(days=1), TODAY)


def test_the_center_can_not_confirm_a_date_beyond_the_horizon() -> None:
    with pytest.raises(Refused, match="date-far"):
        check_start(TODAY + HORIZON + timedelta(days=1), TODAY)


def test_months_later_is_the_same_day_or_the_months_last_over_ten_years() -> None:
    for day in TEN_YEARS:
        later = months_after(day, 2)
        assert (later.year * 12 + later.month) - (day.year * 12 + day.month) == 2
        assert later.day == min(day.day, monthrange(later.year, later.month)[1])
        assert months_after(day, 0) == day
        assert months_after(day, 12).month == day.month
        assert months_after(months_after(day, 2), -2) <= day


@pytest.mark.parametrize(
    ("day", "due"),
    [
        (date(2026, 1, 15), date(2026, 3, 16)),
        (date(2026, 1, 31), date(2026, 4, 1)),
        (date(2026, 12, 28), date(2027, 3, 1)),
        (date(2026, 12, 31), date(2027, 3, 1)),
        (date(2027, 12, 28), date(2028, 2, 29)),
        (date(2027, 12, 31), date(2028, 3, 1)),
        (date(2027, 6, 30), date(2027, 8, 31)),
        (date(2027, 7, 1), date(2027, 9, 2)),
    ],
)
def test_a_suspension_is_due_on_the_first_day_after_two_months(day: date, due: date) -> None:
    assert suspension_day(day) == due


def test_what_is_due_by_a_day_is_found_by_its_last_day_over_ten_years() -> None:
    for today in TEN_YEARS:
        last = last_suspended(today)
        assert suspension_day(last) <= today < suspension_day(last + timedelta(days=1))
