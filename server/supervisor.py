"""`tegata serve`: one process per door and one for the jobs, watched, started again when they fall, stopped together.

The sockets are opened here and inherited: a taken port is told before anything starts, and while a fallen door is
started again its clients wait instead of being refused. Children die with this process, however it dies. Where they can,
they are forked from it (`server.forking`).
"""

import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import IO

from server.forking import Forked, may_fork
from server.process import LONGEST_REASON, READY, Starting, follow_parent, show_as
from server.trouble import Trouble

# Seconds: what a child gets to become ready, and to end after SIGTERM (a door's own grace is shorter).
READY_WITHIN = 60
END_WITHIN = 15
# A child that fell is started again after 0.5, 1, 2 … 30 seconds; after a minute of life the count begins anew.
FIRST_WAIT, LONGEST_WAIT, STEADY = 0.5, 30.0, 60.0
LOG_LIMIT = 10_000_000
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

Say = Callable[[str], None]
Live = Callable[[Starting], None]


class StartFailed(Trouble):
    """A child ended before it was ever ready; the text says which and where to look."""


@dataclass
class Child:
    """One process to keep alive: `live` in a copy of this process, or `python -m MODULE ARGUMENTS`; `listener` is inherited.

    A child without `live` is always started as a program; what it does must not begin with what this process knows.
    """

    name: str
    arguments: Sequence[str]
    log: Path
    listener: socket.socket | None = None
    module: str = "server"
    live: Live | None = None
    process: "subprocess.Popen[bytes] | Forked | None" = None
    ready: bool = False
    failure: str | None = None
    started_at: float = 0.0
    falls: int = 0
    start_again_at: float | None = None
    ready_pipe: int | None = field(default=None, repr=False)

    def start(self, leave: Callable[[], None] = lambda: None) -> int:
        """Start the process; return the descriptor that becomes readable when it is ready.

        A copy of this process calls `leave` first, to close what is this one's alone.
        """
        self.ready_pipe, tell = os.pipe()
        _rotate(self.log)
        with self.log.open("ab") as log:
            if self.live is not None and may_fork():
                live = partial(self.live, Starting(tell))
                self.process = Forked(self.name, partial(self._become, live, leave, log, os.getpid()))
            else:
                self.process = self._program(log, tell)
        os.close(tell)
        self.started_at, self.start_again_at = time.monotonic(), None
        self.ready, self.failure = False, None
        return self.ready_pipe

    def _become(self, live: Callable[[], None], leave: Callable[[], None], log: IO[bytes], parent: int) -> None:
        """Live, in the copy, with the log in the place of the terminal."""
        leave()
        if self.ready_pipe is not None:
            os.close(self.ready_pipe)
        with log, Path(os.devnull).open("rb") as nothing:
            for stream, place in ((nothing, 0), (log, 1), (log, 2)):
                os.dup2(stream.fileno(), place)
        show_as(self.name)
        follow_parent(parent)
        live()

    def _program(self, log: IO[bytes], tell: int) -> "subprocess.Popen[bytes]":
        """Start a program of its own."""
        # -P: a file `server.py` in the folder where the operator happens to stand is not ours.
        command = [sys.executable, *(["-P"] if self.module == "server" else []), "-m", self.module, *self.arguments]
        command += ["--parent", str(os.getpid()), "--ready-fd", str(tell)]
        inherited = [tell]
        if self.listener:
            command += ["--listen-fd", str(self.listener.fileno())]
            inherited.append(self.listener.fileno())
        # A group of its own: the terminal's Ctrl-C reaches only us, and we stop everything in order.
        return subprocess.Popen(  # noqa: S603 (our own program with our own arguments)
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=inherited, process_group=0
        )

    def hear(self, pipe: int) -> None:
        """Read what the process says of its start; a process that ended says nothing."""
        message = os.read(pipe, LONGEST_REASON)
        self.ready = message == READY
        self.failure = None if self.ready or not message else message.decode("utf-8", "replace")

    def why_not_ready(self) -> str:
        """Return one sentence about a start that failed."""
        return f"{self.name} did not start: {self.failure or _last_words(self.log)} (more in {self.log})"

    def kill(self, number: int) -> None:
        """Send a signal to the process, and with SIGKILL to the workers that it would leave behind."""
        if self.process is None or self.process.poll() is not None:
            return
        with suppress(ProcessLookupError):
            if number == signal.SIGKILL:
                os.killpg(self.process.pid, number)
            else:
                self.process.send_signal(number)


class Supervisor:
    """Keeps children alive until a stop signal comes."""

    def __init__(self, children: Sequence[Child], say: Say) -> None:
        self._children = children
        self._say = say
        self._selector = selectors.DefaultSelector()
        self._waking = _signals_wake(self._selector, self._request_stop)
        self._stop_requests = 0

    def run(self, on_ready: Callable[[], None]) -> None:
        """Start everything, call `on_ready` once all are ready, watch until SIGINT, SIGTERM or SIGHUP, stop everything.

        Raises StartFailed; nothing of ours runs any more when this returns or raises.
        """
        with self._waking:
            try:
                for child in self._children:
                    self._start(child)
                if self._wait_until_ready():
                    on_ready()
                while not self._stop_requests:
                    self._watch()
            finally:
                self._stop_all()

    def _request_stop(self) -> None:
        self._stop_requests += 1

    def _start(self, child: Child) -> None:
        self._selector.register(child.start(partial(self._leave_to, child)), selectors.EVENT_READ, child)

    def _leave_to(self, heir: Child) -> None:
        """Close what is the supervisor's and the other children's, in a process that lives for one of them only."""
        self._selector.close()
        self._waking.close()
        for child in self._children:
            if child is not heir and child.ready_pipe is not None:
                os.close(child.ready_pipe)
            if child is not heir and child.listener is not None:
                child.listener.close()

    def _wait_until_ready(self) -> bool:
        deadline = time.monotonic() + READY_WITHIN
        while not self._stop_requests and not all(child.ready for child in self._children):
            self._listen(0.2)
            for child in self._children:
                if child.failure is not None or self._has_ended(child):
                    raise StartFailed(child.why_not_ready())
            if time.monotonic() > deadline:
                slow = ", ".join(child.name for child in self._children if not child.ready)
                raise StartFailed(
                    f"not ready after {READY_WITHIN} seconds: {slow}; see the logs in {self._children[0].log.parent}"
                )
        return not self._stop_requests

    def _watch(self) -> None:
        self._listen(0.5)
        now = time.monotonic()
        for child in self._children:
            if child.start_again_at is not None:
                if now >= child.start_again_at:
                    self._start(child)
            elif self._has_ended(child):
                self._note_fall(child, now)

    def _has_ended(self, child: Child) -> bool:
        """Tell whether a child's process is over; what it said at its end has been heard then."""
        if child.process is None or child.process.poll() is None:
            return False
        self._listen(0)
        return True

    def _note_fall(self, child: Child, now: float) -> None:
        self._forget_pipe(child)
        child.falls = child.falls + 1 if now - child.started_at < STEADY else 1
        wait = min(FIRST_WAIT * 2 ** (child.falls - 1), LONGEST_WAIT)
        child.start_again_at = now + wait
        status = child.process.returncode if child.process else 0
        reason = f" ({child.failure})" if child.failure else ""
        self._say(f"{child.name} ended with status {status}{reason}; it is started again in {wait:g} s (see {child.log})")

    def _listen(self, timeout: float) -> None:
        """Take in signals and news of readiness."""
        for key, _events in self._selector.select(timeout):
            if isinstance(key.data, Child):
                key.data.hear(key.fd)
                self._forget_pipe(key.data)
            else:
                with suppress(BlockingIOError):
                    os.read(key.fd, 64)

    def _forget_pipe(self, child: Child) -> None:
        if child.ready_pipe is not None:
            self._selector.unregister(child.ready_pipe)
            os.close(child.ready_pipe)
            child.ready_pipe = None

    def _stop_all(self) -> None:
        """Stop every child: SIGTERM, a while for the requests under way, SIGKILL for who is left; a second signal hastens."""
        asked = self._stop_requests
        for child in self._children:
            child.kill(signal.SIGTERM)
        deadline = time.monotonic() + END_WITHIN
        while any(child.process is not None and child.process.poll() is None for child in self._children):
            if time.monotonic() > deadline or self._stop_requests > asked:
                for child in self._children:
                    child.kill(signal.SIGKILL)
            self._listen(0.05)
        for child in self._children:
            self._forget_pipe(child)
            if child.listener is not None:
                child.listener.close()
        self._selector.close()


@contextmanager
def running(child: Child) -> Iterator[None]:
    """Keep one child for the length of a with block; raises StartFailed when it does not get ready."""
    ready = child.start()
    try:
        with selectors.DefaultSelector() as selector:
            selector.register(ready, selectors.EVENT_READ)
            if selector.select(READY_WITHIN):
                child.hear(ready)
        if not child.ready:
            raise StartFailed(child.why_not_ready())
        yield
    finally:
        os.close(ready)
        _end(child)


def _end(child: Child) -> None:
    child.kill(signal.SIGTERM)
    deadline = time.monotonic() + END_WITHIN
    while child.process is not None and child.process.poll() is None:
        if time.monotonic() > deadline:
            child.kill(signal.SIGKILL)
        time.sleep(0.02)
    if child.listener is not None:
        child.listener.close()


class _signals_wake:  # noqa: N801 (read as the verb of a with statement)
    """While open, stop signals call a function and wake a selector; SIGCHLD only wakes it."""

    def __init__(self, selector: selectors.BaseSelector, on_stop: Callable[[], None]) -> None:
        self._selector = selector
        self._on_stop = on_stop

    def __enter__(self) -> None:
        self._reader, self._writer = os.pipe()
        for end in (self._reader, self._writer):
            os.set_blocking(end, False)
        self._selector.register(self._reader, selectors.EVENT_READ)
        self._wakeup = signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        self._previous = {number: signal.signal(number, lambda *_: self._on_stop()) for number in STOP_SIGNALS}
        self._previous[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, lambda *_: None)

    def __exit__(self, *_exception: object) -> None:
        signal.set_wakeup_fd(self._wakeup)
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self.close()

    def close(self) -> None:
        """Close the pipe."""
        os.close(self._reader)
        os.close(self._writer)


def _rotate(log: Path) -> None:
    """Begin a new file when the old one has grown large; one predecessor is kept."""
    with suppress(FileNotFoundError):
        if log.stat().st_size > LOG_LIMIT:
            log.replace(log.with_suffix(".log.1"))


def _last_words(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return lines[-1].removeprefix("tegata: ")[:300] if lines else "it said nothing"
