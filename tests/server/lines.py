"""Connections to a door whose octets the test writes itself, and doors as processes of their own."""

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from kernel.clock import SystemClock
from kernel.database import connect
from server.doors import listen
from server.process import READY
from server.settings import DoorSettings
from tests.support.house import House, build_house
from tests.support.schema import ROOT


class Line:
    """A kept-alive connection."""

    def __init__(self, port: int) -> None:
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=60)
        self.rest = b""

    def ask(self, octets: bytes) -> tuple[bytes, bytes]:
        """Send octets and return head and body of one response."""
        self.sock.sendall(octets)
        return self.answer()

    def answer(self) -> tuple[bytes, bytes]:
        """Return head and body of the next response."""
        while b"\r\n\r\n" not in self.rest:
            self._more()
        head, _, self.rest = self.rest.partition(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
        while len(self.rest) < length:
            self._more()
        body, self.rest = self.rest[:length], self.rest[length:]
        return head, body

    def closed(self) -> bool:
        """Return whether the door has closed; waits for it."""
        try:
            return self.sock.recv(1) == b""
        except ConnectionError:
            return True

    def _more(self) -> None:
        came = self.sock.recv(65_536)
        if not came:
            raise EOFError
        self.rest += came


@contextmanager
def standing_house(fresh_database: Callable[[], AbstractContextManager[str]], folder: Path) -> Iterator[House]:
    """Build a house over a database of its own, by the system's clock, that stands for many tests."""
    with fresh_database() as url:
        house = build_house(connect(url), folder, SystemClock())
        yield house
        house.database.dispose()


@contextmanager
def door_process(module: str, arguments: Sequence[object], log: Path) -> Iterator[tuple[int, "subprocess.Popen[bytes]"]]:
    """Run a module that serves on an inherited socket, until the block ends; yields its port. It must end well."""
    listener = listen("trial", DoorSettings(scheme="http", bind="127.0.0.1:0"))
    ready, tell = os.pipe()
    fds = [listener.fileno(), tell]
    command = [sys.executable, "-m", module, *map(str, [*fds, *arguments])]
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=ROOT, stderr=output, pass_fds=fds)
    os.close(tell)
    try:
        assert os.read(ready, 1) == READY, log.read_text()
        yield listener.getsockname()[1], process
    finally:
        process.terminate()
        assert process.wait(60) == 0
        os.close(ready)
        listener.close()
