"""Writing for the bulletin: form, preview, publishing, correction, withdrawal."""

import re

import pytest

from registry.bulletin import BulletinDesk
from tests.webui.bulletin.conftest import MAINTENANCE, SATO, publish
from tests.webui.conftest import Doors
from tests.webui.visitors import Visitor

FORM = {
    "category": "maintenance",
    "title_ja": "定期メンテナンス",
    "title_en": "Planned maintenance",
    "body_ja": "## 停止\n- 取得\n\n[更新](/bulletin/manuals/renewal)<b>",
    "body_en": "## What stops\n- Retrieval",
    "publish_from": "",
    "publish_until": "2026/12/31",
}
# The rows are tested on both databases in tests/registry/test_bulletin.py.
pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def drafted(sato: Visitor) -> str:
    sato.get("/bulletin/new")
    response = sato.post("/bulletin/new", {**FORM, "step": "do"})
    assert response.status_code == 303, response.text
    return str(response.location)


def test_a_notice_is_seen_as_readers_will_before_it_is_kept(doors: Doors) -> None:
    sato = doors.staff()
    sato.get("/bulletin/new")
    preview = sato.arrive("/bulletin/new", FORM).text
    assert "<h3>停止</h3>" in preview
    assert '<a href="https://localhost:8443/bulletin/manuals/renewal">更新</a>&lt;b&gt;' in preview
    assert "まだ何も行われていません" in preview
    assert "条件に合うお知らせはありません" in sato.get("/bulletin/").text


def test_going_back_keeps_what_was_typed(doors: Doors) -> None:
    sato = doors.staff()
    sato.get("/bulletin/new")
    form = sato.arrive("/bulletin/new", {**FORM, "is_urgent": "1", "step": "back"}).text
    assert 'value="定期メンテナンス"' in form
    assert re.search(r'name="is_urgent" value="1" checked', form)


def test_slips_are_told_beside_their_fields(doors: Doors) -> None:
    sato = doors.staff()
    sato.get("/bulletin/new")
    form = sato.arrive(
        "/bulletin/new", {**FORM, "category": "x", "title_en": "", "publish_until": "2020/01/01", "step": "do"}
    ).text
    assert 'id="category-fault"' in form
    assert 'id="title_en-fault"' in form
    assert 'id="publish_until-fault"' in form


def test_a_draft_is_published_after_a_confirmation(doors: Doors) -> None:
    sato = doors.staff()
    address = drafted(sato)
    assert "まだ公開されていません" in sato.get(address).text
    reader = Visitor(doors.portal)
    number = address.rpartition("/")[2]
    assert reader.get(f"/bulletin/notices/{number}").status_code == 404
    assert "だれでも読めるように" in sato.get(f"{address}/publish").text
    sato.post(f"{address}/publish", {"version": "1", "step": "do"})
    page = sato.get(address).text
    assert f'href="https://localhost:8443/bulletin/notices/{number}"' in page
    assert "定期メンテナンス" in reader.get(f"/bulletin/notices/{number}").text


def test_a_correction_keeps_its_history_and_readers_see_that_there_was_one(doors: Doors) -> None:
    sato = doors.staff()
    number = publish(BulletinDesk(doors.database, doors.clock), MAINTENANCE)
    form = sato.get(f"/bulletin/{number}/edit").text
    assert 'name="version" value="2"' in form
    assert 'name="publish_from"' not in form
    preview = sato.arrive(f"/bulletin/{number}/edit", {**FORM, "title_ja": "訂正後", "version": "2"}).text
    assert "訂正して公開する" in preview
    sato.post(f"/bulletin/{number}/edit", {**FORM, "title_ja": "訂正後", "version": "2", "step": "do"})
    page = sato.get(f"/bulletin/{number}").text
    assert "訂正しました。" in page
    assert MAINTENANCE.title_ja in page
    assert "<h1>訂正後</h1>" in Visitor(doors.portal).get(f"/bulletin/notices/{number}").text


def test_who_comes_second_is_told_and_changes_nothing(doors: Doors) -> None:
    desk = BulletinDesk(doors.database, doors.clock)
    number = publish(desk, MAINTENANCE)
    sato = doors.staff()
    sato.get(f"/bulletin/{number}/edit")
    desk.change(number, 2, MAINTENANCE, SATO)
    sato.post(f"/bulletin/{number}/edit", {**FORM, "version": "2", "step": "do"})
    page = sato.get(f"/bulletin/{number}").text
    assert "ほかの職員が先に変更しました" in page
    assert "定期メンテナンス<" not in page


def test_a_notice_is_withdrawn_with_a_reason(doors: Doors) -> None:
    number = publish(BulletinDesk(doors.database, doors.clock), MAINTENANCE)
    sato = doors.staff()
    sato.get(f"/bulletin/{number}/withdraw")
    assert 'id="reason-fault"' in sato.arrive(f"/bulletin/{number}/withdraw", {"reason": " ", "version": "2"}).text
    assert "元に戻せません" in sato.arrive(f"/bulletin/{number}/withdraw", {"reason": "誤報", "version": "2"}).text
    sato.post(f"/bulletin/{number}/withdraw", {"reason": "誤報", "version": "2", "step": "do"})
    page = sato.get(f"/bulletin/{number}").text
    assert "取下げ済み" in page
    assert "誤報" in page
    gone = Visitor(doors.portal).get(f"/bulletin/notices/{number}")
    assert gone.status_code == 410
    assert "誤報" not in gone.text


def test_buttons_that_are_pressed_twice_do_nothing_twice(doors: Doors) -> None:
    sato = doors.staff()
    address = drafted(sato)
    sato.get(f"{address}/publish")
    for _ in range(2):
        sato.post(f"{address}/publish", {"version": "1", "step": "do"})
    assert "ほかの職員が先に変更しました" in sato.get(address).text
    assert "この操作はできません" in sato.get(f"{address}/publish").text


def test_the_list_finds_notices_by_state_and_words(doors: Doors) -> None:
    sato = doors.staff()
    drafted(sato)
    publish(BulletinDesk(doors.database, doors.clock), MAINTENANCE)
    assert "定期メンテナンスのお知らせ" in sato.get("/bulletin/?state=published").text
    assert "定期メンテナンスのお知らせ" not in sato.get("/bulletin/?state=draft").text
    assert "条件に合うお知らせはありません" in sato.get("/bulletin/?q=xyz").text
    assert "お知らせを書く" not in doors.staff("kato").get("/bulletin/").text


@pytest.mark.parametrize("number", ["0", "99", "x", "1" * 12, "１"])
def test_what_is_not_there_is_not_found(doors: Doors, number: str) -> None:
    sato = doors.staff()
    for deed in ("", "/edit", "/publish", "/withdraw"):
        assert sato.get(f"/bulletin/{number}{deed}").status_code == 404
