"""Retrieval from end to end: codes and a fresh key in, a certificate out, behind nginx with TLS, beside cfssl.

Each request is one redemption at the retrieval door: codes that were prepared and a P-256 request that was made in advance.
Then the same terminals fetch their second certificates, as in a generation change: each ends the first one.
32 clients ask, with a full TLS handshake for each request, and over kept-alive ones. cfssl (Debian's
golang-cfssl) signs the same requests behind the same nginx, without codes, into a database of the same kind. Rates are per
core-second of all processes that did the work: door, nginx, PostgreSQL's server. The limit is what verifying a request,
signing a certificate and nginx's TLS cost by themselves.

Run as `python -m bench.retrieval [--times 5] [--count 200] [--among 10000 100000 1000000]`; needs Debian's nginx, PostgreSQL and
golang-cfssl.
"""

import argparse
import json
import os
import re
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import psycopg
from sqlalchemy import func, select, text

from bench import measure
from bench.ocsp import children, fetched, private_mb, running
from bench.redemptions import Supply, Target, asked, cpu_of
from bench.status import FILL
from ca.tables import CertificateRow
from kernel.database import Database
from tests.crash.homes import RealHome, found_home
from tests.support.postgres import PostgresServer, private_server

DOOR, PEER, FRONT = 19_100, 19_101, 19_102
FOLLOWING = "ours, a certificate that follows another"
STATIC = 3  # so many times more of what nginx answers by itself, as it is so cheap
NGINX = """
user root; worker_processes 1; daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
    access_log off; keepalive_requests 1000000000;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
    ssl_protocols TLSv1.2 TLSv1.3; ssl_certificate {folder}/server.pem; ssl_certificate_key {folder}/server.key;
    ssl_session_cache off; ssl_session_tickets off;  # each connection is a full handshake
    upstream door {{ server 127.0.0.1:{door}; keepalive 64; keepalive_timeout 10s; }}
    upstream cfssl {{ server 127.0.0.1:{peer}; keepalive 64; keepalive_timeout 10s; }}
    proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $http_host;
    proxy_set_header X-Forwarded-For $remote_addr; proxy_set_header X-Forwarded-Proto $scheme;
    server {{
        listen 127.0.0.1:{front} ssl;
        location /api/v1/retrievals {{ proxy_pass http://door; }}
        location /api/v1/cfssl/ {{ proxy_pass http://cfssl; }}
        location /static {{ return 201 "{static}"; }}
        location / {{ return 204; }}
    }}
}}
"""
TABLE = """
CREATE TABLE certificates (
    serial_number {octets} NOT NULL, authority_key_identifier {octets} NOT NULL, ca_label {octets}, status {octets} NOT NULL,
    reason int, expiry {instant}, revoked_at {instant}, pem {octets} NOT NULL,
    PRIMARY KEY (serial_number, authority_key_identifier)
)"""


@dataclass
class Asking:
    """One way of asking somebody: whose CPU counts, and what was seen in each run."""

    what: str
    target: Target
    workers: Callable[[], Sequence[int]]
    rates: list[float] = field(default_factory=list)
    p50: list[float] = field(default_factory=list)
    p99: list[float] = field(default_factory=list)
    failed: int = 0

    def ask(self, bodies: Sequence[str], *, anew: bool) -> None:
        """Send each body once."""
        before = cpu_of(self.workers())
        seen = asked(self.target, bodies, anew=anew)
        if seen.failed and self.what != "cfssl":
            raise RuntimeError(f"{self.what}: {seen.failed} of {len(bodies)} failed")
        self.failed += seen.failed
        self.rates.append(seen.good / (cpu_of(self.workers()) - before))
        self.p50.append(seen.p50)
        self.p99.append(seen.p99)

    def forget(self) -> None:
        """Let what was seen not count: it was to warm up."""
        self.rates, self.p50, self.p99, self.failed = [], [], [], 0

    @property
    def rate(self) -> float:
        """The median."""
        return statistics.median(self.rates)

    def summary(self) -> dict[str, object]:
        """Return medians, and the rates they are of."""
        return {
            "rate": round(self.rate),
            "p50_ms": round(statistics.median(self.p50), 1),
            "p99_ms": round(statistics.median(self.p99), 1),
            "failed": self.failed,
            "rates": [round(rate) for rate in self.rates],
        }


@dataclass(frozen=True)
class Kind:
    """A kind of database: its address for us and for cfssl, and the processes that work for it."""

    name: str
    url: str
    peer: dict[str, str]
    servers: Callable[[], Sequence[int]]


def run(folder: Path, kind: Kind, chosen: argparse.Namespace) -> dict[str, object]:
    """Measure on one database, and beside it cfssl on another one of its kind."""
    home = found_home(folder, kind.url)
    supply = Supply(home.house)
    facts: dict[str, object] = {}
    with ExitStack() as stack:
        static = "0" * 2_600  # octets of a usual answer
        nginx = stack.enter_context(front(folder, NGINX, door=DOOR, peer=PEER, front=FRONT, static=static))
        peer = stack.enter_context(
            running(_cfssl(folder, kind.peer), lambda: socket.create_connection(("127.0.0.1", PEER)).close())
        )
        for number, among in enumerate(chosen.among):
            fill(home, among)
            with door(home, folder, "retrieval", DOOR) as serving:
                cases = [
                    Asking(
                        what,
                        Target(FRONT, "/api/v1/retrievals", 201),
                        lambda: [*tree(serving), *nginx(), *kind.servers()],
                    )
                    for what in ("ours", FOLLOWING)
                ]
                if not number:
                    cases += [
                        Asking(
                            "cfssl",
                            Target(FRONT, "/api/v1/cfssl/sign", 200),
                            lambda: [peer, *nginx(), *kind.servers()],
                        ),
                        Asking("static", Target(FRONT, "/static", 201), nginx),
                    ]
                facts[f"among {among}"] = _measured(cases, supply, home, chosen) | {
                    "private_mb": round(private_mb(tree(serving)[-1]), 1),
                    "cfssl_private_mb": round(private_mb(peer), 1),
                }
    return facts


def _measured(cases: Sequence[Asking], supply: Supply, home: RealHome, chosen: argparse.Namespace) -> dict[str, object]:
    """Ask over new connections and over kept ones, the cases in turn; the first round of each is to warm up."""
    facts: dict[str, object] = {}
    for mode, anew in (("new TLS each", True), ("kept alive", False)):
        for round_ in range(chosen.times + 1):
            codes, requests = supply.make(chosen.count)
            before = _redeemed(home.house.database)
            for case in cases:
                if case.what == FOLLOWING:
                    case.ask(supply.make_following(), anew=anew)
                else:
                    case.ask({"ours": codes, "cfssl": requests}.get(case.what, STATIC * codes), anew=anew)
                if not round_:
                    case.forget()
            home.house.database.dispose()
            now = _redeemed(home.house.database)
            if (now.valid - before.valid, now.revoked - before.revoked) != (chosen.count, chosen.count):
                raise RuntimeError("not every request became a certificate, or not every first one was ended by the second")
        facts[mode] = {case.what: case.summary() for case in cases} | _ratios({case.what: case.rate for case in cases})
        for case in cases:
            case.forget()
    return facts


def _ratios(rates: dict[str, float]) -> dict[str, object]:
    """Return our rate in those of the peer and of the limit: a request verified, a certificate signed, nginx with its TLS."""
    if "static" not in rates:
        return {}
    speed = _speed()
    limit = 1 / (1 / speed["sign"] + 1 / speed["verify"] + 1 / rates["static"])
    of = {"of_cfssl": round(rates["ours"] / rates["cfssl"], 2), "of_limit": round(rates["ours"] / limit, 2)}
    return {"limit": round(limit), "openssl_speed": speed} | of


class _Redeemed(NamedTuple):
    valid: int
    revoked: int


def _redeemed(database: Database) -> _Redeemed:
    with database.snapshot() as session:
        query = select(CertificateRow.state, func.count()).where(CertificateRow.kind == "terminal").group_by(CertificateRow.state)
        found = {row[0]: row[1] for row in session.execute(query)}
    return _Redeemed(found.get("valid", 0), found.get("revoked", 0))


def tree(pid: int) -> list[int]:
    """Return a process and those it started."""
    return [pid, *children(pid)]


@contextmanager
def door(home: RealHome, folder: Path, name: str, port: int) -> Iterator[int]:
    """Serve a door over plain HTTP behind a proxy on this machine, which may also say who its clients are."""
    chosen = {
        "TEGATA_HOME": str(folder),
        f"TEGATA_{name.upper()}__BIND": f"127.0.0.1:{port}",
        f"TEGATA_{name.upper()}__SCHEME": "http",
        "TEGATA_TRUSTED_PROXIES": "127.0.0.1/32",
        "TEGATA_CERTIFICATE_PROXIES": "127.0.0.1/32",
        "TEGATA_LOG_LEVEL": "error",
    }
    home.house.database.dispose()
    command = [sys.executable, "-m", "server", "serve", name]
    with running(command, fetched(port, "/readyz"), dict(os.environ) | chosen) as pid:
        yield pid


@contextmanager
def front(folder: Path, template: str, **values: object) -> Iterator[Callable[[], list[int]]]:
    """Run nginx with a certificate of its own; what is yielded returns its processes."""
    place = folder / "nginx"
    place.mkdir()
    _self_signed(place, "server", "localhost")
    conf = place / "nginx.conf"
    conf.write_text(template.format(folder=place, **values), encoding="ascii")
    with running(["nginx", "-c", str(conf)], (place / "nginx.pid").stat) as pid:
        yield lambda: tree(pid)


def _self_signed(folder: Path, name: str, subject: str, *options: str) -> None:
    new = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "3650"]
    files = ["-keyout", str(folder / f"{name}.key"), "-out", str(folder / f"{name}.pem")]
    subprocess.run([*new, "-subj", f"/CN={subject}", *files, *options], check=True, capture_output=True)


def _cfssl(folder: Path, database: dict[str, str]) -> list[str]:
    """Return the command of cfssl's server with a P-256 key, a profile like ours and a database."""
    _self_signed(folder, "cfssl", "cfssl", "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=keyCertSign")
    (folder / "cfssl.json").write_text(
        '{"signing": {"default": {"expiry": "8760h", "usages": ["digital signature", "client auth"],'
        ' "crl_url": "http://localhost:8080/crl/issuing-1.crl", "ocsp_url": "http://localhost:8080/ocsp",'
        ' "issuer_urls": ["http://localhost:8080/ca/issuing-1.cer"]}}}',
        encoding="ascii",
    )
    pairs = ", ".join(f'"{name}": "{value}"' for name, value in database.items())
    (folder / "cfssl-db.json").write_text(f"{{{pairs}}}", encoding="ascii")
    files = ["-ca", folder / "cfssl.pem", "-ca-key", folder / "cfssl.key", "-config", folder / "cfssl.json"]
    command = ["cfssl", "serve", "-port", PEER, "-loglevel", "4", *files, "-db-config", folder / "cfssl-db.json"]
    return [str(part) for part in command]


def fill(home: RealHome, among: int) -> None:
    """Let the database hold at least so many certificates before the first request."""
    database = home.house.database
    with database.snapshot() as session:
        present = session.scalar(select(func.max(CertificateRow.id))) or 0
    if among <= present:
        return
    with database.transaction() as session:
        values = {"issuer": home.house.issuing.issuer.name, "first": present + 1, "last": among}
        dates = {"now": "2026-11-01 00:00:00", "end": "2027-10-31 14:59:59"}
        session.execute(text(FILL[database.engine.dialect.name]), values | dates)
    with database.transaction() as session:
        session.execute(text("ANALYZE"))


def _sqlite(folder: Path) -> Kind:
    peer = folder / "cfssl.db"
    with closing(sqlite3.connect(peer)) as connection:
        connection.execute(TABLE.format(octets="blob", instant="timestamp"))
    database = {"driver": "sqlite3", "data_source": f"file:{peer}?_busy_timeout=60000"}
    return Kind("sqlite", f"sqlite:///{folder}/bench.db", database, list)


def _postgresql(server: PostgresServer) -> Kind:
    for name in ("bench", "cfssl"):
        server.execute("CREATE DATABASE {}", name)
    server.execute("ALTER SYSTEM SET fsync = on")  # the tests' server goes without
    server.execute("SELECT pg_reload_conf()")
    peer = f"host={server.folder} user=tegata dbname=cfssl"
    with psycopg.connect(peer, autocommit=True) as connection:
        connection.execute(TABLE.format(octets="bytea", instant="timestamptz"))
    master = int((server.folder / "cluster" / "postmaster.pid").read_text(encoding="ascii").splitlines()[0])
    database = {"driver": "postgres", "data_source": f"{peer} sslmode=disable"}
    return Kind("postgresql", server.url("bench"), database, lambda: tree(master))


def _speed() -> dict[str, float]:
    """Return OpenSSL's P-256 signatures and verifications per core-second."""
    command = ["openssl", "speed", "-seconds", "1", "ecdsap256"]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    sign, verify = re.findall(r"[\d.]+", told.splitlines()[-1])[-2:]
    return {"sign": float(sign), "verify": float(verify)}


def measured(what: str, run: Callable[[Path, Kind, argparse.Namespace], dict[str, object]], chosen: argparse.Namespace) -> None:
    """Measure on both databases and write bench/results/….json; on one only, tell it."""
    facts: dict[str, object] = {"unit": "requests per core-second of all processes that did the work", "count": chosen.count}
    with tempfile.TemporaryDirectory(prefix=f"bench-{what}-") as name, private_server() as server:
        for kind in (_sqlite(Path(name)), _postgresql(server)):
            if chosen.only in (None, kind.name):
                folder = Path(name) / kind.name
                folder.mkdir()
                facts[kind.name] = run(folder, kind, chosen)
    if chosen.only:
        sys.stdout.write(json.dumps(facts, indent=1) + "\n")
    else:
        measure.write(what, facts)


def options(description: str | None) -> argparse.Namespace:
    """Return what was chosen on the command line."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--count", type=int, default=200, help="requests in a run")
    parser.add_argument("--among", type=int, nargs="+", default=[10_000, 100_000, 1_000_000], help="certificates in the database")
    parser.add_argument("--only", choices=("sqlite", "postgresql"))
    return parser.parse_args()


def main() -> None:
    """Measure on both databases and write bench/results/retrieval.json."""
    chosen = options(__doc__)
    measured("retrieval", run, chosen)


if __name__ == "__main__":
    main()
