"""A COMMIT that the database refuses: nothing of it stands, and nobody inherits its transaction."""

from datetime import datetime

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError

from enrollment.tables import CodeShowingRow
from kernel.database import Database, connect
from kernel.errors import Unavailable
from kernel.throttle import ThrottleCounter
from tests.conftest import FreshDatabase
from tests.crash.faults import Fault, Harm, Place


def _keys(database: Database) -> list[str]:
    with database.snapshot() as session:
        return sorted(session.scalars(select(ThrottleCounter.key)))


def _count(database: Database, key: str, now: datetime) -> None:
    with database.transaction() as session:
        session.add(ThrottleCounter(key=key, failures=0, window_start=now))


def test_after_a_full_disk_the_next_use_case_begins_anew(database: Database, now: datetime) -> None:
    Fault(Place.COMMIT, 1, Harm.REFUSED).arm(database)
    with pytest.raises(Unavailable):
        _count(database, "lost", now)
    _count(database, "kept", now)
    assert _keys(database) == ["kept"]


def test_a_commit_that_sqlite_refuses_locks_nobody_out(sqlite_databases: FreshDatabase, now: datetime) -> None:
    with sqlite_databases() as url:
        database, other_process = connect(url), connect(url)
        with pytest.raises(IntegrityError), database.transaction() as session:
            # The only way to have SQLite itself refuse at COMMIT and keep the transaction open.
            session.execute(text("PRAGMA defer_foreign_keys=ON"))
            session.add(CodeShowingRow(code_set_id="of nobody", at=now, viewer="staff:x"))
        _count(other_process, "theirs", now)
        _count(database, "ours", now)
        assert _keys(database) == ["ours", "theirs"]
        database.dispose()
        other_process.dispose()
