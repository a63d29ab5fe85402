"""The customer's way in a real browser: every page accessible, within 320 px, without complaint, and by keyboard alone."""

import re
import socket
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Page

from enrollment.disclosure import Disclosure, Disclosures
from tests.support.browser import DESKTOP, NARROW, Chromium, Visit
from tests.support.house import SOURCE, House, new_request
from tests.support.localhost_tls import localhost_credentials
from tests.support.open_doors import listener_url, serving
from tests.webui.conftest import KATO, SATO, START, TERMINAL, Doors
from tests.webui.entering import log_in, type_code, type_password
from tests.webui.inspection import inspect
from tests.webui.visitors import PASSWORD

# The pages look alike whatever lies below.
pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def portal_url(issuing_doors: Doors, tmp_path: Path) -> Iterator[str]:
    """Serve the portal over TLS and return its address."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    credentials, _ = localhost_credentials(tmp_path)
    with serving(issuing_doors.portal, listener, credentials):
        yield listener_url(listener)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return what the browser trusts."""
    return tmp_path / "localhost-root.pem"


HANAKO = ("hanako", "NAC001")


def go_on(page: Page) -> None:
    page.get_by_role("button", name="次へ進む").click()


def apply(visit: Visit, size: str) -> str:
    """Apply for terminals and a price plan, with a slip on each page, and return the receipt number."""
    page = visit.page
    page.get_by_role("link", name="契約内容の変更").click()
    inspect(visit, f"portal-guidance-{size}")
    page.get_by_role("button", name="申込内容選択へ進む").click()
    page.get_by_label("料金プラン").check()
    page.get_by_role("button", name="申込担当者の入力へ進む").click()
    inspect(visit, f"portal-items-faulty-{size}")
    page.get_by_label("利用開始希望日").fill("20261128")
    page.get_by_role("button", name="申込担当者の入力へ進む").click()
    inspect(visit, f"portal-start-date-{size}")
    page.get_by_role("link", name="この日付で進む").click()
    page.get_by_label("姓(フリガナ)").fill("つうかん")
    go_on(page)
    inspect(visit, f"portal-applicant-faulty-{size}")
    page.get_by_label("姓(フリガナ)").fill("ツウカン")
    go_on(page)
    go_on(page)
    inspect(visit, f"portal-terminals-faulty-{size}")
    page.get_by_role("group", name="追加する台数 netNACCS").get_by_label("海上").fill("2")
    page.get_by_role("group", name=f"端末{TERMINAL}の区分").get_by_label("航空").check()
    go_on(page)
    go_on(page)
    inspect(visit, f"portal-changes-faulty-{size}")
    page.get_by_role("radio", name="Bプラン").check()
    go_on(page)
    inspect(visit, f"portal-confirmation-{size}")
    page.go_back()
    page.go_forward()
    page.get_by_role("button", name="申込内容を登録する").click()
    inspect(visit, f"portal-done-{size}")
    return page.locator(".big").inner_text()


def read(visit: Visit, url: str, size: str, paths: dict[str, str]) -> None:
    for name, path in paths.items():
        visit.page.goto(url + path)
        inspect(visit, f"portal-{name}-{size}")


def stop(visit: Visit, notice: str, terminal: str, size: str) -> None:
    """Look at what an office can do about codes that it lost or does not trust."""
    page = visit.page
    page.get_by_role("link", name=re.compile(rf"再発行の申込\) {terminal}")).click()
    page.get_by_role("button", name="確認へ進む").click()
    inspect(visit, f"portal-reissue-faulty-{size}")
    page.goto(notice)
    page.get_by_role("link", name=f"コードを凍結する {terminal}").click()
    inspect(visit, f"portal-freeze-{size}")
    page.get_by_role("button", name="凍結する").click()
    inspect(visit, f"portal-id-notice-frozen-{size}")
    page.get_by_role("link", name=f"凍結の解除に同意する {terminal}").click()
    inspect(visit, f"portal-consent-{size}")


@pytest.mark.parametrize("size", ["wide", "narrow"])
def test_the_customers_way_from_log_in_to_the_codes(
    chromium: Chromium, portal_url: str, issuing_doors: Doors, house: House, root: Path, size: str
) -> None:
    with chromium.visit(root, viewport=DESKTOP if size == "wide" else NARROW) as visit:
        page = visit.page
        page.goto(portal_url)
        page.get_by_role("button", name="ログイン").click()
        inspect(visit, f"portal-log-in-faulty-{size}")
        log_in(page, issuing_doors, portal_url, *HANAKO)
        number = apply(visit, size)
        issuing_doors.review.query(number, "開始日は2026/12/15でよろしいですか。", actor=SATO)
        own = f"/applications/{number}"
        read(visit, portal_url, size, {"queried": own, "withdrawal": f"{own}/withdrawal"})
        page.goto(portal_url + own)
        page.get_by_label("回答").fill("はい。")
        issuing_doors.clock.advance(timedelta(hours=1))
        page.get_by_role("button", name="回答を送信する").click()
        inspect(visit, f"portal-log-in-again-{size}")
        type_password(page, *HANAKO)
        inspect(visit, f"portal-second-step-{size}")
        type_code(page, issuing_doors, *HANAKO)
        inspect(visit, f"portal-resume-{size}")
        page.get_by_role("button", name="入力した内容を送信する").click()
        page.get_by_text("回答を送信しました").wait_for()
        issuing_doors.review.approve(number, START, approver=SATO)
        first, second = issuing_doors.preparation.prepare(number, KATO)
        page.goto(portal_url)
        page.get_by_role("button", name="詳細").first.click()
        inspect(visit, f"portal-id-notice-{size}")
        page.get_by_role("button", name=f"表示する {first}").click()
        inspect(visit, f"portal-id-notice-shown-{size}")
        house.redemption.redeem(house.codes_of(first), new_request().pem, SOURCE)
        stop(visit, f"{portal_url}{own}/id-notice", second, size)
        reading = {
            "menu": "/",
            "news": "/news",
            "contract": "/contract",
            "user-codes": "/contract/user-codes",
            "netnaccs": "/contract/netnaccs",
            "billing": "/contract/billing",
            "applications": "/applications",
            "application": own,
            "schedule": "/apply/schedule",
            "password": "/password",
            "nowhere": "/nowhere",
        }
        read(visit, portal_url, size, reading)


def test_the_same_pages_in_english(chromium: Chromium, portal_url: str, issuing_doors: Doors, root: Path) -> None:
    with chromium.visit(root, viewport=NARROW) as visit:
        log_in(visit.page, issuing_doors, portal_url, *HANAKO)
        visit.page.get_by_role("button", name="English").click()
        reading = {"menu": "/", "netnaccs": "/contract/netnaccs", "guidance": "/apply", "schedule": "/apply/schedule"}
        read(visit, portal_url, "english", reading)
        assert visit.page.locator("html").get_attribute("lang") == "en"


def test_everything_is_done_by_keyboard_alone_and_without_script(
    chromium: Chromium, portal_url: str, issuing_doors: Doors, root: Path
) -> None:
    with chromium.visit(root, javascript=False) as visit:
        page = visit.page
        page.goto(portal_url)
        press(page, "Tab")
        assert page.locator(":focus").inner_text() == "本文へ移動"
        page.locator("#office_code").focus()
        page.keyboard.type("NAC001")
        press(page, "Tab")
        page.keyboard.type("hanako")
        press(page, "Tab")
        page.keyboard.type(PASSWORD)
        press(page, "Enter")
        page.get_by_label("確認コード").focus()
        page.keyboard.type(issuing_doors.code(*HANAKO))
        press(page, "Enter")
        page.wait_for_url(f"{portal_url}/")
        page.get_by_role("link", name="契約内容の変更").focus()
        press(page, "Enter")
        page.get_by_role("button", name="申込内容選択へ進む").focus()
        press(page, "Enter")
        page.get_by_label("利用開始希望日").focus()
        page.keyboard.type("20261215")
        press(page, "Enter")
        page.wait_for_url(f"{portal_url}/apply/applicant")
        assert page.get_by_label("E-mailアドレス(確認用)").input_value() == "hanako@example.jp"


def test_codes_are_copied_by_a_button_and_shown_in_halves(
    chromium: Chromium, portal_url: str, issuing_doors: Doors, house: House, root: Path
) -> None:
    Disclosures(issuing_doors.database, issuing_doors.clock).choose("NAC001", Disclosure.SPLIT, SATO)
    number, (first, _) = issuing_doors.prepared()
    with chromium.visit(root, viewport=NARROW) as visit:
        page = visit.page
        page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        log_in(page, issuing_doors, portal_url, *HANAKO)
        issuing_doors.clock.advance(timedelta(minutes=15))
        page.goto(f"{portal_url}/applications/{number}/id-notice")
        page.get_by_role("button", name=f"表示する {first}").click()
        inspect(visit, "portal-step-up-narrow")
        page.get_by_label("確認コード").fill(issuing_doors.code(*HANAKO))
        page.get_by_role("button", name="コードを表示する").click()
        inspect(visit, "portal-id-notice-half-narrow")
        page.get_by_role("button", name=f"端末アクセスキーをコピー {first}").click()
        page.get_by_text("コピーしました").wait_for()
        assert page.evaluate("navigator.clipboard.readText()") == house.codes_of(first).access_key
        assert page.get_by_role("button", name="認証コード3をコピー").count() == 0
        page.get_by_role("button", name="English").click()
        page.goto(f"{portal_url}/applications/{number}/id-notice/freeze")
        inspect(visit, "portal-freeze-all-english")
        page.goto(f"{portal_url}/applications/{number}/id-notice")
        inspect(visit, "portal-id-notice-english")
        page.emulate_media(media="print")
        visit.screenshot("portal-id-notice-printed")


def press(page: Page, key: str) -> None:
    page.keyboard.press(key)
