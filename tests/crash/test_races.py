"""One code set, many clients at once."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from enrollment.redemption import Asked, Redemption, Retrieved
from kernel.database import Database, connect
from tests.crash import ledger
from tests.crash.ledger import received_by
from tests.crash.races import all_at_once, stubbornly
from tests.support.clock import SettableClock
from tests.support.house import House, build_house, new_request

RIVALS = 1_000
BATCH = 50
PRESSES = 50


@pytest.fixture
def house(database: Database, tmp_path: Path, clock: SettableClock) -> House:
    return build_house(database, tmp_path, clock)


def test_of_a_thousand_keys_on_one_code_set_exactly_one_wins(house: House) -> None:
    [(_, codes)] = house.new_codes()
    requests = [new_request() for _ in range(RIVALS)]
    # From an address each: nobody mistypes anything, so nobody is throttled.
    deeds = [partial(house.redemption.redeem, codes, each.pem, f"2001:db8::{rank:x}") for rank, each in enumerate(requests)]
    answers = all_at_once([partial(stubbornly, deed) for deed in deeds])
    winners = [received_by(rank, answer) for rank, answer in enumerate(answers) if isinstance(answer, Retrieved)]
    assert len(winners) == 1
    assert Counter(answer for answer in answers if isinstance(answer, str)) == {"codes-spent": RIVALS - 1}
    assert ledger.faults(house, winners) == []


def test_of_a_thousand_keys_that_come_by_the_lanes_of_two_processes_exactly_one_wins(house: House) -> None:
    [(_, codes)] = house.new_codes()
    url = house.database.engine.url.render_as_string(hide_password=False)
    nodes = [Redemption(connect(url), house.clock, house.authority, house.hasher) for _ in range(2)]
    asked = [Asked(codes, new_request().pem, f"2001:db8::{rank:x}") for rank in range(RIVALS)]

    def by_lane(node: Redemption, ours: list[Asked]) -> list[Retrieved | str]:
        """Do as a worker does: batches one after the other, and whoever is left goes to the app's threads."""
        answers: list[Retrieved | str] = []
        with ThreadPoolExecutor(16) as app:
            for place in range(0, len(ours), BATCH):
                batch = ours[place : place + BATCH]
                found = node.redeem_usual(batch)
                left = [one for one, retrieved in zip(batch, found, strict=True) if retrieved is None]
                answers += [retrieved for retrieved in found if retrieved is not None]
                answers += app.map(stubbornly, [partial(node.redeem, one.codes, one.request, one.source) for one in left])
        return answers

    halves = all_at_once([partial(by_lane, node, asked[rank::2]) for rank, node in enumerate(nodes)])
    answers = [answer for half in halves for answer in half]
    winners = [received_by(rank, answer) for rank, answer in enumerate(answers) if isinstance(answer, Retrieved)]
    assert len(winners) == 1
    assert Counter(answer for answer in answers if isinstance(answer, str)) == {"codes-spent": RIVALS - 1}
    assert ledger.faults(house, winners) == []
    for node in nodes:
        node.database.dispose()


def test_fifty_presses_of_the_same_key_get_one_certificate(house: House) -> None:
    [(_, codes)] = house.new_codes()
    request = new_request()
    press = partial(stubbornly, partial(house.redemption.redeem, codes, request.pem, "192.0.2.1"))
    answers = [answer for answer in all_at_once([press] * PRESSES) if isinstance(answer, Retrieved)]
    assert len(answers) == PRESSES
    assert {answer.certificate.der for answer in answers} == {answers[0].certificate.der}
    assert sum(answer.is_new for answer in answers) == 1
    assert ledger.faults(house, [received_by(0, answer) for answer in answers]) == []


def test_two_nodes_redeem_pairs_of_rivals_without_a_fault(house: House) -> None:
    sets = house.new_codes(40)
    url = house.database.engine.url.render_as_string(hide_password=False)
    nodes = [Redemption(connect(url), house.clock, house.authority, house.hasher) for _ in range(2)]
    deeds = [
        partial(stubbornly, partial(node.redeem, codes, new_request().pem, "192.0.2.1")) for _, codes in sets for node in nodes
    ]
    answers = all_at_once(deeds, threads=8)
    winners = [received_by(rank % 2, answer) for rank, answer in enumerate(answers) if isinstance(answer, Retrieved)]
    assert len(winners) == len(sets)
    assert {answer for answer in answers if isinstance(answer, str)} == {"codes-spent"}
    assert ledger.faults(house, winners) == []
    for node in nodes:
        node.database.dispose()
