from dataclasses import fields, replace
from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry import contracts
from registry.applicants import contact_form
from registry.changes import Entry, ItemChange
from registry.drafts import Draft, Kind, Section
from registry.faults import Faults
from registry.items import EXCLUSIVE, ITEMS, Choice
from registry.offices import Office
from registry.proposals import (
    Addition,
    Change,
    Proposal,
    Reclassification,
    Situation,
    TerminalWishes,
    check_change,
    check_remarks,
    check_terminals,
    lines,
    read,
    sections,
)
from registry.states import DeviceClass, SystemClass, TerminalState
from registry.terminals import Terminal
from tests.registry.conftest import APPLICANT, COMPANY, CONTRACT, OFFICE

NOW = datetime(2026, 11, 24, 1, tzinfo=UTC)
START = date(2026, 12, 10)


def terminal(name: str, system_class: SystemClass = SystemClass.SEA) -> Terminal:
    return Terminal(
        name=name,
        office_code="NAC001",
        state=TerminalState.IN_SERVICE,
        suspended_from=None,
        system_class=system_class,
        device_class=DeviceClass.NET,
        package_class="net",
        start_date=date(2025, 4, 1),
        receipt_number=None,
        registered_at=NOW,
        changed_at=NOW,
    )


def draft(**pages: dict[str, list[str]]) -> Draft:
    return Draft("d", Kind.CONTRACT_CHANGE, 1, pages, NOW)


OWN = (terminal("77777W"), terminal("88888W"), terminal("99999W"))
HERE = Office(**{field.name: getattr(OFFICE, field.name) for field in fields(OFFICE)}, company=COMPANY)
SITUATION = Situation(
    today=NOW.date(),
    first_time=False,
    office=HERE,
    terminals=OWN,
    busy={"77777W": "260001A"},
    present=contracts.present(HERE, CONTRACT),
    siblings={},
)


def faults(found: object) -> dict[str, str]:
    assert isinstance(found, Faults), found
    return {fault.field: fault.code for fault in found}


def test_the_references_example_adds_two_terminals() -> None:
    typed = {"add.net.sea": ["2"], "add.net.air": [""], "class.99999W": ["sea"]}
    assert check_terminals(typed, SITUATION) == TerminalWishes((Addition(DeviceClass.NET, SystemClass.SEA, 2),))


def test_additions_changes_and_abolitions_go_together() -> None:
    typed = {"add.web.shared": ["１"], "add.ebms.air": ["002"], "class.99999W": ["air"], "abolish": ["88888W"]}
    wishes = check_terminals(typed, SITUATION)
    assert wishes == TerminalWishes(
        (Addition(DeviceClass.WEB, SystemClass.SHARED, 1), Addition(DeviceClass.EBMS, SystemClass.AIR, 2)),
        (Reclassification("99999W", SystemClass.SEA, SystemClass.AIR),),
        ("88888W",),
    )


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ({}, {"add.net.sea": "terminals-none"}),
        ({"add.net.sea": ["0"]}, {"add.net.sea": "terminals-none"}),
        ({"class.99999W": ["sea"]}, {"add.net.sea": "terminals-none"}),
        ({"add.net.sea": ["-2"]}, {"add.net.sea": "count-digits"}),
        ({"add.net.sea": ["two"]}, {"add.net.sea": "count-digits"}),
        ({"add.net.sea": ["²"]}, {"add.net.sea": "count-digits"}),
        ({"add.net.sea": ["1.5"]}, {"add.net.sea": "count-digits"}),
        ({"add.net.sea": ["201"]}, {"add.net.sea": "count-most"}),
        ({"add.net.sea": ["9" * 5000]}, {"add.net.sea": "count-most"}),
        ({"class.12345W": ["air"]}, {"class.12345W": "terminal-unknown"}),
        ({"class.99999W": ["space"]}, {"class.99999W": "class-unknown"}),
        ({"abolish": ["12345W"]}, {"abolish": "terminal-unknown"}),
        ({"abolish": ["77777W"]}, {"abolish": "terminal-busy"}),
        ({"class.77777W": ["air"]}, {"abolish": "terminal-busy"}),
        ({"class.99999W": ["air"], "abolish": ["99999W"]}, {"class.99999W": "terminal-both"}),
    ],
)
def test_what_can_not_become_of_terminals_is_refused(typed: dict[str, list[str]], expected: dict[str, str]) -> None:
    assert faults(check_terminals(typed, SITUATION)) == expected


def change(item: str, typed: dict[str, list[str]], *, first_time: bool = False, **others: dict[str, list[str]]) -> object:
    choice = Choice(tuple(code for code in ITEMS if code in {item, *others}), START)
    return check_change(item, draft(**{item: typed, **others}), choice, replace(SITUATION, first_time=first_time))


def test_an_office_that_must_choose_a_plan_may_keep_its_plan() -> None:
    assert faults(change("price_plan", {"price_plan": ["A"]})) == {"price_plan": "unchanged"}
    assert change("price_plan", {"price_plan": ["A"]}, first_time=True) == ItemChange("price_plan")
    assert faults(change("price_plan", {"price_plan": ["C"]}, first_time=True)) == {"price_plan": "option-unknown"}


def test_a_page_that_was_never_sent_is_open_even_where_nothing_must_change() -> None:
    assert faults(change("price_plan", {}, first_time=True)) == {"price_plan": "unchanged"}
    assert faults(change("names", {}, first_time=True)) == {"company_name": "unchanged"}


def test_what_the_same_application_adds_can_be_chosen_and_what_it_deletes_can_not() -> None:
    new = {"new1.user_code": ["NAC02"], "new1.id_number": ["001"], "new1.system_class": ["sea"]}
    codes = new | {"new1.business": ["通関業"], "new1.processing": ["会話型"], "NAC01.delete": ["yes"]}
    for user_code, found in (("NAC02", None), ("NAC01", "option-unknown")):
        typed = {"new1.user_code": [user_code], "new1.id_number": ["009"]}
        checked = change("id_numbers", typed, user_codes=codes)
        assert (faults(checked) if found else checked) == (
            {"new1.user_code": found}
            if found
            else ItemChange("id_numbers", (Entry("new1", None, {"user_code": user_code, "id_number": "009"}),))
        )


def test_remarks_may_be_left_empty_and_have_an_end() -> None:
    assert check_remarks({}) == ""
    assert faults(check_remarks({"remarks": ["長" * 401]})) == {"remarks": "too-long"}


def test_a_choice_leads_to_the_pages_of_its_items() -> None:
    assert sections(Choice(("terminals",), START)) == (Section.TERMINALS, Section.REMARKS)
    assert sections(Choice(("names", "terminals"), START)) == ("names", Section.TERMINALS, Section.REMARKS)


def test_before_and_after_shows_every_terminal() -> None:
    wishes = TerminalWishes(
        (Addition(DeviceClass.NET, SystemClass.SEA, 2),),
        (Reclassification("88888W", SystemClass.SEA, SystemClass.SHARED),),
        ("77777W",),
    )
    shown = [(line.change, line.terminal_name, line.before, line.after, line.count) for line in lines(wishes, OWN)]
    assert shown == [
        (Change.ADD, None, None, SystemClass.SEA, 2),
        (Change.ABOLISH, "77777W", SystemClass.SEA, None, 1),
        (Change.RECLASSIFY, "88888W", SystemClass.SEA, SystemClass.SHARED, 1),
        (Change.KEEP, "99999W", SystemClass.SEA, SystemClass.SEA, 1),
    ]


def test_faults_of_all_pages_name_their_page() -> None:
    found = read(draft(), SITUATION)
    assert isinstance(found, Faults)
    assert {"choice.items", "choice.wished_start", "applicant.family_name"} <= faults(found).keys()


def test_a_page_that_the_choice_does_not_lead_to_is_passed_over() -> None:
    found = read(
        draft(
            choice={"items": ["names"], "wished_start": ["20261210"]},
            applicant=contact_form(APPLICANT),
            terminals={"add.net.sea": ["rubbish"]},
            names={"office_name": ["新"]},
            storage={"NAC01.storage": ["\x00"]},
        ),
        SITUATION,
    )
    assert isinstance(found, Proposal)
    assert found.terminals == TerminalWishes()


FIELDS = st.sampled_from(
    [
        *("add.net.sea", "add.web.air", "class.99999W", "class.x", "class.", "abolish", "office_name", "price_plan"),
        *("NAC01.storage", "NAC01.delete", "new1.user_code", "new2.user_code", "new2.id_number", "company_latin_name", "partner"),
    ]
)
TEXTS = st.text(max_size=12) | st.sampled_from(["2", "air", "99999W", "77777W", "A", "B"])


@given(
    st.dictionaries(FIELDS, st.lists(TEXTS, max_size=3)),
    st.sets(st.sampled_from(sorted(ITEMS.keys() - EXCLUSIVE - {"system_settings", "broker_ids"}))),
)
def test_whatever_is_typed_is_a_proposal_or_faults(typed: dict[str, list[str]], items: set[str]) -> None:
    found = read(
        draft(
            choice={"items": sorted(items), "wished_start": ["20261210"]},
            applicant=contact_form(APPLICANT),
            **dict.fromkeys(items, typed),
        ),
        SITUATION,
    )
    assert isinstance(found, Proposal | Faults)
