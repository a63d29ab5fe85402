from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select

from kernel import throttle
from kernel.database import Database
from kernel.errors import Refused
from kernel.throttle import Limit, Standing, ThrottleCounter

LIMIT = Limit(failures=3, window=timedelta(minutes=30), lock=timedelta(minutes=10), longest=timedelta(hours=1))


def _fail(database: Database, now: datetime, times: int = 1, key: str = "a") -> Standing:
    for _ in range(times):
        with database.transaction() as session:
            standing = throttle.count_failure(session, key, LIMIT, now)
    return standing


def _standing(database: Database, now: datetime, key: str = "a") -> Standing:
    with database.snapshot() as session:
        return throttle.standing(session, key, now)


def test_an_unknown_key_is_free(database: Database, now: datetime) -> None:
    assert _standing(database, now) == Standing(0, 0)
    with database.snapshot() as session:
        throttle.require_unlocked(session, "a", now)


def test_failures_below_the_limit_only_count(database: Database, now: datetime) -> None:
    assert _fail(database, now, 2) == Standing(2, 0)
    assert _standing(database, now) == Standing(2, 0)


def test_the_last_failure_locks_and_the_refusal_says_for_how_long(database: Database, now: datetime) -> None:
    assert _fail(database, now, 3).locked_for == 600
    half_way = now + timedelta(minutes=5)
    with database.snapshot() as session, pytest.raises(Refused) as caught:
        throttle.require_unlocked(session, "a", half_way)
    assert (caught.value.code, caught.value.facts) == ("throttled", {"retry_after": 300})


def test_who_waits_as_long_as_told_is_free(database: Database, now: datetime) -> None:
    locked_for = _fail(database, now, 3).locked_for
    assert _standing(database, now + timedelta(seconds=locked_for - 1)).locked_for > 0
    assert _standing(database, now + timedelta(seconds=locked_for)) == Standing(0, 0)


def test_a_part_of_a_second_is_waited_for_whole(database: Database, now: datetime) -> None:
    _fail(database, now, 3)
    assert _standing(database, now + timedelta(minutes=9, seconds=59, milliseconds=500)).locked_for == 1


def test_keys_do_not_lock_each_other_out(database: Database, now: datetime) -> None:
    _fail(database, now, 3, key="a")
    assert _fail(database, now, 1, key="b") == Standing(1, 0)


def test_failures_while_locked_are_not_counted(database: Database, now: datetime) -> None:
    _fail(database, now, 3)
    _fail(database, now + timedelta(minutes=1), 50)
    assert _standing(database, now + timedelta(minutes=10)) == Standing(0, 0)


def test_each_further_lock_lasts_twice_as_long_up_to_the_longest(database: Database, now: datetime) -> None:
    lasting = []
    for _ in range(5):
        locked_for = _fail(database, now, 3).locked_for
        lasting.append(locked_for // 60)
        now += timedelta(seconds=locked_for)
    assert lasting == [10, 20, 40, 60, 60]


def test_a_guesser_of_many_weeks_stays_locked_out(database: Database, now: datetime) -> None:
    with database.transaction() as session:
        session.add(ThrottleCounter(key="a", failures=2, window_start=now, locks=100_000))
    assert _fail(database, now).locked_for == 3600


def test_failures_of_an_earlier_window_are_forgotten(database: Database, now: datetime) -> None:
    _fail(database, now, 2)
    assert _fail(database, now + LIMIT.window) == Standing(1, 0)


def test_forgiving_lifts_the_lock_and_forgets_its_history(database: Database, now: datetime) -> None:
    _fail(database, now, 3)
    with database.transaction() as session:
        throttle.forgive(session, "a")
    assert _standing(database, now) == Standing(0, 0)
    assert _fail(database, now, 3).locked_for == 600


def test_the_count_falls_with_a_transaction_that_fails(database: Database, now: datetime) -> None:
    with pytest.raises(RuntimeError), database.transaction() as session:
        throttle.count_failure(session, "a", LIMIT, now)
        raise RuntimeError
    assert _standing(database, now) == Standing(0, 0)


def test_quiet_counters_are_deleted_and_running_locks_are_not(database: Database, now: datetime) -> None:
    _fail(database, now - timedelta(days=8), key="quiet")
    _fail(database, now, key="fresh")
    _fail(database, now, 3, key="locked")
    with database.transaction() as session:
        assert throttle.purge(session, now) == 1
    with database.snapshot() as session:
        assert set(session.scalars(select(ThrottleCounter.key))) == {"fresh", "locked"}


def test_guesses_at_the_same_time_are_all_counted(database: Database, now: datetime) -> None:
    generous = Limit(failures=1000)

    def guess(_: int) -> None:
        with database.transaction() as session:
            throttle.count_failure(session, "a", generous, now)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(guess, range(40)))
    assert _standing(database, now) == Standing(40, 0)


def test_the_keys_that_are_locked_are_told_by_their_prefix(database: Database, now: datetime) -> None:
    for key in ("codes:1", "codes:2", "source:1", "codes_3"):
        _fail(database, now, LIMIT.failures, key)
    _fail(database, now, LIMIT.failures - 1, "codes:4")
    with database.snapshot() as session:
        assert set(throttle.locked_keys(session, "codes:", now)) == {"codes:1", "codes:2"}
        assert throttle.locked_keys(session, "codes_", now) == ("codes_3",)
        assert len(throttle.locked_keys(session, "codes:", now, most=1)) == 1
        assert throttle.locked_keys(session, "codes:", now + LIMIT.lock) == ()
