"""Code sets: their states, and the steps that every deed on them shares."""

from collections.abc import Collection
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from ca.certificates import CertificateState, find
from enrollment.deeds import Deed
from enrollment.tables import CodeSetRow
from kernel.audit import Actor
from kernel.lifecycle import Lifecycle


class CodeSetState(StrEnum):
    """Where a code set is in its life."""

    PREPARED = "prepared"
    CLAIMED = "claimed"
    REDEEMED = "redeemed"
    FROZEN = "frozen"
    EXPIRED = "expired"
    REPLACED = "replaced"


class CodeSetEvent(StrEnum):
    """What may happen to a code set."""

    CLAIM = "claim"
    REDEEM = "redeem"
    FREEZE = "freeze"
    THAW = "thaw"
    EXPIRE = "expire"
    REPLACE = "replace"


# What may still be redeemed, frozen or not; a terminal has at most one such set.
OPEN = (CodeSetState.PREPARED, CodeSetState.CLAIMED, CodeSetState.FROZEN)

LIFECYCLE = Lifecycle(
    "code-set",
    CodeSetState.PREPARED,
    {
        (CodeSetState.PREPARED, CodeSetEvent.CLAIM): CodeSetState.CLAIMED,
        (CodeSetState.CLAIMED, CodeSetEvent.REDEEM): CodeSetState.REDEEMED,
        (CodeSetState.PREPARED, CodeSetEvent.FREEZE): CodeSetState.FROZEN,
        (CodeSetState.CLAIMED, CodeSetEvent.FREEZE): CodeSetState.FROZEN,
        # A frozen claim lost its reserved certificate, so the set begins anew; nobody ever received one from it.
        (CodeSetState.FROZEN, CodeSetEvent.THAW): CodeSetState.PREPARED,
        **{(state, CodeSetEvent.EXPIRE): CodeSetState.EXPIRED for state in OPEN},
        **{(state, CodeSetEvent.REPLACE): CodeSetState.REPLACED for state in OPEN},
    },
)


def locked(session: Session, code_set_id: str) -> CodeSetRow:
    """Return a set's row and hold it.

    The order of locks, without which deeds would wait for each other in circles: application, code sets, throttle,
    terminals, and at last the issuer's counter, which every revocation shares. Certificates and credentials are only
    locked by who holds their code set or terminal.
    """
    return session.scalars(select(CodeSetRow).where(CodeSetRow.id == code_set_id).with_for_update()).one()


def open_set(session: Session, terminal: str) -> CodeSetRow | None:
    """Return and hold the one set of a terminal that may still be redeemed, frozen or not."""
    return session.scalar(_open_set(terminal).with_for_update())


def open_sets(session: Session, terminals: Collection[str]) -> list[CodeSetRow]:
    """Return and hold the sets of many terminals that may still be redeemed, in the order in which all hold several."""
    query = select(CodeSetRow).where(CodeSetRow.terminal.in_(terminals), CodeSetRow.state.in_(OPEN))
    return list(session.scalars(query.order_by(CodeSetRow.terminal).with_for_update()))


def claimed_terminals(session: Session, terminals: Collection[str]) -> set[str]:
    """Return those of the terminals for which a certificate is being made."""
    query = select(CodeSetRow.terminal).where(CodeSetRow.terminal.in_(terminals), CodeSetRow.state == CodeSetState.CLAIMED)
    return set(session.scalars(query))


def has_open_set(session: Session, terminal: str) -> bool:
    """Return whether a terminal has such a set. Whoever means to make one holds the terminal."""
    return session.scalar(_open_set(terminal)) is not None


def leave(session: Session, row: CodeSetRow, event: CodeSetEvent, now: datetime, *, actor: Actor, **facts: str) -> None:
    """Freeze, expire or replace a set. If it was claimed, its reserved certificate is abandoned with it, `facts` on record.

    Replaced and expired codes can never be shown again, so their sealed copy goes at once.
    """
    following = LIFECYCLE.step(CodeSetState(row.state), event)
    if row.issuer is not None and row.serial is not None:
        certificate = find(session, row.issuer, row.serial)
        if certificate is not None and certificate.state == CertificateState.RESERVED:
            Deed(session, actor, now, row.terminal, row.office_code).abandon(row.issuer, row.serial, **facts)
    row.state = following
    row.issuer = row.serial = row.claimed_key = row.claimed_at = None
    if following in (CodeSetState.EXPIRED, CodeSetState.REPLACED):
        row.sealed = None
    session.flush()


def _open_set(terminal: str) -> Select[CodeSetRow]:
    return select(CodeSetRow).where(CodeSetRow.terminal == terminal, CodeSetRow.state.in_(OPEN))
