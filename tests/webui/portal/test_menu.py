"""The menu and the news."""

import re

from enrollment.reissue import ReissuePreparation, Reissues
from enrollment.reissue_records import ReissueReason
from kernel.clock import day_start
from registry import news
from registry.drafts import Kind
from registry.news import NewsKind
from registry.states import APPLICATION, ApplicationState
from tests.enrollment.filings import filed_items, filed_of
from tests.support.house import House
from tests.webui.conftest import HANAKO, KATO, SATO, START, TERMINAL, Doors
from webui.portal.news import SENTENCES


def test_the_menu_shows_the_latest_ten_lines_newest_first(doors: Doors) -> None:
    with doors.database.transaction() as session:
        for number in range(12):
            news.publish(
                session,
                now=doors.clock.now(),
                office_code="NAC001",
                kind=NewsKind.CERTIFICATE,
                code="terminal-suspended",
                terminal=f"{number:05}W",
            )
    page = doors.customer().get("/").text
    assert "端末00011Wの利用を停止しました。" in page
    assert page.index("00011W") < page.index("00002W")
    assert "00001W" not in page
    assert "2026/11/24 10:00" in page


def test_a_line_names_its_receipt_number_and_leads_to_its_details(doors: Doors) -> None:
    number, _ = doors.prepared()
    visitor = doors.customer()
    page = visitor.get("/").text
    assert f"【{number}】" in page
    details = re.findall(r'action="(/news/\d+)"', page)
    led_to = {visitor.post(address).location for address in details}
    assert {f"/applications/{number}", f"/applications/{number}/id-notice"} <= led_to
    # Once they were opened they are plain links.
    page = visitor.get("/").text
    assert f'<a class="more button second small" href="/applications/{number}/id-notice">' in page


def test_another_office_sees_none_of_it(doors: Doors) -> None:
    number, _ = doors.prepared()
    stranger = doors.customer("saburo", office_code="NAC002")
    assert number not in stranger.get("/").text
    assert "新着情報はありません" in stranger.get("/").text


def test_older_news_are_found_by_kind_and_number(doors: Doors) -> None:
    number, _ = doors.prepared()
    visitor = doors.customer()
    assert "利用申込の審査を終了しました" in visitor.get(f"/news?kind=application&number={number[:4].lower()}").text
    assert "利用申込の審査を終了しました" not in visitor.get("/news?kind=certificate").text
    assert "該当する新着情報はありません" in visitor.get("/news?number=999999Z").text
    assert visitor.get("/news?kind=nonsense&page=x").status_code == 200


def test_each_kind_of_application_has_its_own_sentences(issuing_doors: Doors, house: House) -> None:
    doors = issuing_doors
    settings, brokers = filed_of(house, Kind.SYSTEM_SETTINGS), filed_of(house, Kind.BROKER_IDS)
    for number in (settings, brokers):
        doors.review.query(number, "内容をご確認ください。", actor=SATO)
        doors.applications.answer(HANAKO, number, "はい。")
        doors.review.approve(number, START, approver=SATO)
    doors.review.mark_executed(brokers, "broker_ids", actor=SATO)
    deletion = filed_items(house, {"broker_ids": {"NAC02-0A1.delete": ["yes"]}}, Kind.BROKER_IDS)
    doors.review.approve(deletion, START, approver=SATO)
    visitor = doors.customer()

    def told(number: str) -> str:
        return visitor.get(f"/news?number={number}").text

    assert "システム設定申込の審査を終了しました。確定した" in told(settings)
    assert "システム設定申込内容に確認事項があります。" in told(settings)
    assert "通関士IDの追加申込の審査を終了しました。追加した利用者を確認してください。" in told(brokers)
    assert "通関士IDの追加申込に確認事項があります。" in told(brokers)
    assert "通関士IDの削除申込の審査を終了しました。確定した" in told(deletion)
    for number in (settings, brokers, deletion):
        assert "利用申込の" not in told(number)
    visitor.post("/language", {"language": "en"})
    assert "Application for system settings: the review has ended." in told(settings)


def test_a_reissue_that_is_ready_names_its_terminal_and_leads_to_it(doors: Doors) -> None:
    reissues = Reissues(doors.database, doors.clock)
    reissue = reissues.accept(reissues.request(TERMINAL, ReissueReason.PC_REPLACED, HANAKO.actor).id, SATO)
    assert reissue.ready_on
    doors.clock.instant = day_start(reissue.ready_on)
    ReissuePreparation(doors.preparation).prepare(reissue.id, KATO)
    visitor = doors.customer()
    newest = visitor.get("/").text.partition('<span class="what">')[2]
    assert newest.startswith(f"端末{TERMINAL}のデジタル証明書を再発行しました。")
    opened = re.findall(r'action="(/news/\d+)"', newest)[0]
    assert visitor.post(opened).location == f"/reissues/{reissue.id}"


def test_every_state_of_an_application_has_its_sentence() -> None:
    reached = {state for state in APPLICATION.table.values() if state is not ApplicationState.PREPARED}
    assert {f"application-{state}" for state in reached} <= set(SENTENCES)


def test_a_line_of_an_unknown_code_still_shows(doors: Doors) -> None:
    with doors.database.transaction() as session:
        news.publish(
            session, now=doors.clock.now(), office_code="NAC001", kind=NewsKind.APPLICATION, code="from-the-future", target="x:1"
        )
    assert "お知らせがあります" in doors.customer().get("/").text


def test_an_unfinished_application_is_offered(doors: Doors) -> None:
    doors.drafts.begin(HANAKO)
    assert "作成途中の申込があります" in doors.customer().get("/").text
    assert "作成途中の申込があります" not in doors.customer("jiro").get("/").text


def test_who_may_not_apply_is_not_offered_it(doors: Doors) -> None:
    page = doors.customer("jiro").get("/").text
    assert "/apply" not in page
    assert "契約内容の確認" in page
