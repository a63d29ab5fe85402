"""A house's doors on loopback, in threads of the test: retrieval and terminals over TLS, status in plain HTTP."""

import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from werkzeug.serving import WSGIRequestHandler, make_server

from ca import publication
from ca.ceremony import server_key_name, service_certificate
from ca.publication import Publication
from enrollment.protocols import retrieval, terminals
from enrollment.protocols.cmp import door as cmp
from enrollment.protocols.est import door as est
from enrollment.protocols.page import door as page
from enrollment.protocols.retrieval import RetrievalDoor
from enrollment.protocols.scep import door as scep
from enrollment.protocols.terminals import TerminalsDoor
from kernel.clock import Clock
from kernel.database import Database
from keys.custody import SoftwareKeys
from server.front import Wsgi
from server.tls import Credentials
from tests.support.cmp import cmp_door_of
from tests.support.house import PASSPHRASE, House, build_house
from tests.support.retrieval_page import page_of
from tests.support.scep_door import scep_door_of


@dataclass(frozen=True)
class OpenDoors:
    """Addresses of the doors, and the file of the root certificate that their clients trust."""

    house: House
    retrieval: str
    terminals: str
    status: str
    root: Path
    issuing: Path


@contextmanager
def open_house(database: Database, folder: Path, clock: Clock, *, keys: SoftwareKeys | None = None) -> Iterator[OpenDoors]:
    """Build a house whose certificates name the status door's real address, and open its doors."""
    status = _listener()
    house = build_house(database, folder, clock, status_url=f"http://localhost:{_port(status)}", keys=keys)
    root, issuing = folder / "root.pem", folder / "issuing.pem"
    root.write_text(house.root.pem, encoding="ascii")
    issuing.write_text(house.issuing.issuer.pem, encoding="ascii")
    retrieving = retrieval.create_app(RetrievalDoor(house.redemption))
    est.mount(retrieving, est.EstDoor(house.redemption))
    page.mount(retrieving, page_of(house, "https://localhost:8444"))
    scep.mount(retrieving, scep_door_of(house))
    cmp.mount(retrieving, cmp_door_of(house))
    asking = terminals.create_app(
        TerminalsDoor(house.logon, client_certificate, house.renewal, house.reissues, house.own_states)
    )  # fmt: skip
    est.mount(asking, est.EstDoor(house.redemption, est.Renewing(house.renewal, client_certificate)))
    apps: Mapping[str, Wsgi] = {"retrieval": retrieving, "terminals": asking}
    with ExitStack() as stack:
        app = publication.create_app(Publication(database, clock, house.responder, house.crl_folder, house.timestamps))
        stack.enter_context(serving(app, status))
        urls = {}
        for door, door_app in apps.items():
            listener = _listener()
            stack.enter_context(serving(door_app, listener, _credentials(house, door, folder, (root, issuing))))
            urls[door] = f"https://localhost:{_port(listener)}"
        yield OpenDoors(house, urls["retrieval"], urls["terminals"], f"http://localhost:{_port(status)}", root, issuing)


@contextmanager
def serving(app: Wsgi, listener: socket.socket, credentials: Credentials | None = None) -> Iterator[None]:
    """Serve an app on a listening socket, a thread for each request, until the block ends."""
    host, port = listener.getsockname()
    context = credentials.context() if credentials else None
    server = make_server(
        host, port, app, threaded=True, request_handler=_Quiet, ssl_context=context, fd=listener.fileno()
    )  # fmt: skip
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        listener.close()


def listener_url(listener: socket.socket) -> str:
    """Return the address of a TLS door on a socket."""
    return f"https://localhost:{_port(listener)}"


class _Quiet(WSGIRequestHandler):
    """Requests are not news to a test."""

    def log(self, type: str, message: str, *args: object) -> None:  # noqa: A002 (werkzeug's name)
        del type, message, args


def client_certificate(environ: Mapping[str, Any]) -> bytes | None:
    """Return the client certificate (DER) of a request's TLS connection."""
    certificate: bytes | None = environ["werkzeug.socket"].getpeercert(binary_form=True)
    return certificate


def _credentials(house: House, door: str, folder: Path, above: tuple[Path, Path]) -> Credentials:
    name = server_key_name(door)
    leaf = x509.load_der_x509_certificate(service_certificate(house.database, name)).public_bytes(Encoding.PEM)
    chain, clients = folder / f"{name}.pem", folder / "clients.pem"
    chain.write_bytes(leaf + above[1].read_bytes())
    clients.write_bytes(above[0].read_bytes() + above[1].read_bytes())
    return Credentials(chain, house.keys.path(name), lambda: PASSPHRASE, clients if door == "terminals" else None)


def _listener() -> socket.socket:
    listener = socket.create_server(("127.0.0.1", 0))
    listener.listen(128)
    return listener


def _port(listener: socket.socket) -> int:
    port: int = listener.getsockname()[1]
    return port
