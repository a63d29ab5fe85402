"""The retrieval page in a real browser, over real doors whose clock is the machine's."""

import re
import subprocess
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import utils
from cryptography.hazmat.primitives.serialization import pkcs12
from playwright.sync_api import Page, Route

from enrollment.codes import Codes
from kernel.clock import SystemClock
from kernel.database import connect
from tests.conftest import FreshDatabase
from tests.enrollment.protocols.page_visits import (
    PASSPHRASE,
    REST,
    certificate_of,
    fill,
    finish,
    kept,
    log_on,
    open_page,
    redeem_unheard,
    request_in,
)
from tests.support.browser import Chromium, Visit
from tests.support.open_doors import OpenDoors, open_house
from tests.webui.inspection import inspect

MANY = 1_000


@pytest.fixture(scope="module")
def doors(sqlite_databases: FreshDatabase, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenDoors]:
    with sqlite_databases() as url:
        database = connect(url)
        with open_house(database, tmp_path_factory.mktemp("doors"), SystemClock()) as opened:
            yield opened
        database.dispose()


@pytest.fixture
def visit(doors: OpenDoors, chromium: Chromium) -> Iterator[Visit]:
    with chromium.visit(doors.root) as visit:
        yield visit


@pytest.fixture
def codes(doors: OpenDoors) -> Codes:
    [(_, codes)] = doors.house.new_codes()
    return codes


@contextmanager
def counted(page: Page) -> Iterator[list[str]]:
    """Note each question to the center."""
    asked: list[str] = []

    def note(route: Route) -> None:
        asked.append(request_in(route))
        route.continue_()

    page.route(REST, note)
    yield asked
    page.unroute(REST)


@pytest.mark.parametrize("language", ["ja", "en"])
def test_the_file_logs_on_and_every_page_meets_the_bar(
    visit: Visit, doors: OpenDoors, codes: Codes, language: str, tmp_path: Path
) -> None:
    query = "" if language == "ja" else "?lang=en"
    page = open_page(visit, doors, query)
    inspect(visit, f"retrieve-{language}-1-form")
    page.click("#go")
    assert page.evaluate("document.activeElement.id") == "access_key"
    inspect(visit, f"retrieve-{language}-2-faults")
    fill(page, asdict(codes))
    page.click("#go")
    content = finish(page)
    inspect(visit, f"retrieve-{language}-3-done")
    assert [page.input_value(f"#{name}") for name in (*asdict(codes), "passphrase", "passphrase_again")] == [""] * 7
    assert log_on(doors, content, codes.access_key, tmp_path)[0] == 200
    page.click("#confirm")
    page.wait_for_selector("#finished:not([hidden])")
    inspect(visit, f"retrieve-{language}-4-finished")
    page.goto(f"{doors.retrieval}/retrieve/request{query}")
    inspect(visit, f"retrieve-{language}-5-request")
    open_page(visit, doors, query)
    assert page.is_hidden("#unfinished")


def test_nothing_scrolls_sideways_on_a_narrow_screen(chromium: Chromium, doors: OpenDoors, codes: Codes) -> None:
    with chromium.visit(doors.root, viewport={"width": 320, "height": 700}) as visit:
        page = open_page(visit, doors)
        inspect(visit, "retrieve-320-form")
        fill(page, asdict(codes))
        page.click("#go")
        finish(page)
        inspect(visit, "retrieve-320-done")


def test_the_keyboard_alone_does_it_with_codes_as_people_type_them(visit: Visit, doors: OpenDoors, codes: Codes) -> None:
    page = open_page(visit, doors)
    typed = {
        "access_key": f"{codes.access_key[:4]} {codes.access_key[4:8]}-{codes.access_key[8:]}",
        "auth_code_2": codes.auth_code_2.lower(),
        "office_code": "ｎａｃ００１",
    }
    page.focus("#access_key")
    for value in ({**asdict(codes), **typed}).values():
        page.keyboard.type(value)
        page.keyboard.press("Tab")
    page.keyboard.type(PASSPHRASE)
    page.keyboard.press("Tab")
    page.keyboard.type(PASSPHRASE)
    page.keyboard.press("Enter")
    page.wait_for_selector("#done:not([hidden])")
    page.keyboard.press("Tab")
    with page.expect_download():
        page.keyboard.press("Enter")


def test_slips_of_the_pen_are_told_beside_the_field_and_go_when_mended(visit: Visit, doors: OpenDoors, codes: Codes) -> None:
    page = open_page(visit, doors)
    digit = str((int(codes.access_key[0]) + 1) % 10)
    slips = {
        "access_key": (digit + codes.access_key[1:], "1桁ずつ比べて"),
        "auth_code_1": ("NAC9999", "英字3文字、数字3文字、英字1文字"),
        "auth_code_2": ("ABCDE0", "0、O、1、I、Lは使われません"),
        "office_code": ("NAC01", "英字3文字と数字3文字"),
        "passphrase": ("short", "12文字以上"),
        "passphrase_again": ("another", "一致しません"),
    }
    with counted(page) as asked:
        for name, (typed, message) in slips.items():
            page.fill(f"#{name}", typed)
            page.press(f"#{name}", "Tab")
            assert message in page.inner_text(f"#{name}-fault")
        page.fill("#passphrase", "パスフレーズパスフレーズ")
        assert "半角" in page.inner_text("#passphrase-fault")
        fill(page, asdict(codes))
        assert page.locator(".wrong:visible").count() == 0
        page.fill("#office_code", "XYZ001")
        page.click("#go")
        assert "先頭3文字が一致しません" in page.inner_text("#office_code-fault")
        assert asked == []


def test_the_strength_of_a_passphrase_is_a_hint(visit: Visit, doors: OpenDoors) -> None:
    page = open_page(visit, doors)
    for passphrase, told in (("aaaaaaaaaaaaaaa", "弱い"), ("abcdefghijklmnop", "弱い"), (PASSPHRASE, "強い")):
        page.fill("#passphrase", passphrase)
        assert told in page.inner_text("#passphrase-strength")


def test_a_double_click_asks_once(visit: Visit, doors: OpenDoors, codes: Codes) -> None:
    page = open_page(visit, doors)
    fill(page, asdict(codes))
    with counted(page) as asked:
        page.dblclick("#go")
        finish(page)
    assert len(asked) == 1


def test_an_answer_that_is_lost_is_asked_for_again_with_the_same_key(visit: Visit, doors: OpenDoors, codes: Codes) -> None:
    page = open_page(visit, doors)
    fill(page, asdict(codes))
    lost: list[str] = []

    def lose(route: Route) -> None:
        if not lost:
            lost.append(redeem_unheard(doors, route))
        route.abort("connectionreset")

    page.route(REST, lose)
    page.click("#go")
    page.wait_for_selector("#now:not([hidden])")
    page.locator("#progress-sentence", has_text="コードは失われていません").wait_for()
    visit.screenshot("retrieve-ja-6-lost")
    page.unroute(REST)  # not before: the page asks again by itself
    issued = certificate_of(finish(page)).public_key()
    assert issued == x509.load_pem_x509_csr(lost[0].encode()).public_key()
    visit.complaints.clear()  # the browser names the connection that we broke


def test_a_reload_in_the_middle_goes_on_with_the_same_key(visit: Visit, doors: OpenDoors, codes: Codes) -> None:
    page = open_page(visit, doors)
    fill(page, asdict(codes))

    def swallow(route: Route) -> None:
        asked.append(redeem_unheard(doors, route))

    asked: list[str] = []
    page.route(REST, swallow)
    page.click("#go")
    page.wait_for_function("() => document.querySelector('#step-send').className === 'now'")
    while not asked:
        page.wait_for_timeout(50)
    page.unroute(REST)
    page.reload()
    page.wait_for_selector("#unfinished:not([hidden])")
    assert "同じコードを入力すると" in page.inner_text("#unfinished")
    inspect(visit, "retrieve-ja-7-unfinished")
    fill(page, asdict(codes))
    page.click("#go")
    issued = certificate_of(finish(page)).public_key()
    assert issued == x509.load_pem_x509_csr(asked[0].encode()).public_key()
    visit.complaints.clear()


def test_a_file_that_was_not_saved_yet_is_there_after_a_reload_and_no_key_beside_it(
    visit: Visit, doors: OpenDoors, codes: Codes
) -> None:
    page = open_page(visit, doors)
    fill(page, asdict(codes))
    page.click("#go")
    page.wait_for_selector("#done:not([hidden])")
    page.click("#confirm")
    assert "まだ保存していません" in page.inner_text("#confirm-status")
    assert kept(page) == [["begun", "file", "id", "notAfter", "notBefore", "terminal"]]
    page.reload()
    page.click("#unfinished button.open")
    certificate_of(finish(page))
    page.click("#confirm")
    page.wait_for_selector("#finished:not([hidden])")
    assert kept(page) == []


def test_what_is_older_than_a_day_is_erased(visit: Visit, doors: OpenDoors, codes: Codes) -> None:
    page = open_page(visit, doors)
    fill(page, asdict(codes))
    page.click("#go")
    page.wait_for_selector("#done:not([hidden])")
    page.clock.install(time=SystemClock().now().timestamp() + 86_500)
    page.reload()
    page.wait_for_selector("#form:not([hidden])")
    while kept(page):  # they are erased beside what is shown
        page.wait_for_timeout(50)
    assert page.is_hidden("#unfinished")


def test_two_tabs_get_one_certificate(visit: Visit, doors: OpenDoors, codes: Codes) -> None:
    page = open_page(visit, doors)
    other = page.context.new_page()
    other.goto(page.url)
    other.wait_for_selector("#form:not([hidden])")
    for tab in (page, other):
        fill(tab, asdict(codes))
    page.evaluate("document.querySelector('#form').requestSubmit()")
    other.evaluate("document.querySelector('#form').requestSubmit()")
    assert certificate_of(finish(page)) == certificate_of(finish(other))


def test_wrong_codes_are_told_with_advice_and_leave_no_key_behind(visit: Visit, doors: OpenDoors, codes: Codes) -> None:
    page = open_page(visit, doors)
    wrong = asdict(codes) | {"auth_code_2": "222222" if codes.auth_code_2 != "222222" else "333333"}
    fill(page, wrong)
    page.click("#go")
    page.wait_for_selector("#refusal:not([hidden])")
    assert "のいずれかが正しくありません" in page.inner_text("#refusal")
    assert "1文字ずつ比べて" in page.inner_text("#refusal")
    inspect(visit, "retrieve-ja-8-refused")
    assert kept(page) == []
    page.fill("#auth_code_2", codes.auth_code_2)
    page.click("#go")
    certificate_of(finish(page))
    visit.complaints.clear()  # a 401 is an error to the console


def test_another_browser_is_told_that_the_codes_are_spent(chromium: Chromium, doors: OpenDoors, codes: Codes) -> None:
    for query, told in (("", None), ("?lang=en", "These codes were used with another key")):
        with chromium.visit(doors.root) as visit:
            page = open_page(visit, doors, query)
            fill(page, asdict(codes))
            page.click("#go")
            if told is None:
                finish(page)
                continue
            page.wait_for_selector("#refusal:not([hidden])")
            assert told in page.inner_text("#refusal")
            visit.complaints.clear()


def test_whoever_must_wait_is_told_until_when(visit: Visit, doors: OpenDoors, codes: Codes) -> None:
    page = open_page(visit, doors)
    fill(page, asdict(codes))
    problem = {"code": "throttled", "title": "しばらく受け付けられません。", "title_en": "Wait."}
    page.route(REST, lambda route: route.fulfill(status=429, json=problem, headers={"Retry-After": "1800"}))
    page.click("#go")
    page.wait_for_selector("#refusal:not([hidden])")
    assert re.search(r"次に入力できる時刻: \d{1,2}:\d\d", page.inner_text("#refusal"))
    visit.complaints.clear()


def test_a_certificate_for_another_key_makes_no_file(visit: Visit, doors: OpenDoors, codes: Codes) -> None:
    page = open_page(visit, doors)
    fill(page, asdict(codes))
    stranger = doors.house.issuing.issuer.pem
    answer = {"terminal": "99999W", "certificate": stranger, "chain": stranger, "not_before": "", "not_after": ""}
    page.route(REST, lambda route: route.fulfill(status=201, json=answer))
    page.click("#go")
    page.wait_for_selector("#refusal:not([hidden])")
    assert "鍵と一致しません" in page.inner_text("#refusal")


def test_without_script_the_page_leads_to_the_form_which_gives_the_certificate(
    chromium: Chromium, doors: OpenDoors, codes: Codes, tmp_path: Path
) -> None:
    request = tmp_path / "request.csr"
    make = ["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc", "-subj", "/"]
    subprocess.run([*make, "-keyout", tmp_path / "key.pem", "-out", request], check=True, capture_output=True)
    with chromium.visit(doors.root, javascript=False) as visit:
        visit.page.goto(f"{doors.retrieval}/retrieve")
        assert visit.page.is_hidden("#form")
        visit.screenshot("retrieve-without-script")
        visit.page.get_by_role("link", name="CSR").first.click()
        for name, value in asdict(codes).items():
            visit.page.fill(f"#{name}", value)
        visit.page.set_input_files("#csr_file", request)
        visit.page.get_by_role("button", name="証明書を取得する").click()
        visit.screenshot("retrieve-request-done")
        with visit.page.expect_download() as download:
            visit.page.get_by_role("link", name="-chain.pem").click()
        assert download.value.suggested_filename.endswith("-chain.pem")
        leaf, *_ = x509.load_pem_x509_certificates(Path(download.value.path()).read_bytes())
    assert leaf.public_key() == x509.load_pem_x509_csr(request.read_bytes()).public_key()


def test_thousands_of_requests_and_files_are_well_made(visit: Visit, doors: OpenDoors) -> None:
    page = open_page(visit, doors)
    module = page.locator("script[type=module]").get_attribute("src") or ""
    leaf, above = doors.house.issue().certificate.der, doors.house.issuing.issuer.pem
    assert leaf is not None
    made = page.evaluate(
        """async ([module, leaf, above, count]) => {
            const { makeKeys, certificationRequest, pkcs12, certificatesOf } = await import(module);
            const text = (octets) => btoa(String.fromCharCode(...octets));
            const certificates = [Uint8Array.from(leaf), ...certificatesOf(above)];
            const results = [];
            for (let at = 0; at < count; at += 1) {
                const keys = await makeKeys();
                const passphrase = `${"p".repeat(12 + (at % 90))} ~${at}`;
                const rounds = { encryption: 1 + (at % 400), mac: 2 + (at % 3) };
                const file = await pkcs12({ keys, certificates, name: "99999W", passphrase, rounds });
                results.push([text(await certificationRequest(keys)), text(file), passphrase]);
            }
            return results;
        }""",
        [module.replace("retrieve.js", "credentials.js"), list(leaf), above, MANY],
    )
    assert len(made) == MANY
    for request, file, passphrase in made:
        csr = x509.load_der_x509_csr(b64decode(request))
        assert csr.is_signature_valid
        opened = pkcs12.load_pkcs12(b64decode(file), passphrase.encode())
        assert opened.key is not None
        assert opened.key.public_key() == csr.public_key()


def test_signatures_with_leading_zeros_and_high_bits_are_der(visit: Visit, doors: OpenDoors) -> None:
    page = open_page(visit, doors)
    module = (page.locator("script[type=module]").get_attribute("src") or "").replace("retrieve.js", "credentials.js")
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    numbers = [1, 0x7F, 0x80, 0xFF, *(1 << bit for bit in range(8, 256)), *((1 << bit) - 1 for bit in range(9, 256)), order - 1]
    pairs = [(r, numbers[-at]) for at, r in enumerate(numbers, 1)]
    encoded = page.evaluate(
        """async ([module, signatures]) => {
            const { signatureValue } = await import(module);
            return signatures.map((raw) => [...signatureValue(Uint8Array.from(raw))]);
        }""",
        [module, [list(r.to_bytes(32) + s.to_bytes(32)) for r, s in pairs]],
    )
    assert [utils.decode_dss_signature(bytes(der)) for der in encoded] == pairs
    assert [bytes(der) for der in encoded] == [utils.encode_dss_signature(r, s) for r, s in pairs]
