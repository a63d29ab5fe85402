from datetime import date

import pytest

from kernel.database import Database
from kernel.errors import Refused
from registry import applications as room
from registry import terminals
from registry.applicants import contact_form
from registry.applications import Applications, Review
from registry.drafts import Customer, Drafts, Section
from registry.faults import Invalid
from registry.states import ApplicationState, SystemClass, TerminalEvent
from registry.terminals import Terminal
from tests.registry.conftest import ADMINISTRATOR, APPLICANT, HANAKO, SATO, TWO_MORE, File, Fill
from tests.registry.racing import race
from tests.registry.reading import deeds, mails, page, told
from tests.support.clock import SettableClock

pytestmark = pytest.mark.usefixtures("terminal")
TARO = Customer("NAC001", "taro")
STRANGER = Customer("NAC002", "hanako")


def test_a_submitted_draft_is_an_application_with_all_that_was_typed(
    database: Database, file: File, clock: SettableClock
) -> None:
    number = file(
        items=("terminals", "names"),
        terminals=TWO_MORE | {"class.99999W": ["air"]},
        changes={"names": {"office_name": ["新しい名前"]}},
    )
    shown = page(database, number)
    application = shown.application
    assert number == "260001A"
    assert (application.state, application.office_code) == (ApplicationState.APPLIED, "NAC001")
    assert (application.applied_at, application.applied_by) == (clock.now(), "customer:NAC001/hanako")
    assert (application.applicant, application.remarks) == (APPLICANT, "よろしく")
    assert application.wished_start == date(2026, 12, 10)
    assert [(item.item, item.after) for item in shown.items] == [("names", "事業所名：新しい名前"), ("terminals", None)]
    assert [(line.change, line.terminal_name, line.after, line.count) for line in shown.lines] == [
        ("add", None, SystemClass.SEA, 2),
        ("reclassify", "99999W", SystemClass.AIR, 1),
    ]


def test_submission_leaves_audit_news_and_a_mail_to_applicant_and_administrator(database: Database, file: File) -> None:
    number = file()
    assert deeds(database) == [("customer:NAC001/hanako", "application.apply", f"application:{number}")]
    assert told(database) == [("application-applied", f"application:{number}")]
    sent = mails(database)
    assert [mail.recipient for mail in sent] == ["hanako@example.jp", "taro@example.jp"]
    assert {mail.subject for mail in sent} == {"【NSS】利用申込受付のお知らせ"}
    for words in (number, "2026/11/24", "・netNACCS端末の登録情報", "- netNACCS terminals", "利用開始希望日：2026/12/10"):
        assert all(words in mail.body for mail in sent)


def test_an_applicant_who_is_the_administrator_gets_one_mail(database: Database, file: File) -> None:
    file(applicant=ADMINISTRATOR)
    assert [mail.recipient for mail in mails(database)] == ["taro@example.jp"]


def test_a_second_press_gives_the_same_number(database: Database, applications: Applications, fill: Fill) -> None:
    draft = fill()
    first = applications.submit(HANAKO, draft.id, version=draft.version)
    assert applications.submit(HANAKO, draft.id, version=draft.version) == first
    assert len(mails(database)) == 2


def test_however_many_press_at_one_moment_it_is_one_application(
    database: Database, applications: Applications, fill: Fill
) -> None:
    draft = fill()
    numbers = race(10, lambda _: applications.submit(HANAKO, draft.id, version=draft.version))
    assert set(numbers) == {"260001A"}
    with database.snapshot() as session:
        assert room.queue(session).total == 1
    assert len(deeds(database)) == 1


def test_different_drafts_that_are_submitted_at_one_moment_get_different_numbers(applications: Applications, fill: Fill) -> None:
    users = [Customer("NAC001", f"user{number}") for number in range(8)]
    drafts = [fill(customer=user) for user in users]
    numbers = race(8, lambda at: applications.submit(users[at], drafts[at].id, version=drafts[at].version))
    assert sorted(map(str, numbers)) == [f"26{serial:04d}A" for serial in range(1, 9)]


def test_what_changed_since_it_was_shown_is_not_submitted(applications: Applications, drafts: Drafts, fill: Fill) -> None:
    shown = fill()
    drafts.save(HANAKO, shown.id, Section.TERMINALS, {"add.net.sea": ["20"]})
    with pytest.raises(Refused, match="draft-stale"):
        applications.submit(HANAKO, shown.id, version=shown.version)


def test_nobody_submits_anothers_draft(applications: Applications, fill: Fill) -> None:
    draft = fill()
    for other in (TARO, STRANGER):
        with pytest.raises(Refused, match="draft-unknown"):
            applications.submit(other, draft.id, version=draft.version)
    number = applications.submit(HANAKO, draft.id, version=draft.version)
    assert number == "260001A"
    with pytest.raises(Refused, match="draft-unknown"):
        applications.submit(TARO, draft.id, version=draft.version)


def test_a_draft_with_faults_is_refused_and_kept(
    database: Database, applications: Applications, drafts: Drafts, fill: Fill
) -> None:
    draft = fill(terminals={"add.net.sea": ["none"]})
    with pytest.raises(Invalid) as refusal:
        applications.submit(HANAKO, draft.id, version=draft.version)
    assert [(fault.field, fault.code) for fault in refusal.value.faults] == [("terminals.add.net.sea", "count-digits")]
    assert drafts.load(HANAKO) == draft
    assert mails(database) == []


def test_rules_are_checked_again_when_days_have_passed(applications: Applications, fill: Fill, clock: SettableClock) -> None:
    draft = fill()
    clock.instant = clock.instant.replace(month=12, day=11)
    with pytest.raises(Invalid) as refusal:
        applications.submit(HANAKO, draft.id, version=draft.version)
    assert [fault.code for fault in refusal.value.faults] == ["date-past"]


def test_a_terminal_is_changed_by_one_open_application_at_a_time(
    database: Database, applications: Applications, file: File
) -> None:
    first = file(terminals={"abolish": ["99999W"]})
    with pytest.raises(Invalid) as refusal:
        file(terminals={"class.99999W": ["air"]})
    assert refusal.value.faults[0].facts == {"terminal": "99999W", "receipt_number": first}
    applications.withdraw(HANAKO, first)
    with database.snapshot() as session:
        draft_is_kept = room.queue(session).total
    assert draft_is_kept == 1
    assert file(terminals={"class.99999W": ["air"]}) == "260002A"


def test_of_changes_of_a_terminal_at_one_moment_one_is_taken(applications: Applications, fill: Fill) -> None:
    users = [Customer("NAC001", f"user{number}") for number in range(5)]
    drafts = [fill(customer=user, terminals={"abolish": ["99999W"]}) for user in users]
    outcomes = race(5, lambda at: applications.submit(users[at], drafts[at].id, version=drafts[at].version))
    assert sum(isinstance(outcome, str) for outcome in outcomes) == 1
    assert sum(isinstance(outcome, Invalid) for outcome in outcomes) == 4


def test_an_abolished_terminal_can_not_be_changed_any_more(
    database: Database, applications: Applications, fill: Fill, terminal: Terminal, clock: SettableClock
) -> None:
    draft = fill(terminals={"class.99999W": ["air"]})
    with database.transaction() as session:
        terminals.step(session, terminal.name, TerminalEvent.ABOLISH, clock.now())
    with pytest.raises(Invalid):
        applications.submit(HANAKO, draft.id, version=draft.version)


def test_the_last_applicant_fills_the_next_page(database: Database, file: File) -> None:
    with database.snapshot() as session:
        assert room.last_applicant(session, "NAC001") is None
    file()
    file(applicant=ADMINISTRATOR)
    with database.snapshot() as session:
        last = room.last_applicant(session, "NAC001")
    assert last is not None
    assert contact_form(last)["family_name"] == ["税関"]


def test_a_question_is_answered_and_the_review_goes_on(
    database: Database, applications: Applications, review: Review, file: File
) -> None:
    number = file()
    review.query(number, "台数は2台でよろしいですか。", actor=SATO)
    answered = applications.answer(TARO, number, " はい、2台です。\r\n")
    assert answered.state is ApplicationState.APPLIED
    (query,) = page(database, number).queries
    assert (query.question, query.answer) == ("台数は2台でよろしいですか。", "はい、2台です。")
    assert told(database)[1:] == [
        ("application-queried", f"application:{number}"),
        ("application-answered", f"application:{number}"),
    ]


def test_an_answer_that_nobody_asked_for_is_refused(applications: Applications, file: File) -> None:
    with pytest.raises(Refused, match="application-state"):
        applications.answer(HANAKO, file(), "はい")


def test_an_empty_answer_is_refused(applications: Applications, review: Review, file: File) -> None:
    number = file()
    review.query(number, "？", actor=SATO)
    with pytest.raises(Invalid) as refusal:
        applications.answer(HANAKO, number, " ")
    assert [(fault.field, fault.code) for fault in refusal.value.faults] == [("answer", "required")]


def test_a_withdrawn_application_is_over(database: Database, applications: Applications, file: File) -> None:
    number = file()
    withdrawn = applications.withdraw(HANAKO, number)
    assert (withdrawn.state, withdrawn.closed_at) == (ApplicationState.WITHDRAWN, withdrawn.applied_at)
    with pytest.raises(Refused, match="application-state"):
        applications.withdraw(HANAKO, number)
    assert mails(database)[-1].subject == "【NSS】利用申込取下げのお知らせ"


def test_another_offices_application_is_unknown(applications: Applications, file: File) -> None:
    number = file()
    for deed in (applications.withdraw, lambda who, what: applications.answer(who, what, "はい")):
        with pytest.raises(Refused, match="application-unknown"):
            deed(STRANGER, number)
