"""A process that another one started: it dies with its parent, and says when it is ready."""

import ctypes
import os
import resource
import signal
import sys
from contextlib import suppress
from dataclasses import dataclass

# prctl(2): the signal that the kernel sends us when the thread that started us ends; the name that `ps -o comm` and `top` show.
_PR_SET_PDEATHSIG = 1
_PR_SET_NAME = 15
# mallopt(3): how many heaps there are at most.
_M_ARENA_MAX = -8
ARENAS = 2
# How many files a process of a door may have open: its connections, the database's, and what it serves.
FILES = 4_096
READY = b"\x01"
# Written to a pipe in one piece (POSIX: at least 512 octets are).
LONGEST_REASON = 512


def follow_parent(parent: int) -> None:
    """Ask for SIGTERM when the parent dies, however it dies; end at once when it is gone already.

    Where the kernel is not Linux nothing is asked; the supervisor's own end still stops its children.
    """
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != parent:
        raise SystemExit(1)


def show_as(name: str) -> None:
    """Show this process, and those that it forks, under a name (15 octets), where the kernel is Linux."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_NAME, name.encode(), 0, 0, 0)


def keep_few_arenas() -> None:
    """Let all threads of this process, and of those that it forks, share a few heaps.

    By glibc's own choice each thread has one, up to eight for each processor, and keeps there what it does not use any more: a
    retrieval door weighs a fifth less without. Where the library is not glibc nothing is asked.
    """
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, ARENAS)


def allow_many_files() -> int:
    """Let this process, and those that it forks, have as many files open as the system lets them, up to `FILES`; return how many.

    By custom they begin with 1,024, which a thousand connections use up: none could be taken any more, nor a file be read.
    """
    soft, hard = (FILES if limit == resource.RLIM_INFINITY else limit for limit in resource.getrlimit(resource.RLIMIT_NOFILE))
    if soft >= min(FILES, hard):
        return soft
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(FILES, hard), resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


@dataclass(frozen=True)
class Starting:
    """How a start goes: told to the parent through a pipe's end, a failure on standard error, too."""

    pipe: int | None = None

    def ready(self) -> None:
        """Tell that requests are taken from now on."""
        self._tell(READY)

    def failed(self, reason: str) -> None:
        """Tell why there will be nothing to take them: a line for each thing to mend, to the parent all in one."""
        sys.stderr.write("".join(f"tegata: {line}\n" for line in _lines(reason)))
        self.gave_up(reason)

    def gave_up(self, reason: str) -> None:
        """Tell the parent alone why, for a failure that somebody else puts on standard error."""
        self._tell("; ".join(_lines(reason)).encode()[:LONGEST_REASON])

    def _tell(self, message: bytes) -> None:
        if self.pipe is not None:
            with suppress(OSError):
                os.write(self.pipe, message)


def _lines(reason: str) -> list[str]:
    return [" ".join(line.split()) for line in reason.splitlines() if line.strip()]
