"""Preparing code sets: by another member of staff than the one who approved, sealed so that staff cannot read them."""

import secrets
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from enrollment import code_sets, guessing, letters
from enrollment import codes as code_rules
from enrollment.code_sets import CodeSetEvent, CodeSetState
from enrollment.letters import Envelope
from enrollment.tables import CodeSetRow
from kernel import audit, throttle
from kernel.audit import Actor
from kernel.clock import Clock, tokyo_date
from kernel.database import Database
from kernel.errors import Refused
from keys.codes import CodeHasher, Sealer
from registry import applications, news, offices, terminals
from registry.calendar import SUSPENSION_MONTHS, months_after
from registry.letters import Letters
from registry.news import NewsKind
from registry.states import TerminalState
from registry.terminals import Terminal

_MAY_RETRIEVE = (TerminalState.PENDING, TerminalState.IN_SERVICE)


@dataclass(frozen=True)
class CodePreparation:
    """Prepares and replaces code sets. Holds only the public half of the sealing key."""

    database: Database
    clock: Clock
    hasher: CodeHasher
    sealer: Sealer
    letters: Letters

    def prepare(self, receipt_number: str, actor: Actor) -> tuple[str, ...]:
        """Prepare the codes of an approved application's new terminals and return the terminals' names.

        Raises Refused("application-unknown"), Refused("application-state"), Refused("same-person") when the approver
        asks, Refused("nothing-to-prepare").
        """
        now = self.clock.now()
        with self.database.transaction() as session:
            application = applications.find(session, receipt_number, lock=True)
            if application is None or application.approver is None or application.start_date is None:
                raise Refused("application-unknown", receipt_number=receipt_number)
            if application.approver == str(actor):
                raise Refused("same-person", receipt_number=receipt_number)
            waiting = applications.terminals_to_prepare(session, receipt_number)
            if not waiting:
                raise Refused("nothing-to-prepare", receipt_number=receipt_number)
            applications.mark_prepared(session, receipt_number, actor, now)
            for terminal in waiting:
                self.put_set(session, terminal, application.approver, actor, now, receipt_number=terminal.receipt_number)
            facts = letters.Prepared(
                office_code=application.office_code,
                receipt_number=receipt_number,
                received_on=tokyo_date(application.applied_at).strftime("%Y/%m/%d"),
                start_date=application.start_date.strftime("%Y/%m/%d"),
                terminals=tuple(terminal.name for terminal in waiting),
            )
            letters.post_prepared(Envelope(session, self.letters, facts.office_code, now), facts, application.applicant)
            self._announce(session, application.office_code, receipt_number, now, count=len(waiting))
        return facts.terminals

    def prepare_existing(self, terminal_name: str, approver: Actor, actor: Actor) -> None:
        """Prepare codes for a terminal that was taken over without an application (imports).

        Raises Refused("terminal-unknown"), Refused("terminal-state"), Refused("same-person"), Refused("codes-open") when
        it has some: then they are replaced instead.
        """
        now = self.clock.now()
        if str(approver) == str(actor):
            raise Refused("same-person", terminal=terminal_name)
        with self.database.transaction() as session:
            terminal = _retrievable(session, terminal_name)
            if code_sets.has_open_set(session, terminal_name):
                raise Refused("codes-open", terminal=terminal_name)
            self.put_set(session, terminal, str(approver), actor, now, receipt_number=terminal.receipt_number)

    def replace(self, terminal_name: str, actor: Actor) -> None:
        """Give a terminal new codes instead of its open ones, which end at once, claimed or not.

        Raises Refused("codes-none") when it has no open codes, Refused("same-person") for their approver.
        """
        now = self.clock.now()
        with self.database.transaction() as session:
            row = code_sets.open_set(session, terminal_name)
            if row is None:
                raise Refused("codes-none", terminal=terminal_name)
            if row.approver == str(actor):
                raise Refused("same-person", terminal=terminal_name)
            terminal = _retrievable(session, terminal_name)
            code_sets.leave(session, row, CodeSetEvent.REPLACE, now, actor=actor)
            self.put_set(session, terminal, row.approver, actor, now, receipt_number=row.receipt_number)
            self._announce(session, row.office_code, row.receipt_number, now, count=1)

    def unlock(self, terminal_name: str, actor: Actor) -> None:
        """Lift the lock that wrong tries put on a terminal's open codes; raises Refused("codes-none")."""
        now = self.clock.now()
        with self.database.transaction() as session:
            row = code_sets.open_set(session, terminal_name)
            if row is None:
                raise Refused("codes-none", terminal=terminal_name)
            throttle.forgive(session, guessing.access_key_throttle(row.access_key_digest))
            _record(session, row, "codes.unlock", actor, now)

    def thaw(self, terminal_name: str, actor: Actor) -> None:
        """Let frozen codes be redeemed again; raises Refused("codes-none"), Refused("code-set-state")."""
        now = self.clock.now()
        with self.database.transaction() as session:
            row = code_sets.open_set(session, terminal_name)
            if row is None:
                raise Refused("codes-none", terminal=terminal_name)
            _retrievable(session, terminal_name)
            row.state = code_sets.LIFECYCLE.step(CodeSetState(row.state), CodeSetEvent.THAW)
            _record(session, row, "codes.thaw", actor, now)

    def put_set(
        self, session: Session, terminal: Terminal, approver: str, actor: Actor, now: datetime, *, receipt_number: str | None
    ) -> CodeSetRow:  # fmt: skip
        """Store a new set for a terminal, whose row is held and which has no open one; raises Refused("office-unknown").

        `receipt_number` names the application whose notice shows it; without one it is shown in the office's own notice.
        """
        office = offices.get(session, terminal.office_code)
        if office is None:
            raise Refused("office-unknown", office_code=terminal.office_code)
        codes = code_rules.generate(terminal.name, office.code)
        code_set_id = secrets.token_hex(16)
        row = CodeSetRow(
            id=code_set_id,
            terminal=terminal.name,
            office_code=office.code,
            receipt_number=receipt_number,
            approver=approver,
            preparer=str(actor),
            state=CodeSetState.PREPARED,
            access_key_digest=code_rules.access_key_digest(self.hasher, codes.access_key),
            codes_digest=code_rules.codes_digest(self.hasher, codes),
            sealed=code_rules.seal(self.sealer, codes, code_set_id, terminal.name),
            start_date=terminal.start_date,
            # Domain rules, suspension (1) and (3): codes end with the day before their terminal is suspended.
            expires_on=months_after(max(terminal.start_date, tokyo_date(now)), SUSPENSION_MONTHS),
            prepared_at=now,
        )
        session.add(row)
        session.flush()
        _record(session, row, "codes.prepare", actor, now, approver=approver)
        return row

    def _announce(self, session: Session, office_code: str, receipt_number: str | None, now: datetime, *, count: int) -> None:
        news.publish(
            session,
            now=now,
            office_code=office_code,
            kind=NewsKind.CERTIFICATE,
            code="codes-prepared",
            target=f"id_notice:{receipt_number}" if receipt_number else None,
            count=count,
        )


def _retrievable(session: Session, name: str) -> Terminal:
    terminal = terminals.get(session, name, lock=True)
    if terminal is None:
        raise Refused("terminal-unknown", terminal=name)
    if terminal.state not in _MAY_RETRIEVE:
        raise Refused("terminal-state", terminal=name, state=terminal.state.value)
    return terminal


def _record(session: Session, row: CodeSetRow, action: str, actor: Actor, now: datetime, **facts: str) -> None:
    audit.record(
        session, now=now, actor=actor, action=action, subject=f"terminal:{row.terminal}", office_code=row.office_code, **facts
    )
