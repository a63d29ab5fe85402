"""What there is to bill an office for a month, from its contract's history (docs/decisions/0043-billing.md).

A day counts by what stood at its end, 24:00 in Tokyo. A terminal is billed for a month in which one day counts: it had begun, was
not abolished, and was not suspended. The plan is that of the month's first day; an office that had none then gets the first
one of the month. A service that is billed by user code is billed for a month in which it was in force on any day.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from kernel.clock import tokyo_date
from registry.billing.bills import Facts, Usage
from registry.billing.months import Month, month_of
from registry.billing.states import BilledState, states_of
from registry.billing.tables import SuspensionRow, UsageRow
from registry.states import PricePlan
from registry.tables import ApplicationRow, ContractRow, TerminalChangeRow, TerminalRow

_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Service:
    """A terminal's time: its first day, the first day on which it was gone, and the days on which it was suspended.

    A suspension is from its first day to before the day on which it was over; none while it lasts.
    """

    begins: date
    ends: date | None = None
    suspensions: tuple[tuple[date, date | None], ...] = ()

    def counts_in(self, month: Month, last_day: date | None = None) -> bool:
        """Tell whether any day of a month counts, until the contract's last day if it has one."""
        day = max(self.begins, month.first)
        over = min(filter(None, (month.last + _DAY, self.ends, last_day and last_day + _DAY)))
        for begin, end in sorted(self.suspensions, key=lambda one: one[0]):
            if begin > day:
                break
            day = max(day, end or over)
        return day < over


def facts_of(session: Session, office_code: str, month: Month) -> Facts:
    """Return what there is to bill for a month that is over."""
    last_day = session.get_one(ContractRow, office_code).ends_on
    states = [
        state
        for state in in_force(states_of(session, office_code, month.last), month)
        if last_day is None or max(state.from_day, month.first) <= last_day
    ]
    return Facts(
        month,
        next((state.plan for state in states if state.plan is not None), None),
        tuple(name for name, one in _services(session, office_code, month).items() if one.counts_in(month, last_day)),
        tuple(sorted({code for state in states for code in state.statistics})),
        tuple(sorted({code for state in states for code in state.storage})),
        tuple(usage_of(row) for row in unbilled(session, office_code, month)),
    )


def in_force(states: Iterable[BilledState], month: Month) -> tuple[BilledState, ...]:
    """Return the states that were in force on any day of a month, oldest first."""
    known = [state for state in states if state.from_day <= month.last]
    begun = [state for state in known if state.from_day <= month.first]
    return (*begun[-1:], *(state for state in known if state.from_day > month.first))


def plan_of(states: Iterable[BilledState], month: Month) -> PricePlan | None:
    """Return the plan that counts for a month."""
    return next((state.plan for state in in_force(states, month) if state.plan is not None), None)


def unbilled(session: Session, office_code: str, month: Month) -> tuple[UsageRow, ...]:
    """Return the metered use up to a month that is in no bill yet."""
    waiting = (UsageRow.office_code == office_code, UsageRow.bill_id.is_(None), UsageRow.month <= month.first)
    return tuple(session.scalars(select(UsageRow).where(*waiting).order_by(UsageRow.record)))


def usage_of(row: UsageRow) -> Usage:
    """Return a record's content."""
    return Usage(
        row.record, row.office_code, month_of(row.month), row.user_code, row.title, row.quantity, row.unit, row.amount
    )  # fmt: skip


def _services(session: Session, office_code: str, month: Month) -> Mapping[str, Service]:
    """Return the time of each terminal that had begun by the end of a month, by name."""
    own = (TerminalRow.office_code == office_code, TerminalRow.start_date <= month.last)
    rows = session.scalars(select(TerminalRow).where(*own).order_by(TerminalRow.name)).all()
    names = [row.name for row in rows]
    over: dict[str, list[tuple[date, date | None]]] = {name: [] for name in names}
    for one in session.scalars(select(SuspensionRow).join(TerminalRow).where(*own)):
        over[one.terminal_name].append((tokyo_date(one.began_at), tokyo_date(one.ended_at)))
    agreed = _agreed_ends(session, office_code)
    for row in rows:
        if row.suspended_at is not None:
            over[row.name].append((tokyo_date(row.suspended_at), None))
    return {
        row.name: Service(row.start_date, _end(row.abolished_at, agreed.get(row.name)), tuple(over[row.name])) for row in rows
    }


def _agreed_ends(session: Session, office_code: str) -> Mapping[str, date]:
    """Return the days for which abolitions that were carried out had been confirmed: our delay is not the customer's to pay."""
    query = (
        select(TerminalChangeRow.terminal_name, ApplicationRow.start_date)
        .join(ApplicationRow)
        .where(
            ApplicationRow.office_code == office_code,
            TerminalChangeRow.after.is_(None),
            TerminalChangeRow.executed_at.is_not(None),
        )
    )
    return {name: day for name, day in session.execute(query) if day is not None}


def _end(abolished_at: datetime | None, agreed: date | None) -> date | None:
    if abolished_at is None:
        return None
    return min(tokyo_date(abolished_at), agreed or date.max)
