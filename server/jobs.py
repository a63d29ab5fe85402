"""When jobs run. What they do is decided in the room that owns the fact; every job may be repeated and may catch up."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from kernel.clock import Clock, SystemClock
from kernel.database import Database
from kernel.errors import Unavailable
from server import logs
from server.leases import KEEP_EACH, Lease, this_process
from server.redaction import without_values

# A job that failed is tried again soon, however seldom it runs, but not in a tight loop.
RETRY = timedelta(seconds=10)
# How often the note "ran at" is written while there is nothing to tell.
NOTE_EVERY = timedelta(minutes=1)
# Seconds for the jobs under way when the process is stopped.
GRACE = 10


@dataclass(frozen=True)
class Job:
    """A function of some room and how often it is asked. `run(now)` returns how many things it did."""

    name: str
    every: timedelta
    run: Callable[[datetime], int]
    purpose: str


@dataclass(frozen=True)
class Schedule:
    """Runs jobs side by side, each in a thread of its own, so that a slow mail server delays no CRL."""

    database: Database
    clock: Clock
    jobs: Sequence[Job]
    node: str = field(default_factory=this_process)
    keep_each: timedelta = KEEP_EACH

    def run(self, stop: threading.Event) -> None:
        """Run until `stop` is set."""
        rounds = [_Rounds(job, Lease(self.database, SystemClock(), job.name, self.node), self.clock) for job in self.jobs]
        threads = [threading.Thread(target=_repeat, args=(each, stop), name=each.name, daemon=True) for each in rounds]
        for thread in threads:
            thread.start()
        while not stop.wait(self.keep_each.total_seconds()):
            for each in rounds:
                each.keep()
        deadline = time.monotonic() + GRACE
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))


def _repeat(rounds: "_Rounds", stop: threading.Event) -> None:
    wait = timedelta()
    while not stop.wait(wait.total_seconds()):
        wait = rounds.next()
    rounds.end()


class _Rounds:
    """The rounds of one job in one process."""

    def __init__(self, job: Job, lease: Lease, clock: Clock) -> None:
        self._job = job
        self._lease = lease
        self._clock = clock
        self._log = logs.logger("server.jobs").bind(job=job.name)
        self._noted_at: datetime | None = None
        self._failure: str | None = None
        self._is_running = False

    @property
    def name(self) -> str:
        """The job's name."""
        return self._job.name

    def next(self) -> timedelta:
        """Run the job if it is ours and return how long to wait. Whatever goes wrong stays here."""
        try:
            if not self._lease.hold():
                return max(self._job.every, RETRY)
            done = self._run()
            if done:
                self._log.info("job.done", done=done, fence=self._lease.fence)
            self._note(None)
        except Unavailable as error:
            self._fail(f"unavailable: {error}")
            return RETRY
        except Exception as error:  # noqa: BLE001 (one job's fault stops neither it nor the others)
            self._log.exception("job.failed", fence=self._lease.fence)
            self._fail(f"{type(error).__name__}: {error}")
            return max(RETRY, min(self._job.every, timedelta(minutes=5)))
        return self._job.every

    def _run(self) -> int:
        self._is_running = True
        try:
            return self._job.run(self._clock.now())
        finally:
            self._is_running = False

    def keep(self) -> None:
        """Keep the job from the other nodes while it runs; called beside it, by another thread. Faults stay here, too."""
        if not self._is_running:
            return
        try:
            if not self._lease.keep():
                self._log.warning("job.lease-lost")
        except Unavailable as error:
            self._log.warning("job.lease-not-kept", reason=str(error))
        except Exception:  # noqa: BLE001 (the thread that calls keeps the leases of the other jobs, too)
            self._log.exception("job.lease-not-kept")

    def end(self) -> None:
        """Let the job go."""
        try:
            self._lease.release()
        except Unavailable as error:
            self._log.warning("job.lease-kept", reason=str(error))

    def _fail(self, failure: str) -> None:
        self._log.warning("job.not-done", reason=failure)
        try:
            self._note(without_values(failure)[:500])
        except Unavailable as error:
            self._log.warning("job.not-noted", reason=str(error))
        except Exception:  # noqa: BLE001 (what can not even be noted must not end the job's thread)
            self._log.exception("job.not-noted")

    def _note(self, failure: str | None) -> None:
        now = SystemClock().now()
        if failure == self._failure and self._noted_at is not None and now - self._noted_at < NOTE_EVERY:
            return
        self._lease.note(failure)
        self._failure, self._noted_at = failure, now


@contextmanager
def stop_signals() -> Iterator[threading.Event]:
    """Give an event that SIGTERM and SIGINT set."""
    stop = threading.Event()
    reader, writer = os.pipe()

    def watch() -> None:
        # The handler only writes an octet: an event's lock may not be taken inside a signal handler.
        os.read(reader, 1)
        stop.set()

    threading.Thread(target=watch, name="signals", daemon=True).start()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: os.write(writer, b"1"))
    yield stop
