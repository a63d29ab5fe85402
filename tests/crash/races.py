"""Many clients at once, in threads."""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from enrollment.redemption import Retrieved
from kernel.errors import Refused, Unavailable

Answer = TypeVar("Answer")
# Seconds for which a client that is told "try again" does so.
STUBBORN = 200


def all_at_once(deeds: Sequence[Callable[[], Answer]], *, threads: int | None = None) -> list[Answer]:
    """Do every deed in a thread of its own (or so many), beginning together, and return what they returned."""
    count = threads or len(deeds)
    start = threading.Barrier(count)

    def ready() -> None:
        start.wait()

    with ThreadPoolExecutor(count, initializer=ready) as pool:
        return [future.result() for future in [pool.submit(deed) for deed in deeds]]


def stubbornly(redeem: Callable[[], Retrieved]) -> Retrieved | str:
    """Redeem as a client does: again after every "try again"; return what it got or the code of its refusal."""
    deadline = time.monotonic() + STUBBORN
    while True:
        try:
            return redeem()
        except Refused as refusal:
            return refusal.code
        except Unavailable:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)
