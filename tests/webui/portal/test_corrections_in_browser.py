"""Files, corrections and the start-date calendar in a real browser, at both doors, wide and narrow, without complaint."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import FilePayload, Page

from tests.registry.attachments.samples import PDF, XLSX
from tests.support.browser import DESKTOP, NARROW, Chromium, Visit
from tests.support.localhost_tls import localhost_credentials
from tests.support.open_doors import listener_url, serving
from tests.webui.conftest import SATO, Doors
from tests.webui.entering import log_in
from tests.webui.inspection import inspect

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
HANAKO = ("hanako", "NAC001")


@pytest.fixture
def urls(doors: Doors, tmp_path: Path) -> Iterator[tuple[str, str]]:
    """Serve both doors over TLS and return their addresses."""
    portal, center = (socket.create_server(("127.0.0.1", 0), backlog=128) for _ in range(2))
    credentials, _ = localhost_credentials(tmp_path)
    with serving(doors.portal, portal, credentials), serving(doors.center, center, credentials):
        yield listener_url(portal), listener_url(center)


def attach(page: Page, *files: tuple[str, bytes]) -> None:
    payloads = [FilePayload(name=name, mimeType="application/octet-stream", buffer=content) for name, content in files]
    page.get_by_label("添付ファイル").set_input_files(payloads)
    page.get_by_role("button", name="添付する").click()


def correct(visit: Visit, doors: Doors, url: str, size: str) -> str:
    """Apply, be asked, and answer with a corrected application that has a file; return the receipt number."""
    page, number = visit.page, doors.applied()
    doors.review.query(number, "台数と見積書をご確認ください。", actor=SATO)
    page.goto(f"{url}/applications/{number}")
    inspect(visit, f"portal-query-{size}")
    page.get_by_role("button", name="申込の内容を修正する").click()
    page.get_by_role("link", name="論理端末を修正する").click()
    page.get_by_role("group", name="追加する台数 netNACCS").get_by_label("海上").fill("3")
    page.get_by_role("button", name="次へ進む").click()
    page.get_by_role("link", name="変更項目と利用開始希望日を修正する").click()
    page.get_by_role("button", name="利用開始日の予定から選ぶ").click()
    inspect(visit, f"portal-schedule-choice-{size}")
    page.get_by_role("button", name="2026/12/17").click()
    assert page.get_by_label("利用開始希望日").input_value() == "2026/12/17"
    for _ in range(3):
        page.get_by_role("button", name="進む").first.click()
    attach(page, ("偽物.pdf", XLSX))
    inspect(visit, f"portal-correction-faulty-{size}")
    attach(page, ("見積書.pdf", PDF), ("台数.xlsx", XLSX))
    page.get_by_role("button", name="外す 台数.xlsx").click()
    page.get_by_label("回答").fill("3台に増やします。")
    inspect(visit, f"portal-correction-{size}")
    page.get_by_role("button", name="修正した申込を回答として送信する").click()
    inspect(visit, f"portal-corrected-{size}")
    with page.expect_download() as download:
        page.get_by_role("link", name="見積書.pdf").click()
    assert download.value.path().read_bytes() == PDF
    return number


@pytest.mark.parametrize("size", ["wide", "narrow"])
def test_an_application_is_corrected_and_reviewed_again(
    chromium: Chromium, doors: Doors, urls: tuple[str, str], tmp_path: Path, size: str
) -> None:
    portal, center = urls
    root, viewport = tmp_path / "localhost-root.pem", DESKTOP if size == "wide" else NARROW
    with chromium.visit(root, viewport=viewport) as visit:
        log_in(visit.page, doors, portal, *HANAKO)
        number = correct(visit, doors, portal, size)
        visit.page.goto(f"{portal}/applications?q=xyz&state=queried")
        inspect(visit, f"portal-applications-none-{size}")
        if size == "narrow":
            visit.page.get_by_role("button", name="English").click()
            for name, path in {
                "corrected": f"/applications/{number}",
                "schedule": "/apply/schedule",
                "list": "/applications",
            }.items():
                visit.page.goto(portal + path)
                inspect(visit, f"portal-{name}-english")
    with chromium.visit(root, viewport=viewport) as visit:
        log_in(visit.page, doors, center, "sato")
        visit.page.goto(f"{center}/applications/{number}")
        inspect(visit, f"center-corrected-{size}")
        visit.page.goto(f"{center}/start-days/?month=2026-12")
        visit.page.get_by_label("日付").fill("20261216")
        visit.page.get_by_role("button", name="確認へ進む").click()
        inspect(visit, f"center-start-day-confirmation-{size}")
        visit.page.get_by_role("button", name="利用開始日に加える").click()
        inspect(visit, f"center-start-days-{size}")
