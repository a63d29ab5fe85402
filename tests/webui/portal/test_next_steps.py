"""The next thing to do at the top of the menu, and what the bulletin has to say there."""

from datetime import date, timedelta

from kernel.clock import day_start
from registry.applicants import contact_form
from registry.bulletin import BulletinDesk
from registry.drafts import Section
from tests.webui.bulletin.conftest import INCIDENT, SATO, publish
from tests.webui.conftest import APPLICANT, HANAKO, START, Doors
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


def needing_settings(doors: Doors) -> str:
    """Apply for a line, which needs system settings, and approve it; return the receipt number."""
    draft = doors.drafts.begin(HANAKO)
    line = {"new1.postal_code": ["1350064"], "new1.place": ["東京都江東区４－５"], "new1.kind": ["shared"]}
    pages = {
        Section.CHOICE: {"items": ["lines"], "wished_start": [START.isoformat()]},
        Section.APPLICANT: contact_form(APPLICANT),
        "lines": line,
    }
    for section, typed in pages.items():
        draft = doors.drafts.save(HANAKO, draft.id, section, typed)
    number = doors.applications.submit(HANAKO, draft.id, version=draft.version)
    doors.review.approve(number, START, approver=SATO)
    return number


def test_the_deadline_of_system_settings_is_told_until_they_are_made(doors: Doors) -> None:
    number = needing_settings(doors)
    told = steps(doors.customer())
    assert f"申込{number}には、システム設定が必要です。2026/12/09までに完了しないと、申込は無効になります。" in told
    assert 'href="/apply/system_settings"' in told
    # Who may not apply reads of it; other offices do not.
    assert f'href="/applications/{number}"' in steps(doors.customer("jiro", address="192.0.2.9"))
    assert "システム設定" not in steps(doors.customer("saburo", office_code="NAC002", address="192.0.2.8"))
    doors.review.mark_executed(number, "lines", actor=SATO)
    assert "システム設定" not in steps(doors.customer())


def test_a_deadline_of_system_settings_that_is_over_asks_for_nothing(doors: Doors) -> None:
    needing_settings(doors)
    doors.clock.instant = day_start(date(2026, 12, 9)) + timedelta(hours=10)
    assert "2026/12/09までに完了しないと" in steps(doors.customer())
    doors.clock.advance(timedelta(days=1))
    assert "システム設定" not in steps(doors.customer())


def test_codes_whose_last_day_is_over_wait_for_nobody(doors: Doors) -> None:
    doors.prepared()
    doors.clock.advance(timedelta(days=120))
    assert "取得できる" not in steps(doors.customer())


def test_a_start_date_is_announced_the_day_before(doors: Doors) -> None:
    number, _ = doors.prepared()
    assert "利用開始日です" not in steps(doors.customer())
    doors.clock.advance(day_start(START) - timedelta(hours=3) - doors.clock.now())
    assert f"明日(2026/12/15)は、申込{number}の利用開始日です。" in steps(doors.customer())


def test_the_menu_points_at_what_is_urgent_and_at_the_bulletin(doors: Doors) -> None:
    number = publish(BulletinDesk(doors.database, doors.clock), INCIDENT)
    visitor = doors.customer()
    page = visitor.get("/").text
    assert f'<a href="/bulletin/notices/{number}">{INCIDENT.title_ja}</a>' in page
    assert 'href="/bulletin/"' in page
    visitor.post("/language", {"language": "en"})
    page = visitor.get("/").text
    assert f'<a href="/bulletin/en/notices/{number}">{INCIDENT.title_en}</a>' in page
