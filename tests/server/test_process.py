"""What a process asks of the system for itself."""

import subprocess
import sys

from server.process import ARENAS
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
    barrier.wait(20)

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
