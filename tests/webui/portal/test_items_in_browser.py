"""The pages of change items and the contract's tabs in a real browser: accessible, within 320 px, in both languages."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page

from registry.applicants import contact_form
from registry.drafts import Customer, Section
from tests.support.browser import DESKTOP, NARROW, Chromium, Visit
from tests.support.localhost_tls import localhost_credentials
from tests.support.open_doors import listener_url, serving
from tests.webui.conftest import APPLICANT, HANAKO, SATO, START, Doors
from tests.webui.entering import log_in
from tests.webui.inspection import inspect

# The pages look alike whatever lies below.
pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
CODE = {"user_code": "1ANAC", "id_number": "001", "system_class": "sea", "business": "通関業", "processing": "会話型"}
LINE = {"postal_code": "1350064", "place": "東京都江東区青海１－２－３", "kind": "guaranteed"}
DEVICE = {"system_class": "sea", "device": "printer", "line_number": ""}
ITEMS = ("names", "user_codes", "id_numbers", "lines", "price_plan", "statistics", "billing_address", "payment_method")


def new(row: dict[str, str]) -> dict[str, list[str]]:
    return {f"new1.{name}": [text] for name, text in row.items()}


@pytest.fixture
def furnished(doors: Doors) -> Doors:
    """Return doors over an office with a user code, a line and a general terminal."""
    changes = {"user_codes": new(CODE), "lines": new(LINE), "general_terminals": new(DEVICE), "mailboxes": {"mailboxes": ["3"]}}
    number = filed(doors, HANAKO, changes)
    doors.review.approve(number, START, approver=SATO)
    for item in changes:
        doors.review.mark_executed(number, item, actor=SATO)
    return doors


def filed(doors: Doors, customer: Customer, changes: dict[str, dict[str, list[str]]]) -> str:
    draft = doors.drafts.begin(customer)
    pages = {
        Section.CHOICE: {"items": list(changes), "wished_start": [START.isoformat()]},
        Section.APPLICANT: contact_form(APPLICANT),
        **changes,
    }
    for section, typed in pages.items():
        draft = doors.drafts.save(customer, draft.id, section, typed)
    return doors.applications.submit(customer, draft.id, version=draft.version)


@pytest.fixture
def portal_url(furnished: Doors, tmp_path: Path) -> Iterator[str]:
    """Serve the portal over TLS and return its address."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    credentials, _ = localhost_credentials(tmp_path)
    with serving(furnished.portal, listener, credentials):
        yield listener_url(listener)


def begin(page: Page, url: str) -> None:
    page.goto(f"{url}/apply")
    page.locator("form[action='/apply'] button").click()
    page.locator("input[name=items][value=terminals]").uncheck()
    for item in ITEMS:
        page.locator(f"input[name=items][value={item}]").check()
    page.locator("#wished_start").fill("20261215")
    page.locator("main form .actions button:not([name])").click()
    page.locator("main form .actions button:not([name])").click()


def fill(visit: Visit, item: str, texts: dict[str, str], size: str) -> None:
    """Send the page first as it is, which is a fault, and then with what shall change."""
    page = visit.page
    inspect(visit, f"portal-item-{item}-{size}")
    page.locator("main form .actions button:not([name])").click()
    if item in {"user_codes", "names"}:
        inspect(visit, f"portal-item-{item}-faulty-{size}")
    for name, text in texts.items():
        field = page.locator(f"[id='{name}']")
        if field.evaluate("one => one.tagName") == "SELECT":
            field.select_option(text)
        elif field.evaluate("one => one.tagName") == "FIELDSET":
            field.locator(f"input[value='{text}']").check()
        else:
            field.fill(text)
    page.locator("main form .actions button:not([name])").click()


@pytest.mark.parametrize("size", ["wide", "narrow", "english"])
def test_items_are_typed_over_what_the_contract_says(
    chromium: Chromium, portal_url: str, furnished: Doors, tmp_path: Path, size: str
) -> None:
    texts = {
        "names": {"office_name": "東京第二営業所", "company_name": "新商事株式会社"},
        "user_codes": {
            "1ANAC.processing": "ウェブ型",
            "new1.user_code": "2ANAC",
            **{f"new1.{k}": v for k, v in CODE.items() if k != "user_code"},
        },
        "id_numbers": {"new1.user_code": "2ANAC", "new1.id_number": "002"},
        "lines": {"L000001.kind": "double"},
        "statistics": {"1ANAC.paid_statistics": "yes"},
        "price_plan": {"price_plan": "B"},
        "billing_address": {"billing_postal_code": "1000001"},
        "payment_method": {"payment_method": "transfer"},
    }
    with chromium.visit(tmp_path / "localhost-root.pem", viewport=DESKTOP if size == "wide" else NARROW) as visit:
        page = visit.page
        log_in(page, furnished, portal_url, *("hanako", "NAC001"))
        if size == "english":
            page.get_by_role("button", name="English").click()
        begin(page, portal_url)
        for item in ITEMS:
            fill(visit, item, texts[item], size)
        page.wait_for_url(f"{portal_url}/apply/confirm")
        inspect(visit, f"portal-items-confirmation-{size}")
        page.locator("main form .actions button:not([name])").click()
        page.goto(f"{portal_url}/applications/260002A")
        inspect(visit, f"portal-items-application-{size}")
        for tab in ("", "/user-codes", "/general-naccs", "/lines", "/billing"):
            page.goto(f"{portal_url}/contract{tab}")
            inspect(visit, f"portal-contract{tab.replace('/', '-')}-{size}")
        for kind in ("system_settings", "broker_ids"):
            page.goto(f"{portal_url}/apply/{kind}")
            inspect(visit, f"portal-{kind}-{size}")
