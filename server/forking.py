"""Children that begin as a copy of the supervisor, so that what they have in common is loaded once (`server.shared`)."""

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

# What a new process hears by default, and the supervisor by functions of its own.
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD)
_TASKS = Path("/proc/self/task")


class Forked:
    """A process that began as a copy of this one; it answers as a `subprocess.Popen` does."""

    def __init__(self, name: str, deed: Callable[[], None]) -> None:
        # Whoever asks the copy to stop before it has unlearnt our functions would be heard by them, and forgotten.
        heard = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        try:
            self._process = multiprocessing.get_context("fork").Process(target=_begin, args=(deed, heard), name=name)
            self._process.start()
            _group(self.pid)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, heard)

    @property
    def pid(self) -> int:
        """Its number; raises RuntimeError for a process that was never started."""
        if self._process.pid is None:
            raise RuntimeError("the process was never started")
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """How it ended: its status, or the signal that ended it as a negative number; None while it runs."""
        return self._process.exitcode

    def poll(self) -> int | None:
        """Return how it ended, None while it runs."""
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send it a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)


def may_fork() -> bool:
    """Whether this process can be copied as it is: on Linux, and while no other thread could hold a lock.

    Elsewhere (on macOS the system's own libraries do not stand it) children are started as programs.
    """
    return sys.platform == "linux" and len(list(_TASKS.iterdir())) == 1


def _begin(deed: Callable[[], None], heard: Sequence[int]) -> None:
    """Hear signals as a new process does, and do the deed."""
    _group(os.getpid())
    signal.set_wakeup_fd(-1)
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, heard)
    deed()


def _group(pid: int) -> None:
    """Give a process a group of its own, by whoever comes first: the terminal's Ctrl-C reaches only the supervisor."""
    with suppress(PermissionError, ProcessLookupError):
        os.setpgid(pid, pid)
