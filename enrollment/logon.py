"""The logon check: whether a terminal may log on now, with this certificate and this access key.

The codes are the domain's, in the order of docs/architecture.md; the first that applies is told.
"""

from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from enrollment import codes as code_rules
from enrollment import logon_refusals, standing, successions
from enrollment.standing import Current, Shown
from enrollment.successions import RenewalState
from enrollment.tables import RenewalRow
from kernel import audit, throttle
from kernel.clock import Clock
from kernel.database import Database
from kernel.errors import Refused, Unavailable
from keys.codes import CodeHasher, digests_match
from registry import standing as terminals
from registry import terminals as registered
from registry.standing import Standing

_renewal = RenewalRow.__table__.c
# Whether a certificate is a renewed one whose predecessor still lives.
_RENEWED = select(_renewal.id).where(
    _renewal.issuer == bindparam("issuer"), _renewal.serial == bindparam("serial"), _renewal.state == RenewalState.ISSUED.value
)
# Wrong access keys, counted for each certificate of ours: who holds an old one of a terminal does not lock out the new one. All
# others that name the terminal are counted as one, for anybody can make as many as they like, with any serial number.
LIMIT = throttle.Limit(failures=5, window=timedelta(minutes=30), lock=timedelta(minutes=30))


@dataclass(frozen=True)
class Permit:
    """A terminal that may log on, and when its certificate ends."""

    terminal: str
    not_after: datetime


@dataclass(frozen=True)
class _Found:
    """What one look tells: the wrong access keys that were counted, and the verdict, which is None for one more of them.

    With the right one it is when the certificate ends, or what stands against it. `renewed` is a renewed certificate whose
    predecessor still lives; `is_noted` tells whether such a refusal was written down a moment ago.
    """

    shown: Shown
    terminal: Standing
    failures: int
    verdict: datetime | Refused | None = None
    renewed: Current | None = None
    is_noted: bool = False

    @property
    def counter(self) -> str:
        return _throttle_key(self.shown, self.terminal.name)


@dataclass(frozen=True)
class LogonCheck:
    """Answers one question. Writes only what it refuses and, at a renewed certificate's first logon, the old one's end."""

    database: Database
    clock: Clock
    hasher: CodeHasher

    def check(self, certificate: bytes | None, terminal_name: str, access_key: str) -> Permit:
        """Return when the terminal may log on.

        `certificate` is the client certificate (DER) of the TLS connection. Raises Refused with the domain's code:
        E103 no certificate; A0019 terminal name unknown or not this certificate's; A0018 access key; A0035 another
        CA; A0036 not the current certificate (`detail` revoked, superseded or replaced); E104 expired; A0014
        suspended or held; A0006 before the start date; A0010 abolished; and "throttled" instead of looking at the access
        key after too many wrong ones.
        """
        now = self.clock.now()
        if certificate is None:
            raise Refused("E103")
        digest = code_rules.access_key_digest(self.hasher, code_rules.normal_access_key(access_key))
        found = self._look(certificate, terminal_name.strip().upper(), digest, now)
        if found.verdict is None:
            self._count(found, now)
            raise Refused("A0018")
        if found.failures:
            self._look_again(found, now)
        if isinstance(found.verdict, Refused):
            if not found.is_noted:
                self._note(found.shown, found.terminal, found.verdict, now)
            raise found.verdict
        if found.renewed is not None:
            self._settle(found.terminal.name, found.renewed, now)
        return Permit(found.terminal.name, found.verdict)

    def _look(self, certificate: bytes, terminal_name: str, digest: bytes, now: datetime) -> _Found:
        """Look up everything at one instant; raises Refused for what is told before the access key is looked at."""
        with self.database.snapshot() as session:
            shown = standing.read(session, certificate)
            terminal = terminals.of(session, terminal_name)
            if terminal is None or shown.subject != terminal.name:
                raise Refused("A0019")
            counted = throttle.standing(session, _throttle_key(shown, terminal.name), now, window=LIMIT.window)
            _require_unlocked(counted)
            found = _Found(shown, terminal, counted.failures)
            current = standing.current_of(session, terminal.name)
            if current is None or not digests_match(digest, current.access_key_digest):
                return found
            try:
                not_after = standing.require_good(session, shown, current, terminal, now)
            except Refused as refused:
                is_noted = logon_refusals.is_noted(session, terminal.name, refused.code, now)
                return replace(found, verdict=refused, is_noted=is_noted)
            renewed = session.connection().execute(_RENEWED, {"issuer": current.issuer, "serial": current.serial}).first()
            return replace(found, verdict=not_after, renewed=current if renewed is not None else None)

    def _look_again(self, found: _Found, now: datetime) -> None:
        """Raise Refused("throttled") if the key was locked since it was looked at: a right one among guesses must not stand out.

        Whatever is answered after this tells that the access key was right, so refusals wait for it, too.
        """
        with self.database.transaction() as session:
            throttle.require_unlocked(session, found.counter, now, lock_row=True)

    def _note(self, shown: Shown, terminal: Standing, refused: Refused, now: datetime) -> None:
        """Write down what was refused; nobody is told something else because that fails."""
        with suppress(Unavailable), self.database.transaction() as session:
            logon_refusals.note(session, terminal.name, refused.code, shown.serial, now)

    def _count(self, found: _Found, now: datetime) -> None:
        """Count a wrong access key; raises Refused("throttled") if it was locked since it was looked at."""
        terminal = found.terminal
        with self.database.transaction() as session:
            # Guesses that ran beside the one that locked are told so: many at once must not outrun their counting.
            before = throttle.hold(session, found.counter, now)
            if not before.locked_for:
                if found.shown.stored is not None:
                    logon_refusals.note(session, terminal.name, "A0018", found.shown.serial, now)
                if throttle.count_failure(session, found.counter, LIMIT, now).locked_for:
                    audit.record(
                        session,
                        now=now,
                        actor=audit.job("throttle"),
                        action="logon.lock",
                        subject=f"terminal:{terminal.name}",
                        office_code=terminal.office_code,
                    )
        _require_unlocked(before)

    def _settle(self, terminal: str, seen: Current, now: datetime) -> None:
        """Revoke the certificate before this one: the terminal has shown that it can use its new one.

        Nobody is kept from logging on by that: what fails here is done at the next logon, or by the job.
        """
        with suppress(Unavailable), self.database.transaction() as session:
            registered.get(session, terminal, lock=True)
            row = successions.of_certificate(session, seen.issuer, seen.serial)
            if row is not None and row.state == RenewalState.ISSUED:
                successions.settle(session, row, now, actor=audit.terminal(row.terminal))


def wrong_keys(session: Session, issuer: str, serial: str, now: datetime) -> throttle.Standing:
    """Tell how a certificate's wrong access keys are counted."""
    return throttle.standing(session, _counted(issuer, serial), now, window=LIMIT.window)


def _require_unlocked(counted: throttle.Standing) -> None:
    if counted.locked_for:
        raise Refused("throttled", retry_after=counted.locked_for)


def _throttle_key(shown: Shown, terminal: str) -> str:
    return f"logon-foreign:{terminal}" if shown.stored is None else _counted(shown.issuer or "", shown.serial)


def _counted(issuer: str, serial: str) -> str:
    return f"logon:{issuer}:{serial}"[:100]
