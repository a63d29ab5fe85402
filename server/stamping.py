"""The time-stamping unit as a process needs it: with its key, its certificate and the certificates above it."""

from cryptography import x509

from ca import certificates, issuers
from ca.ceremony import TIMESTAMP, service_certificate
from ca.timestamps import TimestampUnit
from kernel.database import Database
from server.custody import Custody
from server.settings import Settings


def timestamp_unit_of(settings: Settings, database: Database) -> TimestampUnit:
    """Return what makes time stamps: for the door that serves them, and for whoever stamps our own documents."""
    der = service_certificate(database, TIMESTAMP)
    with database.snapshot() as session:
        above = certificates.identify(session, der).issuer
        chain = tuple(issuer.certificate for issuer in issuers.chain(session, above or ""))
    key = Custody(settings).signing(TIMESTAMP)
    return TimestampUnit(x509.load_der_x509_certificate(der), chain, key, settings.timestamp_policy_oid)
