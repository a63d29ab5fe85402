"""Negative controls: the harness is worth nothing unless it sees the two mistakes that it was built for."""

from functools import partial
from pathlib import Path

import pytest

from ca.authority import Authority
from enrollment.codes import Codes
from enrollment.redemption import Retrieved
from kernel.database import Database
from tests.crash import ledger
from tests.crash.ledger import received_by
from tests.crash.planted import AnswersBeforeStoring, BurnsFirst
from tests.crash.races import all_at_once, stubbornly
from tests.crash.windows import WINDOWS, Redeem, Window, cut_off
from tests.support.clock import SettableClock
from tests.support.house import House, build_house, new_request

NOT_STORED = "holds a certificate that is not stored"
BURNT = "are burnt"


@pytest.fixture
def house(database: Database, tmp_path: Path, clock: SettableClock) -> House:
    return build_house(database, tmp_path, clock)


def _answering_early(house: House, database: Database, authority: Authority) -> Redeem:
    planted = AnswersBeforeStoring(database, house.clock, authority, house.hasher)

    def redeem(codes: Codes, request: bytes, source: str) -> Retrieved:
        retrieved = planted.redeem(codes, request, source)
        planted.settle()
        return retrieved

    return redeem


def _burning_first(house: House, database: Database, authority: Authority) -> Redeem:
    return BurnsFirst(database, house.clock, authority, house.hasher).redeem


def _window(name: str) -> Window:
    [found] = [window for window in WINDOWS if window.name == name]
    return found


@pytest.mark.parametrize(
    "window",
    [
        "before T1, the database says no",
        "before T1, the connection breaks before the database is told",
        "T1 is not committed, the database says no",
        "T1 is not committed, the connection breaks before the database is told",
    ],
)
def test_answering_before_storing_is_seen_in_the_window_table(house: House, window: str) -> None:
    [(_, codes)] = house.new_codes()
    retrieved = cut_off(house, _window(window), _answering_early, codes, new_request())
    assert retrieved is not None
    assert any(NOT_STORED in fault for fault in ledger.faults(house, [received_by(0, retrieved)]))


@pytest.mark.parametrize(
    "window",
    [
        "T1 is committed, the database does it, the process dies",
        "signed, before T2, the database says no",
        "signed, before T2, the process dies",
        "signing fails",
        "after T1, before signing, the process dies",
    ],
)
def test_burning_the_code_first_is_seen_in_the_window_table(house: House, window: str) -> None:
    [(terminal, codes)] = house.new_codes()
    ours, rival = new_request(), new_request()
    assert cut_off(house, _window(window), _burning_first, codes, ours) is None
    assert any("its certificate is not" in fault for fault in ledger.faults(house, []))
    assert any(BURNT in fault for fault in ledger.burnt(house.redemption, [(terminal, codes)], {terminal: [ours, rival]}))


def test_answering_before_storing_is_seen_when_two_keys_race(house: House) -> None:
    sets = house.new_codes(20)
    planted = AnswersBeforeStoring(house.database, house.clock, house.authority, house.hasher, pause=0.05)
    received = []
    for _, codes in sets:
        requests = [new_request(), new_request()]
        answers = all_at_once(
            [partial(stubbornly, partial(planted.redeem, codes, request.pem, "192.0.2.1")) for request in requests]
        )
        received += [received_by(rank, answer) for rank, answer in enumerate(answers) if isinstance(answer, Retrieved)]
    planted.settle()
    found = ledger.faults(house, received)
    assert any("2 keys got a certificate" in fault for fault in found)
    assert any(NOT_STORED in fault for fault in found)
