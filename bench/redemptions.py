"""Redemptions to be asked for: codes and requests made in advance, and who sends each of them once."""

import json
import ssl
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass, field
from http.client import HTTPSConnection
from multiprocessing import get_context
from pathlib import Path
from time import perf_counter

from sqlalchemy import insert

from bench.ocsp import TICKS
from enrollment import codes as code_rules
from enrollment.preparation import store_sets
from kernel.clock import tokyo_date
from registry import terminals
from registry.states import DeviceClass, SystemClass
from registry.tables import TerminalRow
from tests.support.house import APPROVER, OFFICE, PREPARER, House, new_request

CONNECTIONS, PROCESSES = 32, 2
_JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True)
class Seen:
    """How many were answered as wanted, how many otherwise, and how long answers took, in milliseconds."""

    good: int
    failed: int
    p50: float
    p99: float


@dataclass(frozen=True)
class Target:
    """What is asked over TLS, and the status that is wanted; `identity` is a file with a client's certificate and key."""

    port: int
    path: str
    status: int
    method: str = "POST"
    identity: Path | None = None

    def tls(self) -> ssl.SSLContext:
        """Return what a client trusts, which is anybody, and how it shows itself."""
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        if self.identity is not None:
            context.load_cert_chain(self.identity)
        return context


def asked(target: Target, bodies: Sequence[str], *, anew: bool) -> Seen:
    """Send each body once, from processes of their own, over a new connection each or over 32 that are kept.

    What is answered by another status than is wanted has failed.
    """
    shares = [(target, bodies[number::PROCESSES], anew) for number in range(PROCESSES)]
    with get_context("fork").Pool(PROCESSES) as pool:
        waits = sorted(1_000 * wait for share in pool.starmap(_share, shares) for wait in share)
    if not waits:
        raise RuntimeError(f"nothing that was asked of {target.path} was answered as wanted")
    return Seen(len(waits), len(bodies) - len(waits), waits[len(waits) // 2], waits[len(waits) * 99 // 100])


def _share(target: Target, bodies: list[str], anew: object) -> list[float]:
    """Send a process's share and return the seconds that each good answer took, its handshake included."""
    context = target.tls()
    left, waits = deque(bodies), []

    def work() -> None:
        with closing(HTTPSConnection("127.0.0.1", target.port, timeout=30, context=context)) as connection:
            while left:
                with suppress(IndexError):
                    body = left.popleft()
                    begin = perf_counter()
                    connection.request(target.method, target.path, body or None, _JSON)
                    answer = connection.getresponse()
                    answer.read()
                    if answer.status == target.status:
                        waits.append(perf_counter() - begin)
                    if anew:
                        connection.close()

    with ThreadPoolExecutor(CONNECTIONS // PROCESSES) as threads:
        for worker in [threads.submit(work) for _ in range(CONNECTIONS // PROCESSES)]:
            worker.result()
    return waits


def cpu_of(pids: Sequence[int]) -> float:
    """Return the CPU seconds that processes have used, and those of their children that have ended."""
    used = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        used += sum(map(int, fields[11:15]))
    return used / TICKS


@dataclass
class Supply:
    """Makes what is redeemed: terminals of one office with their codes, each with a P-256 request of its own."""

    house: House
    _made: int = field(default=0, repr=False)
    _newest: list[str] = field(default_factory=list, repr=False)

    def make(self, count: int) -> tuple[list[str], list[str]]:
        """Return JSON bodies for the retrieval door, and those for cfssl of the same requests."""
        names = [f"{number % 100_000:05}{'ABCDEFGHJK'[number // 100_000]}" for number in range(self._made, self._made + count)]
        self._made += count
        requests = [new_request().pem.decode("ascii") for _ in names]
        with self.house.database.transaction() as session:
            session.execute(insert(TerminalRow), [_terminal(name, self.house) for name in names])
        self._newest = names
        return self._bodies(names, requests), [json.dumps({"certificate_request": pem}) for pem in requests]

    def make_following(self) -> list[str]:
        """Return JSON bodies for the retrieval door, of the terminals that were made last and have their certificates by now."""
        return self._bodies(self._newest, [new_request().pem.decode("ascii") for _ in self._newest])

    def _bodies(self, names: Sequence[str], requests: Sequence[str]) -> list[str]:
        return [json.dumps(codes | {"csr": pem}) for codes, pem in zip(self._codes(names), requests, strict=True)]

    def _codes(self, names: Sequence[str]) -> list[dict[str, str]]:
        house, now = self.house, self.house.clock.now()
        with house.database.snapshot() as session:
            found = list(terminals.named(session, names).values())
        made = house.preparation.make_sets(found, str(APPROVER), PREPARER, now)
        with house.database.transaction() as session:
            store_sets(session, made, PREPARER, now)
        opened = (
            code_rules.unseal(house.opener, row["sealed"], code_set_id=row["id"], terminal=row["terminal"], office_code=OFFICE)
            for row in made
        )
        return [vars(codes) for codes in opened]


def _terminal(name: str, house: House) -> dict[str, object]:
    now = house.clock.now()
    return {
        "name": name,
        "office_code": OFFICE,
        "system_class": SystemClass.SEA,
        "device_class": DeviceClass.NET,
        "package_class": "net",
        "state": "pending",
        "start_date": tokyo_date(now),
        "registered_at": now,
        "changed_at": now,
    }
