"""What a plan of a generation change would mean, played through without a database."""

from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from enrollment.generations.forecast import chosen, forecast, weekly
from enrollment.generations.plans import Wave

MONDAY = date(2027, 2, 1)
END = MONDAY + timedelta(days=60)


def test_everybody_has_codes_after_as_many_days_as_the_quota_needs() -> None:
    told = forecast({"NAC001": 40, "NAC002": 40, "NAC003": 20}, [Wave(MONDAY, 50)], MONDAY, END)
    assert [(day.day, day.prepared, day.offices) for day in told.days if day.prepared] == [
        (MONDAY, 40, 1),
        (MONDAY + timedelta(days=1), 40, 1),
        (MONDAY + timedelta(days=2), 20, 1),
    ]
    assert (told.terminals, told.offices, told.unprepared) == (100, 3, 0)
    assert told.last_preparation == MONDAY + timedelta(days=2)


def test_the_busiest_hour_is_held_against_what_was_measured() -> None:
    told = forecast({"NAC001": 10_000}, [Wave(MONDAY, 10_000)], MONDAY, END)
    # A fifth of 10,000 on the first business day, a quarter of these in one hour.
    assert told.busiest is not None
    assert (told.busiest.day, told.busiest.retrieved, told.busiest.busiest_hour) == (MONDAY, 2_000, 500)
    assert told.overloaded(500) == ()
    assert [day.day for day in told.overloaded(399)] == [MONDAY, MONDAY + timedelta(days=1)]


def test_who_would_be_left_on_the_last_day_is_told() -> None:
    told = forecast({"NAC001": 1_000}, [Wave(MONDAY, 100)], MONDAY, MONDAY + timedelta(days=4))
    assert told.unprepared == 500
    assert told.stragglers == told.unretrieved + 500


def test_weeks_add_up() -> None:
    told = forecast({f"NAC{number:03}": 10 for number in range(50)}, [Wave(MONDAY, 25)], MONDAY, END)
    assert sum(week.prepared for week in weekly(told.days)) == 500
    assert all(week.day.weekday() == 0 for week in weekly(told.days))


def test_an_empty_plan_says_nothing() -> None:
    told = forecast({}, [Wave(MONDAY, 25)], MONDAY, END)
    assert (told.days, told.busiest, told.last_preparation, told.stragglers) == ((), None, None, 0)


@given(
    offices=st.dictionaries(st.sampled_from([f"NAC{number:03}" for number in range(30)]), st.integers(1, 60)),
    quota=st.integers(1, 80),
    pilot=st.integers(0, 29),
)
def test_no_terminal_is_lost_or_counted_twice_and_no_quota_exceeded(offices: dict[str, int], quota: int, pilot: int) -> None:
    waves = [Wave(MONDAY, quota, (f"NAC{pilot:03}",)), Wave(MONDAY + timedelta(days=3), quota)]
    told = forecast(offices, waves, MONDAY, MONDAY + timedelta(days=700))
    assert sum(day.prepared for day in told.days) + told.unprepared == sum(offices.values())
    assert all(day.prepared <= 2 * quota for day in told.days)
    assert told.unprepared == 0


@given(offices=st.dictionaries(st.text("ABC", min_size=1), st.integers(0, 50)), quota=st.integers(1, 40), used=st.integers(0, 39))
def test_a_days_choice_stays_within_its_room(offices: dict[str, int], quota: int, used: int) -> None:
    room = max(quota - used, 0)
    taken = list(chosen(offices, Wave(MONDAY, quota), room))
    assert sum(count for _, count in taken) <= room
    assert all(count == offices[office] for office, count in taken) or taken == [(taken[0][0], quota)]
    if room == quota and any(offices.values()):
        assert taken, "a fresh day always gets on"
