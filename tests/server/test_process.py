"""What a process asks of the system for itself."""

import subprocess
import sys

import pytest

from server.process import ARENAS, FILES
from tests.support.schema import ROOT

THREADS = """
import ctypes, threading
from server.process import keep_few_arenas

keep_few_arenas()
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.fdopen.restype = ctypes.c_void_p, ctypes.c_void_p
barrier = threading.Barrier(8)

def allocate():
    libc.malloc(100_000)
    barrier.wait(60)

threads = [threading.Thread(target=allocate) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
out = ctypes.c_void_p(libc.fdopen(1, b"w"))
libc.malloc_info(0, out)
libc.fflush(out)
"""


def test_threads_of_a_door_share_a_few_heaps() -> None:
    told = subprocess.run([sys.executable, "-c", THREADS], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert 1 <= told.count("<heap nr=") <= ARENAS


@pytest.mark.parametrize(
    ("soft", "hard", "allowed"), [(256, FILES + 1, FILES), (256, 512, 512), (FILES + 1, FILES + 1, FILES + 1)]
)
def test_a_door_may_open_as_many_files_as_it_has_connections(soft: int, hard: int, allowed: int) -> None:
    ask = (
        "import resource\nfrom server.process import allow_many_files\n"
        f"resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard}))\n"
        "print(allow_many_files(), *resource.getrlimit(resource.RLIMIT_NOFILE))"
    )
    told = subprocess.run([sys.executable, "-c", ask], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert told.split() == [str(allowed), str(allowed), str(hard)]
