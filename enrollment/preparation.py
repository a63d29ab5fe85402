"""Preparing code sets: by another member of staff than the one who approved, sealed so that staff cannot read them."""

import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from enrollment import code_sets, freezes, guessing, letters, reissue_records
from enrollment import codes as code_rules
from enrollment.code_sets import CodeSetEvent, CodeSetState
from enrollment.letters import Envelope
from enrollment.tables import CodeSetRow
from kernel import audit, throttle
from kernel.audit import Actor
from kernel.clock import Clock, tokyo_date
from kernel.database import Database, insert_all
from kernel.errors import Refused
from keys.codes import CodeHasher, Sealer
from registry import applications, news, offices, terminals
from registry.calendar import SUSPENSION_MONTHS, months_after
from registry.letters import Letters
from registry.news import NewsKind
from registry.states import TerminalState
from registry.terminals import Terminal

# A code set that is not stored yet, by column.
CodeSetValues = Mapping[str, Any]
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

        Raises Refused("application-unknown"), Refused("application-state"), Refused("same-person") when the approver,
        or whoever moved the start date, asks, Refused("nothing-to-prepare").
        """
        now = self.clock.now()
        with self.database.transaction() as session:
            application = applications.find(session, receipt_number, lock=True)
            if application is None or application.approver is None or application.start_date is None:
                raise Refused("application-unknown", receipt_number=receipt_number)
            if str(actor) in (application.approver, application.mover):
                raise Refused("same-person", receipt_number=receipt_number)
            waiting = applications.terminals_to_prepare(session, receipt_number)
            if not waiting:
                raise Refused("nothing-to-prepare", receipt_number=receipt_number)
            applications.mark_prepared(session, receipt_number, actor, now)
            made = self.make_sets(waiting, application.approver, actor, now, receipt_number=receipt_number)
            store_sets(session, made, actor, now)
            facts = letters.Prepared(
                office_code=application.office_code,
                receipt_number=receipt_number,
                received_on=tokyo_date(application.applied_at),
                start_date=application.start_date,
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

        Raises Refused("codes-none") when it has no open codes, Refused("same-person") for their approver
        and whoever moved their start date.
        """
        now = self.clock.now()
        with self.database.transaction() as session:
            row = code_sets.open_set(session, terminal_name)
            if row is None:
                raise Refused("codes-none", terminal=terminal_name)
            application = applications.find(session, row.receipt_number) if row.receipt_number else None
            if str(actor) in (row.approver, application.mover if application else None):
                raise Refused("same-person", terminal=terminal_name)
            terminal = _retrievable(session, terminal_name)
            code_sets.leave(session, row, CodeSetEvent.REPLACE, now, actor=actor)
            made = self.put_set(session, terminal, row.approver, actor, now, receipt_number=row.receipt_number)
            reissue_records.prolong(session, terminal_name, made.expires_on)
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

    def thaw(self, terminal_name: str, actor: Actor) -> bool:
        """Let frozen codes be redeemed again; return False while the administrator's consent is still wanted.

        Only codes that somebody of the office froze need it. Raises Refused("codes-none"), "code-set-state",
        "terminal-state".
        """
        now = self.clock.now()
        with self.database.transaction() as session:
            row = code_sets.open_set(session, terminal_name)
            if row is None:
                raise Refused("codes-none", terminal=terminal_name)
            return freezes.release(session, row, actor, now, self.letters)

    def put_set(
        self, session: Session, terminal: Terminal, approver: str, actor: Actor, now: datetime, *, receipt_number: str | None
    ) -> CodeSetRow:  # fmt: skip
        """Store a new set for a terminal, whose row is held and which has no open one; raises Refused("office-unknown").

        `receipt_number` names the application whose notice shows it; without one it is shown in the office's own notice.
        """
        if offices.get(session, terminal.office_code) is None:
            raise Refused("office-unknown", office_code=terminal.office_code)
        [made] = self.make_sets([terminal], approver, actor, now, receipt_number=receipt_number)
        store_sets(session, [made], actor, now)
        return session.get_one(CodeSetRow, made["id"])

    def make_sets(
        self, wanted: Iterable[Terminal], approver: str, actor: Actor, now: datetime, *, receipt_number: str | None = None
    ) -> list[CodeSetValues]:
        """Make codes for terminals and return what is to be stored, for `store_sets`; here nothing is.

        Sets that are made together share a data key, so all of an application or of a batch are made by one call.
        """
        today, data_key = tokyo_date(now), self.sealer.data_key()
        made: list[CodeSetValues] = []
        for terminal in wanted:
            codes, code_set_id = code_rules.generate(terminal.name, terminal.office_code), secrets.token_hex(16)
            values = {
                "id": code_set_id,
                "terminal": terminal.name,
                "office_code": terminal.office_code,
                "receipt_number": receipt_number,
                "approver": approver,
                "preparer": str(actor),
                "state": CodeSetState.PREPARED.value,
                "access_key_digest": code_rules.access_key_digest(self.hasher, codes.access_key),
                "codes_digest": code_rules.codes_digest(self.hasher, codes),
                "sealed": code_rules.seal(data_key, codes, code_set_id, terminal.name),
                "start_date": terminal.start_date,
                # Domain rules, suspension (1) and (3): codes end with the day before their terminal is suspended.
                "expires_on": months_after(max(terminal.start_date, today), SUSPENSION_MONTHS),
                "prepared_at": now,
            }
            made.append(values)
        return made

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


def store_sets(session: Session, made: Sequence[CodeSetValues], actor: Actor, now: datetime) -> None:
    """Store sets that `CodePreparation.make_sets` made, each with its audit entry; their terminals' rows are held.

    Without the ORM's unit of work: it would cost more than all the codes.
    """
    session.flush()
    insert_all(session, CodeSetRow, made)
    entries = (
        audit.Subject(f"terminal:{values['terminal']}", str(values["office_code"]), {"approver": str(values["approver"])})
        for values in made
    )
    audit.record_all(session, entries, now=now, actor=actor, action="codes.prepare")


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
