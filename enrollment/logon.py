"""The logon check: whether a terminal may log on now, with this certificate and this access key.

The codes are the domain's, in the order of docs/architecture.md; the first that applies is told.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from ca import certificates
from ca.certificates import CertificateRecord, CertificateState
from enrollment import codes as code_rules
from enrollment.tables import CredentialRow
from kernel.clock import Clock, tokyo_date
from kernel.database import Database
from kernel.errors import Refused
from keys.codes import CodeHasher, digests_match
from registry import terminals
from registry.states import TerminalState
from registry.terminals import Terminal


@dataclass(frozen=True)
class LogonCheck:
    """Answers one question; changes nothing."""

    database: Database
    clock: Clock
    hasher: CodeHasher

    def check(self, certificate: bytes | None, terminal_name: str, access_key: str) -> None:
        """Return when the terminal may log on.

        `certificate` is the client certificate (DER) of the TLS connection. Raises Refused with the domain's code:
        E103 no certificate; A0019 terminal name unknown or not this certificate's; A0018 access key; A0035 another
        CA; A0036 not the current certificate (`detail` revoked, superseded or replaced); E104 expired; A0014
        suspended or held; A0006 before the start date; A0010 abolished.
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
            credential = session.get(CredentialRow, terminal.name)
            if credential is None or not digests_match(digest, credential.access_key_digest):
                raise Refused("A0018")
            _require_current(session, presented, credential)
            _require_in_time(certificates.find(session, credential.issuer, credential.serial), terminal, now)


def _require_current(session: Session, presented: certificates.Presented, credential: CredentialRow) -> None:
    if presented.issuer != credential.issuer:
        raise Refused("A0035")
    record = certificates.find(session, credential.issuer, presented.serial)
    if record is None or record.der != presented.der:
        raise Refused("A0036", detail="unknown")
    if record.state == CertificateState.REVOKED:
        raise Refused("A0036", detail="superseded" if record.reason == "superseded" else "revoked")
    if presented.serial != credential.serial:
        raise Refused("A0036", detail="replaced")


def _require_in_time(current: CertificateRecord | None, terminal: Terminal, now: datetime) -> None:
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
