from datetime import timedelta

import pytest

from ca.revocation import Reason
from enrollment import cmp_transactions
from enrollment.cmp_transactions import KEPT, LAST_WORD, Outcome, Transaction
from tests.support.clock import SettableClock
from tests.support.house import OFFICE, SECURITY, House

ONE = Transaction(b"1" * 16, "codes:1", kind=0, nonce=b"n" * 16, spki=b"key", is_confirmed=False)


def test_an_id_is_used_once_until_it_is_taken_back(house: House, clock: SettableClock) -> None:
    assert cmp_transactions.begin(house.database, ONE, clock.now())
    assert not cmp_transactions.begin(house.database, ONE, clock.now())
    assert cmp_transactions.find(house.database, ONE.id) == ONE
    cmp_transactions.forget(house.database, ONE.id)
    assert cmp_transactions.find(house.database, ONE.id) is None
    assert cmp_transactions.begin(house.database, ONE, clock.now())


def test_waiting_and_the_answer_bring_new_nonces(house: House, clock: SettableClock) -> None:
    cmp_transactions.begin(house.database, ONE, clock.now())
    cmp_transactions.wait(house.database, ONE.id, b"w" * 16)
    waiting = cmp_transactions.find(house.database, ONE.id)
    assert waiting is not None
    assert (waiting.nonce, waiting.serial) == (b"w" * 16, None)
    cmp_transactions.answer(house.database, ONE.id, ("issuing-1", "1"), b"a" * 16, clock.now())
    answered = cmp_transactions.find(house.database, ONE.id)
    assert answered is not None
    assert (answered.nonce, answered.issuer, answered.serial, answered.outcome) == (b"a" * 16, "issuing-1", "1", None)


def test_a_transaction_ends_once(house: House, clock: SettableClock) -> None:
    cmp_transactions.begin(house.database, ONE, clock.now())
    assert cmp_transactions.end(house.database, ONE.id, Outcome.REJECTED, clock.now())
    assert not cmp_transactions.end(house.database, ONE.id, Outcome.ACCEPTED, clock.now())
    found = cmp_transactions.find(house.database, ONE.id)
    assert found is not None
    assert found.outcome is Outcome.REJECTED


@pytest.mark.parametrize("is_revoked", [False, True])
def test_what_was_accepted_is_confirmed_after_the_last_word(house: House, clock: SettableClock, *, is_revoked: bool) -> None:
    issued = house.issue()
    record = issued.certificate
    cmp_transactions.begin(house.database, ONE, clock.now())
    cmp_transactions.answer(house.database, ONE.id, (record.issuer, record.serial), b"a" * 16, clock.now())
    cmp_transactions.end(house.database, ONE.id, Outcome.ACCEPTED, clock.now())
    if is_revoked:
        house.endings.revoke(issued.terminal, Reason.KEY_COMPROMISE, SECURITY)
    assert cmp_transactions.settle(house.database, house.confirmations, clock.advance(LAST_WORD)) == 0
    assert cmp_transactions.settle(house.database, house.confirmations, clock.advance(timedelta(seconds=1))) == 1
    assert cmp_transactions.settle(house.database, house.confirmations, clock.now()) == 0
    if not is_revoked:
        assert house.code_set_rows(issued.terminal)[-1].sealed is None
    assert house.notices.notice(None, OFFICE) is not None


def test_transactions_live_for_a_day(house: House, clock: SettableClock) -> None:
    cmp_transactions.begin(house.database, ONE, clock.now())
    cmp_transactions.settle(house.database, house.confirmations, clock.advance(KEPT))
    assert cmp_transactions.find(house.database, ONE.id) is not None
    cmp_transactions.settle(house.database, house.confirmations, clock.advance(timedelta(seconds=1)))
    assert cmp_transactions.find(house.database, ONE.id) is None
