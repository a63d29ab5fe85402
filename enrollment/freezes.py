"""Freezes that somebody of an office asked for: lifted by the administrator's consent and a staff member's deed together.

Either comes first; whoever is second lifts the freeze, and the codes begin anew (ADR 0007). Codes that staff froze, as with
a suspension, have no freeze here: staff thaw those alone.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Integer, String, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from enrollment import code_sets, disclosure_letters
from enrollment.code_sets import CodeSetEvent, CodeSetState
from enrollment.letters import Envelope, notice_address
from enrollment.tables import CodeSetRow
from kernel import audit
from kernel.audit import Actor
from kernel.database import Base, UtcDateTime, among, many
from kernel.errors import Refused
from registry import applications, news, terminals
from registry.applicants import Contact
from registry.letters import Letters
from registry.news import NewsKind
from registry.states import TerminalState

_MAY_RETRIEVE = (TerminalState.PENDING, TerminalState.IN_SERVICE)


class FreezeRow(Base):
    """One freeze of a code set, and who has agreed to lift it: `consent` is the administrator's, `release` the center's."""

    __tablename__ = "enrollment_code_freeze"

    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    code_set_id: Mapped[str] = mapped_column(ForeignKey("enrollment_code_set.id"), index=True)
    frozen_at: Mapped[datetime] = mapped_column(UtcDateTime)
    frozen_by: Mapped[str] = mapped_column(String(100))
    consent_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    consent_by: Mapped[str | None] = mapped_column(String(100))
    release_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    release_by: Mapped[str | None] = mapped_column(String(100))
    lifted_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


@dataclass(frozen=True)
class Freeze:
    """A freeze, for pages: who froze and who has agreed to lift it, as actors' texts."""

    frozen_at: datetime
    frozen_by: str
    consent_at: datetime | None
    consent_by: str | None
    release_at: datetime | None
    release_by: str | None


_OPEN = select(
    FreezeRow.code_set_id,
    FreezeRow.frozen_at,
    FreezeRow.frozen_by,
    FreezeRow.consent_at,
    FreezeRow.consent_by,
    FreezeRow.release_at,
    FreezeRow.release_by,
).where(among(FreezeRow.code_set_id), FreezeRow.lifted_at.is_(None))


def present(session: Session, ids: Collection[str]) -> Mapping[str, Freeze]:
    """Return the freezes that hold some frozen sets, by the sets' ids; none of what is not frozen or was frozen by staff."""
    return {row.code_set_id: Freeze(*row[1:]) for row in session.execute(_OPEN, many(ids))} if ids else {}


def begin(session: Session, rows: Sequence[CodeSetRow], actor: Actor, now: datetime, words: Letters) -> None:
    """Freeze sets of one notice, whose rows are held, and tell everybody; raises Refused("code-set-state")."""
    for row in rows:
        code_sets.leave(session, row, CodeSetEvent.FREEZE, now, actor=actor)
        record(session, row, "codes.freeze", actor, now)
        if actor.kind == "customer":
            session.add(FreezeRow(code_set_id=row.id, frozen_at=now, frozen_by=str(actor)))
            _publish(session, row, "codes-frozen", now)
    if actor.kind == "customer" and rows:
        first = rows[0]
        disclosure_letters.post_frozen(
            Envelope(session, words, first.office_code, now),
            [row.terminal for row in rows],
            actor.name.rpartition("/")[2],
            notice_address(words.portal_url, first.receipt_number),
            _applicant(session, first),
        )


def consent(session: Session, row: CodeSetRow, actor: Actor, now: datetime, words: Letters) -> bool:
    """Note the administrator's consent to thaw a set, whose row is held; return whether this lifted the freeze.

    Raises Refused("code-set-state") when it is not frozen, "freeze-by-staff" when no consent is asked for, "terminal-state".
    """
    freeze = _frozen(session, row)
    if freeze is None:
        raise Refused("freeze-by-staff", terminal=row.terminal)
    if freeze.consent_at is None:
        freeze.consent_at, freeze.consent_by = now, str(actor)
        record(session, row, "codes.consent", actor, now)
    if freeze.release_at is None:
        return False
    _lift(session, row, freeze, actor, now, words)
    return True


def release(session: Session, row: CodeSetRow, actor: Actor, now: datetime, words: Letters) -> bool:
    """Note that staff let a set thaw, whose row is held; return whether this lifted the freeze. Raises as `consent`."""
    freeze = _frozen(session, row)
    if freeze is not None and freeze.release_at is None:
        freeze.release_at, freeze.release_by = now, str(actor)
        record(session, row, "codes.release", actor, now)
        if freeze.consent_at is None:
            page = notice_address(words.portal_url, row.receipt_number)
            disclosure_letters.post_consent_wanted(Envelope(session, words, row.office_code, now), row.terminal, page)
            _publish(session, row, "codes-consent-wanted", now)
    if freeze is not None and freeze.consent_at is None:
        return False
    _lift(session, row, freeze, actor, now, words)
    return True


def record(session: Session, row: CodeSetRow, action: str, actor: Actor, now: datetime, **facts: str) -> None:
    """Write what was done to a terminal's codes into the audit log."""
    audit.record(
        session, now=now, actor=actor, action=action, subject=f"terminal:{row.terminal}", office_code=row.office_code, **facts
    )


def _open(session: Session, code_set_id: str) -> FreezeRow | None:
    query = select(FreezeRow).where(FreezeRow.code_set_id == code_set_id, FreezeRow.lifted_at.is_(None))
    return session.scalar(query.limit(1))


def _frozen(session: Session, row: CodeSetRow) -> FreezeRow | None:
    if row.state != CodeSetState.FROZEN:
        raise Refused("code-set-state", state=row.state, event=CodeSetEvent.THAW.value)
    terminal = terminals.get(session, row.terminal, lock=True)
    if terminal is None or terminal.state not in _MAY_RETRIEVE:
        raise Refused("terminal-state", terminal=row.terminal, state=terminal.state.value if terminal else "")
    return _open(session, row.id)


def _lift(session: Session, row: CodeSetRow, freeze: FreezeRow | None, actor: Actor, now: datetime, words: Letters) -> None:
    row.state = code_sets.LIFECYCLE.step(CodeSetState(row.state), CodeSetEvent.THAW)
    if freeze is None:
        record(session, row, "codes.thaw", actor, now)
        return
    freeze.lifted_at = now
    record(session, row, "codes.thaw", actor, now, consent=str(freeze.consent_by), release=str(freeze.release_by))
    to = Envelope(session, words, row.office_code, now)
    disclosure_letters.post_thawed(to, row.terminal, _applicant(session, row))
    _publish(session, row, "codes-thawed", now)


def _applicant(session: Session, row: CodeSetRow) -> Contact | None:
    application = applications.find(session, row.receipt_number) if row.receipt_number else None
    return application.applicant if application else None


def _publish(session: Session, row: CodeSetRow, code: str, now: datetime) -> None:
    news.publish(
        session,
        now=now,
        office_code=row.office_code,
        kind=NewsKind.CERTIFICATE,
        code=code,
        target=f"id_notice:{row.receipt_number}" if row.receipt_number else None,
        terminal=row.terminal,
    )
