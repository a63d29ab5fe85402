"""Revocation, hold and release: what CRL and OCSP say of a certificate from the commit on.

Nothing is ever un-revoked; asking again is answered without harm.
"""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import update
from sqlalchemy.orm import Session

from ca.certificates import LIFECYCLE, CertificateEvent, CertificateState, find_row
from ca.tables import CertificateRow, IssuerRow
from kernel.errors import Refused


class Reason(StrEnum):
    """The reasons of RFC 5280 §5.3.1 that a CA may give when it ends a terminal's certificate.

    certificateHold is not among them: it is what `hold` says. removeFromCRL belongs to delta CRLs.
    """

    UNSPECIFIED = "unspecified"
    KEY_COMPROMISE = "keyCompromise"
    AFFILIATION_CHANGED = "affiliationChanged"
    SUPERSEDED = "superseded"
    CESSATION_OF_OPERATION = "cessationOfOperation"
    PRIVILEGE_WITHDRAWN = "privilegeWithdrawn"


HOLD_REASON = "certificateHold"


def revoke(session: Session, issuer: str, serial: str, *, reason: Reason, now: datetime) -> bool:
    """End a certificate for good; return False when it was revoked before (its first time and reason stay).

    Raises Refused("certificate-unknown") and Refused("certificate-state").
    """
    row = _locked(session, issuer, serial)
    if row.state == CertificateState.REVOKED:
        return False
    _change(session, row, CertificateEvent.REVOKE, now=now, reason=reason.value)
    return True


def hold(session: Session, issuer: str, serial: str, *, now: datetime) -> bool:
    """Suspend a certificate; return False when it is held already."""
    row = _locked(session, issuer, serial)
    if row.state == CertificateState.HELD:
        return False
    _change(session, row, CertificateEvent.HOLD, now=now, reason=HOLD_REASON)
    return True


def release(session: Session, issuer: str, serial: str) -> bool:
    """Lift a hold; return False when the certificate is good already."""
    row = _locked(session, issuer, serial)
    if row.state == CertificateState.VALID:
        return False
    _change(session, row, CertificateEvent.RELEASE, now=None, reason=None)
    return True


def abandon(session: Session, issuer: str, serial: str, *, now: datetime) -> None:
    """Give up a reserved certificate. It may have been signed, so it is listed as revoked."""
    row = _locked(session, issuer, serial)
    _change(session, row, CertificateEvent.ABANDON, now=now, reason=Reason.CESSATION_OF_OPERATION.value)


def _locked(session: Session, issuer: str, serial: str) -> CertificateRow:
    row = find_row(session, issuer, serial, lock=True)
    if row is None:
        raise Refused("certificate-unknown", serial=serial)
    return row


def _change(session: Session, row: CertificateRow, event: CertificateEvent, *, now: datetime | None, reason: str | None) -> None:
    row.state = LIFECYCLE.step(CertificateState(row.state), event)
    row.revoked_at, row.reason = now, reason
    # Last, so that the counter, which every revocation of this issuer shares, is locked for as short as possible.
    session.flush()
    session.execute(update(IssuerRow).where(IssuerRow.name == row.issuer).values(revision=IssuerRow.revision + 1))
