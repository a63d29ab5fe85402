"""The ID notice: hidden until asked for, each showing on record, frozen by the office itself."""

import re
from datetime import date

from enrollment.codes import Codes
from enrollment.id_notices import IdNotices
from kernel.audit import customer
from registry.states import DeviceClass, SystemClass
from registry.terminals import Takeover, register_existing
from tests.webui.conftest import KATO, SATO, Doors


def secrets_of(page: str) -> list[str]:
    cells = re.findall(r'data-label="(?:端末アクセスキー|認証コード[23])" class="code">([^<]*)', page)
    return [cell for cell in cells if cell]


def notices(doors: Doors) -> IdNotices:
    found: IdNotices = doors.portal.extensions["webui-portal"].notices
    return found


def codes_of(doors: Doors, number: str, terminal: str) -> Codes:
    return notices(doors).show(number, "NAC001", terminal, customer("NAC001", "test"))


def test_the_head_shows_what_the_reference_shows(doors: Doors) -> None:
    number, names = doors.prepared()
    page = doors.customer().get(f"/applications/{number}/id-notice").text
    for words in ("2026/12/15", "NAC001", "********", "海上", "東京税関", "1234567", *names, "2027/02/15"):
        assert words in page
    assert f"NAC{names[0][-4:]}" in page
    assert "https://localhost:8444" in page


def test_it_says_how_to_retrieve_and_leads_to_the_page_without_a_code(doors: Doors) -> None:
    number, _ = doors.prepared()
    page = doors.customer().get(f"/applications/{number}/id-notice").text
    assert "tegata terminal retrieve --server https://localhost:8444 --ca root.pem" in page
    assert "POST https://localhost:8444/api/v1/retrievals" in page
    assert re.findall(r'href="(https://localhost:8444[^"]*)"', page) == ["https://localhost:8444/retrieve?office_code=NAC001"]


def test_nothing_is_shown_and_nothing_recorded_before_it_is_asked_for(doors: Doors) -> None:
    number, _ = doors.prepared()
    response = doors.customer().get(f"/applications/{number}/id-notice")
    assert response.headers["Cache-Control"] == "no-store"
    assert secrets_of(response.text) == []
    assert response.text.count("まだ表示されていません") == 2


def test_asked_for_one_terminals_codes_are_shown_on_record(doors: Doors) -> None:
    number, (first, second) = doors.prepared()
    visitor = doors.customer()
    visitor.get(f"/applications/{number}/id-notice")
    response = visitor.post(f"/applications/{number}/id-notice", {"terminal": first})
    assert response.headers["Cache-Control"] == "no-store"
    assert "2026/11/24 10:00</time> hanako" in response.text
    shown = secrets_of(response.text)
    assert secrets_of(visitor.get(f"/applications/{number}/id-notice").text) == []
    codes = codes_of(doors, number, first)
    assert shown == [codes.access_key, codes.auth_code_2, codes.auth_code_3]
    assert codes_of(doors, number, second).access_key not in response.text


def test_all_codes_can_be_asked_for_at_once(doors: Doors) -> None:
    number, names = doors.prepared()
    visitor = doors.customer()
    assert "すべての端末のコードを表示する" in visitor.get(f"/applications/{number}/id-notice").text
    response = visitor.post(f"/applications/{number}/id-notice", {"terminal": [*names, "99999W"]})
    assert len(secrets_of(response.text)) == 6
    assert response.text.count("hanako</li>") == 2


def test_who_may_not_see_codes_gets_none(doors: Doors) -> None:
    number, (first, _) = doors.prepared()
    visitor = doors.customer("jiro")
    assert "表示する</" not in visitor.get(f"/applications/{number}/id-notice").text
    assert visitor.post(f"/applications/{number}/id-notice", {"terminal": first}).status_code == 403


def test_another_office_can_show_and_freeze_nothing(doors: Doors) -> None:
    number, (first, _) = doors.prepared()
    stranger = doors.customer("saburo", office_code="NAC002")
    stranger.get("/")
    assert stranger.post(f"/applications/{number}/id-notice", {"terminal": first}).status_code == 404
    assert stranger.post(f"/applications/{number}/id-notice/{first}/freeze").status_code == 404
    notice = notices(doors).notice(number, "NAC001")
    assert notice
    assert all(line.showable and not line.showings for line in notice.terminals)


def test_an_office_freezes_codes_itself(doors: Doors) -> None:
    number, (first, second) = doors.prepared()
    visitor = doors.customer()
    assert first in visitor.get(f"/applications/{number}/id-notice/{first}/freeze").text
    assert visitor.post(f"/applications/{number}/id-notice/{first}/freeze").location == f"/applications/{number}/id-notice"
    page = visitor.get(f"/applications/{number}/id-notice").text
    assert "凍結しました" in page
    assert "凍結中" in page
    response = visitor.post(f"/applications/{number}/id-notice", {"terminal": [first, second]})
    assert len(secrets_of(response.text)) == 3
    assert visitor.post(f"/applications/{number}/id-notice/{first}/freeze").status_code == 409
    assert visitor.get(f"/applications/{number}/id-notice/{first}/freeze").status_code == 404


def test_terminals_that_were_taken_over_have_a_notice_without_number(doors: Doors) -> None:
    visitor = doors.customer()
    assert visitor.get("/id-notice").status_code == 404
    with doors.database.transaction() as session:
        takeover = Takeover("88888W", "NAC001", SystemClass.AIR, DeviceClass.NET, date(2026, 11, 1))
        register_existing(session, takeover, now=doors.clock.now())
    doors.preparation.prepare_existing("88888W", SATO, KATO)
    doors.preparation.replace("88888W", KATO)  # makes a line of news
    assert 'href="/id-notice"' in visitor.get("/").text
    assert 'href="/id-notice"' in visitor.get("/contract/netnaccs").text
    assert secrets_of(visitor.get("/id-notice").text) == []
    assert len(secrets_of(visitor.post("/id-notice", {"terminal": "88888W"}).text)) == 3
    assert "88888W" in visitor.get("/id-notice/88888W/freeze").text
    assert visitor.post("/id-notice/88888W/freeze").location == "/id-notice"
    assert "凍結中" in visitor.get("/id-notice").text
    assert doors.customer("saburo", office_code="NAC002").get("/id-notice").status_code == 404


def test_without_codes_there_is_no_notice(doors: Doors) -> None:
    number = doors.applied()
    visitor = doors.customer()
    visitor.get("/")
    assert visitor.get(f"/applications/{number}/id-notice").location == f"/applications/{number}"
    assert visitor.post(f"/applications/{number}/id-notice", {"terminal": "00001W"}).status_code == 404
    assert f"/applications/{number}/id-notice" not in visitor.get(f"/applications/{number}").text
