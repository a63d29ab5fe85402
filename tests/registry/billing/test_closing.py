"""Months are closed once, from what the contract's history says, on both databases."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import select, update

from kernel.audit import AuditEntry
from kernel.clock import day_start
from kernel.database import Database
from registry import execution, terminals
from registry.applications import Review, complete_due
from registry.billing import reading, states
from registry.billing.bills import Bill, Usage
from registry.billing.closing import Closing, digest_of
from registry.billing.months import Month
from registry.billing.prices import Item, read_prices
from registry.billing.tables import UsageRow
from registry.billing.usage import enter
from registry.changes import Entry, ItemChange
from registry.news import NewsKind, latest
from registry.offices import Office
from registry.states import PricePlan, TerminalEvent
from registry.tables import ContractRow, UserCodeRow
from registry.terminals import Terminal
from tests.registry.conftest import SATO, File
from tests.registry.racing import race

NOVEMBER, DECEMBER, JANUARY = Month(2026, 11), Month(2026, 12), Month(2027, 1)
PRICES = read_prices()
Bills = Callable[[Month], Bill | None]


@pytest.fixture
def closing(database: Database, office: Office) -> Closing:
    """Return the monthly job of a house with one office, which was registered on 24 November."""
    assert office.code == "NAC001"
    return Closing(database, PRICES)


@pytest.fixture
def bill(database: Database) -> Bills:
    """Return what reads the office's bill of a month."""

    def read(month: Month) -> Bill | None:
        with database.snapshot() as session:
            return reading.find(session, "NAC001", month)

    return read


def _close(closing: Closing, month: Month) -> int:
    """Run the job on the first day of the following month, at midnight in Tokyo."""
    return closing.close_due(day_start(month.after.first))


def _amounts(bill: Bill | None) -> dict[Item, tuple[int, int]]:
    assert bill is not None
    return {line.item: (line.quantity, line.amount) for line in bill.lines}


def _at(day: date, hour: int = 12) -> datetime:
    return day_start(day) + timedelta(hours=hour)


def _used(record: str, month: Month, amount: int = 700) -> Usage:
    return Usage(record, "NAC001", month, "NAC01", "輸入申告", 10, "件", amount)


def test_a_month_becomes_a_bill_when_it_is_over_in_tokyo(closing: Closing, bill: Bills, terminal: Terminal) -> None:
    midnight = day_start(DECEMBER.first)
    assert midnight == datetime(2026, 11, 30, 15, tzinfo=UTC)
    assert closing.close_due(midnight - timedelta(seconds=1)) == 0
    assert closing.close_due(midnight) == 1
    closed = bill(NOVEMBER)
    assert closed is not None
    assert _amounts(closed) == {Item.TERMINAL: (1, 5_000), Item.STATISTICS: (1, 1_000), Item.STORAGE: (1, 1_000)}
    assert closed.lines[0].subjects == (terminal.name,)
    assert (closed.plan, closed.subtotal, closed.tax, closed.total) == (PricePlan.A, 7_000, 700, 7_700)
    assert (closed.payer.name, closed.payer.billing_code) == ("日本通関商事株式会社　経理部", "1234567")
    assert closed.closed_at == midnight


def test_the_job_may_be_repeated_and_catches_up(closing: Closing, bill: Bills, terminal: Terminal) -> None:
    assert terminal.name
    assert _close(closing, NOVEMBER) == 1
    assert _close(closing, NOVEMBER) == 0
    assert _close(closing, Month(2027, 3)) == 4
    found = [bill(month) for month in (NOVEMBER, DECEMBER, JANUARY, Month(2027, 2), Month(2027, 3))]
    assert [one and one.total for one in found] == [7_700] * 5
    assert bill(Month(2026, 10)) is None  # before we knew the office
    assert bill(Month(2027, 4)) is None


def test_two_nodes_that_close_at_once_make_one_bill(
    closing: Closing, bill: Bills, terminal: Terminal, database: Database
) -> None:  # fmt: skip
    assert terminal.name
    results = race(2, lambda _: _close(closing, DECEMBER))
    assert sum(result for result in results if isinstance(result, int)) == 2
    assert bill(NOVEMBER)
    with database.snapshot() as session:
        assert len(reading.of_year(session, "NAC001", 2026)) == 2


def test_an_operator_may_close_later_in_the_month(database: Database, office: Office, bill: Bills) -> None:
    later = Closing(database, PRICES, day=5)
    assert office.code
    assert later.close_due(day_start(date(2026, 12, 4))) == 0
    assert later.close_due(day_start(date(2026, 12, 5))) == 1
    assert bill(NOVEMBER)


def test_a_closed_month_is_told_in_the_news_and_proven_by_the_audit_log(
    closing: Closing, bill: Bills, database: Database
) -> None:  # fmt: skip
    _close(closing, NOVEMBER)
    closed = bill(NOVEMBER)
    assert closed is not None
    with database.snapshot() as session:
        [line] = latest(session, "NAC001")
        entry = session.scalars(select(AuditEntry).where(AuditEntry.action == "bill.close")).one()
    assert (line.kind, line.code, line.target, line.facts) == (
        NewsKind.BILLING,
        "bill-closed",
        "bill:2026-11",
        {"month": "2026-11"},
    )
    assert (entry.subject, entry.facts["sha256"]) == ("bill:NAC001/2026-11", digest_of(closed))


def test_what_changes_later_leaves_a_closed_bill_as_it_is(closing: Closing, bill: Bills, database: Database) -> None:
    _close(closing, NOVEMBER)
    before = bill(NOVEMBER)
    with database.transaction() as session:
        contract = session.get_one(ContractRow, "NAC001")
        contract.billing_name, contract.price_plan = "新しい請求先", PricePlan.B
        states.note(session, "NAC001", date(2026, 11, 25))
    assert _close(closing, DECEMBER) == 1
    assert bill(NOVEMBER) == before
    later = bill(DECEMBER)
    assert later is not None
    assert (later.payer.name, later.plan) == ("新しい請求先", PricePlan.B)


def test_suspended_and_abolished_terminals_cost_nothing_from_the_next_month_on(
    closing: Closing, bill: Bills, terminal: Terminal, database: Database
) -> None:
    for event, day in (
        (TerminalEvent.SUSPEND, date(2026, 11, 30)),
        (TerminalEvent.RESUME_SERVICE, date(2027, 1, 1)),
        (TerminalEvent.ABOLISH, date(2027, 2, 1)),
    ):
        with database.transaction() as session:
            terminals.step(session, terminal.name, event, _at(day))
    assert _close(closing, Month(2027, 2)) == 4
    found = [bill(month) for month in (NOVEMBER, DECEMBER, JANUARY, Month(2027, 2))]
    assert [Item.TERMINAL in _amounts(one) for one in found] == [True, False, True, False]


def test_our_delay_in_an_abolition_is_not_the_customers_to_pay(
    closing: Closing, bill: Bills, terminal: Terminal, database: Database, file: File, review: Review
) -> None:
    number = file(terminals={"abolish": [terminal.name]})
    review.approve(number, date(2027, 1, 1), approver=SATO)
    with database.transaction() as session:
        terminals.step(session, terminal.name, TerminalEvent.ABOLISH, _at(date(2027, 1, 3)))
    _close(closing, JANUARY)
    assert Item.TERMINAL in _amounts(bill(DECEMBER))
    assert Item.TERMINAL not in _amounts(bill(JANUARY))


def test_a_plan_that_changes_in_mid_month_counts_from_the_next_month_on(
    closing: Closing, bill: Bills, terminal: Terminal, database: Database, file: File, review: Review
) -> None:
    assert terminal.name
    number = file(items=("price_plan",), changes={"price_plan": {"price_plan": ["B"]}})
    review.approve(number, date(2026, 12, 10), approver=SATO)
    assert complete_due(database, now=_at(date(2026, 12, 10))) == 1
    _close(closing, JANUARY)
    assert [one and one.plan for one in map(bill, (DECEMBER, JANUARY))] == [PricePlan.A, PricePlan.B]
    assert Item.TERMINAL not in _amounts(bill(JANUARY))


def test_services_by_user_code_are_billed_for_months_in_which_they_were_in_force(
    closing: Closing, bill: Bills, database: Database
) -> None:
    for item, day in (("statistics", date(2026, 12, 10)), ("storage", date(2027, 1, 1))):
        column = {"statistics": "paid_statistics", "storage": "storage"}[item]
        before = {"user_code": "NAC01", "paid_statistics": "yes", "free_statistics": "no", "storage": "yes"}
        change = ItemChange(item, (Entry("NAC01", before, before | {column: "no"}),))
        with database.transaction() as session:
            execution.carry_out(session, "NAC001", change, day)
    _close(closing, JANUARY)
    assert _amounts(bill(DECEMBER)) == {Item.STATISTICS: (1, 1_000), Item.STORAGE: (1, 1_000)}
    assert _amounts(bill(JANUARY)) == {}


def test_metered_use_is_billed_once_late_records_with_the_next_bill(closing: Closing, bill: Bills, database: Database) -> None:
    now = _at(date(2026, 11, 30))
    with database.transaction() as session:
        enter(session, [_used("1", NOVEMBER), _used("2", DECEMBER)], now)
    _close(closing, NOVEMBER)
    assert _amounts(bill(NOVEMBER))[Item.USAGE] == (10, 700)
    with database.transaction() as session:
        enter(session, [_used("3", NOVEMBER, -50)], now)
    _close(closing, DECEMBER)
    closed = bill(DECEMBER)
    assert closed is not None
    used = [(str(line.month), line.amount) for line in closed.lines if line.item is Item.USAGE]
    assert used == [("2026-11", -50), ("2026-12", 700)]
    with database.snapshot() as session:
        assert not session.scalars(select(UsageRow).where(UsageRow.bill_id.is_(None))).all()


def test_after_a_contracts_end_there_is_only_what_the_metering_tells_late(
    closing: Closing, bill: Bills, database: Database
) -> None:  # fmt: skip
    with database.transaction() as session:
        session.get_one(ContractRow, "NAC001").ends_on = date(2026, 12, 31)
    assert _close(closing, JANUARY) == 2
    assert _close(closing, Month(2027, 6)) == 0
    with database.transaction() as session:
        enter(session, [_used("late", DECEMBER)], _at(date(2027, 6, 20)))
    assert _close(closing, Month(2027, 6)) == 1
    closed = bill(Month(2027, 6))
    assert closed is not None
    assert [(line.item, str(line.month)) for line in closed.lines] == [(Item.USAGE, "2026-12")]


def test_an_office_without_anything_to_bill_gets_a_bill_of_nothing_and_no_news(
    closing: Closing, bill: Bills, database: Database
) -> None:
    with database.transaction() as session:
        session.get_one(ContractRow, "NAC001").price_plan = None
        session.execute(update(UserCodeRow).values(paid_statistics=False, storage=False))
        states.note(session, "NAC001", date(2026, 11, 24))
    _close(closing, NOVEMBER)
    closed = bill(NOVEMBER)
    assert closed is not None
    assert (closed.lines, closed.total) == ((), 0)
    with database.snapshot() as session:
        assert latest(session, "NAC001") == ()
