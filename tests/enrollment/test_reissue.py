"""Reissue from the request to the new certificate: who may do what, what becomes of codes and the old certificate."""

from dataclasses import replace
from datetime import date, timedelta

import pytest

from ca.certificates import CertificateState
from ca.revocation import Reason
from enrollment import id_notices, reissue, reissue_records
from enrollment.reissue_letters import REASONS
from enrollment.reissue_records import ReissueReason, ReissueState, ReissueView, Stage
from kernel import audit, outbox
from kernel.audit import Actor
from kernel.clock import day_start, tokyo_date
from kernel.errors import Refused
from kernel.outbox import Wanted
from registry import news
from registry.calendar import add_business_days, months_after
from registry.letters import Letters
from tests.crash import ledger
from tests.enrollment.filings import approved, departures, start_of
from tests.enrollment.renewing import Renewable, renewable
from tests.support.clock import SettableClock
from tests.support.house import APPROVER, OFFICE, PREPARER, SECURITY, SOURCE, House, new_request

VALID, REVOKED = CertificateState.VALID, CertificateState.REVOKED
CUSTOMER = audit.customer(OFFICE, "hanako")
PC = ReissueReason.PC_REPLACED


@pytest.fixture
def house(sqlite_house: House) -> House:
    """Return a house on SQLite: what PostgreSQL does differently is watched in test_lock_order and in tests/crash."""
    return sqlite_house


@pytest.fixture
def terminal(house: House, clock: SettableClock) -> Renewable:
    return renewable(house, clock)


def told(deed: object) -> str:
    assert callable(deed)
    try:
        deed()
    except Refused as refusal:
        return refusal.code
    return "done"


def today(house: House) -> date:
    return tokyo_date(house.clock.now())


def found(house: House, stage: Stage, text: str = "") -> list[ReissueView]:
    with house.database.snapshot() as session:
        return list(reissue_records.search(session, stage, today(house), text=text).records)


def ready(terminal: Renewable, clock: SettableClock, reason: ReissueReason = PC) -> ReissueView:
    """Return a reissue that was accepted, on the day on which its codes may be prepared."""
    asked = terminal.house.reissues.request(terminal.terminal, reason, CUSTOMER, office_code=OFFICE)
    accepted = terminal.house.reissues.accept(asked.id, APPROVER)
    assert accepted.ready_on is not None
    clock.instant = day_start(accepted.ready_on)
    return accepted


def prepared(terminal: Renewable, clock: SettableClock, reason: ReissueReason = PC) -> ReissueView:
    return terminal.house.reissue_preparation.prepare(ready(terminal, clock, reason).id, PREPARER)


def test_a_customers_request_waits_for_staff(terminal: Renewable) -> None:
    house = terminal.house
    asked = house.reissues.request(terminal.terminal, PC, CUSTOMER, office_code=OFFICE, remark="新しいパソコンが届きます。")
    assert (asked.state, asked.requester, asked.accepter, asked.ready_on) == (ReissueState.REQUESTED, str(CUSTOMER), None, None)
    with house.database.snapshot() as session:
        assert found(house, Stage.DECIDE) == found(house, Stage.OPEN) == [asked]
        assert reissue_records.of_office(session, OFFICE) == reissue_records.of_terminal(session, terminal.terminal) == (asked,)
        assert reissue_records.counts(session, today(house)) == {Stage.DECIDE: 1, Stage.PREPARE: 0, Stage.LATE: 0}
        assert news.latest(session, OFFICE)[0].code == "reissue-requested"
    assert terminal.told() == "renewed"  # only an accepted one blocks renewal


def test_accepted_it_is_ready_on_the_next_business_day_and_blocks_renewal(terminal: Renewable, clock: SettableClock) -> None:
    house = terminal.house
    clock.instant = day_start(date(2027, 10, 29)) + timedelta(hours=9)  # a Friday
    asked = house.reissues.request(terminal.terminal, PC, CUSTOMER)
    accepted = house.reissues.accept(asked.id, APPROVER)
    assert accepted.ready_on == add_business_days(date(2027, 10, 29), 1) == date(2027, 11, 1)
    assert terminal.told() == "reissue-pending"
    assert told(lambda: house.reissue_preparation.prepare(asked.id, PREPARER)) == "reissue-not-ready"
    clock.instant = day_start(date(2027, 11, 1))
    with house.database.snapshot() as session:
        assert [one.id for one in reissue_records.to_prepare(session, date(2027, 11, 1))] == [asked.id]
    assert house.reissue_preparation.prepare(asked.id, PREPARER).state is ReissueState.PREPARED
    assert terminal.told() == "reissue-pending"


def test_a_pc_is_swapped_without_a_gap(terminal: Renewable, clock: SettableClock) -> None:
    house = terminal.house
    reissued = prepared(terminal, clock)
    assert reissued.ends_on == months_after(tokyo_date(clock.now()), 2)
    assert terminal.log_on(terminal.der) == "permitted"
    codes = house.codes_of(terminal.terminal)
    assert codes.access_key != terminal.access_key
    new = house.redemption.redeem(codes, new_request().pem, SOURCE).certificate
    house.logon.check(new.der, terminal.terminal, codes.access_key)
    assert terminal.states() == {terminal.old.serial: REVOKED, new.serial: VALID}
    with house.database.snapshot() as session:
        done = reissue_records.find(session, reissued.id)
    assert done is not None
    assert (done.state, done.ended_at) == (ReissueState.COMPLETED, clock.now())
    assert ledger.faults(house, []) == []


def test_the_codes_stand_in_the_offices_own_notice_and_open_ones_are_replaced(terminal: Renewable, clock: SettableClock) -> None:
    house = terminal.house
    house.preparation.prepare_existing(terminal.terminal, APPROVER, PREPARER)
    before = house.codes_of(terminal.terminal)
    prepared(terminal, clock)
    assert [row.state for row in house.code_set_rows(terminal.terminal)] == ["redeemed", "replaced", "prepared"]
    assert told(lambda: house.redemption.redeem(before, new_request().pem, SOURCE)) == "codes-replaced"
    notice = house.notices.notice(None, OFFICE)
    assert notice is not None
    assert terminal.terminal in {line.terminal for line in notice.terminals}
    assert house.notices.show(None, OFFICE, terminal.terminal, CUSTOMER) == house.codes_of(terminal.terminal)


@pytest.mark.parametrize("reason", [ReissueReason.LOST, ReissueReason.STOLEN, ReissueReason.COMPROMISED])
def test_a_key_that_others_may_have_is_revoked_when_the_request_is_accepted(
    terminal: Renewable, reason: ReissueReason
) -> None:  # fmt: skip
    house = terminal.house
    renewed = terminal.renew().certificate
    asked = house.reissues.request(terminal.terminal, reason, CUSTOMER)
    assert terminal.log_on(renewed.der) == "permitted"
    house.reissues.accept(asked.id, APPROVER)
    assert set(terminal.states().values()) == {REVOKED}
    assert terminal.log_on(renewed.der) == "A0036"
    assert ledger.faults(house, []) == []


def test_bad_news_overtakes_a_request_that_is_open(terminal: Renewable) -> None:
    house = terminal.house
    first = house.reissues.request(terminal.terminal, PC, CUSTOMER)
    assert told(lambda: house.reissues.request(terminal.terminal, PC, SECURITY)) == "reissue-open"
    second = house.reissues.request(terminal.terminal, ReissueReason.STOLEN, SECURITY)
    assert second.state is ReissueState.ACCEPTED
    with house.database.snapshot() as session:
        assert [one.state for one in reissue_records.of_terminal(session, terminal.terminal) if one.id == first.id] == ["lapsed"]
    assert set(terminal.states().values()) == {REVOKED}


def test_four_eyes(terminal: Renewable, clock: SettableClock) -> None:
    house = terminal.house
    by_staff = house.reissues.request(terminal.terminal, PC, APPROVER)
    assert (by_staff.state, by_staff.accepter) == (ReissueState.ACCEPTED, str(APPROVER))
    assert by_staff.ready_on is not None
    clock.instant = day_start(by_staff.ready_on)
    assert told(lambda: house.reissue_preparation.prepare(by_staff.id, APPROVER)) == "same-person"
    house.reissue_preparation.prepare(by_staff.id, PREPARER)
    [*_, row] = house.code_set_rows(terminal.terminal)
    assert (row.approver, row.preparer) == (str(APPROVER), str(PREPARER))


def test_nobody_accepts_their_own_request(house: House) -> None:
    name = house.issue().terminal
    asked = house.reissues.request(name, PC, CUSTOMER)
    assert told(lambda: house.reissues.accept(asked.id, CUSTOMER)) == "same-person"
    assert told(lambda: house.reissues.accept("0" * 32, APPROVER)) == "reissue-unknown"


def test_a_request_is_declined_or_withdrawn_before_it_is_accepted(terminal: Renewable) -> None:
    reissues = terminal.house.reissues
    first = reissues.request(terminal.terminal, PC, CUSTOMER)
    declined = reissues.decline(first.id, "同じパソコンのため、更新をご利用ください。", APPROVER)
    assert (declined.state, declined.answer) == (ReissueState.DECLINED, "同じパソコンのため、更新をご利用ください。")
    assert told(lambda: reissues.accept(first.id, APPROVER)) == "reissue-state"
    second = reissues.request(terminal.terminal, PC, CUSTOMER)
    assert told(lambda: reissues.withdraw(second.id, CUSTOMER, office_code="NAC002")) == "reissue-unknown"
    assert reissues.withdraw(second.id, CUSTOMER, office_code=OFFICE).state is ReissueState.WITHDRAWN
    assert terminal.told() == "renewed"


def test_an_accepted_request_is_taken_back_until_its_codes_are_made(terminal: Renewable, clock: SettableClock) -> None:
    house = terminal.house
    slip = house.reissues.request(terminal.terminal, PC, APPROVER)
    assert terminal.told() == "reissue-pending"
    assert house.reissues.withdraw(slip.id, APPROVER).state is ReissueState.WITHDRAWN
    assert terminal.log_on(terminal.der) == "permitted"
    assert terminal.told() == "renewed"
    made = prepared(terminal, clock)
    assert told(lambda: house.reissues.withdraw(made.id, CUSTOMER, office_code=OFFICE)) == "reissue-state"


@pytest.mark.parametrize(
    ("reason", "is_accepted", "who", "afterwards"),
    [
        (PC, False, CUSTOMER, "今の証明書は引き続きご利用になれます。"),
        (PC, True, APPROVER, "今の証明書は引き続きご利用になれます。"),
        (ReissueReason.STOLEN, False, APPROVER, "次のページで今すぐ失効させてください。"),
        (ReissueReason.STOLEN, True, CUSTOMER, "今の証明書は失効したままです。"),
    ],
)
def test_who_was_told_of_a_request_is_told_that_it_was_taken_back(
    terminal: Renewable, reason: ReissueReason, is_accepted: bool, who: Actor, afterwards: str  # noqa: FBT001
) -> None:  # fmt: skip
    house = terminal.house
    slip = house.reissues.request(terminal.terminal, reason, CUSTOMER)
    if is_accepted:
        house.reissues.accept(slip.id, APPROVER)
    house.reissues.withdraw(slip.id, who)
    with house.database.snapshot() as session:
        asked, back = (
            outbox.search(
                session, Wanted(office_code=OFFICE, mentioning=f"【NSS】再発行申込{deed}のお知らせ({terminal.terminal})")
            )
            for deed in ("受付", "取下げ")
        )
    assert len(back) == 1
    assert [mail.recipient for mail in back] == [mail.recipient for mail in asked]
    japanese, _, english = back[0].body.partition("-" * 64)
    assert ("センターが取り下げました" in japanese, "by the center" in english) == (who is APPROVER, who is APPROVER)
    assert afterwards in japanese
    assert "The present certificate" in english


def mail_of(terminal: Renewable, subject: str) -> str:
    with terminal.house.database.snapshot() as session:
        wanted = Wanted(office_code=OFFICE, mentioning=f"【NSS】{subject}お知らせ({terminal.terminal})")
        return outbox.search(session, wanted)[0].body


@pytest.mark.parametrize("reason", [ReissueReason.LOST, ReissueReason.STOLEN, ReissueReason.COMPROMISED])
def test_whoever_lost_a_key_is_told_that_it_is_good_and_how_to_end_it(terminal: Renewable, reason: ReissueReason) -> None:
    house = replace(terminal.house.reissues, letters=Letters("https://portal.example.jp"))
    slip = house.request(terminal.terminal, reason, CUSTOMER)
    own = f"https://portal.example.jp/terminals/{terminal.terminal}/revocation"
    japanese, _, english = mail_of(terminal, "再発行申込受付の").partition("-" * 64)
    assert "今の証明書をご利用になれます" not in japanese
    assert "今の証明書は、センターが承認するまで有効です。" in japanese
    assert "The present certificate stays good until the center accepts the request." in english
    assert (japanese.count(own), english.count(own)) == (1, 1)
    house.accept(slip.id, APPROVER)
    assert "今の証明書は直ちに失効しました。" in mail_of(terminal, "再発行の")


def test_no_mail_calls_a_certificate_good_that_has_ended(terminal: Renewable) -> None:
    house = terminal.house
    house.endings.revoke(terminal.terminal, Reason.KEY_COMPROMISE, CUSTOMER)
    for reason in (PC, ReissueReason.LOST):
        slip = house.reissues.request(terminal.terminal, reason, CUSTOMER)
        house.reissues.decline(slip.id, "不要です。", APPROVER)
        house.reissues.accept(house.reissues.request(terminal.terminal, reason, CUSTOMER).id, APPROVER)
        subjects = ("再発行申込受付の", "再発行の", "再発行をお受けできない")
        for japanese, _, english in (mail_of(terminal, subject).partition("-" * 64) for subject in subjects):
            assert "今ログオンできる証明書がありません。" in japanese
            assert "The terminal has no certificate that logs on now" in english
            assert "ご利用になれます" not in japanese.replace("いつもご利用いただき", "")
        slip = house.reissues.request(terminal.terminal, ReissueReason.STOLEN, CUSTOMER)
        house.reissues.withdraw(slip.id, CUSTOMER)


def test_staff_find_reissues_by_stage_terminal_and_office(terminal: Renewable, clock: SettableClock) -> None:
    house = terminal.house
    asked = house.reissues.request(terminal.terminal, PC, CUSTOMER)
    for text in ("", terminal.terminal[:3], terminal.terminal.lower(), "nac0"):
        assert found(house, Stage.DECIDE, text) == [asked]
    assert found(house, Stage.DECIDE, "NAC002") == found(house, Stage.PREPARE) == found(house, Stage.ENDED) == []
    accepted = house.reissues.accept(asked.id, APPROVER)
    assert (found(house, Stage.DECIDE), found(house, Stage.PREPARE), found(house, Stage.OPEN)) == ([], [], [accepted])
    assert accepted.ready_on is not None
    clock.instant = day_start(accepted.ready_on)
    assert found(house, Stage.PREPARE) == [accepted]
    made = house.reissue_preparation.prepare(asked.id, PREPARER)
    assert (found(house, Stage.PREPARE), found(house, Stage.OPEN)) == ([], [made])
    house.redemption.redeem(house.codes_of(terminal.terminal), new_request().pem, SOURCE)
    assert [one.id for one in found(house, Stage.ENDED)] == [asked.id]
    assert found(house, Stage.OPEN) == []


def test_a_key_that_others_may_have_is_shown_first(terminal: Renewable, clock: SettableClock) -> None:
    house = terminal.house
    earlier = house.reissues.request(terminal.terminal, PC, CUSTOMER)
    clock.advance(timedelta(hours=1))
    stolen = house.reissues.request(house.issue().terminal, ReissueReason.STOLEN, CUSTOMER)
    assert found(house, Stage.DECIDE) == [stolen, earlier]


def test_staff_see_whom_they_keep_waiting(terminal: Renewable, clock: SettableClock) -> None:
    house = terminal.house
    clock.instant = day_start(date(2027, 10, 28)) + timedelta(hours=23, minutes=59, seconds=59, milliseconds=900)  # a Thursday
    asked = house.reissues.request(terminal.terminal, PC, CUSTOMER)
    clock.instant = day_start(date(2027, 10, 29)) + timedelta(hours=23)
    assert (found(house, Stage.LATE), reissue_records.is_late(asked, today(house))) == ([], False)
    clock.instant = day_start(date(2027, 11, 1))  # the second business day after
    assert (found(house, Stage.LATE), reissue_records.is_late(asked, today(house))) == ([asked], True)
    accepted = house.reissues.accept(asked.id, APPROVER)
    assert (found(house, Stage.LATE), reissue_records.is_late(accepted, today(house))) == ([], False)
    assert accepted.ready_on is not None
    clock.instant = day_start(accepted.ready_on)
    assert (found(house, Stage.LATE), reissue_records.is_late(accepted, today(house))) == ([], False)
    clock.instant = day_start(accepted.ready_on + timedelta(days=1))
    assert (found(house, Stage.LATE), reissue_records.is_late(accepted, today(house))) == ([accepted], True)
    made = house.reissue_preparation.prepare(asked.id, PREPARER)
    assert (found(house, Stage.LATE), reissue_records.is_late(made, today(house))) == ([], False)


def test_another_offices_terminal_is_unknown(terminal: Renewable) -> None:
    house = terminal.house
    assert told(lambda: house.reissues.request(terminal.terminal, PC, CUSTOMER, office_code="NAC002")) == "terminal-unknown"
    assert told(lambda: house.reissues.request("00000A", PC, CUSTOMER)) == "terminal-unknown"
    assert told(lambda: house.reissues.request(terminal.terminal, PC, CUSTOMER, remark="x" * 501)) == "input-invalid"
    assert told(lambda: house.reissues.request(terminal.terminal, PC, CUSTOMER, remark="\x00")) == "input-invalid"
    house.reissues.request(terminal.terminal, PC, CUSTOMER, remark="通関　花子より\r\nお願いします")


def test_the_old_pc_asks_for_itself(terminal: Renewable, clock: SettableClock) -> None:
    reissues = terminal.house.reissues
    clock.instant = terminal.old.not_after + timedelta(days=1)
    asked = reissues.request_from_terminal(terminal.der, ReissueReason.EXPIRED)
    assert (asked.requester, asked.state) == (f"terminal:{terminal.terminal}", ReissueState.REQUESTED)
    assert told(lambda: reissues.request_from_terminal(terminal.der, PC)) == "reissue-open"


def test_a_pc_that_is_not_the_terminals_asks_for_nothing(terminal: Renewable) -> None:
    reissues = terminal.house.reissues
    terminal.renew()
    assert told(lambda: reissues.request_from_terminal(terminal.der, PC)) == "certificate-not-current"


def test_in_the_same_day_mode_a_job_prepares_at_once(terminal: Renewable) -> None:
    house = terminal.house
    now = house.clock.now()
    asked = replace(house.reissues, same_day=True).request(terminal.terminal, PC, CUSTOMER)
    assert (asked.state, asked.accepter, asked.ready_on) == (ReissueState.ACCEPTED, str(CUSTOMER), tokyo_date(now))
    assert house.reissue_preparation.prepare_due(now) == 1
    assert house.reissue_preparation.prepare_due(now) == 0
    [*_, row] = house.code_set_rows(terminal.terminal)
    assert (row.approver, row.preparer) == (str(CUSTOMER), "job:reissue")


def test_after_two_months_the_old_certificate_ends_with_the_codes(terminal: Renewable, clock: SettableClock) -> None:
    house = terminal.house
    house.renewal.renew(terminal.der, new_request().pem)
    reissued = prepared(terminal, clock)
    assert reissued.ends_on is not None
    clock.instant = day_start(reissued.ends_on)
    assert (reissue.end_overdue(house.database, clock.now()), id_notices.expire_due(house.database, clock.now())) == (0, 0)
    clock.instant = day_start(reissued.ends_on + timedelta(days=1))
    assert (reissue.end_overdue(house.database, clock.now()), id_notices.expire_due(house.database, clock.now())) == (1, 1)
    assert reissue.end_overdue(house.database, clock.now()) == 0
    assert set(terminal.states().values()) == {REVOKED}
    with house.database.snapshot() as session:
        ended = reissue_records.find(session, reissued.id)
    assert ended is not None
    assert ended.state is ReissueState.LAPSED


def test_while_staff_make_no_codes_the_old_certificate_stays_good(terminal: Renewable, clock: SettableClock) -> None:
    house = terminal.house
    accepted = ready(terminal, clock)
    assert accepted.ends_on is None
    for days in (61, 62, 92, 200):
        clock.instant = day_start(today(house) + timedelta(days=days))
        assert reissue.end_overdue(house.database, clock.now()) == 0
    assert terminal.states() == {terminal.old.serial: VALID}
    assert [one.id for one in found(house, Stage.LATE)] == [accepted.id]
    made = house.reissue_preparation.prepare(accepted.id, PREPARER)
    assert made.ends_on == months_after(today(house), 2)
    assert reissue.end_overdue(house.database, clock.now()) == 0


def test_codes_that_staff_replaced_count_anew(terminal: Renewable, clock: SettableClock) -> None:
    house = terminal.house
    reissued = prepared(terminal, clock)
    assert reissued.ends_on is not None
    clock.instant = day_start(reissued.ends_on)
    house.preparation.replace(terminal.terminal, PREPARER)
    later = months_after(reissued.ends_on, 2)
    clock.instant = day_start(reissued.ends_on + timedelta(days=1))
    assert (reissue.end_overdue(house.database, clock.now()), id_notices.expire_due(house.database, clock.now())) == (0, 0)
    assert [one.ends_on for one in found(house, Stage.OPEN)] == [later]
    new = house.redemption.redeem(house.codes_of(terminal.terminal), new_request().pem, SOURCE).certificate
    assert terminal.states() == {terminal.old.serial: REVOKED, new.serial: VALID}
    assert [one.state for one in found(house, Stage.ENDED)] == [ReissueState.COMPLETED]


def test_acceptance_ends_a_renewal_that_nobody_confirmed(terminal: Renewable) -> None:
    offered = terminal.renew(awaits=True).certificate
    terminal.house.reissues.request(terminal.terminal, PC, APPROVER)
    assert terminal.states() == {terminal.old.serial: VALID, offered.serial: REVOKED}
    assert terminal.renewals() == ["rejected"]
    assert ledger.faults(terminal.house, []) == []


def test_a_terminal_that_never_retrieved_gets_new_codes(house: House, clock: SettableClock) -> None:
    [(name, codes)] = house.new_codes()
    asked = house.reissues.request(name, ReissueReason.MISTAKE, APPROVER)
    assert asked.ready_on is not None
    clock.instant = day_start(asked.ready_on)
    house.reissue_preparation.prepare(asked.id, PREPARER)
    assert told(lambda: house.redemption.redeem(codes, new_request().pem, SOURCE)) == "codes-replaced"
    assert house.redemption.redeem(house.codes_of(name), new_request().pem, SOURCE).is_new


def test_suspension_stops_a_reissue_and_abolition_ends_it(terminal: Renewable, clock: SettableClock) -> None:
    house = terminal.house
    asked = ready(terminal, clock)
    house.endings.suspend(terminal.terminal, SECURITY)
    assert told(lambda: house.reissue_preparation.prepare(asked.id, PREPARER)) == "terminal-suspended"
    assert house.reissue_preparation.prepare_due(clock.now()) == 0
    house.endings.resume(terminal.terminal, SECURITY)
    approved(house, {"abolish": [terminal.terminal]})
    clock.instant = day_start(start_of(house))
    assert departures(house).abolish_due(clock.now()) == 1
    assert told(lambda: house.reissue_preparation.prepare(asked.id, PREPARER)) in {"reissue-state", "terminal-abolished"}
    assert told(lambda: house.reissues.request(terminal.terminal, PC, CUSTOMER)) == "terminal-abolished"
    with house.database.snapshot() as session:
        assert [one.state for one in reissue_records.of_terminal(session, terminal.terminal)] == [ReissueState.LAPSED]


def test_every_reason_has_its_words() -> None:
    assert REASONS.keys() == set(ReissueReason)
