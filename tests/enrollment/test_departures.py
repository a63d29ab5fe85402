from datetime import timedelta

import pytest
from sqlalchemy import select

from ca.certificates import of_subject
from kernel.audit import AuditEntry
from kernel.clock import day_end, day_start
from kernel.errors import Refused
from registry import applications, terminals
from registry.calendar import add_business_days
from registry.states import ApplicationState, TerminalState
from tests.enrollment.filings import approved, departures, start_of, to_prepare
from tests.enrollment.test_redemption import claimed
from tests.support.clock import SettableClock
from tests.support.house import PREPARER, SECURITY, SOURCE, House, new_request


def state_of(house: House, name: str) -> TerminalState | None:
    with house.database.snapshot() as session:
        terminal = terminals.get(session, name)
    return terminal.state if terminal else None


def certificates_of(house: House, name: str) -> list[tuple[str, str | None]]:
    with house.database.snapshot() as session:
        return [(record.state, record.reason) for record in of_subject(session, name)]


@pytest.fixture
def receipt_number(house: House) -> str:
    house.new_terminals()
    receipt_number = approved(house, {"add.web.sea": ["3"]})
    house.preparation.prepare(receipt_number, PREPARER)
    return receipt_number


def test_a_cancelled_application_takes_codes_and_certificates_with_it(house: House, receipt_number: str) -> None:
    retrieved, half, untouched = to_prepare(house, receipt_number)
    codes, request = house.codes_of(half), new_request()
    house.redemption.redeem(house.codes_of(retrieved), new_request().pem, SOURCE)
    claimed(house, codes, request.pem)
    ended = departures(house).cancel(receipt_number, "取りやめ", SECURITY)
    assert set(ended) == {retrieved, half, untouched}
    assert {state_of(house, name) for name in ended} == {TerminalState.ABOLISHED}
    assert certificates_of(house, retrieved) == [("revoked", "cessationOfOperation")]
    assert certificates_of(house, half) == [("abandoned", "cessationOfOperation")]
    assert [house.code_set_rows(name)[0].state for name in (retrieved, half, untouched)] == ["redeemed", "replaced", "replaced"]
    with pytest.raises(Refused, match="terminal-abolished"):
        house.redemption.redeem(codes, request.pem, SOURCE)
    with house.database.snapshot() as session:
        application = applications.find(session, receipt_number)
        entries = session.scalars(select(AuditEntry.subject).where(AuditEntry.action == "terminal.abolish")).all()
    assert application
    assert application.state is ApplicationState.CANCELLED
    assert sorted(entries) == sorted(f"terminal:{name}" for name in ended)


def test_an_application_is_cancelled_once_or_not_at_all(house: House, receipt_number: str) -> None:
    departures(house).cancel(receipt_number, "取りやめ", SECURITY)
    with pytest.raises(Refused, match="application-state"):
        departures(house).cancel(receipt_number, "取りやめ", SECURITY)
    with pytest.raises(Refused, match="application-unknown"):
        departures(house).cancel("999999Z", "取りやめ", SECURITY)


def test_an_abolition_takes_effect_on_its_start_date_and_once(house: House, clock: SettableClock) -> None:
    retrieved = house.issue()
    approved(house, {"abolish": [retrieved.terminal]})
    clock.instant = day_start(start_of(house)) - timedelta(seconds=1)
    assert departures(house).abolish_due(clock.now()) == 0
    assert certificates_of(house, retrieved.terminal) == [("valid", None)]
    assert departures(house).abolish_due(clock.advance(timedelta(seconds=1))) == 1
    assert state_of(house, retrieved.terminal) is TerminalState.ABOLISHED
    assert certificates_of(house, retrieved.terminal) == [("revoked", "cessationOfOperation")]
    assert departures(house).abolish_due(clock.advance(timedelta(days=3))) == 0


def test_a_suspended_terminal_is_abolished_too_however_late_the_job_runs(house: House, clock: SettableClock) -> None:
    retrieved = house.issue()
    approved(house, {"abolish": [retrieved.terminal]})
    house.endings.suspend(retrieved.terminal, SECURITY)
    clock.instant = day_start(start_of(house) + timedelta(days=10))
    assert departures(house).abolish_due(clock.now()) == 1
    assert certificates_of(house, retrieved.terminal) == [("revoked", "cessationOfOperation")]


def test_whoever_misses_the_day_of_the_system_settings_loses_the_application_and_its_terminals(
    house: House, clock: SettableClock
) -> None:
    house.new_terminals()
    receipt_number = approved(house, {"add.web.sea": ["2"]}, also={"mailboxes": {"mailboxes": ["3"]}})
    retrieved, untouched = to_prepare(house, receipt_number)
    house.preparation.prepare(receipt_number, PREPARER)
    house.redemption.redeem(house.codes_of(retrieved), new_request().pem, SOURCE)
    last_day = add_business_days(start_of(house), -4)
    clock.instant = day_end(last_day)
    assert departures(house).void_overdue(clock.now()) == 0
    assert departures(house).void_overdue(clock.advance(timedelta(seconds=1))) == 1
    assert departures(house).void_overdue(clock.advance(timedelta(days=1))) == 0
    assert {state_of(house, name) for name in (retrieved, untouched)} == {TerminalState.ABOLISHED}
    assert certificates_of(house, retrieved) == [("revoked", "cessationOfOperation")]
    with house.database.snapshot() as session:
        application = applications.find(session, receipt_number)
    assert application
    assert application.state is ApplicationState.VOID
