"""Redemptions that are done together without the app: the usual ones get their certificate, of everybody else nothing is left."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import func, select

from ca.authority import Authority
from ca.issuers import SigningIssuer
from ca.tables import CertificateRow
from enrollment.codes import Codes
from enrollment.redemption import Asked, Redemption, Retrieved
from kernel.audit import AuditEntry
from kernel.clock import Clock
from kernel.database import Database, connect
from kernel.errors import Refused
from kernel.throttle import ThrottleCounter
from registry import terminals
from registry.states import TerminalEvent
from tests.crash import ledger
from tests.crash.faults import BrokenKey, Fault, Harm, Place
from tests.crash.ledger import received_by
from tests.crash.races import stubbornly
from tests.support.clock import SettableClock
from tests.support.house import APPROVER, PREPARER, SOURCE, House, Request, build_house, new_request


@pytest.fixture
def house(database: Database, tmp_path: Path, clock: SettableClock) -> House:
    return build_house(database, tmp_path, clock)


def _asked(codes: Codes, request: Request) -> Asked:
    return Asked(codes, request.pem, SOURCE)


def _told(found: Sequence[Retrieved | None]) -> list[str]:
    return ["left" if one is None else "new" if one.is_new else "again" for one in found]


def _rows(house: House) -> list[int]:
    """Return how many rows there are of what a try may leave behind."""
    with house.database.snapshot() as session:
        return [
            session.scalar(select(func.count()).select_from(table)) or 0
            for table in (ThrottleCounter, AuditEntry, CertificateRow)
        ]


def _wrong(codes: Codes) -> Codes:
    return replace(codes, auth_code_3="AAAAA" if codes.auth_code_3 != "AAAAA" else "BBBBB")


def test_the_usual_ones_are_redeemed_and_everybody_else_is_left(house: House, clock: Clock) -> None:
    usual = [(codes, new_request()) for _, codes in house.new_codes(5)]
    again = usual.pop()
    house.redemption.redeem(again[0], again[1].pem, SOURCE)
    [(suspended, of_suspended), (_, mistyped), (_, of_used_key)] = house.new_codes(3)
    with house.database.transaction() as session:
        terminals.step(session, suspended, TerminalEvent.SUSPEND, clock.now())
    unusual = [
        _asked(*again),
        _asked(again[0], new_request()),
        _asked(of_suspended, new_request()),
        _asked(_wrong(mistyped), new_request()),
        _asked(of_used_key, again[1]),
        Asked(replace(mistyped, access_key="0000000000000"), b"no request", SOURCE),
    ]
    found = house.redemption.redeem_usual([*(_asked(*one) for one in usual), *unusual])
    assert _told(found) == [*["new"] * 4, *["left"] * 6]
    assert ledger.faults(house, [received_by(0, one) for one in found if one]) == []


def test_of_whoever_is_left_nothing_is_counted_and_nothing_kept(house: House) -> None:
    [(_, codes), (_, other)] = house.new_codes(2)
    before = _rows(house)
    unknown = replace(codes, access_key="0000000000000")
    left = [_asked(_wrong(codes), new_request()), _asked(unknown, new_request()), Asked(other, b"no request", SOURCE)]
    assert _told(house.redemption.redeem_usual(left)) == ["left"] * 3
    assert _rows(house) == before
    with pytest.raises(Refused, match="codes-wrong"):
        house.redemption.redeem(left[0].codes, left[0].request, SOURCE)
    assert _rows(house)[0] == before[0] + 2  # the access key's counter and the address's


def test_an_access_key_is_looked_at_once(house: House) -> None:
    """Whoever guesses at one many times at the same moment is left to the counting, the right guess among them as well."""
    [(_, codes)] = house.new_codes()
    request = new_request()
    guesses = [_asked(_wrong(codes), request), _asked(codes, request)]
    assert _told(house.redemption.redeem_usual(guesses)) == ["left", "left"]
    for _ in range(3):
        assert _told(house.redemption.redeem_usual([_asked(codes, request)])) == ["left"]
    assert house.redemption.redeem(codes, request.pem, SOURCE).is_new


def test_the_first_of_those_with_the_same_codes_is_served(house: House) -> None:
    [(terminal, codes)] = house.new_codes()
    requests = [new_request() for _ in range(3)]
    found = house.redemption.redeem_usual([_asked(codes, request) for request in requests])
    assert _told(found) == ["new", "left", "left"]
    [row] = house.code_set_rows(terminal)
    assert row.state == "redeemed"
    assert house.redemption.redeem(codes, requests[0].pem, SOURCE).certificate.der == (found[0] and found[0].certificate.der)


def test_who_is_locked_out_is_left_though_his_codes_are_right(house: House) -> None:
    [(_, codes)] = house.new_codes()
    for _ in range(5):
        with pytest.raises(Refused):
            house.redemption.redeem(_wrong(codes), new_request().pem, SOURCE)
    assert _told(house.redemption.redeem_usual([_asked(codes, new_request())])) == ["left"]
    with pytest.raises(Refused, match="throttled"):
        house.redemption.redeem(codes, new_request().pem, SOURCE)


def test_what_is_remembered_of_guesses_is_bounded(house: House) -> None:
    [(_, codes)] = house.new_codes()
    for batch in range(12):
        keys = [f"{batch:03}{number:010}" for number in range(1_000)]
        assert set(house.redemption.redeem_usual([Asked(replace(codes, access_key=key), b"", SOURCE) for key in keys])) == {None}
    assert len(house.redemption._left) == 10_000  # noqa: SLF001 (what no answer shows)


def test_a_later_certificate_is_given_as_a_round_gives_it(house: House) -> None:
    [(terminal, first)] = house.new_codes()
    house.redemption.redeem(first, new_request().pem, SOURCE)
    house.preparation.prepare_existing(terminal, APPROVER, PREPARER)
    [retrieved] = house.redemption.redeem_usual([_asked(house.codes_of(terminal), new_request())])
    assert retrieved is not None
    assert ledger.faults(house, [received_by(0, retrieved)]) == []


def test_where_the_key_is_not_at_hand_nothing_is_done(house: House) -> None:
    [(terminal, codes)] = house.new_codes()
    before = _rows(house)
    signer = SigningIssuer(house.issuing.issuer, BrokenKey(house.issuing.key))
    redemption = Redemption(house.database, house.clock, Authority(signer, house.profile), house.hasher)
    assert _told(redemption.redeem_usual([_asked(codes, new_request())])) == ["left"]
    assert house.code_set_rows(terminal)[0].state == "prepared"
    assert _rows(house) == before


def test_a_database_that_is_away_leaves_all_and_nobody_is_lost(house: House) -> None:
    given = [(codes, new_request()) for _, codes in house.new_codes(3)]
    database = connect(house.database.engine.url.render_as_string(hide_password=False))
    redemption = Redemption(database, house.clock, house.authority, house.hasher)
    Fault(Place.READ, 1, Harm.CUT).arm(database)
    assert _told(redemption.redeem_usual([_asked(*one) for one in given])) == ["left"] * 3
    try:
        found = [redemption.redeem(codes, request.pem, SOURCE) for codes, request in given]
    finally:
        database.dispose()
    assert _told(found) == ["new"] * 3


def test_nobody_is_nothing(house: House) -> None:
    assert house.redemption.redeem_usual([]) == []


def test_batches_and_single_ones_race_for_the_same_codes_and_one_key_wins_each(house: House) -> None:
    sets = house.new_codes(24)
    requests = {terminal: [new_request() for _ in range(3)] for terminal, _ in sets}

    def one(terminal: str, codes: Codes, rival: int) -> Retrieved | None:
        answer = stubbornly(partial(house.redemption.redeem, codes, requests[terminal][rival].pem, SOURCE))
        assert isinstance(answer, Retrieved) or answer == "codes-spent"
        return answer if isinstance(answer, Retrieved) else None

    def lane() -> list[Retrieved | None]:
        batches = (sets[place : place + 6] for place in range(0, len(sets), 6))
        return [
            retrieved
            for batch in batches
            for retrieved in house.redemption.redeem_usual([_asked(codes, requests[name][0]) for name, codes in batch])
        ]

    with ThreadPoolExecutor(5) as threads:
        batches = threads.submit(lane)
        singles = [threads.submit(one, name, codes, rival) for name, codes in sets for rival in (1, 2)]
        winners = [(0, retrieved) for retrieved in batches.result(120) if retrieved]
        winners += [
            (1 + place % 2, retrieved) for place, single in enumerate(singles) if (retrieved := single.result(120)) is not None
        ]
    for name, codes in sets:
        if not any(retrieved.terminal == name for _, retrieved in winners):  # the lane's promise was left to be taken up
            winners.append((0, house.redemption.redeem(codes, requests[name][0].pem, SOURCE)))
    assert sorted(retrieved.terminal for _, retrieved in winners) == sorted(name for name, _ in sets)
    assert ledger.faults(house, [received_by(rival, retrieved) for rival, retrieved in winners]) == []
