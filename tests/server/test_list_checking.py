"""The job that fetches the lists as the world does: quiet while all is well, an alarm while it is not."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from ca.crl import CrlPublisher
from ca.profiles import Addresses
from kernel.database import connect
from server import list_checking
from server.jobs import Job, Schedule
from server.leases import standings
from server.settings import DoorSettings, Settings
from tests.support.clock import SettableClock
from tests.support.open_doors import OpenDoors, open_house

OFTEN = timedelta(milliseconds=20)
DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def doors(
    sqlite_databases: Callable[[], AbstractContextManager[str]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[OpenDoors]:
    with sqlite_databases() as url:
        database = connect(url)
        with open_house(database, tmp_path_factory.mktemp("house"), SettableClock()) as opened:
            yield opened
        database.dispose()


@pytest.fixture(scope="module")
def publisher(doors: OpenDoors) -> CrlPublisher:
    house = doors.house
    made = CrlPublisher(house.database, house.issuing, house.crl_folder, addresses=Addresses(doors.status), partition_size=100)
    made.publish_if_due(house.clock.now())
    return made


@pytest.fixture
def settings(doors: OpenDoors, tmp_path: Path) -> Settings:
    return Settings(home=tmp_path, status=DoorSettings(bind="127.0.0.1:0", scheme="http", public_url=doors.status))


def _failure_after(doors: OpenDoors, watch: Callable[[datetime], int]) -> str | None:
    """Run the job until it said something of now, and return what is noted of it."""
    rounds: list[datetime] = []

    def run(now: datetime) -> int:
        try:
            return watch(now)
        finally:
            rounds.append(now)

    stop = threading.Event()
    job = Job("crl-check", OFTEN, run, "")
    schedule = Schedule(doors.house.database, doors.house.clock, [job])
    thread = threading.Thread(target=schedule.run, args=(stop,))
    thread.start()
    while len(rounds) < 1:
        time.sleep(0.01)
    stop.set()
    thread.join()
    return standings(doors.house.database)["crl-check"].failure


def test_the_alarm_lasts_as_long_as_a_served_list_is_stale(doors: OpenDoors, publisher: CrlPublisher, settings: Settings) -> None:
    clock, watch = doors.house.clock, list_checking.watching(settings, doors.house.database)
    assert isinstance(clock, SettableClock)
    assert _failure_after(doors, watch) is None
    clock.advance(2 * DAY + timedelta(hours=1))  # nobody published
    told = _failure_after(doors, watch)
    assert told is not None
    assert "faults in 4 lists" in told  # the complete list, two partitions, the root's
    publisher.publish_if_due(clock.now())
    assert _failure_after(doors, watch) is None


def test_what_is_wrong_is_told_by_address(doors: OpenDoors, publisher: CrlPublisher, settings: Settings) -> None:
    house, addresses = doors.house, Addresses(settings.status.url)
    file = house.crl_folder / "issuing-1.2.crl"
    content = file.read_bytes()
    try:
        file.write_bytes(b"")
        assert _faults(doors, addresses) == [f"{doors.status}/crl/issuing-1.2.crl: there is no value of tag 48 at octet 0"]
        file.unlink()
        [told] = _faults(doors, addresses)
        assert told.startswith(f"{doors.status}/crl/issuing-1.2.crl: nothing is served (HTTP Error 503")
    finally:
        file.write_bytes(content)
    publisher.publish_if_due(house.clock.now())
    assert _faults(doors, addresses) == []


def _faults(doors: OpenDoors, addresses: Addresses) -> list[str]:
    lists, faults = list_checking.check(doors.house.database, addresses, doors.house.clock.now())
    assert lists == 4
    return [str(fault) for fault in faults]
