"""The ID notice (ID通知内容): what the customer reads to retrieve certificates. Codes are shown on request, on record."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import Select, bindparam, select, update
from sqlalchemy.orm import Session

from enrollment import code_sets, disclosure, freezes, letters
from enrollment import codes as code_rules
from enrollment.code_sets import CodeSetEvent, CodeSetState
from enrollment.codes import Codes
from enrollment.disclosure import CodeSet, Disclosure, Part, Showing, ShownCodes
from enrollment.freezes import Freeze
from enrollment.tables import CodeSetRow, CodeShowingRow
from kernel import audit
from kernel.audit import Actor
from kernel.clock import Clock, tokyo_date
from kernel.database import Database
from kernel.errors import Refused
from keys.codes import Opener
from registry.letters import Letters

_SHOWABLE = (CodeSetState.PREPARED, CodeSetState.CLAIMED)
# A redeemed set's sealed copy serves CMP's certConf no longer than this.
KEPT_AFTER_REDEMPTION = timedelta(hours=24)
_EXPIRY = audit.job("expiry")
_WHOSE = select(CodeSetRow.__table__).where(
    CodeSetRow.office_code == bindparam("office_code"), CodeSetRow.state != CodeSetState.REPLACED
)
_IN_ORDER = CodeSetRow.terminal, CodeSetRow.prepared_at
# What is compared with nothing is another statement: no index is looked into for "the same, or both nothing".
_OF_APPLICATION = _WHOSE.where(CodeSetRow.receipt_number == bindparam("receipt_number")).order_by(*_IN_ORDER)
_OF_TAKEN_OVER = _WHOSE.where(CodeSetRow.receipt_number.is_(None)).order_by(*_IN_ORDER)
# Returns those accounts of an office, as actors' texts, that are marked as its administrator's.
Administrators = Callable[[str], Collection[str]]


def no_administrators(office_code: str) -> Collection[str]:
    """Return nobody: where there are no accounts."""
    del office_code
    return ()


@dataclass(frozen=True)
class NoticeLine:
    """One terminal of a notice. `auth_code_1` follows from the names and is no secret.

    `part` is what the reader would be shown of the codes, None for nothing; where the contract splits them, `applicant` is
    the one account (an actor's text) that is shown the applicant's half, None for anyone but administrators. `freeze` is
    there while codes are frozen that somebody of the office froze.
    """

    terminal: str
    auth_code_1: str
    state: CodeSetState
    start_date: date
    expires_on: date
    showable: bool
    redeemed_at: datetime | None
    showings: tuple[Showing, ...]
    part: Part | None = None
    applicant: str | None = None
    freeze: Freeze | None = None

    @property
    def freezable(self) -> bool:
        """Return whether there is something left to freeze."""
        return self.state in _SHOWABLE


@dataclass(frozen=True)
class IdNotice:
    """The notice of one application, without any secret; without receipt number, of the terminals that were taken over."""

    receipt_number: str | None
    office_code: str
    terminals: tuple[NoticeLine, ...]
    disclosure: Disclosure = Disclosure.WHOLE


@dataclass(frozen=True)
class IdNotices:
    """Shows the notices of an office, and freezes codes. Holds the opener of sealed codes."""

    database: Database
    clock: Clock
    opener: Opener
    administrators: Administrators = no_administrators
    letters: Letters = letters.PLAIN

    def notice(self, receipt_number: str | None, office_code: str, *, reader: Actor | None = None) -> IdNotice | None:
        """Return the notice of an office's application, or None when there are no codes (or it is another office's).

        `reader` is who is told what they would be shown of the codes.
        """
        with self.database.snapshot() as session:
            return self.notice_in(session, receipt_number, office_code, reader=reader)

    def notice_in(
        self, session: Session, receipt_number: str | None, office_code: str, *, reader: Actor | None = None
    ) -> IdNotice | None:
        """Return it from a snapshot that is open."""
        asked = {"office_code": office_code, "receipt_number": receipt_number}
        ordered = session.execute(_OF_TAKEN_OVER if receipt_number is None else _OF_APPLICATION, asked)
        newest = {row.terminal: row for row in ordered}  # a start date that was moved, or a reissue, brought new codes
        if not newest:
            return None
        rows = tuple(newest.values())
        said = disclosure.of_office(session, office_code)
        is_split = said is Disclosure.SPLIT
        # Who sees all sees it whoever he is.
        administrators = self.administrators(office_code) if is_split else ()
        look = _Look(
            today=tokyo_date(self.clock.now()),
            said=said,
            reader=str(reader) if reader else None,
            administrators=administrators,
            holders=disclosure.holders_of_applicants_halves(session, rows, administrators) if is_split else {},
            showings=disclosure.showings(session, [row.id for row in rows]),
            freezes=freezes.present(session, [row.id for row in rows if row.state == CodeSetState.FROZEN]),
        )
        return IdNotice(receipt_number, office_code, tuple(look.line(row) for row in rows), said)

    def show(self, receipt_number: str | None, office_code: str, terminal: str, actor: Actor) -> Codes:
        """Return all of a terminal's codes and record who saw them.

        Raises as `reveal`, and Refused("codes-split") when the contract lets nobody see all.
        """
        codes, _ = self._opened(receipt_number, office_code, terminal, actor, wanted=Part.WHOLE)
        return codes

    def reveal(self, receipt_number: str | None, office_code: str, terminal: str, actor: Actor) -> ShownCodes:
        """Return what of a terminal's codes somebody of the office may see, and record that they saw it.

        Raises Refused("codes-none") when this notice has no such terminal, Refused("codes-not-showable") once they
        are redeemed, frozen, expired or replaced, Refused("codes-others") when both halves are other people's.
        """
        codes, part = self._opened(receipt_number, office_code, terminal, actor)
        return disclosure.cut(codes, part)

    def freeze(self, receipt_number: str | None, office_code: str, terminal: str, actor: Actor) -> None:
        """Stop a terminal's codes at once. What somebody of the office froze is thawed by administrator and staff together.

        Raises Refused("codes-none") and Refused("code-set-state") when there is nothing left to freeze.
        """
        now = self.clock.now()
        with self.database.transaction() as session:
            row = _of_notice(session, receipt_number, office_code, terminal)
            freezes.begin(session, [row], actor, now, self.letters)

    def freeze_all(self, receipt_number: str | None, office_code: str, actor: Actor) -> tuple[str, ...]:
        """Stop all codes of a notice that can still be redeemed; return their terminals, none when nothing was left."""
        now = self.clock.now()
        with self.database.transaction() as session:
            open_ones = _sets(receipt_number, office_code).where(CodeSetRow.state.in_(_SHOWABLE))
            rows = session.scalars(open_ones.order_by(CodeSetRow.terminal).with_for_update()).all()
            freezes.begin(session, rows, actor, now, self.letters)
            return tuple(row.terminal for row in rows)

    def consent(self, receipt_number: str | None, office_code: str, terminal: str, actor: Actor) -> bool:
        """Let the office's administrator consent to a thaw; return whether the codes can be redeemed again already.

        Raises Refused("not-administrator"), "codes-none", "code-set-state", "freeze-by-staff", "terminal-state".
        """
        if str(actor) not in self.administrators(office_code):
            raise Refused("not-administrator")
        now = self.clock.now()
        with self.database.transaction() as session:
            row = _of_notice(session, receipt_number, office_code, terminal)
            return freezes.consent(session, row, actor, now, self.letters)

    def _opened(
        self, receipt_number: str | None, office_code: str, terminal: str, actor: Actor, *, wanted: Part | None = None
    ) -> tuple[Codes, Part]:
        """Return the codes and what of them the actor may see, after that is on record."""
        now, administrators = self.clock.now(), self.administrators(office_code)
        with self.database.transaction() as session:
            row = _of_notice(session, receipt_number, office_code, terminal)
            sealed = row.sealed
            if not _showable(row, tokyo_date(now)) or sealed is None:
                raise Refused("codes-not-showable", terminal=terminal, state=row.state)
            part = disclosure.part_for(session, row, str(actor), administrators)
            if part is None:
                raise Refused("codes-others", terminal=terminal)
            if wanted not in (None, part):
                raise Refused("codes-split", terminal=terminal)
            session.add(CodeShowingRow(code_set_id=row.id, at=now, viewer=str(actor), part=part.value))
            freezes.record(session, row, "codes.show", actor, now, part=part.value)
            code_set_id = row.id
        # Opened only after the showing is on record.
        opened = code_rules.unseal(self.opener, sealed, code_set_id=code_set_id, terminal=terminal, office_code=office_code)
        return opened, part


def is_there(session: Session, receipt_number: str | None, office_code: str) -> bool:
    """Return whether there is a notice of an office's application, or of its terminals that were taken over."""
    return session.scalar(_sets(receipt_number, office_code).with_only_columns(CodeSetRow.id).limit(1)) is not None


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
                freezes.record(session, row, "codes.expire", _EXPIRY, now)
                ended += 1
    return ended


def _sets(receipt_number: str | None, office_code: str) -> Select[CodeSetRow]:
    return select(CodeSetRow).where(
        CodeSetRow.receipt_number == receipt_number,
        CodeSetRow.office_code == office_code,
        CodeSetRow.state != CodeSetState.REPLACED,
    )


def _of_notice(session: Session, receipt_number: str | None, office_code: str, terminal: str) -> CodeSetRow:
    query = _sets(receipt_number, office_code).where(CodeSetRow.terminal == terminal)
    # After a reissue there are several: the set that is still open is meant, else the newest.
    newest = query.order_by(CodeSetRow.state.in_(code_sets.OPEN).desc(), CodeSetRow.prepared_at.desc())
    row = session.scalar(newest.limit(1).with_for_update())
    if row is None:
        raise Refused("codes-none", terminal=terminal)
    return row


def _showable(row: CodeSet, today: date) -> bool:
    return row.state in _SHOWABLE and row.sealed is not None and today <= row.expires_on


@dataclass(frozen=True)
class _Look:
    """Somebody reads a notice."""

    today: date
    said: Disclosure
    reader: str | None
    administrators: Collection[str]
    # By sets' ids.
    holders: Mapping[str, str | None]
    showings: Mapping[str, tuple[Showing, ...]]
    freezes: Mapping[str, Freeze]

    def line(self, row: CodeSet) -> NoticeLine:
        return NoticeLine(
            terminal=row.terminal,
            auth_code_1=code_rules.auth_code_1(row.terminal, row.office_code),
            state=CodeSetState(row.state),
            start_date=row.start_date,
            expires_on=row.expires_on,
            showable=_showable(row, self.today),
            redeemed_at=row.redeemed_at,
            showings=self.showings.get(row.id, ()),
            part=self._part(row),
            applicant=self.holders.get(row.id),
            freeze=self.freezes.get(row.id),
        )

    def _part(self, row: CodeSet) -> Part | None:
        if self.reader is None:
            return None
        if self.said is Disclosure.WHOLE:
            return Part.WHOLE
        shown = self.showings.get(row.id, ())
        return disclosure.half_for(self.reader, self.administrators, self.holders.get(row.id), shown)
