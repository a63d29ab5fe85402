from datetime import date, timedelta
from typing import Any

import pytest

from kernel import audit
from kernel.database import Database
from kernel.errors import Refused
from registry import applications as room
from registry import terminals
from registry.applications import Applications, Review
from registry.drafts import Customer
from registry.faults import Invalid
from registry.states import ApplicationState, DeviceClass, SystemClass, TerminalState
from tests.registry.conftest import HANAKO, SATO, START, SUZUKI, File
from tests.registry.racing import race
from tests.registry.reading import deeds, mails, page, told
from tests.support.clock import SettableClock

pytestmark = pytest.mark.usefixtures("terminal")
ONE_LINE = {"lines": {"new1.postal_code": ["1350064"], "new1.place": ["東京都江東区４－５"], "new1.kind": ["shared"]}}


def test_approval_confirms_a_start_date_and_names_the_terminals(database: Database, review: Review, file: File) -> None:
    number = file(terminals={"add.net.sea": ["2"], "add.web.air": ["1"]})
    approved = review.approve(number, date(2026, 12, 15), approver=SATO)
    assert (approved.state, approved.start_date) == (ApplicationState.APPROVED, date(2026, 12, 15))
    assert approved.wished_start == START
    assert (approved.approver, approved.settings_deadline) == ("staff:sato", None)
    with database.snapshot() as session:
        made = room.terminals_to_prepare(session, number)
    assert [(terminal.name, terminal.device_class, terminal.system_class) for terminal in made] == [
        ("00001E", DeviceClass.WEB, SystemClass.AIR),
        ("00001W", DeviceClass.NET, SystemClass.SEA),
        ("00002W", DeviceClass.NET, SystemClass.SEA),
    ]
    assert {(terminal.state, terminal.start_date) for terminal in made} == {(TerminalState.PENDING, date(2026, 12, 15))}


def test_approval_leaves_audit_news_and_the_mail_of_the_reviews_end(database: Database, review: Review, file: File) -> None:
    number = file()
    review.approve(number, START, approver=SATO)
    assert deeds(database)[-1] == ("staff:sato", "application.approve", f"application:{number}")
    assert told(database)[-1] == ("application-approved", f"application:{number}")
    sent = mails(database)[2:]
    assert [mail.recipient for mail in sent] == ["hanako@example.jp", "taro@example.jp"]
    for mail in sent:
        assert mail.subject == "【NSS】利用申込確認完了のお知らせ"
        for part in ("2026/11/24", number, "2026/12/10", "https://portal.example.jp/", "Start date: 2026-12-10"):
            assert part in mail.body


def test_who_applied_does_not_approve(review: Review, file: File, database: Database) -> None:
    number = file()
    with pytest.raises(Refused, match="approver-is-applicant"):
        review.approve(number, START, approver=audit.customer("NAC001", "hanako"))
    assert page(database, number).application.state is ApplicationState.APPLIED


def test_of_two_approvals_at_one_moment_one_is_taken(database: Database, review: Review, file: File) -> None:
    number = file()
    outcomes = race(2, lambda at: review.approve(number, START, approver=(SATO, SUZUKI)[at]))
    assert sorted(getattr(outcome, "code", "") for outcome in outcomes) == ["", "application-state"]
    assert len(page(database, number).terminals) == 2


def test_approvals_of_many_applications_at_one_moment_name_all_terminals(database: Database, review: Review, file: File) -> None:
    numbers = [
        file(customer=Customer("NAC001", f"u{at}"), terminals={"add.net.sea": ["3"], "add.web.sea": ["2"]}) for at in range(6)
    ]
    outcomes = race(6, lambda at: review.approve(numbers[at], START, approver=SATO))
    assert [outcome for outcome in outcomes if isinstance(outcome, Exception)] == []
    with database.snapshot() as session:
        assert terminals.of_office(session, "NAC001").total == 31


def test_a_start_date_that_can_not_be_is_not_confirmed(review: Review, file: File) -> None:
    number = file()
    for start, code in ((date(2026, 11, 23), "date-past"), (date(2028, 1, 1), "date-far")):
        with pytest.raises(Refused, match=code):
            review.approve(number, start, approver=SATO)


def test_today_and_a_sunday_can_be_confirmed(review: Review, file: File, clock: SettableClock) -> None:
    assert review.approve(file(), clock.now().date(), approver=SATO).state is ApplicationState.APPROVED
    assert review.approve(file(), date(2026, 12, 13), approver=SATO).state is ApplicationState.APPROVED


def test_items_that_need_system_settings_get_a_deadline_which_is_mailed(database: Database, review: Review, file: File) -> None:
    number = file(items=("lines",), changes=ONE_LINE)
    approved = review.approve(number, START, approver=SATO)
    assert approved.settings_deadline == date(2026, 12, 4)
    assert "2026/12/04" in mails(database)[-1].body
    with database.snapshot() as session:
        assert room.overdue_settings(session, date(2026, 12, 4)) == ()
        assert room.missing_settings(session, "NAC001", date(2026, 12, 4)) == (number,)
        assert room.missing_settings(session, "NAC002", date(2026, 12, 4)) == ()
        assert room.missing_settings(session, "NAC001", date(2026, 12, 5)) == ()
        assert room.overdue_settings(session, date(2026, 12, 5)) == (number,)


def test_a_start_that_leaves_no_time_for_system_settings_is_not_confirmed(review: Review, file: File) -> None:
    number = file(items=("lines",), changes=ONE_LINE)
    with pytest.raises(Refused, match="settings-too-late"):
        review.approve(number, date(2026, 11, 27), approver=SATO)


def test_settings_that_staff_have_made_are_not_overdue(database: Database, review: Review, file: File) -> None:
    number = file(items=("lines",), changes=ONE_LINE)
    review.approve(number, START, approver=SATO)
    review.mark_executed(number, "lines", actor=SUZUKI)
    with database.snapshot() as session:
        assert room.overdue_settings(session, START) == ()
    assert [(line.item, line.added) for line in page(database, number).results if line.added] == [("lines", 1)]


def test_a_question_is_mailed_and_waits_for_the_customer(database: Database, review: Review, file: File) -> None:
    number = file()
    assert review.query(number, "台数をご確認ください。", actor=SATO).state is ApplicationState.QUERIED
    assert "台数をご確認ください。" in mails(database)[-1].body
    with pytest.raises(Refused, match="application-state"):
        review.query(number, "もう一度。", actor=SATO)


def test_a_question_that_was_answered_by_telephone_does_not_hinder_approval(review: Review, file: File) -> None:
    number = file()
    review.query(number, "台数をご確認ください。", actor=SATO)
    assert review.approve(number, START, approver=SATO).state is ApplicationState.APPROVED


def test_a_rejection_tells_its_reason_and_frees_the_terminals(database: Database, review: Review, file: File) -> None:
    number = file(terminals={"abolish": ["99999W"]})
    rejected = review.reject(number, "契約者と異なるため", actor=SATO)
    assert (rejected.state, rejected.reason) == (ApplicationState.REJECTED, "契約者と異なるため")
    assert "契約者と異なるため" in mails(database)[-1].body
    assert told(database)[-1] == ("application-rejected", f"application:{number}")
    assert file(terminals={"abolish": ["99999W"]}) == "260002A"


def test_staff_say_something_that_can_be_read(review: Review, file: File) -> None:
    number = file()
    for deed in (review.query, review.reject):
        for words in ("", " \n", "長" * 1001, "\x00"):
            with pytest.raises(Invalid):
                deed(number, words, actor=SATO)


def test_a_cancelled_application_takes_its_terminals_with_it(
    database: Database, review: Review, file: File, clock: SettableClock
) -> None:
    number = file()
    review.approve(number, START, approver=SATO)
    with database.transaction() as session:
        room.mark_prepared(session, number, SUZUKI, clock.now())
    with database.transaction() as session:
        ended = room.cancel(session, review.letters, number, actor=SATO, reason="お客様のご依頼により", now=clock.now())
        seen = room.find(session, number, lock=True)
    assert ended == ("00001W", "00002W")
    assert seen is not None
    assert (seen.state, seen.reason) == (ApplicationState.CANCELLED, "お客様のご依頼により")
    assert {terminal.state for terminal in page(database, number).terminals} == {TerminalState.ABOLISHED}
    with database.snapshot() as session:
        assert room.terminals_to_prepare(session, number) == ()
    assert mails(database)[-1].subject == "【NSS】利用申込取消しのお知らせ"


def test_a_void_application_takes_its_terminals_with_it(
    database: Database, review: Review, file: File, clock: SettableClock
) -> None:
    number = file()
    review.approve(number, START, approver=SATO)
    with database.transaction() as session:
        room.void(session, review.letters, number, actor=audit.job("void"), reason="期限経過", now=clock.now())
    assert page(database, number).application.state is ApplicationState.VOID
    assert told(database)[-1] == ("application-void", f"application:{number}")


def test_what_was_carried_out_is_marked_once(database: Database, review: Review, file: File) -> None:
    number = file(items=("terminals", "names"), changes={"names": {"office_name": ["新"]}})

    def refused(item: str) -> Any:  # noqa: ANN401 (whatever a refusal's code is)
        with pytest.raises(Refused) as refusal:
            review.mark_executed(number, item, actor=SUZUKI)
        return refusal.value.code

    assert refused("names") == "application-state"
    review.approve(number, START, approver=SATO)
    assert refused("terminals") == "item-typed"
    assert refused("storage") == "item-unknown"
    review.mark_executed(number, "names", actor=SUZUKI)
    assert refused("names") == "item-executed"
    assert [item.executed_by for item in page(database, number).items] == ["staff:suzuki", None]
    assert deeds(database)[-1] == ("staff:suzuki", "application.execute", f"application:{number}")


def test_an_application_that_is_not_there_is_unknown(review: Review, applications: Applications) -> None:
    for number in ("260999A", "", "x", "\x00", "\ud800"):
        with pytest.raises(Refused, match="application-unknown"):
            review.approve(number, START, approver=SATO)
        with pytest.raises(Refused, match="application-unknown"):
            applications.withdraw(HANAKO, number)


def test_the_reviews_day_is_the_day_of_the_deed(review: Review, file: File, clock: SettableClock) -> None:
    number = file()
    later = clock.advance(timedelta(days=1))
    assert review.approve(number, START, approver=SATO).reviewed_at == later
