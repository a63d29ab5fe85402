from collections.abc import Callable
from datetime import timedelta

import pytest

from ca import served_lists
from ca.crl import CrlPublisher, crl_file
from tests.support.clock import SettableClock
from tests.support.house import House

DAY = timedelta(days=1)
Served = dict[str, bytes]


def _served(house: House) -> Served:
    return {
        house.profile.addresses.crl(file.stem): file.read_bytes() for file in house.crl_folder.iterdir() if file.suffix == ".crl"
    }


def _faults(house: House, served: Served) -> list[str]:
    def fetch(address: str) -> bytes:
        if address not in served:
            raise FileNotFoundError(address)
        return served[address]

    lists, faults = served_lists.check(house.database, house.profile.addresses, fetch, house.clock.now())
    assert lists >= 2
    return [str(fault) for fault in faults]


def test_what_was_just_published_has_no_faults(house: House) -> None:
    publisher = CrlPublisher(
        house.database, house.issuing, house.crl_folder, addresses=house.profile.addresses, partition_size=100, delta=True
    )
    publisher.publish_if_due(house.clock.now())
    served = _served(house)
    assert house.profile.addresses.crl("issuing-1.1.delta") in served
    assert _faults(house, served) == []


def _older(house: House, clock: SettableClock, served: Served, address: str) -> None:
    house.crl.publish(clock.now())
    clock.advance(timedelta(minutes=3))
    del served, address


def _stale(_house: House, clock: SettableClock, _served: Served, _address: str) -> None:
    clock.advance(2 * DAY + timedelta(hours=1))


def _over(_house: House, clock: SettableClock, _served: Served, _address: str) -> None:
    clock.advance(3 * DAY)


def _early(_house: House, clock: SettableClock, _served: Served, _address: str) -> None:
    clock.advance(-timedelta(hours=1))


def _spoilt(_house: House, _clock: SettableClock, served: Served, address: str) -> None:
    served[address] = served[address][:-1] + b"\x00"


def _other(house: House, _clock: SettableClock, served: Served, address: str) -> None:
    served[address] = crl_file(house.crl_folder, "root").read_bytes()


def _page(_house: House, _clock: SettableClock, served: Served, address: str) -> None:
    served[address] = b"<html>"


def _absent(_house: House, _clock: SettableClock, served: Served, address: str) -> None:
    del served[address]


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (_older, "was published"),
        (_stale, "stale"),
        (_over, "over since"),
        (_early, "from the future"),
        (_spoilt, "signature"),
        (_other, "signature"),
        (_page, "no value of tag"),
        (_absent, "nothing is served"),
    ],
)
def test_each_fault_is_told(
    house: House, clock: SettableClock, fault: Callable[[House, SettableClock, Served, str], None], told: str
) -> None:
    served = _served(house)
    address = house.profile.addresses.crl("issuing-1")
    fault(house, clock, served, address)
    assert any(line.startswith(address) and told in line for line in _faults(house, served))


def test_a_partition_in_the_place_of_the_complete_list_is_told(house: House) -> None:
    publisher = CrlPublisher(
        house.database, house.issuing, house.crl_folder, addresses=house.profile.addresses, partition_size=100, delta=True
    )
    publisher.publish_if_due(house.clock.now())
    served = _served(house)
    complete, partition, delta = (house.profile.addresses.crl(name) for name in ("issuing-1", "issuing-1.1", "issuing-1.delta"))
    assert any("something else" in line for line in _faults(house, served | {complete: served[partition]}))
    assert any("it is a delta" in line for line in _faults(house, served | {complete: served[delta]}))
    assert any("it is no delta" in line for line in _faults(house, served | {delta: served[complete]}))
