import re
from dataclasses import replace
from datetime import datetime

from ca.revocation import Reason
from enrollment.receipts import PATIENCE, Receipts
from enrollment.reissue_records import ReissueReason
from kernel import outbox
from kernel.clock import day_start
from registry.letters import Letters
from tests.enrollment.renewing import renewable
from tests.support.clock import SettableClock
from tests.support.house import PREPARER, SECURITY, House, new_request


def _sealed_nothing(signature: bytes, text: bytes) -> None:
    raise AssertionError(signature, text)


OURS = Letters("https://portal.example.jp", "審査室", "Review Room", "0120-111-111")


def bodies(house: House) -> dict[str, str]:
    with house.database.snapshot() as session:
        return {mail.subject: mail.body for mail in outbox.search(session, outbox.Wanted(), most=100)}


def test_each_mail_has_the_help_desk_and_the_name_that_were_set(house: House, clock: SettableClock) -> None:
    terminal = renewable(house, clock)
    name = terminal.terminal
    before = set(bodies(house))
    replace(house.renewal, letters=OURS).renew(terminal.der, new_request().pem)
    endings = replace(house.endings, letters=OURS)
    endings.suspend(name, SECURITY)
    endings.resume(name, SECURITY)
    endings.revoke(name, Reason.SUPERSEDED, SECURITY)
    told = {subject: body for subject, body in bodies(house).items() if subject not in before}
    assert len(told) == 4
    for subject, body in told.items():
        assert "ヘルプデスク　0120-111-111" in body, subject
        assert "Help desk: 0120-111-111" in body, subject
        assert "審査室です。" in body, subject
        assert "0120-000-000" not in body, subject


def test_a_mail_greets_in_japanese_and_says_the_same_in_english_below(house: House, clock: SettableClock) -> None:
    retrieved = house.issue()
    Receipts(house.database, _sealed_nothing).settle_due(clock.advance(PATIENCE))
    body = bodies(house)[f"【NSS】デジタル証明書取得のお知らせ({retrieved.terminal})"]
    japanese, _, english = body.partition("-" * 64)
    assert japanese.startswith("ナックス商事株式会社　東京営業所　業務部\n通関　花子　様\n")
    assert f"論理端末 {retrieved.terminal} のデジタル証明書が取得されました。" in japanese
    assert f"The certificate of terminal {retrieved.terminal} was retrieved" in english


def test_instants_are_japanese_time_written_as_the_pages_write_them(house: House, clock: SettableClock) -> None:
    terminal = renewable(house, clock)
    house.renewal.renew(terminal.der, new_request().pem)
    house.endings.suspend(terminal.terminal, SECURITY)
    for subject, body in bodies(house).items():
        japanese, _, english = body.partition("-" * 64)
        assert re.search(r"\d{4}-\d\d-\d\d", japanese) is None, subject
        assert re.search(r"\d{4}/\d\d/\d\d", english) is None, subject
        for line in japanese.splitlines():
            assert not re.search(r"\d\d:\d\d", line) or line.endswith("(日本時間)"), line
        assert "ポータル" not in japanese, subject


def test_prepared_codes_lead_to_the_portal_that_was_set(house: House, clock: SettableClock, now: datetime) -> None:
    clock.instant = day_start(now.date())
    retrieved = house.issue()
    reissue = house.reissues.request(retrieved.terminal, ReissueReason.PC_REPLACED, SECURITY)
    clock.instant = day_start(reissue.ready_on or now.date())
    prepared = replace(house.reissue_preparation, preparation=replace(house.preparation, letters=OURS))
    prepared.prepare(reissue.id, PREPARER)
    body = bodies(house)[f"【NSS】デジタル証明書発行完了のお知らせ({retrieved.terminal})"]
    assert body.count("https://portal.example.jp") >= 1
