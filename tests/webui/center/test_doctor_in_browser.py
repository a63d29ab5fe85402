"""The help desk's view of a case in a real browser."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.browser import NARROW, Chromium
from tests.support.localhost_tls import localhost_credentials
from tests.support.open_doors import listener_url, serving
from tests.webui.conftest import TERMINAL, Doors
from tests.webui.entering import log_in
from tests.webui.inspection import inspect

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def center_url(doors: Doors, tmp_path: Path) -> Iterator[str]:
    """Serve the center over TLS and return its address."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    credentials, _ = localhost_credentials(tmp_path)
    with serving(doors.center, listener, credentials):
        yield listener_url(listener)


def test_a_case_is_found_by_its_number(chromium: Chromium, center_url: str, doors: Doors, tmp_path: Path) -> None:
    visitor = doors.customer()
    visitor.get(f"/terminals/{TERMINAL}/doctor")
    number = visitor.post(f"/terminals/{TERMINAL}/doctor").location.rpartition("/")[2]
    with chromium.visit(tmp_path / "localhost-root.pem", viewport=NARROW) as visit:
        page = visit.page
        log_in(page, doors, center_url, "sato")
        page.goto(f"{center_url}/terminals/{TERMINAL}")
        page.get_by_role("link", name="診断", exact=True).click()
        inspect(visit, "center-doctor-narrow")
        page.get_by_role("link", name="診断番号で探す").click()
        page.get_by_label("診断番号").fill("2222-2222")
        page.get_by_role("button", name="検索").click()
        inspect(visit, "center-cases-narrow")
        page.get_by_label("診断番号").fill(f"{number[:4]}-{number[4:]}".lower())
        page.get_by_role("button", name="検索").click()
        page.wait_for_url(f"{center_url}/cases/{number}")
        inspect(visit, "center-case-narrow")
