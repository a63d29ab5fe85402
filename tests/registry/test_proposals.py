from dataclasses import replace
from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.applicants import contact_form
from registry.drafts import Draft, Kind, Section
from registry.faults import Faults
from registry.items import EXCLUSIVE, ITEMS, Choice
from registry.proposals import (
    Addition,
    Change,
    ItemChange,
    ItemChanges,
    Proposal,
    Reclassification,
    Situation,
    TerminalWishes,
    check_changes,
    check_remarks,
    check_terminals,
    lines,
    read,
    sections,
)
from registry.states import DeviceClass, SystemClass, TerminalState
from registry.terminals import Terminal
from tests.registry.conftest import APPLICANT

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


OWN = (terminal("77777W"), terminal("88888W"), terminal("99999W"))
SITUATION = Situation(
    today=NOW.date(), first_time=False, terminals=OWN, busy={"77777W": "260001A"}, current={"price_plan": "A", "names": "旧"}
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


def test_each_other_item_needs_its_new_value_and_shows_its_present_one() -> None:
    choice = Choice(("names", "user_codes", "terminals", "price_plan"), START)
    typed = {"after.names": [" 新しい名前\r\n二行目 "], "after.user_codes": ["追加"], "after.price_plan": ["B"]}
    assert check_changes(typed, choice, SITUATION) == ItemChanges(
        (
            ItemChange("names", "旧", "新しい名前\n二行目"),
            ItemChange("user_codes", None, "追加"),
            ItemChange("price_plan", "A", "B"),
        )
    )


@pytest.mark.parametrize(
    ("item", "text", "code"),
    [
        ("names", "", "required"),
        ("names", " \n ", "required"),
        ("names", "長" * 401, "too-long"),
        ("names", "\x07", "character"),
        ("names", "\ud800", "character"),
        ("price_plan", "", "required"),
        ("price_plan", "C", "plan-unknown"),
        ("price_plan", "A", "plan-same"),
    ],
)
def test_a_new_value_that_is_none_is_refused(item: str, text: str, code: str) -> None:
    found = check_changes({f"after.{item}": [text]}, Choice((item,), START), SITUATION)
    assert faults(found) == {f"after.{item}": code}


def test_an_office_that_must_choose_a_plan_may_keep_its_plan() -> None:
    first_time = replace(SITUATION, first_time=True)
    found = check_changes({"after.price_plan": ["A"]}, Choice(("price_plan",), START), first_time)
    assert found == ItemChanges((ItemChange("price_plan", "A", "A"),))


def test_remarks_may_be_left_empty_and_have_an_end() -> None:
    assert check_remarks({}) == ""
    assert faults(check_remarks({"remarks": ["長" * 401]})) == {"remarks": "too-long"}


def test_a_choice_leads_to_the_pages_of_its_items() -> None:
    assert sections(Choice(("terminals",), START)) == (Section.TERMINALS, Section.REMARKS)
    assert sections(Choice(("price_plan",), START)) == (Section.CHANGES, Section.REMARKS)
    assert sections(Choice(("names", "terminals"), START)) == (Section.TERMINALS, Section.CHANGES, Section.REMARKS)


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


def draft(**pages: dict[str, list[str]]) -> Draft:
    return Draft("d", Kind.CONTRACT_CHANGE, 1, {Section(name): typed for name, typed in pages.items()}, NOW)


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
            changes={"after.names": ["新"], "after.storage": ["\x00"]},
        ),
        SITUATION,
    )
    assert isinstance(found, Proposal)
    assert found.terminals == TerminalWishes()


FIELDS = st.sampled_from(
    ["add.net.sea", "add.web.air", "class.99999W", "class.x", "class.", "abolish", "after.names", "after.price_plan"]
)
TEXTS = st.text(max_size=12) | st.sampled_from(["2", "air", "99999W", "77777W", "A", "B"])


@given(st.dictionaries(FIELDS, st.lists(TEXTS, max_size=3)), st.sets(st.sampled_from(sorted(ITEMS.keys() - EXCLUSIVE))))
def test_whatever_is_typed_is_a_proposal_or_faults(typed: dict[str, list[str]], items: set[str]) -> None:
    found = read(
        draft(
            choice={"items": sorted(items), "wished_start": ["20261210"]},
            applicant=contact_form(APPLICANT),
            terminals=typed,
            changes=typed,
        ),
        SITUATION,
    )
    assert isinstance(found, Proposal | Faults)
