"""Bills and mails in a real browser, at both doors: accessible, within 320 px, in both languages."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import date
from pathlib import Path

import pytest

from kernel import outbox
from kernel.clock import day_start
from kernel.outbox import DeliveryFailed, Letter
from registry.billing.bills import Facts, Usage
from registry.billing.closing import enter
from registry.billing.months import Month
from registry.billing.prices import read_prices
from registry.states import PricePlan
from tests.support.browser import DESKTOP, NARROW, Chromium
from tests.support.localhost_tls import localhost_credentials
from tests.support.open_doors import listener_url, serving
from tests.webui.conftest import Doors
from tests.webui.entering import log_in
from tests.webui.inspection import inspect

SIZES = {"wide": DESKTOP, "narrow": NARROW}
OCTOBER = Month(2026, 10)
# The pages look alike whatever lies below.
pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def lived(issuing_doors: Doors) -> Doors:
    """Close months in two years, file an application, and let one mail fail and one wait."""
    doors, now = issuing_doors, issuing_doors.clock.now()
    doors.applied()
    used = Usage("1", "NAC001", Month(2026, 9), "NAC01", "輸入申告（前月分の訂正）", 3, "件", -340)
    with doors.database.transaction() as session:
        full = Facts(OCTOBER, PricePlan.A, tuple(f"{one:05}W" for one in range(60)), ("NAC01",), ("NAC01", "NAC02"), (used,))
        enter(session, "NAC001", full, read_prices(), day_start(date(2026, 11, 1)))
        enter(session, "NAC001", Facts(Month(2025, 12), PricePlan.B), read_prices(), day_start(date(2026, 1, 1)))
        outbox.post(session, now=now, recipient="away@example.jp", subject="【NSS】届かない", body="本文", office_code="NAC001")

    def deliver(letter: Letter) -> None:
        if letter.recipient.startswith("away"):
            raise DeliveryFailed("550 no such mailbox", permanent=True)

    outbox.deliver(doors.database, deliver, now=now)
    return doors


@pytest.fixture
def urls(lived: Doors, tmp_path: Path) -> Iterator[dict[str, str]]:
    """Serve both doors over TLS and return their addresses."""
    credentials, _ = localhost_credentials(tmp_path)
    with ExitStack() as stack:
        addresses = {}
        for name, app in (("portal", lived.portal), ("center", lived.center)):
            listener = socket.create_server(("127.0.0.1", 0), backlog=128)
            stack.enter_context(serving(app, listener, credentials))
            addresses[name] = listener_url(listener)
        yield addresses


@pytest.mark.parametrize("size", SIZES)
def test_bills_and_mails_are_for_everybodys_eyes(
    lived: Doors, chromium: Chromium, urls: dict[str, str], tmp_path: Path, size: str
) -> None:  # fmt: skip
    with chromium.visit(tmp_path / "localhost-root.pem", viewport=SIZES[size]) as visit:
        page = visit.page
        log_in(page, lived, urls["portal"], "hanako", "NAC001")
        page.goto(f"{urls['portal']}/bills/")
        inspect(visit, f"bills-{size}")
        page.get_by_role("link", name="2026年10月").click()
        inspect(visit, f"bill-{size}")
        with page.expect_download() as coming:
            page.get_by_role("link", name="請求明細書(PDF)").click()
        assert coming.value.suggested_filename == "bill-NAC001-2026-10.pdf"
        page.goto(f"{urls['portal']}/mails/")
        inspect(visit, f"mails-{size}")
        page.get_by_role("link", name="【NSS】届かない").click()
        page.get_by_text("このメールは届けられませんでした").wait_for()
        inspect(visit, f"mail-failed-{size}")
        page.get_by_role("button", name="English").click()
        inspect(visit, f"mail-failed-english-{size}")
        page.goto(f"{urls['portal']}/bills/2026-10")
        inspect(visit, f"bill-english-{size}")
    with chromium.visit(tmp_path / "localhost-root.pem", viewport=SIZES[size]) as visit:
        log_in(visit.page, lived, urls["center"], "sato")
        visit.page.goto(f"{urls['center']}/offices/NAC001/bills/")
        inspect(visit, f"center-bills-{size}")
        visit.page.goto(f"{urls['center']}/offices/NAC001/bills/2026-10")
        inspect(visit, f"center-bill-{size}")
