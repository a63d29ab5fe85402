"""A process that another one started: it dies with its parent, and says when it is ready."""

import ctypes
import os
import signal
from collections.abc import Callable
from contextlib import suppress

# prctl(2): the signal that the kernel sends us when the thread that started us ends.
_PR_SET_PDEATHSIG = 1


def follow_parent(parent: int) -> None:
    """Ask for SIGTERM when the parent dies, however it dies; end at once when it is gone already.

    Where the kernel is not Linux nothing is asked; the supervisor's own end still stops its children.
    """
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != parent:
        raise SystemExit(1)


def ready_teller(descriptor: int | None) -> Callable[[], None]:
    """Return what tells the parent, through a pipe's end, that we are ready; without a pipe it tells nobody."""

    def tell() -> None:
        if descriptor is not None:
            with suppress(OSError):
                os.write(descriptor, b"1")

    return tell
