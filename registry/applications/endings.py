"""The early ends of an application that may have made terminals already: cancellation and voidness.

These join their caller's transaction, because codes and certificates of those terminals must end in the same one.
"""

from datetime import datetime

from sqlalchemy.orm import Session

from kernel import audit
from registry import terminals
from registry.applications.records import Deed, close_changes, leave_trace, locked, send, take_step
from registry.letters import Letters
from registry.states import ApplicationEvent, TerminalEvent, TerminalState


def cancel(
    session: Session, letters: Letters, receipt_number: str, *, actor: audit.Actor, reason: str, now: datetime
) -> tuple[str, ...]:
    """Cancel an application, abolish the terminals that it made, and return their names.

    Raises Refused with application-unknown or application-state. Writes audit, news and mails.
    """
    row = locked(session, receipt_number)
    take_step(row, ApplicationEvent.CANCEL)
    row.closed_at, row.reason = now, reason
    ended = _end_terminals(session, receipt_number, now)
    leave_trace(session, row, Deed("cancel", actor, now), terminals=len(ended))
    send(session, row, now, lambda to, office, receipt: letters.cancelled(to, office, receipt, reason))
    return ended


def void(
    session: Session, letters: Letters, receipt_number: str, *, actor: audit.Actor, reason: str, now: datetime
) -> tuple[str, ...]:
    """Declare an application void, abolish the terminals that it made, and return their names.

    Raises Refused with application-unknown or application-state. Writes audit, news and mails.
    """
    row = locked(session, receipt_number)
    take_step(row, ApplicationEvent.VOID)
    row.closed_at, row.reason = now, reason
    ended = _end_terminals(session, receipt_number, now)
    leave_trace(session, row, Deed("void", actor, now), terminals=len(ended))
    send(session, row, now, lambda to, office, receipt: letters.voided(to, office, receipt, reason))
    return ended


def _end_terminals(session: Session, receipt_number: str, now: datetime) -> tuple[str, ...]:
    close_changes(session, receipt_number)
    names = tuple(
        terminal.name for terminal in terminals.made_by(session, receipt_number) if terminal.state is not TerminalState.ABOLISHED
    )
    for name in names:
        terminals.step(session, name, TerminalEvent.ABOLISH, now)
    return names
