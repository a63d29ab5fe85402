"""The next thing to do at the top of the menu, and what the bulletin has to say there."""

from datetime import timedelta

from kernel.clock import day_start
from registry.bulletin import BulletinDesk
from tests.webui.bulletin.conftest import INCIDENT, SATO, publish
from tests.webui.conftest import START, Doors
from tests.webui.visitors import Visitor


def steps(visitor: Visitor) -> str:
    return visitor.get("/").text.partition('id="steps"')[2].partition("</section>")[0]


def test_nothing_to_do_takes_no_room(doors: Doors) -> None:
    assert "次に行うこと" not in doors.customer().get("/").text


def test_a_question_of_the_center_waits_for_its_answer(doors: Doors) -> None:
    number = doors.applied()
    doors.review.query(number, "台数はよろしいですか。", actor=SATO)
    assert f'<a href="/applications/{number}">申込{number}に、センターからの確認事項があります' in steps(doors.customer())
    # Who may not answer is told, without a way.
    told = steps(doors.customer("jiro", address="192.0.2.9"))
    assert "確認事項があります" in told
    assert f"/applications/{number}" not in told


def test_codes_that_wait_lead_to_their_notice_and_to_the_manual(doors: Doors) -> None:
    number, _ = doors.prepared()
    told = steps(doors.customer())
    assert f'href="/applications/{number}/id-notice"' in told
    assert "取得できる端末が2台あります" in told
    assert 'href="/bulletin/manuals/retrieval"' in told
    assert "id-notice" not in steps(doors.customer("jiro", address="192.0.2.9"))
    assert "取得できる" not in steps(doors.customer("saburo", office_code="NAC002", address="192.0.2.8"))


def test_codes_whose_last_day_is_over_wait_for_nobody(doors: Doors) -> None:
    doors.prepared()
    doors.clock.advance(timedelta(days=120))
    assert "取得できる" not in steps(doors.customer())


def test_a_start_date_is_announced_the_day_before(doors: Doors) -> None:
    number, _ = doors.prepared()
    assert "利用開始日です" not in steps(doors.customer())
    doors.clock.advance(day_start(START) - timedelta(hours=3) - doors.clock.now())
    assert f"あした(2026/12/15)は、申込{number}の利用開始日です。" in steps(doors.customer())


def test_the_menu_points_at_what_is_urgent_and_at_the_bulletin(doors: Doors) -> None:
    number = publish(BulletinDesk(doors.database, doors.clock), INCIDENT)
    visitor = doors.customer()
    page = visitor.get("/").text
    assert f'<a href="/bulletin/notices/{number}">{INCIDENT.title_ja}</a>' in page
    assert 'href="/bulletin/"' in page
    visitor.post("/language", {"language": "en"})
    page = visitor.get("/").text
    assert f'<a href="/bulletin/en/notices/{number}">{INCIDENT.title_en}</a>' in page
