"""The terminals door: what a terminal asks with its certificate. It may sign, under the issuing CA: renewals."""

from collections.abc import Mapping
from typing import Any

from enrollment.logon import LogonCheck
from enrollment.protocols.est import door as est
from enrollment.protocols.terminals import TerminalsDoor, create_app
from enrollment.redemption import Redemption
from enrollment.renewal import Renewal
from server.custody import Custody
from server.issuing import authority_of
from server.settings import Settings
from server.wiring import Assembled, clock_of, database_check, database_of


def assemble(settings: Settings) -> Assembled:
    """Make the door's app."""
    database = database_of(settings)
    clock, hasher = clock_of(settings), Custody(settings).hasher()
    authority = authority_of(settings, database, clock)
    redemption, renewal = Redemption(database, clock, authority, hasher), Renewal(database, clock, authority)
    app = create_app(TerminalsDoor(LogonCheck(database, clock, hasher), client_certificate))
    est.mount(app, est.EstDoor(redemption, est.Renewing(renewal, client_certificate)))
    return Assembled(app, {"database": database_check(database)})


def client_certificate(environ: Mapping[str, Any]) -> bytes | None:
    """Return the certificate (DER) that the client showed in the TLS handshake, where its issuer was verified."""
    certificate: bytes | None = environ["gunicorn.socket"].getpeercert(binary_form=True)
    return certificate or None
