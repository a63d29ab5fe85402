"""A change of system generation: codes for every terminal once, in waves, taken up wherever it was interrupted."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import func, select

from ca import certificates
from ca.certificates import CertificateState
from ca.revocation import Reason
from enrollment import code_sets
from enrollment.code_sets import CodeSetState
from enrollment.credentials import of_terminals
from enrollment.generations import progress
from enrollment.generations.plans import Wave
from enrollment.generations.states import HeldReason, MemberState
from enrollment.generations.tables import MemberRow
from enrollment.generations.waves import Waves
from enrollment.id_notices import expire_due
from enrollment.reissue_records import ReissueReason
from enrollment.tables import CodeSetRow
from kernel import audit, outbox
from kernel.audit import AuditEntry
from kernel.clock import tokyo_date
from kernel.errors import Refused
from kernel.outbox import OutboxMail
from registry import terminals
from registry.faults import Invalid
from registry.states import TerminalEvent
from tests.support.clock import SettableClock
from tests.support.generations import NEW, TwoGenerations
from tests.support.house import APPROVER, PREPARER, SECURITY

HANAKO = audit.customer("NAC001", "hanako")


def states(two: TwoGenerations, number: int) -> dict[str, MemberState]:
    with two.house.database.snapshot() as session:
        found = session.scalars(select(MemberRow).where(MemberRow.generation == number)).all()
    return {row.terminal: MemberState(row.state) for row in found}


def prepare(two: TwoGenerations) -> int:
    return two.waves.prepare_due(two.clock.now())


def settle(two: TwoGenerations) -> int:
    return two.closing.settle_due(two.clock.now())


def mails(two: TwoGenerations, subject: str) -> list[str]:
    with two.house.database.snapshot() as session:
        query = select(OutboxMail.body).where(OutboxMail.subject.contains(subject)).order_by(OutboxMail.id)
        return list(session.scalars(query))


def open_sets(two: TwoGenerations, *names: str) -> list[CodeSetRow]:
    with two.house.database.snapshot() as session:
        query = select(CodeSetRow).where(CodeSetRow.state.in_(code_sets.OPEN))
        return [row for row in session.scalars(query) if not names or row.terminal in names]


def faults(two: TwoGenerations, *waves: Wave, **how: object) -> set[tuple[str, str]]:
    plan = two.plan(*waves, **how)  # type: ignore[arg-type]
    return {(fault.field, fault.code) for fault in two.changes.check(plan)}


def refusal(deed: Callable[[], object]) -> str:
    with pytest.raises(Refused) as refused:
        deed()
    return refused.value.code


def test_every_terminal_gets_codes_and_retrieves_under_the_new_authority(two: TwoGenerations) -> None:
    names = two.issued(count=3) + two.issued(two.office("NAC002"))
    number = two.change()
    assert prepare(two) == 0, "not before the first wave's day"
    two.to_first_day()
    assert prepare(two) == 4
    assert states(two, number) == dict.fromkeys(names, MemberState.PREPARED)
    for row in open_sets(two):
        assert (row.approver, row.preparer) == (str(APPROVER), "job:generation")
    with two.house.database.snapshot() as session:
        assert {view.issuer for view in of_terminals(session, names).values()} == {"issuing-1"}
    retrieved = two.retrieve(names[0])
    assert retrieved.certificate.issuer == NEW
    assert settle(two) == 1
    assert states(two, number)[names[0]] is MemberState.RETRIEVED
    with two.house.database.snapshot() as session:
        newest, oldest = certificates.of_subject(session, names[0])
    assert (newest.state, oldest.state, oldest.reason) == (CertificateState.VALID, CertificateState.REVOKED, "superseded")


def test_an_office_gets_one_mail_without_codes_and_one_line_of_news(two: TwoGenerations) -> None:
    first = two.issued(count=3)
    second = two.issued(two.office("NAC002"), 2)
    two.change()
    two.to_first_day()
    prepare(two)
    told = mails(two, "新しいデジタル証明書取得のお願い")
    assert len(told) == 2
    assert [all(name in body for name in names) for body, names in zip(told, (first, second), strict=True)] == [True, True]
    for row, body in ((row, body) for row in open_sets(two) for body in told):
        codes = two.house.notices.show(None, row.office_code, row.terminal, HANAKO)
        assert not any(secret in body for secret in (codes.access_key, codes.auth_code_2, codes.auth_code_3))


def test_the_job_may_run_as_often_as_it_likes(sqlite_two: TwoGenerations) -> None:
    two = sqlite_two
    names = two.issued(count=3)
    number = two.change()
    two.to_first_day()
    assert [prepare(two) for _ in range(3)] == [3, 0, 0]
    assert len(open_sets(two)) == 3
    with two.house.database.snapshot() as session:
        made = select(func.count()).where(AuditEntry.action == "codes.prepare", AuditEntry.actor == "job:generation")
        assert session.scalar(made) == 3
    assert set(states(two, number)) == set(names)


def test_a_daily_quota_takes_offices_whole_and_goes_on_the_next_day(two: TwoGenerations) -> None:
    two.issued("NAC001", 3)
    two.issued(two.office("NAC002"), 2)
    two.issued(two.office("NAC003"), 2)
    number = two.change(two.plan(Wave(two.first_day, 4)))
    two.to_first_day()
    assert prepare(two) == 3
    assert prepare(two) == 0
    two.clock.advance(timedelta(days=1))
    assert prepare(two) == 4
    assert set(states(two, number).values()) == {MemberState.PREPARED}
    assert len(mails(two, "新しいデジタル証明書取得のお願い")) == 3


def test_an_office_that_is_larger_than_a_day_is_divided(sqlite_two: TwoGenerations) -> None:
    two = sqlite_two
    two.issued("NAC001", 5)
    two.change(two.plan(Wave(two.first_day, 2)))
    two.to_first_day()
    made = []
    for _ in range(4):
        made.append(prepare(two))
        two.clock.advance(timedelta(days=1))
    assert made == [2, 2, 1, 0]


def test_a_wave_may_be_for_some_offices_first(sqlite_two: TwoGenerations) -> None:
    two = sqlite_two
    two.issued("NAC001", 2)
    pilot = two.issued(two.office("NAC002"), 1)
    number = two.change(two.plan(Wave(two.first_day, 10, ("NAC002",)), Wave(two.first_day + timedelta(days=5), 10)))
    two.to_first_day()
    assert prepare(two) == 1
    assert states(two, number)[pilot[0]] is MemberState.PREPARED
    two.clock.advance(timedelta(days=5))
    assert prepare(two) == 2


class Plug:
    """A clock that is pulled when it is asked for the second time: the process dies between two batches."""

    def __init__(self, clock: SettableClock) -> None:
        self.clock, self.asked = clock, 0

    def now(self) -> datetime:
        """Tell the time, or die."""
        self.asked += 1
        if self.asked > 1:
            raise KeyboardInterrupt
        return self.clock.now()


def test_an_interruption_between_two_batches_is_taken_up(two: TwoGenerations) -> None:
    two.issued("NAC001", 2)
    two.issued(two.office("NAC002"), 2)
    number = two.change()
    two.to_first_day()
    dying = Waves(replace(two.house.preparation, clock=Plug(two.clock)), batch=1)
    with pytest.raises(KeyboardInterrupt):
        dying.prepare_due(two.clock.now())
    assert sorted(states(two, number).values()) == [MemberState.PREPARED] * 2 + [MemberState.WAITING] * 2
    assert prepare(two) == 2
    assert len(open_sets(two)) == 4
    assert len(mails(two, "新しいデジタル証明書取得のお願い")) == 2


def test_a_pause_counts_at_once_and_resuming_goes_on(sqlite_two: TwoGenerations) -> None:
    two = sqlite_two
    two.issued(count=2)
    number = two.change()
    two.to_first_day()
    two.changes.pause(number, SECURITY)
    assert prepare(two) == 0
    assert refusal(lambda: two.changes.pause(number, SECURITY)) == "generation-state"
    two.clock.advance(timedelta(days=60))
    assert two.closing.end_due(two.clock.now()) == 0, "nothing ends while it is paused"
    two.clock.advance(-timedelta(days=60))
    two.changes.resume(number, SECURITY)
    assert prepare(two) == 2


def test_a_stopped_change_leaves_everything_as_it_is(sqlite_two: TwoGenerations) -> None:
    two = sqlite_two
    names = two.issued(count=2)
    number = two.change()
    two.to_first_day()
    prepare(two)
    two.changes.stop(number, SECURITY)
    two.clock.advance(timedelta(days=50))
    assert two.closing.end_due(two.clock.now()) == 0
    assert two.retrieve(names[0]).certificate.issuer == NEW
    assert two.changes.plan(
        two.plan(Wave(tokyo_date(two.clock.now()), 5), name="もう一度", ends_on=two.begin + timedelta(days=90)), PREPARER
    )


def test_whoever_plans_does_not_start(sqlite_two: TwoGenerations) -> None:
    two = sqlite_two
    number = two.changes.plan(two.plan(), PREPARER)
    assert refusal(lambda: two.changes.start(number, PREPARER)) == "generation-same-person"
    assert refusal(lambda: two.changes.plan(two.plan(name="noch eine"), PREPARER)) == "generation-open"
    two.changes.start(number, APPROVER)
    assert refusal(lambda: two.changes.start(number, APPROVER)) == "generation-state"
    assert refusal(lambda: two.changes.start(99, APPROVER)) == "generation-unknown"


def test_a_plan_that_can_not_be_is_told_beside_its_field(sqlite_two: TwoGenerations) -> None:
    two = sqlite_two
    two.issued(count=3)
    first, wave = two.first_day, Wave(two.first_day, 10)
    assert faults(two) == set()
    assert faults(two, name=" ") == {("name", "required")}
    assert faults(two, name="x" * 61) == {("name", "too-long")}
    assert faults(two, name="a\u200bb") == {("name", "character")}
    assert faults(two, Wave(two.begin - timedelta(days=1), 10)) == {("wave1", "wave-too-early")}
    assert faults(two, Wave(first, 0)) == {("wave1", "quota")}
    assert faults(two, wave, Wave(first, 10, ("NAC002",))) == {("wave2", "wave-last")}
    assert faults(two, Wave(first, 10, ("nac",)), wave) == {("wave1", "office-code")}
    assert faults(two, wave, ends_on=first + timedelta(days=3)) == {("ends_on", "end-too-early")}
    assert faults(two, wave, ends_on=first.replace(year=first.year + 20)) == {("ends_on", "end-after-issuer")}
    assert faults(two, Wave(first, 1), ends_on=first + timedelta(days=15)) == {("ends_on", "quota-too-small")}
    with pytest.raises(Invalid):
        two.changes.plan(two.plan(name=""), PREPARER)
    two.change()
    assert faults(two) == {("name", "name-taken")}


def test_terminals_that_may_have_no_codes_are_held_and_looked_at_again(two: TwoGenerations) -> None:
    suspended, frozen, revoked, reissued, abolished, good = two.issued(count=6)
    two.house.endings.suspend(suspended, SECURITY)
    two.house.endings.revoke(revoked, Reason.KEY_COMPROMISE, SECURITY)
    two.house.preparation.prepare_existing(frozen, APPROVER, PREPARER)
    two.house.notices.freeze(None, "NAC001", frozen, HANAKO)
    two.house.reissues.request(reissued, ReissueReason.PC_REPLACED, SECURITY)
    with two.house.database.transaction() as session:
        terminals.step(session, abolished, TerminalEvent.ABOLISH, two.clock.now())
    number = two.change()
    two.to_first_day()
    assert prepare(two) == 1
    with two.house.database.snapshot() as session:
        reasons = {one.terminal: one.reason for one in progress.stragglers(session, number, state=MemberState.HELD).records}
    assert reasons == {
        suspended: HeldReason.SUSPENDED,
        frozen: HeldReason.FROZEN,
        revoked: HeldReason.REVOKED,
        reissued: HeldReason.REISSUE,
    }
    assert states(two, number)[abolished] is MemberState.LEFT
    assert states(two, number)[good] is MemberState.PREPARED
    two.house.endings.resume(suspended, SECURITY)
    two.clock.advance(timedelta(hours=2))
    assert prepare(two) == 1
    assert states(two, number)[suspended] is MemberState.PREPARED


def test_codes_that_are_open_already_serve_the_change(sqlite_two: TwoGenerations) -> None:
    two = sqlite_two
    [name] = two.issued()
    two.house.preparation.prepare_existing(name, APPROVER, PREPARER)
    [before] = open_sets(two)
    two.change()
    two.to_first_day()
    assert prepare(two) == 1
    assert [row.id for row in open_sets(two)] == [before.id]
    assert two.retrieve(name).certificate.issuer == NEW


def test_whoever_comes_meanwhile_is_taken_in_and_whoever_is_new_is_not(sqlite_two: TwoGenerations) -> None:
    two = sqlite_two
    two.issued()
    number = two.change()
    [late] = two.issued()
    two.to_first_day()
    [new] = two.issued()
    assert prepare(two) == 2
    assert late in states(two, number)
    assert new not in states(two, number)


def test_codes_that_expired_are_made_again_when_staff_say_so(two: TwoGenerations) -> None:
    name, other = two.issued(count=2)
    number = two.change(two.plan(ends_on=two.begin + timedelta(days=120)))
    two.to_first_day()
    prepare(two)
    two.clock.advance(timedelta(days=70))
    expire_due(two.house.database, two.clock.now())
    settle(two)
    assert set(states(two, number).values()) == {MemberState.LAPSED}
    assert two.changes.again(number, [name, "99999Z"], PREPARER) == 1
    assert prepare(two) == 1
    assert states(two, number) == {name: MemberState.PREPARED, other: MemberState.LAPSED}
    assert two.retrieve(name).certificate.issuer == NEW


def test_progress_is_told_by_office_and_stragglers_are_found(two: TwoGenerations) -> None:
    first = two.issued("NAC001", 3)
    second = two.issued(two.office("NAC002"), 2)
    number = two.change()
    two.to_first_day()
    prepare(two)
    two.retrieve(first[0])
    settle(two)
    with two.house.database.snapshot() as session:
        offices = progress.by_office(session, number)
        only = progress.by_office(session, number, text="nac002")
        everyone = progress.stragglers(session, number)
        found = progress.stragglers(session, number, text=second[0])
        listed = [one.terminal for one in progress.all_stragglers(session, number)]
        totals = progress.totals(session, number)
    assert [(one.office_code, one.total, one.retrieved, one.prepared, one.others) for one in offices.records] == [
        ("NAC001", 3, 1, 2, 0),
        ("NAC002", 2, 0, 2, 0),
    ]
    assert [one.office_code for one in only.records] == ["NAC002"]
    assert [one.terminal for one in everyone.records] == listed == [*first[1:], *second]
    assert [one.terminal for one in found.records] == [second[0]]
    assert (totals[MemberState.RETRIEVED], totals[MemberState.PREPARED]) == (1, 4)


def test_each_deed_is_on_record(sqlite_two: TwoGenerations) -> None:
    two = sqlite_two
    number = two.change()
    two.changes.pause(number, SECURITY)
    two.changes.resume(number, SECURITY)
    two.changes.stop(number, SECURITY)
    with two.house.database.snapshot() as session:
        deeds = [deed.action for deed in audit.history(session, f"generation:{number}")]
        assert outbox.count(session, outbox.Wanted()) == 0
    assert deeds == ["generation.stop", "generation.resume", "generation.pause", "generation.start", "generation.plan"]


def test_frozen_codes_lapse_neither_nor_serve(sqlite_two: TwoGenerations) -> None:
    two = sqlite_two
    [name] = two.issued()
    number = two.change()
    two.to_first_day()
    prepare(two)
    two.house.notices.freeze(None, "NAC001", name, HANAKO)
    settle(two)
    assert states(two, number)[name] is MemberState.PREPARED
    assert [row.state for row in open_sets(two)] == [CodeSetState.FROZEN]


def test_two_nodes_at_once_make_codes_once(two: TwoGenerations) -> None:
    names = two.issued("NAC001", 3) + two.issued(two.office("NAC002"), 3)
    number = two.change()
    two.to_first_day()
    with ThreadPoolExecutor(2) as nodes:
        made = list(nodes.map(lambda _: prepare(two), range(2)))
    assert sum(made) == len(open_sets(two)) == len(names)
    assert states(two, number) == dict.fromkeys(names, MemberState.PREPARED)
    assert len(mails(two, "新しいデジタル証明書取得のお願い")) == 2
