"""Ports of loopback for programs that bind them later, or for nobody at all."""

import itertools
import os
import random
import socket
from collections.abc import Iterator
from functools import cache

# Below those that the system gives to whoever asks for any, so that they are free later, too.
LOWEST_PORT, HIGHEST_PORT = 20_000, 32_000


def free_ports(count: int) -> list[int]:
    """Return ports that nobody else in this run gets; none comes a second time before all others came."""
    return list(itertools.islice(_own(), count))


def free_port() -> int:
    """Return one."""
    return next(_own())


@cache
def _own() -> Iterator[int]:
    """Each worker of a run has every sixteenth for itself."""
    own = range(LOWEST_PORT + int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]) % 16, HIGHEST_PORT, 16)
    return filter(_is_free, itertools.cycle(random.sample(own, len(own))))


def _is_free(port: int) -> bool:
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True
