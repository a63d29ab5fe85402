"""The jobs: tell in time, suspend when it is time. Both may be repeated, run on several nodes at once, and catch up.

Notices are told in batches of whole offices, each in a transaction with the rows that say so; suspensions one by one,
under the locks of whoever retrieves or renews, and looked at again there.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import groupby

from sqlalchemy import select
from sqlalchemy.orm import Session

from ca import certificates
from enrollment import code_sets, ending
from enrollment.deadlines import due
from enrollment.deadlines.days import REMINDERS, RULES, WARNINGS, Kind, Span, deadline, latest_counted, spans
from enrollment.deadlines.due import AT_LAST, DeadlineRow, Due, Outcome
from enrollment.deadlines.letters import Notice, post_near, post_suspended
from enrollment.letters import PLAIN, Envelope
from enrollment.reissue_records import ACCEPTED
from enrollment.tables import CredentialRow, ReissueRow
from kernel import audit
from kernel.clock import tokyo_date
from kernel.database import Database, insert_if_absent, insert_new
from registry import news, terminals
from registry.letters import Letters
from registry.news import NewsKind
from registry.states import SuspensionRule, TerminalState
from registry.terminals import Terminal

# So many terminals are told of in one transaction: others wait for it no longer than for a page.
BATCH = 200
_JOB = audit.job("deadlines")
_STOPPED = (TerminalState.SUSPENDED, TerminalState.ABOLISHED)


@dataclass(frozen=True)
class Deadlines:
    """Reminds, warns and suspends. `reminder_days` and `warning_days` are how many days before.

    `fixed_end` is the last day of the system generation where certificates end on it: those can not be renewed.
    """

    database: Database
    letters: Letters = PLAIN
    reminder_days: tuple[int, ...] = REMINDERS
    warning_days: tuple[int, ...] = WARNINGS
    fixed_end: date | None = None

    def tell_due(self, now: datetime) -> int:
        """Send the reminders and warnings that are due today; return of how many terminals."""
        told = 0
        for kind in Kind:
            steps = self.reminder_days if kind is Kind.RENEWAL else self.warning_days
            for span in spans(kind, steps, tokyo_date(now)):
                with self.database.snapshot() as session:
                    waiting = due.waiting(session, kind, span.days, first=span.first, last=span.last)
                for batch in _batches(waiting):
                    with self.database.transaction() as session:
                        told += self._tell(session, kind, span, batch, now)
        return told

    def suspend_due(self, now: datetime) -> int:
        """Suspend the terminals whose day has come; return how many."""
        suspended = 0
        for kind, rule in RULES.items():
            last = latest_counted(kind, tokyo_date(now))
            with self.database.snapshot() as session:
                waiting = due.waiting(session, kind, AT_LAST, first=None, last=last)
            for one in waiting:
                with self.database.transaction() as session:
                    suspended += self._suspend(session, kind, rule, one.terminal, now)
        return suspended

    def _tell(self, session: Session, kind: Kind, span: Span, batch: Sequence[Due], now: datetime) -> int:
        names = [one.terminal for one in batch]
        # Asked again: between the two questions somebody may have renewed, or another node told.
        waiting = due.waiting(session, kind, span.days, first=span.first, last=span.last, names=names)
        concerned = _concerned(session, kind, names)
        rows = [_row(kind, span.days, one, now, Outcome.TOLD) for one in waiting if one.terminal in concerned]
        told = set(insert_new(session, DeadlineRow, rows, DeadlineRow.terminal))
        reissued = _being_reissued(session, told) if kind is Kind.RENEWAL else frozenset()
        for (office_code, last_day), some in groupby(waiting, key=lambda one: (one.office_code, one.last_day)):
            those = [concerned[one.terminal] for one in some if one.terminal in told]
            if those:
                to = Envelope(session, self.letters, office_code, now)
                post_near(to, Notice(kind, last_day, reissued, is_final=self._is_final(last_day)), those)
                _announce(to, kind, last_day, those)
        return len(told)

    def _is_final(self, last_day: date) -> bool:
        """Return whether a renewal would end no later than what it renews, and so is refused as pointless."""
        return self.fixed_end is not None and last_day >= self.fixed_end

    def _suspend(self, session: Session, kind: Kind, rule: SuspensionRule, name: str, now: datetime) -> bool:
        codes = code_sets.open_set(session, name)
        terminal = terminals.get(session, name, lock=True)
        last = latest_counted(kind, tokyo_date(now))
        waiting = due.waiting(session, kind, AT_LAST, first=None, last=last, names=[name])
        if terminal is None or not waiting:
            return False
        outcome = Outcome.PASSED if terminal.state in _STOPPED else Outcome.SUSPENDED
        new = [insert_if_absent(session, DeadlineRow, _row(kind, AT_LAST, one, now, outcome)) for one in waiting]
        if outcome is Outcome.PASSED or not any(new):
            return False
        ending.stop(session, terminal, codes, _JOB, now, rule)
        post_suspended(Envelope(session, self.letters, terminal.office_code, now), rule, terminal)
        ending.announce(session, terminal, f"terminal-suspended-{int(rule)}", now)
        return True


def _batches(waiting: Sequence[Due]) -> Iterator[list[Due]]:
    """Yield terminals in batches that part no office, so that each gets one mail."""
    batch: list[Due] = []
    for _, of_office in groupby(waiting, key=lambda one: one.office_code):
        batch += of_office
        if len(batch) >= BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _row(kind: Kind, days: int, one: Due, now: datetime, outcome: Outcome) -> dict[str, object]:
    return {
        "terminal": one.terminal,
        "kind": kind.value,
        "last_day": one.last_day,
        "days": days,
        "at": now,
        "outcome": outcome.value,
    }


def _concerned(session: Session, kind: Kind, names: Sequence[str]) -> dict[str, Terminal]:
    """Return those of the terminals that can still do something: not stopped, and with a good certificate if it is to end."""
    going = {name: one for name, one in terminals.named(session, names).items() if one.state not in _STOPPED}
    if kind is not Kind.RENEWAL:
        return going
    good = certificates.living(session, names)
    current = session.execute(
        select(CredentialRow.terminal, CredentialRow.issuer, CredentialRow.serial).where(CredentialRow.terminal.in_(names))
    )
    return {name: going[name] for name, issuer, serial in current if name in going and (issuer, serial) in good}


def _being_reissued(session: Session, names: set[str]) -> frozenset[str]:
    query = select(ReissueRow.terminal).where(ReissueRow.terminal.in_(names), ReissueRow.state.in_(ACCEPTED))
    return frozenset(session.scalars(query))


def _announce(to: Envelope, kind: Kind, last_day: date, concerned: Sequence[Terminal]) -> None:
    """Write one line of news for an office, however many of its terminals are concerned."""
    what = "renewal" if kind is Kind.RENEWAL else "suspension"
    day = f"{deadline(kind, last_day):%Y/%m/%d}"
    line = {"code": f"{what}-near", "terminal": concerned[0].name}
    if len(concerned) > 1:
        line = {"code": f"{what}s-near", "count": str(len(concerned))}
    news.publish(to.session, now=to.now, office_code=to.office_code, kind=NewsKind.CERTIFICATE, day=day, **line)
