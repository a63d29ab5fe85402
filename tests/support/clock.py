"""The one fake of the suite: a clock that stands still until a test moves it."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

# A Tuesday, ten in the morning in Tokyo, after a holiday and a weekend.
MORNING = datetime(2026, 11, 24, 1, 0, tzinfo=UTC)


@dataclass
class SettableClock:
    """A `kernel.clock.Clock` that shows `instant`."""

    instant: datetime = MORNING

    def now(self) -> datetime:
        """Return the instant that was set."""
        return self.instant

    def advance(self, by: timedelta) -> datetime:
        """Move on (or back) and return the new instant."""
        self.instant += by
        return self.instant
