"""A house in the middle of a change of its system generation: two issuing CAs, some offices with certificates of the first."""

import dataclasses
from datetime import date, timedelta

from ca.authority import Authority, Succession
from ca.ceremony import Ceremony
from ca.issuers import Issuer, SigningIssuer
from ca.plan import ISSUING_CRL, AuthorityPlan
from enrollment.generations.changes import GenerationChanges
from enrollment.generations.closing import Closing
from enrollment.generations.plans import Plan, Wave
from enrollment.generations.waves import Waves
from enrollment.redemption import Redemption, Retrieved
from kernel import audit
from kernel.clock import tokyo_date
from registry import terminals
from registry.registration import Offices
from registry.states import DeviceClass, SystemClass
from registry.terminals import Takeover
from tests.support.clock import SettableClock
from tests.support.house import APPROVER, PREPARER, SOURCE, House, Request, company, contract, new_request, office

NEW = "issuing-2"
# Until the second issuing CA's turn.
DAYS = 10


class TwoGenerations:
    """The house, and what a change needs; `change()` plans and starts one."""

    def __init__(self, house: House, clock: SettableClock) -> None:
        self.house, self.clock = house, clock
        self.begin = tokyo_date(clock.now()) + timedelta(days=DAYS)
        at = clock.now() + timedelta(days=DAYS)
        second = AuthorityPlan(NEW, "Trial Issuing CA 2", "p256", 8, "root", *ISSUING_CRL, issues_from=at)
        plan = dataclasses.replace(house.plan, authorities=(*house.plan.authorities, second))
        Ceremony(house.database, house.keys, plan).hold(clock.now())
        self.redemption = Redemption(house.database, clock, Succession(house.database, self._authority), house.hasher)
        self.changes = GenerationChanges(house.database, clock)
        self.waves = Waves(house.preparation)
        self.closing = Closing(house.database, clock)
        self._numbers = iter(range(10_000, 20_000))

    def _authority(self, issuer: Issuer) -> Authority:
        return Authority(SigningIssuer(issuer, self.house.keys.open_signing(issuer.key_name)), self.house.profile)

    def office(self, code: str) -> str:
        """Register another office of the company."""
        Offices(self.house.database, self.clock).register(company(), office(code), contract(), actor=audit.operator())
        return code

    def issued(self, office_code: str = "NAC001", count: int = 1) -> list[str]:
        """Return new terminals of an office, each with its certificate of whoever issues now."""
        names = []
        for _ in range(count):
            name = f"{next(self._numbers):05}W"
            takeover = Takeover(name, office_code, SystemClass.SEA, DeviceClass.WEB, tokyo_date(self.clock.now()))
            with self.house.database.transaction() as session:
                terminals.register_existing(session, takeover, now=self.clock.now())
            self.house.preparation.prepare_existing(name, APPROVER, PREPARER)
            self.retrieve(name, office_code)
            names.append(name)
        return names

    def retrieve(self, terminal: str, office_code: str = "NAC001", request: Request | None = None) -> Retrieved:
        """Redeem a terminal's open codes."""
        codes = self.house.notices.show(None, office_code, terminal, audit.customer(office_code, "hanako"))
        return self.redemption.redeem(codes, (request or new_request()).pem, SOURCE)

    def plan(self, *waves: Wave, ends_on: date | None = None, name: str = "第二世代") -> Plan:
        """Return a plan; without waves, one for all from the second issuing CA's first day on."""
        ends_on = ends_on or self.begin + timedelta(days=40)
        return Plan(name, NEW, ends_on, waves or (Wave(self.first_day, 1_000),), 36_000)

    @property
    def first_day(self) -> date:
        """The first day that is wholly of the second issuing CA."""
        return self.begin + timedelta(days=1)

    def change(self, plan: Plan | None = None) -> int:
        """Plan a change and let somebody else start it."""
        number = self.changes.plan(plan or self.plan(), PREPARER)
        self.changes.start(number, APPROVER)
        return number

    def to_first_day(self) -> None:
        """Go to the first day of the second issuing CA."""
        self.clock.advance(timedelta(days=DAYS + 1))
