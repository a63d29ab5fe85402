"""A full disk and a clock that is wrong, by every interface: clear answers, nothing burnt, nothing doubled."""

import itertools
import resource
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from enrollment import guessing
from enrollment.codes import Codes
from kernel.clock import tokyo_date
from kernel.database import Database, connect
from kernel.errors import Refused
from tests.conftest import FreshDatabase
from tests.crash import ledger
from tests.crash.faults import once
from tests.crash.ledger import Received
from tests.crash.sweeps import Node, away, node_of
from tests.support.clock import SettableClock
from tests.support.house import SOURCE, House, Request, build_house, new_request
from tests.support.interfaces import (
    LANES,
    RENEWALS,
    RETRIEVALS,
    TRY_AGAIN,
    Doors,
    Holder,
    Outcome,
    Renew,
    Retrieve,
    Told,
    World,
    certified,
    doors_of,
)

HOUR = timedelta(hours=1)
# Sends one terminal's request.
Ask = Callable[[World, Request], Told]


@pytest.fixture
def opened(sqlite_databases: FreshDatabase, tmp_path: Path, clock: SettableClock) -> Iterator[tuple[House, Doors]]:
    with sqlite_databases() as url:
        database = connect(url)
        house = build_house(database, tmp_path, clock)
        yield house, doors_of(house)
        database.dispose()


def askers(house: House, clock: SettableClock) -> Iterator[tuple[str, Ask]]:
    """Yield a terminal for each way to a certificate, and what sends its request."""
    for retrieve in (*RETRIEVALS.values(), *LANES.values()):
        [(terminal, codes)] = house.new_codes()
        yield terminal, _retrieving(retrieve, codes)
    for name, renew in RENEWALS.items():
        [holder] = certified(house, clock, [name == "SCEP"])
        yield holder.terminal, _renewing(renew, holder)


def _retrieving(way: Retrieve, codes: Codes) -> Ask:
    return lambda world, request: way(world, codes, request, SOURCE)


def _renewing(way: Renew, holder: Holder) -> Ask:
    return lambda world, request: way(world, holder, request)


@contextmanager
def no_page_more(database: Database) -> Iterator[None]:
    """Keep the database's file from growing, as a quota does."""

    def limit(connection: Any, _record: object) -> None:  # noqa: ANN401 (the driver's own type)
        [(pages,)] = connection.execute("PRAGMA page_count")
        connection.execute(f"PRAGMA max_page_count = {pages}")

    database.dispose()
    event.listen(database.engine, "connect", limit)
    try:
        yield
    finally:
        event.remove(database.engine, "connect", limit)
        database.dispose()


@contextmanager
def no_file_longer(database: Database) -> Iterator[None]:
    """Let no file of this process grow beyond some pages: what the journal can not take is not done."""
    with database.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA query_only = 0")
        connection.exec_driver_sql("COMMIT")
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.exec_driver_sql("BEGIN")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("full", [no_page_more, no_file_longer])
def test_on_a_full_disk_every_way_says_come_again_and_works_when_there_is_room(
    opened: tuple[House, Doors], clock: SettableClock, full: Callable[[Database], AbstractContextManager[None]]
) -> None:
    house, doors = opened
    waiting = [(terminal, ask, new_request()) for _ in range(2) for terminal, ask in askers(house, clock)]
    received, told = [], []
    with full(house.database):
        for _, ask, request in waiting:
            told.append(ask(doors.world, request))
            assert told[-1].outcome in (Outcome.GIVEN, Outcome.AWAY), told[-1].words
            assert told[-1].reply.status != TRY_AGAIN or "Retry-After" in told[-1].reply.headers
    # The second round of them met a disk that the first had filled.
    assert {answer.outcome for answer in told[len(told) // 2 :]} == {Outcome.AWAY}
    for (terminal, ask, request), before in zip(waiting, told, strict=True):
        after = ask(doors.world, request)
        assert after.outcome is Outcome.GIVEN, after.words
        assert before.certificate in (None, after.certificate)
        received.append(Received(terminal, 0, after.certificate or b""))
    assert ledger.faults(house, received) == []


def test_a_guess_that_a_full_disk_can_not_count_is_not_looked_at_for_nothing(opened: tuple[House, Doors]) -> None:
    """No counter, no answer: a guesser gains nothing by filling the disk."""
    house, doors = opened
    sets = [codes for _, codes in house.new_codes(40)]
    request = new_request()
    with no_page_more(house.database):
        answers = [
            RETRIEVALS["REST"](doors.world, replace(codes, auth_code_2="AAAAAA"), request, f"2001:db8:{number:x}::1")
            for number, codes in enumerate(sets)
        ]
    assert {told.words for told in answers} <= {"codes-wrong", "unavailable"}
    assert answers[-1].words == "unavailable"


@pytest.mark.parametrize(("first", "second"), [(HOUR, -HOUR), (-HOUR, HOUR)], ids=["ahead, then behind", "behind, then ahead"])
def test_nodes_whose_clocks_are_two_hours_apart_take_up_each_others_work(
    opened: tuple[House, Doors], clock: SettableClock, first: timedelta, second: timedelta
) -> None:
    house, _ = opened
    one, other = (_shifted(house, clock, by) for by in (first, second))
    received = []
    for terminal, ask in askers(house, clock):
        for node, by in ((one, first), (other, second)):
            _clock(node).instant = clock.instant + by
        request = new_request()
        one.key.before = once(away)
        assert ask(one.doors.world, request).outcome is Outcome.AWAY
        answers = [ask(node.doors.world, request) for node in (other, one)]
        assert [told.outcome for told in answers] == [Outcome.GIVEN] * 2
        assert ask(other.doors.world, new_request()).outcome is Outcome.REFUSED
        received += [Received(terminal, 0, told.certificate or b"") for told in answers]
    assert ledger.faults(house, received) == []


def test_an_hour_before_and_after_the_window_the_dates_are_told_and_nothing_is_lost(
    opened: tuple[House, Doors], clock: SettableClock
) -> None:
    house, _ = opened
    [holder] = certified(house, clock, [False])
    window = house.own_states.of(holder.der).window
    late = _shifted(house, clock, timedelta())
    for moment, told in (
        (window.spread[0] - HOUR / 2, "renewal-too-early"),
        (holder.certificate.not_valid_after_utc + HOUR / 2, "renewal-too-late"),
    ):
        _clock(late).instant = moment
        answer = RENEWALS["REST"](late.doors.world, holder, new_request())
        assert answer.words == told
        assert window.first_day.isoformat().encode() in answer.reply.body
    clock.instant = window.spread[0] + HOUR / 2
    assert tokyo_date(clock.now()) == window.first_day
    assert RENEWALS["REST"](doors_of(house).world, holder, new_request()).outcome is Outcome.GIVEN


def test_guessers_gain_at_most_one_window_for_each_clock_that_is_wrong(
    opened: tuple[House, Doors], clock: SettableClock
) -> None:  # fmt: skip
    house, _ = opened
    [(_, codes)] = house.new_codes()
    sources = (f"2001:db8:{number:x}::1" for number in itertools.count())
    looked = 0
    for _ in range(30):
        for by in (-HOUR, timedelta(), HOUR):
            looked += _told(house, replace(codes, auth_code_2="AAAAAA"), next(sources), clock.now() + by) == "codes-wrong"
    assert looked <= 3 * guessing.BY_ACCESS_KEY.failures
    assert _told(house, codes, next(sources), clock.now() + timedelta(days=1)) == "right"


def _told(house: House, codes: Codes, source: str, now: Any) -> str:  # noqa: ANN401 (an instant)
    try:
        guessing.authenticate(house.database, house.hasher, codes, source, now)
    except Refused as refusal:
        return refusal.code
    return "right"


def _shifted(house: House, clock: SettableClock, by: timedelta) -> Node:
    return node_of(replace(house, clock=SettableClock(clock.instant + by)))


def _clock(node: Node) -> SettableClock:
    assert isinstance(node.house.clock, SettableClock)
    return node.house.clock
