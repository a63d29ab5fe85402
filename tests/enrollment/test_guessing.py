import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import Connection, event, select
from sqlalchemy.exc import OperationalError

from enrollment import codes as code_rules
from enrollment import guessing
from enrollment.codes import Codes
from kernel import throttle
from kernel.audit import AuditEntry
from kernel.errors import Refused, Unavailable
from kernel.throttle import ThrottleCounter
from tests.crash.faults import Fault, Harm, Place
from tests.support.clock import SettableClock
from tests.support.house import PREPARER, SOURCE, House, new_request

WRONG = {"auth_code_2": "WRONG2", "auth_code_3": "WRNG3", "office_code": "NAC009", "auth_code_1": "NAC000X"}


def told(house: House, codes: Codes, source: str = SOURCE) -> str:
    try:
        guessing.authenticate(house.database, house.hasher, codes, source, house.clock.now())
    except Refused as refusal:
        return refusal.code
    return "right"


@contextmanager
def statements_of(house: House) -> Iterator[list[str]]:
    """Note each statement that is sent, without its values."""
    sent: list[str] = []

    def note(_connection: Connection, _cursor: object, statement: str, *_context: object) -> None:
        sent.append(statement)

    event.listen(house.database.engine, "before_cursor_execute", note)
    yield sent
    event.remove(house.database.engine, "before_cursor_execute", note)


@pytest.mark.parametrize("part", WRONG)
def test_a_wrong_part_gets_the_uniform_answer(house: House, part: str) -> None:
    [(_, codes)] = house.new_codes()
    with pytest.raises(Refused) as wrong:
        guessing.authenticate(house.database, house.hasher, replace(codes, **{part: WRONG[part]}), SOURCE, house.clock.now())
    with pytest.raises(Refused) as unknown:
        stranger = replace(codes, access_key="0000000000000")
        guessing.authenticate(house.database, house.hasher, stranger, SOURCE, house.clock.now())
    assert (wrong.value.code, wrong.value.facts) == (unknown.value.code, unknown.value.facts) == ("codes-wrong", {})


@pytest.mark.parametrize("tries", [1, 5], ids=["a wrong try", "the try that locks"])
def test_known_and_unknown_access_keys_cost_the_same_statements(house: House, tries: int) -> None:
    [(_, codes)] = house.new_codes()
    known, unknown = replace(codes, auth_code_2="WRONG2"), replace(codes, access_key="0000000000000")
    sent = []
    for guess in (known, unknown):
        for _ in range(tries - 1):
            told(house, guess)
        with statements_of(house) as statements:
            assert told(house, guess) == "codes-wrong"
        sent.append(statements)
        assert told(house, guess) == ("throttled" if tries == 5 else "codes-wrong")
    assert sent[0] == sent[1]
    assert any("kernel_throttle" in statement for statement in sent[0])


def test_right_codes_write_nothing(house: House) -> None:
    [(_, codes)] = house.new_codes()
    with statements_of(house) as statements:
        assert told(house, codes) == "right"
    assert not any(statement.startswith(("INSERT", "UPDATE", "DELETE")) for statement in statements)


def test_the_fifth_wrong_try_locks_the_codes_for_half_an_hour(house: House, clock: SettableClock) -> None:
    [(_, codes)] = house.new_codes()
    wrong = replace(codes, auth_code_3="WRNG3")
    assert [told(house, wrong) for _ in range(6)] == ["codes-wrong"] * 5 + ["throttled"]
    assert told(house, codes) == "throttled"
    clock.advance(timedelta(minutes=29, seconds=59))
    assert told(house, codes) == "throttled"
    clock.advance(timedelta(seconds=1))
    assert told(house, codes) == "right"


def test_each_further_lock_lasts_twice_as_long(house: House, clock: SettableClock) -> None:
    [(_, codes)] = house.new_codes()
    wrong = replace(codes, auth_code_3="WRNG3")
    for minutes in (30, 60, 120):
        for _ in range(5):
            assert told(house, wrong) == "codes-wrong"
        clock.advance(timedelta(minutes=minutes, seconds=-1))
        assert told(house, codes) == "throttled"
        clock.advance(timedelta(seconds=1))
        assert told(house, codes) == "right"


def test_wrong_tries_of_different_half_hours_do_not_add_up(house: House, clock: SettableClock) -> None:
    [(_, codes)] = house.new_codes()
    for _ in range(3):
        for _ in range(4):
            assert told(house, replace(codes, auth_code_3="WRNG3")) == "codes-wrong"
        clock.advance(timedelta(minutes=30))
    assert told(house, codes) == "right"


def test_a_lock_is_on_record_once_and_names_the_terminal(house: House) -> None:
    [(terminal, codes)] = house.new_codes()
    for _ in range(8):
        told(house, replace(codes, auth_code_3="WRNG3"))
    with house.database.snapshot() as session:
        [entry] = session.scalars(select(AuditEntry).where(AuditEntry.action == "codes.lock"))
    assert entry.subject == f"terminal:{terminal}"
    assert entry.facts == {"source": SOURCE}


def test_one_terminals_lock_never_touches_another(house: House) -> None:
    [(_, ours), (_, theirs)] = house.new_codes(2)
    for _ in range(8):
        told(house, replace(ours, auth_code_3="WRNG3"))
    assert told(house, ours) == "throttled"
    assert told(house, theirs) == "right"


def test_staff_lift_a_lock(house: House) -> None:
    [(terminal, codes)] = house.new_codes()
    for _ in range(8):
        told(house, replace(codes, auth_code_3="WRNG3"))
    house.preparation.unlock(terminal, PREPARER)
    assert told(house, codes) == "right"


def _wear_out(house: House, source: str) -> None:
    """Guess from an address until it is over its limit."""
    for number in range(guessing.BY_SOURCE.failures):
        stranger = Codes(f"9{number:012}", "NAC999W", "AAAAAA", "AAAAA", "NAC001")
        assert told(house, stranger, source) == "codes-wrong"


def test_an_address_over_its_limit_gets_no_second_guess_at_any_key(house: House) -> None:
    _wear_out(house, SOURCE)
    stranger = Codes("8888888888888", "NAC999W", "AAAAAA", "AAAAA", "NAC001")
    assert [told(house, stranger) for _ in range(2)] == ["throttled", "throttled"]
    with house.database.snapshot() as session:
        digest = code_rules.access_key_digest(house.hasher, stranger.access_key)
        assert throttle.standing(session, guessing.access_key_throttle(digest), house.clock.now()).failures == 1


def test_an_address_over_its_limit_still_serves_another_offices_right_codes(house: House) -> None:
    [(_, codes)] = house.new_codes()
    _wear_out(house, SOURCE)
    assert told(house, codes) == "right"
    assert told(house, codes) == "right"


def test_a_slip_of_last_week_does_not_count_against_who_shares_an_address_with_a_guesser(
    house: House, clock: SettableClock
) -> None:
    [(_, codes)] = house.new_codes()
    assert told(house, replace(codes, auth_code_3="WRNG3"), "192.0.2.99") == "codes-wrong"
    clock.advance(timedelta(days=5))
    _wear_out(house, SOURCE)
    assert told(house, codes) == "right"


def test_an_address_over_its_limit_is_answered_alike_for_known_and_unknown_keys(house: House) -> None:
    [(_, codes)] = house.new_codes()
    _wear_out(house, SOURCE)
    sent = []
    for guess in (replace(codes, auth_code_2="WRONG2"), replace(codes, access_key="0000000000000")):
        with statements_of(house) as statements:
            assert told(house, guess) == "throttled"
        sent.append(statements)
    assert sent[0] == sent[1]


@pytest.mark.parametrize(
    ("one", "other", "are_one"),
    [
        ("192.0.2.1", "192.0.2.2", False),
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("", "no address", True),
    ],
)
def test_an_ipv6_customer_is_known_by_his_network(one: str, other: str, *, are_one: bool) -> None:
    assert (guessing.source_throttle(one) == guessing.source_throttle(other)) == are_one


def test_guesses_at_the_same_time_do_not_outrun_their_counting(house: House) -> None:
    [(_, codes)] = house.new_codes()
    wrong = replace(codes, auth_code_3="WRNG3")
    start = threading.Barrier(16)

    def guess(rank: int) -> str:
        start.wait()
        return told(house, wrong, f"192.0.2.{rank}")

    with ThreadPoolExecutor(16) as pool:
        answers = Counter(pool.map(guess, range(16)))
    assert answers["codes-wrong"] == 5
    assert answers["throttled"] == 11
    assert told(house, codes) == "throttled"


def test_right_codes_that_race_with_the_fifth_wrong_try_are_not_redeemed_after_it(house: House) -> None:
    [(terminal, codes)] = house.new_codes()
    guess = _before_t1(house, lambda: [told(house, replace(codes, auth_code_3="WRNG3")) for _ in range(5)])
    with pytest.raises(Refused, match="throttled"), guess:
        house.redemption.redeem(codes, new_request().pem, SOURCE)
    assert house.code_set_rows(terminal)[0].state == "prepared"


@contextmanager
def _before_t1(house: House, deed: Callable[[], object]) -> Iterator[None]:
    """Do a deed after the state was looked up and before T1 begins: on the first snapshot's end."""
    seen: list[Connection] = []

    def note(connection: Connection) -> None:
        if not connection.get_execution_options().get("read_only"):
            return
        seen.append(connection)
        if len(seen) == 1:
            deed()

    event.listen(house.database.engine, "rollback", note)
    yield
    event.remove(house.database.engine, "rollback", note)


@pytest.mark.parametrize("place", [Place.WRITE, Place.COMMIT])
def test_a_wrong_try_that_cannot_be_counted_is_not_answered(house: House, place: Place) -> None:
    [(_, codes)] = house.new_codes()
    Fault(place, 1, Harm.REFUSED).arm(house.database)
    with pytest.raises((Unavailable, OperationalError)):
        told(house, replace(codes, auth_code_3="WRNG3"))
    with house.database.snapshot() as session:
        assert session.scalars(select(ThrottleCounter)).all() == []


def test_counters_hold_no_access_key(house: House) -> None:
    [(_, codes)] = house.new_codes()
    told(house, replace(codes, auth_code_3="WRNG3"))
    with house.database.snapshot() as session:
        keys = session.scalars(select(ThrottleCounter.key)).all()
    assert len(keys) == 2
    assert not any(codes.access_key in key for key in keys)
