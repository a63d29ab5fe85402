"""Months of the start-date calendar, as both doors show them: business days, holidays with their names, start dates."""

import calendar as weeks
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from registry.calendar import HORIZON, Schedule, holiday_name, is_business_day, months_after
from webui.texts import WEEKDAYS, gettext, language, mark

# Months on one page.
SHOWN = 3
_MONTH = re.compile(r"(\d{4})-(\d{2})", re.ASCII)
# Weeks begin on Sunday, as on Japanese calendars.
_WEEKS = weeks.Calendar(firstweekday=6)
_SATURDAY = 5
# The law's names; a substitute holiday is named after the one that it replaces.
HOLIDAYS: Mapping[str, str] = {
    "元日": mark("元日"),
    "成人の日": mark("成人の日"),
    "建国記念の日": mark("建国記念の日"),
    "天皇誕生日": mark("天皇誕生日"),
    "春分の日": mark("春分の日"),
    "昭和の日": mark("昭和の日"),
    "憲法記念日": mark("憲法記念日"),
    "みどりの日": mark("みどりの日"),
    "こどもの日": mark("こどもの日"),
    "海の日": mark("海の日"),
    "山の日": mark("山の日"),
    "敬老の日": mark("敬老の日"),
    "秋分の日": mark("秋分の日"),
    "国民の休日": mark("国民の休日"),
    "スポーツの日": mark("スポーツの日"),
    "文化の日": mark("文化の日"),
    "勤労感謝の日": mark("勤労感謝の日"),
}
_SUBSTITUTE = mark("振替休日")
_NEW_YEAR = mark("年末年始")


@dataclass(frozen=True)
class Day:
    """One day of a month. `kind` is scheduled, open (a business day), closed or past."""

    day: date
    kind: str
    holiday: str


@dataclass(frozen=True)
class Month:
    """A month: its first day, and its weeks from Sunday to Saturday; days of other months are none."""

    first: date
    weeks: tuple[tuple[Day | None, ...], ...]

    @property
    def holidays(self) -> tuple[Day, ...]:
        """Return the days that have a name."""
        return tuple(day for week in self.weeks for day in week if day and day.holiday)


@dataclass(frozen=True)
class Months:
    """The months of one page, and the first months of the pages before and after it; none at either end."""

    shown: tuple[Month, ...]
    before: date | None
    after: date | None


def around(asked: str, today: date, published: Schedule) -> Months:
    """Return the page that begins with a month (`2026-12`), or with the present one."""
    now, last = today.replace(day=1), (today + HORIZON).replace(day=1)
    first = min(max(_month(asked) or now, now), last)
    shown = [month for month in (months_after(first, ahead) for ahead in range(SHOWN)) if month <= last]
    before, after = months_after(first, -SHOWN), months_after(first, SHOWN)
    return Months(
        tuple(_of(month, today, published) for month in shown),
        max(before, now) if first > now else None,
        after if after <= last else None,
    )


def holiday_words(name: str) -> str:
    """Return a holiday's name in the reader's language."""
    plain = name.replace(_SUBSTITUTE, "").strip(" 　()（）")
    told = gettext(HOLIDAYS[plain]) if plain in HOLIDAYS else gettext(_NEW_YEAR) if plain == _NEW_YEAR else plain
    if plain == name:
        return told
    return f"{told} {gettext(_SUBSTITUTE)}".strip() if language() == "ja" else f"{gettext(_SUBSTITUTE)} {told}".strip()


def facts() -> dict[str, object]:
    """Return what the template of a month needs besides the month."""
    names = WEEKDAYS[language()]
    return {"holiday_words": holiday_words, "weekdays": (names[-1], *names[:-1])}


def _month(asked: str) -> date | None:
    parts = _MONTH.fullmatch(asked)
    try:
        return date(int(parts[1]), int(parts[2]), 1) if parts else None
    except ValueError:
        return None


def _of(first: date, today: date, published: Schedule) -> Month:
    def told(day: date) -> Day | None:
        return _day(day, today, published) if day.month == first.month else None

    return Month(first, tuple(tuple(map(told, week)) for week in _WEEKS.monthdatescalendar(first.year, first.month)))


def _day(day: date, today: date, published: Schedule) -> Day:
    if day < today:
        kind = "past"
    elif published.has(day):
        kind = "scheduled"
    else:
        kind = "open" if is_business_day(day) else "closed"
    rests = not is_business_day(day) and day.weekday() < _SATURDAY
    return Day(day, kind, holiday_name(day) or (_NEW_YEAR if rests else ""))
