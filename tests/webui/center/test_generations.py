"""A change of the system generation at the center: planned with a forecast, started by somebody else, watched."""

import re
import socket
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest

from enrollment.generations.states import GenerationState
from enrollment.id_notices import expire_due
from kernel import audit
from tests.support.browser import DESKTOP, NARROW, Chromium
from tests.support.clock import SettableClock
from tests.support.generations import TwoGenerations
from tests.support.house import House
from tests.support.localhost_tls import localhost_credentials
from tests.support.open_doors import listener_url, serving
from tests.webui.conftest import Doors
from tests.webui.entering import log_in
from tests.webui.inspection import inspect
from tests.webui.visitors import PASSWORD, Visitor
from webui import spreadsheets
from webui.accounts import NewAccount, Role

ONE_DATABASE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
JAPANESE = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff]")


@pytest.fixture
def two(house: House, clock: SettableClock, issuing_doors: Doors) -> TwoGenerations:
    """Return a house between two generations, with terminals of NAC001 and NAC002."""
    del issuing_doors
    found = TwoGenerations(house, clock)
    found.issued("NAC001", 3)
    found.issued("NAC002", 2)
    return found


def typed(two: TwoGenerations, **other: str) -> dict[str, str]:
    last = two.begin + timedelta(days=40)
    form = {"name": "第二世代", "issuer": "issuing-2", "ends_on": last.isoformat(), "capacity": "36,000"}
    return {**form, "wave1_on": two.first_day.strftime("%Y/%m/%d"), "wave1_quota": "100", **other}


def planned(two: TwoGenerations, kato: Visitor) -> str:
    kato.get("/generations/new")
    return kato.post("/generations/new", {**typed(two), "step": "do"}).location


def running(two: TwoGenerations, issuing_doors: Doors) -> str:
    """Plan, start and prepare a change; return its address."""
    address = planned(two, issuing_doors.staff("kato"))
    ito = issuing_doors.staff("ito")
    ito.get(f"{address}/start")
    assert ito.post(f"{address}/start").status_code == 303
    two.to_first_day()
    assert two.waves.prepare_due(two.clock.now()) == 5
    return address


@ONE_DATABASE
def test_a_change_is_planned_after_its_forecast_and_started_by_somebody_else(two: TwoGenerations, issuing_doors: Doors) -> None:
    kato = issuing_doors.staff("kato")
    kato.get("/generations/new")
    forecast = kato.post("/generations/new", typed(two))
    assert "5端末(2事業所)" in forecast.text
    assert "まだ何も行われていません" in forecast.text
    answer = kato.post("/generations/new", {**typed(two), "step": "do"})
    assert "ほかの職員が開始するまで" in kato.get(answer.location).text
    assert kato.get(f"{answer.location}/start").status_code == 403
    ito = issuing_doors.staff("ito")
    assert "最終日の翌日に" in ito.get(f"{answer.location}/start").text
    ito.post(f"{answer.location}/start")
    assert "実施中" in ito.get(answer.location).text


@ONE_DATABASE
def test_whoever_planned_it_is_told_why_they_can_not_start(two: TwoGenerations, issuing_doors: Doors) -> None:
    person = NewAccount("mori", "森", "mori@example.jp", PASSWORD, frozenset(Role))
    issuing_doors.accounts.add(person, audit.operator())
    mori = issuing_doors.staff("mori")
    address = planned(two, mori)
    assert "自分が計画した世代変更は開始できません" in mori.get(f"{address}/start").text
    mori.post(f"{address}/start")
    assert "自分が計画した世代変更は開始できません" in mori.get(address).text
    assert "開始待ち" in mori.get(address).text


FAULTS = (
    ("name", "", "入力してください。"),
    ("issuer", "issuing-1", "新しい発行CAを選択してください。"),
    ("ends_on", "2026/02/30", "実在する日付を入力してください。"),
    ("capacity", "many", "1以上の数字で入力してください。"),
    ("wave1_quota", "0", "1日の件数は1から"),
    ("wave1_on", "2026/12/01", "以降の日付を入力してください。"),
    ("wave1_offices", "nac001", "最後の期間は、事業所を指定せずに"),
    ("wave2_on", "x", "日付は20261210"),
)


@ONE_DATABASE
def test_what_is_wrong_is_said_beside_the_field_and_everything_typed_stays(two: TwoGenerations, issuing_doors: Doors) -> None:
    kato = issuing_doors.staff("kato")
    kato.get("/generations/new")
    for field, value, sentence in FAULTS:
        answer = kato.post("/generations/new", typed(two, **{field: value}))
        assert (answer.status_code, sentence in answer.text) == (422, True), field
        assert 'value="100"' in answer.text or field == "wave1_quota"


@ONE_DATABASE
def test_a_running_change_is_paused_resumed_postponed_and_stopped(two: TwoGenerations, issuing_doors: Doors) -> None:
    address = running(two, issuing_doors)
    ito = issuing_doors.staff("ito")
    for deed, state in (("pause", "中断中"), ("resume", "実施中")):
        ito.get(f"{address}/{deed}")
        ito.post(f"{address}/{deed}")
        assert state in ito.get(address).text
    later = two.begin + timedelta(days=60)
    ito.get(f"{address}/postpone")
    assert "あとの日付を入力してください" in ito.arrive(f"{address}/postpone", {"ends_on": "2026/12/25", "step": "do"}).text
    assert "新しい最終日" in ito.arrive(f"{address}/postpone", {"ends_on": later.isoformat()}).text
    ito.post(f"{address}/postpone", {"ends_on": later.isoformat(), "step": "do"})
    assert later.strftime("%Y/%m/%d") in ito.get(address).text
    ito.get(f"{address}/stop")
    ito.post(f"{address}/stop")
    page = ito.get(address).text
    assert GenerationState.STOPPED.value not in page
    assert "中止" in page
    ito.post(f"{address}/pause")
    assert "この操作はできません" in ito.get(address).text


def test_progress_and_stragglers_are_shown_searched_and_downloaded(two: TwoGenerations, issuing_doors: Doors) -> None:
    address = running(two, issuing_doors)
    two.retrieve("10000W")
    two.closing.settle_due(two.clock.now())
    sato = issuing_doors.staff("sato")
    page = sato.get(address).text
    assert "1 / 5 (20%)" in page
    assert "1 / 3 (33%)" in page
    listed = sato.get(f"{address}/stragglers").text
    assert "10000W" not in listed
    assert "10001W" in listed
    found = sato.get(f"{address}/stragglers?q=nac002").text
    assert ("10001W" in found, "10003W" in found) == (False, True)
    assert "条件に合う端末はありません" in sato.get(f"{address}/stragglers?state=lapsed").text
    file = sato.get(f"{address}/stragglers.csv?q=NAC002")
    assert file.mimetype == "text/csv"
    lines = file.data.decode("utf-8-sig").splitlines()
    assert [line.split(",")[:3] for line in lines] == [
        ["事業所コード", "論理端末名", "状態"],
        ["NAC002", "10003W", "取得待ち"],
        ["NAC002", "10004W", "取得待ち"],
    ]


@ONE_DATABASE
def test_expired_codes_are_made_again_for_one_office(two: TwoGenerations, issuing_doors: Doors) -> None:
    address = running(two, issuing_doors)
    two.clock.advance(timedelta(days=70))
    expire_due(two.house.database, two.clock.now())
    two.closing.settle_due(two.clock.now())
    kato = issuing_doors.staff("kato")
    assert "コードを作り直す" in kato.get(f"{address}/stragglers?q=NAC002").text
    assert "NAC002" in kato.get(f"{address}/again?office=NAC002").text
    kato.post(f"{address}/again", {"office": "NAC002"})
    assert "2端末のコードを、もう一度準備します" in kato.get(address).text
    assert two.waves.prepare_due(two.clock.now()) == 2


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "＝1"])
def test_no_cell_of_a_download_is_a_formula(text: str) -> None:
    assert spreadsheets.safe(text) == f"'{text}"
    assert spreadsheets.safe("NAC001") == "NAC001"


@ONE_DATABASE
def test_pages_that_are_not_there_are_not_found(two: TwoGenerations, issuing_doors: Doors) -> None:
    del two
    ito = issuing_doors.staff("ito")
    for number in ("1", "0", "x", "９", "9" * 40):
        assert ito.get(f"/generations/{number}").status_code == 404
        assert ito.get(f"/generations/{number}/stragglers.csv").status_code == 404
        assert ito.get(f"/generations/{number}/start").status_code == 404


@ONE_DATABASE
def test_every_page_is_told_in_english(two: TwoGenerations, issuing_doors: Doors) -> None:
    address = running(two, issuing_doors)
    for user, pages in (
        ("kato", ["/generations/", "/generations/new", address, f"{address}/stragglers"]),
        ("ito", [address, f"{address}/pause", f"{address}/stop", f"{address}/postpone"]),
    ):
        visitor = issuing_doors.staff(user)
        visitor.get("/")
        visitor.post("/language", {"language": "en"})
        for path in pages:
            page = visitor.get(path).text
            for own in ("日本語", "佐藤", "第二世代"):
                page = page.replace(own, "")
            assert JAPANESE.findall(page) == [], path


@pytest.fixture
def center_url(issuing_doors: Doors, tmp_path: Path) -> Iterator[str]:
    """Serve the center over TLS, with mori who may do everything, and return its address."""
    person = NewAccount("mori", "森　都", "mori@example.jp", PASSWORD, frozenset(Role))
    issuing_doors.accounts.add(person, audit.operator())
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    credentials, _ = localhost_credentials(tmp_path)
    with serving(issuing_doors.center, listener, credentials):
        yield listener_url(listener)


def day_text(day: date) -> str:
    return day.strftime("%Y/%m/%d")


@ONE_DATABASE
@pytest.mark.parametrize("size", ["wide", "narrow"])
def test_every_page_is_accessible_and_fits(
    chromium: Chromium,
    center_url: str,
    issuing_doors: Doors,
    two: TwoGenerations,
    tmp_path: Path,
    size: str,
) -> None:
    with chromium.visit(tmp_path / "localhost-root.pem", viewport=DESKTOP if size == "wide" else NARROW) as visit:
        page = visit.page
        log_in(page, issuing_doors, center_url, "mori")
        page.goto(f"{center_url}/generations/")
        inspect(visit, f"center-generations-none-{size}")
        page.get_by_role("link", name="世代変更を計画する").click()
        page.get_by_role("button", name="見込みの確認へ進む").click()
        inspect(visit, f"center-generation-plan-faulty-{size}")
        page.get_by_label("名前").fill("第二世代")
        page.get_by_label("新しい発行CA").select_option("issuing-2")
        page.get_by_label("旧世代の最終日").fill(day_text(two.begin + timedelta(days=40)))
        page.get_by_label("1時間に処理できる取得件数").fill("1")
        first = page.get_by_role("group", name="期間1")
        first.get_by_label("開始日").fill(day_text(two.first_day))
        first.get_by_label("1日の件数").fill("3")
        page.get_by_role("button", name="見込みの確認へ進む").click()
        inspect(visit, f"center-generation-forecast-{size}")
        page.get_by_role("button", name="この内容で計画する").click()
        inspect(visit, f"center-generation-planned-{size}")
        address = page.url
        page.goto(f"{address}/start")
        inspect(visit, f"center-generation-start-barred-{size}")
        two.changes.start(int(address.rpartition("/")[2]), audit.staff("ito"))
        two.to_first_day()
        two.waves.prepare_due(two.clock.now())
        two.retrieve("10000W")
        two.closing.settle_due(two.clock.now())
        log_in(page, issuing_doors, center_url, "mori")
        for name in ("", "/stragglers", "/pause", "/postpone", "/stop"):
            page.goto(address + name)
            inspect(visit, f"center-generation{name.replace('/', '-')}-{size}")
