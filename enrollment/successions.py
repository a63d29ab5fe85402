"""Renewals as records: their states, and the steps that whatever lands on a terminal shares with them.

All of this is guarded by the terminal's row: whoever changes a renewal holds it.
"""

from collections.abc import Collection
from datetime import datetime
from enum import StrEnum

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from ca import certificates
from ca.certificates import CertificateState
from ca.revocation import Reason
from enrollment.deeds import Deed
from enrollment.tables import RenewalRow
from kernel.audit import Actor
from kernel.database import among, many
from kernel.lifecycle import Lifecycle


class RenewalState(StrEnum):
    """Where a renewal is in its life.

    `awaiting` has a certificate that becomes current when the terminal confirms it; `issued` has the current one, and the
    old one still fetches the same answer again; `settled` has revoked the old one.
    """

    CLAIMED = "claimed"
    AWAITING = "awaiting"
    ISSUED = "issued"
    SETTLED = "settled"
    REJECTED = "rejected"
    ABANDONED = "abandoned"


class RenewalEvent(StrEnum):
    """What may happen to a renewal."""

    ISSUE = "issue"
    OFFER = "offer"
    CONFIRM = "confirm"
    SETTLE = "settle"
    REJECT = "reject"
    ABANDON = "abandon"


# A terminal has at most one such renewal.
OPEN = (RenewalState.CLAIMED, RenewalState.AWAITING, RenewalState.ISSUED)

LIFECYCLE = Lifecycle(
    "renewal",
    RenewalState.CLAIMED,
    {
        (RenewalState.CLAIMED, RenewalEvent.ISSUE): RenewalState.ISSUED,
        (RenewalState.CLAIMED, RenewalEvent.OFFER): RenewalState.AWAITING,
        (RenewalState.CLAIMED, RenewalEvent.ABANDON): RenewalState.ABANDONED,
        (RenewalState.AWAITING, RenewalEvent.CONFIRM): RenewalState.ISSUED,
        (RenewalState.AWAITING, RenewalEvent.REJECT): RenewalState.REJECTED,
        (RenewalState.ISSUED, RenewalEvent.SETTLE): RenewalState.SETTLED,
        # A terminal that could not use what it was given goes on with the old one.
        (RenewalState.ISSUED, RenewalEvent.REJECT): RenewalState.REJECTED,
    },
)


def open_one(session: Session, terminal: str) -> RenewalRow | None:
    """Return the renewal of a terminal that is under way or not settled yet."""
    return session.scalar(select(RenewalRow).where(RenewalRow.terminal == terminal, RenewalRow.state.in_(OPEN)))


_IN_STATES = select(RenewalRow.terminal).where(
    among(RenewalRow.terminal), RenewalRow.state.in_(bindparam("states", expanding=True))
)


def open_terminals(session: Session, terminals: Collection[str], states: Collection[RenewalState] = OPEN) -> set[str]:
    """Return those of the terminals that have a renewal in one of some states."""
    return set(session.scalars(_IN_STATES, {**many(terminals), "states": list(states)}))


def of_certificate(session: Session, issuer: str, serial: str) -> RenewalRow | None:
    """Return the renewal that a certificate was made for."""
    return session.scalar(select(RenewalRow).where(RenewalRow.issuer == issuer, RenewalRow.serial == serial))


def step(session: Session, row: RenewalRow, event: RenewalEvent) -> None:
    """Take a renewal through an event."""
    row.state = LIFECYCLE.step(RenewalState(row.state), event)
    session.flush()


def give_up(session: Session, row: RenewalRow, now: datetime, *, actor: Actor, reason: Reason, **facts: str) -> None:
    """End a renewal whose certificate is not the current one: what is promised is abandoned, what awaits is revoked."""
    deed = Deed(session, actor, now, row.terminal, row.office_code)
    if row.state == RenewalState.AWAITING:
        step(session, row, RenewalEvent.REJECT)
        deed.revoke(row.issuer, row.serial, reason)
        return
    step(session, row, RenewalEvent.ABANDON)
    promised = certificates.find(session, row.issuer, row.serial)
    if promised is not None and promised.state == CertificateState.RESERVED:
        deed.abandon(row.issuer, row.serial, **facts)


def settle(session: Session, row: RenewalRow, now: datetime, *, actor: Actor, reason: Reason = Reason.SUPERSEDED) -> None:
    """Revoke the certificate that a renewal's followed."""
    step(session, row, RenewalEvent.SETTLE)
    Deed(session, actor, now, row.terminal, row.office_code).revoke(row.predecessor_issuer, row.predecessor, reason)


def interrupt(session: Session, terminal: str, now: datetime, *, actor: Actor, **facts: str) -> bool:
    """Abandon what is only promised, as a suspension or a revocation does; return whether there was anything."""
    row = open_one(session, terminal)
    if row is None or row.state != RenewalState.CLAIMED:
        return False
    give_up(session, row, now, actor=actor, reason=Reason.CESSATION_OF_OPERATION, **facts)
    return True


def end(session: Session, terminal: str, now: datetime, *, actor: Actor, reason: Reason, **facts: str) -> bool:
    """End a terminal's renewal and every certificate of it that is not the current one; return whether there was one.

    `facts` go on record with a promise that is abandoned.
    """
    row = open_one(session, terminal)
    if row is None:
        return False
    if row.state == RenewalState.ISSUED:
        settle(session, row, now, actor=actor, reason=reason)
    else:
        give_up(session, row, now, actor=actor, reason=reason, **facts)
    return True
