"""The queue and an application's page."""

from datetime import date, timedelta

import pytest

from tests.webui.center.conftest import MARKUP, TERMINALS, file_application, with_items_by_hand
from tests.webui.conftest import HANAKO, KATO, SATO, START, Doors
from tests.webui.visitors import Visitor


def test_the_queue_shows_what_waits_for_review_oldest_first(doors: Doors, sato: Visitor) -> None:
    first, second, rejected = (file_application(doors) for _ in range(3))
    doors.review.reject(rejected, "書類がありません。", actor=SATO)
    page = sato.get("/applications/").text
    assert page.index(first) < page.index(second)
    assert rejected not in page
    assert "審査待ち (2)" in page


@pytest.mark.parametrize("tab", ["review", "answer", "prepare", "execute", "open", "ended", "all"])
def test_each_tab_shows_its_own_applications(doors: Doors, sato: Visitor, tab: str) -> None:
    numbers = {name: file_application(doors) for name in ("review", "answer", "prepare", "open", "ended")}
    numbers["execute"] = with_items_by_hand(doors)
    doors.review.query(numbers["answer"], "台数を確認してください。", actor=SATO)
    doors.review.approve(numbers["prepare"], START, approver=SATO)
    doors.review.approve(numbers["open"], START, approver=SATO)
    doors.preparation.prepare(numbers["open"], KATO)
    doors.applications.withdraw(HANAKO, numbers["ended"])
    page = sato.get(f"/applications/?tab={tab}").text
    shown = {name for name, number in numbers.items() if number in page}
    assert shown == {"open": {"prepare", "open", "execute"}, "all": set(numbers)}.get(tab, {tab})


def test_an_empty_queue_says_so(sato: Visitor) -> None:
    assert "ここに並ぶ申込は、今はありません。" in sato.get("/applications/").text
    assert "条件に合う申込はありません。" in sato.get("/applications/?q=NAC").text


def test_applications_are_found_by_receipt_number_and_office(doors: Doors, sato: Visitor) -> None:
    number, other = file_application(doors), file_application(doors)
    for typed in (number, number.lower(), " " + number, "２" + number[1:]):
        page = sato.get(f"/applications/?q={typed}").text
        assert number in page
        assert other not in page
    assert other in sato.get("/applications/?q=nac001").text
    assert "条件に合う申込はありません。" in sato.get("/applications/?q=NAC002").text
    assert 'value="&lt;script&gt;"' in sato.get("/applications/?q=<script>").text


def test_long_queues_are_read_page_by_page_and_keep_what_was_searched_for(doors: Doors, sato: Visitor) -> None:
    numbers = [file_application(doors) for _ in range(31)]
    first = sato.get("/applications/?q=NAC001").text
    assert numbers[30] in first  # of all the newest come first
    assert numbers[0] not in first
    assert "全31件 1 / 2ページ" in first
    assert 'rel="next" href="/applications/?q=NAC001&amp;page=2"' in first
    second = sato.get("/applications/?q=NAC001&page=2").text
    assert numbers[0] in second
    assert 'rel="prev"' in second
    waiting = sato.get("/applications/?q=NAC001&tab=review").text
    assert numbers[0] in waiting  # of those that wait the oldest
    assert numbers[30] not in waiting
    for wrong in ("0", "-1", "99", "x", "9" * 30, "１"):
        assert sato.get(f"/applications/?page={wrong}").status_code == 200


def test_what_waits_too_long_or_wishes_a_near_date_is_marked(doors: Doors, sato: Visitor) -> None:
    file_application(doors)
    page = sato.get("/applications/").text
    assert "営業日以上経過" not in page
    assert "希望日まで短い" not in page
    file_application(doors, wished=date(2026, 11, 26))
    assert "希望日まで短い" in sato.get("/applications/").text
    doors.clock.advance(timedelta(days=3))  # from Tuesday to Friday
    doors.enter(sato, "sato")
    page = sato.get("/applications/").text
    assert "2営業日以上経過" in page
    assert "希望日を過ぎています" in page
    assert "3日前" in page


def test_an_approved_application_without_codes_is_marked_before_its_start(doors: Doors, kato: Visitor) -> None:
    number = file_application(doors)
    doors.review.approve(number, date(2026, 11, 26), approver=SATO)
    assert "開始日が間近" in kato.get("/applications/?tab=prepare").text


def test_an_applications_page_shows_all_of_it(doors: Doors, sato: Visitor) -> None:
    changes = {"names": {"office_name": "新しい営業所"}, "price_plan": {"price_plan": "B"}}
    items = ("names", "terminals", "price_plan")
    number = file_application(doors, items=items, terminals=TERMINALS, changes=changes, remarks="急ぎます。")
    page = sato.get(f"/applications/{number}").text
    for text in (
        number,
        "内容確認中",
        "変更申込",
        "2026/12/15",
        "通関　花子",
        "ツウカン　ハナコ",
        "hanako@example.jp",
        "お客様 NAC001/hanako",
        "急ぎます。",
        "(新規)2台",
        "99999W",
        "事業所名",
        "新しい営業所",
        "Bプラン(従量料金のみ)",
        "確認事項はありません。",
        "この申込のメール 1通",
    ):
        assert text in page, text


MOVE = {"to_office": "NAC002", "what": "all", "details": MARKUP}


def test_what_customers_type_stays_text(doors: Doors, sato: Visitor) -> None:
    number = file_application(doors, items=("transfer",), changes={"transfer": MOVE}, remarks=MARKUP)
    doors.review.query(number, MARKUP, actor=SATO)
    doors.applications.answer(HANAKO, number, MARKUP)
    for path in (f"/applications/{number}", f"/mails/?number={number}", "/mails/2"):
        page = sato.get(path).text
        assert "<script" not in page
        assert "<b>備考" not in page
    assert sato.get(f"/applications/{number}").text.count("&lt;script&gt;") >= 4


def test_questions_and_answers_are_shown_in_turn(doors: Doors, sato: Visitor) -> None:
    number = file_application(doors)
    doors.review.query(number, "何台ですか。", actor=SATO)
    assert "回答はまだありません。" in sato.get(f"/applications/{number}").text
    doors.applications.answer(HANAKO, number, "1台です。")
    page = sato.get(f"/applications/{number}").text
    assert page.index("何台ですか。") < page.index("1台です。")
    assert "確認事項への回答" in page


def test_each_role_sees_the_deeds_that_are_its_own(doors: Doors, sato: Visitor, kato: Visitor, ito: Visitor) -> None:
    fresh, approved = file_application(doors), file_application(doors)
    doors.review.approve(approved, START, approver=SATO)
    assert "承認へ進む" in sato.get(f"/applications/{fresh}").text
    assert "申込を取り消す" in sato.get(f"/applications/{approved}").text
    assert "コードの準備へ進む" in kato.get(f"/applications/{approved}").text
    for visitor, number in ((kato, fresh), (ito, fresh), (ito, approved), (sato, approved)):
        page = visitor.get(f"/applications/{number}").text
        assert "承認へ進む" not in page
        assert "コードの準備へ進む" not in page


def test_an_application_that_is_not_there_is_not_found(sato: Visitor) -> None:
    for path in ("/applications/999999Z", "/applications/x", "/applications/999999Z/approve"):
        assert sato.get(path).status_code == 404
