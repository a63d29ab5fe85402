"""The end of a generation change: reminders, the last day, and what becomes of those who never retrieved."""

from datetime import timedelta

from ca.certificates import CertificateState
from enrollment.credentials import of_terminals
from enrollment.generations import records
from enrollment.generations.plans import Wave
from enrollment.generations.states import MemberState
from enrollment.id_notices import expire_due
from kernel.clock import tokyo_date
from registry import terminals
from registry.states import SuspensionRule, TerminalEvent, TerminalState
from tests.enrollment.test_generations import mails, prepare, refusal, settle, states
from tests.support.generations import NEW, TwoGenerations
from tests.support.house import SECURITY


def records_of(two: TwoGenerations, number: int) -> records.Generation:
    with two.house.database.snapshot() as session:
        found = records.find(session, number)
    assert found is not None
    return found


def test_after_the_last_day_the_old_certificates_of_those_left_end(two: TwoGenerations) -> None:
    fast, slow = two.issued(count=2)
    number = two.change()
    two.to_first_day()
    prepare(two)
    two.retrieve(fast)
    two.clock.advance(timedelta(days=39))
    assert two.closing.end_due(two.clock.now()) == 0, "the last day is still good"
    two.clock.advance(timedelta(days=1))
    assert two.closing.end_due(two.clock.now()) == 1
    assert two.closing.end_due(two.clock.now()) == 0
    with two.house.database.snapshot() as session:
        change = records.find(session, number)
        current = of_terminals(session, [fast, slow])
    assert change is not None
    assert not change.is_open
    assert (current[fast].state, current[slow].state) == (CertificateState.VALID, CertificateState.REVOKED)
    assert current[slow].reason == "superseded"
    assert states(two, number) == {fast: MemberState.RETRIEVED, slow: MemberState.ENDED}
    assert two.retrieve(slow).certificate.issuer == NEW, "codes that are left may still be redeemed"
    settle(two)
    assert states(two, number)[slow] is MemberState.RETRIEVED


def test_stragglers_are_suspended_when_their_codes_are_over(two: TwoGenerations) -> None:
    names = two.issued(count=2)
    number = two.change()
    two.to_first_day()
    prepare(two)
    two.clock.advance(timedelta(days=40))
    two.closing.end_due(two.clock.now())
    assert two.closing.suspend_due(two.clock.now()) == 0
    two.clock.advance(timedelta(days=30))
    assert expire_due(two.house.database, two.clock.now()) == 2
    assert two.closing.suspend_due(two.clock.now()) == 2
    assert two.closing.suspend_due(two.clock.now()) == 0
    with two.house.database.snapshot() as session:
        found = [terminals.get(session, name) for name in names]
    assert [(one.state, one.suspension_rule) for one in found if one] == [
        (TerminalState.SUSPENDED, SuspensionRule.REISSUE_NOT_RETRIEVED)
    ] * 2
    assert set(states(two, number).values()) == {MemberState.SUSPENDED}
    assert len(mails(two, "利用停止のお知らせ")) == 1


def test_nobody_is_cut_off_who_never_got_codes(sqlite_two: TwoGenerations) -> None:
    two = sqlite_two
    two.issued()
    two.issued(two.office("NAC002"))
    number = two.change(two.plan(Wave(two.first_day, 1)))
    two.to_first_day()
    assert prepare(two) == 1, "and then nothing ran for six weeks"
    two.clock.advance(timedelta(days=41))
    assert refusal(lambda: two.closing.end_due(two.clock.now())) == "generation-waiting"
    later = tokyo_date(two.clock.now()) + timedelta(days=20)
    two.changes.postpone(number, later, SECURITY)
    assert prepare(two) == 1
    two.clock.advance(timedelta(days=21))
    assert two.closing.end_due(two.clock.now()) == 2


def test_the_end_is_only_ever_postponed(sqlite_two: TwoGenerations) -> None:
    two = sqlite_two
    number = two.change()
    ends_on = records_of(two, number).ends_on
    assert refusal(lambda: two.changes.postpone(number, ends_on, SECURITY)) == "end-not-later"
    too_far = ends_on.replace(year=ends_on.year + 20)
    assert refusal(lambda: two.changes.postpone(number, too_far, SECURITY)) == "end-after-issuer"
    two.changes.stop(number, SECURITY)
    assert refusal(lambda: two.changes.postpone(number, ends_on + timedelta(days=1), SECURITY)) == "generation-state"


def test_offices_are_reminded_once_for_each_of_the_days(two: TwoGenerations) -> None:
    names = two.issued(count=2)
    two.change()
    two.to_first_day()
    prepare(two)
    two.retrieve(names[0])
    settle(two)
    told = []
    for _ in range(40):
        two.clock.advance(timedelta(days=1))
        told.append(two.closing.remind_due(two.clock.now()) + two.closing.remind_due(two.clock.now()))
    # The last day is forty days after the first one, of which the change takes one.
    assert [day for day, count in enumerate(told, start=1) if count] == [11, 25, 32, 36, 38, 39]
    assert set(told) == {0, 1}
    reminders = mails(two, "再送")
    assert names[0] not in reminders[0]
    assert all(names[1] in body for body in reminders)


def test_a_reminder_that_was_missed_is_told_once_with_the_days_that_are_left(sqlite_two: TwoGenerations) -> None:
    two = sqlite_two
    two.issued()
    two.change()
    two.to_first_day()
    prepare(two)
    two.clock.advance(timedelta(days=34))
    assert two.closing.remind_due(two.clock.now()) == 1
    assert "あと5日" in mails(two, "再送")[0]
    two.clock.advance(timedelta(days=1))
    assert two.closing.remind_due(two.clock.now()) == 0


def test_an_abolished_terminal_leaves_the_change(sqlite_two: TwoGenerations) -> None:
    two = sqlite_two
    [name] = two.issued()
    number = two.change()
    two.to_first_day()
    prepare(two)
    with two.house.database.transaction() as session:
        terminals.step(session, name, TerminalEvent.ABOLISH, two.clock.now())
    assert two.closing.review_due(two.clock.now()) == 1
    assert states(two, number)[name] is MemberState.LEFT
