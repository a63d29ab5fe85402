"""Answer lost, connection lost, database full, token away: at every step of every interface. Nothing burnt, nothing doubled."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import cast

import pytest
from _pytest.mark import ParameterSet

from ca.authority import Authority
from enrollment.codes import Codes
from enrollment.redemption import Redemption, Retrieved
from kernel.database import connect
from tests.conftest import FreshDatabase
from tests.crash import ledger
from tests.crash.faults import AuthorityAtHand, Place
from tests.crash.planted import AnswersBeforeStoring, BurnsFirst
from tests.crash.sweeps import Ask, Node, node_of, sweep
from tests.support.clock import SettableClock
from tests.support.house import SOURCE, House, Request, build_house
from tests.support.interfaces import LANE, LANES, RENEWALS, RETRIEVALS, Doors, Told, World, certified, doors_of

# Steps that each way has at least: the writes and commits of a redemption, and the key's windows.
FEWEST = 11
# What the others read, they read by the same functions.
READING = {"REST", "CMP", LANE}
AT_HAND = "-at-hand"


@pytest.fixture(scope="module")
def clock_of_all() -> SettableClock:
    return SettableClock()


@pytest.fixture(scope="module")
def opened(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, clock_of_all: SettableClock
) -> Iterator[tuple[House, Doors, Node]]:
    """Return a house, its sound doors, and a node that breaks."""
    fresh: FreshDatabase = request.getfixturevalue(f"{request.param.removesuffix(AT_HAND)}_databases")
    with fresh() as url:
        database = connect(url)
        house = build_house(database, tmp_path_factory.mktemp("house"), clock_of_all)
        node = node_of(house, kind=AuthorityAtHand if request.param.endswith(AT_HAND) else Authority)
        yield house, doors_of(house), node
        node.house.database.dispose()
        database.dispose()


def _retriever(house: House, way: str) -> Callable[[], tuple[str, Ask]]:
    def newcomer() -> tuple[str, Ask]:
        [(terminal, codes)] = house.new_codes()

        def ask(world: World, request: Request) -> Told:
            return {**RETRIEVALS, **LANES}[way](world, codes, request, SOURCE)

        return terminal, ask

    return newcomer


def _renewer(house: House, clock: SettableClock, way: str) -> Callable[[], tuple[str, Ask]]:
    def newcomer() -> tuple[str, Ask]:
        [holder] = certified(house, clock, [way == "SCEP"])

        def ask(world: World, request: Request) -> Told:
            return RENEWALS[way](world, holder, request)

        return holder.terminal, ask

    return newcomer


# With a key in the process, a round of redemptions signs by itself, whichever interface they came by.
_AT_HAND = [pytest.param(f"sqlite{AT_HAND}", name) for name in (*RETRIEVALS, LANE) if name in READING]
# A lane does nothing where the key is far away; what it begins, the door's app takes up.
_AT_HAND += [pytest.param(f"postgresql{AT_HAND}", LANE, marks=pytest.mark.postgresql)]


def _places(way: str) -> list[Place]:
    return [place for place in Place if way in READING or place is not Place.READ]


def _ways(names: Iterable[str]) -> list[ParameterSet]:
    """Return each way on SQLite; on PostgreSQL, too, the shortest and the one that has transactions of its own."""
    on_both = [pytest.param("postgresql", name, marks=pytest.mark.postgresql) for name in names if name in READING]
    return [*(pytest.param("sqlite", name) for name in names), *on_both]


@pytest.mark.parametrize(("opened", "way"), [*_ways(RETRIEVALS), *_AT_HAND], indirect=["opened"])
def test_a_retrieval_that_is_cut_off_anywhere_is_taken_up_by_the_same_key(opened: tuple[House, Doors, Node], way: str) -> None:
    house, doors, node = opened
    seen = sweep(node, doors.world, _retriever(house, way), places=_places(way))
    assert seen.found == []
    assert seen.windows >= FEWEST
    assert ledger.faults(house, seen.received) == []


@pytest.mark.parametrize(("opened", "way"), _ways(RENEWALS), indirect=["opened"])
def test_a_renewal_that_is_cut_off_anywhere_is_taken_up_by_the_same_key(
    opened: tuple[House, Doors, Node], clock_of_all: SettableClock, way: str
) -> None:
    house, doors, node = opened
    seen = sweep(node, doors.world, _renewer(house, clock_of_all, way), places=_places(way))
    assert seen.found == []
    assert seen.windows >= FEWEST
    assert ledger.faults(house, seen.received) == []


class _AnswersBeforeStoring(AnswersBeforeStoring):
    """Waits for what it left for later, so that a test knows how things stand."""

    def redeem(self, codes: Codes, request: bytes, source: str) -> Retrieved:
        """Redeem, and settle."""
        retrieved = super().redeem(codes, request, source)
        self.settle()
        return retrieved


@pytest.mark.parametrize("kind", [_AnswersBeforeStoring, BurnsFirst])
def test_a_planted_fault_is_seen_by_every_interface(
    sqlite_databases: FreshDatabase, tmp_path: Path, clock: SettableClock, kind: type[_AnswersBeforeStoring | BurnsFirst]
) -> None:
    def make(node: House) -> Redemption:
        return cast("Redemption", kind(node.database, node.clock, node.authority, node.hasher))

    with sqlite_databases() as url:
        database = connect(url)
        house = build_house(database, tmp_path, clock)
        sound, node = doors_of(house), node_of(house, make)
        seen = {way: sweep(node, sound.world, _retriever(house, way), places=[Place.WRITE]) for way in RETRIEVALS}
        broken = ledger.faults(house, [received for one in seen.values() for received in one.received])
        for one in seen.values():
            names = {received.terminal for received in one.received}
            assert one.found or [fault for fault in broken if any(name in fault for name in names)]
        node.house.database.dispose()
        database.dispose()
