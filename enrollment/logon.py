"""The logon check: whether a terminal may log on now, with this certificate and this access key.

The codes are the domain's, in the order of docs/architecture.md; the first that applies is told.
"""

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from ca import certificates
from ca.certificates import CertificateRecord, CertificateState, Presented
from enrollment import codes as code_rules
from enrollment import successions
from enrollment.successions import RenewalState
from enrollment.tables import CredentialRow, RenewalRow
from kernel import audit, throttle
from kernel.clock import Clock, tokyo_date
from kernel.database import Database
from kernel.errors import Refused, Unavailable
from keys.codes import CodeHasher, digests_match
from registry import terminals
from registry.states import TerminalState
from registry.terminals import Terminal

# Wrong access keys, counted for each certificate: who holds an old one of a terminal does not lock out the new one.
LIMIT = throttle.Limit(failures=5, window=timedelta(minutes=30), lock=timedelta(minutes=30))


@dataclass(frozen=True)
class Permit:
    """A terminal that may log on, and when its certificate ends."""

    terminal: str
    not_after: datetime


@dataclass(frozen=True)
class LogonCheck:
    """Answers one question. Writes nothing but wrong tries, and, at a renewed certificate's first logon, the old one's end."""

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
            presented = certificates.identify(session, certificate)
            terminal = terminals.get(session, terminal_name.strip().upper())
            if terminal is None or presented.subject != terminal.name:
                raise Refused("A0019")
            counted = _throttle_key(presented)
            throttle.require_unlocked(session, counted, now)
            credential = session.get(CredentialRow, terminal.name)
            fits = credential is not None and digests_match(digest, credential.access_key_digest)
            if fits and credential is not None:
                not_after = _require_good(session, presented, credential, terminal, now)
                renewal = successions.of_certificate(session, credential.issuer, credential.serial)
        if not fits:
            self._count(counted, terminal, now)
            raise Refused("A0018")
        if renewal is not None and renewal.state == RenewalState.ISSUED:
            self._settle(renewal, now)
        return Permit(terminal.name, not_after)

    def _count(self, counted: str, terminal: Terminal, now: datetime) -> None:
        with self.database.transaction() as session:
            if throttle.count_failure(session, counted, LIMIT, now).locked_for:
                audit.record(
                    session,
                    now=now,
                    actor=audit.job("throttle"),
                    action="logon.lock",
                    subject=f"terminal:{terminal.name}",
                    office_code=terminal.office_code,
                )

    def _settle(self, seen: RenewalRow, now: datetime) -> None:
        """Revoke the certificate before this one: the terminal has shown that it can use its new one.

        Nobody is kept from logging on by that: what fails here is done at the next logon, or by the job.
        """
        with suppress(Unavailable), self.database.transaction() as session:
            terminals.get(session, seen.terminal, lock=True)
            row = successions.of_certificate(session, seen.issuer, seen.serial)
            if row is not None and row.state == RenewalState.ISSUED:
                successions.settle(session, row, now, actor=audit.terminal(row.terminal))


def _throttle_key(presented: Presented) -> str:
    return f"logon:{presented.issuer}:{presented.serial}"[:100]


def _require_good(
    session: Session, presented: Presented, credential: CredentialRow, terminal: Terminal, now: datetime
) -> datetime:  # fmt: skip
    """Raise what stands against the certificate that is presented; return when it ends."""
    _require_current(session, presented, credential)
    return _require_in_time(certificates.find(session, credential.issuer, credential.serial), terminal, now)


def _require_current(session: Session, presented: Presented, credential: CredentialRow) -> None:
    if presented.issuer != credential.issuer:
        raise Refused("A0035")
    record = certificates.find(session, credential.issuer, presented.serial)
    if record is None or record.der != presented.der:
        raise Refused("A0036", detail="unknown")
    if record.state == CertificateState.REVOKED:
        raise Refused("A0036", detail="superseded" if record.reason == "superseded" else "revoked")
    if presented.serial != credential.serial:
        raise Refused("A0036", detail="replaced")


def _require_in_time(current: CertificateRecord | None, terminal: Terminal, now: datetime) -> datetime:
    if current is None:
        raise Refused("A0036", detail="unknown")
    if now > current.not_after:
        raise Refused("E104", not_after=current.not_after.isoformat())
    if current.state == CertificateState.HELD or terminal.state == TerminalState.SUSPENDED:
        raise Refused("A0014")
    if tokyo_date(now) < terminal.start_date or now < current.not_before:
        raise Refused("A0006", start_date=terminal.start_date.isoformat())
    if terminal.state != TerminalState.IN_SERVICE:
        raise Refused("A0010")
    return current.not_after
