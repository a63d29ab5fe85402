"""Work of many threads that is done together: one transaction, and one flush to the disk, for all who wait for it.

There is no thread of its own: who finds nobody at work does a round, and whoever comes meanwhile is in the next one. Who leads
a round waits for a moment when others are on their way (`company`), and a lone caller never. So rounds grow with the load.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Generic, TypeVar

from sqlalchemy.exc import IntegrityError

from kernel.errors import Unavailable, trace_of

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")
# What one round takes at most: it is in one transaction, which others wait for.
MOST = 64
# Seconds that the leader of a round waits for others.
MOMENT = 0.001
_log = logging.getLogger(__name__)


class Alone(Enum):
    """What a round answers of an item that is to be done by itself."""

    ALONE = "alone"


ALONE = Alone.ALONE


class RoundFailed(Exception):
    """Somebody of the round can not have what he came for: it is rolled back, and each goes alone."""


# Why a round comes to nothing though nothing is broken; of any other reason a line is logged.
EXPECTED = (RoundFailed, IntegrityError)


@dataclass(eq=False)
class _Place(Generic[Item, Outcome]):
    """Somebody who waits: until `gate` opens, with an outcome, or none and the lead of the next round."""

    item: Item
    gate: threading.Lock = field(default_factory=threading.Lock)
    outcome: Outcome | Alone | None = None
    trouble: Unavailable | None = None
    leads: bool = False


class Company:
    """How many are on a way on which they meet in gatherings."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.count = 0

    @contextmanager
    def joined(self) -> Iterator[None]:
        """Be on the way until the block ends."""
        with self._lock:
            self.count += 1
        try:
            yield
        finally:
            with self._lock:
                self.count -= 1


class Gathering(Generic[Item, Outcome]):
    """Does items in rounds. `work` returns an outcome for each item of a round, in their order, or `ALONE` for some of them."""

    def __init__(self, work: Callable[[Sequence[Item]], Sequence[Outcome | Alone]], company: Company) -> None:
        self._work, self._company = work, company
        self._lock = threading.Lock()
        self._waiting: list[_Place[Item, Outcome]] = []
        self._is_busy = False

    def submit(self, item: Item) -> Outcome | Alone:
        """Return an item's outcome, or `ALONE` when its round came to nothing and each must be done by itself.

        Raises Unavailable, which all of a round share.
        """
        place: _Place[Item, Outcome] = _Place(item)
        place.gate.acquire()
        with self._lock:
            self._waiting.append(place)
            place.leads, self._is_busy = not self._is_busy, True
        if not place.leads:
            place.gate.acquire()
        if place.leads:
            self._lead()
        if place.trouble is not None:
            raise place.trouble
        return ALONE if place.outcome is None else place.outcome

    def _lead(self) -> None:
        """Do a round, then let the next one begin. A fault that is nobody's in particular leaves each to be done alone."""
        if self._company.count > len(self._waiting):
            time.sleep(MOMENT)
        with self._lock:
            round_, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
        try:
            for place, outcome in zip(round_, self._work([place.item for place in round_]), strict=True):
                place.outcome = outcome
        except Unavailable as trouble:
            for place in round_:
                place.trouble = trouble
        except EXPECTED:
            _send_alone(round_)
        except Exception as fault:  # noqa: BLE001 (whoever causes it meets it again when each is done alone)
            _send_alone(round_)
            _log.warning("a round of %d came to nothing, each is done alone: %s", len(round_), trace_of(fault))
        finally:
            with self._lock:
                self._is_busy = bool(self._waiting)
                following = self._waiting[0] if self._waiting else None
                if following is not None:
                    following.leads = True
            for place in round_ if following is None else [*round_, following]:
                place.gate.release()


def _send_alone(round_: Sequence[_Place[Any, Any]]) -> None:
    for place in round_:
        place.outcome = ALONE
