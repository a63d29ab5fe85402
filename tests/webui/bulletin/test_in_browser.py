"""The public pages in a real browser: accessible, within 320 px, without complaint, by keyboard and without script."""

import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.browser import DESKTOP, NARROW, Chromium
from tests.support.localhost_tls import localhost_credentials
from tests.support.open_doors import listener_url, serving
from tests.webui.bulletin.conftest import Board
from tests.webui.inspection import inspect
from webui import bulletin
from webui.bulletin import BulletinParts, read_roots
from webui.bulletin.shelf import CODES, MANUALS

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

# Each page that is made of a template of its own or drawn differently; codes all look alike, so the longest stands for them.
PAGES = {
    "top": "",
    "notices": "notices",
    "notices-none": "notices?q=xyz&category=incident&month=2026-11",
    "codes": "codes",
    "codes-none": "codes?code=E999",
    "code": f"codes/{max(CODES.values(), key=lambda code: len(code.cause.en + code.remedy.en)).code}",
    "nowhere": "manuals/none",
    **{name: f"manuals/{name}" for name in MANUALS},
}


@pytest.fixture
def bulletin_url(board: Board, tmp_path: Path) -> Iterator[str]:
    """Serve the portal's door over TLS and return its address."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    credentials, root = localhost_credentials(tmp_path)
    bulletin.equip(board.doors.portal, BulletinParts(read_roots(root.read_bytes()), "https://localhost:8444"))
    with serving(board.doors.portal, listener, credentials):
        yield listener_url(listener)


@pytest.mark.parametrize(("size", "language"), [("wide", "ja"), ("narrow", "en")])
def test_every_page_is_accessible_and_fits(
    chromium: Chromium, bulletin_url: str, board: Board, tmp_path: Path, size: str, language: str
) -> None:
    own = {"notice": f"notices/{board.maintenance}", "gone": f"notices/{board.withdrawn}"}
    prefix = f"{bulletin_url}/bulletin/{'en/' if language == 'en' else ''}"
    viewport = DESKTOP if size == "wide" else NARROW
    with chromium.visit(tmp_path / "localhost-root.pem", viewport=viewport, javascript=True) as visit:
        for name, path in {**PAGES, **own}.items():
            visit.page.goto(prefix + path)
            inspect(visit, f"bulletin-{name}-{size}-{language}")
        if viewport is NARROW:  # the other language is as accessible, and may be wider
            for path in (*PAGES.values(), *own.values()):
                visit.page.goto(f"{bulletin_url}/bulletin/{path}")
                assert visit.page.evaluate("document.documentElement.scrollWidth") <= NARROW["width"], path
        assert visit.page.context.cookies() == []


def test_a_reader_finds_a_notice_and_a_code_by_keyboard_and_without_script(
    chromium: Chromium, bulletin_url: str, board: Board, tmp_path: Path
) -> None:
    del board  # its notices are what is found
    with chromium.visit(tmp_path / "localhost-root.pem", javascript=False) as visit:
        page = visit.page
        page.goto(f"{bulletin_url}/bulletin/")
        page.get_by_label("お知らせ・手順・エラーコードの検索").focus()
        page.keyboard.type("メンテナンス")
        page.keyboard.press("Enter")
        page.wait_for_url(re.compile(r"/bulletin/notices\?"))  # the page before it has such a link, too
        page.get_by_role("link", name="定期メンテナンスのお知らせ").focus()
        page.keyboard.press("Enter")
        page.get_by_role("heading", name="定期メンテナンスのお知らせ").wait_for()
        page.get_by_role("link", name="エラーコード").focus()
        page.keyboard.press("Enter")
        page.get_by_label("表示されたコード").focus()
        page.keyboard.type("e111")
        page.keyboard.press("Enter")
        page.wait_for_url("**/bulletin/codes/E111")
        page.get_by_role("link", name="English").focus()
        page.keyboard.press("Enter")
        page.wait_for_url("**/bulletin/en/codes/E111")
