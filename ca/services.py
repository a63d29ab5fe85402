"""Our own services as they stand: what a door needs to know of them, without what founds and renews them."""

from dataclasses import dataclass

from sqlalchemy import select

from ca.certificates import CertificateState
from ca.tables import IS_OURS, CertificateRow
from kernel.database import Database


@dataclass(frozen=True)
class Service:
    """A service of ours as it stands: its certificate (DER) and the name of its key."""

    certificate: bytes
    key_name: str


def service(database: Database, subject: str) -> Service:
    """Return one of our own services; raises LookupError before the ceremony."""
    query = select(CertificateRow.der, CertificateRow.key_name).where(
        CertificateRow.subject == subject, IS_OURS, CertificateRow.state == CertificateState.VALID
    )
    with database.snapshot() as session:
        found = session.execute(query.order_by(CertificateRow.id.desc()).limit(1)).first()
    if found is None or found.der is None:
        message = f"no certificate for {subject!r}: the ceremony was not held"
        raise LookupError(message)
    return Service(found.der, found.key_name or subject)


def service_certificate(database: Database, subject: str) -> bytes:
    """Return the certificate (DER) of one of our own services; raises LookupError before the ceremony."""
    return service(database, subject).certificate
