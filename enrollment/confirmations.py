"""What a terminal says of a certificate that it was given (CMP's certConf, RFC 9810 §5.3.18).

Domain rules, "Renewal": a missing word changes nothing, a rejecting one revokes the new certificate; one that CMP's kur
asked for becomes current by its confirmation only.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from ca import certificates
from ca.certificates import CertificateRecord, CertificateState
from ca.revocation import Reason
from enrollment import credentials, letters, successions
from enrollment.deeds import Deed
from enrollment.issuance import require_good
from enrollment.letters import Envelope
from enrollment.successions import RenewalEvent, RenewalState
from enrollment.tables import CodeSetRow, CredentialRow, RenewalRow
from kernel import audit
from kernel.clock import Clock
from kernel.database import Database
from kernel.errors import Refused
from registry import terminals
from registry.letters import Letters
from registry.terminals import Terminal


@dataclass(frozen=True)
class Confirmations:
    """Accepts and rejects what was issued; certificates are named by issuer and serial number. Both may be repeated."""

    database: Database
    clock: Clock
    letters: Letters = letters.PLAIN

    def confirm(self, issuer: str, serial: str) -> None:
        """Delete the sealed copy of the code set at once; let a renewal that waits for this become current.

        Raises Refused("certificate-foreign"), "certificate-revoked" (rejected before, not confirmed in time, ended by
        others), "certificate-held", and "certificate-not-current" when the old one is no longer what it was.
        """
        now = self.clock.now()
        with self.database.transaction() as session:
            record, _ = _held(session, issuer, serial)
            require_good(record, record.subject)
            row = successions.of_certificate(session, issuer, serial)
            if row is not None and row.state == RenewalState.AWAITING:
                _require_unchanged(session, row)
                successions.step(session, row, RenewalEvent.CONFIRM)
                credentials.pass_on(session, row, record, now, self.letters)

    def reject(self, issuer: str, serial: str) -> None:
        """Revoke the certificate; a renewal's old one stays current, or becomes so again while it is good.

        Raises Refused("certificate-foreign").
        """
        now = self.clock.now()
        with self.database.transaction() as session:
            record, terminal = _held(session, issuer, serial)
            if record.state == CertificateState.REVOKED:
                return
            row = successions.of_certificate(session, issuer, serial)
            returns = row is not None and _return_to_old(session, row, now)
            deed = Deed(session, audit.terminal(terminal.name), now, terminal.name, terminal.office_code)
            deed.revoke(issuer, serial, Reason.CESSATION_OF_OPERATION)
            if not returns:
                reason = Reason.CESSATION_OF_OPERATION.value
                letters.post_revoked(Envelope(session, self.letters, terminal.office_code, now), terminal.name, reason)


def _held(session: Session, issuer: str, serial: str) -> tuple[CertificateRecord, Terminal]:
    """Return a terminal's signed certificate, with its code set and its terminal held; the codes' sealed copy goes."""
    by_certificate = select(CodeSetRow).where(CodeSetRow.issuer == issuer, CodeSetRow.serial == serial)
    code_set = session.scalar(by_certificate.with_for_update())
    record = certificates.find(session, issuer, serial)
    terminal = terminals.get(session, record.subject, lock=True) if record else None
    session.expire_all()  # what was read before the terminal was held may have changed since
    record = certificates.find(session, issuer, serial)
    if record is None or record.der is None or terminal is None:
        raise Refused("certificate-foreign")
    if code_set is not None:
        code_set.sealed = None
    return record, terminal


def _require_unchanged(session: Session, row: RenewalRow) -> None:
    """Raise Refused("certificate-not-current") unless the renewed certificate is still the current one, and good."""
    credential = session.get(CredentialRow, row.terminal)
    old = certificates.find(session, row.predecessor_issuer, row.predecessor)
    is_current = credential is not None and (credential.issuer, credential.serial) == (row.predecessor_issuer, row.predecessor)
    if not is_current or old is None or old.state != CertificateState.VALID:
        raise Refused("certificate-not-current", terminal=row.terminal)


def _return_to_old(session: Session, row: RenewalRow, now: datetime) -> bool:
    """Take a renewal back; return whether the old certificate is the current one afterwards."""
    if row.state == RenewalState.AWAITING:
        successions.step(session, row, RenewalEvent.REJECT)
        return True
    old = certificates.find(session, row.predecessor_issuer, row.predecessor)
    if row.state != RenewalState.ISSUED or old is None or old.state != CertificateState.VALID:
        return False
    successions.step(session, row, RenewalEvent.REJECT)
    credentials.point_to(session, row.terminal, row.predecessor_issuer, row.predecessor, now)
    return True
