"""A month of Tokyo's calendar, by which everything is billed."""

import calendar
import re
from dataclasses import dataclass
from datetime import date

_WRITTEN = re.compile(r"([0-9]{4})[-/]?([0-9]{2})")


@dataclass(frozen=True, order=True)
class Month:
    """A month; the first and the last are those of `date`."""

    year: int
    number: int

    @property
    def first(self) -> date:
        """Return its first day."""
        return date(self.year, self.number, 1)

    @property
    def last(self) -> date:
        """Return its last day."""
        return date(self.year, self.number, calendar.monthrange(self.year, self.number)[1])

    @property
    def after(self) -> "Month":
        """Return the next month."""
        return Month(self.year + self.number // 12, self.number % 12 + 1)

    @property
    def before(self) -> "Month":
        """Return the month before."""
        return Month(self.year, self.number - 1) if self.number > 1 else Month(self.year - 1, 12)

    def __str__(self) -> str:
        """Write it as 2026-11."""
        return f"{self.year:04}-{self.number:02}"


def month_of(day: date) -> Month:
    """Return the month of a day."""
    return Month(day.year, day.month)


def read_month(text: str) -> Month | None:
    """Read 2026-11, 2026/11 or 202611; None for anything else."""
    found = _WRITTEN.fullmatch(text)
    if found is None or not found[0].isascii():
        return None
    year, number = int(found[1]), int(found[2])
    return Month(year, number) if year and 1 <= number <= len(calendar.month_name) - 1 else None
