"""The status door as an authority grows: among 10,000 and 1,000,000 certificates, on both databases.

Answers that are kept, looked up, signed live; how long after its commit a revocation may still be unknown; how soon a door
answers, and what memory it takes.
Rates are per core-second of all processes that answered, the database's among them. Run as `python -m bench.status
[--most 1000000] [--times 5] [--seconds 2]`; needs Debian's wrk and PostgreSQL.
"""

import argparse
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from sqlalchemy import text

from bench import measure
from bench.ocsp import DOOR, NONCE, ROOT, Asked, Case, asked_of, children, cpu, environment, fetched, private_mb, running
from ca import issuers, revocation
from ca.issuers import Issuer
from ca.revocation import Reason
from kernel.clock import SystemClock
from kernel.database import Database, connect
from tests.support.postgres import private_server

FEW = 10_000
ROUNDS = 300
LOOKED_AT = 0.012  # seconds after each commit
FIRST = 1 << 158  # the serial number of the first certificate is one more: twenty octets, positive
LOOK_UP = """
local file = io.open("{file}", "rb"); local der = file:read("*a"); file:close()
local fields = {{["Content-Type"] = "application/ocsp-request"}}
math.randomseed(os.time())
request = function()
  local number = math.random(1, %d)
  local octets = string.char(math.floor(number / 65536) %% 256, math.floor(number / 256) %% 256, number %% 256)
  return wrk.format("POST", "/ocsp", fields, der:sub(1, #der - 3) .. octets)
end
"""
COLUMNS = "issuer, serial, kind, subject, spki_sha256, state, tbs, der, not_before, not_after, reserved_at, issued_at, partition"
FILL = {
    "sqlite": f"""
        WITH RECURSIVE count(n) AS (SELECT :first UNION ALL SELECT n + 1 FROM count WHERE n < :last)
        INSERT INTO ca_certificate ({COLUMNS}) SELECT :issuer, '4' || printf('%039x', n), 'terminal', printf('%06d', n),
        CAST(printf('%032d', n) AS BLOB), 'valid', zeroblob(700), zeroblob(800), :now, :end, :now, :now, 0 FROM count""",  # noqa: S608
    "postgresql": f"""
        INSERT INTO ca_certificate ({COLUMNS}) SELECT :issuer, '4' || lpad(to_hex(n), 39, '0'), 'terminal', lpad(n::text, 7, '0'),
        decode(lpad(to_hex(n), 64, '0'), 'hex'), 'valid', decode(repeat('00', 700), 'hex'), decode(repeat('00', 800), 'hex'),
        CAST(:now AS timestamptz), CAST(:end AS timestamptz), CAST(:now AS timestamptz), CAST(:now AS timestamptz), 0
        FROM generate_series(CAST(:first AS integer), CAST(:last AS integer)) AS n""",  # noqa: S608
}


@dataclass(frozen=True)
class House:
    """A home, its database, who else works for it (PostgreSQL's processes), and a folder for requests."""

    home: Path
    database: Database
    folder: Path
    servers: Callable[[], Sequence[int]]

    @property
    def issuer(self) -> Issuer:
        """The issuing CA."""
        with self.database.snapshot() as session:
            return next(one for one in issuers.load_all(session) if one.name.startswith("issuing"))

    def fill(self, first: int, last: int) -> None:
        """Insert certificates."""
        with self.database.transaction() as session:
            values = {"issuer": self.issuer.name, "first": first, "last": last, "now": "2026-11-01", "end": "2027-10-31 14:59:59"}
            session.execute(text(FILL[self.database.engine.dialect.name]), values)
        if self.database.engine.dialect.name == "postgresql":  # which does so by itself, a little later; SQLite never does
            with self.database.transaction() as session:
                session.execute(text("ANALYZE"))

    def question(self, name: str, number: int) -> Asked:
        """Return the request for a certificate; its serial number stands at its end."""
        name_hash, key_hash = self.issuer.identifier_hashes("sha1")
        builder = ocsp.OCSPRequestBuilder().add_certificate_by_hash(name_hash, key_hash, FIRST + number, SHA1())  # noqa: S303
        return Asked(self.folder, name, builder.build().public_bytes(Encoding.DER))

    @contextmanager
    def door(self, **settings: str) -> Iterator[list[int]]:
        """Serve the status door; the processes are the arbiter and its workers."""
        chosen = environment(self.home) | {"TEGATA_DATABASE_URL": self.url} | settings
        command = [sys.executable, "-m", "server", "serve", "status"]
        with running(command, fetched(DOOR, "/healthz"), chosen) as pid:
            yield [pid, *children(pid)]

    @property
    def url(self) -> str:
        """The database's address."""
        return self.database.engine.url.render_as_string(hide_password=False)


def _rates(house: House, count: int, times: int, seconds: int) -> dict[str, object]:
    """Ask for one certificate, for others each time, and with nonces."""
    hot = asked_of(house.database, house.folder)
    url = f"http://127.0.0.1:{DOOR}/ocsp"
    looked_up = house.question("look-up", 0).script(LOOK_UP % count)
    found: dict[str, object] = {}
    with house.door() as door:
        hot["good"].answer()
        workers = [*door, *house.servers()]
        cases = [Case("kept", hot["good"].url, workers), Case("nonce", url, workers, hot["nonce"].script(NONCE))]
        _ask(cases, times, seconds)
        found |= {f"private_mb_{when}": _filled(door[-1], case) for when, case in _filling(url, looked_up, workers)}
    # A door that keeps next to nothing looks up and signs each time, as one that was just started.
    with house.door(TEGATA_OCSP_KEPT_ANSWERS="100") as door:
        hot["good"].answer()
        cases.append(Case("looked up", url, [*door, *house.servers()], looked_up))
        _ask(cases[-1:], times, seconds)
    return {case.what: round(case.rate) for case in cases} | found


def _ask(cases: Sequence[Case], times: int, seconds: int) -> None:
    for _ in range(times):
        for case in cases:
            case.ask(seconds)


def _filling(url: str, script: Path, workers: Sequence[int]) -> Iterator[tuple[str, Case | None]]:
    yield "without_cache", None
    yield "with_full_cache", Case("fill", url, workers, script)


def _filled(worker: int, case: Case | None) -> float:
    if case is not None:
        case.ask(10)
    return round(private_mb(worker), 1)


class Line:
    """A connection that asks for one certificate."""

    def __init__(self, stack: ExitStack) -> None:
        self.sock = stack.enter_context(closing(socket.create_connection(("127.0.0.1", DOOR), timeout=10)))

    def is_revoked(self, der: bytes) -> bool:
        """Ask once."""
        head = f"POST /ocsp HTTP/1.1\r\nHost: x\r\nContent-Type: application/ocsp-request\r\nContent-Length: {len(der)}\r\n\r\n"
        self.sock.sendall(head.encode("ascii") + der)
        answer = self.sock.recv(65_536)
        response = ocsp.load_der_ocsp_response(answer.partition(b"\r\n\r\n")[2])
        return response.certificate_status is ocsp.OCSPCertStatus.REVOKED


def _lags(house: House) -> dict[str, object]:
    """Revoke one certificate after the other; tell when the last request began that was not told of it."""
    lags, unknown, hot = [], 0, asked_of(house.database, house.folder)
    with house.door(TEGATA_STATUS__WORKERS="2"), ExitStack() as stack:
        # Others ask all the while, so that each process has just looked at the database whenever a revocation is committed.
        others = subprocess.Popen(["wrk", "-t1", "-c16", "-d600", hot["good"].url], stdout=subprocess.DEVNULL)
        stack.callback(others.wait)
        stack.callback(others.kill)
        lines = [Line(stack) for _ in range(8)]
        for number in range(1, ROUNDS + 1):
            der = house.question("lag", number).der
            if any(line.is_revoked(der) for line in lines):
                raise RuntimeError("revoked before its time")
            with house.database.transaction() as session:
                now, serial = SystemClock().now(), f"{FIRST + number:x}"
                revocation.revoke(session, house.issuer.name, serial, reason=Reason.SUPERSEDED, now=now)
            lags.append(_lag(lines, der))
            unknown += not lines[0].is_revoked(der)
    milliseconds = sorted(1000 * lag for lag in lags)
    return {
        "revocations": ROUNDS,
        "last_unknowing_request_began_ms_after_commit": {
            "median": round(statistics.median(milliseconds), 2),
            "p99": round(milliseconds[int(len(milliseconds) * 0.99)], 2),
            "most": round(milliseconds[-1], 2),
        },
        "never_told": unknown,
    }


def _lag(lines: Sequence[Line], der: bytes) -> float:
    committed, last = time.perf_counter(), 0.0
    while (begin := time.perf_counter() - committed) < LOOKED_AT:
        for line in lines:
            begin = time.perf_counter() - committed
            if not line.is_revoked(der):
                last = begin
    return last


def _starts(house: House, times: int) -> dict[str, object]:
    """How long until the first answer: of a door that is started, and of one whose worker was killed."""
    walls, cpus, again = [], [], []
    asked = house.question("start", 1)
    for _ in range(times):
        begin = time.perf_counter()
        with house.door() as door:
            asked.answer()
            walls.append(time.perf_counter() - begin)
            cpus.append(sum(map(cpu, door)))
            subprocess.run(["kill", f"-{signal.SIGKILL}", str(door[-1])], check=True)
            begin = time.perf_counter()
            asked.answer()
            again.append(time.perf_counter() - begin)
    return {
        "started_wall_seconds": round(statistics.median(walls), 2),
        "started_cpu_seconds": round(statistics.median(cpus), 2),
        "after_a_killed_worker_wall_seconds": round(statistics.median(again), 2),
    }


def run(folder: Path, url: str, servers: Callable[[], Sequence[int]], chosen: argparse.Namespace) -> dict[str, object]:
    """Measure on one database."""
    folder.mkdir()
    home = folder / "home"
    settings = environment(home) | {"TEGATA_DATABASE_URL": url}
    subprocess.run([sys.executable, "-m", "server", "init"], cwd=ROOT, env=settings, check=True, capture_output=True)
    house = House(home, connect(url), folder, servers)
    house.fill(1, FEW)
    facts: dict[str, object] = {str(FEW): _rates(house, FEW, chosen.times, chosen.seconds)}
    house.fill(FEW + 1, chosen.most)
    facts[str(chosen.most)] = _rates(house, chosen.most, chosen.times, chosen.seconds)
    facts |= {"a_revocation_shows": _lags(house), "first_answer": _starts(house, chosen.times)}
    house.database.dispose()
    return facts


def main() -> None:
    """Measure on both databases and write bench/results/status.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--most", type=int, default=1_000_000)
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=2)
    chosen = parser.parse_args()
    facts: dict[str, object] = {"unit": "requests per core-second of all processes that answered, the database's among them"}
    with tempfile.TemporaryDirectory(prefix="bench-status-") as folder, private_server() as server:
        facts["sqlite"] = run(Path(folder) / "a", f"sqlite:///{folder}/bench.db", list, chosen)
        server.execute("CREATE DATABASE {}", "bench")
        master = int((server.folder / "cluster" / "postmaster.pid").read_text(encoding="ascii").splitlines()[0])
        facts["postgresql"] = run(Path(folder) / "b", server.url("bench"), lambda: [master, *children(master)], chosen)
    measure.write("status", facts)


if __name__ == "__main__":
    main()
