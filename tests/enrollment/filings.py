"""Applications of the house's office, filed and approved through the registry's own use cases."""

from collections.abc import Mapping
from datetime import date, timedelta

from enrollment.departures import Departures
from kernel import audit
from kernel.clock import tokyo_date
from registry.applicants import Contact, contact_form
from registry.applications import Applications, Review, terminals_to_prepare
from registry.calendar import next_scheduled
from registry.drafts import Customer, Drafts, Kind, Section
from registry.items import OF_KIND
from registry.letters import Letters
from tests.support.house import APPROVER, OFFICE, House

LETTERS = Letters("https://localhost:8443")
HANAKO = Customer(OFFICE, "hanako")
JIRO = Contact("通関", "次郎", "ツウカン", "ジロウ", "通関課", "", "0312345678", "", "jiro@example.jp")
Typed = dict[str, list[str]]
CODE: Typed = {
    "new1.user_code": ["NAC02"],
    "new1.id_number": ["001"],
    "new1.system_class": ["air"],
    "new1.business": ["航空会社"],
    "new1.processing": ["ウェブ型"],
}
# The only page of the other kinds.
ONLY_PAGE: Mapping[Kind, Typed] = {
    Kind.SYSTEM_SETTINGS: {"setting": ["output"], "setting_details": ["出力情報を新しい端末へ配信する。"]},
    Kind.BROKER_IDS: {
        "new1.user_code": ["NAC02"],
        "new1.id_number": ["0A1"],
        "new1.family_name": ["通関"],
        "new1.given_name": ["士郎"],
        "new1.family_kana": ["ツウカン"],
        "new1.given_kana": ["シロウ"],
        "new1.licence": ["12-3456"],
    },
}


def start_of(house: House) -> date:
    """Return a start date that can be confirmed today."""
    return next_scheduled(tokyo_date(house.clock.now()) + timedelta(days=20))


def filed(house: House, typed: Typed, also: Mapping[str, Typed] | None = None) -> str:
    """File an application about terminals, and with `also` about other items, and return its receipt number."""
    drafts = Drafts(house.database, house.clock)
    draft = drafts.begin(HANAKO)
    others = also or {}
    pages: dict[str, Typed] = {
        Section.CHOICE: {"items": ["terminals", *others], "wished_start": [start_of(house).strftime("%Y%m%d")]},
        Section.APPLICANT: contact_form(JIRO),
        Section.TERMINALS: typed,
        **others,
        Section.REMARKS: {"remarks": [""]},
    }
    for section, content in pages.items():
        draft = drafts.save(HANAKO, draft.id, section, content)
    return Applications(house.database, house.clock, LETTERS).submit(HANAKO, draft.id, version=draft.version)


def filed_of(house: House, kind: Kind) -> str:
    """File an application of any kind and return its receipt number.

    The office gets a user code first where the application is about one.
    """
    if kind is Kind.CONTRACT_CHANGE:
        return filed(house, {"add.web.sea": ["2"]})
    if kind is Kind.BROKER_IDS:
        number = filed_items(house, {"user_codes": CODE})
        review = Review(house.database, house.clock, LETTERS)
        review.approve(number, start_of(house), approver=APPROVER)
        review.mark_executed(number, "user_codes", actor=APPROVER)
    return filed_items(house, {OF_KIND[kind].code: ONLY_PAGE[kind]}, kind)


def filed_items(house: House, pages: Mapping[str, Typed], kind: Kind = Kind.CONTRACT_CHANGE) -> str:
    """File an application about items other than terminals, and return its receipt number."""
    drafts = Drafts(house.database, house.clock)
    draft = drafts.begin(HANAKO, kind)
    whole: dict[str, Typed] = {
        Section.CHOICE: {"items": list(pages), "wished_start": [start_of(house).strftime("%Y%m%d")]},
        Section.APPLICANT: contact_form(JIRO),
        **pages,
        Section.REMARKS: {"remarks": [""]},
    }
    for section, content in whole.items():
        draft = drafts.save(HANAKO, draft.id, section, content)
    return Applications(house.database, house.clock, LETTERS).submit(HANAKO, draft.id, version=draft.version)


def approved(
    house: House, typed: Typed | None = None, *, also: Mapping[str, Typed] | None = None, approver: audit.Actor = APPROVER
) -> str:
    """File an application, by default for two more terminals, approve it and return its receipt number.

    The office has a terminal already: its first application would have to say more.
    """
    receipt_number = filed(house, typed or {"add.web.sea": ["2"]}, also)
    Review(house.database, house.clock, LETTERS).approve(receipt_number, start_of(house), approver=approver)
    return receipt_number


def to_prepare(house: House, receipt_number: str) -> tuple[str, ...]:
    """Return the terminals of an application that wait for codes."""
    with house.database.snapshot() as session:
        return tuple(terminal.name for terminal in terminals_to_prepare(session, receipt_number))


def departures(house: House) -> Departures:
    """Return what ends terminals for good."""
    return Departures(house.database, house.clock, LETTERS)
