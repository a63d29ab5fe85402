"""A confirmed start date that is moved, before it comes: whatever was made for the old one gives way.

Codes and certificates carry the start date (domain rules, "Review"). Open codes end at once, retrieved or not: new ones are
prepared by somebody who neither approved nor moved. A certificate that would begin too early is revoked; one that begins
later than needed logs on from its own beginning, until its terminal retrieves the next one.
"""

from dataclasses import dataclass
from datetime import date

from sqlalchemy.orm import Session

from ca.revocation import Reason
from enrollment import code_sets, reissue_records
from enrollment.code_sets import CodeSetEvent
from enrollment.deeds import Ending
from enrollment.ending import announce, revoke_all, trace
from kernel.audit import Actor
from kernel.clock import Clock
from kernel.database import Database
from registry import applications, terminals
from registry.applications import Move
from registry.letters import Letters
from registry.terminals import Terminal


@dataclass(frozen=True)
class StartMoves:
    """Moves start dates. Needs no key: the codes are `CodePreparation`'s. `letters` are the registry's mails."""

    database: Database
    clock: Clock
    letters: Letters

    def move(self, receipt_number: str, start_date: date, reason: str, actor: Actor) -> tuple[str, ...]:
        """Move an approved application's start date; return its terminals, which need new codes.

        `reason` is told to the customer. Raises Refused("application-unknown"), "application-state",
        "approver-is-applicant", "start-passed", "start-same", "date-past", "date-far", "settings-too-late".
        """
        move = Move(start_date, reason, actor, self.clock.now())
        with self.database.transaction() as session:
            application = applications.require_movable(session, receipt_number, move)
            names = [terminal.name for terminal in terminals.made_by(session, receipt_number)]
            # The order of locks: application, code sets, terminals, at last the issuer's counter (`code_sets.locked`).
            rows = code_sets.open_sets(session, names)
            moved = applications.move_start(session, self.letters, receipt_number, move)
            for row in rows:
                code_sets.leave(session, row, CodeSetEvent.REPLACE, move.now, actor=actor, cause="start-moved")
            is_later = application.start_date is not None and start_date > application.start_date
            for terminal in moved:
                _give_way(session, terminal, move, is_later=is_later)
        return tuple(terminal.name for terminal in moved)


def _give_way(session: Session, terminal: Terminal, move: Move, *, is_later: bool) -> None:
    reissue_records.drop(session, terminal.name, move.now)
    trace(session, terminal, "terminal.move-start", move.actor, move.now, start_date=move.start_date.isoformat())
    if not is_later:
        return
    # notBefore is never before the start date.
    ended = revoke_all(session, terminal, None, Ending(Reason.SUPERSEDED, move.actor, move.now))
    if ended.revoked:
        announce(session, terminal, "certificate-revoked", move.now)
