"""The list of applications, one of them, answers and withdrawal."""

import pytest

from tests.webui.conftest import SATO, START, Doors


def test_the_list_shows_number_state_and_items(doors: Doors) -> None:
    number = doors.applied()
    page = doors.customer().get("/applications").text
    for words in (number, "内容確認中", "netNACCS端末の登録情報", "端末の追加2台", "2026/12/15"):
        assert words in page
    assert "申込はまだありません" in doors.customer("saburo", office_code="NAC002").get("/applications").text


def test_the_page_shows_dates_result_and_history(doors: Doors) -> None:
    number, names = doors.prepared()
    page = doors.customer().get(f"/applications/{number}").text
    for words in (*names, "証明書取得可能", "2026/12/15", "論理端末数", "ID通知内容", "利用申込の審査を終了しました"):
        assert words in page
    assert "申込を取り下げる" not in page


@pytest.mark.parametrize("path", ["", "/withdrawal", "/id-notice", "/id-notice/00001W/freeze"])
def test_another_offices_application_is_unknown(doors: Doors, path: str) -> None:
    number, _ = doors.prepared()
    visitor = doors.customer("saburo", office_code="NAC002")
    response = visitor.get(f"/applications/{number}{path}")
    if path == "/id-notice":  # the page of the application says that there is none
        response = visitor.get(response.location)
    assert response.status_code == 404


def test_another_office_can_neither_answer_nor_withdraw(doors: Doors) -> None:
    number = doors.applied()
    doors.review.query(number, "本当ですか。", actor=SATO)
    stranger = doors.customer("saburo", office_code="NAC002")
    stranger.get("/")
    assert stranger.post(f"/applications/{number}/withdrawal").status_code == 404
    assert stranger.post(f"/applications/{number}", {"answer": "はい"}).status_code == 404
    assert "確認事項あり" in doors.customer().get(f"/applications/{number}").text


def test_a_question_is_answered(doors: Doors) -> None:
    number = doors.applied()
    doors.review.query(number, "台数は2台で正しいですか。", actor=SATO)
    visitor = doors.customer()
    assert "台数は2台で正しいですか。" in visitor.get(f"/applications/{number}").text
    empty = visitor.post(f"/applications/{number}", {"answer": " "})
    assert empty.status_code == 422
    assert 'id="answer-fault"' in empty.text
    long = visitor.post(f"/applications/{number}", {"answer": "長" * 1001})
    assert "長" * 1001 in long.text
    assert visitor.post(f"/applications/{number}", {"answer": "はい"}).location == f"/applications/{number}"
    page = visitor.get(f"/applications/{number}").text
    assert "回答を送信しました" in page
    assert "内容確認中" in page
    assert "<textarea" not in page
    assert visitor.post(f"/applications/{number}", {"answer": "もう一度"}).status_code == 409


def test_withdrawal_is_asked_for_twice_and_ends_the_application(doors: Doors) -> None:
    number = doors.applied()
    visitor = doors.customer()
    assert "元に戻せません" in visitor.get(f"/applications/{number}/withdrawal").text
    assert visitor.post(f"/applications/{number}/withdrawal").location == f"/applications/{number}"
    assert "申込を取り下げました" in visitor.get(f"/applications/{number}").text
    assert visitor.get(f"/applications/{number}/withdrawal").location == f"/applications/{number}"
    assert visitor.post(f"/applications/{number}/withdrawal").status_code == 409


def test_who_may_only_look_sees_no_buttons(doors: Doors) -> None:
    number = doors.applied()
    visitor = doors.customer("jiro")
    assert "取り下げる" not in visitor.get(f"/applications/{number}").text
    assert visitor.post(f"/applications/{number}/withdrawal").status_code == 403


def test_a_start_date_other_than_the_wish_is_pointed_out(doors: Doors) -> None:
    number = doors.applied()
    doors.review.approve(number, START.replace(day=17), approver=SATO)
    page = doors.customer().get(f"/applications/{number}").text
    assert "2026/12/17" in page
    assert "希望日と異なります" in page
    assert "ID通知内容" not in page


def test_a_rejection_shows_its_reason(doors: Doors) -> None:
    number = doors.applied()
    doors.review.reject(number, "契約者の確認が取れませんでした。", actor=SATO)
    page = doors.customer().get(f"/applications/{number}").text
    assert "不承認" in page
    assert "契約者の確認が取れませんでした。" in page
