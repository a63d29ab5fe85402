"""The main job through the running doors: from an application to a logon, and to a revocation that everybody sees.

Two terminals are applied for in a real browser, approved, given codes, retrieve their certificates, log on over TLS from
the start date on; one is revoked and refused. On both databases, each with a served demo home of its own.
"""

import email.policy
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, date, datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from pathlib import Path

import pytest

from kernel.clock import day_start, tokyo_date
from kernel.database import connect
from tests.journeys import judges
from tests.journeys.people import Customer, Inputs, Pc, Staff
from tests.support.browser import Chromium
from tests.support.demo import Demo, found_demo
from tests.support.schema import whole_schema

APPLICANT = "applicant@example.jp"
SECONDS_UNTIL_SEEN = 60.0  # on a busy machine, too


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def demo(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Demo]:
    """Return a served demo home."""
    with ExitStack() as stack:
        url = None
        if request.param == "postgresql":
            url = stack.enter_context(request.getfixturevalue("postgresql_databases")())
            _empty(url)
        founded = found_demo(tmp_path, database_url=url)
        stack.enter_context(founded.served())
        yield founded


def test_from_application_to_logon_and_revocation(demo: Demo, chromium: Chromium, tmp_path: Path) -> None:
    start = tokyo_date(datetime.now(UTC)) + timedelta(days=2)
    receipt_number = _apply(demo, chromium, start)
    _review(demo, chromium, receipt_number, start)
    codes = _read_codes(demo, chromium, receipt_number)
    first, second = (Pc(demo, tmp_path / name) for name in codes)
    for pc, inputs in zip((first, second), codes.values(), strict=True):
        _retrieve(pc, inputs, start)
    first_key, second_key = (inputs["access_key"] for inputs in codes.values())

    assert first.log_on(first_key) == (False, "A0006")
    demo.run("demo", "clock", "+2d")
    assert first.log_on(first_key) == (True, None)
    assert second.log_on(second_key) == (True, None)
    assert first.log_on(second_key) == (False, "A0018")

    with chromium.visit(demo.root) as visit:
        security = Staff(demo, visit)
        security.log_in("security")
        security.revoke(list(codes)[1], "鍵の漏えい(紛失・盗難を含む)")
    _seen_by_everybody(second, second_key, tmp_path)
    assert first.log_on(first_key) == (True, None)
    _only_the_customer_knows_the_codes(demo, codes)
    assert demo.run("audit", "verify").returncode == 0


def _apply(demo: Demo, chromium: Chromium, start: date) -> str:
    with chromium.visit(demo.root) as visit:
        customer = Customer(demo, visit)
        visit.page.goto(demo.facts["portal"])
        visit.screenshot("journey-portal-01-login")
        customer.log_in()
        visit.screenshot("journey-portal-02-menu")
        customer.begin_change()
        customer.choose_terminals(start)
        customer.name_applicant(APPLICANT)
        assert "全角カタカナ" in customer.text
        assert visit.page.locator("#family_kana").input_value() == "つうかん"
        assert visit.page.locator("#mail").input_value() == APPLICANT
        visit.page.locator("#family_kana").fill("ツウカン")
        customer.button("次へ進む").click()
        receipt_number = customer.submit(2, "2台をカウンターに設置します。")
        assert receipt_number[:2] == f"{tokyo_date(datetime.now(UTC)).year % 100:02}"
        visit.page.goto(demo.facts["portal"])
        assert f"【{receipt_number}】" in customer.text
    receipts = _mails(demo, receipt_number)
    assert {mail["To"] for mail in receipts} == {APPLICANT, "hanako@example.jp"}
    return receipt_number


def _review(demo: Demo, chromium: Chromium, receipt_number: str, start: date) -> None:
    with chromium.visit(demo.root) as visit:
        reviewer = Staff(demo, visit)
        reviewer.log_in("review")
        visit.screenshot("journey-center-01-menu")
        reviewer.open_application(receipt_number, "審査を待つ申込")
        reviewer.approve(start)
        assert "審査終了" in reviewer.text
        assert reviewer.page.get_by_role("link", name="コードの準備へ進む").count() == 0
    with chromium.visit(demo.root) as visit:
        issuer = Staff(demo, visit)
        issuer.log_in("issuing")
        issuer.open_application(receipt_number, "コードの準備を待つ申込")
        issuer.prepare()
        assert "証明書取得可能" in issuer.text
    subjects = {str(mail["Subject"]) for mail in _mails(demo, receipt_number, at_least=6)}
    assert {"【NSS】利用申込確認完了のお知らせ", "【NSS】デジタル証明書発行完了のお知らせ"} <= subjects


def _read_codes(demo: Demo, chromium: Chromium, receipt_number: str) -> dict[str, Inputs]:
    with chromium.visit(demo.root) as visit:
        customer = Customer(demo, visit)
        customer.log_in()
        visit.screenshot("journey-portal-11-menu-with-news")
        customer.button("詳細").first.click()
        visit.screenshot("journey-portal-12-id-notice-hidden")
        assert "●" in customer.text
        assert "まだ表示されていません" in customer.text
        customer.button("すべての端末のコードを表示する").click()
        visit.screenshot("journey-portal-13-id-notice-shown")
        names = ("00001W", "00002W")
        codes = {name: customer.read_codes(name) for name in names}
        visit.page.goto(f"{demo.facts['portal']}/applications/{receipt_number}/id-notice")
        assert "まだ表示されていません" not in customer.text
        assert codes["00001W"]["access_key"] not in customer.text
        visit.screenshot("journey-portal-14-id-notice-record")
    return codes


def _retrieve(pc: Pc, inputs: Inputs, start: date) -> None:
    wrong = pc.retrieve(inputs | {"auth_code_2": "ZZZZZZ"})
    assert wrong.returncode == 1
    assert inputs["access_key"] not in wrong.stderr
    done = pc.retrieve(inputs)
    assert done.returncode == 0, done.stderr
    assert (pc.folder / "key.pem").stat().st_mode & 0o077 == 0
    begins = day_start(start)
    assert judges.verify(pc.demo, pc.certificate, begins).returncode == 0
    assert "not yet valid" in judges.verify(pc.demo, pc.certificate, begins - timedelta(seconds=1)).stderr
    assert judges.ocsp_status(pc.demo, pc.certificate, begins) == "good"


def _seen_by_everybody(pc: Pc, access_key: str, folder: Path) -> None:
    at = datetime.now(UTC) + timedelta(days=2)
    assert pc.log_on(access_key) == (False, "A0036")
    assert judges.ocsp_status(pc.demo, pc.certificate, at) == "revoked"
    _within_seconds(
        lambda: "certificate revoked" in judges.verify(pc.demo, pc.certificate, at, crl=judges.fetch_crl(pc.demo, folder)).stderr
    )


def _only_the_customer_knows_the_codes(demo: Demo, codes: dict[str, Inputs]) -> None:
    """No secret in any mail or log that the journey left behind."""
    written = [str(mail["Subject"]) + "".join(_parts(mail)) for mail in _all_mails(demo)]
    written += [file.read_text(encoding="utf-8") for file in (demo.home / "logs").iterdir()]
    for inputs in codes.values():
        for secret in (inputs["access_key"], inputs["auth_code_2"], inputs["auth_code_3"]):
            assert not [text for text in written if secret in text]


def _mails(demo: Demo, receipt_number: str, *, at_least: int = 2) -> list[EmailMessage]:
    def about() -> list[EmailMessage]:
        return [mail for mail in _all_mails(demo) if receipt_number in _text(mail)]

    _within_seconds(lambda: len(about()) >= at_least)
    return about()


def _text(mail: EmailMessage) -> str:
    body = mail.get_body(("plain",))
    assert body is not None
    return str(body.get_content())


def _parts(mail: EmailMessage) -> Iterator[str]:
    """Text and attachments of a mail as they are read, their transfer encodings undone."""
    for part in mail.walk():
        content = part.get_payload(decode=True)
        if isinstance(content, bytes):
            yield content.decode(errors="replace")


def _all_mails(demo: Demo) -> list[EmailMessage]:
    files = (demo.home / "mail" / "new").glob("*")
    return [message_from_bytes(file.read_bytes(), policy=email.policy.default) for file in files]


def _within_seconds(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS_UNTIL_SEEN
    while not holds():
        assert time.monotonic() < deadline, "not seen in time"
        time.sleep(0.2)


def _empty(url: str) -> None:
    database = connect(url)
    whole_schema().drop_all(database.engine)
    database.dispose()
