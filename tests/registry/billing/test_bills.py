"""Months, prices, what counts in a month, and sums: nothing here needs a database."""

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.billing.bills import Bill, Facts, Payer, Usage, bill_of, tax_of
from registry.billing.facts import Service, in_force, plan_of
from registry.billing.months import Month, month_of, read_month
from registry.billing.prices import Item, read_prices
from registry.billing.states import BilledState
from registry.states import PricePlan

NOVEMBER = Month(2026, 11)
PRICES = read_prices()
PAYER = Payer("請求先", "1050001", "東京都", "経理", "1234567", None, "通関商事", "東京")
FACTS = Facts(NOVEMBER, PricePlan.A, ("00001W", "99999W"), ("NAC01",), ("NAC01", "NAC02"))
USAGE = Usage("2026-11-1", "NAC001", NOVEMBER, "NAC01", "輸入申告", 120, "件", 2_345)


def _bill(facts: Facts) -> Bill:
    return bill_of("NAC001", facts, PAYER, PRICES)


@given(st.dates(date(1990, 1, 1), date(2100, 12, 31)))
def test_every_day_lies_in_its_month_and_months_follow_each_other(day: date) -> None:
    month = month_of(day)
    assert month.first <= day <= month.last
    assert month.after.before == month.before.after == month
    assert (month.after.first - month.last).days == 1
    assert read_month(str(month)) == month


@pytest.mark.parametrize(("month", "last"), [((2024, 2), 29), ((2026, 2), 28), ((2100, 2), 28), ((2000, 2), 29), ((2026, 4), 30)])
def test_a_month_ends_with_its_last_day_in_leap_years_too(month: tuple[int, int], last: int) -> None:
    assert Month(*month).last.day == last


@pytest.mark.parametrize(
    "text", ["", "2026", "2026-13", "2026-00", "0000-01", "2026-1", "二〇二六-01", "２０２６-01", "2026-011"]
)
def test_what_is_no_month_is_none(text: str) -> None:
    assert read_month(text) is None


def test_months_are_read_as_people_write_them() -> None:
    assert {read_month(text) for text in ("2026-11", "2026/11", "202611")} == {NOVEMBER}


def test_plan_a_costs_5000_a_terminal_and_services_1000_a_user_code_before_tax() -> None:
    bill = _bill(replace(FACTS, usage=(USAGE,)))
    told = [(line.item, line.quantity, line.price, line.amount) for line in bill.lines]
    assert told == [
        (Item.TERMINAL, 2, 5_000, 10_000),
        (Item.STATISTICS, 1, 1_000, 1_000),
        (Item.STORAGE, 2, 1_000, 2_000),
        (Item.USAGE, 120, None, 2_345),
    ]
    assert (bill.subtotal, bill.tax_percent, bill.tax, bill.total) == (15_345, 10, 1_534, 16_879)


@pytest.mark.parametrize("plan", [PricePlan.B, None])
def test_without_plan_a_terminals_cost_nothing_a_month(plan: PricePlan | None) -> None:
    bill = _bill(replace(FACTS, plan=plan, usage=(USAGE,)))
    assert [line.item for line in bill.lines] == [Item.STATISTICS, Item.STORAGE, Item.USAGE]


def test_a_month_with_nothing_costs_nothing() -> None:
    bill = _bill(Facts(NOVEMBER, PricePlan.B))
    assert (bill.lines, bill.total) == ((), 0)


def test_use_that_the_metering_told_late_keeps_its_month_and_stands_before_the_newer() -> None:
    late = replace(USAGE, record="a", month=Month(2026, 9), amount=-100)
    bill = _bill(Facts(NOVEMBER, PricePlan.B, usage=(USAGE, late)))
    assert [(str(line.month), line.amount) for line in bill.lines] == [("2026-09", -100), ("2026-11", 2_345)]


@given(st.integers(-(10**12), 10**12), st.integers(0, 100))
def test_tax_drops_what_is_less_than_a_yen_on_either_side_of_zero(subtotal: int, percent: int) -> None:
    tax = tax_of(subtotal, percent)
    assert tax == -tax_of(-subtotal, percent)
    assert abs(tax) * 100 <= abs(subtotal) * percent < (abs(tax) + 1) * 100


@pytest.mark.parametrize(("month", "percent"), [((2014, 3), 5), ((2014, 4), 8), ((2019, 9), 8), ((2019, 10), 10)])
def test_the_tax_is_that_of_the_months_last_day(month: tuple[int, int], percent: int) -> None:
    assert PRICES.tax_percent(Month(*month)) == percent


def test_a_new_price_counts_from_its_month_on(tmp_path: Path) -> None:
    text = (Path("registry/billing/prices.toml")).read_text(encoding="utf-8")
    newer = text.replace("price = [", 'price = [ { item = "terminal", from = 2027-04-01, yen = 5500 },')
    (tmp_path / "prices.toml").write_text(newer, encoding="utf-8")
    prices = read_prices(tmp_path / "prices.toml")
    assert [prices.yen(Item.TERMINAL, month) for month in (Month(2027, 3), Month(2027, 4))] == [5_000, 5_500]
    with pytest.raises(LookupError):
        prices.yen(Item.TERMINAL, Month(2009, 12))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("from = 2010-02-01, yen = 5000", "from = 2010-02-02, yen = 5000"),
        ("yen = 5000", 'yen = "5000"'),
        ("yen = 5000", "yen = -1"),
        ('item = "terminal"', 'item = "terminals"'),
        ('item = "storage"', 'item = "statistics"'),
        ("percent = 10", "percent = 101"),
        ("percent = 10", "percent = true"),
        ("from = 2019-10-01", "from = 2014-04-01"),
        ("tax = [", "tax = 1\nx = ["),
        ("price = [", "price = "),
    ],
)
def test_a_file_of_prices_with_a_fault_is_refused_whole(tmp_path: Path, old: str, new: str) -> None:
    text = Path("registry/billing/prices.toml").read_text(encoding="utf-8")
    assert old in text
    (tmp_path / "prices.toml").write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(ValueError, match=r"prices\.toml"):
        read_prices(tmp_path / "prices.toml")


D = date
FEBRUARY = Month(2028, 2)  # a leap year's


@pytest.mark.parametrize(
    ("service", "month", "counts"),
    [
        (Service(D(2026, 11, 30)), NOVEMBER, True),  # began on the last day
        (Service(D(2026, 12, 1)), NOVEMBER, False),
        (Service(D(2028, 2, 29)), FEBRUARY, True),
        (Service(D(2028, 3, 1)), FEBRUARY, False),
        (Service(D(2025, 4, 1), ends=D(2026, 11, 1)), NOVEMBER, False),  # abolition takes effect on its day
        (Service(D(2025, 4, 1), ends=D(2026, 11, 2)), NOVEMBER, True),
        (Service(D(2026, 11, 5), ends=D(2026, 11, 5)), NOVEMBER, False),  # began and ended on the same day
        (Service(D(2025, 4, 1), suspensions=((D(2026, 11, 1), None),)), NOVEMBER, False),
        (Service(D(2025, 4, 1), suspensions=((D(2026, 10, 31), D(2026, 12, 1)),)), NOVEMBER, False),
        (Service(D(2025, 4, 1), suspensions=((D(2026, 10, 31), D(2026, 11, 30)),)), NOVEMBER, True),  # resumed on the last day
        (Service(D(2025, 4, 1), suspensions=((D(2026, 11, 2), None),)), NOVEMBER, True),
        (Service(D(2025, 4, 1), None, ((D(2026, 11, 1), D(2026, 11, 15)), (D(2026, 11, 15), None))), NOVEMBER, False),
        (Service(D(2025, 4, 1), None, ((D(2026, 11, 1), D(2026, 11, 15)), (D(2026, 11, 16), None))), NOVEMBER, True),
        (Service(D(2025, 4, 1), None, ((D(2026, 1, 1), D(2026, 3, 1)), (D(2026, 11, 1), None))), NOVEMBER, False),
        (Service(D(2026, 11, 10), None, ((D(2026, 11, 10), None),)), NOVEMBER, False),  # suspended on its first day
        (Service(D(2025, 4, 1), D(2026, 11, 20), ((D(2026, 10, 5), D(2026, 11, 20)),)), NOVEMBER, False),
    ],
)
def test_a_terminal_is_billed_for_a_month_in_which_a_day_counts(service: Service, month: Month, *, counts: bool) -> None:
    assert service.counts_in(month) is counts


def test_after_a_contracts_last_day_nothing_counts() -> None:
    assert not Service(D(2026, 11, 10)).counts_in(NOVEMBER, D(2026, 11, 9))
    assert Service(D(2026, 11, 10)).counts_in(NOVEMBER, D(2026, 11, 10))


@given(
    st.integers(0, 40),
    st.none() | st.integers(0, 40),
    st.lists(st.tuples(st.integers(-10, 40), st.none() | st.integers(-10, 40)), max_size=4),
)
def test_it_is_the_same_as_looking_at_each_day(begins: int, ends: int | None, spans: list[tuple[int, int | None]]) -> None:
    def day(number: int) -> date:
        return date.fromordinal(NOVEMBER.first.toordinal() - 5 + number)

    spans = [(begin, end) for begin, end in spans if end is None or begin <= end]
    suspensions = tuple((day(begin), None if end is None else day(end)) for begin, end in spans)
    service = Service(day(begins), None if ends is None else day(ends), suspensions)
    counting = [
        number
        for number in range(5, 35)
        if begins <= number
        and (ends is None or number < ends)
        and not any(begin <= number and (end is None or number < end) for begin, end in spans)
    ]
    assert service.counts_in(NOVEMBER) is bool(counting)


def _state(day: date, plan: PricePlan | None) -> BilledState:
    return BilledState(day, plan, (), ())


@pytest.mark.parametrize(
    ("states", "plan"),
    [
        ([(D(2026, 10, 31), PricePlan.A), (D(2026, 11, 2), PricePlan.B)], PricePlan.A),  # in mid-month: from the next month on
        ([(D(2026, 10, 31), PricePlan.A), (D(2026, 11, 1), PricePlan.B)], PricePlan.B),  # on the first day: at once
        ([(D(2026, 10, 31), None), (D(2026, 11, 30), PricePlan.B)], PricePlan.B),  # the first one ever
        ([(D(2026, 11, 12), PricePlan.B), (D(2026, 11, 13), PricePlan.A)], PricePlan.B),
        ([(D(2026, 12, 1), PricePlan.A)], None),
        ([], None),
    ],
)
def test_the_plan_of_the_months_first_day_counts(
    states: list[tuple[date, PricePlan | None]], plan: PricePlan | None
) -> None:  # fmt: skip
    assert plan_of([_state(*one) for one in states], NOVEMBER) is plan


def test_states_of_other_months_are_not_in_force() -> None:
    states = [_state(D(2026, 9, 1), None), _state(D(2026, 10, 1), PricePlan.A), _state(D(2026, 12, 1), PricePlan.B)]
    assert in_force(states, NOVEMBER) == (states[1],)
