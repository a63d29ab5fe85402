"""A worker whose main thread collects requests, and one thread that answers all that are there at once.

While a batch is under way, whoever comes is in the next one, so batches grow with the load. The app's threads get whatever
is no request for the lane, and each request that its batch did not answer, with the same octets: as if it had just come.
"""

import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from email.utils import formatdate
from itertools import zip_longest
from typing import Any

from gunicorn import SERVER  # type: ignore[import-untyped]

from kernel.errors import trace_of
from server.front import STRICT_TRANSPORT
from server.lane import Answer, Lane, Next
from server.lane_worker import Caller, LaneWorker

# What a batch takes at most: it is one transaction, which others wait for.
MOST = 64
# Seconds that a batch waits for those who were in the one before: they have an answer now, and may ask again.
_MOMENT = 0.001
# Seconds for which the main thread leaves the interpreter to a batch; then it hears again.
_REST = 0.02
# Seconds after which nobody waits for the next batch any longer: something is slow, and the app has more threads.
_PATIENCE = 2.0


class BatchWorker(LaneWorker):
    """A lane whose answers take long, and less for many at once."""

    at_once = 16_384

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 (gunicorn's own signature)
        super().__init__(*args, **kwargs)
        self._waiting: list[Caller] = []
        self._batch: list[Caller] = []
        self._work: Future[Sequence[Answer | None]] | None = None
        self._rests = False

    def run(self) -> None:
        """Serve until the end."""
        self._lane: Lane = self.wsgi.lane
        # What the front adds to each answer.
        self._strict = "{}: {}\r\n".format(*STRICT_TRANSPORT) if self.wsgi.strict_transport else ""
        self._thread = ThreadPoolExecutor(1, "batch")
        super().run()

    def wait_for_and_dispatch_events(self, timeout: float) -> None:
        """Serve whoever can be served, and let the next batch begin."""
        if self._work is not None and self._rests:
            self._rest(self._work)
        super().wait_for_and_dispatch_events(0 if self._is_to_begin() else timeout)
        if self._is_to_begin() and len(self._waiting) < len(self._batch):
            time.sleep(_MOMENT)
            super().wait_for_and_dispatch_events(0)
        if self._is_to_begin():
            self._begin()

    def answer(self, caller: Caller) -> None:
        """Let a request wait for the next batch."""
        found = self._lane.next(caller.came)
        if isinstance(found, Next):
            if found is not Next.WAIT:
                self.hand_over(caller)
            return
        caller.asked, caller.since = found, time.monotonic()
        self.hold(caller)
        self._waiting.append(caller)

    def look_after(self, now: float) -> None:
        """Hand over whoever waits for too long."""
        for caller in self._still(self._waiting):
            if now - caller.since > _PATIENCE:
                self._leave(caller)

    def _is_to_begin(self) -> bool:
        return self._work is None and bool(self._waiting)

    def _begin(self) -> None:
        present = self._still(self._waiting)
        self._batch, self._waiting = present[:MOST], present[MOST:]
        if not self._batch:
            return
        asked = [(caller.asked, caller.address[0]) for caller in self._batch]
        self._work, self._rests = self._thread.submit(self._lane.answer_all, asked), True

    def _rest(self, work: Future[Sequence[Answer | None]]) -> None:
        """Leave the interpreter to a batch for a while; one that takes longer is heard of like everything else."""
        self._rests = False
        if wait([work], _REST).done:
            self._end(work)
        else:
            work.add_done_callback(lambda done: self.method_queue.defer(self._end, done))

    def _end(self, work: Future[Sequence[Answer | None]]) -> None:
        """Send what a batch answered. Whatever went wrong in it, each of its requests is one for the app."""
        self._work = None
        fault = work.exception()
        if fault is not None:
            self.log.warning("a batch of %d came to nothing, the app is asked: %s", len(self._batch), trace_of(fault))
        date = formatdate(usegmt=True)
        for caller, answer in zip_longest(self._batch, [] if fault else work.result()):
            if caller.asked is not None and answer is not None:
                self._tell(caller, answer, date)
            elif caller.asked is not None:
                self._leave(caller)

    def _tell(self, caller: Caller, answer: Answer, date: str) -> None:
        """Send an answer in the form that gunicorn's own have, and log it like them."""
        asked, caller.asked = caller.asked, None
        caller.ends = not (asked.keep and self.alive)
        connection = "close" if caller.ends else "keep-alive"
        head = f"HTTP/1.1 {answer.status}\r\nServer: {SERVER}\r\nDate: {date}\r\nConnection: {connection}\r\n"
        whole = f"{head}{answer.fields}{self._strict}\r\n".encode("latin-1") + answer.body
        caller.came = caller.came[asked.end :]
        self.hear_again(caller)
        self.log.answered(
            method=self._lane.method,
            path=self._lane.path,
            status=answer.status,
            octets=len(answer.body),
            seconds=time.monotonic() - caller.since,
            address=answer.address,
        )
        if self.answered(caller, whole) and caller.came:
            self.answer(caller)

    def _leave(self, caller: Caller) -> None:
        """Let the app answer what no batch did."""
        caller.asked = None
        self.hand_over(caller)

    @staticmethod
    def _still(callers: Sequence[Caller]) -> list[Caller]:
        """Return who was not cut off, nor handed over, since he came."""
        return [caller for caller in callers if caller.asked is not None]
