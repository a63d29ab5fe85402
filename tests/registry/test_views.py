from datetime import date, timedelta

import pytest

from kernel.database import Database
from registry import applications as room
from registry.applications import Applications, ResultLine, Review
from registry.calendar import StartWarning
from registry.states import ApplicationState
from tests.registry.conftest import HANAKO, SATO, START, File
from tests.registry.reading import page
from tests.support.clock import SettableClock

pytestmark = pytest.mark.usefixtures("terminal")


def test_the_center_sees_the_oldest_application_first_and_the_office_the_newest(
    database: Database, file: File, clock: SettableClock
) -> None:
    numbers = []
    for _ in range(3):
        numbers.append(file())
        clock.advance(timedelta(minutes=1))
    with database.snapshot() as session:
        queue = room.queue(session, states=[ApplicationState.APPLIED]).records
        every = room.queue(session).records
        own = room.of_office(session, "NAC001").records
    assert [summary.application.receipt_number for summary in queue] == numbers
    assert every == queue[::-1]
    assert [summary.application.receipt_number for summary in own] == numbers[::-1]
    assert {(summary.items, summary.added) for summary in queue} == {(("terminals",), 2)}


def test_the_queue_is_filtered_by_state_number_and_office(database: Database, applications: Applications, file: File) -> None:
    first, second = file(), file()
    applications.withdraw(HANAKO, first)
    with database.snapshot() as session:

        def found(**wanted: object) -> list[str]:
            return [summary.application.receipt_number for summary in room.queue(session, **wanted).records]  # type: ignore[arg-type]

        assert found(states=[ApplicationState.APPLIED, ApplicationState.QUERIED]) == [second]
        assert found(states=[ApplicationState.WITHDRAWN]) == [first]
        assert found(text="２６０００２ａ") == [second]
        assert found(text="nac001") == [second, first]
        assert found(text="NAC002") == []
        assert found(page=2, size=1) == [first]


def test_an_office_sees_its_own_applications_only(database: Database, file: File) -> None:
    number = file()
    with database.snapshot() as session:
        assert room.detail(session, number, office_code="NAC001") is not None
        assert room.detail(session, number, office_code="NAC002") is None
        assert room.detail(session, "260999A") is None
        assert room.of_office(session, "NAC002").total == 0


def test_the_page_goes_on_warning_of_a_wish_that_was_too_near_when_it_was_applied_for(
    database: Database, file: File, clock: SettableClock
) -> None:
    fine, near = file(), file(wished=date(2026, 11, 26))
    clock.advance(timedelta(days=30))
    assert page(database, fine).warnings == ()
    assert page(database, near).warnings == (StartWarning("near", date(2026, 12, 8)),)


def test_an_application_about_nothing_that_is_counted_has_no_result_block(database: Database, file: File) -> None:
    assert page(database, file(items=("contractor",), changes={"contractor": {"contractor_name": ["新　代表"]}})).results == ()


def test_the_result_block_counts_terminals_added_changed_and_deleted(database: Database, review: Review, file: File) -> None:
    number = file(terminals={"add.net.sea": ["2"], "add.web.air": ["3"], "class.99999W": ["air"]})
    review.approve(number, START, approver=SATO)
    assert page(database, number).results == (
        ResultLine("user_codes", 0, 0, 0),
        ResultLine("id_numbers", 0, 0, 0),
        ResultLine("lines", 0, 0, 0),
        ResultLine("terminals", 5, 1, 0),
        ResultLine("mailboxes", 0, 0, 0),
    )
