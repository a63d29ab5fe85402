"""A registered office, its users, and applications of any shape, made through the room's own use cases."""

from collections.abc import Callable, Mapping
from datetime import date, timedelta

import pytest

from kernel import audit
from kernel.database import Database
from registry.applicants import Contact, contact_form
from registry.applications import Applications, Review
from registry.calendar import next_scheduled
from registry.contracts import Business, ContractEntry, UserCode
from registry.drafts import Customer, Draft, Drafts, Kind, Section
from registry.items import OF_KIND
from registry.letters import Letters
from registry.offices import Company, Office, OfficeEntry
from registry.registration import Offices
from registry.states import DeviceClass, PaymentMethod, PricePlan, SystemClass, TerminalState
from registry.terminals import Takeover, Terminal, register_existing
from tests.support.clock import SettableClock

START = date(2026, 12, 10)  # a Thursday, twelve business days after the clock's morning
HANAKO = Customer("NAC001", "hanako")
SATO, SUZUKI = audit.staff("sato"), audit.staff("suzuki")

APPLICANT = Contact(
    "通関", "花子", "ツウカン", "ハナコ", "第一通関部　通関課", "係長", "0312345678", "0398765432", "hanako@example.jp"
)
ADMINISTRATOR = Contact("税関", "太郎", "ゼイカン", "タロウ", "総務部", "部長", "0311112222", "", "taro@example.jp")
COMPANY = Company("NAC", "日本通関商事株式会社", "NAC Trading Co., Ltd.", "1050001", "東京都港区１－２－３", "0311110000")
OFFICE = OfficeEntry(
    "NAC001", "東京第一事業所", "1350064", "東京都江東区４－５", "0322220000", "0322220001", "東京税関", "1234567", ADMINISTRATOR
)
USER_CODE = UserCode(
    SystemClass.SEA,
    business="通関業",
    processing="海上入出港",
    user_code="NAC01",
    id_number="001",
    paid_statistics=True,
    free_statistics=False,
    storage=True,
    shared=False,
    start_date=date(2025, 4, 1),
)
CONTRACT = ContractEntry(
    contractor_name="代表　一郎",
    contractor_title="代表取締役社長",
    billing_name="日本通関商事株式会社　経理部",
    billing_postal_code="1050001",
    billing_address="東京都港区１－２－３",
    billing_contact="経理　次郎",
    billing_phone="0311110009",
    signed_on=date(2025, 4, 1),
    price_plan=PricePlan.A,
    payment_method=PaymentMethod.DEBIT,
    user_codes=(USER_CODE,),
    businesses=(Business(system_class=SystemClass.SEA, business="通関業", start_date=date(2025, 4, 1)),),
)
Typed = dict[str, list[str]]
TWO_MORE: Typed = {"add.net.sea": ["2"]}


@pytest.fixture
def office(database: Database, clock: SettableClock) -> Office:
    """Return the registered office NAC001."""
    return Offices(database, clock).register(COMPANY, OFFICE, CONTRACT, actor=audit.operator())


@pytest.fixture
def terminal(database: Database, clock: SettableClock, office: Office) -> Terminal:
    """Return the office's terminal 99999W, in service, for sea."""
    takeover = Takeover("99999W", office.code, SystemClass.SEA, DeviceClass.NET, date(2025, 4, 1), TerminalState.IN_SERVICE)
    with database.transaction() as session:
        return register_existing(session, takeover, now=clock.now())


@pytest.fixture
def drafts(database: Database, clock: SettableClock) -> Drafts:
    """Return the use cases of drafts."""
    return Drafts(database, clock)


@pytest.fixture
def applications(database: Database, clock: SettableClock) -> Applications:
    """Return the customer's use cases."""
    return Applications(database, clock, Letters("https://portal.example.jp/"))


@pytest.fixture
def review(database: Database, clock: SettableClock) -> Review:
    """Return the center's use cases."""
    return Review(database, clock, Letters("https://portal.example.jp/"))


Fill = Callable[..., Draft]
File = Callable[..., str]


@pytest.fixture
def fill(drafts: Drafts, clock: SettableClock) -> Fill:
    """Return what fills in a draft: by default two more netNACCS terminals for sea."""

    def fill_in(
        *,
        customer: Customer = HANAKO,
        items: tuple[str, ...] = ("terminals",),
        terminals: Typed | None = None,
        changes: Mapping[str, Typed] | None = None,
        applicant: Contact = APPLICANT,
        wished: date | None = None,
    ) -> Draft:
        wished = wished or next_scheduled(clock.now().date() + timedelta(days=16))
        pages: dict[str, Typed] = {
            Section.CHOICE: {"items": list(items), "wished_start": [wished.strftime("%Y%m%d")]},
            Section.APPLICANT: contact_form(applicant),
            Section.TERMINALS: TWO_MORE if terminals is None else terminals,
            **(changes or {}),
            Section.REMARKS: {"remarks": ["よろしく"]},
        }
        # Who applies for one of these applies for nothing else.
        kind = next((kind for kind, item in OF_KIND.items() if item.code in items), Kind.CONTRACT_CHANGE)
        draft = drafts.begin(customer, kind)
        for section, typed in pages.items():
            draft = drafts.save(customer, draft.id, section, typed)
        return draft

    return fill_in


@pytest.fixture
def file(applications: Applications, fill: Fill) -> File:
    """Return what files an application and gives its receipt number."""

    def file_one(*, customer: Customer = HANAKO, **pages: object) -> str:
        draft = fill(customer=customer, **pages)
        return applications.submit(customer, draft.id, version=draft.version)

    return file_one
