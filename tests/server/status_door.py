"""The status door's worker over a house of the tests, as processes: what the tests of the express lane knock at.

Run as `python -m tests.server.status_door LISTEN_FD READY_FD DATABASE_URL KEYS_FOLDER WORKERS FRESH_FOR [ahead]`.
"""

import socket
import sys
from collections.abc import Iterable
from functools import partial
from pathlib import Path

from ca.ocsp import Responder
from ca.ocsp_delegations import delegations
from ca.ocsp_responses import Delegate
from ca.ocsp_states import StatusReader
from kernel.clock import SystemClock
from kernel.database import connect
from keys.custody import SoftwareKeys
from server import logs
from server.doors import Door, serve
from server.express import Express
from server.express_worker import ExpressWorker
from server.front import Environ, Front, StartResponse, Wsgi
from server.process import Starting
from server.responding import keep_signing_ahead
from server.settings import DoorSettings
from tests.support.house import PASSPHRASE

# Seconds, of a request's head: long enough for whoever is slow only because the machine is.
DEADLINE = 6


def answer(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Tell that the app was asked, and for what."""
    text = f"app {environ['REQUEST_METHOD']} {environ['PATH_INFO']} {len(environ['wsgi.input'].read())}".encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(text)))])
    return [text]


def app(database_url: str, folder: str, fresh_for: float, *, ahead: bool) -> Wsgi:
    """Put the express lane before a trivial app."""
    database, clock = connect(database_url), SystemClock()
    keys = SoftwareKeys(Path(folder), PASSPHRASE)
    with database.snapshot() as session:
        found = delegations(session, clock.now())
    delegates = [Delegate(one.issuer, one.certificate, keys.open_signing(one.key_name)) for one in found]
    responder = Responder(database, delegates, fresh_for=fresh_for)
    if ahead:
        keep_signing_ahead(responder, StatusReader(database), clock)
    return Front(answer, {}, (), Express(responder, clock))


def main() -> None:
    """Serve on the inherited socket."""
    listen, ready, url, folder, workers, fresh_for, *ahead = sys.argv[1:]
    logs.configure("status", "info")
    settings = DoorSettings(scheme="http", bind="127.0.0.1:0", workers=int(workers), threads=2, deadline=DEADLINE)
    door = Door("status", settings, partial(app, url, folder, float(fresh_for), ahead=bool(ahead)), None, ExpressWorker)
    serve(door, socket.socket(fileno=int(listen)), Starting(int(ready)))


if __name__ == "__main__":
    main()
