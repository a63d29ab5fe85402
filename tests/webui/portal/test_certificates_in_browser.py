"""Certificates and the doctor in a real browser: accessible, within 320 px, told in both languages."""

import socket
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from ca.revocation import Reason
from enrollment.ending import Endings
from enrollment.interfaces import Interface
from tests.support.browser import DESKTOP, NARROW, Chromium
from tests.support.house import SOURCE, House, new_request
from tests.support.localhost_tls import localhost_credentials
from tests.support.open_doors import listener_url, serving
from tests.webui.conftest import SATO, TERMINAL, Doors
from tests.webui.entering import log_in
from tests.webui.inspection import inspect

# The pages look alike whatever lies below.
pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

SIZES = {"": DESKTOP, "-narrow": NARROW}
HANAKO = ("hanako", "NAC001")


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


@pytest.mark.parametrize("size", SIZES)
def test_certificates_are_seen_revoked_and_diagnosed(
    chromium: Chromium, portal_url: str, issuing_doors: Doors, house: House, root: Path, size: str
) -> None:
    doors = issuing_doors
    _, names = doors.prepared(4)
    for name in names[:3]:
        house.redemption.redeem(house.codes_of(name), new_request().pem, SOURCE, Interface.PAGE)
    Endings(doors.database, doors.clock).revoke(names[1], Reason.KEY_COMPROMISE, SATO)
    house.crl.publish_if_due(doors.clock.advance(timedelta(days=40)))
    with chromium.visit(root, viewport=SIZES[size]) as visit:
        page = visit.page
        log_in(page, doors, portal_url, *HANAKO)
        if size:
            page.get_by_role("button", name="English").click()
        page.goto(f"{portal_url}/certificates/")
        inspect(visit, f"portal-certificates{size}")
        page.goto(f"{portal_url}/certificates/unasked")
        inspect(visit, f"portal-unasked{size}")
        page.goto(f"{portal_url}/certificates/?q={names[0]}")
        page.locator("a.serial").click()
        inspect(visit, f"portal-certificate{size}")
        page.goto(f"{portal_url}/terminals/{names[0]}/revocation")
        inspect(visit, f"portal-revocation{size}")
        page.locator("input[value=keyCompromise]").check()
        page.locator("main form button[type=submit]").click()
        inspect(visit, f"portal-revocation-confirm{size}")
        page.locator("button.danger").click()
        page.locator(".notice.done").wait_for()
        for name, told in ((names[0], "revoked"), (names[2], "good"), (names[3], "codes"), (TERMINAL, "taken-over")):
            page.goto(f"{portal_url}/terminals/{name}/doctor")
            inspect(visit, f"portal-doctor-{told}{size}")
        page.locator("main form button[type=submit]").click()
        page.locator(".big.code").wait_for()
        inspect(visit, f"portal-doctor-case{size}")
