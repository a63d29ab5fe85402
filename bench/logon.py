"""The logon check and the gateway's question over TLS with client certificates, behind nginx, as an authority grows.

32 clients ask for one good terminal at the terminals door, with a full handshake for each request and over kept-alive
connections; beside them, in the same runs, what nginx answers by itself to the same clients. Rates are per core-second of all
processes that answered: door, nginx, PostgreSQL's server. Then one certificate after the other is revoked while its terminal
asks without pause: when did the last request begin, after the commit, that was not told of it.

Run as `python -m bench.logon [--times 5] [--count 200] [--among 10000 100000 1000000]`; needs Debian's nginx and PostgreSQL.
"""

import argparse
import json
import statistics
import time
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from http.client import HTTPSConnection
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from bench.ocsp import private_mb
from bench.redemptions import Target
from bench.retrieval import Asking, Kind, door, fill, front, measured, options, tree
from ca import issuers, revocation
from ca.revocation import Reason
from kernel.clock import SystemClock
from tests.crash.homes import RealHome, found_home
from tests.support.house import SOURCE, new_request

DOOR, FRONT = 19_096, 19_097
REVOCATIONS = 100
LOOKED_AT = 0.05  # seconds after each commit
STATIC = "nginx alone"
NGINX = """
user root; worker_processes 1; daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
    access_log off; keepalive_requests 1000000000;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
    ssl_protocols TLSv1.2 TLSv1.3; ssl_certificate {folder}/server.pem; ssl_certificate_key {folder}/server.key;
    ssl_session_cache off; ssl_session_tickets off;  # each connection is a full handshake
    ssl_client_certificate {clients}; ssl_verify_client optional; ssl_verify_depth 3;
    upstream door {{ server 127.0.0.1:{door}; keepalive 64; keepalive_timeout 10s; }}
    proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $http_host;
    proxy_set_header X-Forwarded-For $remote_addr; proxy_set_header X-Forwarded-Proto $scheme;
    proxy_set_header X-SSL-Client-Verify $ssl_client_verify; proxy_set_header X-SSL-Client-Cert $ssl_client_escaped_cert;
    server {{
        listen 127.0.0.1:{front} ssl;
        location /static {{ return 200 "ok"; }}
        location /ready {{ return 204; }}
        location / {{ proxy_pass http://door; }}
    }}
}}
"""


def run(folder: Path, kind: Kind, chosen: argparse.Namespace) -> dict[str, object]:
    """Measure on one database."""
    home = found_home(folder, kind.url)
    terminals = [_terminal(home, folder, number) for number in range(REVOCATIONS + 1)]
    chain = folder / "clients.pem"
    with home.house.database.snapshot() as session:
        pems = [issuer.pem for issuer in issuers.load_all(session)]
    chain.write_text("".join(pems), encoding="ascii")
    facts: dict[str, object] = {}
    with front(folder, NGINX, door=DOOR, front=FRONT, clients=chain) as nginx:
        for among in chosen.among:
            fill(home, among)
            with door(home, folder, "terminals", DOOR) as serving:
                cases = [
                    Asking("logon check", terminals[0].target(), lambda: [*tree(serving), *nginx(), *kind.servers()]),
                    Asking("gateway", terminals[0].gateway(), lambda: [*tree(serving), *nginx(), *kind.servers()]),
                    Asking(STATIC, Target(FRONT, "/static", 200, "GET", terminals[0].identity), nginx),
                ]
                facts[f"among {among}"] = _measured(cases, terminals[0].body, chosen) | {
                    "private_mb": round(private_mb(tree(serving)[-1]), 1)
                }
        with door(home, folder, "terminals", DOOR):
            facts["a_revocation_shows"] = _lags(home, terminals[1:])
    return facts


@dataclass(frozen=True)
class Terminal:
    """A terminal that may log on: its certificate's names, the file that it shows itself by, and what it sends."""

    issuer: str
    serial: str
    identity: Path
    body: str

    def target(self) -> Target:
        """Return the logon check, as it asks it."""
        return Target(FRONT, "/api/v1/logons", 200, identity=self.identity)

    def gateway(self) -> Target:
        """Return the question of the gateway that it stands before."""
        return Target(FRONT, "/gateway/authorize", 204, "GET", self.identity)


def _terminal(home: RealHome, folder: Path, number: int) -> Terminal:
    [(name, codes)] = home.house.new_codes()
    request = new_request()
    retrieved = home.house.redemption.redeem(codes, request.pem, SOURCE)
    pem = x509.load_der_x509_certificate(retrieved.certificate.der or b"").public_bytes(Encoding.PEM)
    chain = "".join(link.pem for link in retrieved.chain).encode("ascii")
    identity = folder / f"terminal-{number}.pem"
    identity.write_bytes(pem + chain + request.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    body = json.dumps({"terminal": name, "access_key": codes.access_key})
    return Terminal(retrieved.certificate.issuer, retrieved.certificate.serial, identity, body)


def _measured(cases: Sequence[Asking], body: str, chosen: argparse.Namespace) -> dict[str, object]:
    """Ask over new connections and over kept ones, the cases in turn; the first round of each is to warm up."""
    facts: dict[str, object] = {}
    for mode, anew in (("new TLS each", True), ("kept alive", False)):
        for round_ in range(chosen.times + 1):
            for case in cases:
                # A GET sends nothing.
                case.ask([body if case.target.method == "POST" else ""] * chosen.count, anew=anew)
                if not round_:
                    case.forget()
        facts[mode] = {case.what: case.summary() for case in cases}
        for case in cases:
            case.forget()
    return facts


def _lags(home: RealHome, terminals: Sequence[Terminal]) -> dict[str, object]:
    """Revoke one certificate after the other; tell when the last request began that was not told of it."""
    granted, answers, lags = 0, [], []
    for terminal in terminals:
        with ExitStack() as stack:
            context = terminal.target().tls()
            line = stack.enter_context(closing(HTTPSConnection("127.0.0.1", FRONT, timeout=30, context=context)))
            if not _may_log_on(line, terminal):
                raise RuntimeError("refused before its time")
            with home.house.database.transaction() as session:
                now = SystemClock().now()
                revocation.revoke(session, terminal.issuer, terminal.serial, reason=Reason.SUPERSEDED, now=now)
            committed, last = time.perf_counter(), 0.0
            while (begin := time.perf_counter() - committed) < LOOKED_AT:
                if _may_log_on(line, terminal):
                    granted, last = granted + 1, begin
                answers.append(time.perf_counter() - committed - begin)
            lags.append(last)
    return {
        "revocations": len(terminals),
        "asked_after_commit": len(answers),
        "granted_after_commit": granted,
        "last_unknowing_request_began_ms_after_commit": _told(lags),
        "an_answer_took_ms": _told(answers),
    }


def _told(seconds: Sequence[float]) -> dict[str, float]:
    ordered = sorted(1000 * one for one in seconds)
    return {
        "median": round(statistics.median(ordered), 2),
        "p99": round(ordered[len(ordered) * 99 // 100], 2),
        "most": round(ordered[-1], 2),
    }


def _may_log_on(line: HTTPSConnection, terminal: Terminal) -> bool:
    target = terminal.target()
    line.request(target.method, target.path, terminal.body, {"Content-Type": "application/json"})
    answer = line.getresponse()
    answer.read()
    return answer.status == target.status


def main() -> None:
    """Measure on both databases and write bench/results/logon.json."""
    measured("logon", run, options(__doc__))


if __name__ == "__main__":
    main()
