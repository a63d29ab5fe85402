"""The only place that reads the time.

Instants are aware and in UTC inside; a day is a calendar date in Asia/Tokyo, because the reference's
start dates, windows and deadlines are Japanese business days. A use case reads the clock once and passes
`now` down, so that everything it does happened at one instant.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Protocol
from zoneinfo import ZoneInfo

TOKYO = ZoneInfo("Asia/Tokyo")


class Clock(Protocol):
    """Tells the present instant."""

    def now(self) -> datetime:
        """Return the present as an aware datetime in UTC."""
        ...


@dataclass(frozen=True)
class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Return the machine's time in UTC."""
        return datetime.now(UTC)


@dataclass(frozen=True)
class DemoClock:
    """The machine's clock shifted by the whole seconds that a file of a demo home holds.

    Every process of the home reads the file at each call, so a shift reaches all doors at once.
    """

    offset_file: Path

    def offset(self) -> timedelta:
        """Return the shift; a home whose clock was never moved has none."""
        try:
            return timedelta(seconds=int(self.offset_file.read_text(encoding="ascii")))
        except FileNotFoundError:
            return timedelta()

    def now(self) -> datetime:
        """Return the shifted time in UTC."""
        return datetime.now(UTC) + self.offset()

    def shift(self, by: timedelta) -> timedelta:
        """Move the clock on (or back) and return the new offset."""
        offset = self.offset() + by
        written = self.offset_file.with_suffix(".new")
        written.write_text(str(int(offset.total_seconds())), encoding="ascii")
        written.replace(self.offset_file)  # at once: the doors read it all the time
        return offset


def tokyo_date(instant: datetime) -> date:
    """Return the day in Tokyo on which an aware instant falls."""
    return instant.astimezone(TOKYO).date()


def day_start(day: date) -> datetime:
    """Return 00:00:00 Asia/Tokyo of a day, in UTC."""
    return datetime.combine(day, time(), TOKYO).astimezone(UTC)


def day_end(day: date) -> datetime:
    """Return 23:59:59 Asia/Tokyo of a day, in UTC: the last second that X.509's notAfter can name in it."""
    return datetime.combine(day, time(23, 59, 59), TOKYO).astimezone(UTC)
