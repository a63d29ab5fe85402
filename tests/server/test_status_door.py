"""The status door's worker as it is served: sockets, threads, several processes; and five milliseconds after a revocation."""

import base64
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pytest

from ca import revocation
from ca.revocation import Reason
from kernel.clock import SystemClock
from kernel.database import Database
from server.responding import FRESH_FOR
from tests.ca.issuance import issue
from tests.ca.ocsp_requests import Told, cert_id, error, nonce, request
from tests.conftest import FreshDatabase
from tests.server.lines import Line, door_process, standing_house
from tests.server.status_door import DEADLINE
from tests.support.house import House, build_house

WITHIN = 0.005  # seconds from a revocation's commit to the beginning of a request that must be told of it
ROUNDS = 60
PATIENCE = 60.0  # seconds; a busy machine is slow


@pytest.fixture
def fresh_house(database: Database, tmp_path: Path) -> House:
    """Return a house over which no door stands that works ahead."""
    return build_house(database, tmp_path, SystemClock())


@dataclass(frozen=True)
class StatusDoor:
    """A running status door."""

    house: House
    port: int
    process: "subprocess.Popen[bytes]"

    def line(self) -> Line:
        """Open a connection."""
        return Line(self.port)


@contextmanager
def status_door(
    house: House, folder: Path, *, workers: int = 1, fresh_for: float = FRESH_FOR, ahead: bool = True
) -> Iterator[StatusDoor]:
    url = house.database.engine.url.render_as_string(hide_password=False)
    arguments = [url, house.keys.path("ocsp").parent, workers, fresh_for, *(["ahead"] if ahead else [])]
    with door_process("tests.server.status_door", arguments, folder / "door.log") as (port, process):
        yield StatusDoor(house, port, process)


@pytest.fixture(scope="module")
def sqlite_door(sqlite_databases: FreshDatabase, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StatusDoor]:
    folder = tmp_path_factory.mktemp("door")
    with standing_house(sqlite_databases, folder) as house, status_door(house, folder) as opened:
        yield opened


@pytest.fixture(scope="module")
def postgresql_door(postgresql_databases: FreshDatabase, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StatusDoor]:
    folder = tmp_path_factory.mktemp("door")
    with standing_house(postgresql_databases, folder) as house, status_door(house, folder) as opened:
        yield opened


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def door(request: pytest.FixtureRequest) -> StatusDoor:
    """Return the door over each database."""
    found: StatusDoor = request.getfixturevalue(f"{request.param}_door")
    return found


@pytest.fixture
def house(door: StatusDoor) -> House:
    """Return the house whose door stands."""
    return door.house


def post(der: bytes, *fields: str) -> bytes:
    """Return a POST of a request."""
    lines = ["POST /ocsp HTTP/1.1", "Host: x", "Content-Type: application/ocsp-request", f"Content-Length: {len(der)}", *fields]
    return "\r\n".join(lines).encode("ascii") + b"\r\n\r\n" + der


def get(der: bytes) -> bytes:
    """Return a GET of a request."""
    return f"GET /ocsp/{quote(base64.b64encode(der), safe='')} HTTP/1.1\r\nHost: x\r\n\r\n".encode("ascii")


def _question(house: House) -> bytes:
    return request(cert_id(house.issuing.issuer, issue(house).serial))


def test_get_and_post_are_answered_alike_with_what_caches_want(house: House, door: StatusDoor) -> None:
    asked, line = _question(house), door.line()
    head, body = line.ask(post(asked))
    assert head.startswith(b"HTTP/1.1 200 OK\r\nDate: ")
    assert Told(body, house.issuing.issuer).statuses == ["good"]
    for field in (b"Content-Type: application/ocsp-response", b"Cache-Control: max-age=60, ", b"Last-Modified: ", b"Expires: "):
        assert b"\r\n" + field in head
    again, same = line.ask(get(asked))
    assert same == body
    etag = again.partition(b"ETag: ")[2].partition(b"\r\n")[0]
    assert len(etag) == 66


def test_answers_about_new_certificates_are_signed_before_somebody_asks(house: House, door: StatusDoor) -> None:
    line, end = door.line(), time.monotonic() + 60
    while time.monotonic() < end:  # a machine that is busy may sign some of them late
        asked = _question(house)
        time.sleep(1.2)  # answers tell whole seconds
        begin = SystemClock().now().replace(microsecond=0)
        told = Told(line.ask(post(asked))[1], house.issuing.issuer)
        assert told.statuses == ["good"]
        if told.data["produced_at"].native < begin:
            return
    pytest.fail("each answer was signed when it was asked for")


def test_the_app_answers_the_rest_on_the_same_connection(house: House, door: StatusDoor) -> None:
    asked, line = post(_question(house)), door.line()
    for _ in range(3):
        assert line.ask(b"GET /crl HTTP/1.1\r\nHost: x\r\n\r\n")[1] == b"app GET /crl 0"
        assert line.ask(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")[1] == b"ok\n"
        assert Told(line.ask(asked)[1], house.issuing.issuer).statuses == ["good"]


def test_requests_cut_anywhere_are_answered(house: House, door: StatusDoor) -> None:
    der = _question(house)
    for whole in (post(der), get(der)):
        line = door.line()
        for cut in range(1, len(whole), 7):
            line.sock.sendall(whole[:cut])
            time.sleep(0.001)
            assert Told(line.ask(whole[cut:])[1], house.issuing.issuer).statuses == ["good"]


def test_requests_in_a_row_are_answered_in_their_order(house: House, door: StatusDoor) -> None:
    numbers = [b"%016d" % number for number in range(200)]
    one = cert_id(house.issuing.issuer, issue(house).serial)
    line = door.line()
    line.sock.sendall(b"".join(post(request(one, extensions=[nonce(octets)])) for octets in numbers))
    assert [Told(line.answer()[1], house.issuing.issuer).nonce for _ in numbers] == numbers
    line.sock.sendall(post(request(one)) + b"GET /other HTTP/1.1\r\nHost: x\r\n\r\n" + get(request(one)) + post(request(one)))
    assert Told(line.answer()[1], house.issuing.issuer).statuses == ["good"]
    assert line.answer()[1] == b"app GET /other 0"


def test_who_does_not_read_gets_it_all_when_he_does(house: House, door: StatusDoor) -> None:
    whole, line, count = post(_question(house)), door.line(), 6_000
    asking = threading.Thread(target=lambda: line.sock.sendall(whole * count))
    asking.start()
    time.sleep(0.5)
    assert all(line.answer()[0].startswith(b"HTTP/1.1 200") for _ in range(count))
    asking.join()


def test_what_is_too_large_is_malformed_in_the_protocols_form_or_refused(door: StatusDoor) -> None:
    line = door.line()
    assert line.ask(post(bytes(16_384)))[0].startswith(b"HTTP/1.1 200")
    assert error(line.ask(post(bytes(300)))[1]) == "malformed_request"
    line.sock.sendall(b"GET /" + b"x" * 9_000)
    assert line.answer()[0].startswith(b"HTTP/1.1 400")
    assert line.closed()


@pytest.mark.parametrize(
    "octets",
    [
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"GET /ocsp/AA HTTP/1.1\nHost: x\n\n",
        b"POST /ocsp HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST /ocsp HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
        b"POST /ocsp HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"GET /\x00 NONSENSE\r\n\r\n",
    ],
)
def test_broken_http_is_refused_and_the_connection_closed(door: StatusDoor, octets: bytes) -> None:
    line = door.line()
    assert line.ask(octets)[0].startswith(b"HTTP/1.1 400")
    assert line.closed()


def test_http_1_0_and_close_end_the_connection(house: House, door: StatusDoor) -> None:
    asked = _question(house)
    for whole in (post(asked, "Connection: close"), post(asked).replace(b"HTTP/1.1", b"HTTP/1.0")):
        line = door.line()
        head, body = line.ask(whole)
        assert b"\r\nConnection: close" in head
        assert Told(body, house.issuing.issuer).statuses == ["good"]
        assert line.closed()


def test_slow_clients_take_no_thread_and_are_cut_off(house: House, door: StatusDoor) -> None:
    asked = post(_question(house))
    begin = time.monotonic()
    slow = [door.line() for _ in range(40)]  # twenty times the threads
    for line in slow:
        line.sock.sendall(b"GET /page HTTP/1.1\r\nX-Slow: ")
    fast = door.line()
    assert Told(fast.ask(asked)[1], house.issuing.issuer).statuses == ["good"]
    assert fast.ask(b"GET /page HTTP/1.1\r\nHost: x\r\n\r\n")[1] == b"app GET /page 0"
    assert time.monotonic() - begin < DEADLINE
    for _ in range(3):  # a drop now and then does not help
        time.sleep(0.5)
        for line in slow:
            line.sock.sendall(b"a")
    assert all(line.closed() for line in slow)
    assert DEADLINE - 0.5 < time.monotonic() - begin < DEADLINE + PATIENCE


def test_a_closing_door_says_so(fresh_house: House, tmp_path: Path) -> None:
    with status_door(fresh_house, tmp_path) as door:
        asked, line = post(_question(fresh_house)), door.line()
        head, body = line.ask(asked)
        door.process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + PATIENCE
        while b"\r\nConnection: close" not in head and time.monotonic() < deadline:
            head, body = line.ask(asked)
        assert b"\r\nConnection: close" in head
        assert Told(body, fresh_house.issuing.issuer).statuses == ["good"]
        assert line.closed()


HAMMER = """
import socket, sys
lines = [socket.create_connection(("127.0.0.1", int(sys.argv[1]))) for _ in range(8)]
asked = bytes.fromhex(sys.argv[2])
while True:
    for line in lines: line.sendall(asked)
    for line in lines: line.recv(65536)
"""


def _late(house: House, door: StatusDoor) -> int:
    """Revoke one certificate after the other under load; return how many answers did not know of it in time."""
    issued = [issue(house) for _ in range(ROUNDS)]
    asked = [post(request(cert_id(house.issuing.issuer, one.serial))) for one in issued]
    lines = [door.line() for _ in range(6)]
    for whole in asked:
        for line in lines:
            assert Told(line.ask(whole)[1], house.issuing.issuer).statuses == ["good"]
    late = 0
    command = [sys.executable, "-c", HAMMER, str(door.port), asked[-1].hex()]
    with ExitStack() as stack:
        hammer = stack.enter_context(subprocess.Popen(command))
        stack.callback(hammer.kill)
        for certificate, whole in zip(issued[:-1], asked, strict=False):
            with house.database.transaction() as session:
                reason, now = Reason.SUPERSEDED, house.clock.now()
                revocation.revoke(session, certificate.issuer, certificate.serial, reason=reason, now=now)
            time.sleep(WITHIN)
            for line in lines:
                line.sock.sendall(whole)
            late += sum(Told(line.answer()[1], house.issuing.issuer).statuses != ["revoked"] for line in lines)
    return late


def test_every_process_tells_a_revocation_five_milliseconds_after_its_commit(fresh_house: House, tmp_path: Path) -> None:
    with status_door(fresh_house, tmp_path, workers=3) as door:
        assert _late(fresh_house, door) == 0


def test_the_five_milliseconds_are_really_measured(fresh_house: House, tmp_path: Path) -> None:
    # For so long that no machine is too slow to ask within it.
    with status_door(fresh_house, tmp_path, workers=3, fresh_for=600, ahead=False) as door:
        assert _late(fresh_house, door) > 0
