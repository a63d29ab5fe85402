"""The demo's bills: months that are over, as a real office would have them, made once."""

from kernel import audit
from kernel.clock import tokyo_date
from kernel.database import Database
from registry.billing import reading
from registry.billing.closing import Closing
from registry.billing.months import month_of
from registry.billing.prices import Item, read_prices
from registry.registration import Offices
from server import demo_bills
from tests.support.clock import SettableClock
from tests.support.house import company, contract, office


def test_the_demo_has_the_bills_of_the_months_before_and_goes_on_from_there(database: Database, clock: SettableClock) -> None:
    Offices(database, clock).register(company(), office(), contract(), actor=audit.operator())
    for _ in range(2):
        demo_bills.make(database, clock, "NAC001", "99999W", "NAC01")
    this = month_of(tokyo_date(clock.now()))
    with database.snapshot() as session:
        years = reading.years(session, "NAC001")
        last = reading.find(session, "NAC001", this.before)
        months = [bill.month for year in years for bill in reading.of_year(session, "NAC001", year)]
    assert len(months) == demo_bills.MONTHS
    assert len(years) == 2
    assert last is not None
    assert {line.item for line in last.lines} == {Item.TERMINAL, Item.STORAGE, Item.USAGE}
    assert Closing(database, read_prices()).close_due(clock.now()) == 0
