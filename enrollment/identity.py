"""Who presents a certificate: the terminal, its record, and whether the certificate is THE current one.

That its holder has the private key is proven before, by the TLS handshake or a verified signature. A name alone proves
nothing: the presented octets are compared with those that were stored.
"""

from dataclasses import dataclass

from sqlalchemy.orm import Session

from ca import certificates
from ca.certificates import CertificateRecord, Presented
from enrollment import suspensions
from enrollment.tables import CredentialRow
from kernel.errors import Refused
from registry import terminals
from registry.states import TerminalState
from registry.terminals import Terminal


@dataclass(frozen=True)
class Identity:
    """A terminal that presents a certificate of ours, whatever became of either."""

    terminal: Terminal
    certificate: CertificateRecord
    is_current: bool

    @property
    def name(self) -> tuple[str, str]:
        """The certificate's issuer and serial number."""
        return self.certificate.issuer, self.certificate.serial

    def require_terminal(self) -> None:
        """Raise Refused("terminal-abolished") or Refused("terminal-suspended")."""
        if self.terminal.state == TerminalState.ABOLISHED:
            raise Refused("terminal-abolished", terminal=self.terminal.name)
        if self.terminal.state == TerminalState.SUSPENDED:
            raise suspensions.refusal(self.terminal)


def identify(session: Session, der: bytes, *, lock: bool = False) -> Identity:
    """Return who presents a certificate (DER); `lock` holds the terminal until the transaction ends.

    Raises Refused("certificate-unreadable"), and Refused("certificate-foreign") for one that is not, to the octet, a
    terminal's certificate that we issued.
    """
    presented = certificates.identify(session, der)
    terminal = terminals.get(session, presented.subject, lock=lock)
    record = _stored(session, presented)
    if terminal is None or record is None or record.subject != terminal.name:
        raise Refused("certificate-foreign")
    credential = session.get(CredentialRow, terminal.name)
    is_current = credential is not None and (credential.issuer, credential.serial) == (record.issuer, record.serial)
    return Identity(terminal, record, is_current)


def _stored(session: Session, presented: Presented) -> CertificateRecord | None:
    if presented.issuer is None:
        return None
    record = certificates.find(session, presented.issuer, presented.serial)
    return record if record is not None and record.der == presented.der else None
