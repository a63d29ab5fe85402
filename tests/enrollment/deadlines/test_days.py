"""Each notice is sent on its day, once, over every day of ten years."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import date, timedelta

import pytest

from enrollment.deadlines.days import REMINDERS, RULES, WARNINGS, Kind, deadline, latest_counted, spans

DAY = timedelta(days=1)


def days_of_ten_years() -> Iterator[date]:
    """Yield each day from 2023 to 2032."""
    return (date(2023, 1, 1) + count * DAY for count in range(3653))


def told(kind: Kind, steps: tuple[int, ...], last_days: tuple[date, date]) -> dict[date, list[tuple[date, int]]]:
    """Let a job run each day; return by last day on which days which notice is the one to send."""
    found: dict[date, list[tuple[date, int]]] = defaultdict(list)
    first, last = last_days
    for count in range(-100, (last - first).days + 100):
        today = first + count * DAY
        for span in spans(kind, steps, today):
            day = max(span.first, first)
            while day <= min(span.last, last):
                found[day].append((today, span.days))
                day += DAY
    return found


@pytest.mark.parametrize("kind", Kind)
def test_a_deadline_and_its_last_day_find_each_other(kind: Kind) -> None:
    for day in days_of_ten_years():
        assert latest_counted(kind, deadline(kind, day)) >= day
        assert latest_counted(kind, deadline(kind, day) - DAY) < day


@pytest.mark.parametrize("kind", Kind)
def test_a_job_that_runs_daily_tells_each_on_its_day_over_ten_years(kind: Kind) -> None:
    steps = REMINDERS if kind is Kind.RENEWAL else WARNINGS
    found = told(kind, steps, (date(2023, 1, 1), date(2032, 12, 31)))
    assert len(found) == 3653
    for last_day, notices in found.items():
        ends = deadline(kind, last_day)
        assert [(ends - today).days for today, days in _firsts(notices)] == list(steps)
        assert [days for _, days in _firsts(notices)] == list(steps)


def _firsts(notices: list[tuple[date, int]]) -> list[tuple[date, int]]:
    """Return each notice as it is first sent: afterwards its row stands."""
    first: dict[int, date] = {}
    for today, days in notices:
        first.setdefault(days, today)
    return [(today, days) for days, today in first.items()]


@pytest.mark.parametrize("kind", Kind)
def test_on_no_day_two_notices_of_one_kind_are_due_for_one_terminal(kind: Kind) -> None:
    steps = REMINDERS if kind is Kind.RENEWAL else WARNINGS
    for notices in told(kind, steps, (date(2027, 12, 1), date(2028, 3, 31))).values():
        days = [today for today, _ in notices]
        assert len(days) == len(set(days))


def test_after_days_of_downtime_only_the_nearest_is_told() -> None:
    today = date(2026, 12, 1)
    [span] = [one for one in spans(Kind.RENEWAL, REMINDERS, today) if one.first <= today + 6 * DAY <= one.last]
    assert span.days == 7  # the one at 14 days was missed, and is not sent any more
    [span] = [one for one in spans(Kind.RENEWAL, REMINDERS, today) if one.first <= today + 10 * DAY <= one.last]
    assert span.days == 14  # late by four days, but still the nearest


def test_other_days_may_be_set() -> None:
    today = date(2026, 12, 1)
    assert [span.days for span in spans(Kind.RENEWAL, (60, 30), today)] == [60, 30]
    [span] = spans(Kind.NOT_RETRIEVED, (5, 5), today)
    assert (span.days, span.first, span.last) == (5, today, today + 4 * DAY)
    assert spans(Kind.NOT_RETRIEVED, (), today) == ()


def test_each_rule_has_its_kind() -> None:
    assert [kind.rule for kind in Kind] == [None, 1, 2, 3]
    assert [int(rule) for rule in RULES.values()] == [1, 2, 3]
