"""From what there is to bill to lines and sums: nothing but arithmetic, in yen without fractions."""

from dataclasses import dataclass
from datetime import datetime

from registry.billing.months import Month
from registry.billing.prices import Item, Prices
from registry.states import PaymentMethod, PricePlan


@dataclass(frozen=True)
class Usage:
    """Metered use of one month, as the network's metering tells it; `amount` is before tax and may be a correction below zero.

    `record` is the metering's own number of it; it comes once, however often its file is imported.
    """

    record: str
    office_code: str
    month: Month
    user_code: str
    title: str
    quantity: int
    unit: str
    amount: int


@dataclass(frozen=True)
class Facts:
    """What there is to bill an office for a month: terminals by name, user codes with the services that are billed by them."""

    month: Month
    plan: PricePlan | None
    terminals: tuple[str, ...] = ()
    statistics: tuple[str, ...] = ()
    storage: tuple[str, ...] = ()
    usage: tuple[Usage, ...] = ()


@dataclass(frozen=True)
class BillLine:
    """One line. `subjects` are the terminals or user codes that it is for; `title` and `unit` are the metering's words.

    Metered use has no price for each; its month is another than the bill's when the metering told of it late.
    """

    item: Item
    month: Month
    subjects: tuple[str, ...]
    quantity: int
    price: int | None
    amount: int
    title: str = ""
    unit: str = ""


@dataclass(frozen=True)
class Payer:
    """Who is billed, as the contract had it when the month was closed; `company` and `office` are the names of that day."""

    name: str
    postal_code: str
    address: str
    contact: str
    billing_code: str
    payment_method: PaymentMethod | None
    company: str
    office: str


@dataclass(frozen=True)
class Bill:
    """A month's bill; `subtotal` is before tax. `closed_at` is none while it is only computed."""

    office_code: str
    month: Month
    plan: PricePlan | None
    payer: Payer
    lines: tuple[BillLine, ...]
    subtotal: int
    tax_percent: int
    tax: int
    closed_at: datetime | None = None

    @property
    def total(self) -> int:
        """Return what is to be paid."""
        return self.subtotal + self.tax


def bill_of(office_code: str, facts: Facts, payer: Payer, prices: Prices) -> Bill:
    """Compute a bill."""
    lines = lines_of(facts, prices)
    subtotal = sum(line.amount for line in lines)
    percent = prices.tax_percent(facts.month)
    return Bill(office_code, facts.month, facts.plan, payer, lines, subtotal, percent, tax_of(subtotal, percent))


def lines_of(facts: Facts, prices: Prices) -> tuple[BillLine, ...]:
    """Return a bill's lines: the plan's, the services', then metered use by month, user code and record."""
    counted = (
        # Plan B has no monthly price for terminals.
        (Item.TERMINAL, facts.terminals if facts.plan is PricePlan.A else ()),
        (Item.STATISTICS, facts.statistics),
        (Item.STORAGE, facts.storage),
    )
    monthly = [_counted(item, subjects, facts.month, prices) for item, subjects in counted if subjects]
    ordered = sorted(facts.usage, key=lambda one: (one.month, one.user_code, one.record))
    return (*monthly, *map(_metered, ordered))


def tax_of(subtotal: int, percent: int) -> int:
    """Return the tax on a sum, once for the whole bill; a fraction of a yen is dropped, on either side of zero."""
    tax = abs(subtotal) * percent // 100
    return tax if subtotal >= 0 else -tax


def _counted(item: Item, subjects: tuple[str, ...], month: Month, prices: Prices) -> BillLine:
    price = prices.yen(item, month)
    return BillLine(item, month, subjects, len(subjects), price, len(subjects) * price)


def _metered(usage: Usage) -> BillLine:
    subjects = (usage.user_code,) if usage.user_code else ()
    return BillLine(Item.USAGE, usage.month, subjects, usage.quantity, None, usage.amount, usage.title, usage.unit)
