"""Reissue: asked for with a reason, accepted, prepared by somebody else, retrieved by codes like any certificate.

Domain rules, "Renewal, reissue, suspension". The old certificate logs on until the new one is retrieved, so a PC is swapped
without a gap; for a key that others may have it is revoked when the request is accepted. Whoever accepted does not prepare:
the customer's own request is accepted by one member of staff and prepared by another; what staff ask for themselves is
accepted by that; with `same_day` every request is accepted by whoever makes it, and a job prepares at once.
"""

import secrets
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from ca.revocation import Reason
from enrollment import code_sets, identity, letters, reissue_letters, reissue_records, successions, suspensions
from enrollment.code_sets import CodeSetEvent
from enrollment.deeds import Ending
from enrollment.ending import announce, revoke_all, trace
from enrollment.issuance import require_good
from enrollment.letters import Envelope
from enrollment.preparation import CodePreparation
from enrollment.reissue_records import ReissueEvent, ReissueReason, ReissueState, ReissueView, view_of
from enrollment.successions import RenewalState
from enrollment.tables import CodeSetRow, ReissueRow
from kernel import audit
from kernel.audit import Actor
from kernel.clock import Clock, tokyo_date
from kernel.database import Database
from kernel.errors import Refused
from registry import terminals
from registry.calendar import add_business_days
from registry.letters import Letters
from registry.states import TerminalState
from registry.terminals import Terminal

LONGEST_REMARK = 500
_JOB = audit.job("reissue")


@dataclass(frozen=True)
class Reissues:
    """Takes and decides requests. Needs no key: codes are `ReissuePreparation`'s. With `same_day` nobody waits for staff."""

    database: Database
    clock: Clock
    same_day: bool = False
    letters: Letters = letters.PLAIN

    def request(
        self, terminal_name: str, reason: ReissueReason, actor: Actor, *, office_code: str | None = None, remark: str = ""
    ) -> ReissueView:
        """Ask for a reissue; `office_code` is whose terminal it must be (the portal gives its visitor's).

        Raises Refused("terminal-unknown"), "terminal-suspended", "terminal-abolished", "reissue-open" (one is under way,
        and this is not the worse news that a key was lost), "input-invalid" (field remark).
        """
        _require_text(remark)
        now = self.clock.now()
        with self.database.transaction() as session:
            codes, terminal = _held(session, terminal_name)
            if office_code not in (None, terminal.office_code):
                raise Refused("terminal-unknown", terminal=terminal_name)
            return self._request(session, terminal, codes, reason, remark, (actor, now))

    def request_from_terminal(self, certificate: bytes, reason: ReissueReason, *, remark: str = "") -> ReissueView:
        """Let the old PC ask by itself; `certificate` (DER) is the one by which it has proven to be the terminal.

        It must be the current one; it may have expired, which is a reason to ask. Raises as `request`, and
        Refused("certificate-unreadable"), "certificate-foreign", "certificate-revoked", "certificate-held",
        "certificate-not-current".
        """
        _require_text(remark)
        now = self.clock.now()
        with self.database.snapshot() as session:
            name = identity.identify(session, certificate).terminal.name
        with self.database.transaction() as session:
            codes, terminal = _held(session, name)
            who = identity.identify(session, certificate)
            who.require_terminal()
            require_good(who.certificate, name)
            if not who.is_current:
                raise Refused("certificate-not-current", terminal=name)
            return self._request(session, terminal, codes, reason, remark, (audit.terminal(name), now))

    def accept(self, reissue_id: str, actor: Actor) -> ReissueView:
        """Accept a request; a key that others may have is revoked with it.

        Raises Refused("reissue-unknown"), "reissue-state", "same-person" for whoever asked, "terminal-suspended",
        "terminal-abolished".
        """
        now = self.clock.now()
        with self.database.transaction() as session:
            row, codes, terminal = _locked(session, reissue_id)
            if row.requester == str(actor):
                raise Refused("same-person", terminal=row.terminal)
            _require_living(terminal)
            self._accept(session, row, terminal, codes, (actor, now))
            return view_of(row)

    def decline(self, reissue_id: str, why: str, actor: Actor) -> ReissueView:
        """Turn a request down; `why` is told to the office. Raises Refused("reissue-unknown"), "reissue-state"."""
        _require_text(why)
        now = self.clock.now()
        with self.database.transaction() as session:
            row, _, terminal = _locked(session, reissue_id)
            row.answer = why
            reissue_records.end(session, row, ReissueEvent.DECLINE, now)
            trace(session, terminal, "reissue.decline", actor, now, reissue=row.id)
            announce(session, terminal, "reissue-declined", now, target=_target(row))
            reissue_letters.post_declined(Envelope(session, self.letters, row.office_code, now), view_of(row), why)
            return view_of(row)

    def withdraw(self, reissue_id: str, actor: Actor, *, office_code: str | None = None) -> ReissueView:
        """Take a request back before its codes are made; what acceptance revoked stays revoked.

        Raises Refused("reissue-unknown") and "reissue-state".
        """
        now = self.clock.now()
        with self.database.transaction() as session:
            row, _, terminal = _locked(session, reissue_id)
            if office_code not in (None, row.office_code):
                raise Refused("reissue-unknown")
            reissue_records.end(session, row, ReissueEvent.WITHDRAW, now)
            trace(session, terminal, "reissue.withdraw", actor, now, reissue=row.id)
            announce(session, terminal, "reissue-withdrawn", now, target=_target(row))
            to = Envelope(session, self.letters, row.office_code, now)
            reissue_letters.post_withdrawn(to, view_of(row), by_center=actor.kind == "staff")
            return view_of(row)

    def _request(
        self,
        session: Session,
        terminal: Terminal,
        codes: CodeSetRow | None,
        reason: ReissueReason,
        remark: str,
        by: tuple[Actor, datetime],
    ) -> ReissueView:
        actor, now = by
        _require_living(terminal)
        if reissue_records.open_one(session, terminal.name) is not None:
            if not reason.is_compromise:
                raise Refused("reissue-open", terminal=terminal.name)
            reissue_records.drop(session, terminal.name, now)
        row = ReissueRow(
            id=secrets.token_hex(16),
            terminal=terminal.name,
            office_code=terminal.office_code,
            state=ReissueState.REQUESTED,
            reason=reason,
            remark=remark,
            requester=str(actor),
            requested_at=now,
        )
        session.add(row)
        session.flush()
        trace(session, terminal, "reissue.request", actor, now, reissue=row.id, reason=reason.value)
        if self.same_day or actor.kind == "staff":
            self._accept(session, row, terminal, codes, by)
        else:
            announce(session, terminal, "reissue-requested", now, target=_target(row))
            reissue_letters.post_requested(Envelope(session, self.letters, row.office_code, now), view_of(row))
        return view_of(row)

    def _accept(
        self, session: Session, row: ReissueRow, terminal: Terminal, codes: CodeSetRow | None, by: tuple[Actor, datetime]
    ) -> None:  # fmt: skip
        actor, now = by
        today, reason = tokyo_date(now), ReissueReason(row.reason)
        reissue_records.step(session, row, ReissueEvent.ACCEPT)
        row.accepter, row.accepted_at = str(actor), now
        row.ready_on = today if self.same_day else add_business_days(today, 1)
        renewal = successions.open_one(session, terminal.name)
        if renewal is not None and renewal.state != RenewalState.ISSUED:
            successions.give_up(session, renewal, now, actor=actor, reason=Reason.SUPERSEDED, cause="reissue")
        trace(session, terminal, "reissue.accept", actor, now, reissue=row.id)
        announce(session, terminal, "reissue-accepted", now, target=_target(row), ready_on=f"{row.ready_on:%Y/%m/%d}")
        to = Envelope(session, self.letters, row.office_code, now)
        reissue_letters.post_accepted(to, view_of(row))
        if reason.is_compromise:
            _revoke(to, terminal, codes, Ending(Reason.KEY_COMPROMISE, actor, now))


@dataclass(frozen=True)
class ReissuePreparation:
    """Prepares the codes of accepted reissues. Holds only the public half of the sealing key, inside `preparation`."""

    preparation: CodePreparation

    def prepare(self, reissue_id: str, actor: Actor) -> ReissueView:
        """Make the codes; all open ones of the terminal are replaced in the same transaction.

        Raises Refused("reissue-unknown"), "reissue-state", "reissue-not-ready" (ready_on), "same-person" for whoever
        asked or accepted, "terminal-suspended", "terminal-abolished".
        """
        now = self.preparation.clock.now()
        with self.preparation.database.transaction() as session:
            row, codes, terminal = _locked(session, reissue_id)
            if str(actor) in (row.requester, row.accepter):
                raise Refused("same-person", terminal=row.terminal)
            if row.ready_on is not None and tokyo_date(now) < row.ready_on:
                raise Refused("reissue-not-ready", ready_on=row.ready_on.isoformat())
            _require_living(terminal)
            reissue_records.step(session, row, ReissueEvent.PREPARE)
            if codes is not None:
                code_sets.leave(session, codes, CodeSetEvent.REPLACE, now, actor=actor, cause="reissue")
            made = self.preparation.put_set(
                session, terminal, row.accepter or row.requester, actor, now, receipt_number=None
            )  # fmt: skip
            row.preparer, row.prepared_at, row.ends_on = str(actor), now, made.expires_on
            session.flush()
            trace(session, terminal, "reissue.prepare", actor, now, reissue=row.id)
            announce(session, terminal, "reissue-prepared", now, target=_target(row))
            to = Envelope(session, self.preparation.letters, row.office_code, now)
            reissue_letters.post_prepared(to, view_of(row))
            return view_of(row)

    def prepare_due(self, now: datetime) -> int:
        """Prepare whatever may be prepared today; return how much. The job of the same-day mode, repeatable."""
        with self.preparation.database.snapshot() as session:
            due = reissue_records.to_prepare(session, tokyo_date(now))
        done = 0
        for reissue in due:
            try:
                self.prepare(reissue.id, _JOB)
            except Refused:
                continue  # suspended, abolished or prepared by somebody meanwhile
            done += 1
        return done


def end_overdue(database: Database, now: datetime, words: Letters = letters.PLAIN) -> int:
    """Revoke old certificates whose reissue nobody retrieved within two months; return how many. A job, repeatable.

    The months count from the codes: while staff have made none, the old certificate is all that the office has.
    """
    overdue = (ReissueRow.state == ReissueState.PREPARED, ReissueRow.ends_on < tokyo_date(now))
    with database.snapshot() as session:
        ids = session.scalars(select(ReissueRow.id).where(*overdue).order_by(ReissueRow.requested_at)).all()
    done = 0
    for reissue_id in ids:
        with database.transaction() as session:
            row, codes, terminal = _locked(session, reissue_id)
            if row.state == ReissueState.PREPARED and row.ends_on is not None and row.ends_on < tokyo_date(now):
                reissue_records.end(session, row, ReissueEvent.LAPSE, now)
                trace(session, terminal, "reissue.lapse", _JOB, now, reissue=row.id)
                to = Envelope(session, words, row.office_code, now)
                _revoke(to, terminal, codes, Ending(Reason.SUPERSEDED, _JOB, now))
                done += 1
    return done


def _target(row: ReissueRow) -> str:
    """Return what the details button of its news opens."""
    return f"reissue:{row.id}"


def _revoke(to: Envelope, terminal: Terminal, codes: CodeSetRow | None, ending: Ending) -> None:
    if revoke_all(to.session, terminal, codes, ending).revoked:
        letters.post_revoked(to, terminal.name, ending.reason.value)
        announce(to.session, terminal, "certificate-revoked", ending.now)


def _held(session: Session, terminal_name: str) -> tuple[CodeSetRow | None, Terminal]:
    """Hold a terminal's open codes and the terminal, in this order; raise Refused("terminal-unknown")."""
    codes = code_sets.open_set(session, terminal_name)
    terminal = terminals.get(session, terminal_name, lock=True)
    if terminal is None:
        raise Refused("terminal-unknown", terminal=terminal_name)
    return codes, terminal


def _locked(session: Session, reissue_id: str) -> tuple[ReissueRow, CodeSetRow | None, Terminal]:
    """Return a reissue as it is while its terminal and that one's open codes are held; raise Refused("reissue-unknown")."""
    name = session.scalar(select(ReissueRow.terminal).where(ReissueRow.id == reissue_id))
    if name is None:
        raise Refused("reissue-unknown")
    codes, terminal = _held(session, name)
    return session.get_one(ReissueRow, reissue_id), codes, terminal


def _require_living(terminal: Terminal) -> None:
    if terminal.state == TerminalState.ABOLISHED:
        raise Refused("terminal-abolished", terminal=terminal.name)
    if terminal.state == TerminalState.SUSPENDED:
        raise suspensions.refusal(terminal)


# What Python does not call printable and people type: line ends and the full-width space.
_SPACES = "\r\n\u3000"


def _require_text(text: str) -> None:
    if len(text) > LONGEST_REMARK or not all(char.isprintable() or char in _SPACES for char in text):
        raise Refused("input-invalid", field="remark")
