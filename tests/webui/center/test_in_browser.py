"""Each page in a real browser: no rule of accessibility broken, no scrolling sideways at 320 px, no complaint."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import ViewportSize

from kernel import audit
from tests.support.browser import DESKTOP, NARROW, Chromium, Visit
from tests.support.localhost_tls import localhost_credentials
from tests.support.open_doors import listener_url, serving
from tests.webui.center.conftest import Day, file_application
from tests.webui.conftest import START, Doors
from tests.webui.entering import log_in
from tests.webui.inspection import inspect
from tests.webui.visitors import PASSWORD
from webui.accounts import NewAccount, Role

# The pages look alike whatever lies below.
ONE_DATABASE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def center_url(issuing_doors: Doors, tmp_path: Path) -> Iterator[str]:
    """Serve the center over TLS and return its address."""
    roles = frozenset(Role)
    person = NewAccount("mori", "森　都", "mori@example.jp", PASSWORD, roles)
    issuing_doors.accounts.add(person, audit.operator())
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    credentials, _ = localhost_credentials(tmp_path)
    with serving(issuing_doors.center, listener, credentials):
        yield listener_url(listener)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return what `center_url`'s browsers trust."""
    return tmp_path / "localhost-root.pem"


def reading_pages(day: Day) -> dict[str, str]:
    return {
        "menu": "/",
        "queue": "/applications/",
        "queue-all": "/applications/?tab=all",
        "queue-none": "/applications/?q=999",
        "application-rich": f"/applications/{day.rich}",
        "application-answered": f"/applications/{day.answered}",
        "application-prepared": f"/applications/{day.prepared}",
        "application-by-hand": f"/applications/{day.by_hand}",
        "application-rejected": f"/applications/{day.rejected}",
        "approve": f"/applications/{day.answered}/approve",
        "reject": f"/applications/{day.fresh}/reject",
        "query": f"/applications/{day.fresh}/query",
        "cancel": f"/applications/{day.prepared}/cancel",
        "move": f"/applications/{day.prepared}/start",
        "execute": f"/applications/{day.by_hand}/items/mailboxes",
        "prepare": f"/applications/{day.approved}/codes",
        "terminals": "/terminals/",
        "terminals-suspended": "/terminals/?state=suspended",
        "terminal-issued": f"/terminals/{day.issued}",
        "terminal-revoked": f"/terminals/{day.revoked}",
        "terminal-locked": f"/terminals/{day.locked}",
        "terminal-frozen": f"/terminals/{day.frozen}",
        "terminal-suspended": f"/terminals/{day.suspended}",
        "revoke": f"/terminals/{day.issued}/revoke",
        "suspend": f"/terminals/{day.issued}/suspend",
        "resume": f"/terminals/{day.suspended}/resume",
        "replace": f"/terminals/{day.waiting}/codes/replace",
        "thaw": f"/terminals/{day.frozen}/codes/thaw",
        "unlock": f"/terminals/{day.locked}/codes/unlock",
        "codes": "/codes",
        "offices": "/offices/",
        "office": "/offices/NAC001",
        "office-disclosure": "/offices/NAC001/disclosure",
        "office-terminals": "/offices/NAC001?tab=terminals",
        "office-applications": "/offices/NAC001?tab=applications",
        "mails": "/mails/",
        "mails-failed": "/mails/?state=failed",
        "mail": "/mails/1",
        "password": "/password",
        "factors": "/factors",
        "factor-reset": "/offices/NAC001/users/jiro/second-factors",
        "sessions": "/sessions",
        "log-ins": "/log-ins",
        "nowhere": "/nowhere",
    }


@ONE_DATABASE
@pytest.mark.parametrize("size", ["wide", "narrow"])
def test_every_page_is_accessible_and_fits(
    chromium: Chromium, center_url: str, issuing_doors: Doors, day: Day, root: Path, size: str
) -> None:
    with chromium.visit(root, viewport=DESKTOP if size == "wide" else NARROW) as visit:
        visit.page.goto(center_url)
        inspect(visit, f"center-log-in-{size}")
        log_in(visit.page, issuing_doors, center_url, "mori")
        for name, path in reading_pages(day).items():
            visit.page.goto(center_url + path)
            inspect(visit, f"center-{name}-{size}")
        confirmations(visit, center_url, day, size)


def confirmations(visit: Visit, url: str, day: Day, size: str) -> None:
    """Look at the pages that only a sent form shows: faults, confirmations, and what is said afterwards."""
    page = visit.page
    page.goto(f"{url}/applications/{day.answered}/approve")
    page.get_by_label("利用開始日").fill("2026/02/30")
    page.get_by_role("button", name="確認へ進む").click()
    inspect(visit, f"center-approve-faulty-{size}")
    page.get_by_label("利用開始日").fill("2026/12/05")
    page.get_by_role("button", name="確認へ進む").click()
    inspect(visit, f"center-approve-confirm-{size}")
    page.get_by_role("button", name="承認する").click()
    inspect(visit, f"center-approve-done-{size}")
    page.goto(f"{url}/applications/{day.answered}/codes")
    inspect(visit, f"center-prepare-barred-{size}")
    page.goto(f"{url}/applications/{day.prepared}/cancel")
    page.get_by_label("お客様に伝える理由").fill("お客様のご依頼によるものです。\n二重に申し込まれました。")
    page.get_by_role("button", name="確認へ進む").click()
    inspect(visit, f"center-cancel-confirm-{size}")
    page.goto(f"{url}/applications/{day.prepared}/start")
    page.get_by_label("変更後の利用開始日").fill("2026/12/24")
    page.get_by_role("button", name="確認へ進む").click()
    inspect(visit, f"center-move-faulty-{size}")
    page.get_by_label("お客様に伝える理由").fill("お客様のご依頼によるものです。")
    page.get_by_role("button", name="確認へ進む").click()
    inspect(visit, f"center-move-confirm-{size}")
    page.goto(f"{url}/terminals/{day.issued}/revoke")
    page.get_by_label("失効の理由").select_option("keyCompromise")
    page.get_by_role("button", name="確認へ進む").click()
    inspect(visit, f"center-revoke-confirm-{size}")
    page.get_by_role("button", name="失効させる").click()
    inspect(visit, f"center-revoke-done-{size}")
    page.goto(f"{url}/terminals/{day.revoked}/revoke")
    inspect(visit, f"center-revoke-again-{size}")


@ONE_DATABASE
def test_the_center_is_worked_in_english_too(
    chromium: Chromium, center_url: str, issuing_doors: Doors, day: Day, root: Path
) -> None:
    with chromium.visit(root) as visit:
        log_in(visit.page, issuing_doors, center_url, "mori")
        visit.page.get_by_role("button", name="English").click()
        for name in ("menu", "queue-all", "application-rich", "terminal-issued", "revoke", "office", "mails"):
            visit.page.goto(center_url + reading_pages(day)[name])
            inspect(visit, f"center-{name}-english")


@ONE_DATABASE
def test_keyboard_and_no_script_are_enough_to_approve(
    chromium: Chromium, center_url: str, issuing_doors: Doors, root: Path
) -> None:
    number = file_application(issuing_doors)
    with chromium.visit(root, javascript=False) as visit:
        page = visit.page
        log_in(page, issuing_doors, center_url, "mori")
        page.goto(f"{center_url}/applications/{number}")
        page.get_by_role("link", name="承認へ進む").press("Enter")
        page.get_by_label("利用開始日").press("Enter")
        page.get_by_role("button", name="承認する").press("Enter")
        page.wait_for_load_state()
        assert page.get_by_role("status").text_content() == f"申込{number}を承認しました。お客様にメールでお知らせします。"
        assert START.strftime("%Y/%m/%d") in page.get_by_role("main").inner_text()


@ONE_DATABASE
def test_the_bars_are_one_row_each_on_a_desktop_in_both_languages(
    issuing_doors: Doors, chromium: Chromium, center_url: str, root: Path
) -> None:
    with chromium.visit(root, viewport=ViewportSize(width=1280, height=720)) as visit:
        page = visit.page
        log_in(page, issuing_doors, center_url, "mori")
        for language, other in (("ja", "English"), ("en", "日本語")):
            page.goto(center_url)
            assert page.locator("html").get_attribute("lang") == language
            inspect(visit, f"center-bars-{language}-wide")
            for rows in ("nav.main li", ".bar > *, .who > *"):
                boxes = page.locator(rows).evaluate_all(
                    "all => all.map(one => [one.offsetTop, one.offsetTop + one.offsetHeight])"
                )
                assert max(begin for begin, _ in boxes) < min(end for _, end in boxes), (language, rows)
            page.get_by_role("button", name=other).click()
