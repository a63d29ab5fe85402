"""The pages of notices in a real browser, in English at 320 px: list, form with slips, preview, confirmations, history."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from registry.bulletin import BulletinDesk
from tests.support.browser import NARROW, Chromium
from tests.support.localhost_tls import localhost_credentials
from tests.support.open_doors import listener_url, serving
from tests.webui.bulletin.conftest import MAINTENANCE, publish
from tests.webui.conftest import Doors
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


def test_notices_are_written_and_withdrawn(chromium: Chromium, center_url: str, doors: Doors, tmp_path: Path) -> None:
    number = publish(BulletinDesk(doors.database, doors.clock), MAINTENANCE)
    with chromium.visit(tmp_path / "localhost-root.pem", viewport=NARROW) as visit:
        page = visit.page
        log_in(page, doors, center_url, "sato")
        page.get_by_role("button", name="English").click()
        page.goto(f"{center_url}/bulletin/new")
        page.get_by_role("button", name="See it as readers will").click()
        inspect(visit, "center-notice-faulty-english")
        page.goto(f"{center_url}/bulletin/{number}/edit")
        inspect(visit, "center-notice-form-english")
        page.get_by_label("Title (Japanese)").fill("訂正した件名")
        page.get_by_role("button", name="See it as readers will").click()
        inspect(visit, "center-notice-preview-english")
        page.get_by_role("button", name="Publish the correction").click()
        page.get_by_text("The correction is published.").wait_for()
        page.locator("summary").first.click()
        inspect(visit, "center-notice-english")
        page.goto(f"{center_url}/bulletin/{number}/withdraw")
        page.get_by_label("Reason of the withdrawal").fill("mistaken")
        inspect(visit, "center-notice-withdrawal-english")
        page.get_by_role("button", name="Continue").click()
        inspect(visit, "center-notice-withdrawal-confirm-english")
        page.goto(f"{center_url}/bulletin/")
        inspect(visit, "center-notices-english")
