"""The crash-window table of docs/architecture.md: wherever a redemption is cut off, the same key comes again and is served."""

from pathlib import Path

import pytest

from kernel.database import Database
from kernel.errors import Refused
from tests.crash import ledger
from tests.crash.ledger import received_by
from tests.crash.windows import WINDOWS, MakeRedeem, Stands, Window, cut_off, in_a_lane, products, products_at_hand
from tests.support.clock import SettableClock
from tests.support.house import SOURCE, House, build_house, new_request


@pytest.fixture
def house(database: Database, tmp_path: Path, clock: SettableClock) -> House:
    return build_house(database, tmp_path, clock)


@pytest.mark.parametrize("make", [products, products_at_hand], ids=["far-away", "at-hand"])
@pytest.mark.parametrize("window", WINDOWS, ids=lambda window: window.name)
def test_a_redemption_that_is_cut_off_is_taken_up_by_the_same_key(house: House, window: Window, make: MakeRedeem) -> None:
    [(terminal, codes)] = house.new_codes()
    ours, rival = new_request(), new_request()
    first = cut_off(house, window, make, codes, ours)
    assert (first is not None) == window.answers
    [row] = house.code_set_rows(terminal)
    assert row.state == window.stands

    second = house.redemption.redeem(codes, ours.pem, SOURCE)
    assert second.is_new == (window.stands is not Stands.CERTIFICATE)
    third = house.redemption.redeem(codes, ours.pem, SOURCE)
    assert not third.is_new
    with pytest.raises(Refused, match="codes-spent"):
        house.redemption.redeem(codes, rival.pem, SOURCE)

    received = [received_by(0, retrieved) for retrieved in (first, second, third) if retrieved]
    assert ledger.faults(house, received) == []


@pytest.mark.parametrize("window", WINDOWS, ids=lambda window: window.name)
def test_what_the_lane_leaves_in_a_window_is_taken_up_by_the_app(house: House, window: Window) -> None:
    [(terminal, codes)] = house.new_codes()
    ours, rival = new_request(), new_request()
    assert cut_off(house, window, in_a_lane, codes, ours) is None
    assert house.code_set_rows(terminal)[0].state == window.stands
    first = house.redemption.redeem(codes, ours.pem, SOURCE)
    assert first.is_new == (window.stands is not Stands.CERTIFICATE)
    with pytest.raises(Refused, match="codes-spent"):
        house.redemption.redeem(codes, rival.pem, SOURCE)
    assert ledger.faults(house, [received_by(0, first)]) == []


@pytest.mark.parametrize("window", [window for window in WINDOWS if window.kills], ids=lambda window: window.name)
def test_another_key_may_be_first_only_while_nothing_stands(house: House, window: Window) -> None:
    [(terminal, codes)] = house.new_codes()
    ours, rival = new_request(), new_request()
    assert cut_off(house, window, products, codes, ours) is None
    received = []
    if window.stands is Stands.NOTHING:
        received.append(received_by(1, house.redemption.redeem(codes, rival.pem, SOURCE)))
        loser = ours
    else:
        loser = rival
    with pytest.raises(Refused, match="codes-spent"):
        house.redemption.redeem(codes, loser.pem, SOURCE)
    winner = rival if loser is ours else ours
    received.append(received_by(int(winner is rival), house.redemption.redeem(codes, winner.pem, SOURCE)))
    assert ledger.faults(house, received) == []
    assert house.code_set_rows(terminal)[0].state == "redeemed"
