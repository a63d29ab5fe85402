"""What a page that shows a part of a long list makes of the whole."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from registry.changes import ItemChange, Row, check_item, retyped
from registry.faults import FieldFault, Typed
from registry.rows import changed, changed_terminals, revised, revised_terminals, row_of
from registry.states import SystemClass
from tests.registry.test_changes import GROUND
from tests.registry.test_proposals import terminal

OWN = tuple(terminal(f"{number:05}W") for number in range(1, 5))


def code(ref: str) -> Row:
    return Row(ref, {"user_code": ref, "system_class": "sea", "business": "通関業", "processing": ""})


PRESENT = {"user_codes": tuple(code(ref) for ref in ("1AAAA", "1AAAB", "1AAAC"))}


def page(ref: str, processing: str) -> Typed:
    """Return what a row's fields send."""
    return {f"{ref}.system_class": ["sea"], f"{ref}.business": ["通関業"], f"{ref}.processing": [processing]}


def test_rows_of_two_pages_are_kept_together() -> None:
    first = revised("user_codes", page("1AAAA", "会話型"), {"1AAAA"}, PRESENT)({})
    both = revised("user_codes", {**page("1AAAB", "ウェブ型"), "1AAAB.delete": ["yes"]}, {"1AAAB"}, PRESENT)(first)
    assert both == {"1AAAA.processing": ["会話型"], "1AAAB.processing": ["ウェブ型"], "1AAAB.delete": ["yes"]}
    assert changed("user_codes", both, PRESENT) == ("1AAAA", "1AAAB")


def test_a_row_that_was_shown_is_as_it_was_sent() -> None:
    kept: Typed = {"1AAAA.delete": ["yes"], "1AAAA.processing": ["会話型"], "1AAAC.delete": ["yes"]}
    typed = revised("user_codes", page("1AAAA", "ウェブ型"), {"1AAAA"}, PRESENT)(kept)
    assert typed == {"1AAAA.processing": ["ウェブ型"], "1AAAC.delete": ["yes"]}
    assert revised("user_codes", page("1AAAA", "ウェブ型"), None, PRESENT)(kept) == {"1AAAA.processing": ["ウェブ型"]}


def test_what_says_the_same_as_the_contract_is_not_kept_but_what_is_missing_is() -> None:
    typed = revised("user_codes", page("1AAAA", ""), {"1AAAA"}, PRESENT)({})
    assert typed == {"1AAAA.processing": [""]}  # required, and not there: it is asked for, as on a whole page
    assert changed("user_codes", typed, PRESENT) == ()


def test_what_is_wrong_is_kept_as_it_was_typed() -> None:
    kept = revised("user_codes", page("1AAAA", "?"), {"1AAAA"}, PRESENT)({})
    assert kept["1AAAA.processing"] == ["?"]
    assert changed("user_codes", kept, PRESENT) == ("1AAAA",)


def test_rows_that_are_no_more_are_forgotten_and_new_ones_are_as_they_were_sent() -> None:
    kept: Typed = {"1ZZZZ.delete": ["yes"], "new1.user_code": ["2AAAA"], "new2.user_code": ["3AAAA"]}
    typed = revised("user_codes", {"new1.user_code": ["2AAAB"]}, (), PRESENT)(kept)
    assert typed == {"new1.user_code": ["2AAAB"]}


def test_a_form_that_is_no_list_is_as_it_was_sent() -> None:
    sent: Typed = {"price_plan": ["A"]}
    assert revised("price_plan", sent, None, {"price_plan": (Row("", {"price_plan": "A"}),)})({"price_plan": ["B"]}) == sent


def test_terminals_of_two_pages_are_kept_together() -> None:
    first = revised_terminals({"class.00001W": ["air"], "class.00002W": ["sea"], "abolish": []}, {"00001W", "00002W"}, OWN)({})
    assert first == {"class.00001W": ["air"], "abolish": []}
    both = revised_terminals({"add.net.sea": ["2"], "abolish": ["00003W"]}, {"00003W", "00004W"}, OWN)(first)
    assert both == {"class.00001W": ["air"], "add.net.sea": ["2"], "abolish": ["00003W"]}
    assert changed_terminals(both, OWN) == ("00001W", "00003W")


def test_a_terminal_that_was_shown_is_as_it_was_sent() -> None:
    kept: Typed = {"class.00001W": ["air"], "abolish": ["00002W", "00003W", "99999Z"]}
    typed = revised_terminals({"class.00001W": ["sea"], "abolish": []}, {"00001W", "00002W"}, OWN)(kept)
    assert typed == {"abolish": ["00003W"]}
    whole = revised_terminals({"abolish": ["12345X"]}, None, OWN)(kept)
    assert whole == {"abolish": ["12345X"]}  # refused by the check, beside its field


@given(
    st.lists(st.tuples(st.sampled_from(["", "sea", "air", "?"]), st.booleans()), min_size=4, max_size=4),
    st.permutations(range(4)),
)
def test_terminals_sent_page_by_page_are_what_one_page_would_send(wishes: list[tuple[str, bool]], order: list[int]) -> None:
    typed: Typed = {}
    for at in order:
        (wanted, ends), name = wishes[at], OWN[at].name
        typed = revised_terminals({f"class.{name}": [wanted], "abolish": [name] if ends else []}, {name}, OWN)(typed)
    named = [(one.name, *wish) for one, wish in zip(OWN, wishes, strict=True)]
    whole = {f"class.{name}": [wanted] for name, wanted, _ in named} | {"abolish": [name for name, _, ends in named if ends]}
    at_once = revised_terminals(whole, None, OWN)({})
    assert {**typed, "abolish": sorted(typed["abolish"])} == at_once


def test_a_terminal_that_has_got_the_class_by_itself_is_unchanged() -> None:
    typed: Typed = {"class.00001W": ["air"]}
    assert changed_terminals(typed, OWN) == ("00001W",)
    assert changed_terminals(typed, (replace(OWN[0], system_class=SystemClass.AIR),)) == ()


def test_a_fault_leads_to_its_row() -> None:
    assert row_of(FieldFault("class.00001W", "class-unknown")) == "00001W"
    assert row_of(FieldFault("abolish", "terminal-busy", {"terminal": "00002W"})) == "00002W"
    assert row_of(FieldFault("1AAAA.business", "choice-none")) == "1AAAA"
    assert row_of(FieldFault("entries", "unchanged")) == ""


def test_a_correction_of_a_list_begins_with_what_was_changed_only() -> None:
    change = check_item("user_codes", {"NAC01.processing": ["会話型"]}, GROUND)
    assert isinstance(change, ItemChange)
    assert retyped(change, GROUND.present) == {"NAC01.processing": ["会話型"]}
