"""A house with gateways: nginx on the examples of deploy/nginx before an application, and before the terminals door.

`tegata gateway follow` and `crl` run as on a gateway's machine; the jobs run in a thread of the test.
"""

import http.client
import itertools
import json
import shlex
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_network
from pathlib import Path
from urllib.parse import quote

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from ca import publication
from ca.ceremony import server_key_name, service_certificate
from ca.crl import CrlPublisher
from ca.issuers import Issuer, SigningIssuer
from ca.publication import Publication
from ca.renewal import Renewals
from enrollment.codes import Codes
from enrollment.gateway import Gateway
from enrollment.gateway_list import GatewayList
from enrollment.protocols import gateway, terminals
from enrollment.protocols.terminals import TerminalsDoor
from kernel.audit import CheckpointSigner
from kernel.clock import SystemClock
from kernel.database import Database
from server.client_certificates import client_certificate
from server.front import Front
from server.tls import Credentials
from tests.support.house import SOURCE, House, build_house, new_request
from tests.support.nginx import Nginx, Site
from tests.support.open_doors import serving
from tests.support.ports import free_port
from tests.support.schema import ROOT

# How long is waited at most for a change to reach a gateway, on a machine that does other things, too.
PATIENCE = 60.0
# Seconds, as the jobs and the examples of deploy/nginx have them.
JOBS_EACH, FOLLOWED_EACH = 1.0, "2"
PROXY = "127.0.0.2"
# Variants that have the terminal's own state, and those that know certificates only.
ASKING, LISTED, BY_CRL, BY_OCSP = "authorize", "list", "crl", "ocsp"
ALL = (ASKING, LISTED, BY_CRL, BY_OCSP)
_GATEWAY = (sys.executable, "-m", "server", "gateway")
_TLS = "listen 443 ssl;\n    "


@dataclass(frozen=True)
class Client:
    """A terminal's name, key and certificate as files; no files: a client without certificate."""

    terminal: str = ""
    access_key: str = ""
    certificate: Path | None = None
    key: Path | None = None

    @property
    def escaped(self) -> str:
        """The certificate as nginx would write it into a header."""
        return quote(self.certificate.read_text(encoding="ascii"), safe="") if self.certificate else ""


@dataclass(frozen=True)
class Answer:
    """What came back; status 0 when the handshake or the connection ended."""

    status: int
    reason: str = ""
    body: bytes = b""
    is_resumed: bool = False

    @property
    def seen(self) -> Mapping[str, str]:
        """The headers that the application behind was given."""
        content: dict[str, str] = json.loads(self.body)
        return content


@dataclass
class MovableClock:
    """The machine's clock, moved by an offset."""

    offset: timedelta

    def now(self) -> datetime:
        """Return the time."""
        return SystemClock().now() + self.offset


@dataclass
class Scene:
    """A house, its gateways by name, and what makes clients; `ageing` can renew its certificate today."""

    house: House
    folder: Path
    ports: Mapping[str, int]
    expired: Client = field(default_factory=Client)
    ageing: Client = field(default_factory=Client)
    numbers: Iterator[int] = field(default_factory=itertools.count)
    _contexts: dict[Client, ssl.SSLContext] = field(default_factory=dict)

    @property
    def server(self) -> Path:
        """The certificate of nginx and of the doors, which is its own root."""
        return self.folder / "server.pem"

    def client(self, *, start_date: date | None = None) -> Client:
        """Take a new terminal to its certificate."""
        [(name, codes)] = self.house.new_codes(start_date=start_date)
        return self.redeemed(name, codes)

    def redeemed(self, name: str, codes: Codes) -> Client:
        """Redeem codes with a new key."""
        request = new_request()
        der = self.house.redemption.redeem(codes, request.pem, SOURCE).certificate.der or b""
        assert isinstance(request.key, ec.EllipticCurvePrivateKey)
        return self.written(request.key, x509.load_der_x509_certificate(der), name, codes.access_key)

    def renewed(self, client: Client) -> Client:
        """Renew a client's certificate with a new key."""
        if client.certificate is None:
            raise LookupError(client.terminal)
        request, old = new_request(), x509.load_pem_x509_certificate(client.certificate.read_bytes())
        der = self.house.renewal.renew(old.public_bytes(Encoding.DER), request.pem).certificate.der or b""
        assert isinstance(request.key, ec.EllipticCurvePrivateKey)
        return self.written(request.key, x509.load_der_x509_certificate(der), client.terminal, client.access_key)

    def written(
        self, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate, name: str = "", access_key: str = ""
    ) -> Client:
        """Write a certificate with its chain, and its key."""
        stem = self.folder / f"client-{next(self.numbers)}"
        chain, private = stem.with_suffix(".pem"), stem.with_suffix(".key")
        chain.write_bytes(certificate.public_bytes(Encoding.PEM))
        private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return Client(name, access_key, chain, private)

    def ask(
        self,
        where: str,
        client: Client,
        path: str = "/",
        *,
        body: object = None,
        headers: Mapping[str, str] | None = None,
        session: ssl.SSLSession | None = None,
    ) -> Answer:
        """Ask over a new connection; `session` is a TLS session to take up again."""
        try:
            with self.connection(where, client, session) as sock:
                return _asked(sock, path, body, headers or {})
        except (ssl.SSLError, ConnectionError, http.client.HTTPException):
            return Answer(0)

    @contextmanager
    def connection(self, where: str, client: Client, session: ssl.SSLSession | None = None) -> Iterator[ssl.SSLSocket]:
        """Connect."""
        context = self._context(client)
        with (
            socket.create_connection(("localhost", self.ports[where]), timeout=PATIENCE) as plain,
            context.wrap_socket(plain, server_hostname="localhost", session=session) as sock,
        ):
            yield sock

    def _context(self, client: Client) -> ssl.SSLContext:
        if client not in self._contexts:
            context = self._contexts[client] = ssl.create_default_context(cafile=str(self.server))
            if client.certificate is not None:
                context.load_cert_chain(client.certificate, client.key)
        return self._contexts[client]

    def session(self, where: str, client: Client) -> ssl.SSLSession | None:
        """Return the TLS session of a connection that passed, to take it up again."""
        for _ in range(50):  # while nginx reloads, its old worker may still take a connection
            with self.connection(where, client) as sock:
                if _asked(sock, "/", None, {}).status == 200:
                    return sock.session
        raise AssertionError(where)

    def foreign(self, terminal: str) -> Client:
        """Return a client whose certificate for a terminal's name is of an authority that nobody knows."""
        key, now = ec.generate_private_key(ec.SECP256R1()), self.house.clock.now()
        issuer, name = (x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)]) for text in ("Another CA", terminal))
        builder = x509.CertificateBuilder(issuer, name, key.public_key(), 1, now - timedelta(days=1), now + timedelta(days=1))
        return self.written(key, builder.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256()), terminal)

    def service(self) -> Client:
        """Return a client that has the key and certificate of a service of ours."""
        name = server_key_name("terminals")
        key = self.house.keys.open(name)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        return self.written(key, x509.load_der_x509_certificate(service_certificate(self.house.database, name)))

    def passes(self, client: Client) -> set[str]:
        """Return the gateways that a client passes."""
        return {name for name in ALL if self.ask(name, client).status == 200}

    def until(self, client: Client, expected: set[str]) -> set[str]:
        """Wait until a client passes the gateways that are expected, and return those that it passes.

        Two looks must agree: while nginx reloads, its old worker may still take a connection.
        """
        deadline = time.monotonic() + PATIENCE
        before, found = None, self.passes(client)
        while not before == found == expected and time.monotonic() < deadline:
            time.sleep(0.1)
            before, found = found, self.passes(client)
        return found


def _asked(sock: ssl.SSLSocket, path: str, body: object, headers: Mapping[str, str]) -> Answer:
    method, content = ("GET", b"") if body is None else ("POST", json.dumps(body).encode())
    fields = {"Host": "localhost", "Connection": "close", "Content-Length": str(len(content)), **headers}
    if content:
        fields["Content-Type"] = "application/json"
    head = "".join([f"{method} {path} HTTP/1.1\r\n", *(f"{name}: {value}\r\n" for name, value in fields.items()), "\r\n"])
    sock.sendall(head.encode() + content)
    response = http.client.HTTPResponse(sock, method=method)
    response.begin()
    return Answer(response.status, response.headers.get("X-Tegata-Reason", ""), response.read(), sock.session_reused or False)


class _Application(BaseHTTPRequestHandler):
    """The application behind: it tells what it was given."""

    def do_GET(self) -> None:
        content = json.dumps({name.lower(): value for name, value in self.headers.items()}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (its own name)
        del format, args


@contextmanager
def open_gateways(database: Database, folder: Path) -> Iterator[Scene]:
    """Open a house that stands for more than a year, with all its gateways."""
    clock = MovableClock(timedelta(days=-370))
    with ExitStack() as stack:
        status = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        house = build_house(database, folder, clock, status_url=f"http://127.0.0.1:{status.getsockname()[1]}")
        scene = Scene(house, folder, {name: free_port() for name in (*ALL, "terminals", "status")})
        scene.expired = scene.client()
        clock.offset = timedelta(days=-350)
        scene.ageing = scene.client()
        _bring_to_the_present(house, clock)
        _write_certificates(scene)
        stack.enter_context(_serving(scene, status))
        yield scene


def _bring_to_the_present(house: House, clock: MovableClock) -> None:
    """Let a year go by: our services are renewed in it, the root's list, too."""

    def signer_of(issuer: Issuer) -> SigningIssuer:
        return SigningIssuer(issuer, house.keys.open_signing(issuer.key_name))

    for days in (-30, 0):
        clock.offset = timedelta(days=days)
        Renewals(house.database, house.plan.addresses, signer_of).renew_due(clock.now())
    CrlPublisher(house.database, signer_of(house.root), house.crl_folder, lifetime=timedelta(days=90)).publish(clock.now())


def _write_certificates(scene: Scene) -> None:
    key, now = ec.generate_private_key(ec.SECP256R1()), SystemClock().now()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, now - timedelta(days=1), now + timedelta(days=1))
    named = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
    own = named.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True).sign(key, hashes.SHA256())
    scene.server.write_bytes(own.public_bytes(Encoding.PEM))
    scene.server.with_suffix(".key").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    (scene.folder / "root.pem").write_bytes(scene.server.read_bytes())
    (scene.folder / "clients.pem").write_text(scene.house.root.pem + scene.house.issuing.issuer.pem, encoding="ascii")


@contextmanager
def _serving(scene: Scene, status: socket.socket) -> Iterator[None]:
    house, folder = scene.house, scene.folder
    signing = Ed25519PrivateKey.generate()
    signer = CheckpointSigner("localhost/gateway", signing.public_key().public_bytes_raw(), signing.sign)
    jobs = GatewayList(house.database, signer, house.crl_folder / publication.GATEWAY_FOLDER)
    telling = publication.create_app(
        Publication(house.database, house.clock, house.responder, house.crl_folder, house.timestamps)
    )  # fmt: skip
    asking = terminals.create_app(
        TerminalsDoor(house.logon, client_certificate, house.renewal, house.reissues, house.own_states)
    )  # fmt: skip
    gateway.mount(asking, Gateway(house.database, house.clock), client_certificate)
    proxies = (ip_network("127.0.0.1"), ip_network(PROXY))
    door = socket.create_server(("127.0.0.1", 0))
    application = ThreadingHTTPServer(("127.0.0.1", 0), _Application)
    nginx = Nginx(folder)
    addresses = {"status": status, "door": door, "application": application.socket}
    ports = {name: sock.getsockname()[1] for name, sock in addresses.items()}
    _configure(scene, nginx, ports)
    (folder / "gateway.vkey").write_text(f"{signer.verifier}\n", encoding="ascii")
    with ExitStack() as stack:
        stack.enter_context(serving(telling, status))
        front = Front(asking, {}, proxies, certificate_proxies=proxies)
        stack.enter_context(serving(front, door, Credentials(scene.server, scene.server.with_suffix(".key"))))
        stack.enter_context(_threaded(application.serve_forever, application.shutdown))
        stop = threading.Event()
        jobs.publish_if_due(house.clock.now())
        house.crl.publish_if_due(house.clock.now())
        stack.enter_context(_threaded(lambda: _work(house, jobs, stop), stop.set))
        for command in _commands(folder, ports["status"]):
            subprocess.run([*_GATEWAY, *command], cwd=ROOT, check=True, timeout=2 * PATIENCE)
        stack.enter_context(nginx.running())
        # From here on as on a gateway's machine: through the proxy of the status door, which keeps what it may.
        reload_nginx = shlex.join([*nginx.command, "-s", "reload"])
        for command in _commands(folder, scene.ports["status"]):
            stack.enter_context(_following([*command, "--every", FOLLOWED_EACH, "--reload", reload_nginx], folder))
        yield


def _commands(folder: Path, port: int) -> tuple[list[str], list[str]]:
    """Return what keeps the positive list and the file of CRLs, from a status door."""
    url = f"http://127.0.0.1:{port}"
    lists = [part for name in ("root", "issuing-1") for part in ("--list", f"{url}/crl/{name}.crl")]
    return (
        ["follow", "--from", url, "--vkey", str(folder / "gateway.vkey"), "--output", str(folder / "list.conf")],
        ["crl", "--ca", str(folder / "clients.pem"), "--output", str(folder / "crl.pem"), *lists],
    )


def _configure(scene: Scene, nginx: Nginx, ports: Mapping[str, int]) -> None:
    def gateway_site(name: str, example: str, **more: str) -> Site:
        own = {"listen 443": f"listen 127.0.0.1:{scene.ports[name]}", "127.0.0.1:9000": f"127.0.0.1:{ports['application']}"}
        return Site(f"gateway-{example}.conf", f"{name}.nginx", own | more)

    by_ocsp = {
        "    ssl_crl": "    # ssl_crl",
        "# ssl_ocsp leaf": "ssl_ocsp leaf",
        "# ssl_ocsp_responder http://192.0.2.10:8080": f"ssl_ocsp_responder http://127.0.0.1:{ports['status']}",
    }
    proxied = {
        "127.0.0.1:8446": f"127.0.0.1:{ports['door']}",
        "127.0.0.1:8080": f"127.0.0.1:{ports['status']}",
        "listen 80;": f"listen 127.0.0.1:{scene.ports['status']};",
        "/var/cache/nginx/tegata": f"{scene.folder}/cache",
        f"{_TLS}server_name terminals": f"listen 127.0.0.1:{scene.ports['terminals']} ssl; server_name terminals",
        "listen 443": f"listen 127.0.0.1:{free_port()}",
    }
    sites = [
        gateway_site(ASKING, ASKING, **{"server terminals.example.jp:8446": f"server 127.0.0.1:{ports['door']}"}),
        gateway_site(LISTED, LISTED),
        gateway_site(BY_CRL, "crl"),
        gateway_site(BY_OCSP, "crl", **by_ocsp),
        Site("reverse-proxy.conf", "proxy.nginx", proxied),
    ]
    nginx.configure(
        sites, {"/etc/nginx/tegata": str(scene.folder), "proxy_ssl_name terminals.example.jp": "proxy_ssl_name localhost"}
    )


def _work(house: House, jobs: GatewayList, stop: threading.Event) -> None:
    """Do what the jobs do."""
    while True:
        now = house.clock.now()
        house.crl.publish_if_due(now)
        jobs.publish_if_due(now)
        if stop.wait(JOBS_EACH):
            return


@contextmanager
def _threaded(run: Callable[[], object], stop: Callable[[], object]) -> Iterator[None]:
    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop()
        thread.join(PATIENCE)


@contextmanager
def _following(arguments: list[str], folder: Path) -> Iterator[None]:
    with (folder / f"{arguments[0]}.log").open("wb") as log:
        process = subprocess.Popen([*_GATEWAY, *arguments], cwd=ROOT, stdout=log, stderr=log)
        try:
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(PATIENCE)
