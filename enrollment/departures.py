"""Terminals that go for good: abolished on their day, or made by an application that was cancelled or became void.

Codes, certificates and the registry's records end in one transaction.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from ca.certificates import CertificateState, of_subject
from ca.revocation import Reason
from enrollment import code_sets, reissue_records, successions
from enrollment.code_sets import CodeSetEvent
from enrollment.deeds import Deed
from enrollment.ending import announce, trace
from kernel import audit
from kernel.audit import Actor
from kernel.clock import Clock, tokyo_date
from kernel.database import Database
from kernel.errors import Refused
from registry import applications, terminals
from registry.applications import DueAbolition
from registry.letters import Letters
from registry.states import TerminalEvent, TerminalState
from registry.terminals import Terminal

_ABOLITION = audit.job("abolition")
_SETTINGS = audit.job("settings-deadline")
OVERDUE_SETTINGS = "システム設定が期限までに完了しなかったため / the system settings were not complete in time"


@dataclass(frozen=True)
class Departures:
    """Abolishes, cancels, declares void. `letters` are the registry's mails about applications."""

    database: Database
    clock: Clock
    letters: Letters

    def cancel(self, receipt_number: str, reason: str, actor: Actor) -> tuple[str, ...]:
        """Cancel an application, whatever was prepared or retrieved for it; return the terminals that end with it.

        Raises Refused("application-unknown") and Refused("application-state").
        """
        now = self.clock.now()
        with self.database.transaction() as session:
            _end_made_by(session, receipt_number, actor, now)
            return applications.cancel(session, self.letters, receipt_number, actor=actor, reason=reason, now=now)

    def void_overdue(self, now: datetime) -> int:
        """Declare void what missed its system-settings deadline; return how many. A job, repeatable."""
        with self.database.snapshot() as session:
            overdue = applications.overdue_settings(session, tokyo_date(now))
        for receipt_number in overdue:
            with self.database.transaction() as session:
                if receipt_number in applications.overdue_settings(session, tokyo_date(now)):
                    _end_made_by(session, receipt_number, _SETTINGS, now)
                    applications.void(session, self.letters, receipt_number, actor=_SETTINGS, reason=OVERDUE_SETTINGS, now=now)
        return len(overdue)

    def abolish_due(self, now: datetime) -> int:
        """Carry out the abolitions whose start date has come; return how many. A job, repeatable, catches up."""
        with self.database.snapshot() as session:
            due = applications.due_abolitions(session, tokyo_date(now))
        for abolition in due:
            with self.database.transaction() as session:
                _abolish(session, abolition, now)
        return len(due)


def _abolish(session: Session, due: DueAbolition, now: datetime) -> None:
    _hold(session, (due.terminal_name,))
    terminal = terminals.get(session, due.terminal_name)
    if terminal is None or terminal.state == TerminalState.ABOLISHED:
        return
    _end_credentials(session, terminal, _ABOLITION, now)
    terminals.step(session, due.terminal_name, TerminalEvent.ABOLISH, now)
    trace(session, terminal, "terminal.abolish", _ABOLITION, now, receipt_number=due.receipt_number)
    announce(session, terminal, "terminal-abolished", now)


def _end_made_by(session: Session, receipt_number: str, actor: Actor, now: datetime) -> None:
    """End codes and certificates of the terminals that an application made. The application is locked first."""
    if applications.find(session, receipt_number, lock=True) is None:
        raise Refused("application-unknown", receipt_number=receipt_number)
    _hold(session, tuple(terminal.name for terminal in terminals.made_by(session, receipt_number)))
    for terminal in terminals.made_by(session, receipt_number):  # as they are, now that they are held
        if terminal.state == TerminalState.ABOLISHED:
            continue  # by another application, before
        _end_credentials(session, terminal, actor, now)
        trace(session, terminal, "terminal.abolish", actor, now, receipt_number=receipt_number)
        announce(session, terminal, "terminal-abolished", now)


def _hold(session: Session, names: tuple[str, ...]) -> None:
    """Lock all code sets, then all terminals, before the first revocation locks the issuer's counter."""
    for name in names:
        code_sets.open_set(session, name)
    for name in names:
        terminals.get(session, name, lock=True)


def _end_credentials(session: Session, terminal: Terminal, actor: Actor, now: datetime) -> None:
    row = code_sets.open_set(session, terminal.name)
    if row is not None:
        code_sets.leave(session, row, CodeSetEvent.REPLACE, now, actor=actor)
    successions.end(session, terminal.name, now, actor=actor, reason=Reason.CESSATION_OF_OPERATION)
    reissue_records.drop(session, terminal.name, now)
    deed = Deed(session, actor, now, terminal.name, terminal.office_code)
    for certificate in of_subject(session, terminal.name):
        if certificate.state in (CertificateState.VALID, CertificateState.HELD):
            deed.revoke(certificate.issuer, certificate.serial, Reason.CESSATION_OF_OPERATION)
