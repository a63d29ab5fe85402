from datetime import datetime, timedelta

import pytest

from ca import expiry
from ca.ceremony import Ceremony
from ca.expiry import Expiry
from tests.ca.test_ceremony_renewal import renewals_of
from tests.ca.test_ceremony_rollover import hold, with_new_root, with_successor
from tests.support.clock import SettableClock
from tests.support.house import House

DAY = timedelta(days=1)


def told(house: House, subject: str) -> Expiry | None:
    """Return what is told of one issuer or service."""
    with house.database.snapshot() as session:
        found = [one for one in expiry.approaching(session, house.clock.now()) if one.subject == subject]
    assert len(found) < 2
    return found[0] if found else None


def since(house: House, subject: str, clock: SettableClock, begin: datetime, until: int) -> tuple[int, int]:
    """Return the days from which on something is told of a subject, and from which on it is urgent."""
    days = []
    for is_wanted in (lambda one: one is not None, lambda one: one is not None and one.is_urgent):
        low, high = 0, until
        while low < high:
            middle = (low + high) // 2
            clock.instant = begin + middle * DAY
            low, high = (low, middle) if is_wanted(told(house, subject)) else (middle + 1, high)
        days.append(low)
    return days[0], days[1]


def test_on_the_day_of_the_ceremony_nothing_is_told(house: House) -> None:
    with house.database.snapshot() as session:
        assert expiry.approaching(session, house.clock.now()) == []


def test_a_roots_list_is_told_when_it_is_due_and_becomes_urgent_in_its_last_quarter(house: House, clock: SettableClock) -> None:
    assert since(house, "root", clock, clock.now(), 365) == (182, 274)
    assert "`tegata root crl --name root`" in str(told(house, "root"))


def test_a_list_that_stands_anew_is_not_told(house: House, clock: SettableClock) -> None:
    clock.advance(200 * DAY)
    assert told(house, "root") is not None
    Ceremony(house.database, house.keys, house.plan).hold(clock.now())
    assert told(house, "root") is None


def test_an_issuing_ca_is_told_long_before_its_certificates_would_outlive_it(house: House, clock: SettableClock) -> None:
    ten_years, sixth = 3650, 3650 // 6
    soon, urgent = since(house, "issuing-1", clock, clock.now(), ten_years - 1)
    assert abs(soon - (ten_years - 366 - sixth)) <= 1
    assert abs(urgent - (ten_years - 366 - 90)) <= 1


def test_a_successor_that_lives_longer_ends_the_warning(house: House, clock: SettableClock) -> None:
    clock.advance(2800 * DAY)
    assert told(house, "issuing-1") is not None
    hold(house, with_successor(house.plan, clock.now() + 10 * DAY))
    assert told(house, "issuing-1") is None
    assert told(house, "issuing-2") is None


def test_a_root_is_told_in_the_last_sixth_of_its_time_unless_another_was_made(house: House, clock: SettableClock) -> None:
    clock.advance(6000 * DAY)
    hold(house, house.plan)  # its list
    assert told(house, "root") is None
    clock.advance(100 * DAY)
    one = told(house, "root")
    assert one is not None
    assert "`replaces`" in one.remedy
    hold(house, with_new_root(house.plan))
    assert told(house, "root") is None


@pytest.mark.parametrize("name", ["ocsp", "timestamp", "tls-retrieval"])
def test_a_service_is_told_when_its_renewal_did_not_happen(house: House, clock: SettableClock, name: str) -> None:
    day, urgent = since(house, name, clock, clock.now(), 729)
    assert day == urgent
    assert abs(day - 730 * 11 // 12) <= 1
    renewals_of(house).renew_due(clock.now())
    assert told(house, name) is None
