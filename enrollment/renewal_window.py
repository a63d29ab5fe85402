"""When a certificate may be renewed, and when a terminal that asks had best do so.

Days are Tokyo's. The suggestion is of the kind of RFC 9773 (ACME Renewal Information): one instant for each terminal,
always the same, spread evenly over the window's first days, so that terminals which started together do not renew together.
"""

import hashlib
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from kernel.clock import day_start, tokyo_date
from kernel.errors import Refused

# Domain rules, "Renewal": from 28 days before the last day up to and including it.
DAYS = 28
# Over so many of its first days renewals are spread: most are done before the second reminder, 14 days before the end.
SPREAD_DAYS = 10
_WHOLE = 1 << 256


@dataclass(frozen=True)
class RenewalWindow:
    """The first and the last day on which a certificate may be renewed."""

    first_day: date
    last_day: date

    def is_open(self, now: datetime) -> bool:
        """Return whether this is one of its days."""
        return self.first_day <= tokyo_date(now) <= self.last_day

    def require_open(self, now: datetime) -> None:
        """Raise Refused("renewal-too-early") or Refused("renewal-too-late"), with the first and the last day."""
        if self.is_open(now):
            return
        days = {"first_day": self.first_day.isoformat(), "last_day": self.last_day.isoformat()}
        if tokyo_date(now) < self.first_day:
            raise Refused("renewal-too-early", **days)
        raise Refused("renewal-too-late", **days)

    @property
    def spread(self) -> tuple[datetime, datetime]:
        """The instants between which terminals are asked to renew."""
        begin = day_start(self.first_day)
        return begin, min(begin + timedelta(days=SPREAD_DAYS), day_start(self.last_day))

    def suggested(self, terminal: str) -> datetime:
        """Return the instant that is suggested to one terminal, in whole seconds."""
        begin, end = self.spread
        share = int.from_bytes(hashlib.sha256(f"renewal of {terminal}".encode()).digest(), "big")
        return begin + timedelta(seconds=int((end - begin).total_seconds()) * share // _WHOLE)


def window_of(not_after: datetime, days: int = DAYS) -> RenewalWindow:
    """Return the window of a certificate that ends at an instant."""
    last = tokyo_date(not_after)
    return RenewalWindow(last - timedelta(days=days), last)
