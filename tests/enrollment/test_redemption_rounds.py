"""Redemptions that come at the same moment: each gets what it would have got alone."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest
from sqlalchemy import select

from ca.authority import Authority
from ca.certificates import of_subject
from ca.issuers import SigningIssuer
from enrollment import code_sets
from enrollment.codes import Codes
from enrollment.tables import CodeSetRow
from kernel.clock import Clock
from kernel.database import Database
from kernel.errors import Refused, Unavailable
from keys.trouble import KeyTroubleError
from registry import terminals
from registry.states import TerminalEvent
from tests.crash import ledger
from tests.crash.faults import AuthorityAtHand, BrokenKey, fail, once
from tests.crash.ledger import received_by
from tests.support.clock import SettableClock
from tests.support.house import APPROVER, PREPARER, SOURCE, House, Request, build_house, new_request

Given = tuple[Codes, Request]


@pytest.fixture(params=["at-hand", "far-away"])
def house(database: Database, tmp_path: Path, clock: SettableClock, request: pytest.FixtureRequest) -> House:
    built = build_house(database, tmp_path, clock)
    if request.param == "far-away":
        vars(built)["authority"] = Authority(_signer(built, BrokenKey(built.issuing.key)), built.profile)
    return built


def _signer(house: House, key: BrokenKey) -> SigningIssuer:
    return SigningIssuer(house.issuing.issuer, key)


def _together(house: House, given: Sequence[Given]) -> list[str]:
    """Redeem all at the same moment; return for each "new", "again", or the refusal's code."""
    barrier, received = Barrier(len(given)), []

    def redeem(codes: Codes, request: Request) -> str:
        barrier.wait(20)
        try:
            retrieved = house.redemption.redeem(codes, request.pem, SOURCE)
        except Refused as refused:
            return refused.code
        except Unavailable:
            return "unavailable"
        received.append(received_by(0, retrieved))
        return "new" if retrieved.is_new else "again"

    with ThreadPoolExecutor(len(given)) as threads:
        told = list(threads.map(lambda one: redeem(*one), given))
    assert ledger.faults(house, received) == []
    return told


def test_usual_and_unusual_ones_get_what_each_would_alone(house: House, clock: Clock) -> None:
    usual = [(codes, new_request()) for _, codes in house.new_codes(8)]
    [(_, of_key)] = house.new_codes()
    again = usual.pop()
    assert _together(house, [again]) == ["new"]
    [(suspended, of_suspended)] = house.new_codes()
    with house.database.transaction() as session:
        terminals.step(session, suspended, TerminalEvent.SUSPEND, clock.now())
    spent = (again[0], new_request())
    used = (of_key, again[1])
    told = _together(house, [*usual, again, spent, used, (of_suspended, new_request())])
    assert told == [*["new"] * 7, "again", "codes-spent", "key-used", "terminal-suspended"]


def test_two_of_one_set_are_one_certificate(house: House) -> None:
    [(terminal, codes)] = house.new_codes()
    request = new_request()
    told = _together(house, [(codes, request)] * 4)
    assert sorted(told) == ["again", "again", "again", "new"]
    with house.database.snapshot() as session:
        assert len(of_subject(session, terminal)) == 1


def test_of_two_keys_for_one_set_one_wins(house: House) -> None:
    [(_, codes)] = house.new_codes()
    told = _together(house, [(codes, new_request()) for _ in range(4)])
    assert sorted(told) == ["codes-spent", "codes-spent", "codes-spent", "new"]


def test_one_key_for_two_sets_is_given_to_one(house: House) -> None:
    request = new_request()
    told = _together(house, [(codes, request) for _, codes in house.new_codes(3)])
    assert sorted(told) == ["key-used", "key-used", "new"]


def test_first_certificates_and_later_ones_come_together(house: House) -> None:
    [(terminal, first)] = house.new_codes()
    assert _together(house, [(first, new_request())]) == ["new"]
    house.preparation.prepare_existing(terminal, APPROVER, PREPARER)
    given = [(codes, new_request()) for _, codes in house.new_codes(4)]
    assert _together(house, [*given, (house.codes_of(terminal), new_request())]) == ["new"] * 5
    with house.database.snapshot() as session:
        assert sorted(one.state for one in of_subject(session, terminal)) == ["revoked", "valid"]


def test_a_set_that_somebody_holds_keeps_nobody_else_waiting(
    postgresql_database: Database, tmp_path: Path, clock: SettableClock
) -> None:
    house = build_house(postgresql_database, tmp_path, clock)
    held, *others = [(codes, new_request()) for _, codes in house.new_codes(4)]
    [row] = [row for row in _rows(house) if house.codes_of(row.terminal) == held[0]]
    with ThreadPoolExecutor(1) as threads:
        with house.database.transaction() as session:
            code_sets.locked(session, row.id)
            waiting = threads.submit(house.redemption.redeem, held[0], held[1].pem, SOURCE)
            with ThreadPoolExecutor(1) as elsewhere:
                assert elsewhere.submit(_together, house, others).result(20) == ["new"] * 3
            assert not waiting.done()
        assert waiting.result(20).is_new


def test_what_its_round_could_not_sign_is_signed_by_each_for_himself(house: House) -> None:
    key = BrokenKey(house.issuing.key)
    key.before = once(fail)
    vars(house)["authority"] = AuthorityAtHand(_signer(house, key), house.profile)
    given = [(codes, new_request()) for _, codes in house.new_codes(6)]
    assert _together(house, given) == ["new"] * 6


def test_a_key_that_does_not_sign_is_told_to_all_and_spends_nothing(house: House) -> None:
    key = BrokenKey(house.issuing.key)
    key.before = _away
    vars(house)["authority"] = AuthorityAtHand(_signer(house, key), house.profile)
    given = [(codes, new_request()) for _, codes in house.new_codes(4)]
    assert _together(house, given) == ["unavailable"] * 4
    key.before = lambda: None
    assert _together(house, given) == ["new"] * 4


def _away() -> None:
    raise KeyTroubleError("token is away")


def _rows(house: House) -> list[CodeSetRow]:
    with house.database.snapshot() as session:
        return list(session.scalars(select(CodeSetRow)))
