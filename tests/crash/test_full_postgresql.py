"""PostgreSQL whose disk is full: every way says come again, nothing is burnt, and all goes on when there is room."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from kernel.database import Database, connect
from tests.crash import ledger
from tests.crash.ledger import Received
from tests.crash.test_trouble_everywhere import Ask, askers
from tests.support.clock import SettableClock
from tests.support.house import Request, build_house, new_request
from tests.support.interfaces import RETRIEVALS, TRY_AGAIN, Doors, Outcome, Told, doors_of
from tests.support.postgres import PostgresServer, PostgresUnavailable, private_server, small_volume
from tests.support.schema import whole_schema

# Of each way so many terminals wait: the first still find room in pages that are begun.
ROUNDS = 3


@pytest.fixture
def server() -> Iterator[PostgresServer]:
    """Return a server with little room; without the right to mount there is none, and the tests are skipped."""
    try:
        with private_server(small_volume) as running:
            running.execute("CREATE DATABASE {}", "little")
            yield running
    except PostgresUnavailable as reason:
        pytest.skip(f"missing: {reason}")


@pytest.fixture
def database(server: PostgresServer) -> Iterator[Database]:
    connected = connect(server.url("little"))
    whole_schema().create_all(connected.engine)
    yield connected
    connected.dispose()


@contextmanager
def full(folder: Path) -> Iterator[None]:
    """Fill what is left of a volume, to the last octet."""
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as file:
        left = shutil.disk_usage(folder).free
        while left and (written := _as_much(file.write, left)):
            left -= written
    try:
        yield
    finally:
        ballast.unlink()


def _as_much(write: Callable[[bytes], int | None], left: int) -> int:
    try:
        return write(bytes(min(left, 1 << 20))) or 0
    except OSError:
        return 0


def no_row_more(_server: PostgresServer) -> None:
    """Find that no table can grow: there is nothing else to do for that."""


def no_log_more(server: PostgresServer) -> None:
    """Begin new segments of the write-ahead log until there is no room for one: the server crashes, and can not come back."""
    with suppress(psycopg.Error):
        for _ in range(20):
            server.execute("SELECT pg_logical_emit_message(true, 'tests', 'once more'), pg_switch_wal()")
    with pytest.raises(psycopg.OperationalError):
        server.execute("SELECT pg_logical_emit_message(true, 'tests', 'once more')")


@pytest.mark.parametrize("begin", [no_row_more, no_log_more])
def test_on_a_full_disk_every_way_says_come_again_and_works_when_there_is_room(
    server: PostgresServer, database: Database, tmp_path: Path, clock: SettableClock, begin: Callable[[PostgresServer], None]
) -> None:
    house = build_house(database, tmp_path, clock)
    doors = doors_of(house)
    waiting = [(terminal, ask, new_request()) for _ in range(ROUNDS) for terminal, ask in askers(house, clock)]
    with full(server.folder):
        begin(server)
        told = [_asked(doors, ask, request) for _, ask, request in waiting]
        last = len(told) // ROUNDS
        assert {answer.outcome for answer in told[-last:]} == {Outcome.AWAY}, [answer.words for answer in told[-last:]]
    server.revive()
    received = []
    for (terminal, ask, request), before in zip(waiting, told, strict=True):
        after = ask(doors.world, request)
        assert after.outcome is Outcome.GIVEN, after.words
        assert before.certificate in (None, after.certificate)
        received.append(Received(terminal, 0, after.certificate or b""))
    assert ledger.faults(house, received) == []


def _asked(doors: Doors, ask: Ask, request: Request) -> Told:
    answer = ask(doors.world, request)
    assert answer.outcome in (Outcome.GIVEN, Outcome.AWAY), answer.words
    assert answer.reply.status != TRY_AGAIN or "Retry-After" in answer.reply.headers
    return answer


def test_a_guess_that_a_full_disk_can_not_count_gets_no_answer(
    server: PostgresServer, database: Database, tmp_path: Path, clock: SettableClock
) -> None:
    house = build_house(database, tmp_path, clock)
    doors, request = doors_of(house), new_request()
    sets = [codes for _, codes in house.new_codes(100)]
    with full(server.folder):
        words = [
            RETRIEVALS["REST"](doors.world, replace(codes, auth_code_2="AAAAAA"), request, f"2001:db8:{number:x}::1").words
            for number, codes in enumerate(sets)
        ]
    assert set(words) <= {"codes-wrong", "unavailable"}
    assert words[-1] == "unavailable"
    assert RETRIEVALS["REST"](doors.world, sets[-1], request, "2001:db8:ffff::1").outcome is Outcome.GIVEN
