"""Days of reminders, warnings and suspensions: pure arithmetic on days in Tokyo, set against the days that rows hold.

A deadline counts from a *last day*: a certificate's (renewal, rule 2) or the codes' (rules 1 and 3), which end two calendar
months after start or reissue. A notice is sent `days` before its deadline; one that was missed gives way to the next one
that is due, so that after days of downtime nobody gets two at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

from registry.calendar import last_suspended, suspension_day
from registry.states import SuspensionRule

# Domain rules, "Renewal, reissue, suspension".
REMINDERS = (28, 14, 7, 3, 1, 0)
WARNINGS = (30, 14, 3)
_DAY = timedelta(days=1)


class Kind(StrEnum):
    """What falls due: the end of a certificate, or the suspension by a rule."""

    RENEWAL = "renewal"
    NOT_RETRIEVED = "suspension-1"
    NOT_RENEWED = "suspension-2"
    REISSUE_NOT_RETRIEVED = "suspension-3"

    @property
    def rule(self) -> SuspensionRule | None:
        """The rule that suspends; none for a certificate's end."""
        return RULES.get(self)


RULES = {
    Kind.NOT_RETRIEVED: SuspensionRule.NOT_RETRIEVED,
    Kind.NOT_RENEWED: SuspensionRule.NOT_RENEWED,
    Kind.REISSUE_NOT_RETRIEVED: SuspensionRule.REISSUE_NOT_RETRIEVED,
}


@dataclass(frozen=True)
class Span:
    """The last days, from the first to the last one, of which the notice `days` before is the one to send today."""

    days: int
    first: date
    last: date


def deadline(kind: Kind, last_day: date) -> date:
    """Return the day of what falls due: the certificate's last one, or the first one of the suspension."""
    if kind is Kind.RENEWAL:
        return last_day
    return suspension_day(last_day) if kind is Kind.NOT_RENEWED else last_day + _DAY


def latest_counted(kind: Kind, day: date) -> date:
    """Return the latest last day whose deadline is this day or was before: the inverse of `deadline`."""
    if kind is Kind.RENEWAL:
        return day
    return last_suspended(day) if kind is Kind.NOT_RENEWED else day - _DAY


def spans(kind: Kind, steps: Sequence[int], today: date) -> tuple[Span, ...]:
    """Return what is to be told today, for notices so many days before: each last day is in one span at most.

    The last notice before a suspension may be sent until the day before it; on the day itself comes the suspension.
    """
    nearest = 0 if kind is Kind.RENEWAL else 1
    found = []
    for step in sorted(step for step in set(steps) if step >= nearest):
        first, last = latest_counted(kind, today + (nearest - 1) * _DAY) + _DAY, latest_counted(kind, today + step * _DAY)
        found.append(Span(step, first, last))
        nearest = step + 1
    return tuple(reversed(found))
