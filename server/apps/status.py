"""The status door: OCSP, CRLs, CA certificates, time stamps, checkpoint. Its keys: the OCSP responder's, the time stamps'."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509

from ca.ceremony import ISSUING, RESPONDER, service_certificate
from ca.crl import crl_file
from ca.ocsp import Responder
from ca.publication import Publication, create_app
from kernel.clock import SystemClock
from server.custody import Custody
from server.issuing import issuer_of
from server.settings import Settings
from server.stamping import timestamp_unit_of
from server.trouble import Trouble
from server.wiring import Assembled, clock_of, database_check, database_of, home_of

# It comes daily; half a day more is patience with a machine that was down.
OLDEST_CRL = timedelta(hours=36)


def assemble(settings: Settings) -> Assembled:
    """Make the door's app."""
    database = database_of(settings)
    certificate = x509.load_der_x509_certificate(service_certificate(database, RESPONDER))
    responder = Responder(database, issuer_of(database), certificate, Custody(settings).signing(RESPONDER))
    app = create_app(
        Publication(database, clock_of(settings), responder, home_of(settings).published, timestamp_unit_of(settings, database))
    )
    file = crl_file(home_of(settings).published, ISSUING)
    return Assembled(app, {"database": database_check(database), "crl": lambda: require_fresh(file)})


def require_fresh(file: Path) -> None:
    """Raise when the published CRL is missing, or older than the daily one may be: the jobs do not run."""
    age = SystemClock().now() - datetime.fromtimestamp(file.stat().st_mtime, UTC)
    if age > OLDEST_CRL:
        raise Trouble(f"the CRL was published {age} ago")
