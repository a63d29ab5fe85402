"""Bills for the demo's office: of months before it was registered, as if it had been a customer for long."""

from dataclasses import dataclass
from datetime import timedelta

from kernel.clock import Clock, day_start, tokyo_date
from kernel.database import Database
from registry.billing import reading, usage
from registry.billing.bills import Facts, Usage
from registry.billing.closing import enter
from registry.billing.months import Month, month_of
from registry.billing.prices import Prices, read_prices
from registry.states import PricePlan

# More than a year, so that there is a past year to look at.
MONTHS = 14
_AT = timedelta(minutes=10)
# What the metering counted: a title, its unit, yen for each, and how many in an ordinary month.
_COUNTED = (("輸出申告等", "件", 20, 310), ("輸入申告等", "件", 20, 420), ("照会業務", "件", 5, 1_150))


@dataclass(frozen=True)
class _Office:
    code: str
    terminal: str
    user_code: str

    def used(self, month: Month) -> tuple[Usage, ...]:
        """Return what an office used in a month: somewhat more towards the end of a year."""
        found = []
        for number, (title, unit, price, usual) in enumerate(_COUNTED, start=1):
            counted = usual + usual * month.number // 40
            record = f"DEMO-{self.code}-{month}-{number}"
            found.append(Usage(record, self.code, month, self.user_code, title, counted, unit, counted * price))
        return tuple(found)


def make(database: Database, clock: Clock, office_code: str, terminal: str, user_code: str) -> None:
    """Enter the bills of the months before this one, the oldest first, unless they are there."""
    office, prices = _Office(office_code, terminal, user_code), read_prices()
    month = month_of(tokyo_date(clock.now()))
    months = [month := month.before for _ in range(MONTHS)]
    for each in reversed(months):
        _close(database, office, each, prices)


def _close(database: Database, office: _Office, month: Month, prices: Prices) -> None:
    at = day_start(month.after.first) + _AT
    with database.transaction() as session:
        if reading.find(session, office.code, month) is not None:
            return
        used = office.used(month)
        usage.enter(session, used, at)
        facts = Facts(month, PricePlan.A, (office.terminal,), (), (office.user_code,), used)
        enter(session, office.code, facts, prices, at)
