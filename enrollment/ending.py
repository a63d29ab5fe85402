"""Ending and interrupting what a terminal has: revocation, suspension, resumption; codes and certificates alike.

Whatever lands here while a redemption is between its two transactions wins: the set leaves `claimed`, its reserved
certificate is abandoned, and the redemption finds that out before it stores anything.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from ca.certificates import living
from ca.revocation import Reason
from enrollment import code_sets, letters, successions
from enrollment.code_sets import CodeSetEvent, CodeSetState
from enrollment.deeds import Deed, Ending
from enrollment.letters import Envelope
from enrollment.successions import RenewalState
from enrollment.tables import CodeSetRow, CredentialRow
from kernel import audit
from kernel.audit import Actor
from kernel.clock import Clock
from kernel.database import Database
from kernel.errors import Refused
from registry import news, terminals
from registry.letters import Letters
from registry.news import NewsKind
from registry.states import SuspensionRule, TerminalEvent
from registry.terminals import Terminal


@dataclass(frozen=True)
class Ended:
    """What `revoke_all` did: whether a certificate was revoked, whether one was being made, whether there was any at all."""

    revoked: bool
    being_made: bool
    had_any: bool


@dataclass(frozen=True)
class Endings:
    """Revokes, suspends and resumes. Needs no key: status is what the database says."""

    database: Database
    clock: Clock
    letters: Letters = letters.PLAIN

    def revoke(self, terminal_name: str, reason: Reason, actor: Actor, *, serial: str | None = None) -> bool:
        """Revoke a terminal's current certificate, or give up the one that is just being made for it.

        `serial` is the one that the caller saw as current. Returns False when it was revoked before. Raises
        Refused("terminal-unknown"), Refused("certificate-none") when there is nothing to revoke, and
        Refused("certificate-changed") when another one has become current since.
        """
        now = self.clock.now()
        with self.database.transaction() as session:
            row = code_sets.open_set(session, terminal_name)
            terminal = _locked(session, terminal_name)
            ended = revoke_all(session, terminal, row, Ending(reason, actor, now), seen=serial)
            if not ended.had_any:
                raise Refused("certificate-none", terminal=terminal_name)
            if ended.revoked:
                letters.post_revoked(Envelope(session, self.letters, terminal.office_code, now), terminal_name, reason.value)
                announce(session, terminal, "certificate-revoked", now)
            return ended.revoked or ended.being_made

    def suspend(self, terminal_name: str, actor: Actor) -> None:
        """Stop a terminal at once: codes frozen, certificate held, no retrieval, no logon.

        Raises Refused("terminal-unknown") and Refused("terminal-state").
        """
        now = self.clock.now()
        with self.database.transaction() as session:
            row = code_sets.open_set(session, terminal_name)
            terminal = _locked(session, terminal_name)
            stop(session, terminal, row, actor, now)
            letters.post_suspended(Envelope(session, self.letters, terminal.office_code, now), terminal_name)
            announce(session, terminal, "terminal-suspended", now)

    def resume(self, terminal_name: str, actor: Actor) -> None:
        """Lift a suspension: the terminal returns to where it came from, its certificate is released.

        Codes stay frozen until staff thaw or replace them: whether they are still secret is for a person to say. After a
        suspension by rule codes or certificate are at their end: a reissue must follow, and the mail says so.
        Raises Refused("terminal-unknown") and Refused("terminal-state").
        """
        now = self.clock.now()
        with self.database.transaction() as session:
            terminal = _locked(session, terminal_name)
            terminals.resume(session, terminal_name, now)
            for issuer, serial in _living(session, terminal_name):
                Deed(session, actor, now, terminal_name, terminal.office_code).release(issuer, serial)
            trace(session, terminal, "terminal.resume", actor, now)
            to = Envelope(session, self.letters, terminal.office_code, now)
            letters.post_resumed(to, terminal_name, needs_reissue=terminal.suspension_rule is not None)
            announce(session, terminal, "terminal-resumed", now)


def stop(
    session: Session,
    terminal: Terminal,
    codes: CodeSetRow | None,
    actor: Actor,
    now: datetime,
    rule: SuspensionRule | None = None,
) -> None:
    """Suspend a terminal; its open codes and the terminal are held. `rule` is what suspends it, if not a person.

    Raises Refused("terminal-state").
    """
    if codes is not None and code_sets.LIFECYCLE.allows(CodeSetState(codes.state), CodeSetEvent.FREEZE):
        code_sets.leave(session, codes, CodeSetEvent.FREEZE, now, actor=actor)
    terminals.step(session, terminal.name, TerminalEvent.SUSPEND, now, rule=rule)
    successions.interrupt(session, terminal.name, now, actor=actor)
    for issuer, serial in _living(session, terminal.name):
        Deed(session, actor, now, terminal.name, terminal.office_code).hold(issuer, serial)
    facts = {} if rule is None else {"rule": str(int(rule))}
    trace(session, terminal, "terminal.suspend", actor, now, **facts)


def revoke_all(
    session: Session, terminal: Terminal, codes: CodeSetRow | None, ending: Ending, *, seen: str | None = None
) -> Ended:  # fmt: skip
    """Revoke what a terminal has and give up what is being made for it; its open codes and the terminal are held.

    `seen` is the serial number that somebody saw as current. Raises Refused("certificate-changed").
    """
    actor, now, reason = ending.actor, ending.now, ending.reason
    being_made = codes is not None and codes.state == CodeSetState.CLAIMED
    if codes is not None and being_made:
        code_sets.leave(session, codes, CodeSetEvent.FREEZE, now, actor=actor, reason=reason.value)
    credential = session.get(CredentialRow, terminal.name, populate_existing=True)
    if credential is None:
        return Ended(revoked=False, being_made=being_made, had_any=being_made)
    if seen not in (None, credential.serial):
        raise Refused("certificate-changed", terminal=terminal.name)
    renewal = successions.open_one(session, terminal.name)
    being_made |= renewal is not None and renewal.state == RenewalState.CLAIMED
    deed = Deed(session, actor, now, terminal.name, terminal.office_code)
    revoked = deed.revoke(credential.issuer, credential.serial, reason)
    successions.end(session, terminal.name, now, actor=actor, reason=reason)
    return Ended(revoked=revoked, being_made=being_made, had_any=True)


def _locked(session: Session, name: str) -> Terminal:
    terminal = terminals.get(session, name, lock=True)
    if terminal is None:
        raise Refused("terminal-unknown", terminal=name)
    return terminal


def _living(session: Session, name: str) -> list[tuple[str, str]]:
    """Return a terminal's certificates that are good or held: the current one, and another while it is being renewed."""
    return sorted(living(session, [name]))


def trace(session: Session, terminal: Terminal, action: str, actor: Actor, now: datetime, **facts: str) -> None:
    """Write the audit entry of what was done to a terminal."""
    audit.record(
        session,
        now=now,
        actor=actor,
        action=action,
        subject=f"terminal:{terminal.name}",
        office_code=terminal.office_code,
        **facts,
    )


def announce(
    session: Session, terminal: Terminal, code: str, now: datetime, *, target: str | None = None, **facts: str
) -> None:  # fmt: skip
    """Write the news line of what was done to a terminal; `target` is what its details button opens (`registry.news`)."""
    news.publish(
        session,
        now=now,
        office_code=terminal.office_code,
        kind=NewsKind.CERTIFICATE,
        code=code,
        target=target,
        terminal=terminal.name,
        **facts,
    )
