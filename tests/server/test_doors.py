import http.client
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from server.doors import PortTaken, listen
from server.process import READY
from server.settings import DoorSettings
from tests.server.pki import DAY, TrialCa

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 60.0  # seconds; a busy machine is slow


class TrialDoor:
    """A running trial door."""

    def __init__(self, process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
        self.process, self.port, self.log = process, port, log

    def ask(self, path: str = "/", context: ssl.SSLContext | None = None, body: bytes = b"") -> tuple[int, dict[str, object]]:
        """Send one request on a connection of its own."""
        connection = (
            http.client.HTTPSConnection("localhost", self.port, context=context, timeout=PATIENCE)
            if context
            else http.client.HTTPConnection("localhost", self.port, timeout=PATIENCE)
        )
        connection.request("POST", path, body, {"X-Forwarded-For": "192.0.2.7"})
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        return answer.status, json.loads(content) if content.startswith(b"{") else {"text": content.decode()}


@contextmanager
def trial_door(folder: Path, *files: Path) -> Iterator[TrialDoor]:
    listener = listen("trial", DoorSettings(bind="127.0.0.1:0"))
    ready, tell = os.pipe()
    log = folder / "door.log"
    command = [sys.executable, "-m", "tests.server.trial_door", str(listener.fileno()), str(tell), *map(str, files)]
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=ROOT, stderr=output, pass_fds=[listener.fileno(), tell])
    os.close(tell)
    try:
        assert os.read(ready, 1) == READY, log.read_text()
        yield TrialDoor(process, listener.getsockname()[1], log)
    finally:
        process.terminate()
        assert process.wait(PATIENCE) == 0
        os.close(ready)
        listener.close()


@pytest.fixture
def our_ca(tmp_path: Path) -> TrialCa:
    return TrialCa(tmp_path, "ours")


@pytest.fixture
def trusting(our_ca: TrialCa) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=our_ca.certificate)


def test_a_door_answers_and_logs_the_path_without_its_query(tmp_path: Path) -> None:
    with trial_door(tmp_path) as door:
        status, seen = door.ask("/page?code=VERYSECRET", body=b"12345")
    assert (status, seen["octets"], seen["address"]) == (200, 5, "127.0.0.1")
    lines = [json.loads(line) for line in door.log.read_text().splitlines()]
    assert {"path": "/page", "status": 200, "event": "door.request"}.items() <= lines[-1].items()
    assert "VERYSECRET" not in door.log.read_text()


def test_a_fault_of_the_app_is_logged_without_the_query_and_told_without_its_text(tmp_path: Path) -> None:
    with trial_door(tmp_path) as door:
        status, seen = door.ask("/break?code=VERYSECRET")
    assert status == 500
    assert "on purpose" not in str(seen)
    assert "on purpose" in door.log.read_text()
    assert "VERYSECRET" not in door.log.read_text()


def test_a_malformed_request_is_refused_and_its_text_is_not_logged(tmp_path: Path) -> None:
    with trial_door(tmp_path) as door, socket.create_connection(("127.0.0.1", door.port), timeout=PATIENCE) as connection:
        connection.sendall(b"GET /VERYSECRET\x00 NONSENSE\r\n\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 400")
    assert "VERYSECRET" not in door.log.read_text()


def test_health_pages_answer_on_every_door(tmp_path: Path) -> None:
    with trial_door(tmp_path) as door:
        assert door.ask("/healthz") == (200, {"text": "ok\n"})
        assert door.ask("/readyz") == (200, {"text": "nothing: ready\n"})


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1:DeprecationWarning")
def test_only_tls_1_2_and_1_3_are_spoken(tmp_path: Path, our_ca: TrialCa, trusting: ssl.SSLContext) -> None:
    with trial_door(tmp_path, *our_ca.issue("server", server=True)) as door:
        assert door.ask("/", trusting)[1]["version"] == "TLSv1.3"
        trusting.maximum_version = ssl.TLSVersion.TLSv1_2
        assert door.ask("/", trusting)[1]["version"] == "TLSv1.2"
        old = ssl.create_default_context(cafile=our_ca.certificate)
        old.set_ciphers("DEFAULT@SECLEVEL=0")
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
        with pytest.raises(ssl.SSLError):
            door.ask("/", old)


def test_sessions_are_resumed_and_a_replaced_certificate_is_served_at_once(
    tmp_path: Path, our_ca: TrialCa, trusting: ssl.SSLContext
) -> None:
    with trial_door(tmp_path, *our_ca.issue("server", server=True)) as door:
        trusting.maximum_version = ssl.TLSVersion.TLSv1_2  # its ticket comes with the handshake
        with trusting.wrap_socket(socket.create_connection(("127.0.0.1", door.port)), server_hostname="localhost") as first:
            first.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            first.recv(1_000)
            session, before = first.session, first.getpeercert(binary_form=True)
        raw = socket.create_connection(("127.0.0.1", door.port))
        with trusting.wrap_socket(raw, server_hostname="localhost", session=session) as second:
            assert second.session_reused
        our_ca.issue("server", server=True)
        raw = socket.create_connection(("127.0.0.1", door.port))
        with trusting.wrap_socket(raw, server_hostname="localhost") as third:
            assert third.getpeercert(binary_form=True) != before


def test_the_app_sees_the_certificate_of_a_terminal_even_an_expired_one(
    tmp_path: Path, our_ca: TrialCa, trusting: ssl.SSLContext
) -> None:
    terminals = {
        "good": our_ca.issue("good"),
        "expired": our_ca.issue("expired", begin=-30 * DAY, end=-DAY),
        "future": our_ca.issue("future", begin=DAY, end=2 * DAY),
    }
    with trial_door(tmp_path, *our_ca.issue("server", server=True), our_ca.certificate) as door:
        assert door.ask("/", trusting)[1]["certificate"] == ""
        for chain, key in terminals.values():
            context = ssl.create_default_context(cafile=our_ca.certificate)
            context.load_cert_chain(chain, key)
            der = ssl.PEM_cert_to_DER_cert(chain.read_text())
            assert door.ask("/", context)[1]["certificate"] == der.hex()


def test_a_resumed_connection_still_shows_its_certificate(tmp_path: Path, our_ca: TrialCa, trusting: ssl.SSLContext) -> None:
    chain, key = our_ca.issue("terminal")
    trusting.load_cert_chain(chain, key)
    seen: list[dict[str, object]] = []
    with trial_door(tmp_path, *our_ca.issue("server", server=True), our_ca.certificate) as door:
        session = None
        for _ in range(2):
            raw = socket.create_connection(("127.0.0.1", door.port))
            with trusting.wrap_socket(raw, server_hostname="localhost", session=session) as connection:
                connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                answer = b"".join(iter(lambda connection=connection: connection.recv(4_096), b""))  # type: ignore[misc]
                session = connection.session
                seen.append(json.loads(answer.partition(b"\r\n\r\n")[2]))
    assert [answer["resumed"] for answer in seen] == [False, True]
    assert {answer["certificate"] for answer in seen} == {ssl.PEM_cert_to_DER_cert(chain.read_text()).hex()}


def test_a_certificate_of_another_issuer_ends_in_the_handshake(tmp_path: Path, our_ca: TrialCa) -> None:
    (tmp_path / "theirs").mkdir()
    stranger = TrialCa(tmp_path / "theirs", "ours").issue("stranger")  # even under our CA's name
    with trial_door(tmp_path, *our_ca.issue("server", server=True), our_ca.certificate) as door:
        context = ssl.create_default_context(cafile=our_ca.certificate)
        context.load_cert_chain(*stranger)
        with pytest.raises((ssl.SSLError, ConnectionError)):
            door.ask("/", context)


def test_mute_connections_take_no_threads(tmp_path: Path) -> None:
    with trial_door(tmp_path) as door:
        mute = [socket.create_connection(("127.0.0.1", door.port)) for _ in range(40)]  # ten times the threads
        begin = time.monotonic()
        assert door.ask("/")[0] == 200
        assert time.monotonic() - begin < 5  # before the first of them is cut off
        for connection in mute:
            connection.close()


def test_who_keeps_his_end_open_keeps_nobody_waiting(tmp_path: Path) -> None:
    said = [b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", b"GET / HTTP/1.0\r\n\r\n", b"no HTTP\r\n\r\n"]
    with trial_door(tmp_path) as door:
        asking = [socket.create_connection(("127.0.0.1", door.port), timeout=PATIENCE) for _ in said * 40]
        for connection, text in zip(asking, said * 40, strict=True):
            connection.sendall(text)
        # Each end would take two seconds of the thread that hears everybody.
        assert door.ask("/")[0] == 200
        for connection in asking:
            assert b"".join(iter(partial(connection.recv, 4_096), b"")).startswith(b"HTTP/1.")
            connection.close()
        assert door.ask("/")[0] == 200


def test_over_tls_nobody_waits_for_an_end_either(tmp_path: Path, our_ca: TrialCa, trusting: ssl.SSLContext) -> None:
    with trial_door(tmp_path, *our_ca.issue("server", server=True)) as door:
        asking = []
        for _ in range(60):
            raw = socket.create_connection(("127.0.0.1", door.port), timeout=PATIENCE)
            asking.append(trusting.wrap_socket(raw, server_hostname="localhost"))
            asking[-1].sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert door.ask("/", trusting)[0] == 200
        for connection in asking:
            assert connection.recv(4_096).startswith(b"HTTP/1.1 200")
            connection.close()


def test_an_answer_arrives_though_its_request_was_not_read(tmp_path: Path) -> None:
    """What is refused before its body has come: the connection ends, and not with a reset that costs the client the answer."""
    with trial_door(tmp_path) as door:
        for _ in range(20):
            with socket.create_connection(("127.0.0.1", door.port), timeout=PATIENCE) as connection:
                connection.sendall(b"GET / NONSENSE\r\n\r\n" + b"x" * 40_000)
                assert b"".join(iter(partial(connection.recv, 4_096), b"")).startswith(b"HTTP/1.1 400")


def test_dripping_clients_are_cut_off_at_the_deadline(tmp_path: Path) -> None:
    with trial_door(tmp_path) as door:
        dripping = [socket.create_connection(("127.0.0.1", door.port)) for _ in range(4)]  # every thread
        for connection in dripping:
            connection.sendall(b"GET / HTTP/1.1\r\nX-Slow: ")
        time.sleep(0.2)
        begin = time.monotonic()
        assert door.ask("/")[0] == 200
        assert 1 < time.monotonic() - begin < PATIENCE
        for connection in dripping:
            connection.close()


def test_a_request_under_way_is_finished_when_the_door_closes(tmp_path: Path) -> None:
    answers = []
    with trial_door(tmp_path) as door:
        asking = threading.Thread(target=lambda: answers.append(door.ask("/slow")[0]))
        asking.start()
        deadline = time.monotonic() + PATIENCE
        while "slow begins" not in door.log.read_text() and time.monotonic() < deadline:
            time.sleep(0.05)
        door.process.send_signal(signal.SIGTERM)
        asking.join()
    assert answers == [200]


def test_a_taken_port_is_told_in_one_sentence_with_the_remedy() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(PortTaken, match="TEGATA_PORTAL__BIND"):
        listen("portal", DoorSettings(bind=f"127.0.0.1:{taken.getsockname()[1]}"))
