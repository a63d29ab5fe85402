"""The pages of an application: their order, their checks, and that nothing typed is lost."""

import pytest
from werkzeug.test import TestResponse

from registry.drafts import Section
from tests.webui.conftest import HANAKO, START, TERMINAL, Doors
from tests.webui.visitors import Visitor

APPLICANT: dict[str, str | list[str]] = {
    "family_name": "通関",
    "given_name": "花子",
    "family_kana": "ﾂｳｶﾝ",
    "given_kana": "ハナコ",
    "department": "",
    "title": "",
    "phone": "03-1234-5678",
    "fax": "",
    "mail": "hanako@example.jp",
    "mail_again": "hanako@example.jp",
}
ITEMS: dict[str, str | list[str]] = {"items": ["terminals"], "wished_start": "20261215"}


@pytest.fixture
def hanako(doors: Doors) -> Visitor:
    """Return hanako, who has begun an application."""
    visitor = doors.customer()
    visitor.get("/apply")
    assert visitor.post("/apply").location == "/apply/items"
    return visitor


def send(visitor: Visitor, page: str, form: dict[str, str | list[str]]) -> TestResponse:
    visitor.get(f"/apply/{page}")
    return visitor.post(f"/apply/{page}", form)


def test_the_pages_come_in_the_references_order(hanako: Visitor) -> None:
    assert "申込担当者の入力へ進む" in hanako.get("/apply/items").text
    assert send(hanako, "items", ITEMS).location == "/apply/applicant"
    assert send(hanako, "applicant", APPLICANT).location == "/apply/terminals"
    assert send(hanako, "terminals", {"add.net.sea": "２"}).location == "/apply/confirm"
    assert "申込内容を登録する" in hanako.get("/apply/confirm").text


def test_each_other_item_gets_a_page_of_its_own(hanako: Visitor) -> None:
    send(hanako, "items", {**ITEMS, "items": ["terminals", "price_plan", "names"]})
    assert send(hanako, "applicant", APPLICANT).location == "/apply/items/names"
    page = hanako.get("/apply/items/names").text
    assert 'value="東京営業所"' in page
    assert "現在: 東京営業所" in page
    assert "現在: 登録なし" in page
    assert send(hanako, "items/names", {"office_name": "東京第二営業所"}).location == "/apply/terminals"
    assert send(hanako, "terminals", {"add.net.sea": "1"}).location == "/apply/items/price_plan"
    assert send(hanako, "items/price_plan", {"price_plan": "B"}).location == "/apply/confirm"


@pytest.mark.parametrize(
    ("page", "opens"),
    [("applicant", "items"), ("terminals", "items"), ("items/names", "items"), ("confirm", "items"), ("start-date", "applicant")],
)
def test_a_page_that_is_too_early_leads_to_the_first_open_one(hanako: Visitor, page: str, opens: str) -> None:
    if page == "start-date":
        send(hanako, "items", ITEMS)
    assert hanako.get(f"/apply/{page}").location == f"/apply/{opens}"


def test_without_a_draft_every_page_leads_to_the_guidance(doors: Doors) -> None:
    visitor = doors.customer()
    for page in ("items", "applicant", "terminals", "items/names", "confirm", "start-date"):
        assert visitor.get(f"/apply/{page}").location == "/apply"


@pytest.mark.parametrize(
    ("form", "field", "words", "kept"),
    [
        ({"items": [], "wished_start": "20261215"}, "items", "1つ以上選択", 'value="20261215"'),
        ({"items": ["terminals", "sharing"], "wished_start": "20261215"}, "items", "その他の契約変更", 'value="sharing" checked'),
        ({**ITEMS, "wished_start": "2026"}, "wished_start", "の形で入力", 'value="2026"'),
        ({**ITEMS, "wished_start": "20261131"}, "wished_start", "実在する日付", 'value="20261131"'),
        ({**ITEMS, "wished_start": "20261101"}, "wished_start", "今日以降", 'value="20261101"'),
        ({**ITEMS, "wished_start": "20301101"}, "wished_start", "2027/11/25までの日付", 'value="20301101"'),
    ],
)
def test_a_faulty_choice_is_explained_and_kept(
    hanako: Visitor, form: dict[str, str | list[str]], field: str, words: str, kept: str
) -> None:
    assert send(hanako, "items", form).location == "/apply/items#faults"
    page = hanako.get("/apply/items").text
    assert f'href="#{field}"' in page
    assert words in page
    assert kept in page


def test_the_first_terminals_of_an_office_need_two_more_items(doors: Doors) -> None:
    visitor = doors.customer("saburo", office_code="NAC002")
    visitor.get("/apply")
    visitor.post("/apply")
    send(visitor, "items", ITEMS)
    assert "次の項目も同時に選択してください: 識別番号" in visitor.get("/apply/items").text


def test_a_date_that_may_not_be_met_is_told_and_confirmed_by_going_on(hanako: Visitor) -> None:
    assert send(hanako, "items", {**ITEMS, "wished_start": "20261128"}).location == "/apply/start-date"
    page = hanako.get("/apply/start-date").text
    assert "標準日数より早い日付です" in page
    assert "予定にない日付です" in page
    assert "2026/12/08" in page
    assert hanako.get("/apply/applicant").status_code == 200


def test_the_schedule_lists_the_published_days(hanako: Visitor) -> None:
    page = hanako.get("/apply/schedule").text
    assert f'value="{START:%Y/%m/%d}"' in page
    assert 'datetime="2026-12-16"' not in page
    assert "最も早い予定日は2026/12/08です" in page


def test_the_applicant_is_filled_in_with_the_last_one(doors: Doors, hanako: Visitor) -> None:
    send(hanako, "items", ITEMS)
    assert 'value="業務部"' in hanako.get("/apply/applicant").text  # the administrator, the first time
    send(hanako, "applicant", {**APPLICANT, "department": "第二通関部"})
    send(hanako, "terminals", {"add.net.sea": "1"})
    draft = doors.drafts.load(HANAKO)
    assert draft
    doors.applications.submit(HANAKO, draft.id, version=draft.version)
    hanako.get("/apply")
    hanako.post("/apply")
    send(hanako, "items", ITEMS)
    assert 'value="第二通関部"' in hanako.get("/apply/applicant").text


@pytest.mark.parametrize(
    ("field", "typed", "words"),
    [
        ("family_name", "", "入力してください"),
        ("family_name", "通関\u200b", "使えない文字(U+200B)"),
        ("given_name", "通" * 21, "20文字以内"),
        ("family_kana", "つうかん", "全角カタカナ"),
        ("department", "م課", "全角で入力"),
        ("phone", "abc", "数字のみ"),
        ("phone", "123", "10桁または11桁"),
        ("fax", "12a", "数字のみ"),
        ("mail", "nobody", "メールアドレスの形式"),
        ("mail_again", "other@example.jp", "一致しません"),
    ],
)
def test_a_faulty_applicant_is_explained_beside_the_field_and_kept(hanako: Visitor, field: str, typed: str, words: str) -> None:
    send(hanako, "items", ITEMS)
    assert send(hanako, "applicant", {**APPLICANT, field: typed}).location == "/apply/applicant#faults"
    page = hanako.get("/apply/applicant").text
    assert words in page.partition(f'id="{field}-fault"')[2].partition("</p>")[0]
    assert f'value="{typed}"' in page
    assert 'value="03-1234-5678"' in page or field == "phone"
    assert hanako.get("/apply/terminals").location == "/apply/applicant"


@pytest.mark.parametrize(
    ("form", "field", "words"),
    [
        ({}, "add.net.sea", "追加する台数"),
        ({"add.net.sea": "x"}, "add.net.sea", "数字で入力"),
        ({"add.web.air": "201"}, "add.web.air", "200台まで"),
        ({f"class.{TERMINAL}": "air", "abolish": TERMINAL}, f"class.{TERMINAL}", "同時に申し込めません"),
        ({"abolish": "12345X"}, "abolish", "登録されていません"),
        ({f"class.{TERMINAL}": "space"}, f"class.{TERMINAL}", "システム区分を選択"),
    ],
)
def test_a_faulty_terminals_page_is_explained(hanako: Visitor, form: dict[str, str | list[str]], field: str, words: str) -> None:
    send(hanako, "items", ITEMS)
    send(hanako, "applicant", APPLICANT)
    assert send(hanako, "terminals", form).location == "/apply/terminals#faults"
    page = hanako.get("/apply/terminals").text
    assert words in page.partition(f'id="{field}-fault"')[2].partition("</p>")[0]
    assert f'href="#{field}"' in page
    assert f'id="{field}"' in page


def test_a_terminal_that_another_application_changes_is_shown_as_busy(doors: Doors, hanako: Visitor) -> None:
    send(hanako, "items", ITEMS)
    send(hanako, "applicant", APPLICANT)
    send(hanako, "terminals", {"abolish": TERMINAL})
    draft = doors.drafts.load(HANAKO)
    assert draft
    number = doors.applications.submit(HANAKO, draft.id, version=draft.version)
    hanako.get("/apply")
    hanako.post("/apply")
    send(hanako, "items", ITEMS)
    send(hanako, "applicant", APPLICANT)
    page = hanako.get("/apply/terminals").text
    assert f"申込{number}で手続き中" in page
    assert f'value="{TERMINAL}"' not in page


def test_the_other_items_are_required(hanako: Visitor) -> None:
    send(hanako, "items", {**ITEMS, "items": ["price_plan", "names"]})
    send(hanako, "applicant", APPLICANT)
    assert send(hanako, "items/names", {"office_name": ""}).location == "/apply/items/names#faults"
    assert "入力してください" in hanako.get("/apply/items/names").text.partition('id="office_name-fault"')[2]
    send(hanako, "items/names", {"office_name": "東京第二営業所"})
    assert send(hanako, "items/price_plan", {"price_plan": "C"}).location == "/apply/items/price_plan#faults"
    assert "選択肢から選んでください" in hanako.get("/apply/items/price_plan").text


def test_leaving_and_coming_back_goes_on_where_it_stopped(doors: Doors, hanako: Visitor) -> None:
    send(hanako, "items", ITEMS)
    send(hanako, "applicant", {**APPLICANT, "phone": "x"})
    later = doors.customer()
    assert "続きを入力する" in later.get("/apply").text
    assert later.post("/apply").location == "/apply/applicant"
    assert 'value="x"' in later.get("/apply/applicant").text


def test_a_corrected_page_can_lead_straight_to_the_confirmation(hanako: Visitor) -> None:
    send(hanako, "items", ITEMS)
    send(hanako, "applicant", APPLICANT)
    send(hanako, "terminals", {"add.net.sea": "1"})
    assert "申込内容確認へ進む" in hanako.get("/apply/applicant").text
    assert send(hanako, "applicant", {**APPLICANT, "then": "confirm"}).location == "/apply/confirm"


def test_a_draft_can_be_discarded(doors: Doors, hanako: Visitor) -> None:
    draft = doors.drafts.load(HANAKO)
    assert draft
    hanako.get("/apply")
    hanako.post("/apply/discard", {"draft": draft.id})
    assert doors.drafts.load(HANAKO) is None
    hanako.get("/apply")
    assert hanako.post("/apply/items", ITEMS).location == "/apply"


def test_a_page_saves_only_its_own_fields(doors: Doors, hanako: Visitor) -> None:
    send(hanako, "items", {**ITEMS, "surprise": "x"})
    draft = doors.drafts.load(HANAKO)
    assert draft
    assert set(draft.section(Section.CHOICE)) == {"items", "wished_start"}


def test_going_back_saves_what_was_typed_right_or_not(hanako: Visitor) -> None:
    send(hanako, "items", ITEMS)
    assert send(hanako, "applicant", {**APPLICANT, "family_name": "", "title": "係長", "then": "back"}).location == "/apply/items"
    assert 'value="係長"' in hanako.get("/apply/applicant").text
    send(hanako, "applicant", APPLICANT)
    assert send(hanako, "terminals", {"add.net.sea": "many", "then": "back"}).location == "/apply/applicant"
    assert 'value="many"' in hanako.get("/apply/terminals").text
    assert send(hanako, "items", {"items": ["storage"], "wished_start": "soon", "then": "back"}).location == "/apply"
    assert 'value="soon"' in hanako.get("/apply/items").text


def test_the_guidance_names_the_button_that_is_there(doors: Doors) -> None:
    hanako = doors.customer()
    assert "流れを確認したら、「申込内容選択へ進む」を押してください。" in hanako.get("/apply").text
    hanako.post("/apply")
    page = hanako.get("/apply").text
    assert "流れを確認したら、「続きを入力する」を押してください。" in page
    assert "申込内容選択へ進む" not in page
