"""The three rules: when they strike, what stops, what is on record, and how a terminal comes back."""

from datetime import date

import pytest
from sqlalchemy import select

from ca.certificates import CertificateState, of_subject
from enrollment import id_notices, reissue
from enrollment.deadlines.due import DeadlineRow
from enrollment.reissue_records import ReissueReason
from kernel.audit import AuditEntry
from kernel.clock import tokyo_date
from kernel.errors import Refused
from registry.calendar import suspension_day
from registry.states import SuspensionRule, TerminalState
from tests.enrollment.deadlines.calling import DAY, deadlines, go_to, lines, mails, run, terminal, today
from tests.support.clock import SettableClock
from tests.support.house import APPROVER, PREPARER, SECURITY, SOURCE, House, new_request

JOBS = pytest.mark.parametrize("ended_first", [True, False], ids=["ended first", "suspended first"])


def not_retrieved(house: House, clock: SettableClock) -> tuple[str, date]:
    """Return a terminal that never retrieved, on the morning of its suspension."""
    [(name, _)] = house.new_codes()
    begins = suspension_day(today(house))
    go_to(clock, begins, hour=0)
    return name, begins


def not_renewed(house: House, clock: SettableClock) -> tuple[str, date]:
    """Return a terminal whose certificate has ended, on the morning of its suspension."""
    retrieved = house.issue()
    begins = suspension_day(tokyo_date(retrieved.certificate.not_after))
    go_to(clock, begins, hour=0)
    return retrieved.terminal, begins


def not_reissued(house: House, clock: SettableClock) -> tuple[str, date]:
    """Return a terminal that did not retrieve what was reissued, on the morning of its suspension."""
    retrieved = house.issue()
    asked = house.reissues.request(retrieved.terminal, ReissueReason.PC_REPLACED, SECURITY)
    go_to(clock, asked.ready_on or today(house))
    ends_on = house.reissue_preparation.prepare(asked.id, PREPARER).ends_on
    assert ends_on
    go_to(clock, ends_on + DAY, hour=0)
    return retrieved.terminal, ends_on + DAY


RULES = {1: not_retrieved, 2: not_renewed, 3: not_reissued}


def certificates(house: House, name: str) -> list[CertificateState]:
    with house.database.snapshot() as session:
        return [record.state for record in of_subject(session, name)]


@pytest.mark.parametrize("rule", RULES)
def test_each_rule_suspends_on_the_first_day_after_two_months_and_once(house: House, clock: SettableClock, rule: int) -> None:
    name, begins = RULES[rule](house, clock)
    go_to(clock, begins - DAY, hour=23)
    assert deadlines(house).suspend_due(clock.now()) == 0
    go_to(clock, begins, hour=0)
    assert deadlines(house).suspend_due(clock.now()) == 1
    assert run(house) == (0, 0)
    stopped = terminal(house, name)
    assert (stopped.state, stopped.suspension_rule) == (TerminalState.SUSPENDED, SuspensionRule(rule))
    assert stopped.suspended_at == clock.now()
    assert CertificateState.VALID not in certificates(house, name)
    with house.database.snapshot() as session:
        entry = session.scalars(select(AuditEntry).where(AuditEntry.action == "terminal.suspend")).one()
    assert (entry.actor, entry.subject, entry.facts["rule"]) == ("job:deadlines", f"terminal:{name}", str(rule))
    [mail] = [mail for mail in mails(house) if "利用停止のお知らせ" in mail.subject]
    assert name in mail.body
    assert f"was suspended on {begins.isoformat()}, because" in mail.body
    assert (f"terminal-suspended-{rule}", {"terminal": name}) in lines(house)


@pytest.mark.parametrize("rule", RULES)
def test_a_suspension_by_rule_is_caught_up_with_after_weeks(sqlite_house: House, clock: SettableClock, rule: int) -> None:
    name, begins = RULES[rule](sqlite_house, clock)
    go_to(clock, begins + 20 * DAY)
    assert run(sqlite_house) == (0, 1)
    assert terminal(sqlite_house, name).suspension_rule == rule


def test_retrieval_renewal_and_logon_stop_at_once_and_tell_the_rule(house: House, clock: SettableClock) -> None:
    [(name, codes)] = house.new_codes()
    go_to(clock, suspension_day(today(house)))
    run(house)
    with pytest.raises(Refused) as refusal:
        house.redemption.redeem(codes, new_request().pem, SOURCE)
    facts = {"terminal": name, "since": today(house).isoformat(), "rule": 1}
    assert (refusal.value.code, refusal.value.facts) == ("terminal-suspended", facts)
    for ask in (house.reissues.request,):
        with pytest.raises(Refused) as refusal:
            ask(name, ReissueReason.UNUSABLE, SECURITY)
        assert (refusal.value.code, refusal.value.facts) == ("terminal-suspended", facts)


def test_a_held_certificate_neither_renews_nor_logs_on(house: House, clock: SettableClock) -> None:
    [(name, codes)] = house.new_codes()
    record = house.redemption.redeem(codes, new_request().pem, SOURCE).certificate
    asked = house.reissues.request(name, ReissueReason.PC_REPLACED, SECURITY)
    go_to(clock, asked.ready_on or today(house))
    ends_on = house.reissue_preparation.prepare(asked.id, PREPARER).ends_on
    assert ends_on
    go_to(clock, ends_on + DAY)
    run(house)
    with pytest.raises(Refused) as refusal:
        house.logon.check(record.der, name, codes.access_key)
    assert (refusal.value.code, refusal.value.facts) == ("A0014", {"since": today(house).isoformat(), "rule": 3})
    with pytest.raises(Refused, match="terminal-suspended"):
        house.renewal.renew(record.der or b"", new_request().pem)


@JOBS
def test_an_unretrieved_reissue_ends_the_old_certificate_whichever_job_is_first(
    house: House, clock: SettableClock, *, ended_first: bool
) -> None:
    name, _ = not_reissued(house, clock)
    if ended_first:
        assert reissue.end_overdue(house.database, clock.now()) == 1
    assert run(house) == (0, 1)
    if not ended_first:
        assert reissue.end_overdue(house.database, clock.now()) == 1
    id_notices.expire_due(house.database, clock.now())
    assert certificates(house, name) == [CertificateState.REVOKED]
    assert terminal(house, name).suspension_rule == SuspensionRule.REISSUE_NOT_RETRIEVED
    assert [row.state for row in house.code_set_rows(name)] == ["redeemed", "expired"]


@pytest.mark.parametrize("rule", RULES)
def test_staff_lift_it_and_a_reissue_brings_the_terminal_back(house: House, clock: SettableClock, rule: int) -> None:
    name, begins = RULES[rule](house, clock)
    run(house)
    reissue.end_overdue(house.database, clock.now())
    id_notices.expire_due(house.database, clock.now())
    house.endings.resume(name, SECURITY)
    assert "再発行をお申し込みください" in mails(house)[-1].body
    lifted = terminal(house, name)
    assert (lifted.suspension_rule, lifted.suspended_at) == (None, None)
    assert run(house) == (0, 0)
    go_to(clock, begins + DAY)
    assert run(house) == (0, 0)
    asked = house.reissues.request(name, ReissueReason.EXPIRED, APPROVER)
    go_to(clock, asked.ready_on or today(house))
    prepared = house.reissue_preparation.prepare(asked.id, PREPARER)
    assert prepared.ends_on
    codes = house.codes_of(name)
    record = house.redemption.redeem(codes, new_request().pem, SOURCE).certificate
    assert house.logon.check(record.der, name, codes.access_key).terminal == name
    go_to(clock, prepared.ends_on + DAY)
    assert run(house) == (0, 0)


def test_a_lifted_terminal_that_lets_the_reissue_pass_is_warned_and_suspended_once_more(
    sqlite_house: House, clock: SettableClock
) -> None:
    house = sqlite_house
    name, _ = not_retrieved(house, clock)
    run(house)
    id_notices.expire_due(house.database, clock.now())
    house.endings.resume(name, SECURITY)
    asked = house.reissues.request(name, ReissueReason.UNUSABLE, SECURITY)
    go_to(clock, asked.ready_on or today(house))
    ends_on = house.reissue_preparation.prepare(asked.id, PREPARER).ends_on
    assert ends_on
    go_to(clock, ends_on - 2 * DAY)
    assert run(house) == (1, 0)  # by rule 3 only
    go_to(clock, ends_on + DAY)
    assert run(house) == (0, 1)
    assert terminal(house, name).suspension_rule == SuspensionRule.REISSUE_NOT_RETRIEVED


def test_a_terminal_that_staff_had_stopped_by_then_is_passed_over_for_good(house: House, clock: SettableClock) -> None:
    [(name, _)] = house.new_codes()
    begins = suspension_day(today(house))
    house.endings.suspend(name, SECURITY)
    go_to(clock, begins)
    assert run(house) == (0, 0)
    assert terminal(house, name).suspension_rule is None
    with house.database.snapshot() as session:
        assert session.scalars(select(DeadlineRow.outcome)).all() == ["passed"]
    house.endings.resume(name, SECURITY)
    assert run(house) == (0, 0)
    assert terminal(house, name).state is TerminalState.PENDING


def test_whoever_asked_for_a_reissue_is_not_suspended_for_not_renewing(house: House, clock: SettableClock) -> None:
    name, begins = not_renewed(house, clock)
    go_to(clock, begins - DAY)
    asked = house.reissues.request(name, ReissueReason.EXPIRED, SECURITY)
    go_to(clock, begins)
    assert run(house) == (0, 0)
    go_to(clock, asked.ready_on or begins)
    house.reissue_preparation.prepare(asked.id, PREPARER)
    house.redemption.redeem(house.codes_of(name), new_request().pem, SOURCE)
    assert run(house) == (0, 0)


def test_without_codes_nobody_is_suspended_for_not_retrieving(house: House, clock: SettableClock) -> None:
    [name] = house.new_terminals()
    go_to(clock, suspension_day(today(house)) + DAY)
    assert run(house) == (0, 0)
    house.preparation.prepare_existing(name, APPROVER, PREPARER)
    assert run(house) == (0, 0)
    go_to(clock, suspension_day(today(house)))
    assert run(house) == (0, 1)
