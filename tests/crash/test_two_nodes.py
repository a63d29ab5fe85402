"""Two nodes as processes on one PostgreSQL, two rivals for each code set, by all ways to redeem it.

One of them speaks plain HTTP, so it has a lane. In the middle of it the database is restarted, and that node is killed.
"""

import http.client
import queue
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest
from cryptography import x509

from ca.ceremony import service_certificate
from ca.plan import CMP, SCEP
from tests.crash import ledger
from tests.crash.bulk import prepare_many
from tests.crash.homes import DoorProcess, RealHome, found_home
from tests.crash.ledger import Received
from tests.crash.rivals import Try, pair_off
from tests.support.house import SOURCE
from tests.support.interfaces import RETRIEVALS, Outcome, World, over_network
from tests.support.ports import free_port
from tests.support.postgres import PostgresServer, PostgresUnavailable, private_server
from tests.support.required import missing

SETS, CLIENTS = 80, 8
# Seconds: how long a client that is told "come again", or nothing at all, comes again; and how long the database is away.
STUBBORN, AWAY = 90, 1.0


@pytest.fixture
def server() -> Iterator[PostgresServer]:
    """Return a server that may be stopped: not the one that other tests use."""
    try:
        with private_server() as running:
            running.execute("CREATE DATABASE {}", "nodes")
            yield running
    except PostgresUnavailable as reason:
        missing(str(reason))


@pytest.fixture
def home(server: PostgresServer, tmp_path: Path) -> Iterator[RealHome]:
    made = found_home(tmp_path, server.url("nodes"))
    yield made
    made.house.database.dispose()


@dataclass
class Clients:
    """Who wants certificates, each by another way and another node each time, until something final is said."""

    worlds: list[World]
    tries: "queue.SimpleQueue[Try]"
    received: list[Received] = field(default_factory=list)
    outcomes: Counter[str] = field(default_factory=Counter)
    _threads: list[threading.Thread] = field(default_factory=list)

    def begin(self) -> None:
        """Let them loose."""
        self._threads = [threading.Thread(target=self._work, args=(rank,)) for rank in range(CLIENTS)]
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        """Wait until all are served."""
        for thread in self._threads:
            thread.join()

    def _work(self, rank: int) -> None:
        moods = random.Random(rank)  # noqa: S311 (moods are no secrets)
        while True:
            try:
                wanted = self.tries.get_nowait()
            except queue.Empty:
                return
            self.outcomes[self._pursue(wanted, moods)] += 1

    def _pursue(self, wanted: Try, moods: random.Random) -> str:
        deadline = time.monotonic() + STUBBORN
        while time.monotonic() < deadline:
            way, world = moods.choice(list(RETRIEVALS)), moods.choice(self.worlds)
            try:
                told = RETRIEVALS[way](world, wanted.codes, wanted.request, SOURCE)
            except (OSError, http.client.HTTPException):
                self.outcomes["no answer"] += 1
                time.sleep(0.1)
                continue
            if told.certificate:
                self.received.append(Received(wanted.terminal, wanted.rival, told.certificate))
                return "received"
            if told.outcome is Outcome.REFUSED:
                return "spent" if "another key" in told.words or "codes-spent" in told.words else told.words
            self.outcomes[f"{told.outcome.value}"] += 1
            time.sleep(0.1)
        return "gave up"


def test_two_nodes_a_restarted_database_and_a_killed_node(home: RealHome, server: PostgresServer) -> None:
    sets = dict(prepare_many(home.house, SETS))
    second = free_port()
    nodes = [
        DoorProcess(home),
        DoorProcess(home, environment={"TEGATA_RETRIEVAL__BIND": f"127.0.0.1:{second}", "TEGATA_RETRIEVAL__SCHEME": "http"}),
    ]
    for node in nodes:
        node.open()
    tries, requests = pair_off(list(sets.items()))
    clients = Clients([_world(home, node) for node in nodes], tries)
    clients.begin()
    try:
        _wait_for(clients, SETS // 8)
        server.stop()
        time.sleep(AWAY)
        server.start()
        _wait_for(clients, SETS // 3)
        nodes[1].kill()
        nodes[1].open()
        clients.end()
    finally:
        for node in nodes:
            node.kill()
    print(dict(clients.outcomes))  # noqa: T201 (shown when it fails)
    assert ledger.faults(home.house, clients.received) == []
    assert {received.terminal for received in clients.received} == sets.keys()
    assert clients.outcomes["received"] + clients.outcomes["spent"] == 2 * SETS
    assert clients.outcomes.keys() <= {"received", "spent", Outcome.AWAY.value, "no answer"}
    assert clients.outcomes[Outcome.AWAY.value] + clients.outcomes["no answer"] > 0
    del requests


def _wait_for(clients: Clients, count: int) -> None:
    deadline = time.monotonic() + STUBBORN
    while len(clients.received) < count and time.monotonic() < deadline:
        time.sleep(0.01)


def _world(home: RealHome, node: DoorProcess) -> World:
    database = home.house.database
    certificates = [x509.load_der_x509_certificate(service_certificate(database, name)) for name in (SCEP, CMP)]
    return World(over_network(partial(home.connection, 30, port=node.port, scheme=node.scheme)), *certificates)
