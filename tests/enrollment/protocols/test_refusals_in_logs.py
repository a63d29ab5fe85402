"""Whatever way a refusal goes, the log tells its code, and nothing that was sent."""

import logging
import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest

from kernel.database import connect
from tests.conftest import FreshDatabase
from tests.support.clock import SettableClock
from tests.support.house import SOURCE, House, build_house, new_request
from tests.support.interfaces import RENEWALS, RETRIEVALS, Doors, Outcome, certified, doors_of


@pytest.fixture(scope="module")
def clock_of_all() -> SettableClock:
    return SettableClock()


@pytest.fixture(scope="module")
def opened(
    sqlite_databases: FreshDatabase, tmp_path_factory: pytest.TempPathFactory, clock_of_all: SettableClock
) -> Iterator[tuple[House, Doors]]:
    with sqlite_databases() as url:
        database = connect(url)
        house = build_house(database, tmp_path_factory.mktemp("house"), clock_of_all)
        yield house, doors_of(house)
        database.dispose()


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return what this thread logged; threads that other tests left behind may log, too."""
    own = threading.get_ident()
    return [one.getMessage() for one in caplog.records if (one.thread, one.levelno >= logging.INFO) == (own, True)]


@pytest.mark.parametrize("way", RETRIEVALS)
def test_wrong_codes_are_logged_by_their_code_alone(
    opened: tuple[House, Doors], way: str, caplog: pytest.LogCaptureFixture
) -> None:
    house, doors = opened
    [(_, codes)] = house.new_codes()
    caplog.set_level(logging.DEBUG)
    wrong = replace(codes, auth_code_2="AAAAAA")
    assert RETRIEVALS[way](doors.world, wrong, new_request(), SOURCE).outcome is Outcome.REFUSED
    assert told(caplog) == ["refused codes-wrong"]
    assert not [secret for secret in (codes.access_key, codes.auth_code_3, "AAAAAA") if secret in caplog.text]


@pytest.mark.parametrize("way", RENEWALS)
def test_a_renewal_that_is_refused_is_logged(
    opened: tuple[House, Doors], clock_of_all: SettableClock, way: str, caplog: pytest.LogCaptureFixture
) -> None:
    house, doors = opened
    [holder] = certified(house, clock_of_all, [way == "SCEP"])
    house.renewal.renew(holder.der, new_request().pem)
    caplog.set_level(logging.INFO)
    assert RENEWALS[way](doors.world, holder, new_request()).outcome is Outcome.REFUSED
    assert told(caplog) == ["refused renewal-spent"]
