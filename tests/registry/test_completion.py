from datetime import UTC, date, datetime, timedelta

import pytest

from kernel.database import Database
from kernel.errors import Refused
from registry import applications as room
from registry import contracts, terminals
from registry.applications import Review, complete_due
from registry.states import ApplicationState, PricePlan, SystemClass, TerminalEvent, TerminalState
from tests.registry.conftest import SATO, START, SUZUKI, File
from tests.registry.racing import race
from tests.registry.reading import deeds, page, told

pytestmark = pytest.mark.usefixtures("terminal")
PLAN_B = {"price_plan": {"price_plan": ["B"]}}
NEW_NAME = {"names": {"office_name": ["新しい名前"]}}
# 00:00 on the start date in Tokyo.
MIDNIGHT = datetime(2026, 12, 9, 15, 0, tzinfo=UTC)
BEFORE = MIDNIGHT - timedelta(seconds=1)


def prepare(database: Database, number: str) -> None:
    with database.transaction() as session:
        room.mark_prepared(session, number, SUZUKI, BEFORE)


def state(database: Database, number: str) -> ApplicationState:
    return page(database, number).application.state


def test_prepared_codes_take_the_application_on(database: Database, review: Review, file: File) -> None:
    number = file()
    review.approve(number, START, approver=SATO)
    prepare(database, number)
    assert state(database, number) is ApplicationState.PREPARED
    assert deeds(database)[-1] == ("staff:suzuki", "application.prepare", f"application:{number}")


def test_nothing_is_prepared_before_approval_or_twice(database: Database, review: Review, file: File) -> None:
    number = file()
    with pytest.raises(Refused, match="application-state"):
        prepare(database, number)
    review.approve(number, START, approver=SATO)
    prepare(database, number)
    with pytest.raises(Refused, match="application-state"):
        prepare(database, number)


def test_an_application_without_new_terminals_has_nothing_to_prepare(database: Database, review: Review, file: File) -> None:
    number = file(terminals={"class.99999W": ["air"]})
    review.approve(number, START, approver=SATO)
    with pytest.raises(Refused, match="nothing-to-prepare"):
        prepare(database, number)


def test_a_terminal_that_is_suspended_before_its_codes_is_not_left_without_any(
    database: Database, review: Review, file: File
) -> None:
    number = file()
    review.approve(number, START, approver=SATO)
    with database.transaction() as session:
        terminals.step(session, "00002W", TerminalEvent.SUSPEND, BEFORE)
    with pytest.raises(Refused, match="terminal-suspended"):
        prepare(database, number)
    with database.transaction() as session:
        terminals.step(session, "00001W", TerminalEvent.SUSPEND, BEFORE)
    assert complete_due(database, now=MIDNIGHT) == 0
    with database.transaction() as session:
        for name in ("00001W", "00002W"):
            terminals.resume(session, name, BEFORE)
    prepare(database, number)
    assert complete_due(database, now=MIDNIGHT) == 1


def test_the_start_date_completes_a_prepared_application_at_midnight_in_tokyo(
    database: Database, review: Review, file: File
) -> None:
    number = file()
    review.approve(number, START, approver=SATO)
    prepare(database, number)
    assert complete_due(database, now=BEFORE) == 0
    assert complete_due(database, now=MIDNIGHT) == 1
    completed = page(database, number).application
    assert (completed.state, completed.closed_at) == (ApplicationState.COMPLETED, MIDNIGHT)
    assert told(database)[-1] == ("application-completed", f"application:{number}")
    assert deeds(database)[-1] == ("job:complete", "application.complete", f"application:{number}")


def test_the_job_does_nothing_twice(database: Database, review: Review, file: File) -> None:
    number = file(items=("terminals", "price_plan"), terminals={"class.99999W": ["air"]}, changes=PLAN_B)
    review.approve(number, START, approver=SATO)
    outcomes = race(4, lambda _: complete_due(database, now=MIDNIGHT + timedelta(days=9)))
    assert sum(outcome for outcome in outcomes if isinstance(outcome, int)) == 1
    done = deeds(database)
    assert complete_due(database, now=MIDNIGHT + timedelta(days=10)) == 0
    assert deeds(database) == done


def test_terminals_without_codes_keep_an_application_open(database: Database, review: Review, file: File) -> None:
    number = file()
    review.approve(number, START, approver=SATO)
    assert complete_due(database, now=MIDNIGHT) == 0
    assert state(database, number) is ApplicationState.APPROVED


def test_a_change_of_class_takes_effect_on_the_start_date(database: Database, review: Review, file: File) -> None:
    number = file(terminals={"class.99999W": ["shared"]})
    review.approve(number, START, approver=SATO)
    complete_due(database, now=BEFORE)
    with database.snapshot() as session:
        before = terminals.get(session, "99999W")
    complete_due(database, now=MIDNIGHT)
    with database.snapshot() as session:
        after = terminals.get(session, "99999W")
    assert before is not None
    assert after is not None
    assert (before.system_class, after.system_class) == (SystemClass.SEA, SystemClass.SHARED)
    assert after.state is TerminalState.IN_SERVICE
    assert ("job:complete", "terminal.reclassify", "terminal:99999W") in deeds(database)
    assert state(database, number) is ApplicationState.COMPLETED
    assert [(line.before, line.after) for line in page(database, number).lines] == [(SystemClass.SEA, SystemClass.SHARED)]


def test_a_price_plan_takes_effect_on_the_start_date(database: Database, review: Review, file: File) -> None:
    number = file(items=("price_plan",), changes=PLAN_B)
    review.approve(number, START, approver=SATO)
    complete_due(database, now=MIDNIGHT)
    with database.snapshot() as session:
        contract = contracts.get(session, "NAC001")
    assert contract is not None
    assert contract.price_plan is PricePlan.B
    assert state(database, number) is ApplicationState.COMPLETED


def test_an_abolition_is_due_on_the_start_date_and_completes_when_it_is_carried_out(
    database: Database, review: Review, file: File
) -> None:
    number = file(terminals={"abolish": ["99999W"]})
    with database.snapshot() as session:
        assert room.due_abolitions(session, START) == ()
    review.approve(number, START, approver=SATO)
    with database.snapshot() as session:
        assert room.due_abolitions(session, START - timedelta(days=1)) == ()
        (due,) = room.due_abolitions(session, START)
    assert (due.terminal_name, due.receipt_number, due.start_date) == ("99999W", number, START)
    assert complete_due(database, now=MIDNIGHT) == 0
    with database.transaction() as session:
        terminals.step(session, "99999W", TerminalEvent.ABOLISH, MIDNIGHT)
    with database.snapshot() as session:
        assert room.due_abolitions(session, START) == ()
    assert complete_due(database, now=MIDNIGHT) == 1


def test_a_terminal_that_was_abolished_meanwhile_hinders_nothing(database: Database, review: Review, file: File) -> None:
    number = file(terminals={"class.99999W": ["air"]})
    review.approve(number, START, approver=SATO)
    with database.transaction() as session:
        terminals.step(session, "99999W", TerminalEvent.ABOLISH, BEFORE)
    assert complete_due(database, now=MIDNIGHT) == 1
    assert state(database, number) is ApplicationState.COMPLETED


def test_abolition_and_completion_at_one_moment_get_on_with_each_other(database: Database, review: Review, file: File) -> None:
    number = file(terminals={"class.99999W": ["air"]})
    review.approve(number, START, approver=SATO)

    def act(runner: int) -> int:
        if runner:
            return complete_due(database, now=MIDNIGHT)
        with database.transaction() as session:
            terminals.step(session, "99999W", TerminalEvent.ABOLISH, MIDNIGHT)
        return 0

    assert sum(outcome for outcome in race(4, act) if isinstance(outcome, int)) == 1
    assert page(database, number).application.state is ApplicationState.COMPLETED
    with database.snapshot() as session:
        abolished = terminals.get(session, "99999W")
    assert abolished is not None
    assert abolished.state is TerminalState.ABOLISHED


def test_an_item_that_staff_have_not_carried_out_keeps_an_application_open(
    database: Database, review: Review, file: File
) -> None:
    number = file(items=("names", "price_plan"), changes=PLAN_B | NEW_NAME)
    review.approve(number, START, approver=SATO)
    assert complete_due(database, now=MIDNIGHT) == 0
    review.mark_executed(number, "names", actor=SUZUKI)
    assert complete_due(database, now=MIDNIGHT) == 1


def test_an_application_under_review_waits_whatever_its_date(database: Database, file: File) -> None:
    number = file()
    assert complete_due(database, now=MIDNIGHT + timedelta(days=300)) == 0
    assert state(database, number) is ApplicationState.APPLIED


def test_the_first_terminals_of_an_office_bring_plan_and_numbers(database: Database, review: Review, file: File) -> None:
    number = file(
        items=("id_numbers", "terminals", "price_plan"),
        changes=PLAN_B | {"id_numbers": {"new1.user_code": ["NAC01"], "new1.id_number": ["002"]}},
    )
    review.approve(number, date(2026, 12, 10), approver=SATO)
    prepare(database, number)
    review.mark_executed(number, "id_numbers", actor=SUZUKI)
    assert complete_due(database, now=MIDNIGHT) == 1
