"""Whether a certificate that is presented is good now: THE current one of a terminal that may be used.

One rule for the logon check, the gateway's question and the positive list. The codes are the domain's, in the order of the
contract; the first that applies is told.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from cryptography import x509
from cryptography.x509.oid import NameOID
from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from ca import standing as certificates
from ca.certificates import CertificateState, serial_text
from enrollment import suspensions
from enrollment.tables import CredentialRow
from kernel.clock import day_start
from kernel.errors import Refused
from registry import terminals
from registry.standing import Standing as TerminalStanding
from registry.states import TerminalState

_table = CredentialRow.__table__.c
# Made once, and run past the ORM: making a statement costs as much as running it.
_CURRENT = select(_table.issuer, _table.serial, _table.access_key_digest).where(_table.terminal == bindparam("terminal"))


@dataclass(frozen=True, slots=True)
class Shown:
    """What a certificate that is presented says of itself; `issuer` is None when it names none of ours.

    `stored` is what we have of it, and None unless that is, to the octet, what is presented: names and numbers alone anybody
    can write.
    """

    subject: str
    issuer: str | None
    serial: str
    stored: certificates.Standing | None


class Current(NamedTuple):
    """THE current certificate of a terminal, and the digest of the access key that belongs to it."""

    issuer: str
    serial: str
    access_key_digest: bytes


def read(session: Session, der: bytes) -> Shown:
    """Read a presented certificate, whoever made it, and look it up.

    Raises Refused("certificate-unreadable").
    """
    try:
        certificate = x509.load_der_x509_certificate(der)
        names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        name, serial = certificate.issuer.public_bytes(), serial_text(certificate.serial_number)
    except (ValueError, TypeError, x509.InvalidVersion):  # TypeError: pyca about a bit string in a name
        raise Refused("certificate-unreadable") from None
    issuer = certificates.issuer_of(session, name)
    found = certificates.of(session, issuer, serial) if issuer else None
    stored = found if found is not None and found.der == der else None
    return Shown(str(names[0].value) if names else "", issuer, serial, stored)


def current_of(session: Session, terminal: str) -> Current | None:
    """Return a terminal's current certificate."""
    row = session.connection().execute(_CURRENT, {"terminal": terminal}).first()
    return None if row is None else Current(*row)


def require_good(session: Session, shown: Shown, current: Current | None, terminal: TerminalStanding, now: datetime) -> datetime:
    """Raise what stands against the certificate; return when it ends.

    Raises Refused with A0035 another CA; A0036 not the current certificate (`detail` unknown, revoked, superseded or
    replaced); E104 expired; A0014 suspended or held (`since`,
    and `rule` when a rule suspended it); A0006 before the start date; A0010 abolished.
    """
    if current is not None and shown.issuer != current.issuer:
        raise Refused("A0035")
    certificate = shown.stored
    if certificate is None:
        raise Refused("A0036", detail="unknown")
    if certificate.state == CertificateState.REVOKED:
        raise Refused("A0036", detail="superseded" if certificate.reason == "superseded" else "revoked")
    if current is None or (shown.issuer, shown.serial) != (current.issuer, current.serial):
        raise Refused("A0036", detail="replaced")
    if now > certificate.not_after:
        raise Refused("E104", not_after=certificate.not_after.isoformat())
    if certificate.state == CertificateState.HELD or terminal.state == TerminalState.SUSPENDED:
        suspended = terminals.get(session, terminal.name)
        raise Refused("A0014", **(suspensions.facts_of(suspended) if suspended else {}))
    if now < begins(certificate, terminal):
        raise Refused("A0006", start_date=terminal.start_date.isoformat())
    if terminal.state != TerminalState.IN_SERVICE or certificate.state != CertificateState.VALID:
        raise Refused("A0010")
    return certificate.not_after


def begins(certificate: certificates.Standing, terminal: TerminalStanding) -> datetime:
    """Return from when a certificate may be used: the start date's first moment in Tokyo, or its own if that is later."""
    return max(certificate.not_before, day_start(terminal.start_date))
