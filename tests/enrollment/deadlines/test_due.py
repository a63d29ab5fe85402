"""The questions are answered by indices: none of them reads a whole table."""

from typing import Any

import pytest
from sqlalchemy import Connection, event

from enrollment.deadlines import due
from enrollment.deadlines.days import Kind
from kernel.database import connect
from tests.conftest import FreshDatabase
from tests.support.clock import MORNING


@pytest.mark.parametrize("kind", Kind)
def test_no_question_reads_a_whole_table(sqlite_databases: FreshDatabase, kind: Kind) -> None:
    plans: list[str] = []

    def explain(connection: Connection, _cursor: object, statement: str, parameters: Any, *_rest: object) -> None:  # noqa: ANN401
        cursor = connection.connection.cursor()
        cursor.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)
        plans.extend(str(row[3]) for row in cursor.fetchall())

    with sqlite_databases() as url:
        database = connect(url)
        with database.snapshot() as session:
            session.connection()  # its BEGIN has no plan
            event.listen(database.engine, "before_cursor_execute", explain)
            assert due.waiting(session, kind, 0, first=None, last=MORNING.date()) == []
        database.dispose()
    assert plans
    assert [plan for plan in plans if plan.startswith("SCAN")] == []
