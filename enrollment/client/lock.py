"""One run at a time in a terminal's folder, on every system that customers have."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from enrollment.client.folder import writable
from kernel.errors import Refused

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

LOCK = "renewal.lock"


@contextmanager
def only_one(folder: Path) -> Iterator[None]:
    """Hold the folder's lock, which ends with the process at the latest.

    Raises Refused("renewal-running") at once when another process has it, Refused("folder-unwritable").
    """
    with writable(folder):
        descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            _lock(descriptor)
        except OSError:
            raise Refused("renewal-running", path=str(folder)) from None
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> None:
    if sys.platform == "win32":
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
    else:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
