from dataclasses import fields, replace
from datetime import date

import pytest

from registry import contracts
from registry.changes import (
    Entry,
    Ground,
    ItemChange,
    Known,
    as_stored,
    changes_company,
    check_item,
    counted,
    from_stored,
    in_words,
    new_refs,
    prefilled,
    referred,
    told,
)
from registry.faults import Faults, Typed
from registry.fields import Choice, Language
from registry.forms import FORMS, Edit
from registry.offices import Office
from tests.registry.conftest import COMPANY, CONTRACT, OFFICE

HERE = Office(**{field.name: getattr(OFFICE, field.name) for field in fields(OFFICE)}, company=COMPANY)
PRESENT = contracts.present(HERE, CONTRACT)
TODAY, WISHED = date(2026, 11, 24), date(2026, 12, 15)
GROUND = Ground(
    "NAC001",
    PRESENT,
    TODAY,
    WISHED,
    {"user_codes": ("NAC01",), "lines": ()},
    Known(frozenset({"NAC001", "NAC002"}), frozenset({"260001A"})),
)
CODE: Typed = {
    "new1.user_code": ["ｎａｃ０２"],
    "new1.id_number": ["001"],
    "new1.system_class": ["air"],
    "new1.business": ["航空会社"],
    "new1.processing": ["ウェブ型"],
}


def change(item: str, typed: Typed) -> ItemChange:
    found = check_item(item, typed, GROUND)
    assert isinstance(found, ItemChange), found
    return found


def faults(item: str, typed: Typed) -> dict[str, str]:
    found = check_item(item, typed, GROUND)
    assert isinstance(found, Faults), found
    return {fault.field: fault.code for fault in found}


@pytest.mark.parametrize("item", [item for item, form in FORMS.items() if not form.is_request])
def test_a_page_that_is_sent_as_it_was_filled_in_changes_nothing(item: str) -> None:
    typed = {**prefilled(item, PRESENT), "new1.nothing": [""]}
    assert "unchanged" in faults(item, typed).values() or set(faults(item, typed).values()) <= {"required", "choice-none"}
    assert not isinstance(check_item(item, typed, GROUND, may_stay=True), Faults) or item in {"payment_method", "price_plan"}


def test_what_is_typed_is_normalised_and_only_that_changes() -> None:
    (entry,) = change("names", {"office_phone": ["０３－３３３３－００００"], "office_address": ["東京都江東区４－５"]}).entries
    assert entry.changed == ("office_phone",)
    assert (entry.after or {})["office_phone"] == "0333330000"


def test_a_field_that_was_not_sent_stays_and_one_that_was_emptied_does_not() -> None:
    assert change("names", {"office_fax": [""]}).entries[0].changed == ("office_fax",)
    assert faults("names", {"office_name": [""]}) == {"office_name": "required"}


@pytest.mark.parametrize(
    ("item", "typed", "expected"),
    [
        ("names", {"company_latin_name": ["日本"]}, {"company_latin_name": "latin"}),
        ("names", {"company_latin_name": ["A" * 65]}, {"company_latin_name": "too-long"}),
        ("names", {"company_latin_name": [""], "company_name": ["長" * 65]}, {"company_latin_name": "latin-required"}),
        ("names", {"office_postal_code": ["123"]}, {"office_postal_code": "postal-code"}),
        ("contractor", {"contractor_name": ["\u200b代表"]}, {"contractor_name": "character"}),
        ("administrator", {"phone": ["123"]}, {"phone": "phone-length"}),
        ("mailboxes", {"mailboxes": ["-1"]}, {"mailboxes": "number-digits"}),
        ("mailboxes", {"mailboxes": ["１０００"]}, {"mailboxes": "number-most"}),
        ("payment_method", {"payment_method": ["cash"]}, {"payment_method": "option-unknown"}),
        ("user_codes", {"new1.user_code": ["x"]}, dict.fromkeys(["new1.user_code"], "code-length")),
        ("user_codes", {**CODE, "new1.user_code": ["NAC01"]}, {"new1.user_code": "row-twice"}),
        ("id_numbers", {"new1.user_code": ["NAC09"], "new1.id_number": ["002"]}, {"new1.user_code": "option-unknown"}),
        ("id_numbers", {"NAC01-001.delete": ["yes"]}, {"NAC01-001.delete": "row-last"}),
        ("sharing", {"new1.user_code": ["NAC01"], "new1.partner": ["NAC001"]}, {"new1.partner": "own-office"}),
        ("termination", {"ending": ["office"], "last_day": ["20270231"]}, {"last_day": "date-impossible"}),
        ("transfer", {"to_office": ["NAC001"], "what": ["all"], "details": ["x"]}, {"to_office": "own-office"}),
        ("transfer", {"to_office": ["ZZZ998"]}, {"to_office": "office-unknown"}),
        ("sharing", {"new1.user_code": ["NAC01"], "new1.partner": ["ZZZ999"]}, {"new1.partner": "office-unknown"}),
        ("joint_use", {"new1.partner": ["zzz999"]}, {"new1.partner": "office-unknown"}),
        ("system_settings", {"for_receipt": ["999999Z"]}, {"for_receipt": "receipt-unknown"}),
        ("termination", {"last_day": ["1999/01/01"]}, {"last_day": "date-past"}),
        ("termination", {"last_day": ["2026/12/13"]}, {"last_day": "day-before-start"}),
        ("termination", {"last_day": ["2027/11/26"]}, {"last_day": "date-far"}),
        ("succession", {"succession_day": ["1999/01/01"]}, {"succession_day": "date-old"}),
        ("succession", {"succession_day": ["2027/11/26"]}, {"succession_day": "date-far"}),
    ],
)
def test_what_can_not_be_is_told_beside_its_field(item: str, typed: Typed, expected: dict[str, str]) -> None:
    found = faults(item, typed)
    assert expected.items() <= found.items()


def test_days_offices_and_applications_that_are_there_are_taken() -> None:
    (entry,) = change("termination", {"ending": ["office"], "last_day": ["2026/12/14"]}).entries
    assert (entry.after or {})["last_day"] == "2026-12-14"
    past = {"successor": ["新"], "successor_contractor": ["新"], "succession_day": ["2026/4/1"], "succession_reason": ["合併"]}
    assert change("succession", past).entries
    assert change("joint_use", {"new1.partner": ["nac002"]}).entries
    asked = {"setting": ["output"], "setting_details": ["x"], "for_receipt": ["２６０００１ａ"], "setting_user_code": [""]}
    assert change("system_settings", asked).entries


def test_what_pages_refer_to_is_found_as_it_will_be_stored() -> None:
    pages: dict[str, Typed] = {
        "sharing": {"new2.partner": [" nac002 "], "new1.user_code": ["NAC01"], "new1.partner": ["?"]},
        "transfer": {"to_office": ["ＺＺＺ９９８"]},
        "system_settings": {"for_receipt": ["260001a"]},
        "choice": {"partner": ["AAA001"]},
    }
    assert referred(pages) == Known(frozenset({"NAC002", "ZZZ998"}), frozenset({"260001A"}))


@pytest.mark.parametrize("item", ["id_numbers", "sharing", "broker_ids"])
def test_a_list_whose_rows_would_refer_to_nothing_can_not_be_passed_by(item: str) -> None:
    bare = replace(GROUND, present={}, offered={"user_codes": ()})
    for may_stay in (False, True):
        found = check_item(item, {"new1.user_code": [""]}, bare, may_stay=may_stay)
        assert isinstance(found, Faults)
        assert [(fault.field, fault.code) for fault in found] == [("entries", "owned-none")]
    assert check_item("id_numbers", {"new1.user_code": [""]}, replace(bare, offered=GROUND.offered), may_stay=True) == ItemChange(
        "id_numbers"
    )


def test_rows_are_added_changed_and_deleted_on_one_page() -> None:
    typed = {**CODE, "NAC01.processing": ["会話型"]}
    first, second = change("user_codes", typed).entries
    assert (first.edit, first.changed) == (Edit.CHANGE, ("processing",))
    assert (second.edit, (second.after or {})["user_code"]) == (Edit.ADD, "NAC02")
    (deleted,) = change("user_codes", {"NAC01.delete": ["yes"], "NAC01.processing": ["会話型"]}).entries
    assert (deleted.edit, deleted.ref) == (Edit.DELETE, "NAC01")


def test_a_row_may_be_exchanged_for_one_of_the_same_name() -> None:
    exchanged = change("id_numbers", {"NAC01-001.delete": ["yes"], "new1.user_code": ["NAC01"], "new1.id_number": ["001"]})
    assert [entry.edit for entry in exchanged.entries] == [Edit.DELETE, Edit.ADD]


def test_blank_rows_add_nothing_and_a_page_shows_some() -> None:
    typed: Typed = {"new1.user_code": [""], "new3.user_code": ["x"], "new99.user_code": ["x"]}
    assert new_refs(typed, 1) == ("new1", "new2", "new3", "new4")
    assert len(new_refs({"new20.user_code": ["x"]}, 4)) == 20
    assert faults("user_codes", {"new1.user_code": [" "]}) == {"entries": "unchanged"}


@pytest.mark.parametrize(
    ("language", "before", "after"), [("ja", "口座振替", "銀行振込"), ("en", "Direct debit", "Bank transfer")]
)
def test_before_and_after_are_told_in_the_readers_language(language: Language, before: str, after: str) -> None:
    (entry,) = told(change("payment_method", {"payment_method": ["transfer"]}), language)
    assert [(line.before, line.after) for line in entry.lines] == [(before, after)]


def test_rows_are_told_by_their_names_with_what_differs() -> None:
    both = change("statistics", {"NAC01.paid_statistics": ["no"]})
    (entry,) = told(both, "ja")
    assert (entry.name, entry.edit) == ("NAC01", Edit.CHANGE)
    assert [(line.label, line.before, line.after) for line in entry.lines] == [("有料分", "あり", "なし")]
    assert in_words(both, "ja") == ("NAC01 有料分：あり", "NAC01 有料分：なし")
    assert in_words(change("businesses", {"sea-通関業.delete": ["yes"]}), "en")[1] == "Sea Customs broker deleted"


def test_counts_are_of_rows_and_of_mailboxes_by_how_many() -> None:
    assert counted(change("user_codes", {**CODE, "NAC01.delete": ["yes"]})).added == 1
    more = counted(change("mailboxes", {"mailboxes": ["３"]}))
    assert (more.added, more.removed) == (3, 0)
    fewer = counted(ItemChange("mailboxes", (Entry("", {"mailboxes": "3"}, {"mailboxes": "1"}),)))
    assert (fewer.added, fewer.removed) == (0, 2)


def test_a_change_is_stored_and_read_whole() -> None:
    for item, typed in (("user_codes", {**CODE, "NAC01.delete": ["yes"]}), ("names", {"office_name": ["新"]})):
        assert from_stored(item, as_stored(change(item, typed))) == change(item, typed)


def test_only_a_change_of_the_company_concerns_its_other_offices() -> None:
    assert changes_company(change("names", {"company_name": ["新商事"]}))
    assert changes_company(change("head_office", {"head_phone": ["0399999999"]}))
    assert not changes_company(change("names", {"office_name": ["新"]}))


def test_every_form_is_whole() -> None:
    for item, form in FORMS.items():
        codes = [field.code for field in form.fields]
        assert len(set(codes)) == len(codes), item
        assert {*form.names, *form.unique, *filter(None, (form.kept,))} <= set(codes), item
        assert "" not in {text for field in form.fields for text in (field.ja, field.en)}, item
        assert form.is_list or form.is_request or all(field.column for field in form.fields), item
        for field in form.fields:
            if isinstance(field.kind, Choice):
                assert all(option.ja and option.en for option in field.kind.options)


def test_a_choice_that_is_missing_and_a_code_of_another_length_are_told_as_what_they_are() -> None:
    assert faults("user_codes", {**CODE, "new1.business": [""]}) == {"new1.business": "choice-none"}
    found = check_item("user_codes", {**CODE, "new1.user_code": ["1AAB"]}, GROUND)
    assert isinstance(found, Faults)
    assert [(fault.code, dict(fault.facts)) for fault in found] == [("code-length", {"shape": "1AABC", "least": 5, "most": 8})]
