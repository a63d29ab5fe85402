"""Redemptions that come at the same moment: each gets what it would have got alone."""

import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime
from pathlib import Path
from threading import Barrier

import pytest
from sqlalchemy import Connection, event, select

from ca.authority import Authority, Draft
from ca.certificates import of_subject
from ca.issuers import SigningIssuer
from ca.profiles import Subject
from ca.requests import RequestedKey
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
        barrier.wait(60)
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
                assert elsewhere.submit(_together, house, others).result(60) == ["new"] * 3
            assert not waiting.done()
        assert waiting.result(60).is_new


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


def _lines(caplog: pytest.LogCaptureFixture, codes: Codes) -> list[str]:
    """Return what was logged as a warning; nothing of it may say the codes, nor a fault's own text."""
    ours = [record for record in caplog.records if record.name.startswith(("enrollment", "kernel"))]
    said = [record.getMessage() for record in ours if record.levelno == logging.WARNING]
    assert not [
        secret for secret in (codes.access_key, codes.auth_code_2, codes.auth_code_3, "the device") if secret in caplog.text
    ]
    return said


def test_a_round_that_goes_as_it_should_leaves_no_line(house: House, caplog: pytest.LogCaptureFixture) -> None:
    [(_, codes)] = house.new_codes()
    request = new_request()
    assert _together(house, [(codes, request), (codes, new_request()), (codes, request)]).count("new") == 1
    assert _lines(caplog, codes) == []


def test_a_signature_that_failed_in_its_round_leaves_a_line(house: House, caplog: pytest.LogCaptureFixture) -> None:
    key = BrokenKey(house.issuing.key)
    key.before = once(fail)
    vars(house)["authority"] = AuthorityAtHand(_signer(house, key), house.profile)
    [(_, codes)] = house.new_codes()
    assert _together(house, [(codes, new_request())]) == ["new"]
    [line] = _lines(caplog, codes)
    assert line.startswith("1 of 1 were not signed in their round: ")
    assert "enrollment.issuance.signed_at_once:" in line


def test_a_t2_that_failed_for_all_of_its_round_leaves_a_line(house: House, caplog: pytest.LogCaptureFixture) -> None:
    [(_, codes)] = house.new_codes()
    strike = once(fail)

    def on_redeem(_connection: Connection, _cursor: object, statement: str, *_context: object) -> None:
        if statement.startswith("UPDATE") and "redeemed_at" in statement:
            strike()

    event.listen(house.database.engine, "before_cursor_execute", on_redeem)
    assert _together(house, [(codes, new_request())]) == ["new"]
    [line] = _lines(caplog, codes)
    assert "round of 1" in line
    assert "Trouble at " in line


class _Forgetful(AuthorityAtHand):
    """An authority whose first draft fails by a fault of its own."""

    def draft(self, key: RequestedKey, subject: Subject, start_date: date, now: datetime, *, partition: int = 0) -> Draft:
        if not vars(self).get("failed"):
            vars(self)["failed"] = True
            raise ValueError(key.spki_sha256.hex())
        return super().draft(key, subject, start_date, now, partition=partition)


def test_a_draft_that_failed_by_a_fault_of_ours_leaves_a_line(house: House, caplog: pytest.LogCaptureFixture) -> None:
    vars(house)["authority"] = _Forgetful(house.issuing, house.profile)
    [(_, codes)] = house.new_codes()
    assert _together(house, [(codes, new_request())]) == ["new"]
    [line] = _lines(caplog, codes)
    assert line.startswith("no draft in a round, it goes alone: ValueError at enrollment.redemption_rounds._drafted:")


def test_a_request_that_is_refused_leaves_no_line_of_its_round(house: House, caplog: pytest.LogCaptureFixture) -> None:
    [(_, codes)] = house.new_codes()
    with pytest.raises(Refused, match="csr-malformed"):
        house.redemption.redeem(codes, b"no request", SOURCE)
    assert _lines(caplog, codes) == []


def _away() -> None:
    raise KeyTroubleError("token is away")


def _rows(house: House) -> list[CodeSetRow]:
    with house.database.snapshot() as session:
        return list(session.scalars(select(CodeSetRow)))
