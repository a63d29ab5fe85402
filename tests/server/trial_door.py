"""A door with a trivial app, as a process: what tests of TLS, limits and stopping knock at.

Run as `python -m tests.server.trial_door LISTEN_FD READY_FD [CHAIN KEY [CLIENTS]]`.
"""

import json
import socket
import sys
import time
from collections.abc import Iterable
from pathlib import Path

from server import logs
from server.doors import Door, serve
from server.front import Environ, Front, StartResponse, Wsgi
from server.process import Starting
from server.settings import DoorSettings
from server.tls import Credentials


def answer(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Tell what the app sees; `/slow` takes a second, `/break` fails."""
    if environ["PATH_INFO"] == "/slow":
        print("slow begins", flush=True)  # noqa: T201 (into the door's log)
        time.sleep(1)
    if environ["PATH_INFO"] == "/break":
        raise RuntimeError("on purpose")
    seen = {"address": environ["REMOTE_ADDR"], "scheme": environ["wsgi.url_scheme"]}
    body = environ["wsgi.input"].read()
    seen["octets"] = len(body)
    connection = environ["gunicorn.socket"]
    if hasattr(connection, "getpeercert"):
        seen["certificate"] = (connection.getpeercert(binary_form=True) or b"").hex()
        seen["resumed"] = connection.session_reused
        seen["version"] = connection.version()
    text = json.dumps(seen).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(text)))])
    return [text]


def app() -> Wsgi:
    """Put the front before the app, as every door does."""
    return Front(answer, {"nothing": lambda: None})


def main() -> None:
    """Serve on the inherited socket."""
    listen, ready, *files = sys.argv[1:]
    logs.configure("trial", "info")
    credentials = None
    if files:
        chain, key, *clients = map(Path, files)
        credentials = Credentials(chain, key, None, clients[0] if clients else None)
    settings = DoorSettings(bind="127.0.0.1:0", threads=4, deadline=6)
    serve(Door("trial", settings, app, credentials), socket.socket(fileno=int(listen)), Starting(int(ready)))


main()
