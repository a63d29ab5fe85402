"""The terminals door: what a terminal asks with its certificate. It looks up and compares; it holds no key that signs."""

from collections.abc import Mapping
from typing import Any

from enrollment.logon import LogonCheck
from enrollment.protocols.terminals import TerminalsDoor, create_app
from server.custody import Custody
from server.settings import Settings
from server.wiring import Assembled, clock_of, database_check, database_of


def assemble(settings: Settings) -> Assembled:
    """Make the door's app."""
    database = database_of(settings)
    logon = LogonCheck(database, clock_of(settings), Custody(settings).hasher())
    return Assembled(create_app(TerminalsDoor(logon, client_certificate)), {"database": database_check(database)})


def client_certificate(environ: Mapping[str, Any]) -> bytes | None:
    """Return the certificate (DER) that the client showed in the TLS handshake, where its issuer was verified."""
    certificate: bytes | None = environ["gunicorn.socket"].getpeercert(binary_form=True)
    return certificate or None
