from datetime import date

import pytest

from registry.drafts import Kind, Section
from registry.faults import Faults
from registry.forms import FORMS
from registry.items import EXCLUSIVE, GROUPS, ITEMS, OF_KIND, TERMINALS, Choice, check_choice

TABLE = {item.code for group in GROUPS for item in group.items}
TODAY = date(2026, 11, 24)


def check(*items: str, first_time: bool = False, wished_start: str = "20261210") -> Choice | Faults:
    return check_choice({"items": list(items), "wished_start": [wished_start]}, first_time=first_time, today=TODAY)


def codes(found: Choice | Faults) -> list[str]:
    assert isinstance(found, Faults)
    return [fault.code for fault in found]


def test_the_table_has_the_references_twenty_three_items_in_nine_groups() -> None:
    assert len(GROUPS) == 9
    assert len(ITEMS) - len(OF_KIND) == sum(len(group.items) for group in GROUPS) == 23
    assert all(len(code) <= 30 and item.ja and item.en for code, item in ITEMS.items())


def test_every_item_but_the_terminals_has_a_form() -> None:
    assert {*FORMS, TERMINALS} == set(ITEMS)
    assert not set(ITEMS) & (set(Section) - {Section.TERMINALS})


@pytest.mark.parametrize("kind", sorted(OF_KIND))
def test_an_application_about_one_thing_asks_for_its_date_only(kind: Kind) -> None:
    found = check_choice({"wished_start": ["20261210"]}, kind=kind, first_time=True, today=TODAY)
    assert found == Choice((OF_KIND[kind].code,), date(2026, 12, 10))
    assert isinstance(check_choice({}, kind=kind, first_time=False, today=TODAY), Faults)
    assert codes(check(OF_KIND[kind].code)) == ["items-unknown"]


def test_all_items_outside_the_exclusive_group_can_be_ticked_together() -> None:
    together = tuple(code for code in ITEMS if code in TABLE - EXCLUSIVE)
    assert check(*reversed(together)) == Choice(together, date(2026, 12, 10))


@pytest.mark.parametrize("other", sorted(EXCLUSIVE))
@pytest.mark.parametrize("item", sorted(TABLE - EXCLUSIVE))
def test_an_item_of_the_exclusive_group_goes_with_nothing_outside_it(other: str, item: str) -> None:
    assert codes(check(other, item)) == ["items-exclusive"]


def test_items_of_the_exclusive_group_go_with_each_other() -> None:
    assert isinstance(check("sharing", "joint_use"), Choice)


def test_at_least_one_item_is_ticked() -> None:
    assert codes(check()) == ["items-none"]


def test_an_item_that_is_not_in_the_table_is_refused() -> None:
    assert codes(check("terminals", "backdoor")) == ["items-unknown"]


def test_the_first_terminals_need_id_numbers_and_a_price_plan() -> None:
    found = check("terminals", first_time=True)
    assert codes(found) == ["items-first-time"]
    assert isinstance(found, Faults)
    assert found[0].facts == {"missing": ("id_numbers", "price_plan")}
    assert isinstance(check("terminals", "id_numbers", "price_plan", first_time=True), Choice)


def test_an_office_without_terminals_may_change_something_else() -> None:
    assert isinstance(check("names", first_time=True), Choice)


def test_items_and_date_are_told_together() -> None:
    assert codes(check(wished_start="20131205")) == ["items-none", "date-past"]
