"""Moving a confirmed start date, before it comes. The review's decision changes, so the codes are prepared anew.

This joins its caller's transaction, because codes and certificates carry the start date and change in the same one.
"""

from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy.orm import Session

from kernel import audit
from kernel.clock import tokyo_date
from kernel.errors import Refused
from registry import calendar, terminals
from registry.applications.records import Application, Deed, application_of, leave_trace, locked, send, take_step
from registry.applications.review import settings_deadline
from registry.letters import Letters
from registry.states import ApplicationEvent
from registry.terminals import Terminal


@dataclass(frozen=True)
class Move:
    """To which day, by whom, and why in words to the customer."""

    start_date: date
    reason: str
    actor: audit.Actor
    now: datetime


def require_movable(session: Session, receipt_number: str, move: Move) -> Application:
    """Lock an application and return it if its start date can be moved so.

    Raises Refused with application-unknown, application-state, approver-is-applicant, start-passed (service has begun),
    start-same, date-past, date-far, settings-too-late.
    """
    row, today = locked(session, receipt_number), tokyo_date(move.now)
    take_step(row, ApplicationEvent.MOVE)
    if str(move.actor) == row.applied_by:
        raise Refused("approver-is-applicant")
    if row.start_date is None or row.start_date <= today:
        raise Refused("start-passed", start_date=row.start_date)
    if row.start_date == move.start_date:
        raise Refused("start-same", start_date=move.start_date)
    calendar.check_start(move.start_date, today)
    settings_deadline(session, receipt_number, move.start_date, today)
    return application_of(row)


def move_start(session: Session, letters: Letters, receipt_number: str, move: Move) -> tuple[Terminal, ...]:
    """Move the start date of an application that `require_movable` let pass, and of the terminals that it made.

    Returns those terminals, without the abolished ones. Writes audit, news and mails.
    """
    row = locked(session, receipt_number)
    before, row.start_date = row.start_date, move.start_date
    row.settings_deadline = settings_deadline(session, receipt_number, move.start_date, tokyo_date(move.now))
    row.moved_by, deadline = str(move.actor), row.settings_deadline
    moved = terminals.move_start(session, receipt_number, move.start_date, move.now)
    days = {"start_date": move.start_date.isoformat(), "before": before.isoformat() if before else ""}
    leave_trace(session, row, Deed("move", move.actor, move.now, news="moved"), **days)
    send(
        session,
        row,
        move.now,
        lambda to, office, receipt: letters.moved(
            to, office, receipt, days=(before, move.start_date), settings_deadline=deadline, reason=move.reason
        ),
    )
    return moved
