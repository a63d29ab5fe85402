"""Business days in Japan and the dates on which service may start. A day is a date in Asia/Tokyo.

    is_business_day(day), add_business_days(day, count)
    Schedule(opened, closed).has(day), .days(first, last), .next(day)   the published start dates: a rule and its exceptions
    is_scheduled(day), schedule(first, last), next_scheduled(day)       the rule alone
    read_day(text, field=…) -> date | FieldFault            a day as typed
    read_start(text, today) -> date | FieldFault       the page's wished date, as typed
    check_start(start, today)                          raises Refused for the center's confirmed date
    warnings(start, today, published) -> tuple[StartWarning, ...]   off-schedule, near: told, never refused
    holiday_name(day) -> str | None                         in Japanese, as the law names it
    settings_deadline(start) -> date
    months_after(day, months) -> date
    suspension_day(day), last_suspended(today)         two calendar months after start, expiry or reissue

Business days are not Saturday, Sunday, a public holiday, 12/29 to 1/3. The published start dates are each Tuesday and
Thursday that is a business day: midweek, so that a morning of trouble has a working day on either side.
"""

import re
from calendar import monthrange
from dataclasses import dataclass
from datetime import date, timedelta

import jpholiday

from kernel.errors import Refused
from registry.faults import FieldFault
from registry.japanese import half_width

# Business days between application and start that the center promises to manage.
STANDARD_LEAD = 10
# System settings must be complete so many business days before the start date.
SETTINGS_LEAD = 4
# A terminal is suspended when so many calendar months are over since start, expiry or reissue.
SUSPENSION_MONTHS = 2
# Nobody plans further ahead; a later date is a slip of the finger.
HORIZON = timedelta(days=366)
TUESDAY, THURSDAY, SATURDAY = 1, 3, 5

_NEW_YEAR = {(12, 29), (12, 30), (12, 31), (1, 1), (1, 2), (1, 3)}
_TYPED_DATE = re.compile(r"(\d{4})([-/.]?)(\d{1,2})\2(\d{1,2})", re.ASCII)
_DAY = timedelta(days=1)


@dataclass(frozen=True)
class StartWarning:
    """Something the customer is told about a date: `off-schedule` or `near`, each with the date that would be fine."""

    code: str
    better: date


@dataclass(frozen=True)
class Schedule:
    """The published start dates: those of the rule, with days that the center opened or closed (`registry.schedule`)."""

    opened: frozenset[date] = frozenset()
    closed: frozenset[date] = frozenset()

    def has(self, day: date) -> bool:
        """Return whether a day is one of the published start dates."""
        return day in self.opened or (is_scheduled(day) and day not in self.closed)

    def next(self, day: date) -> date:
        """Return the first published start date on or after a day."""
        while not self.has(day):
            day += _DAY
        return day

    def days(self, first: date, last: date) -> tuple[date, ...]:
        """Return the published start dates from a day up to and including another."""
        days = (first + timedelta(days=ahead) for ahead in range((last - first).days + 1))
        return tuple(day for day in days if self.has(day))


RULE = Schedule()


def holiday_name(day: date) -> str | None:
    """Return the name of a public holiday; none for other days."""
    name: str | None = jpholiday.is_holiday_name(day)
    return name


def is_business_day(day: date) -> bool:
    """Return whether offices work on a day."""
    return day.weekday() < SATURDAY and (day.month, day.day) not in _NEW_YEAR and not jpholiday.is_holiday(day)


def add_business_days(day: date, count: int) -> date:
    """Return the business day so many business days after a day (before it, when negative); 0 is the day itself."""
    step = _DAY if count > 0 else -_DAY
    for _ in range(abs(count)):
        day += step
        while not is_business_day(day):
            day += step
    return day


def is_scheduled(day: date) -> bool:
    """Return whether a day is one of the published start dates."""
    return day.weekday() in (TUESDAY, THURSDAY) and is_business_day(day)


def next_scheduled(day: date) -> date:
    """Return the first published start date on or after a day."""
    while not is_scheduled(day):
        day += _DAY
    return day


def schedule(first: date, last: date) -> tuple[date, ...]:
    """Return the published start dates from a day up to and including another."""
    days = (first + timedelta(days=ahead) for ahead in range((last - first).days + 1))
    return tuple(day for day in days if is_scheduled(day))


def read_day(text: str, *, field: str) -> date | FieldFault:
    """Read a day: 20261210, 2026-12-10 or 2026/12/10, also in full width. Faults: required, date-form, date-impossible."""
    typed = half_width(text)
    if not typed:
        return FieldFault(field, "required")
    parts = _TYPED_DATE.fullmatch(typed)
    if parts is None or (parts[2] == "" and len(typed) != len("20261210")):
        return FieldFault(field, "date-form")
    try:
        return date(int(parts[1]), int(parts[3]), int(parts[4]))
    except ValueError:
        return FieldFault(field, "date-impossible")


def read_start(text: str, today: date, *, field: str = "wished_start") -> date | FieldFault:
    """Read a wished start date, as `read_day` does; further faults: date-past, date-far (with `last`)."""
    start = read_day(text, field=field)
    if isinstance(start, FieldFault):
        return start
    if start < today:
        return FieldFault(field, "date-past")
    return FieldFault(field, "date-far", {"last": today + HORIZON}) if start > today + HORIZON else start


def check_start(start: date, today: date) -> None:
    """Raise Refused("date-past") or Refused("date-far", last=…) for a start date that can not be confirmed."""
    if start < today:
        raise Refused("date-past")
    if start > today + HORIZON:
        raise Refused("date-far", last=today + HORIZON)


def warnings(start: date, today: date, published: Schedule = RULE) -> tuple[StartWarning, ...]:
    """Return what to tell about a start date that is wished today: `near`, `off-schedule`, both or nothing."""
    earliest = add_business_days(today, STANDARD_LEAD)
    found = []
    if start < earliest:
        found.append(StartWarning("near", published.next(earliest)))
    if not published.has(start):
        found.append(StartWarning("off-schedule", published.next(max(start, earliest))))
    return tuple(found)


def settings_deadline(start: date) -> date:
    """Return the last day for system settings: four business days before the start date."""
    return add_business_days(start, -SETTINGS_LEAD)


def months_after(day: date, months: int) -> date:
    """Return the same day some calendar months later (earlier, when negative), clamped to the month's end."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))


def suspension_day(day: date) -> date:
    """Return when a suspension is due that counts from a day: on the first day after two calendar months."""
    return months_after(day, SUSPENSION_MONTHS) + _DAY


def last_suspended(today: date) -> date:
    """Return the latest day whose suspension is due today or was before: what counts from it or an earlier one is due."""
    day = months_after(today, -SUSPENSION_MONTHS) + 3 * _DAY  # months differ by three days at most
    while suspension_day(day) > today:
        day -= _DAY
    return day
