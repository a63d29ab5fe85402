"""The status door's worker: its main thread answers the express lane by itself, as soon as a request is there."""

import time
from typing import Any

from server.express import Ask, Express
from server.lane import Next
from server.lane_worker import Caller, LaneWorker

_TELL_EACH = 60.0  # seconds between log lines of the express lane
_REFUSAL = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


class ExpressWorker(LaneWorker):
    """A lane whose answers take some microseconds."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 (gunicorn's own signature)
        super().__init__(*args, **kwargs)
        self._answered, self._told_at = 0, time.monotonic()

    def run(self) -> None:
        """Serve until the end."""
        self._express: Express = self.wsgi.express
        super().run()

    def look_after(self, now: float) -> None:
        """Tell how many were answered; a line for each would cost more than its answer."""
        if self._answered and now - self._told_at > _TELL_EACH:
            self.lane_log.info("ocsp.answered", requests=self._answered, seconds=round(now - self._told_at))
            self._answered, self._told_at = 0, now

    def answer(self, caller: Caller) -> None:
        """Answer all requests that are there, in their order, up to one that is not for us."""
        octets, at, answers, express = caller.came, 0, [], self._express
        found: Ask | Next = Next.WAIT
        while at < len(octets) and not caller.ends:
            found = express.next(octets, at)
            if not isinstance(found, Ask):
                break
            at = found.end
            caller.ends = not (found.keep and self.alive)
            answers.append(express.answer(found.der, keep=not caller.ends))
        self._answered += len(answers)
        caller.came = octets[at:]
        if found is Next.REFUSE:
            answers.append(_REFUSAL)
            caller.ends = True
        if answers and not self.answered(caller, answers[0] if len(answers) == 1 else b"".join(answers)):
            return
        if found is Next.APP:
            self.hand_over(caller)
