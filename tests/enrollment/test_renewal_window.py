from collections import Counter
from datetime import UTC, date, datetime, timedelta

import pytest

from enrollment.renewal_window import SPREAD_DAYS, RenewalWindow, window_of
from kernel.clock import day_end, day_start, tokyo_date
from kernel.errors import Refused

LAST = date(2027, 11, 21)
WINDOW = window_of(day_end(LAST))


def test_the_window_is_twenty_eight_days_and_the_last_one() -> None:
    assert RenewalWindow(date(2027, 10, 24), LAST) == WINDOW


@pytest.mark.parametrize(
    ("instant", "refusal"),
    [
        (day_start(WINDOW.first_day) - timedelta(microseconds=1), "renewal-too-early"),
        (day_start(WINDOW.first_day), None),
        (day_end(LAST), None),
        (day_start(LAST + timedelta(days=1)), "renewal-too-late"),
    ],
)
def test_days_in_tokyo_decide(instant: datetime, refusal: str | None) -> None:
    assert WINDOW.is_open(instant) == (refusal is None)
    if refusal is None:
        WINDOW.require_open(instant)
        return
    with pytest.raises(Refused, match=refusal) as refused:
        WINDOW.require_open(instant)
    assert refused.value.facts == {"first_day": "2027-10-24", "last_day": "2027-11-21"}


def test_suggestions_are_stable_and_evenly_spread_over_the_first_days() -> None:
    names = [f"{number:05}W" for number in range(5_000)]
    suggested = [WINDOW.suggested(name) for name in names]
    assert suggested == [WINDOW.suggested(name) for name in names]
    days = Counter(tokyo_date(instant) for instant in suggested)
    assert sorted(days) == [WINDOW.first_day + timedelta(days=ahead) for ahead in range(SPREAD_DAYS)]
    assert all(400 < count < 600 for count in days.values())
    assert all(WINDOW.is_open(instant) and instant.microsecond == 0 and instant.tzinfo is UTC for instant in suggested)


def test_a_short_window_is_never_left() -> None:
    window = window_of(day_end(LAST), days=2)
    assert window.spread[1] <= day_start(LAST)
    assert all(window.is_open(window.suggested(f"{number:05}W")) for number in range(200))
