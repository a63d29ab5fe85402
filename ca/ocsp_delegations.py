"""Who may answer for which issuer: the responders' certificates that the issuers gave."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from ca import issuers
from ca.certificates import CertificateState
from ca.issuers import Issuer
from ca.tables import IS_OURS, CertificateRow


@dataclass(frozen=True)
class Delegation:
    """Which certificate lets us answer for an issuer, and the name of its key."""

    issuer: Issuer
    key_name: str
    certificate: x509.Certificate = field(repr=False)


def delegations(session: Session, now: datetime) -> list[Delegation]:
    """Return the newest delegation of each issuer that is in force, by the issuer's name.

    A responder's key has the name that is recorded with its certificate.
    """
    by_name = {issuer.name: issuer for issuer in issuers.load_all(session)}
    key_name = func.coalesce(CertificateRow.key_name, CertificateRow.subject)
    query = select(CertificateRow.id, CertificateRow.issuer, key_name, CertificateRow.der).where(
        IS_OURS, CertificateRow.state == CertificateState.VALID, CertificateRow.der.is_not(None)
    )
    newest: dict[str, Delegation] = {}
    # Put in order here: asked for it, SQLite would read all certificates of terminals instead of the few of ours.
    for _, issuer, name, der in sorted(session.execute(query), key=lambda row: row.id):
        certificate = x509.load_der_x509_certificate(der or b"")
        in_force = certificate.not_valid_before_utc <= now.astimezone(UTC) < certificate.not_valid_after_utc
        if issuer in by_name and in_force and _is_responder(certificate):
            newest[issuer] = Delegation(by_name[issuer], name, certificate)
    return [newest[name] for name in sorted(newest)]


def _is_responder(certificate: x509.Certificate) -> bool:
    try:
        usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return False
    return ExtendedKeyUsageOID.OCSP_SIGNING in usage
