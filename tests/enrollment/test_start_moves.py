"""A start date that is moved, and an application that is cancelled, in every state that their terminals can be in."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta

import pytest
from sqlalchemy import select

from ca.certificates import of_subject
from enrollment import reissue_records
from enrollment.deadlines.deadlines import Deadlines
from enrollment.reissue_records import ReissueReason, ReissueState
from enrollment.start_moves import StartMoves
from kernel import audit, outbox
from kernel.audit import AuditEntry
from kernel.clock import day_start, tokyo_date
from kernel.errors import Refused
from registry import applications, news, terminals
from registry.calendar import suspension_day
from registry.states import ApplicationState, TerminalEvent, TerminalState
from tests.enrollment.filings import LETTERS, approved, departures, start_of, to_prepare
from tests.enrollment.test_redemption import claimed
from tests.support.clock import SettableClock
from tests.support.house import APPROVER, OFFICE, PREPARER, SECURITY, SOURCE, House, Request, new_request

MOVER = audit.staff("mover")
WEEK = timedelta(days=7)


@dataclass
class Case:
    """One terminal of an application, and the request that its certificate was made for, if it has one."""

    house: House
    clock: SettableClock
    receipt_number: str
    terminal: str
    request: Request
    start: date

    def move(self, by: timedelta, actor: audit.Actor = MOVER) -> tuple[str, ...]:
        moves = StartMoves(self.house.database, self.clock, LETTERS)
        return moves.move(self.receipt_number, self.start + by, "お客様のご依頼", actor)

    def redeem(self) -> str:
        """Retrieve with the open codes; return the certificate's serial number."""
        codes = self.house.codes_of(self.terminal)
        return self.house.redemption.redeem(codes, self.request.pem, SOURCE).certificate.serial

    def state(self) -> tuple[ApplicationState, TerminalState, date]:
        with self.house.database.snapshot() as session:
            application = applications.find(session, self.receipt_number)
            terminal = terminals.get(session, self.terminal)
        assert application
        assert terminal
        return application.state, terminal.state, terminal.start_date

    def certificates(self) -> list[tuple[str, str | None]]:
        with self.house.database.snapshot() as session:
            return [(record.state, record.reason) for record in of_subject(session, self.terminal)]

    def code_sets(self) -> list[str]:
        return [row.state for row in self.house.code_set_rows(self.terminal)]

    def news(self) -> list[str]:
        with self.house.database.snapshot() as session:
            return [line.code for line in reversed(news.latest(session, OFFICE, most=100))]

    def mails(self, subject: str) -> list[str]:
        with self.house.database.snapshot() as session:
            found = outbox.search(session, outbox.Wanted(mentioning=self.receipt_number), most=100)
        return sorted(mail.recipient for mail in found if subject in mail.subject)


@pytest.fixture
def case(house: House, clock: SettableClock) -> Case:
    """Return a terminal whose codes are prepared, three weeks before its start."""
    house.new_terminals()
    receipt_number = approved(house, {"add.web.sea": ["1"]})
    house.preparation.prepare(receipt_number, PREPARER)
    [name] = to_prepare(house, receipt_number)
    return Case(house, clock, receipt_number, name, new_request(), start_of(house))


def retrieved(case: Case) -> None:
    case.redeem()


def in_the_middle(case: Case) -> None:
    claimed(case.house, case.house.codes_of(case.terminal), case.request.pem)


def frozen(case: Case) -> None:
    case.house.notices.freeze(case.receipt_number, OFFICE, case.terminal, audit.customer(OFFICE, "hanako"))


def suspended_before(case: Case) -> None:
    case.house.endings.suspend(case.terminal, SECURITY)


def suspended_after(case: Case) -> None:
    case.redeem()
    case.house.endings.suspend(case.terminal, SECURITY)


def revoked(case: Case) -> None:
    case.redeem()
    with case.house.database.transaction() as session:
        certificate = of_subject(session, case.terminal)[0]
    case.house.confirmations.reject(certificate.issuer, certificate.serial)


def being_reissued(case: Case) -> None:
    case.redeem()
    asked = case.house.reissues.request(case.terminal, ReissueReason.PC_REPLACED, SECURITY)
    case.clock.instant = day_start(asked.ready_on or case.start)
    case.house.reissue_preparation.prepare(asked.id, PREPARER)


def prepared(_case: Case) -> None:
    """Leave it as it is."""


State = Callable[[Case], None]
# What the terminal had, what became of codes and certificates when the start is moved a week on, and a week back.
MOVED: dict[State, tuple[list[str], list[str], list[str]]] = {
    prepared: (["replaced"], [], []),
    in_the_middle: (["replaced"], ["abandoned"], ["abandoned"]),
    frozen: (["replaced"], [], []),
    retrieved: (["redeemed"], ["revoked"], ["valid"]),
    revoked: (["redeemed"], ["revoked"], ["revoked"]),
    suspended_before: (["replaced"], [], []),
    suspended_after: (["redeemed"], ["revoked"], ["held"]),
    being_reissued: (["redeemed", "replaced"], ["revoked"], ["valid"]),
}


@pytest.mark.parametrize("weeks", [1, -1], ids=["later", "earlier"])
@pytest.mark.parametrize("state", MOVED, ids=lambda state: state.__name__)
def test_a_moved_start_brings_new_codes_and_ends_what_would_begin_too_early(case: Case, state: State, weeks: int) -> None:
    state(case)
    sets, later, earlier = MOVED[state]
    before = case.state()[1]
    assert case.move(weeks * WEEK) == (case.terminal,)
    moved = case.start + weeks * WEEK
    assert case.state() == (ApplicationState.APPROVED, before, moved)
    assert case.code_sets() == sets
    assert [state for state, _ in case.certificates()] == (later if weeks > 0 else earlier)
    assert "application-moved" in case.news()
    assert case.mails("利用開始日変更") == ["hanako@example.jp", "jiro@example.jp"]
    if before is TerminalState.SUSPENDED:
        with pytest.raises(Refused):
            case.house.preparation.prepare(case.receipt_number, PREPARER)
        case.house.endings.resume(case.terminal, SECURITY)
    for person in (APPROVER, MOVER):
        with pytest.raises(Refused, match="same-person"):
            case.house.preparation.prepare(case.receipt_number, person)
    assert case.house.preparation.prepare(case.receipt_number, PREPARER) == (case.terminal,)
    case.request = new_request()
    case.redeem()
    assert case.state() == (ApplicationState.PREPARED, TerminalState.IN_SERVICE, moved)
    with case.house.database.snapshot() as session:
        newest, *others = of_subject(session, case.terminal)
        dropped = [one.state for one in reissue_records.of_terminal(session, case.terminal)]
    assert newest.not_before == day_start(moved)
    assert {record.state for record in others} <= {"revoked", "abandoned"}
    assert dropped in ([], [ReissueState.LAPSED])
    assert len(case.house.notices.notice(case.receipt_number, OFFICE).terminals) == 1  # type: ignore[union-attr]


def test_a_renewed_certificate_gives_way_too(house: House, clock: SettableClock) -> None:
    house.new_terminals()
    with_start = approved(house, {"add.web.sea": ["1"]})
    case = Case(house, clock, with_start, house_terminal(house, with_start), new_request(), start_of(house))
    case.move(timedelta(days=340))  # so late that the certificate's window opens before the start
    case.start += timedelta(days=340)
    house.preparation.prepare(with_start, PREPARER)
    codes = house.codes_of(case.terminal)
    record = house.redemption.redeem(codes, case.request.pem, SOURCE).certificate
    window = house.own_states.of(record.der).window
    assert window.first_day < case.start
    clock.instant = day_start(window.first_day)
    house.renewal.renew(record.der or b"", new_request().pem)
    case.move(timedelta(days=-3))
    assert sorted(state for state, _ in case.certificates()) == ["valid", "valid"]
    case.start -= timedelta(days=3)
    case.move(WEEK)
    assert [state for state, _ in case.certificates()] == ["revoked", "revoked"]


def house_terminal(house: House, receipt_number: str) -> str:
    [name] = to_prepare(house, receipt_number)
    return name


def test_an_abolished_terminal_stays_what_it_was(house: House, clock: SettableClock) -> None:
    house.new_terminals()
    receipt_number = approved(house, {"add.web.sea": ["2"]})
    gone, kept = to_prepare(house, receipt_number)
    with house.database.transaction() as session:
        terminals.step(session, gone, TerminalEvent.ABOLISH, clock.now())
    case = Case(house, clock, receipt_number, gone, new_request(), start_of(house))
    assert case.move(WEEK) == (kept,)
    assert case.state()[1:] == (TerminalState.ABOLISHED, case.start)
    assert house.preparation.prepare(receipt_number, PREPARER) == (kept,)
    assert departures(house).cancel(receipt_number, "取りやめ", SECURITY) == (kept,)
    with house.database.snapshot() as session:
        subjects = session.scalars(select(AuditEntry.subject).where(AuditEntry.action == "terminal.abolish")).all()
    assert subjects == [f"terminal:{kept}"]


def test_nothing_moves_once_service_has_begun(case: Case) -> None:
    retrieved(case)
    case.clock.instant = day_start(case.start)
    with pytest.raises(Refused, match="start-passed"):
        case.move(WEEK)
    applications.complete_due(case.house.database, now=case.clock.now())
    with pytest.raises(Refused, match="application-state"):
        case.move(WEEK)
    assert case.certificates() == [("valid", None)]
    assert case.state() == (ApplicationState.COMPLETED, TerminalState.IN_SERVICE, case.start)


def test_a_start_moves_to_another_day_that_can_be_confirmed_only(case: Case) -> None:
    today = tokyo_date(case.clock.now())
    refusals = {
        timedelta(): "start-same",
        today - case.start - timedelta(days=1): "date-past",
        timedelta(days=400): "date-far",
    }
    for by, code in refusals.items():
        with pytest.raises(Refused) as refusal:
            case.move(by)
        assert refusal.value.code == code
    with pytest.raises(Refused, match="approver-is-applicant"):
        case.move(WEEK, audit.customer(OFFICE, "hanako"))
    with pytest.raises(Refused, match="application-unknown"):
        StartMoves(case.house.database, case.clock, LETTERS).move("990001A", case.start, "", MOVER)
    assert case.code_sets() == ["prepared"]
    assert case.state() == (ApplicationState.PREPARED, TerminalState.PENDING, case.start)


CANCELLED: dict[State, tuple[list[str], list[str]]] = {
    prepared: (["replaced"], []),
    in_the_middle: (["replaced"], ["abandoned"]),
    frozen: (["replaced"], []),
    retrieved: (["redeemed"], ["revoked"]),
    revoked: (["redeemed"], ["revoked"]),
    suspended_before: (["replaced"], []),
    suspended_after: (["redeemed"], ["revoked"]),
    being_reissued: (["redeemed", "replaced"], ["revoked"]),
}


@pytest.mark.parametrize("late", [False, True], ids=["before the start", "after the start"])
@pytest.mark.parametrize("state", CANCELLED, ids=lambda state: state.__name__)
def test_a_cancelled_application_leaves_nothing_good(case: Case, state: State, *, late: bool) -> None:
    state(case)
    if late:  # as long as it is not completed
        case.clock.instant = day_start(case.start) + timedelta(hours=1)
    sets, certificates = CANCELLED[state]
    assert departures(case.house).cancel(case.receipt_number, "取りやめ", MOVER) == (case.terminal,)
    assert case.state()[:2] == (ApplicationState.CANCELLED, TerminalState.ABOLISHED)
    assert case.code_sets() == sets
    assert [state for state, _ in case.certificates()] == certificates
    assert case.news()[-2:] == ["terminal-abolished", "application-cancelled"]
    assert case.mails("利用申込取消し") == ["hanako@example.jp", "jiro@example.jp"]
    with pytest.raises(Refused, match="application-state"):
        case.move(WEEK)


def test_whoever_moved_the_start_does_not_replace_the_codes_either(case: Case) -> None:
    case.move(WEEK)
    case.house.preparation.prepare(case.receipt_number, PREPARER)
    for person in (APPROVER, MOVER):
        with pytest.raises(Refused, match="same-person"):
            case.house.preparation.replace(case.terminal, person)
    case.house.preparation.replace(case.terminal, PREPARER)


def test_codes_of_a_moved_start_that_nobody_retrieves_suspend_the_terminal(case: Case) -> None:
    retrieved(case)
    case.move(-WEEK)
    case.house.preparation.prepare(case.receipt_number, PREPARER)
    begins = suspension_day(case.start - WEEK)
    jobs = Deadlines(case.house.database)
    assert jobs.suspend_due(day_start(begins) - timedelta(seconds=1)) == 0
    assert jobs.tell_due(day_start(begins) - timedelta(days=2)) == 1
    assert jobs.suspend_due(day_start(begins)) == 1
    assert case.certificates() == [("held", "certificateHold")]
