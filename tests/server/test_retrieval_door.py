"""The retrieval door's lane as it is served: sockets, batches, threads, nginx in front; and what becomes of it when it breaks."""

import json
import re
import secrets
import signal
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from ca import ceremony
from enrollment.codes import Codes
from tests.conftest import FreshDatabase
from tests.crash import ledger
from tests.crash.ledger import Received
from tests.server.lines import Line, door_process, standing_house
from tests.support.house import House, Request, new_request
from tests.support.nginx import Nginx
from tests.support.ports import free_port

if TYPE_CHECKING:
    import subprocess


@dataclass(frozen=True)
class RetrievalDoor:
    """A running retrieval door."""

    house: House
    port: int
    process: "subprocess.Popen[bytes]"
    log: Path

    def line(self) -> Line:
        """Open a connection."""
        return Line(self.port)

    def lines(self, event: str, *, fewest: int = 0) -> list[dict[str, object]]:
        """Return what it logged of one kind; wait until there are so many lines, as gunicorn answers first and then logs."""
        end = time.monotonic() + 60
        while True:
            found = [
                json.loads(line) for line in self.log.read_text(encoding="utf-8").splitlines(keepends=True) if line[-1] == "\n"
            ]
            chosen = [line for line in found if line["event"] == event]
            if len(chosen) >= fewest:
                return chosen
            assert time.monotonic() < end
            time.sleep(0.02)


@contextmanager
def retrieval_door(house: House, folder: Path, *, workers: int = 1, fault: str = "none") -> Iterator[RetrievalDoor]:
    log = folder / f"door-{fault}.log"
    url = house.database.engine.url.render_as_string(hide_password=False)
    arguments = [url, house.keys.path(ceremony.ISSUING).parent, workers, fault]
    with door_process("tests.server.retrieval_door", arguments, log) as (port, process):
        yield RetrievalDoor(house, port, process, log)


@pytest.fixture(scope="module")
def sqlite_door(sqlite_databases: FreshDatabase, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RetrievalDoor]:
    folder = tmp_path_factory.mktemp("door")
    with standing_house(sqlite_databases, folder) as house, retrieval_door(house, folder, workers=2) as opened:
        yield opened


@pytest.fixture(scope="module")
def postgresql_door(postgresql_databases: FreshDatabase, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RetrievalDoor]:
    folder = tmp_path_factory.mktemp("door")
    with standing_house(postgresql_databases, folder) as house, retrieval_door(house, folder, workers=2) as opened:
        yield opened


@pytest.fixture(scope="module")
def both(sqlite_door: RetrievalDoor, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RetrievalDoor, RetrievalDoor]]:
    """Return a door with a lane and one without."""
    with retrieval_door(sqlite_door.house, tmp_path_factory.mktemp("both"), fault="off") as without:
        yield sqlite_door, without


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def door(request: pytest.FixtureRequest) -> RetrievalDoor:
    """Return the door over each database."""
    found: RetrievalDoor = request.getfixturevalue(f"{request.param}_door")
    return found


WRONG = Codes("0000000000000", "NAC999W", "AAAAAA", "AAAAA", "NAC001")


def body_of(codes: Codes, request: Request) -> bytes:
    return json.dumps({**vars(codes), "csr": request.pem.decode("ascii")}).encode()


def post(body: bytes, *fields: str) -> bytes:
    """Return a POST of a body."""
    lines = ["POST /api/v1/retrievals HTTP/1.1", "Host: x", "Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, *fields]).encode("ascii") + b"\r\n\r\n" + body


def fresh(house: House, count: int = 1) -> list[bytes]:
    """Return bodies that are usual."""
    return [body_of(codes, new_request()) for _, codes in house.new_codes(count)]


def status(head: bytes) -> int:
    return int(head.split(b" ", 2)[1])


def _masked(head: bytes, body: bytes) -> tuple[bytes, dict[str, object]]:
    """Hide from an answer what differs from one certificate to the next, but not where it stands, nor the order of the names."""
    text = re.sub(rb"Date: [A-Z][a-z]{2}, [0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9:]{8} GMT\r\n", b"Date: then\r\n", head)
    told = json.loads(body)
    assert re.search(rb"Content-Length: ([0-9]+)", text)[1] == b"%d" % len(body)  # type: ignore[index]
    shape = re.sub(r'"(terminal|serial|not_before|not_after|certificate)": "[^"]*"', r'"\1": "-"', body.decode())
    return re.sub(rb"Content-Length: [0-9]+", b"Content-Length: n", text), {"shape": shape, "chain": told["chain"]}


def _received(terminal: str, body: bytes, rival: int = 0) -> Received:
    der = x509.load_pem_x509_certificate(json.loads(body)["certificate"].encode()).public_bytes(Encoding.DER)
    return Received(terminal, rival, der)


def test_an_answer_is_octet_for_octet_what_the_app_gives(sqlite_door: RetrievalDoor, tmp_path: Path) -> None:
    house = sqlite_door.house
    with retrieval_door(house, tmp_path, fault="off") as without:
        for fields in ((), ("Connection: close",), ("Accept: application/json", "X-Forwarded-For: 192.0.2.7, 127.0.0.1")):
            ours, theirs = (_masked(*door.line().ask(post(fresh(house)[0], *fields))) for door in (sqlite_door, without))
            assert ours == theirs
        lines = [
            next(line for line in door.lines("door.request", fewest=3) if line["address"] == "192.0.2.7")
            for door in (sqlite_door, without)
        ]
    different = {"timestamp", "milliseconds", "octets"}
    our_line, their_line = ({**line, **dict.fromkeys(different)} for line in lines)
    assert our_line == their_line
    assert our_line["address"] == "192.0.2.7"
    assert abs(int(str(lines[0]["octets"])) - int(str(lines[1]["octets"]))) < 20


HEAD = b"POST /api/v1/retrievals HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
# What is put in the place of what in a usual request: framings, forms, fields and targets that are not usual, or no HTTP.
ODD: Mapping[str, tuple[bytes, bytes]] = {
    "usual": (b"", b""),
    "no host": (b"Host: x\r\n", b""),
    "two hosts": (b"Host: x\r\n", b"Host: x\r\nHost: y\r\n"),
    "a host with a user": (b"Host: x", b"Host: a@b"),
    "a host that is none": (b"Host: x", b"Host: ]:[..:99999"),
    "an empty host": (b"Host: x", b"Host:"),
    "two lengths that agree": (b"Content-Length", b"Content-Length: %d\r\nContent-Length"),
    "two lengths that do not": (b"Content-Length", b"Content-Length: 3\r\nContent-Length"),
    "two lengths in one field": (b"Content-Length: ", b"Content-Length: 3, "),
    "a length with a sign": (b"Content-Length: ", b"Content-Length: +"),
    "a length with a minus": (b"Content-Length: ", b"Content-Length: -"),
    "a length in hexadecimal": (b"Content-Length: ", b"Content-Length: 0x"),
    "a length with zeros": (b"Content-Length: ", b"Content-Length: 00"),
    "a length with many zeros": (b"Content-Length: ", b"Content-Length: 0000000000"),
    "no length": (b"Content-Length", b"Length"),
    "a length with an underscore": (b"Content-Length", b"Content_Length: 3\r\nContent-Length"),
    "a length too short": (b"Content-Length: ", b"Content-Length: 1\r\nX: "),
    "chunked and a length": (b"Content-Length", b"Transfer-Encoding: chunked\r\nContent-Length"),
    "chunked, after a length": (b"\r\n\r\n", b"\r\nTransfer-Encoding: chunked\r\n\r\n"),
    "chunks of nothing": (b"Content-Length", b"Transfer-Encoding: xchunked\r\nContent-Length"),
    "chunks by another name": (b"Content-Length", b"Transfer_Encoding: chunked\r\nContent-Length"),
    "a folded field": (b"Host: x\r\n", b"Host: x\r\nX: y\r\n z\r\n"),
    "a space before the colon": (b"Content-Length:", b"Content-Length :"),
    "a field without a name": (b"Host: x\r\n", b"Host: x\r\n: y\r\n"),
    "a field without a colon": (b"Host: x\r\n", b"Host: x\r\nX\r\n"),
    "a bare line feed in a field": (b"Host: x\r\n", b"Host: x\r\nX: y\nZ: z\r\n"),
    "a bare carriage return": (b"Host: x\r\n", b"Host: x\r\nX: y\rZ: z\r\n"),
    "a zero in a field": (b"Host: x\r\n", b"Host: x\r\nX: \x00\r\n"),
    "octets beyond ASCII in a field": (b"Host: x\r\n", b"Host: x\r\nX: \xe3\x81\x82\r\n"),
    "too many fields": (b"Host: x\r\n", b"Host: x\r\n" + b"X: y\r\n" * 64),
    "as many fields as there may be": (b"Host: x\r\n", b"Host: x\r\n" + b"X: y\r\n" * 61),
    "a field that is too long": (b"Host: x\r\n", b"Host: x\r\nX: " + b"y" * 9_000 + b"\r\n"),
    "an absolute address": (b"POST /", b"POST http://x/"),
    "another authority": (b"POST /", b"POST http://y/"),
    "two spaces": (b"POST /", b"POST  /"),
    "a query": (b"retrievals ", b"retrievals?x=1 "),
    "a slash more": (b"retrievals ", b"retrievals/ "),
    "a slash more at the beginning": (b"POST /", b"POST //"),
    "escaped": (b"/api/", b"/%61pi/"),
    "dots": (b"/api/", b"/api/../api/"),
    "HTTP/1.0": (b"HTTP/1.1", b"HTTP/1.0"),
    "HTTP/1.0 that stays": (b"HTTP/1.1\r\n", b"HTTP/1.0\r\nConnection: keep-alive\r\n"),
    "HTTP/2": (b"HTTP/1.1", b"HTTP/2.0"),
    "no version": (b" HTTP/1.1", b""),
    "another method": (b"POST", b"DELETE"),
    "a method in small letters": (b"POST", b"post"),
    "a method that is told elsewhere": (b"Host: x\r\n", b"Host: x\r\nX-HTTP-Method-Override: GET\r\n"),
    "an expectation": (b"Host: x\r\n", b"Host: x\r\nExpect: 100-continue\r\n"),
    "another expectation": (b"Host: x\r\n", b"Host: x\r\nExpect: much\r\n"),
    "an upgrade": (b"Host: x\r\n", b"Host: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMA\r\n"),
    "an end": (b"Host: x\r\n", b"Host: x\r\nConnection: close\r\n"),
    "two visitors": (b"Host: x\r\n", b"Host: x\r\nX-Forwarded-For: 192.0.2.1\r\n"),
    "a visitor who is none": (b"X-Forwarded-For: ", b"X-Forwarded-For: nobody, "),
    "another scheme": (b"Host: x\r\n", b"Host: x\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Ssl: off\r\n"),
    "another root": (b"Host: x\r\n", b"Host: x\r\nSCRIPT_NAME: /api\r\nScript-Name: /api\r\n"),
    "no form that there is": (b"Host: x\r\n", b"Host: x\r\nAccept: text/html\r\n"),
    "no form at all": (b"Host: x\r\n", b"Host: x\r\nAccept: application/json;q=0\r\n"),
    "a form": (b"application/json", b"application/x-www-form-urlencoded"),
    "another charset": (b"application/json", b"application/json; charset=shift_jis"),
    "a coding": (b"Host: x\r\n", b"Host: x\r\nContent-Encoding: gzip\r\n"),
    "an empty line before it": (b"POST", b"\r\nPOST"),
    "HTTP/2's beginning": (HEAD, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    "TLS": (HEAD, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"),
    "no HTTP": (HEAD, b"hello\r\n\r\n"),
    "only a head": (b"\r\n\r\n", b"\r\nX"),
    "no JSON": (b'{"', b"{"),
    "a field too many": (b'{"', b'{"x": 1, "'),
    "a body that is another request": (b'{"', b'GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n{"'),
}


@pytest.mark.parametrize("odd", ODD)
def test_whatever_is_odd_is_answered_as_without_a_lane(both: tuple[RetrievalDoor, RetrievalDoor], odd: str) -> None:
    """Octet for octet, until the connection ends; what follows an answer on the same connection included."""
    told, (old, new) = [], ODD[odd]
    for number, door in enumerate(both):
        # Guesses of their own, from an address of their own: nobody is told to wait.
        guess = {**vars(WRONG), "access_key": f"{secrets.randbelow(10**13):013}", "csr": "x"}
        visitor = f"X-Forwarded-For: 2001:db8:{number}:{secrets.randbelow(1 << 16):x}::1"
        whole = post(json.dumps(guess).encode(), visitor.ljust(50))
        assert old in whole
        asked = whole.replace(old, new.replace(b"%d", b"%d" % len(json.dumps(guess))), 1)
        told.append(_transcript(door, asked + b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"))
    assert told[0] == told[1]


def _transcript(door: RetrievalDoor, octets: bytes) -> bytes:
    """Return all that is answered until the connection ends."""
    line, came = door.line(), b""
    line.sock.sendall(octets)
    line.sock.shutdown(1)  # nothing more comes
    while more := line.sock.recv(65_536):
        came += more
    return re.sub(rb"Date: [^\r]+", b"Date: then", came)


def test_all_who_come_at_once_get_their_certificates(door: RetrievalDoor) -> None:
    given = [(name, body_of(codes, new_request())) for name, codes in door.house.new_codes(40)]
    with ThreadPoolExecutor(20) as threads:
        answers = list(threads.map(lambda one: door.line().ask(post(one[1])), given))
    assert {status(head) for head, _ in answers} == {201}
    assert ledger.faults(door.house, [_received(name, body) for (name, _), (_, body) in zip(given, answers, strict=True)]) == []


def test_the_unusual_are_answered_by_the_app_on_the_same_connection(door: RetrievalDoor) -> None:
    [first, second] = fresh(door.house, 2)
    wrong = json.dumps({**json.loads(first), "auth_code_3": "AAAAA"}).encode()
    line = door.line()
    for body, fields, expected in (
        (b"{", (), 400),
        (b"x" * 40_000, (), 413),
        (first, ("Accept: application/x-pem-file",), 201),
        (first, (), 200),
        (wrong, (), 401),
        (second, (), 201),
        (second, (), 200),
    ):
        head, body_of_answer = line.ask(post(body, *fields))
        assert status(head) == expected, body_of_answer
        if expected == 413:  # the app does not read what it refuses
            line = door.line()
    assert status(line.ask(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")[0]) == 200
    assert status(line.ask(b"GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n")[0]) == 404


def test_wrong_guesses_are_counted_each_once_and_lock(door: RetrievalDoor) -> None:
    [(_, codes)] = door.house.new_codes()
    wrong, right = (body_of(given, new_request()) for given in (replace(codes, auth_code_2="AAAAAA"), codes))
    source = "X-Forwarded-For: 198.51.100.7"
    with ThreadPoolExecutor(8) as threads:
        told = [status(head) for head, _ in threads.map(lambda _: door.line().ask(post(wrong, source)), range(16))]
    # Of those that are looked at at the same moment each is told, if it was not the one that locks.
    assert set(told) == {401, 429}
    assert 5 <= told.count(401) <= 5 + 8
    assert status(door.line().ask(post(right, source))[0]) == 429


def test_requests_cut_anywhere_and_in_a_row_are_answered_in_their_order(door: RetrievalDoor) -> None:
    bodies = fresh(door.house, 6)
    line = door.line()
    whole = post(bodies[0])
    for cut in range(1, len(whole), 97):
        line.sock.sendall(whole[cut - min(cut, 97) if cut > 97 else 0 : cut])
        time.sleep(0.001)
    line.sock.sendall(whole[cut:])
    assert status(line.answer()[0]) == 201
    line.sock.sendall(b"".join([post(bodies[1]), post(bodies[2]), b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", post(bodies[3])]))
    answers = [line.answer() for _ in range(4)]
    assert [status(head) for head, _ in answers] == [201, 201, 200, 201]
    terminals = [json.loads(body)["terminal"] for head, body in answers if status(head) == 201]
    assert terminals == sorted(terminals, reverse=True)  # the house counts down


def test_a_client_that_leaves_or_only_listens_is_no_harm(door: RetrievalDoor) -> None:
    gone, listening, *others = fresh(door.house, 4)
    leaving = door.line()
    leaving.sock.sendall(post(gone))
    leaving.sock.close()
    line = door.line()
    line.sock.sendall(post(listening))
    line.sock.shutdown(1)  # what comes is still read
    assert status(line.answer()[0]) == 201
    for body in others:
        assert status(door.line().ask(post(body))[0]) == 201
    assert status(door.line().ask(post(gone))[0]) in (200, 201)  # the same key may come again


def test_a_request_that_is_cut_off_is_nobodys(sqlite_door: RetrievalDoor) -> None:
    """What there is of its body may be whole JSON; it is not taken for one, as the length says that more was to come."""
    [body] = fresh(sqlite_door.house)
    longer = post(body).replace(b"Content-Length: ", b"Content-Length: 1")
    assert _transcript(sqlite_door, longer) == b""
    assert status(sqlite_door.line().ask(post(body))[0]) == 201


def test_slow_clients_take_no_thread_and_are_cut_off(door: RetrievalDoor) -> None:
    slow = [door.line() for _ in range(20)]  # more than twice the threads of both processes
    for line in slow:
        line.sock.sendall(post(b"x" * 100)[:-50])
    [body] = fresh(door.house)
    assert status(door.line().ask(post(body))[0]) == 201
    assert all(line.closed() for line in slow)


def test_who_meets_a_broken_batch_is_answered_by_the_app(sqlite_door: RetrievalDoor, tmp_path: Path) -> None:
    with retrieval_door(sqlite_door.house, tmp_path, fault="breaks") as door, ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(lambda body: door.line().ask(post(body)), fresh(door.house, 4)))
    assert [status(head) for head, _ in answers] == [201] * 4
    said = [str(line["text"]) for line in door.lines("door.server") if line["level"] == "warning"]
    assert sum(int(text.split()[3]) for text in said if text.startswith("a batch of ")) == 4
    assert "on purpose" not in "".join(said)


def test_a_batch_that_stalls_costs_nobody_else_his_answer(sqlite_door: RetrievalDoor, tmp_path: Path) -> None:
    """Those in it lose their connection at the deadline; those who would be in the next one go to the app."""
    with retrieval_door(sqlite_door.house, tmp_path, fault="stalls") as door, ThreadPoolExecutor(3) as threads:
        first, *others = fresh(door.house, 4)
        stuck = door.line()
        stuck.sock.sendall(post(first))
        door.lines("batch.begins", fewest=1)
        answers = list(threads.map(lambda body: door.line().ask(post(body)), others))
        assert [status(head) for head, _ in answers] == [201] * 3
        assert stuck.closed()


def test_a_door_that_closes_finishes_what_came_and_says_so(sqlite_door: RetrievalDoor, tmp_path: Path) -> None:
    with retrieval_door(sqlite_door.house, tmp_path) as door:
        [body], line = fresh(door.house), door.line()
        assert status(line.ask(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")[0]) == 200
        line.sock.sendall(post(body))
        door.process.send_signal(signal.SIGTERM)
        head, _ = line.answer()
        assert status(head) == 201
        assert line.closed()


def test_rivals_at_two_processes_give_each_set_to_one_key(door: RetrievalDoor) -> None:
    sets = door.house.new_codes(15)
    tries = [(name, rival, body_of(codes, new_request())) for name, codes in sets for rival in range(3)]
    with ThreadPoolExecutor(16) as threads:
        answers = list(threads.map(lambda one: door.line().ask(post(one[2])), tries))
    received = [
        _received(name, body, rival)
        for (name, rival, _), (head, body) in zip(tries, answers, strict=True)
        if status(head) in (200, 201)
    ]
    assert len(received) == len(sets)
    assert [status(head) for head, _ in answers].count(409) == 2 * len(sets)
    assert ledger.faults(door.house, received) == []


def test_behind_a_real_nginx_the_visitors_address_is_what_counts(door: RetrievalDoor, tmp_path: Path) -> None:
    port = free_port()
    with _nginx(tmp_path, port, door.port):
        [body] = fresh(door.house)
        line, before = Line(port), len(door.lines("door.request"))
        head, content = line.ask(post(body, "X-Forwarded-For: 203.0.113.9"))
        assert status(head) == 201
        assert json.loads(content)["certificate"].startswith("-----BEGIN CERTIFICATE-----")
        assert status(line.ask(post(body))[0]) == 200
    addresses = [one["address"] for one in door.lines("door.request", fewest=before + 2)[before:]]
    # nginx adds its neighbour, which is no visitor but a proxy of ours on this machine; the one before it counts.
    assert addresses == ["203.0.113.9", "127.0.0.1"]


@contextmanager
def _nginx(folder: Path, port: int, door: int) -> Iterator[None]:
    (folder / "nginx").mkdir()
    nginx = Nginx(folder / "nginx")
    nginx.configure([], {})
    conf = nginx.folder / "nginx.conf"
    server = f"""server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://127.0.0.1:{door}; proxy_http_version 1.1;
        proxy_set_header Connection ""; proxy_set_header Host $http_host;
        proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; }} }}
}}"""
    conf.write_text(conf.read_text().rstrip().removesuffix("}") + server)
    with nginx.running():
        yield
