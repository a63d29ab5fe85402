"""The status door: OCSP, CRLs, CA certificates, time stamps, checkpoint. Its keys: the OCSP responder's, the time stamps'."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from ca.ceremony import ISSUING
from ca.crl import crl_file
from ca.publication import Publication, create_app
from kernel.clock import SystemClock
from server.express import Express
from server.responding import keep_renewed, responder_of
from server.settings import Settings
from server.stamping import timestamp_unit_of
from server.trouble import Trouble
from server.wiring import Assembled, clock_of, database_check, database_of, home_of

# It comes daily; half a day more is patience with a machine that was down.
OLDEST_CRL = timedelta(hours=36)


def assemble(settings: Settings) -> Assembled:
    """Make the door's app."""
    database = database_of(settings)
    clock = clock_of(settings)
    responder = responder_of(settings, database, clock)
    keep_renewed(responder, settings, database, clock)
    app = create_app(Publication(database, clock, responder, home_of(settings).published, timestamp_unit_of(settings, database)))
    file = crl_file(home_of(settings).published, ISSUING)
    checks = {"database": database_check(database), "crl": lambda: require_fresh(file)}
    return Assembled(app, checks, Express(responder, clock))


def require_fresh(file: Path) -> None:
    """Raise when the published CRL is missing, or older than the daily one may be: the jobs do not run."""
    age = SystemClock().now() - datetime.fromtimestamp(file.stat().st_mtime, UTC)
    if age > OLDEST_CRL:
        raise Trouble(f"the CRL was published {age} ago")
