"""Approving, asking, rejecting, cancelling, carrying out, preparing codes."""

import json
from datetime import date

import pytest
from sqlalchemy import text

from registry import applications
from registry.applications import Detail
from registry.states import ApplicationState, TerminalState
from tests.webui.center.conftest import MARKUP, file_application, with_items_by_hand
from tests.webui.conftest import KATO, OPERATOR, SATO, START, Doors
from tests.webui.visitors import PASSWORD, Visitor
from webui.accounts import NewAccount, Role


def detail_of(doors: Doors, number: str) -> Detail:
    with doors.database.snapshot() as session:
        detail = applications.detail(session, number)
    assert detail is not None
    return detail


def state_of(doors: Doors, number: str) -> ApplicationState:
    return detail_of(doors, number).application.state


def test_approval_takes_a_form_a_confirmation_and_a_button(doors: Doors, sato: Visitor) -> None:
    number = file_application(doors)
    form = sato.get(f"/applications/{number}/approve").text
    assert 'value="2026/12/15"' in form
    confirmation = sato.arrive(f"/applications/{number}/approve", {"start_date": "２０２６１２１７"})
    assert "まだ何も行われていません。" in confirmation.text
    assert "希望日(2026/12/15)と異なる日付です。" in confirmation.text
    assert state_of(doors, number) is ApplicationState.APPLIED
    done = sato.post(f"/applications/{number}/approve", {"start_date": "2026/12/17", "step": "do"})
    assert done.status_code == 303
    page = sato.get(done.location).text
    assert f"申込{number}を承認しました。" in page
    application = detail_of(doors, number).application
    assert (application.state, application.start_date, application.approver) == (
        ApplicationState.APPROVED,
        date(2026, 12, 17),
        "staff:sato",
    )


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ("2026/12/05", ["営業日ではありません。", "標準日数(10営業日)より短い", "次の利用開始日は2026/12/08です。"]),
        ("2026/12/16", ["公表している利用開始日ではありません。"]),
        ("2026/12/15", []),
    ],
)
def test_warnings_of_a_date_are_shown_before_it_is_confirmed_and_do_not_forbid_it(
    doors: Doors, sato: Visitor, typed: str, told: list[str]
) -> None:
    number = file_application(doors)
    sato.get(f"/applications/{number}/approve")
    page = sato.arrive(f"/applications/{number}/approve", {"start_date": typed}).text
    assert all(sentence in page for sentence in told)
    assert ("ご注意" in page) is bool(told)
    sato.post(f"/applications/{number}/approve", {"start_date": typed, "step": "do"})
    assert state_of(doors, number) is ApplicationState.APPROVED


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ("", "入力してください。"),
        ("あした", "日付は20261210または2026/12/10の形で入力してください。"),
        ("2026/02/30", "実在する日付を入力してください。"),
        ("2026/11/23", "今日以降の日付を入力してください。"),
        ("2030/01/01", "2027/11/25までの日付を入力してください。"),
        (MARKUP, "日付は20261210または2026/12/10の形で入力してください。"),
    ],
)
@pytest.mark.parametrize("step", ["", "do"])
def test_a_wrong_date_is_told_beside_the_field_and_kept(
    doors: Doors, sato: Visitor, typed: str, sentence: str, step: str
) -> None:
    number = file_application(doors)
    sato.get(f"/applications/{number}/approve")
    response = sato.post(f"/applications/{number}/approve", {"start_date": typed, "step": step})
    assert response.status_code == 422
    assert f'id="start_date-fault"><span class="hidden">誤り: </span>{sentence}' in response.text
    assert "<script" not in response.text
    assert 'aria-invalid="true"' in response.text
    assert state_of(doors, number) is ApplicationState.APPLIED


def test_a_date_that_leaves_no_time_for_system_settings_is_refused_beside_the_field(doors: Doors, sato: Visitor) -> None:
    number = file_application(doors, items=("mailboxes",), changes={"mailboxes": {"mailboxes": "1"}})
    sato.get(f"/applications/{number}/approve")
    for step in ({}, {"step": "do"}):  # already before it is confirmed
        response = sato.post(f"/applications/{number}/approve", {"start_date": "2026/11/26", **step})
        assert response.status_code == 422
        assert "システム設定の締切日(2026/11/19)を過ぎるため" in response.text
        assert 'value="2026/11/26"' in response.text
    assert "2026/12/09" in sato.arrive(f"/applications/{number}/approve", {"start_date": "2026/12/15"}).text


def test_going_back_shows_the_form_as_it_was_typed(doors: Doors, sato: Visitor) -> None:
    number = file_application(doors)
    sato.get(f"/applications/{number}/approve")
    assert 'value="20261217"' in sato.arrive(f"/applications/{number}/approve", {"start_date": "20261217", "step": "back"}).text
    page = sato.arrive(f"/applications/{number}/query", {"question": f"一行目\r\n{MARKUP}", "step": "back"}).text
    assert "一行目\r\n&lt;script&gt;" in page


def test_approving_twice_does_no_harm_and_says_why_nothing_happened(doors: Doors, sato: Visitor) -> None:
    number = file_application(doors)
    sato.get(f"/applications/{number}/approve")
    for _ in range(2):
        response = sato.post(f"/applications/{number}/approve", {"start_date": "2026/12/15", "step": "do"})
        assert response.status_code == 303
    page = sato.get(response.location).text
    assert "申込の状態が「審査終了」のため、この操作はできません。" in page
    assert len(detail_of(doors, number).terminals) == 1
    late = sato.get(f"/applications/{number}/approve")
    assert late.status_code == 303


def test_a_question_goes_to_the_customer_after_confirmation(doors: Doors, sato: Visitor) -> None:
    number = file_application(doors)
    sato.get(f"/applications/{number}/query")
    confirmation = sato.arrive(f"/applications/{number}/query", {"question": f"台数は?\r\n{MARKUP}"}).text
    assert "&lt;script&gt;" in confirmation
    assert "<script" not in confirmation
    assert state_of(doors, number) is ApplicationState.APPLIED
    sato.post(f"/applications/{number}/query", {"question": f"台数は?\r\n{MARKUP}", "step": "do"})
    assert state_of(doors, number) is ApplicationState.QUERIED
    [query] = detail_of(doors, number).queries
    assert query.question == f"台数は?\n{MARKUP}"


@pytest.mark.parametrize("deed", ["query", "reject", "cancel"])
@pytest.mark.parametrize(("typed", "sentence"), [("  ", "入力してください。"), ("長" * 1001, "1000文字以内で入力してください。")])
def test_words_that_can_not_be_sent_are_told_and_kept(doors: Doors, sato: Visitor, deed: str, typed: str, sentence: str) -> None:
    number = file_application(doors)
    if deed == "cancel":
        doors.review.approve(number, START, approver=SATO)
    sato.get(f"/applications/{number}/{deed}")
    field = "question" if deed == "query" else "reason"
    response = sato.post(f"/applications/{number}/{deed}", {field: typed, "step": "do"})
    assert response.status_code == 422
    assert sentence in response.text
    assert typed in response.text


def test_a_rejection_takes_a_reason_and_a_confirmation(doors: Doors, sato: Visitor) -> None:
    number = file_application(doors)
    sato.get(f"/applications/{number}/reject")
    assert "元に戻せません。" in sato.arrive(f"/applications/{number}/reject", {"reason": "書類がありません。"}).text
    assert state_of(doors, number) is ApplicationState.APPLIED
    done = sato.post(f"/applications/{number}/reject", {"reason": "書類がありません。", "step": "do"})
    page = sato.get(done.location).text
    assert "不承認にしました。" in page
    assert "書類がありません。" in page
    again = sato.post(f"/applications/{number}/reject", {"reason": "もう一度", "step": "do"})
    assert "「不承認」のため" in sato.get(again.location).text


@pytest.mark.parametrize("has_codes", [False, True])
def test_a_cancellation_ends_the_terminals_that_were_made(doors: Doors, sato: Visitor, *, has_codes: bool) -> None:
    number = file_application(doors)
    doors.review.approve(number, START, approver=SATO)
    if has_codes:
        doors.preparation.prepare(number, KATO)
    name = detail_of(doors, number).terminals[0].name
    sato.get(f"/applications/{number}/cancel")
    confirmation = sato.arrive(f"/applications/{number}/cancel", {"reason": "ご依頼のため"}).text
    assert name in confirmation
    assert detail_of(doors, number).terminals[0].state is TerminalState.PENDING
    done = sato.post(f"/applications/{number}/cancel", {"reason": "ご依頼のため", "step": "do"})
    assert f"端末{name}を廃止しました。" in sato.get(done.location).text
    assert state_of(doors, number) is ApplicationState.CANCELLED
    assert detail_of(doors, number).terminals[0].state is TerminalState.ABOLISHED


def test_carrying_out_an_item_changes_the_contract_once(doors: Doors, sato: Visitor) -> None:
    row = {"user_code": "1ANAC", "id_number": "001", "system_class": "sea", "business": "通関業", "processing": "会話型"}
    new = {f"new1.{name}": text for name, text in row.items()}
    number = file_application(doors, items=("user_codes",), changes={"user_codes": new})
    doors.review.approve(number, START, approver=SATO)
    path = f"/applications/{number}/items/user_codes"
    assert "実施済みにする" in sato.get(f"/applications/{number}").text
    assert "実施済みにすると、契約内容がすぐに変更後の内容になります。" in sato.get(path).text
    assert "1ANAC" not in sato.get("/offices/NAC001").text
    done = sato.post(path)
    assert "実施済みにしました。" in sato.get(done.location).text
    assert "1ANAC" in sato.get("/offices/NAC001").text
    result = next(line for line in detail_of(doors, number).results if line.item == "user_codes")
    assert (result.added, result.changed, result.removed) == (1, 0, 0)
    again = sato.post(path)
    assert "この変更項目はすでに実施済みです。" in sato.get(again.location).text
    assert sato.get(path).status_code == 303


def test_a_contract_that_has_changed_meanwhile_is_shown_and_stays(doors: Doors, sato: Visitor) -> None:
    numbers = [
        file_application(doors, items=("names",), changes={"names": {"company_name": name}}) for name in ("新商事", "別商事")
    ]
    for number in numbers:
        doors.review.approve(number, START, approver=SATO)
    first, second = (f"/applications/{number}/items/names" for number in numbers)
    assert "NAC002" in sato.get(first).text  # the company's other office is told, too
    sato.post(first)
    page = sato.get(second).text
    assert "申込の後で、契約内容が変わっています" in page
    assert "企業名: 現在は「新商事」" in page
    sato.get("/")
    refused = sato.post(second)
    assert "実施できません" in sato.get(refused.location).text
    assert "新商事" in sato.get("/offices/NAC001").text
    assert "企業名または本社の情報が変わりました" in doors.customer("saburo", office_code="NAC002").get("/").text
    assert "「企業名、事業所名、所在地等」の変更を実施しました" in doors.customer().get("/").text


def test_a_contract_does_not_end_while_it_has_terminals(doors: Doors, sato: Visitor) -> None:
    changes = {"termination": {"ending": "office", "last_day": "20270331", "ending_reason": ""}}
    number = file_application(doors, items=("termination",), changes=changes)
    sato.get(f"/applications/{number}/approve")
    confirmation = sato.arrive(f"/applications/{number}/approve", {"start_date": "2026/12/15"}).text
    assert "論理端末が1台残っています。" in confirmation
    doors.review.approve(number, START, approver=SATO)
    page = sato.get(f"/applications/{number}/items/termination").text
    assert "まだ実施できません" in page
    assert f'href="/applications/{number}/cancel"' in page
    assert "/terminals/?q=NAC001" in page
    assert "実施済みにする</button>" not in page
    assert "論理端末が残っています" in sato.get(sato.post(f"/applications/{number}/items/termination").location).text


def test_what_was_filed_under_older_rules_says_what_to_do_instead_of_breaking(doors: Doors, sato: Visitor) -> None:
    filed = {"termination": {"ending": "office", "last_day": "20270331", "ending_reason": ""}}
    number, approved = (file_application(doors, items=("termination",), changes=filed) for _ in range(2))
    doors.review.approve(approved, START, approver=SATO)
    with doors.database.transaction() as session:
        older = [{"ref": "", "before": None, "after": {"ending": "merger", "colour": "red"}}]
        session.execute(text("UPDATE registry_application_item SET entries = :entries"), {"entries": json.dumps(older)})
    refused = sato.get(f"/applications/{number}/approve")
    page = sato.get(refused.location).text
    assert "「契約解除、事業所廃止」の申込内容(解約の内容、最終利用日、登録内容)は、現在の規則では実施できません。" in page
    assert "確認事項で修正を依頼" in page
    assert state_of(doors, number) is ApplicationState.APPLIED
    shown = sato.get(f"/applications/{approved}/items/termination")
    assert "まだ実施できません" in shown.text
    assert f'href="/applications/{approved}/cancel"' in shown.text
    assert "実施済みにする</button>" not in shown.text
    pressed = sato.post(f"/applications/{approved}/items/termination")
    assert "現在の規則では実施できません。" in sato.get(pressed.location).text


def test_items_that_carry_themselves_out_or_are_not_there_have_no_page(doors: Doors, sato: Visitor) -> None:
    number = with_items_by_hand(doors)
    for item in ("terminals", "price_plan", "names", "nothing"):
        assert sato.get(f"/applications/{number}/items/{item}").status_code == 404
        assert sato.post(f"/applications/{number}/items/{item}", {"added": "1"}).status_code == 404


def test_codes_are_prepared_by_issuing_staff_and_never_shown(doors: Doors, kato: Visitor) -> None:
    number = file_application(doors, terminals={"add.net.sea": ["2"]})
    doors.review.approve(number, START, approver=SATO)
    confirmation = kato.get(f"/applications/{number}/codes").text
    names = [terminal.name for terminal in detail_of(doors, number).terminals]
    assert all(name in confirmation for name in names)
    assert state_of(doors, number) is ApplicationState.APPROVED
    done = kato.post(f"/applications/{number}/codes")
    page = kato.get(done.location).text
    assert f"端末{', '.join(names)}のコードを準備しました。" in page
    assert "未取得" in page
    again = kato.post(f"/applications/{number}/codes")
    assert "「証明書取得可能」のため、この操作はできません。" in kato.get(again.location).text
    assert kato.get(f"/applications/{number}/codes").status_code == 303


def test_who_approved_is_told_beforehand_that_another_prepares(doors: Doors) -> None:
    roles = frozenset({Role.REVIEW, Role.ISSUING})
    doors.accounts.add(NewAccount("mori", "森", "mori@example.jp", PASSWORD, roles), OPERATOR)
    mori = doors.staff("mori")
    number = file_application(doors)
    mori.get(f"/applications/{number}/approve")
    mori.post(f"/applications/{number}/approve", {"start_date": "2026/12/15", "step": "do"})
    page = mori.get(f"/applications/{number}").text
    assert "コードはほかの職員が準備します" in page
    assert "コードの準備へ進む" not in page
    barred = mori.get(f"/applications/{number}/codes").text
    assert "この申込を承認した職員は、コードを準備できません。" in barred
    assert '<button type="submit" name="step"' not in barred
    refused = mori.post(f"/applications/{number}/codes")
    assert "この申込を承認した職員は、コードを準備できません。" in mori.get(refused.location).text
    assert state_of(doors, number) is ApplicationState.APPROVED
