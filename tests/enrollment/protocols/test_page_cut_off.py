"""The retrieval page when its browser dies, and when the laptop is closed: with the same profile it goes on and finishes."""

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest
from cryptography import x509
from playwright.sync_api import Route

from enrollment.codes import Codes
from kernel.clock import SystemClock
from kernel.database import connect
from tests.conftest import FreshDatabase
from tests.enrollment.protocols.page_visits import REST, certificate_of, fill, finish, kept, log_on, open_page, redeem_unheard
from tests.support.browser import Chromium, Profile
from tests.support.open_doors import OpenDoors, open_house


@pytest.fixture(scope="module")
def doors(sqlite_databases: FreshDatabase, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenDoors]:
    with sqlite_databases() as url:
        database = connect(url)
        with open_house(database, tmp_path_factory.mktemp("doors"), SystemClock()) as opened:
            yield opened
        database.dispose()


@pytest.fixture
def profile(doors: OpenDoors, chromium: Chromium, tmp_path: Path) -> Profile:
    return chromium.profile(doors.root, tmp_path / "home")


@pytest.fixture
def codes(doors: OpenDoors) -> Codes:
    [(_, codes)] = doors.house.new_codes()
    return codes


def test_a_browser_that_dies_before_the_answer_goes_on_with_its_key(
    profile: Profile, doors: OpenDoors, codes: Codes, tmp_path: Path
) -> None:
    asked: list[str] = []
    with profile.visit() as visit:
        page = open_page(visit, doors)
        fill(page, asdict(codes))
        page.route(REST, lambda route: asked.append(redeem_unheard(doors, route)))
        page.click("#go")
        while not asked:
            page.wait_for_timeout(50)
        profile.kill(visit)
    with profile.visit() as visit:
        page = open_page(visit, doors)
        page.wait_for_selector("#unfinished:not([hidden])")
        assert "同じコードを入力すると" in page.inner_text("#unfinished")
        fill(page, asdict(codes))
        page.click("#go")
        content = finish(page)
    issued = certificate_of(content).public_key()
    assert issued == x509.load_pem_x509_csr(asked[0].encode()).public_key()
    assert log_on(doors, content, codes.access_key, tmp_path)[0] == 200


def test_a_browser_that_dies_before_the_question_leaves_the_codes_good(profile: Profile, doors: OpenDoors, codes: Codes) -> None:
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    with profile.visit() as visit:
        page = open_page(visit, doors)
        fill(page, asdict(codes))
        page.route(REST, hold)
        page.click("#go")
        while not held:
            page.wait_for_timeout(50)
        profile.kill(visit)
    with profile.visit() as visit:
        page = open_page(visit, doors)
        fill(page, asdict(codes))
        page.click("#go")
        certificate_of(finish(page))


def test_a_browser_that_dies_with_the_file_unsaved_still_has_it_without_codes(
    profile: Profile, doors: OpenDoors, codes: Codes, tmp_path: Path
) -> None:
    with profile.visit() as visit:
        page = open_page(visit, doors)
        fill(page, asdict(codes))
        page.click("#go")
        page.wait_for_selector("#done:not([hidden])")
        profile.kill(visit)
    with profile.visit() as visit:
        page = open_page(visit, doors)
        page.click("#unfinished button.open")
        content = finish(page)
        assert log_on(doors, content, codes.access_key, tmp_path)[0] == 200
        page.click("#confirm")
        page.wait_for_selector("#finished:not([hidden])")
        assert kept(page) == []


def test_a_laptop_that_was_closed_for_two_hours_asks_again_when_the_network_is_back(
    chromium: Chromium, doors: OpenDoors, codes: Codes
) -> None:
    with chromium.visit(doors.root) as visit:
        visit.page.clock.install()
        page = open_page(visit, doors)
        fill(page, asdict(codes))
        heard: list[str] = []

        def close_lid(route: Route) -> None:
            # The center has heard the question; its answer meets a network that is gone.
            heard.append(redeem_unheard(doors, route))
            page.context.set_offline(offline=True)
            route.abort("internetdisconnected")

        page.route(REST, close_lid, times=1)
        page.click("#go")
        page.wait_for_selector("#now:not([hidden])")
        sleep = page.context.new_cdp_session(page)
        sleep.send("Page.setWebLifecycleState", {"state": "frozen"})
        sleep.send("Page.setWebLifecycleState", {"state": "active"})
        page.clock.fast_forward("02:00:00")
        page.wait_for_selector("#now:not([hidden])")
        page.locator("#progress-sentence", has_text="コードは失われていません").wait_for()
        page.context.set_offline(offline=False)
        content = finish(page)
        assert certificate_of(content).public_key() == x509.load_pem_x509_csr(heard[0].encode()).public_key()
        visit.complaints.clear()  # the browser names the network that was away
