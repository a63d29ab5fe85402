"""Reminders and warnings: to whom, on which days, once each."""

import threading
from datetime import date

import pytest

from ca.revocation import Reason
from enrollment.deadlines.deadlines import Deadlines
from enrollment.reissue_records import ReissueReason
from kernel.clock import tokyo_date
from kernel.database import connect
from registry.calendar import months_after, suspension_day
from registry.letters import Letters
from tests.enrollment.deadlines.calling import DAY, days, deadlines, go_to, lines, mails, run, today
from tests.enrollment.filings import approved, to_prepare
from tests.support.clock import SettableClock
from tests.support.house import PREPARER, SECURITY, SOURCE, House, new_request

REMINDER, WARNING = "有効期限のお知らせ", "利用停止予告"


def last_day_of(house: House, clock: SettableClock) -> tuple[str, date]:
    """Return a terminal with its certificate's last day; the clock stands a month before that."""
    retrieved = house.issue()
    last_day = tokyo_date(retrieved.certificate.not_after)
    go_to(clock, last_day - 30 * DAY)
    return retrieved.terminal, last_day


def test_a_certificates_end_is_told_six_times_over_and_never_twice(house: House, clock: SettableClock) -> None:
    name, last_day = last_day_of(house, clock)
    told = list(days(house, clock, last_day - 30 * DAY, last_day + 5 * DAY))
    assert [(last_day - day).days for day, _, _ in told] == [28, 14, 7, 3, 1, 0]
    assert {count for _, count, _ in told} == {1}
    reminders = [mail for mail in mails(house) if REMINDER in mail.subject]
    assert [mail.subject.partition("(")[2] for mail in reminders] == [
        "あと28日)", "あと14日)", "あと7日)", "あと3日)", "あと1日)", "本日まで)",
    ]  # fmt: skip
    assert all(f"{last_day:%Y/%m/%d}" in mail.body and name in mail.body for mail in reminders)
    assert [facts for code, facts in lines(house) if code == "renewal-near"] == [
        {"terminal": name, "day": f"{last_day:%Y/%m/%d}"}
    ] * 6


def test_at_the_end_of_a_generation_nobody_is_asked_to_renew(house: House, clock: SettableClock) -> None:
    name, last_day = last_day_of(house, clock)
    go_to(clock, last_day - 28 * DAY)
    assert Deadlines(house.database, fixed_end=last_day).tell_due(clock.now()) == 1
    (reminder,) = [mail for mail in mails(house) if REMINDER in mail.subject]
    assert f"システムの世代が終わる論理端末：{name}" in reminder.body
    assert "更新が必要" not in reminder.body
    assert "再発行のお申込" not in reminder.body
    go_to(clock, last_day - 14 * DAY)
    later = Deadlines(house.database, fixed_end=last_day + 400 * DAY)  # the next generation's end was set
    assert later.tell_due(clock.now()) == 1
    assert f"更新が必要な論理端末：{name}" in [mail for mail in mails(house) if REMINDER in mail.subject][-1].body


def test_whatever_is_run_again_tells_nothing_again(house: House, clock: SettableClock) -> None:
    _, last_day = last_day_of(house, clock)
    go_to(clock, last_day - 28 * DAY)
    assert run(house) == (1, 0)
    assert run(house) == (0, 0)
    go_to(clock, last_day - 28 * DAY, hour=23)
    assert run(house) == (0, 0)


def test_after_downtime_only_the_nearest_reminder_is_sent(house: House, clock: SettableClock) -> None:
    _, last_day = last_day_of(house, clock)
    go_to(clock, last_day - 5 * DAY)  # 28, 14 and 7 were missed
    assert run(house) == (1, 0)
    assert [mail.subject for mail in mails(house) if REMINDER in mail.subject] == [
        "【NSS】デジタル証明書の有効期限のお知らせ(あと5日)"
    ]
    assert [(last_day - day).days for day, _, _ in days(house, clock, last_day - 4 * DAY, last_day + DAY)] == [3, 1, 0]


def test_days_are_tokyos(house: House, clock: SettableClock) -> None:
    _, last_day = last_day_of(house, clock)
    go_to(clock, last_day - 29 * DAY, hour=23)
    assert run(house) == (0, 0)
    go_to(clock, last_day - 28 * DAY, hour=0)
    assert run(house) == (1, 0)


def test_two_nodes_at_once_send_one_mail(house: House, clock: SettableClock) -> None:
    _, last_day = last_day_of(house, clock)
    go_to(clock, last_day - 14 * DAY)
    url = house.database.engine.url.render_as_string(hide_password=False)
    nodes, told = [connect(url) for _ in range(3)], list[int]()
    threads = [threading.Thread(target=lambda node=node: told.append(Deadlines(node).tell_due(clock.now()))) for node in nodes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for node in nodes:
        node.dispose()
    assert sorted(told) == [0, 0, 1]
    assert len([mail for mail in mails(house) if REMINDER in mail.subject]) == 1


def test_administrator_and_applicant_are_told_of_all_their_terminals_in_one_mail(house: House, clock: SettableClock) -> None:
    other = house.issue()
    receipt_number = approved(house, {"add.web.sea": ["2"]})
    house.preparation.prepare(receipt_number, PREPARER)
    applied = to_prepare(house, receipt_number)
    records = [house.redemption.redeem(house.codes_of(name), new_request().pem, SOURCE).certificate for name in applied]
    last_day = tokyo_date(records[0].not_after)
    assert last_day == tokyo_date(other.certificate.not_after)
    go_to(clock, last_day - 3 * DAY)
    assert run(house) == (3, 0)
    told = {mail.recipient: mail.body for mail in mails(house) if REMINDER in mail.subject}
    assert set(told) == {"hanako@example.jp", "jiro@example.jp"}
    assert all(name in told["hanako@example.jp"] for name in (*applied, other.terminal))
    assert all(name in told["jiro@example.jp"] for name in applied)
    assert other.terminal not in told["jiro@example.jp"]
    assert "Certificates end in 3 days" in told["jiro@example.jp"]
    assert lines(house)[-1] == ("renewals-near", {"count": "3", "day": f"{last_day:%Y/%m/%d}"})


def test_whoever_can_not_renew_is_not_asked_to(house: House, clock: SettableClock) -> None:
    revoked, suspended, reissued, renewed = (house.issue() for _ in range(4))
    last_day = tokyo_date(revoked.certificate.not_after)
    house.endings.revoke(revoked.terminal, Reason.SUPERSEDED, SECURITY)
    house.endings.suspend(suspended.terminal, SECURITY)
    go_to(clock, last_day - 10 * DAY)
    house.reissues.request(reissued.terminal, ReissueReason.PC_REPLACED, SECURITY)
    house.renewal.renew(renewed.certificate.der or b"", new_request().pem)
    assert run(house) == (1, 0)
    [mail] = [mail for mail in mails(house) if REMINDER in mail.subject]
    assert f"再発行の手続き中の論理端末：{reissued.terminal}" in mail.body
    assert "更新が必要な論理端末" not in mail.body
    assert not any(one.terminal in mail.body for one in (revoked, suspended, renewed))


@pytest.mark.parametrize("rule", [1, 2, 3])
def test_a_suspension_is_warned_of_thirty_fourteen_and_three_days_before(
    sqlite_house: House, clock: SettableClock, rule: int
) -> None:
    house = sqlite_house
    if rule == 1:
        [(name, _)] = house.new_codes()
        begins = suspension_day(today(house))
    else:
        retrieved = house.issue()
        name, last_day = retrieved.terminal, tokyo_date(retrieved.certificate.not_after)
        begins = suspension_day(last_day)
    if rule == 3:
        reissue = house.reissues.request(name, ReissueReason.PC_REPLACED, SECURITY)
        go_to(clock, reissue.ready_on or today(house))
        ends_on = house.reissue_preparation.prepare(reissue.id, PREPARER).ends_on
        assert ends_on == months_after(today(house), 2)
        begins = ends_on + DAY
    told = [(begins - day).days for day, count, _ in days(house, clock, begins - 33 * DAY, begins - DAY) if count]
    assert told == [30, 14, 3]
    warnings = [mail for mail in mails(house) if WARNING in mail.subject]
    assert [mail.subject for mail in warnings] == [f"【NSS】論理端末の利用停止予告(あと{days}日)" for days in (30, 14, 3)]
    assert all(name in mail.body and f"利用停止日：{begins:%Y/%m/%d}" in mail.body for mail in warnings)
    assert [code for code, _ in lines(house) if code == "suspension-near"] == ["suspension-near"] * 3


def test_whoever_retrieves_is_not_warned_any_more(house: House, clock: SettableClock) -> None:
    [(_, codes)] = house.new_codes()
    begins = suspension_day(today(house))
    go_to(clock, begins - 30 * DAY)
    assert run(house) == (1, 0)
    house.redemption.redeem(codes, new_request().pem, SOURCE)
    assert list(days(house, clock, begins - 14 * DAY, begins + 3 * DAY)) == []


def test_new_codes_count_anew(house: House, clock: SettableClock) -> None:
    [(name, _)] = house.new_codes()
    begins = suspension_day(today(house))
    go_to(clock, begins - 20 * DAY)
    house.preparation.replace(name, PREPARER)
    go_to(clock, begins)
    assert run(house) == (0, 0)
    later = suspension_day(begins - 20 * DAY)
    assert list(days(house, clock, later - 14 * DAY, later)) == [(later - 14 * DAY, 1, 0), (later - 3 * DAY, 1, 0), (later, 0, 1)]


def test_days_and_help_desk_are_settings(house: House, clock: SettableClock) -> None:
    _, last_day = last_day_of(house, clock)
    job = Deadlines(house.database, Letters("https://portal.example.jp", help_desk="0120-111-111"), (20,), ())
    go_to(clock, last_day - 21 * DAY)
    assert job.tell_due(clock.now()) == 0
    go_to(clock, last_day - 20 * DAY)
    assert job.tell_due(clock.now()) == 1
    body = mails(house)[-1].body
    assert "0120-111-111" in body
    assert "https://portal.example.jp" in body
    assert deadlines(house).reminder_days == (28, 14, 7, 3, 1, 0)
