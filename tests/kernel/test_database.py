import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Executable, event, func, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError, StatementError
from sqlalchemy.orm import Session, aliased

from kernel import audit
from kernel.audit import AuditEntry
from kernel.clock import TOKYO
from kernel.database import (
    STREAM,
    Base,
    Database,
    OutcomeUnknown,
    among,
    connect,
    forbid_open_transaction,
    insert_all,
    insert_if_absent,
    insert_new,
    many,
    put_all,
)
from kernel.errors import Refused, Unavailable
from kernel.throttle import ThrottleCounter


def _counter(key: str, now: datetime, failures: int = 0) -> ThrottleCounter:
    return ThrottleCounter(key=key, failures=failures, window_start=now)


def _count(database: Database) -> int:
    with database.snapshot() as session:
        return session.scalars(select(func.count()).select_from(ThrottleCounter)).one()


def _impatient(database: Database) -> None:
    """Let a lock be waited for no longer than 100 ms."""

    def prepare(connection: object, _record: object) -> None:
        statement = "PRAGMA busy_timeout=100" if database.engine.dialect.name == "sqlite" else "SET lock_timeout = '100ms'"
        connection.execute(statement)  # type: ignore[attr-defined]

    event.listen(database.engine, "connect", prepare)


def test_a_use_case_that_ends_well_is_stored(database: Database, now: datetime) -> None:
    with database.transaction() as session:
        session.add(_counter("a", now))
    assert _count(database) == 1


@pytest.mark.parametrize("failure", [Refused("no"), RuntimeError("fault"), KeyboardInterrupt()])
def test_a_use_case_that_raises_leaves_nothing(database: Database, now: datetime, failure: BaseException) -> None:
    with pytest.raises(type(failure)), database.transaction() as session:
        session.add(_counter("a", now))
        session.flush()
        raise failure
    assert _count(database) == 0
    with database.transaction() as session:
        session.add(_counter("b", now))
    assert _count(database) == 1


def test_a_transaction_inside_another_is_a_fault_and_undoes_the_outer_one(database: Database, now: datetime) -> None:
    with pytest.raises(RuntimeError), database.transaction() as session:
        session.add(_counter("a", now))
        session.flush()
        with database.transaction():
            pass
    assert _count(database) == 0


def test_keys_and_mail_find_out_that_a_transaction_is_open(database: Database) -> None:
    forbid_open_transaction()
    with database.transaction():
        with pytest.raises(RuntimeError):
            forbid_open_transaction()
        with ThreadPoolExecutor(1) as other:
            other.submit(forbid_open_transaction).result()
    forbid_open_transaction()


def test_a_snapshot_cannot_write(database: Database, now: datetime) -> None:
    with pytest.raises(DBAPIError), database.snapshot() as session:
        session.add(_counter("a", now))
        session.flush()
    assert _count(database) == 0


def test_a_snapshot_shows_one_instant(database: Database, now: datetime) -> None:
    with database.snapshot() as session:
        assert session.get(ThrottleCounter, "a") is None
        with database.transaction() as writing:
            writing.add(_counter("a", now))
        assert session.scalar(select(func.count()).select_from(ThrottleCounter)) == 0
    assert _count(database) == 1


@pytest.mark.parametrize(
    ("statement", "is_object"),
    [
        (select(ThrottleCounter.key, ThrottleCounter.window_start).order_by(ThrottleCounter.key), False),
        (select(ThrottleCounter.__table__).order_by(ThrottleCounter.key), False),
        (select(ThrottleCounter).order_by(ThrottleCounter.key), True),
        (select(aliased(ThrottleCounter)), True),
        (select(func.max(ThrottleCounter.window_start).label("last")), False),
        (select(ThrottleCounter.locked_until).where(ThrottleCounter.key == "c"), False),
        (select(ThrottleCounter.key).union_all(select(AuditEntry.actor)).order_by("key"), False),
        (select(ThrottleCounter.key, ThrottleCounter).order_by(ThrottleCounter.key), False),
        (text("SELECT key, failures FROM kernel_throttle ORDER BY key"), False),
    ],
)
def test_a_snapshot_answers_as_a_transaction_does(
    database: Database, now: datetime, statement: Executable, *, is_object: bool
) -> None:  # fmt: skip
    with database.transaction() as session:
        session.add_all([_counter("a", now, 1), _counter("b", now + timedelta(hours=1), 2)])
    told = []
    for opened in (database.transaction, database.snapshot):
        with opened() as session:
            rows = session.execute(statement).all()
            firsts = session.scalars(statement).all()
            assert [row[0] for row in rows] == firsts
            assert session.scalar(statement) == (firsts[0] if firsts else None)
            assert {isinstance(one, ThrottleCounter) for one in firsts} <= {is_object}
            told.append([tuple(_said(value) for value in row) for row in rows])
            told.append([tuple(row._fields) for row in rows])
    assert told[:2] == told[2:]


@pytest.mark.parametrize("end", [None, LookupError("nothing there")])
def test_what_snapshots_ask_again_and_again_is_prepared_once(postgresql_database: Database, end: Exception | None) -> None:
    statement = select(ThrottleCounter.key).where(ThrottleCounter.failures > 7)
    for _ in range(8):
        with suppress(LookupError), postgresql_database.snapshot() as session:
            session.execute(statement).all()
            if end is not None:
                raise end
    with postgresql_database.snapshot() as session:
        prepared = session.scalars(text("SELECT statement FROM pg_prepared_statements")).all()
    assert [one for one in prepared if "kernel_throttle" in one]


def test_a_snapshot_that_failed_harms_no_other(database: Database) -> None:
    for _ in range(2):
        with pytest.raises(DBAPIError), database.snapshot() as session:
            session.execute(text("SELECT nothing FROM nowhere"))
    assert _count(database) == 0


def test_what_was_changed_in_a_snapshot_is_not_stored(database: Database, now: datetime) -> None:
    with database.transaction() as session:
        session.add(_counter("a", now))
    with database.snapshot() as session:
        session.scalars(select(ThrottleCounter)).one().failures = 3
        session.add(_counter("b", now))
    with database.snapshot() as session:
        assert session.execute(select(ThrottleCounter.key, ThrottleCounter.failures)).all() == [("a", 0)]


def _said(value: object) -> object:
    return (value.key, value.failures, value.window_start) if isinstance(value, ThrottleCounter) else value


def test_writers_do_not_lose_each_others_work(database: Database, now: datetime) -> None:
    with database.transaction() as session:
        session.add(_counter("a", now))

    def add_one(_: int) -> None:
        with database.transaction() as session:
            session.scalars(select(ThrottleCounter).with_for_update()).one().failures += 1

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(add_one, range(40)))
    with database.snapshot() as session:
        assert session.scalars(select(ThrottleCounter.failures)).one() == 40


def test_an_instant_comes_back_aware_and_in_utc(database: Database) -> None:
    instant = datetime(2026, 4, 1, 0, 0, 0, 123456, TOKYO)
    with database.transaction() as session:
        session.add(_counter("a", instant))
    with database.snapshot() as session:
        read = session.scalars(select(ThrottleCounter.window_start)).one()
        assert session.scalar(select(ThrottleCounter.locked_until)) is None
    assert (read, read.tzinfo) == (instant, UTC)


def test_an_instant_without_zone_is_not_stored(database: Database) -> None:
    with pytest.raises(StatementError, match="an instant without time zone"), database.transaction() as session:
        session.add(_counter("a", datetime(2026, 4, 1)))  # noqa: DTZ001 (that is the point)
    assert _count(database) == 0


def test_instants_compare_as_instants_in_the_database(database: Database, now: datetime) -> None:
    with database.transaction() as session:
        session.add(_counter("a", now))
    later_by_the_wall_clock = (now - timedelta(hours=1)).astimezone(TOKYO)
    with database.snapshot() as session:
        assert session.scalar(select(ThrottleCounter.key).where(ThrottleCounter.window_start > later_by_the_wall_clock)) == "a"


def test_of_rows_that_are_inserted_only_the_new_ones_are_told(database: Database, now: datetime) -> None:
    rows = [{"key": key, "failures": 1, "window_start": now, "locks": 0} for key in ("a", "b", "c")]
    with database.transaction() as session:
        assert insert_new(session, ThrottleCounter, rows[:1], ThrottleCounter.key) == ["a"]
        assert sorted(insert_new(session, ThrottleCounter, rows, ThrottleCounter.key)) == ["b", "c"]
        assert insert_new(session, ThrottleCounter, rows, ThrottleCounter.key) == []
        assert insert_new(session, ThrottleCounter, [], ThrottleCounter.key) == []


@pytest.mark.parametrize("count", [0, 1, STREAM - 1, STREAM, 500])
def test_rows_are_inserted_in_their_order_however_many(database: Database, now: datetime, count: int) -> None:
    facts: list[dict[str, str | int | bool | None]] = [
        {"number": number, "text": 'a tab\t, a line\n, \\N, "税関"', "none": None, "yes": True} for number in range(count)
    ]
    with database.transaction() as session:
        subjects = [
            audit.Subject(f"terminal:{fact['number']}", None if number % 2 else "NAC001", fact)
            for number, fact in enumerate(facts)
        ]
        audit.record_all(session, subjects, now=now, actor=audit.operator(), action="terminal.try")
    with database.snapshot() as session:
        entries = session.scalars(select(AuditEntry).order_by(AuditEntry.id)).all()
        assert [entry.facts for entry in entries] == facts
        assert [entry.office_code for entry in entries] == [subject.office_code for subject in subjects]
        assert all(entry.at == now and entry.recomputed_commitment() == entry.commitment for entry in entries)


@pytest.mark.parametrize("count", [2, STREAM])
def test_a_row_that_can_not_stand_among_many_undoes_all_and_is_a_broken_constraint(
    database: Database, now: datetime, count: int
) -> None:
    rows = [{"key": str(number), "failures": 1, "window_start": now, "locks": 0} for number in range(count)]
    with pytest.raises(IntegrityError), database.transaction() as session:
        insert_all(session, ThrottleCounter, [*rows, rows[0]])
    assert _count(database) == 0


def test_of_rows_that_are_put_those_that_stand_are_changed_as_far_as_was_said(database: Database, now: datetime) -> None:
    rows = [{"key": key, "failures": 1, "window_start": now, "locks": 0} for key in "ab"]
    with database.transaction() as session:
        put_all(session, ThrottleCounter, rows, ["failures"])
        put_all(
            session, ThrottleCounter, [row | {"failures": 2, "locks": 5} for row in (*rows, rows[0] | {"key": "c"})], ["failures"]
        )
        put_all(session, ThrottleCounter, [], ["failures"])
    with database.snapshot() as session:
        found = session.execute(select(ThrottleCounter.key, ThrottleCounter.failures, ThrottleCounter.locks)).all()
    assert sorted(tuple(row) for row in found) == [("a", 2, 0), ("b", 2, 0), ("c", 2, 5)]


@pytest.mark.parametrize("wanted", [[], ["a"], ["a", "c", "none"], [chr(97 + number) for number in range(20)]])
def test_what_is_among_many_is_found(database: Database, now: datetime, wanted: list[str]) -> None:
    query = select(ThrottleCounter.key).where(among(ThrottleCounter.key), ThrottleCounter.failures == 1)
    with database.transaction() as session:
        session.add_all([_counter(key, now, 1) for key in "abc"])
        session.flush()
        for _ in range(7):  # a driver prepares what it meets often
            assert sorted(session.scalars(query, many(wanted))) == sorted({*wanted} & {*"abc"})


def test_what_is_among_many_is_looked_up_in_an_index(tmp_path: Path) -> None:
    database, said = connect(f"sqlite:///{tmp_path}/database"), list[str]()
    Base.metadata.create_all(database.engine, [Base.metadata.tables[ThrottleCounter.__tablename__]])
    event.listen(database.engine, "before_cursor_execute", lambda *about: said.append(about[2]))
    with database.snapshot() as session:
        session.execute(select(ThrottleCounter.failures).where(among(ThrottleCounter.key)), many("a"))
        [plan] = session.connection().exec_driver_sql(f"EXPLAIN QUERY PLAN {said[-1]}", ("a",)).scalars("detail")
    assert "USING INDEX" in plan
    database.dispose()


def test_insert_if_absent_tells_whether_it_inserted_and_leaves_the_transaction_usable(database: Database, now: datetime) -> None:
    values = {"key": "a", "failures": 1, "window_start": now, "locks": 0}
    with database.transaction() as session:
        assert insert_if_absent(session, ThrottleCounter, values)
        assert not insert_if_absent(session, ThrottleCounter, values | {"failures": 2})
        session.add(_counter("b", now))
    with database.snapshot() as session:
        rows = session.execute(select(ThrottleCounter.key, ThrottleCounter.failures).order_by(ThrottleCounter.key)).all()
    assert [tuple(row) for row in rows] == [("a", 1), ("b", 0)]


def test_a_broken_constraint_is_not_mistaken_for_an_absent_database(database: Database, now: datetime) -> None:
    with database.transaction() as session:
        session.add(_counter("a", now))
    with pytest.raises(IntegrityError), database.transaction() as session:
        session.add(_counter("a", now))


def test_a_mistake_in_our_own_statement_is_not_mistaken_for_an_absent_database(database: Database) -> None:
    with pytest.raises(DBAPIError), database.transaction() as session:
        session.execute(text("SELECT * FROM no_such_table"))


def test_who_waits_too_long_for_a_lock_is_told_to_ask_again(database: Database, database_url: str, now: datetime) -> None:
    other = connect(database_url)
    _impatient(other)
    with database.transaction() as session:
        session.add(_counter("a", now))
    with database.transaction() as holder:
        holder.scalars(select(ThrottleCounter).with_for_update()).one()
        with ThreadPoolExecutor(1) as thread, pytest.raises(Unavailable):
            thread.submit(_lock, other).result()
    other.dispose()


def _lock(database: Database) -> None:
    with database.transaction() as session:
        session.scalars(select(ThrottleCounter).with_for_update()).one()


def test_a_broken_deadlock_asks_to_come_again(postgresql_database: Database, now: datetime) -> None:
    with postgresql_database.transaction() as session:
        session.add_all([_counter("a", now), _counter("b", now)])
    both = threading.Barrier(2)

    def lock_both(order: str) -> str:
        try:
            with postgresql_database.transaction() as session:
                _lock_row(session, order[0])
                both.wait(60)
                _lock_row(session, order[1])
        except Unavailable:
            return "again"
        return "done"

    with ThreadPoolExecutor(2) as threads:
        assert sorted(threads.map(lock_both, ["ab", "ba"])) == ["again", "done"]


def _lock_row(session: Session, key: str) -> None:
    session.scalars(select(ThrottleCounter).where(ThrottleCounter.key == key).with_for_update()).one()


def _end_connections(database: Database) -> None:
    """End all connections but one's own, as a restart of the server would."""
    others = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    with database.snapshot() as session:
        session.execute(text(f"SELECT pg_terminate_backend(pid, 5000) {others}"))


def test_a_database_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    for url in (f"sqlite:///{tmp_path}/no/such/folder/db", f"postgresql+psycopg://tegata@/tegata?host={tmp_path}"):
        database = connect(url)
        for view in (database.transaction, database.snapshot):
            with pytest.raises(Unavailable), view() as session:
                session.execute(text("SELECT 1"))
        database.dispose()


def test_a_connection_that_breaks_while_committing_leaves_the_outcome_unknown(
    postgresql_database: Database, now: datetime
) -> None:
    with pytest.raises(OutcomeUnknown), postgresql_database.transaction() as session:
        session.add(_counter("a", now))
        session.flush()
        _end_connections(postgresql_database)
    assert _count(postgresql_database) == 0


def test_a_restart_of_the_server_between_two_use_cases_goes_unnoticed(postgresql_database: Database, now: datetime) -> None:
    with postgresql_database.transaction() as session:
        session.add(_counter("a", now))
    other = connect(postgresql_database.engine.url.render_as_string())
    _end_connections(other)
    other.dispose()
    assert _count(postgresql_database) == 1


def test_a_connection_to_sqlite_keeps_little_and_lets_a_transaction_have_more(tmp_path: Path) -> None:
    database = connect(f"sqlite:///{tmp_path / 'small.db'}")
    with database.snapshot() as session:
        pages = session.execute(text("PRAGMA page_size")).scalar_one()
        assert session.execute(text("PRAGMA cache_size")).scalar_one() == -500
        assert session.execute(text("PRAGMA cache_spill")).scalar_one() > 400 * 4_096 // pages
    database.dispose()
