"""What a plan would mean, day by day: codes prepared, mails, retrievals, the busiest hour beside what was measured.

Nobody has published how fast offices retrieve, so the shares below are assumptions; they are shown beside every forecast.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from enrollment.generations.plans import Wave
from registry.calendar import is_business_day

# Of those who have codes, so many retrieve on a business day, on any other day; and within a day, in its busiest hour.
BUSINESS_DAY_SHARE, OTHER_DAY_SHARE, BUSIEST_HOUR_SHARE = 0.20, 0.02, 0.25
# Longer forecasts say nothing; a plan that is not through by then has too small a quota.
LONGEST = timedelta(days=731)
_DAY = timedelta(days=1)


@dataclass(frozen=True)
class ForecastDay:
    """One day: code sets made, offices that get a mail, retrievals, those of the busiest hour, who then still has to retrieve."""

    day: date
    prepared: int
    offices: int
    retrieved: int
    busiest_hour: int
    outstanding: int


@dataclass(frozen=True)
class Forecast:
    """Every day on which something happens.

    On the last day `unprepared` terminals would have no codes, and `unretrieved` ones codes and no certificate.
    """

    terminals: int
    offices: int
    days: tuple[ForecastDay, ...]
    unprepared: int
    unretrieved: int

    @property
    def last_preparation(self) -> date | None:
        """The day on which the last code set is made."""
        return max((day.day for day in self.days if day.prepared), default=None)

    @property
    def busiest(self) -> ForecastDay | None:
        """The day with the busiest hour."""
        return max(self.days, key=lambda day: day.busiest_hour, default=None)

    @property
    def stragglers(self) -> int:
        """How many would not have retrieved on the last day."""
        return self.unretrieved + self.unprepared

    def overloaded(self, hourly_capacity: int) -> tuple[ForecastDay, ...]:
        """Return the days whose busiest hour is beyond what was measured."""
        return tuple(day for day in self.days if day.busiest_hour > hourly_capacity)


def chosen(waiting: Mapping[str, int], wave: Wave, room: int) -> Iterator[tuple[str, int]]:
    """Yield the offices that a wave takes up, with how many of their terminals, as long as there is room in the day's quota.

    An office is taken whole, so that it gets one mail; only one that is larger than a day's quota is divided.
    """
    is_fresh = room == wave.daily_quota
    for office_code, count in sorted(waiting.items()):
        if not count or not wave.is_for(office_code):
            continue
        if count <= room:
            yield office_code, count
            room, is_fresh = room - count, False
        elif is_fresh:
            yield office_code, room
            return
        elif count <= wave.daily_quota:
            return  # tomorrow's first: nobody overtakes it for ever
        if not room:
            return


def forecast(
    waiting: Mapping[str, int], waves: Sequence[Wave], first: date, ends_on: date, *, outstanding: float = 0
) -> Forecast:
    """Play a plan through, from a day to the old generation's last.

    `waiting` is how many terminals of each office have no codes yet, `outstanding` how many have codes and no certificate.
    """
    left, days = dict(waiting), []
    for day in _days(first, min(ends_on, first + LONGEST)):
        prepared, offices = 0, set()
        for wave in waves:
            if wave.starts_on > day:
                continue
            for office_code, count in list(chosen(left, wave, wave.daily_quota)):
                left[office_code] -= count
                if not left[office_code]:
                    del left[office_code]
                prepared += count
                offices.add(office_code)
        outstanding += prepared
        retrieved = outstanding * (BUSINESS_DAY_SHARE if is_business_day(day) else OTHER_DAY_SHARE)
        outstanding -= retrieved
        if prepared or round(retrieved):
            told = ForecastDay(
                day, prepared, len(offices), round(retrieved), round(retrieved * BUSIEST_HOUR_SHARE), round(outstanding)
            )
            days.append(told)
    offices_waiting = sum(1 for count in waiting.values() if count)
    return Forecast(sum(waiting.values()), offices_waiting, tuple(days), sum(left.values()), round(outstanding))


def weekly(days: Iterable[ForecastDay]) -> tuple[ForecastDay, ...]:
    """Return a forecast by weeks, each named by its Monday: sums, and the busiest of its hours."""
    weeks: dict[date, ForecastDay] = {}
    for day in days:
        monday = day.day - timedelta(days=day.day.weekday())
        so_far = weeks.get(monday, ForecastDay(monday, 0, 0, 0, 0, 0))
        weeks[monday] = ForecastDay(
            monday,
            so_far.prepared + day.prepared,
            so_far.offices + day.offices,
            so_far.retrieved + day.retrieved,
            max(so_far.busiest_hour, day.busiest_hour),
            day.outstanding,
        )
    return tuple(weeks.values())


def _days(first: date, last: date) -> Iterator[date]:
    while first <= last:
        yield first
        first += _DAY
