"""The external check of the lists as processes run it: at the command line, and every few minutes as a job."""

import http.client
import mmap
import shutil
import tempfile
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime

from ca import served_lists
from ca.profiles import Addresses
from ca.served_lists import ListFault
from kernel.database import Database
from server import logs
from server.issuing import addresses_of
from server.settings import Settings
from server.trouble import Trouble

# Seconds for a part of an answer.
PATIENCE = 60


def fetch(address: str) -> bytes | mmap.mmap:
    """Fetch over HTTP what is served at an address, past caches that would be asked anew anyway; raises OSError.

    What comes lies in a file without name, so that a list of a million entries takes no memory of ours.
    """
    request = urllib.request.Request(address, headers={"User-Agent": "tegata-check"})  # noqa: S310 (addresses are our own)
    with speaking_http(), urllib.request.urlopen(request, timeout=PATIENCE) as response, tempfile.TemporaryFile() as file:  # noqa: S310 (the same)
        shutil.copyfileobj(response, file)
        file.flush()
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if file.tell() else b""


@contextmanager
def speaking_http() -> Iterator[None]:
    """Turn into an OSError what is said of an answer that is cut off, is no HTTP, or leads to no address."""
    try:
        yield
    except (http.client.HTTPException, ValueError) as error:
        raise OSError(f"no whole answer: {type(error).__name__}: {error}") from error


def check(database: Database, addresses: Addresses, now: datetime) -> tuple[int, list[ListFault]]:
    """Look at every list from outside; return how many there are and what is wrong."""
    return served_lists.check(database, addresses, fetch, now)


def watching(settings: Settings, database: Database) -> Callable[[datetime], int]:
    """Return the job: a line of log for each fault, level error, and the job counts as failed until all is well."""
    addresses = addresses_of(settings)
    log = logs.logger("server.lists")

    def watch(now: datetime) -> int:
        lists, faults = check(database, addresses, now)
        for fault in faults:
            log.error("crl.fault", address=fault.address, fault=fault.fault)
        if faults:
            raise Trouble(f"{len(faults)} faults in {lists} lists as they are served; the first: {faults[0]}")
        return 0

    return watch
