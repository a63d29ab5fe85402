"""The pages of reissues at both doors in a real browser, at 320 px, in Japanese and some in English."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import pytest

from enrollment.credentials import of_terminals
from enrollment.reissue import ReissuePreparation, Reissues
from enrollment.reissue_records import ReissueReason, Stage
from kernel.clock import day_start, tokyo_date
from tests.support.browser import NARROW, Chromium, Visit
from tests.support.house import SOURCE, House, new_request
from tests.support.localhost_tls import localhost_credentials
from tests.support.open_doors import listener_url, serving
from tests.webui.conftest import HANAKO, KATO, OPERATOR, SATO, TERMINAL, Doors
from tests.webui.inspection import inspect
from tests.webui.visitors import PASSWORD, Visitor
from webui.accounts import NewAccount, Role

# The pages look alike whatever lies below.
pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def stages(issuing_doors: Doors, house: House) -> dict[str, str]:
    """Return reissues by how far they are, on a day on which a certificate is near its end; and a terminal that has none."""
    doors = issuing_doors
    _, names = doors.prepared(5)
    for name in names:
        house.redemption.redeem(house.codes_of(name), new_request().pem, SOURCE)
    with doors.database.snapshot() as session:
        last = tokyo_date(of_terminals(session, names)[names[0]].not_after)
    reissues, preparation = Reissues(doors.database, doors.clock), ReissuePreparation(doors.preparation)
    doors.clock.instant = day_start(last - timedelta(days=10))
    requested, stolen, accepted, prepared, free = names

    def ask(name: str, reason: ReissueReason = ReissueReason.PC_REPLACED) -> str:
        return reissues.request(name, reason, HANAKO.actor, remark="新しいパソコンが届きました。\n急いでいます。").id

    made = {"accepted": ask(accepted), "prepared": ask(prepared)}
    for reissue_id in made.values():
        ready_on = reissues.accept(reissue_id, SATO).ready_on
    assert ready_on
    doors.clock.instant = day_start(ready_on) + timedelta(hours=10)
    preparation.prepare(made["prepared"], KATO)
    declined = ask(TERMINAL)
    reissues.decline(declined, "同じパソコンのため、更新をご利用ください。\nご不明な点はヘルプデスクへ。", SATO)
    doors.clock.advance(timedelta(days=4))
    return {
        **made,
        "requested": ask(requested),
        "stolen": ask(stolen, ReissueReason.STOLEN),
        "declined": declined,
        "terminal": free,
    }


@pytest.fixture
def urls(issuing_doors: Doors, tmp_path: Path) -> Iterator[tuple[str, str]]:
    """Serve portal and center over TLS and return their addresses."""
    issuing_doors.accounts.add(NewAccount("mori", "森　都", "mori@example.jp", PASSWORD, frozenset(Role)), OPERATOR)
    credentials, _ = localhost_credentials(tmp_path)
    with ExitStack() as stack:
        found = []
        for app in (issuing_doors.portal, issuing_doors.center):
            listener = socket.create_server(("127.0.0.1", 0), backlog=128)
            stack.enter_context(serving(app, listener, credentials))
            found.append(listener_url(listener))
        yield found[0], found[1]


def enter(visit: Visit, url: str, visitor: Visitor, door: str, language: str = "ja") -> None:
    """Go on in the browser where a visitor has logged in."""
    session = f"__Host-tegata-{door}"
    cookies = {session: visitor.cookie(session), f"{session}-language": language}
    visit.page.context.add_cookies([{"name": name, "value": value, "url": url} for name, value in cookies.items()])


def portal_pages(stages: dict[str, str]) -> dict[str, str]:
    return {
        "menu-with-banner": "/",
        "netnaccs-with-reissues": "/contract/netnaccs",
        "reissue-form": f"/terminals/{stages['terminal']}/reissue",
        **{f"reissue-{stage}": f"/reissues/{stages[stage]}" for stage in stages if stage != "terminal"},
        "reissue-withdrawal": f"/reissues/{stages['requested']}/withdrawal",
    }


def center_pages(stages: dict[str, str]) -> dict[str, str]:
    return {
        "menu-with-reissues": "/",
        "reissues-open": f"/reissues/?tab={Stage.OPEN}",
        "reissues-none": "/reissues/?q=ZZZ999",
        "terminal-with-reissue": f"/terminals/{TERMINAL}",
        **{
            f"reissue-{stage}": f"/reissues/{stages[stage]}"
            for stage in ("requested", "stolen", "accepted", "prepared", "declined")
        },
        "reissue-accept": f"/reissues/{stages['requested']}/accept",
        "reissue-accept-stolen": f"/reissues/{stages['stolen']}/accept",
        "reissue-decline": f"/reissues/{stages['requested']}/decline",
        "reissue-withdraw": f"/reissues/{stages['requested']}/withdraw",
        "reissue-codes": f"/reissues/{stages['accepted']}/codes",
        "reissue-asking": f"/terminals/{stages['terminal']}/reissue",
    }


def read(visit: Visit, url: str, pages: dict[str, str]) -> None:
    for name, path in pages.items():
        visit.page.goto(url + path)
        inspect(visit, f"{name}-narrow")


def test_the_customers_pages(
    chromium: Chromium, urls: tuple[str, str], issuing_doors: Doors, stages: dict[str, str], tmp_path: Path
) -> None:
    with chromium.visit(tmp_path / "localhost-root.pem", viewport=NARROW) as visit:
        url, page = urls[0], visit.page
        enter(visit, url, issuing_doors.customer(), "portal")
        read(visit, url, {f"portal-{name}": path for name, path in portal_pages(stages).items()})
        page.goto(f"{url}/contract/netnaccs")
        page.get_by_role("link", name=f"再発行を申し込む {stages['terminal']}").press("Enter")
        page.get_by_role("button", name="確認へ進む").press("Enter")
        inspect(visit, "portal-reissue-faulty-form-narrow")
        page.get_by_role("radio", name="パソコンの入替え").press("Space")
        page.get_by_label("備考").fill("新しいパソコンが届きました。")
        page.get_by_role("button", name="確認へ進む").press("Enter")
        inspect(visit, "portal-reissue-confirm-narrow")
        page.get_by_role("button", name="再発行を申し込む").press("Enter")
        inspect(visit, "portal-reissue-done-narrow")
        page.get_by_role("link", name="紛失・盗難・鍵の漏えいを届け出る").press("Enter")
        page.get_by_role("radio", name="盗難").press("Space")
        page.get_by_role("button", name="確認へ進む").press("Enter")
        inspect(visit, "portal-reissue-confirm-worse-narrow")
        enter(visit, url, issuing_doors.customer(), "portal", "en")
        pages = portal_pages(stages)
        read(
            visit,
            url,
            {f"portal-english-{name}": pages[name] for name in ("menu-with-banner", "reissue-form", "reissue-prepared")},
        )


def test_the_pages_of_staff(
    chromium: Chromium, urls: tuple[str, str], issuing_doors: Doors, stages: dict[str, str], tmp_path: Path
) -> None:
    with chromium.visit(tmp_path / "localhost-root.pem", viewport=NARROW) as visit:
        url, page = urls[1], visit.page
        enter(visit, url, issuing_doors.staff("mori"), "center")
        read(visit, url, {f"center-{name}": path for name, path in center_pages(stages).items()})
        page.goto(f"{url}/reissues/{stages['requested']}/decline")
        page.get_by_role("button", name="確認へ進む").press("Enter")
        inspect(visit, "center-reissue-decline-faulty-narrow")
        page.get_by_label("お客様に伝える理由").fill("同じパソコンのため、更新をご利用ください。")
        page.get_by_role("button", name="確認へ進む").press("Enter")
        inspect(visit, "center-reissue-decline-confirm-narrow")
        page.goto(f"{url}/terminals/{stages['terminal']}/reissue")
        page.get_by_role("radio", name="紛失").press("Space")
        page.get_by_role("button", name="確認へ進む").press("Enter")
        inspect(visit, "center-reissue-asking-confirm-narrow")
        page.get_by_role("button", name="申し込んで承認する").press("Enter")
        inspect(visit, "center-reissue-asked-narrow")
        enter(visit, url, issuing_doors.staff("mori"), "center", "en")
        pages = center_pages(stages)
        read(visit, url, {f"center-english-{name}": pages[name] for name in ("reissues-open", "reissue-stolen", "reissue-codes")})
