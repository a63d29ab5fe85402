"""The ID notice (ID通知内容): what the customer reads to retrieve certificates. Codes are shown on request, on record."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from enrollment import code_sets
from enrollment import codes as code_rules
from enrollment.code_sets import CodeSetEvent, CodeSetState
from enrollment.codes import Codes
from enrollment.tables import CodeSetRow, CodeShowingRow
from kernel import audit
from kernel.audit import Actor
from kernel.clock import Clock, tokyo_date
from kernel.database import Database
from kernel.errors import Refused
from keys.codes import Opener

_SHOWABLE = (CodeSetState.PREPARED, CodeSetState.CLAIMED)
# A redeemed set's sealed copy serves CMP's certConf no longer than this.
KEPT_AFTER_REDEMPTION = timedelta(hours=24)
_EXPIRY = audit.job("expiry")


@dataclass(frozen=True)
class Showing:
    """One time that codes were shown: when, and to whom (an actor's text)."""

    at: datetime
    viewer: str


@dataclass(frozen=True)
class NoticeLine:
    """One terminal of a notice. `auth_code_1` follows from the names and is no secret."""

    terminal: str
    auth_code_1: str
    state: CodeSetState
    start_date: date
    expires_on: date
    showable: bool
    redeemed_at: datetime | None
    showings: tuple[Showing, ...]


@dataclass(frozen=True)
class IdNotice:
    """The notice of one application, without any secret; without receipt number, of the terminals that were taken over."""

    receipt_number: str | None
    office_code: str
    terminals: tuple[NoticeLine, ...]


@dataclass(frozen=True)
class IdNotices:
    """Shows the notices of an office, and freezes codes. Holds the opener of sealed codes."""

    database: Database
    clock: Clock
    opener: Opener

    def notice(self, receipt_number: str | None, office_code: str) -> IdNotice | None:
        """Return the notice of an office's application, or None when there are no codes (or it is another office's)."""
        today = tokyo_date(self.clock.now())
        query = select(CodeSetRow).where(
            CodeSetRow.receipt_number == receipt_number,
            CodeSetRow.office_code == office_code,
            CodeSetRow.state != CodeSetState.REPLACED,
        )
        with self.database.snapshot() as session:
            ordered = session.scalars(query.order_by(CodeSetRow.terminal, CodeSetRow.prepared_at))
            newest = {row.terminal: row for row in ordered}  # a start date that was moved, or a reissue, brought new codes
            lines = tuple(_line(session, row, today) for row in newest.values())
        return IdNotice(receipt_number, office_code, lines) if lines else None

    def show(self, receipt_number: str | None, office_code: str, terminal: str, actor: Actor) -> Codes:
        """Return a terminal's codes and record who saw them.

        Raises Refused("codes-none") when this notice has no such terminal, Refused("codes-not-showable") once they
        are redeemed, frozen, expired or replaced.
        """
        now = self.clock.now()
        with self.database.transaction() as session:
            row = _of_notice(session, receipt_number, office_code, terminal)
            sealed = row.sealed
            if not _showable(row, tokyo_date(now)) or sealed is None:
                raise Refused("codes-not-showable", terminal=terminal, state=row.state)
            session.add(CodeShowingRow(code_set_id=row.id, at=now, viewer=str(actor)))
            _record(session, row, "codes.show", actor, now)
            code_set_id = row.id
        # Opened only after the showing is on record.
        return code_rules.unseal(self.opener, sealed, code_set_id=code_set_id, terminal=terminal, office_code=office_code)

    def freeze(self, receipt_number: str | None, office_code: str, terminal: str, actor: Actor) -> None:
        """Stop a terminal's codes at once; only staff can thaw them.

        Raises Refused("codes-none") and Refused("code-set-state") when there is nothing left to freeze.
        """
        now = self.clock.now()
        with self.database.transaction() as session:
            row = _of_notice(session, receipt_number, office_code, terminal)
            code_sets.leave(session, row, CodeSetEvent.FREEZE, now, actor=actor)
            _record(session, row, "codes.freeze", actor, now)


def forget_redeemed(database: Database, now: datetime) -> int:
    """Delete the sealed copies of sets redeemed a day ago, and of expired ones. A job."""
    redeemed = (
        CodeSetRow.sealed.is_not(None),
        CodeSetRow.state == CodeSetState.REDEEMED,
        CodeSetRow.redeemed_at < now - KEPT_AFTER_REDEMPTION,
    )
    with database.snapshot() as session:
        if session.scalar(select(CodeSetRow.id).where(*redeemed).limit(1)) is None:
            return 0
    with database.transaction() as session:
        result = session.execute(update(CodeSetRow).where(*redeemed).values(sealed=None))
        return int(result.rowcount)  # type: ignore[attr-defined]


def expire_due(database: Database, now: datetime) -> int:
    """End the open sets whose last day is over; return how many. A job, repeatable, catches up."""
    ended = 0
    due = select(CodeSetRow.id).where(
        CodeSetRow.state.in_(code_sets.OPEN),
        CodeSetRow.expires_on < tokyo_date(now),
    )
    with database.snapshot() as session:
        ids = session.scalars(due).all()
    for code_set_id in ids:
        with database.transaction() as session:
            row = code_sets.locked(session, code_set_id)
            if code_sets.LIFECYCLE.allows(CodeSetState(row.state), CodeSetEvent.EXPIRE):
                code_sets.leave(session, row, CodeSetEvent.EXPIRE, now, actor=_EXPIRY)
                _record(session, row, "codes.expire", _EXPIRY, now)
                ended += 1
    return ended


def _of_notice(session: Session, receipt_number: str | None, office_code: str, terminal: str) -> CodeSetRow:
    query = select(CodeSetRow).where(
        CodeSetRow.receipt_number == receipt_number,
        CodeSetRow.office_code == office_code,
        CodeSetRow.terminal == terminal,
        CodeSetRow.state != CodeSetState.REPLACED,
    )
    # After a reissue there are several: the set that is still open is meant, else the newest.
    newest = query.order_by(CodeSetRow.state.in_(code_sets.OPEN).desc(), CodeSetRow.prepared_at.desc())
    row = session.scalar(newest.limit(1).with_for_update())
    if row is None:
        raise Refused("codes-none", terminal=terminal)
    return row


def _showable(row: CodeSetRow, today: date) -> bool:
    return row.state in _SHOWABLE and row.sealed is not None and today <= row.expires_on


def _line(session: Session, row: CodeSetRow, today: date) -> NoticeLine:
    showings = session.scalars(select(CodeShowingRow).where(CodeShowingRow.code_set_id == row.id).order_by(CodeShowingRow.id))
    return NoticeLine(
        terminal=row.terminal,
        auth_code_1=code_rules.auth_code_1(row.terminal, row.office_code),
        state=CodeSetState(row.state),
        start_date=row.start_date,
        expires_on=row.expires_on,
        showable=_showable(row, today),
        redeemed_at=row.redeemed_at,
        showings=tuple(Showing(showing.at, showing.viewer) for showing in showings),
    )


def _record(session: Session, row: CodeSetRow, action: str, actor: Actor, now: datetime) -> None:
    audit.record(session, now=now, actor=actor, action=action, subject=f"terminal:{row.terminal}", office_code=row.office_code)
