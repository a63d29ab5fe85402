"""Real doors, killed with SIGKILL in the middle of renewals: the old certificate is good until the new one is, and then that one.

Also two nodes on one PostgreSQL, which renew the same terminal at once by every interface.
"""

import random
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from sqlalchemy import select

from ca.certificates import CertificateState
from ca.tables import CertificateRow
from enrollment.tables import CredentialRow
from kernel.errors import Refused
from tests.conftest import FreshDatabase
from tests.crash import ledger
from tests.crash.homes import DoorProcess, RealHome, found_home
from tests.crash.renewers import Lines, Renewers, contexts_of, renewables
from tests.support.interfaces import RENEWALS, Holder, Outcome
from tests.support.ports import free_port

# Terminals of the killed door, and how often it is killed; of the two nodes, and how many of those have keys of RSA.
KILLED_TERMINALS, KILLS = 60, 2
NODES_TERMINALS, BY_RSA = 24, 4
EXPECTED = {"received", "spent", "no answer", Outcome.AWAY.value}


@pytest.fixture
def home(sqlite_databases: FreshDatabase, tmp_path: Path) -> Iterator[RealHome]:
    """Return a home on SQLite; a node on PostgreSQL is killed below."""
    with sqlite_databases() as url:
        made = found_home(tmp_path, url)
        yield made
        made.house.database.dispose()


def test_a_terminals_door_that_is_killed_in_the_middle_of_renewals_leaves_every_terminal_one_good_certificate(
    home: RealHome, tmp_path: Path
) -> None:
    holders = renewables(home.house, [False] * KILLED_TERMINALS)
    contexts = contexts_of(home, holders, tmp_path)
    door = DoorProcess(home, door="terminals")
    clients = Renewers([Lines(home, door.port, None, contexts).world()], lambda _holder: ("REST", "EST"))
    door.open()
    clients.begin(holders)
    moments = random.Random()  # noqa: S311
    try:
        for kill in range(1, KILLS + 1):
            _wait_for(clients, kill * KILLED_TERMINALS // (KILLS + 2))
            time.sleep(moments.uniform(0, 0.05))
            door.kill()
            assert _without_good(home, holders) == []
            door.open()
        clients.end()
    finally:
        door.kill()
    _judge(home, holders, clients)
    assert clients.outcomes["no answer"] > 0
    assert clients.asked.keys() == {"REST", "EST"}


def test_two_nodes_that_renew_the_same_terminals_at_once_by_all_ways_give_each_one_certificate(
    postgresql_databases: FreshDatabase, tmp_path: Path
) -> None:
    with postgresql_databases() as url:
        home = found_home(tmp_path, url)
        holders = renewables(home.house, [rank < BY_RSA for rank in range(NODES_TERMINALS)])
        contexts = contexts_of(home, holders, tmp_path)
        other = free_port()
        nodes = [
            DoorProcess(home, door="terminals"),
            DoorProcess(home, door="terminals", environment={"TEGATA_TERMINALS__BIND": f"127.0.0.1:{other}"}),
            DoorProcess(home),
        ]
        worlds = [Lines(home, node.port, nodes[2].port, contexts).world() for node in nodes[:2]]
        by_rsa = {holder.terminal for holder in holders[:BY_RSA]}
        others = [way for way in RENEWALS if way != "SCEP"]
        clients = Renewers(worlds, lambda one: ["SCEP"] if one.terminal in by_rsa else others)
        try:
            for node in nodes:
                node.open()
            clients.begin(holders)
            _wait_for(clients, NODES_TERMINALS // 3)
            nodes[1].kill()
            nodes[1].open()
            clients.end()
        finally:
            for node in nodes:
                node.kill()
        _judge(home, holders, clients)
        assert clients.asked.keys() == RENEWALS.keys()
        home.house.database.dispose()


def _judge(home: RealHome, holders: Sequence[Holder], clients: Renewers) -> None:
    print(dict(clients.outcomes), dict(clients.asked))  # noqa: T201 (shown when it fails)
    assert clients.outcomes.keys() <= EXPECTED
    assert clients.outcomes["received"] + clients.outcomes["spent"] == 2 * len(holders)
    new = {one.terminal: one.der for one in clients.received}
    assert new.keys() == {holder.terminal for holder in holders}
    assert ledger.faults(home.house, clients.received) == []
    for holder in holders:
        # The new one is proven by its first logon, and only then is the old one ended.
        assert _state(home, holder.der) == CertificateState.VALID
        assert _log_on(home, holder, holder.der) == "A0036"
        assert _log_on(home, holder, new[holder.terminal]) == "permitted"
        assert _state(home, holder.der) == CertificateState.REVOKED
    assert ledger.faults(home.house, clients.received) == []


def _without_good(home: RealHome, holders: Sequence[Holder]) -> list[str]:
    """Return whose current certificate is none that may be used: nobody's, whatever was cut off."""
    with home.house.database.snapshot() as session:
        query = select(CredentialRow.terminal).join(
            CertificateRow, (CertificateRow.issuer == CredentialRow.issuer) & (CertificateRow.serial == CredentialRow.serial)
        )
        good = set(session.scalars(query.where(CertificateRow.state == CertificateState.VALID, CertificateRow.der.is_not(None))))
    return [holder.terminal for holder in holders if holder.terminal not in good]


def _state(home: RealHome, der: bytes) -> str:
    with home.house.database.snapshot() as session:
        return session.scalars(select(CertificateRow.state).where(CertificateRow.der == der)).one()


def _log_on(home: RealHome, holder: Holder, certificate: bytes) -> str:
    try:
        home.house.logon.check(certificate, holder.terminal, holder.codes.access_key)
    except Refused as refusal:
        return refusal.code
    return "permitted"


def _wait_for(clients: Renewers, count: int) -> None:
    while len(clients.received) < count and clients.busy:
        time.sleep(0.005)
