"""The documents' buttons and the public page in a real browser: accessible, within 320 px, in both languages."""

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from kernel.clock import day_start
from tests.support.browser import DESKTOP, NARROW, Chromium
from tests.support.documents import notices
from tests.support.house import House
from tests.support.localhost_tls import localhost_credentials
from tests.support.open_doors import listener_url, serving
from tests.webui.conftest import SATO, START, Doors
from tests.webui.entering import log_in
from tests.webui.inspection import inspect

SIZES = {"wide": DESKTOP, "narrow": NARROW}
# The pages look alike whatever lies below.
pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def portal_url(issuing_doors: Doors, tmp_path: Path) -> Iterator[str]:
    """Serve the portal over TLS and return its address."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    credentials, _ = localhost_credentials(tmp_path)
    with serving(issuing_doors.portal, listener, credentials):
        yield listener_url(listener)


@pytest.mark.parametrize("size", SIZES)
def test_a_notice_is_downloaded_and_verified(
    issuing_doors: Doors, house: House, chromium: Chromium, portal_url: str, tmp_path: Path, size: str
) -> None:  # fmt: skip
    number = issuing_doors.applied()
    issuing_doors.review.approve(number, START, approver=SATO)
    with ThreadPoolExecutor() as jobs:  # this thread is the browser's
        assert jobs.submit(notices(house).make_due, issuing_doors.clock.now()).result() == 1
    with chromium.visit(tmp_path / "localhost-root.pem", viewport=SIZES[size]) as visit:
        page = visit.page
        log_in(page, issuing_doors, portal_url, "hanako", "NAC001")
        page.goto(f"{portal_url}/applications/{number}")
        assert page.get_by_role("button", name="承認通知は2026/12/15から出力できます").is_disabled()
        inspect(visit, f"documents-waiting-{size}")
        issuing_doors.clock.instant = day_start(START)
        log_in(page, issuing_doors, portal_url, "hanako", "NAC001")
        page.goto(f"{portal_url}/applications/{number}")
        inspect(visit, f"documents-ready-{size}")
        with page.expect_download() as coming:
            page.get_by_role("link", name="承認通知を出力する").click()
        saved = tmp_path / coming.value.suggested_filename
        coming.value.save_as(saved)
        assert saved.name == f"approval-notice-{number}.pdf"
        changed = tmp_path / "changed.pdf"
        changed.write_bytes(saved.read_bytes() + b"\n")
        page.get_by_role("button", name="ログアウト").click()
        page.goto(f"{portal_url}/verify")
        inspect(visit, f"verify-{size}")
        for file, name, words in (
            (changed, "altered", "信用しないでください"),
            (saved, "genuine", "当センターが発行した承認通知です"),
        ):
            page.get_by_label("承認通知のファイル").set_input_files(file)
            page.get_by_role("button", name="確認する").click()
            page.get_by_text(words).wait_for()
            inspect(visit, f"verify-{name}-{size}")
        page.get_by_role("button", name="English").click()
        page.get_by_label("File of the approval notice").set_input_files(saved)
        page.get_by_role("button", name="Check", exact=True).click()
        page.get_by_text("issued by us").wait_for()
        inspect(visit, f"verify-genuine-english-{size}")
