"""Long lists of the application's pages in a real browser: accessible, within 320 px, by keyboard, Back harmless, no script."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page

from registry.applicants import contact_form
from registry.drafts import Section
from tests.support.browser import DESKTOP, NARROW, Chromium, Visit
from tests.support.localhost_tls import localhost_credentials
from tests.support.open_doors import listener_url, serving
from tests.webui.conftest import APPLICANT, HANAKO, START, Doors
from tests.webui.entering import log_in
from tests.webui.inspection import inspect
from tests.webui.portal.test_turning import many_codes, many_terminals

# The pages look alike whatever lies below.
pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def portal_url(doors: Doors, tmp_path: Path) -> Iterator[str]:
    """Serve the portal of an office with long lists, where hanako has begun an application, and return its address."""
    many_terminals(doors, 120)
    many_codes(doors, 130)
    draft = doors.drafts.begin(HANAKO)
    for section, typed in {
        Section.CHOICE: {"items": ["terminals", "user_codes", "id_numbers"], "wished_start": [START.isoformat()]},
        Section.APPLICANT: contact_form(APPLICANT),
        "user_codes": {f"1A{number:03}.delete": ["yes"] for number in range(70, 130)},
        "id_numbers": {"new1.user_code": ["1A002"], "new1.id_number": ["002"]},
    }.items():
        doors.drafts.save(HANAKO, draft.id, section, typed)
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    credentials, _ = localhost_credentials(tmp_path)
    with serving(doors.portal, listener, credentials):
        yield listener_url(listener)


def pressed(page: Page, then: str) -> None:
    page.locator(f"main button[name=then][value='{then}']").first.click()


def next_page(page: Page) -> None:
    page.locator("main form .actions button:not([name])").click()


def abolish_some_terminals(visit: Visit, url: str, size: str) -> None:
    """Search, turn, narrow and go back and forth, by keyboard where that matters, up to the confirmation."""
    page = visit.page
    page.goto(f"{url}/apply/terminals")
    page.locator("input[name=abolish][value='00003W']").check()
    # By keyboard alone: Enter in the search field searches, and what was ticked is kept.
    page.locator("#q").focus()
    page.keyboard.type("0011")
    page.keyboard.press("Enter")
    page.wait_for_url(f"{url}/apply/terminals?q=0011#rows")
    assert page.locator("input[name=abolish]").count() == 11
    page.locator("input[name=abolish][value='00119W']").focus()
    page.keyboard.press("Space")
    page.locator("input[name='class.00119W'][value=air]").check()
    pressed(page, "all")
    page.wait_for_url(f"{url}/apply/terminals?page=1#rows")
    inspect(visit, f"portal-long-terminals-{size}")
    page.go_back()  # what was searched for, as it was saved
    assert page.locator("input[name=abolish][value='00119W']").is_checked()
    page.locator("input[name='class.00119W'][value=sea]").check()
    pressed(page, "changed")
    page.wait_for_url(f"{url}/apply/terminals?only=changed#rows")
    assert page.locator("input[name=shown]:not([value=''])").count() == 2
    # Enter elsewhere goes on.
    page.locator("[id='add.net.sea']").fill("2")
    page.keyboard.press("Enter")
    page.wait_for_url(f"{url}/apply/confirm")
    inspect(visit, f"portal-long-confirmation-{size}")


def change_some_codes(visit: Visit, url: str, size: str) -> None:
    """Change a row, find it from another page, and be led to what is wrong."""
    page = visit.page
    page.goto(f"{url}/apply/items/user_codes?page=3")
    page.locator("[id='1A051.business']").select_option("船会社")
    page.locator("[id='new1.user_code']").fill("2A")
    pressed(page, "page.4")
    page.wait_for_url(f"{url}/apply/items/user_codes?page=4#rows")
    pressed(page, "row.1A051")
    page.wait_for_url(f"{url}/apply/items/user_codes?row=1A051#row.1A051")
    next_page(page)
    page.wait_for_url(f"{url}/apply/items/user_codes#faults")
    inspect(visit, f"portal-long-user-codes-{size}")
    page.locator("[id='new1.user_code']").fill("")
    next_page(page)
    page.wait_for_url(f"{url}/apply/items/id_numbers")
    inspect(visit, f"portal-long-id-numbers-{size}")


@pytest.mark.parametrize("size", ["wide", "narrow"])
def test_a_long_list_is_turned_searched_and_sent_whole(
    chromium: Chromium, portal_url: str, doors: Doors, tmp_path: Path, size: str
) -> None:
    with chromium.visit(tmp_path / "localhost-root.pem", viewport=DESKTOP if size == "wide" else NARROW) as visit:
        page = visit.page
        log_in(page, doors, portal_url, *("hanako", "NAC001"))
        if size == "narrow":
            page.get_by_role("button", name="English").click()
        abolish_some_terminals(visit, portal_url, size)
        change_some_codes(visit, portal_url, size)
        pressed(page, "confirm")
        page.wait_for_url(f"{portal_url}/apply/confirm")
        page.get_by_label("備考" if size == "wide" else "Remarks").fill("よろしく")
        pressed(page, "part.user_codes.2")
        page.wait_for_url(f"{portal_url}/apply/confirm?user_codes=2#part-user_codes")
        assert page.locator("#remarks").input_value() == "よろしく"
        inspect(visit, f"portal-long-confirmation-turned-{size}")
