from datetime import UTC, datetime

import pytest

from kernel.database import Database
from kernel.errors import Refused
from registry.series import next_receipt_number, next_terminal_names
from registry.states import DeviceClass
from registry.tables import SeriesRow
from tests.registry.racing import race


def set_counter(database: Database, name: str, last: int) -> None:
    with database.transaction() as session:
        session.add(SeriesRow(name=name, last=last))


def receipt(database: Database, now: datetime) -> str:
    with database.transaction() as session:
        return next_receipt_number(session, now)


def test_receipt_numbers_have_the_references_form_and_rise(database: Database, now: datetime) -> None:
    assert [receipt(database, now) for _ in range(3)] == ["260001A", "260002A", "260003A"]


def test_the_letter_moves_on_when_a_years_serials_are_used_up(database: Database, now: datetime) -> None:
    set_counter(database, "receipt:26", 9_998)
    assert [receipt(database, now) for _ in range(2)] == ["269999A", "260001B"]


def test_a_year_ends_after_its_last_letter(database: Database, now: datetime) -> None:
    set_counter(database, "receipt:26", 26 * 9_999 - 1)
    assert receipt(database, now) == "269999Z"
    with pytest.raises(Refused, match="receipt-numbers-exhausted"):
        receipt(database, now)


def test_the_year_is_that_of_tokyo(database: Database) -> None:
    assert receipt(database, datetime(2026, 12, 31, 14, 59, tzinfo=UTC)) == "260001A"
    assert receipt(database, datetime(2026, 12, 31, 15, 0, tzinfo=UTC)) == "270001A"


def test_numbers_that_are_drawn_at_one_moment_differ(database: Database, now: datetime) -> None:
    drawn = race(12, lambda _: [receipt(database, now) for _ in range(5)])
    numbers = [number for some in drawn if isinstance(some, list) for number in some]
    assert sorted(numbers) == [f"26{serial:04d}A" for serial in range(1, 61)]


def test_names_go_on_with_the_next_letter_of_the_device_class(database: Database) -> None:
    set_counter(database, "terminal:net", 99_998)
    with database.transaction() as session:
        assert next_terminal_names(session, DeviceClass.NET, 2) == ("99999W", "00001U")


def test_each_device_class_has_its_own_letter(database: Database) -> None:
    with database.transaction() as session:
        assert [next_terminal_names(session, device, 1)[0] for device in DeviceClass] == ["00001W", "00001E", "00001X"]


def test_names_end_with_the_last_letter(database: Database) -> None:
    set_counter(database, "terminal:net", 4 * 99_999)
    with pytest.raises(Refused, match="terminal-names-exhausted"), database.transaction() as session:
        next_terminal_names(session, DeviceClass.NET, 1)
