"""The pages of change items: one for each, after the forms; and the applications of other kinds."""

import re

import pytest

from registry import applications, contracts
from registry.drafts import Kind
from registry.forms import FORMS
from registry.items import EXCLUSIVE, GROUPS, OF_KIND
from tests.webui.conftest import HANAKO, SATO, START, Doors
from tests.webui.portal.test_apply import APPLICANT, send
from tests.webui.visitors import Visitor

TABLE = [item.code for group in GROUPS for item in group.items if item.code != "terminals"]
JAPANESE = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff]")
Form = dict[str, str | list[str]]
CODE: Form = {
    "new1.user_code": "1ANAC",
    "new1.id_number": "001",
    "new1.system_class": "sea",
    "new1.business": "通関業",
    "new1.processing": "会話型",
}


def begun(visitor: Visitor, *items: str) -> Visitor:
    visitor.get("/apply")
    visitor.post("/apply")
    send(visitor, "items", {"items": list(items), "wished_start": "20261215"})
    send(visitor, "applicant", APPLICANT)
    return visitor


def confirm(visitor: Visitor, path: str = "/apply/confirm") -> str:
    page = visitor.get(path).text
    hidden = {name: re.findall(rf'name="{name}" value="([^"]*)"', page)[0] for name in ("draft", "shown")}
    return visitor.post(path, {**hidden, "remarks": ""}).location


@pytest.mark.parametrize("item", TABLE)
def test_every_item_of_the_table_has_a_page_in_both_languages(doors: Doors, item: str) -> None:
    visitor = begun(doors.customer(), item)
    page = visitor.get(f"/apply/items/{item}")
    assert page.status_code == 200
    asked = {field.ja for field in FORMS[item].fields if not field.is_shown}
    is_empty = FORMS[item].is_list and 'name="new1.' not in page.text
    assert is_empty or [label for label in asked if label not in page.text] == []
    visitor.post("/language", {"language": "en"})
    main = visitor.get(f"/apply/items/{item}").text.partition("<main")[2].partition("</main>")[0]
    main = re.sub(r'value="[^"]*"', "", main)  # what the contract says, and the business types' own words, are Japanese
    told = re.sub(r"Now: [^<]*", "", main)
    assert JAPANESE.findall(told.replace("大阪営業所", "")) == []


def test_a_page_that_changes_nothing_is_not_left(doors: Doors) -> None:
    visitor = begun(doors.customer(), "contractor")
    assert send(visitor, "items/contractor", {"contractor_name": "通関　太郎"}).location == "/apply/items/contractor#faults"
    page = visitor.get("/apply/items/contractor").text
    assert "変更しない場合は、項目の選択を外してください" in page.partition('id="contractor_name-fault"')[2]


def test_company_changes_say_which_offices_change_with_it(doors: Doors) -> None:
    visitor = begun(doors.customer(), "head_office")
    assert "大阪営業所" in visitor.get("/apply/items/head_office").text
    send(visitor, "items/head_office", {"head_phone": "0399998888"})
    page = visitor.get("/apply/confirm").text
    assert "企業の情報は、すべての事業所で変わります" in page
    assert "大阪営業所" in page
    assert "0399998888" in page


def test_rows_are_typed_kept_and_confirmed_with_before_and_after(doors: Doors) -> None:
    visitor = begun(doors.customer(), "user_codes", "id_numbers")
    assert send(visitor, "items/user_codes", {**CODE, "then": "more"}).location == "/apply/items/user_codes?more=1#new2.user_code"
    page = visitor.get("/apply/items/user_codes?more=1").text
    assert 'value="1ANAC"' in page
    assert 'id="new2.user_code"' in page
    assert "必須" not in page  # a new row may stay empty
    assert 'name="new5.user_code"' in page
    assert send(visitor, "items/user_codes", CODE).location == "/apply/items/id_numbers"
    assert '<option value="1ANAC">' in visitor.get("/apply/items/id_numbers").text  # what was added a page ago
    send(visitor, "items/id_numbers", {"new1.user_code": "1ANAC", "new1.id_number": "００２"})
    confirmation = visitor.get("/apply/confirm").text
    assert confirmation.count("<caption>利用者コード(追加・変更・削除)</caption>") == 1
    shown = re.sub(r"<[^>]+>|\s+", " ", confirmation)
    assert "1ANAC 002 識別番号" in re.sub(r" +", " ", shown)
    number = confirm(visitor).rpartition("/")[2]
    page = visitor.get(f"/applications/{number}").text
    assert "会話型" in page
    visitor.post("/language", {"language": "en"})
    page = visitor.get(f"/applications/{number}").text
    assert "Interactive" in page
    assert "会話型" not in page


def test_before_values_that_are_codes_are_told_in_english(doors: Doors) -> None:
    visitor = doors.customer()
    visitor.get("/")
    visitor.post("/language", {"language": "en"})
    begun(visitor, "price_plan", "mailboxes")
    send(visitor, "items/mailboxes", {"mailboxes": "3"})
    send(visitor, "items/price_plan", {"price_plan": "A"})
    number = confirm(visitor).rpartition("/")[2]
    doors.review.approve(number, START, approver=SATO)
    page = visitor.get(f"/applications/{number}").text
    assert "Plan A (basic fee and metered use)" in page
    assert "Mailboxes" in page


def test_an_office_that_may_move_is_told_of_its_lines(doors: Doors) -> None:
    visitor = begun(doors.customer(), "lines", "names")
    line: Form = {"new1.postal_code": "1050001", "new1.place": "東京都", "new1.kind": "shared"}
    send(visitor, "items/names", {"office_name": "新営業所"})
    send(visitor, "items/lines", line)
    number = confirm(visitor).rpartition("/")[2]
    doors.review.approve(number, START, approver=SATO)
    doors.review.mark_executed(number, "lines", actor=SATO)
    assert "L000001" in visitor.get("/contract/lines").text
    assert "この事業所は回線を利用しています" in begun(visitor, "names").get("/apply/items/names").text
    assert "この事業所は回線を利用しています" not in begun(visitor, "names", "lines").get("/apply/items/names").text


def test_what_a_page_did_not_show_stays_as_it_is(doors: Doors) -> None:
    number = registered(doors, CODE)
    doors.review.mark_executed(number, "user_codes", actor=SATO)
    visitor = begun(doors.customer(), "user_codes")
    page = visitor.get("/apply/items/user_codes").text
    assert "1ANAC" in page
    assert send(visitor, "items/user_codes", {**CODE, "new1.user_code": "2ANAC"}).location == "/apply/confirm"
    draft = doors.drafts.load(HANAKO)
    assert draft
    assert "1ANAC.business" not in draft.section("user_codes")


def registered(doors: Doors, code: Form) -> str:
    visitor = begun(doors.customer(), "user_codes")
    send(visitor, "items/user_codes", code)
    number = confirm(visitor).rpartition("/")[2]
    doors.review.approve(number, START, approver=SATO)
    return number


def test_an_item_without_rows_says_so(doors: Doors) -> None:
    visitor = begun(doors.customer(), "statistics")
    assert "変更できる登録はありません" in visitor.get("/apply/items/statistics").text
    assert send(visitor, "items/statistics", {}).location == "/apply/items/statistics#faults"
    assert 'id="entries"' in visitor.get("/apply/items/statistics").text


@pytest.mark.parametrize("item", ["terminals", "nothing", "system_settings", "names", "choice"])
def test_an_item_that_was_not_ticked_has_no_page(doors: Doors, item: str) -> None:
    visitor = begun(doors.customer(), "contractor")
    response = visitor.get(f"/apply/items/{item}")
    assert response.status_code == 404 or response.location == "/apply/items/contractor"


def test_who_ends_the_contract_is_told_of_the_terminals_that_remain(doors: Doors) -> None:
    visitor = begun(doors.customer(), "termination")
    assert "論理端末が1台残っています" in visitor.get("/apply/items/termination").text
    send(visitor, "items/termination", {"ending": "contract", "last_day": "1999/01/01", "ending_reason": ""})
    assert "今日以降の日付を入力してください。" in visitor.get("/apply/items/termination").text
    send(visitor, "items/termination", {"ending": "contract", "last_day": "2027/03/31", "ending_reason": ""})
    assert "論理端末が1台残っています" in visitor.get("/apply/confirm").text


def test_an_office_or_application_that_is_not_there_is_refused_beside_its_field(doors: Doors) -> None:
    visitor = begun(doors.customer(), "transfer")
    send(visitor, "items/transfer", {"to_office": "ZZZ998", "what": "all", "details": "すべて"})
    assert "この事業所コードは登録されていません。" in visitor.get("/apply/items/transfer").text
    assert send(visitor, "items/transfer", {"to_office": "NAC002", "what": "all", "details": "x"}).location == "/apply/confirm"


def test_an_office_without_user_codes_is_led_to_them(doors: Doors) -> None:
    # The office had no terminal yet: with its first ones it must tick ID numbers, too.
    visitor = begun(doors.customer("saburo", office_code="NAC002"), "id_numbers", "terminals", "price_plan")
    path = "/apply/items/id_numbers"
    page = visitor.get(path).text
    assert "利用者コードの登録がありません" in page
    assert 'href="/apply/items"' in page
    assert "選択できる登録がありません。" in page
    assert send(visitor, "items/id_numbers", {"new1.user_code": "", "new1.id_number": ""}).location == f"{path}#faults"
    assert "この画面の案内をご覧ください" in visitor.get(path).text
    both: Form = {"items": ["id_numbers", "terminals", "price_plan", "user_codes"], "wished_start": "20261215"}
    send(visitor, "items", both)
    assert send(visitor, "items/user_codes", CODE).location == path
    assert "利用者コードの登録がありません" not in visitor.get(path).text
    assert send(visitor, "items/id_numbers", {"new1.user_code": "", "new1.id_number": ""}).location == "/apply/terminals"


@pytest.mark.parametrize("path", ["/apply/broker_ids/items/broker_ids", "/apply/items/sharing"])
def test_where_user_codes_can_not_be_ticked_along_the_other_application_is_named(doors: Doors, path: str) -> None:
    visitor, root = doors.customer("saburo", office_code="NAC002"), path.rpartition("/items/")[0]
    visitor.get(root)
    visitor.post(root)
    visitor.post(f"{root}/items", {"items": ["sharing"], "wished_start": "20261215"})
    visitor.post(f"{root}/applicant", APPLICANT)
    page = visitor.get(path).text
    assert "利用者コードの登録がありません" in page
    assert '<a href="/apply">契約内容の変更へ</a>' in page


def test_the_items_of_the_exclusive_group_are_described_on_pages_of_their_own(doors: Doors) -> None:
    visitor = begun(doors.customer(), *sorted(EXCLUSIVE - {"sharing"}))
    forms: dict[str, Form] = {
        "joint_use": {"new1.partner": "NAC002"},
        "joint_use_new": {
            "new_name": "名古屋営業所",
            "new_postal_code": "4500001",
            "new_address": "名古屋市",
            "new_phone": "0521112222",
            "purpose": "輸出",
        },
        "transfer": {"to_office": "NAC002", "what": "all", "details": "すべて"},
        "succession": {
            "successor": "新商事",
            "successor_contractor": "新　太郎",
            "successor_title": "",
            "succession_day": "20270401",
            "succession_reason": "合併",
        },
        "termination": {"ending": "contract", "last_day": "2027/03/31", "ending_reason": ""},
    }
    for item, form in forms.items():
        send(visitor, f"items/{item}", form)
    page = visitor.get("/apply/confirm").text
    for words in ("名古屋営業所", "〒450-0001", "合併", "2027/03/31", "契約解除"):
        assert words in page
    assert confirm(visitor).startswith("/apply/done/")


@pytest.mark.parametrize("kind", sorted(OF_KIND))
def test_other_kinds_of_application_have_the_same_way(doors: Doors, kind: Kind) -> None:
    doors.review.mark_executed(registered(doors, CODE), "user_codes", actor=SATO)
    visitor = doors.customer()
    root = f"/apply/{kind.value}"
    visitor.get(root)
    assert visitor.post(root).location == f"{root}/items"
    assert 'name="items"' not in visitor.get(f"{root}/items").text
    assert visitor.post(f"{root}/items", {"wished_start": "20261215"}).location == f"{root}/applicant"
    assert visitor.post(f"{root}/applicant", APPLICANT).location == f"{root}/items/{OF_KIND[kind].code}"
    forms: dict[Kind, Form] = {
        Kind.SYSTEM_SETTINGS: {
            "setting": "output",
            "setting_details": "新しい端末へ",
            "for_receipt": "",
            "setting_user_code": "",
        },
        Kind.BROKER_IDS: {
            "new1.user_code": "1ANAC",
            "new1.id_number": "0A1",
            "new1.family_name": "通関",
            "new1.given_name": "士郎",
            "new1.family_kana": "ツウカン",
            "new1.given_kana": "シロウ",
            "new1.licence": "12-3456",
        },
    }
    assert "作成途中の申込があります" in visitor.get("/").text
    assert visitor.post(f"{root}/items/{OF_KIND[kind].code}", forms[kind]).location == f"{root}/confirm"
    location = confirm(visitor, f"{root}/confirm")
    number = location.rpartition("/")[2]
    with doors.database.snapshot() as session:
        detail = applications.detail(session, number)
    assert detail is not None
    assert detail.application.kind is kind
    assert "対象項目ごとの数" not in visitor.get(f"/applications/{number}").text  # rows of zeros tell nothing
    doors.review.approve(number, START, approver=SATO)
    doors.review.mark_executed(number, OF_KIND[kind].code, actor=SATO)
    with doors.database.snapshot() as session:
        contract = contracts.get(session, "NAC001")
    assert contract is not None
    assert len(contract.brokers) == (kind is Kind.BROKER_IDS)


def test_drafts_of_several_kinds_lie_side_by_side(doors: Doors) -> None:
    visitor = begun(doors.customer(), "contractor")
    visitor.get("/apply/broker_ids")
    visitor.post("/apply/broker_ids")
    assert [draft.kind for draft in doors.drafts.all_of(HANAKO)] == [Kind.CONTRACT_CHANGE, Kind.BROKER_IDS]
    page = visitor.get("/").text
    assert "/apply/broker_ids" in page
    assert visitor.get("/apply/items/contractor").status_code == 200


def test_whoever_has_no_right_to_apply_sees_no_page_of_it(doors: Doors) -> None:
    visitor = doors.customer("jiro")
    for path in ("/apply/items/names", "/apply/system_settings", "/apply/broker_ids/items"):
        assert visitor.get(path).status_code == 403
