"""The status door: OCSP, CRLs, CA certificates, time stamps, checkpoint. Its keys: the OCSP responder's, the time stamps'."""

from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from ca.crl import crl_file
from ca.ocsp_states import StatusReader
from ca.publication import Publication, create_app
from ca.terms import telling_status
from kernel.clock import SystemClock
from kernel.database import Database
from server.custody import keys_check
from server.express import Express
from server.responding import keep_renewed, keep_signing_ahead, responder_of
from server.settings import Settings
from server.stamping import RenewedUnit
from server.trouble import Trouble
from server.wiring import Assembled, clock_of, database_check, database_of, home_of

# With a machine that was down.
PATIENCE = timedelta(hours=12)


def assemble(settings: Settings) -> Assembled:
    """Make the door's app."""
    database = database_of(settings)
    clock = clock_of(settings)
    responder = responder_of(settings, database, clock)
    unit = RenewedUnit(settings, database)
    app = create_app(Publication(database, clock, responder, home_of(settings).published, unit))
    checks = {
        "database": database_check(database),
        "crl": lambda: require_fresh(database, home_of(settings).published),
        "keys": keys_check(lambda: [*(delegate.key for delegate in responder.delegates), unit.key]),
    }
    reader = StatusReader(database, with_certificates=settings.ocsp_cert_hash)
    beside = (
        partial(keep_renewed, responder, settings, database, clock),
        partial(keep_signing_ahead, responder, reader, clock),
    )
    return Assembled(app, checks, Express(responder, clock), beside=beside)


def require_fresh(database: Database, folder: Path) -> None:
    """Raise when a published CRL is missing, or older than its issuer's terms allow: the jobs do not run."""
    now = SystemClock().now()
    with database.snapshot() as session:
        telling = telling_status(session, now)
    for issuer, agreed in telling:
        age = now - datetime.fromtimestamp(crl_file(folder, issuer.name).stat().st_mtime, UTC)
        if age > agreed.crl_period + PATIENCE:
            raise Trouble(f"the CRL of {issuer.name} was published {age} ago")
