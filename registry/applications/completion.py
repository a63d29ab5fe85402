"""From approval to completion: codes prepared, start date reached, typed changes executed."""

from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from kernel import audit
from kernel.clock import tokyo_date
from kernel.database import Database
from kernel.errors import Refused
from registry import contracts, terminals
from registry.applications.records import Application, Deed, application_of, leave_trace, locked, take_step
from registry.billing import states
from registry.changes import from_stored
from registry.items import ITEMS, PRICE_PLAN, TERMINALS
from registry.states import ApplicationEvent, ApplicationState, PricePlan, TerminalState
from registry.tables import ApplicationItemRow, ApplicationRow, TerminalChangeRow
from registry.terminals import Terminal

_JOB = audit.job("complete")
_WAITING = (ApplicationState.APPROVED, ApplicationState.PREPARED)


@dataclass(frozen=True)
class DueAbolition:
    """A terminal whose abolition takes effect today or should have before."""

    terminal_name: str
    receipt_number: str
    office_code: str
    start_date: date


def terminals_to_prepare(session: Session, receipt_number: str) -> tuple[Terminal, ...]:
    """Return the terminals that an approved application made and that need codes, by name.

    After the start date was moved these are also such that had a certificate already: it carries the old date.
    """
    made = terminals.made_by(session, receipt_number)
    return tuple(terminal for terminal in made if terminal.state in (TerminalState.PENDING, TerminalState.IN_SERVICE))


def mark_prepared(session: Session, receipt_number: str, actor: audit.Actor, now: datetime) -> Application:
    """Note that the codes of an application's terminals are prepared, in the transaction that prepares them.

    Raises Refused with application-unknown, application-state, nothing-to-prepare or terminal-suspended: codes are
    prepared once, for all terminals of the application, so one that is suspended then would never get any. Writes the
    audit entry; news and mails are the caller's, who knows what there is to see.
    """
    row = locked(session, receipt_number)
    take_step(row, ApplicationEvent.PREPARE)
    prepared = terminals_to_prepare(session, receipt_number)
    if not prepared:
        raise Refused("nothing-to-prepare", receipt_number=receipt_number)
    if (waiting := _suspended(session, receipt_number)) is not None:
        raise Refused("terminal-suspended", terminal=waiting)
    audit.record(
        session,
        now=now,
        actor=actor,
        action="application.prepare",
        subject=f"application:{receipt_number}",
        office_code=row.office_code,
        terminals=len(prepared),
    )
    session.flush()
    return application_of(row)


def due_abolitions(session: Session, today: date) -> tuple[DueAbolition, ...]:
    """Return the abolitions that take effect by today. `terminals.step(…, ABOLISH, …)` settles each."""
    query = (
        select(TerminalChangeRow.terminal_name, ApplicationRow)
        .join(ApplicationRow)
        .where(
            TerminalChangeRow.is_open,
            TerminalChangeRow.after.is_(None),
            ApplicationRow.state.in_(_WAITING),
            ApplicationRow.start_date <= today,
        )
        .order_by(TerminalChangeRow.terminal_name)
    )
    return tuple(
        DueAbolition(name, row.receipt_number, row.office_code, row.start_date)
        for name, row in session.execute(query)
        if row.start_date is not None
    )


def overdue_settings(session: Session, today: date) -> tuple[str, ...]:
    """Return the receipt numbers of applications whose system settings were not complete on their last day."""
    return tuple(session.scalars(_without_settings().where(ApplicationRow.settings_deadline < today)))


def missing_settings(session: Session, office_code: str, today: date) -> tuple[str, ...]:
    """Return the receipt numbers of an office's applications whose system settings are to be completed yet, and can be."""
    ahead = (ApplicationRow.office_code == office_code) & (ApplicationRow.settings_deadline >= today)
    return tuple(session.scalars(_without_settings().where(ahead)))


def _without_settings() -> Select[str]:
    needing = [code for code, item in ITEMS.items() if item.needs_settings]
    return (
        select(ApplicationRow.receipt_number)
        .join(ApplicationItemRow)
        .where(
            ApplicationRow.state.in_(_WAITING),
            ApplicationItemRow.item.in_(needing),
            ApplicationItemRow.executed_at.is_(None),
        )
        .distinct()
        .order_by(ApplicationRow.receipt_number)
    )


def complete_due(database: Database, *, now: datetime) -> int:
    """Carry out the typed changes whose start date has come, complete what is done, and return how many were completed.

    A job; it may run twice or late. An application still waits while a terminal has no codes, an abolition is not
    carried out, or staff have not marked an item as executed; its other changes take effect all the same.
    """
    today = tokyo_date(now)
    due = (
        select(ApplicationRow.receipt_number)
        .where(ApplicationRow.state.in_(_WAITING), ApplicationRow.start_date <= today)
        .order_by(ApplicationRow.start_date, ApplicationRow.receipt_number)
    )
    with database.snapshot() as session:
        receipt_numbers = session.scalars(due).all()
    completed = 0
    for receipt_number in receipt_numbers:
        with database.transaction() as session:
            completed += _complete(session, receipt_number, now)
    return completed


def _complete(session: Session, receipt_number: str, now: datetime) -> bool:
    row = locked(session, receipt_number)
    if row.state not in _WAITING or row.start_date is None or row.start_date > tokyo_date(now):
        return False
    _execute_reclassifications(session, row, now)
    _execute_price_plan(session, row, now)
    if not _terminals_are_done(session, row, now) or _something_waits(session, receipt_number):
        return False
    take_step(row, ApplicationEvent.COMPLETE)
    row.closed_at = now
    leave_trace(session, row, Deed("complete", _JOB, now))
    return True


def _execute_reclassifications(session: Session, row: ApplicationRow, now: datetime) -> None:
    query = (
        select(TerminalChangeRow)
        .where(
            TerminalChangeRow.receipt_number == row.receipt_number,
            TerminalChangeRow.is_open,
            TerminalChangeRow.after.is_not(None),
        )
        .order_by(TerminalChangeRow.terminal_name)
    )
    for change in session.scalars(query).all():
        # The terminal's row decides: who abolished it a moment ago has closed this change.
        terminals.get(session, change.terminal_name, lock=True)
        session.refresh(change)
        if change.after is None or not change.is_open:
            continue
        terminals.reclassify(session, change.terminal_name, change.after, now)
        change.is_open, change.executed_at = False, now
        audit.record(
            session,
            now=now,
            actor=_JOB,
            action="terminal.reclassify",
            subject=f"terminal:{change.terminal_name}",
            office_code=row.office_code,
            before=change.before.value,
            after=change.after.value,
        )


def _execute_price_plan(session: Session, row: ApplicationRow, now: datetime) -> None:
    item = session.get(ApplicationItemRow, (row.receipt_number, PRICE_PLAN))
    if item is None or item.executed_at is not None:
        return
    item.executed_at, item.executed_by = now, str(_JOB)
    for entry in from_stored(PRICE_PLAN, item.entries).entries:  # none, when the plan was only confirmed
        before, after = (entry.before or {})[PRICE_PLAN], (entry.after or {})[PRICE_PLAN]
        contracts.set_price_plan(session, row.office_code, PricePlan(after))
        states.note(session, row.office_code, row.start_date or tokyo_date(now))
        audit.record(
            session,
            now=now,
            actor=_JOB,
            action="contract.price-plan",
            subject=f"office:{row.office_code}",
            office_code=row.office_code,
            before=before,
            after=after,
        )


def _terminals_are_done(session: Session, row: ApplicationRow, now: datetime) -> bool:
    item = session.get(ApplicationItemRow, (row.receipt_number, TERMINALS))
    if item is None or item.executed_at is not None:
        return True
    waiting = select(TerminalChangeRow).where(TerminalChangeRow.receipt_number == row.receipt_number, TerminalChangeRow.is_open)
    unprepared = row.state is ApplicationState.APPROVED and (
        terminals_to_prepare(session, row.receipt_number) or _suspended(session, row.receipt_number)
    )
    if unprepared or session.scalar(waiting.limit(1)) is not None:
        return False
    item.executed_at, item.executed_by = now, str(_JOB)
    return True


def _suspended(session: Session, receipt_number: str) -> str | None:
    """Return the first of an application's terminals that was suspended before it had the certificate of the start date."""
    made = terminals.made_by(session, receipt_number)
    return next((terminal.name for terminal in made if terminal.state is TerminalState.SUSPENDED), None)


def _something_waits(session: Session, receipt_number: str) -> bool:
    waiting = select(ApplicationItemRow.item).where(
        ApplicationItemRow.receipt_number == receipt_number, ApplicationItemRow.executed_at.is_(None)
    )
    return session.scalar(waiting.limit(1)) is not None
