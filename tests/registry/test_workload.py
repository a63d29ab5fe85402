from collections.abc import Mapping

import pytest

from kernel.database import Database
from registry import applications as room
from registry.applications import Review, workload
from registry.applications.workload import Task
from tests.registry.conftest import SATO, START, SUZUKI, File
from tests.support.clock import SettableClock

pytestmark = pytest.mark.usefixtures("terminal")


def waiting(database: Database) -> Mapping[Task, int]:
    """Return the tasks that wait, and check that the queue shows as many as are counted."""
    with database.snapshot() as session:
        counts = workload.counts(session)
        assert {task: room.queue(session, task=task).total for task in Task} == counts
    return {task: count for task, count in counts.items() if count}


def test_an_application_waits_for_one_after_another(database: Database, review: Review, file: File, clock: SettableClock) -> None:
    assert waiting(database) == {}
    number = file(items=("terminals", "names"), changes={"names": {"office_name": ["新しい名前"]}})
    assert waiting(database) == {Task.REVIEW: 1}
    review.query(number, "台数は？", actor=SATO)
    assert waiting(database) == {Task.ANSWER: 1}
    review.approve(number, START, approver=SATO)
    assert waiting(database) == {Task.PREPARE: 1, Task.EXECUTE: 1}
    with database.transaction() as session:
        room.mark_prepared(session, number, SUZUKI, clock.now())
    assert waiting(database) == {Task.EXECUTE: 1}
    review.mark_executed(number, "names", actor=SUZUKI)
    assert waiting(database) == {}


def test_what_is_carried_out_by_itself_waits_for_nobody(database: Database, review: Review, file: File) -> None:
    number = file(items=("price_plan",), changes={"price_plan": {"price_plan": ["B"]}})
    review.approve(number, START, approver=SATO)
    assert waiting(database) == {}
