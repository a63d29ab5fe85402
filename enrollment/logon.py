"""The logon check: whether a terminal may log on now, with this certificate and this access key.

The codes are the domain's, in the order of docs/architecture.md; the first that applies is told.
"""

from contextlib import suppress
from dataclasses import dataclass
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
        with self.database.snapshot() as session:
            shown = standing.read(session, certificate)
            terminal = terminals.of(session, terminal_name.strip().upper())
            if terminal is None or shown.subject != terminal.name:
                raise Refused("A0019")
            counted = _throttle_key(shown, terminal.name)
            throttle.require_unlocked(session, counted, now)
            current = standing.current_of(session, terminal.name)
            fits = current is not None and digests_match(digest, current.access_key_digest)
            refused, not_after, renewed = None, now, None
            if fits and current is not None:
                try:
                    not_after = standing.require_good(session, shown, current, terminal, now)
                    renewed = session.connection().execute(_RENEWED, {"issuer": current.issuer, "serial": current.serial}).first()
                except Refused as found:
                    refused = None if logon_refusals.is_noted(session, terminal.name, found.code, now) else found
                    if refused is None:
                        raise
        if not fits:
            self._count(counted, shown, terminal, now)
            raise Refused("A0018")
        if refused is not None:
            self._note(shown, terminal, refused, now)
            raise refused
        if renewed is not None and current is not None:
            self._settle(terminal.name, current, now)
        return Permit(terminal.name, not_after)

    def _note(self, shown: Shown, terminal: Standing, refused: Refused, now: datetime) -> None:
        """Write down what was refused; nobody is told something else because that fails."""
        with suppress(Unavailable), self.database.transaction() as session:
            logon_refusals.note(session, terminal.name, refused.code, shown.serial, now)

    def _count(self, counted: str, shown: Shown, terminal: Standing, now: datetime) -> None:
        with self.database.transaction() as session:
            if shown.stored is not None:
                logon_refusals.note(session, terminal.name, "A0018", shown.serial, now)
            if throttle.count_failure(session, counted, LIMIT, now).locked_for:
                audit.record(
                    session,
                    now=now,
                    actor=audit.job("throttle"),
                    action="logon.lock",
                    subject=f"terminal:{terminal.name}",
                    office_code=terminal.office_code,
                )

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


def _throttle_key(shown: Shown, terminal: str) -> str:
    return f"logon-foreign:{terminal}" if shown.stored is None else _counted(shown.issuer or "", shown.serial)


def _counted(issuer: str, serial: str) -> str:
    return f"logon:{issuer}:{serial}"[:100]
