"""Applications that were filed under other rules: nobody approves them unawares, and carrying them out never breaks."""

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import date

import pytest
from sqlalchemy import update

from kernel.database import Database
from kernel.errors import Refused
from registry import execution, soundness
from registry.applications import Review
from registry.changes import Entry, ItemChange, Values, as_stored
from registry.faults import Invalid
from registry.offices import Office
from registry.tables import ApplicationItemRow
from tests.registry.conftest import SATO, START, File, Fill
from tests.registry.reading import page

CODE = {"user_code": "NAC02", "id_number": "001", "system_class": "air", "business": "航空会社", "processing": "ウェブ型"}
TERMINATION = {"ending": "contract", "last_day": "2027-03-31", "ending_reason": ""}
BROKER = {
    "user_code": "NAC01",
    "id_number": "0A1",
    "family_name": "通関",
    "given_name": "士郎",
    "family_kana": "ツウカン",
    "given_kana": "シロウ",
    "licence": "12-3456",
}
SOUND = (
    ItemChange("user_codes", (Entry("new1", None, CODE),)),
    ItemChange("lines", (Entry("new1", None, {"postal_code": "1350064", "place": "東京都江東区４－５", "kind": "shared"}),)),
    ItemChange("general_terminals", (Entry("new1", None, {"system_class": "sea", "device": "pc", "line_number": ""}),)),
    ItemChange("broker_ids", (Entry("new1", None, BROKER),)),
    ItemChange("joint_use", (Entry("new1", None, {"partner": "NAC002"}),)),
    ItemChange("termination", (Entry("", None, TERMINATION),)),
    ItemChange("mailboxes", (Entry("", {"mailboxes": "2"}, {"mailboxes": "3"}),)),
    ItemChange("payment_method", (Entry("", {"payment_method": "debit"}, {"payment_method": "transfer"}),)),
    ItemChange("id_numbers", (Entry("NAC01-001", {"user_code": "NAC01", "id_number": "001"}, None),)),
)


def _spoilt(change: ItemChange) -> Iterator[ItemChange]:
    """Yield a change as other rules might have let it through: without a field, with another or a strange one, twice."""
    [entry] = change.entries
    yield replace(change, entries=(entry, entry))
    for side in ("before", "after"):
        values = getattr(entry, side)
        for spoilt in _spoilt_values(values) if values is not None else ({"user_code": "NAC01"},):
            sides = {"before": entry.before, "after": entry.after, side: spoilt}
            yield replace(change, entries=(Entry(entry.ref, **sides),))


def _spoilt_values(values: Values) -> Iterator[Values]:
    yield {}
    yield {**values, "colour": "red"}
    for name in values:
        yield {other: value for other, value in values.items() if other != name}
        yield from ({**values, name: text} for text in ("", "x", "年" * 300, "2027-13-45", "-1"))


class _Enough(Exception):
    """Ends a trial: nothing of it stays."""


@pytest.mark.parametrize("change", SOUND, ids=lambda change: change.item)
@pytest.mark.usefixtures("office")
def test_whatever_an_application_holds_is_carried_out_or_refused(database: Database, change: ItemChange) -> None:
    assert soundness.faults("NAC001", change) == ()
    for spoilt in _spoilt(change):
        with contextlib.suppress(Refused, _Enough), database.transaction() as session:
            execution.obstacles(session, "NAC001", spoilt)
            execution.carry_out(session, "NAC001", spoilt, START)
            raise _Enough


@pytest.mark.parametrize(
    ("change", "code", "field"),
    [
        (ItemChange("user_codes", (Entry("new1", None, {**CODE, "business": "蔵元"}),)), "option-unknown", "business"),
        (ItemChange("user_codes", (Entry("new1", None, {**CODE, "colour": "red"}),)), "field-unknown", "entries"),
        (ItemChange("user_codes", (Entry("a", None, CODE), Entry("b", None, CODE))), "row-twice", "user_code"),
        (ItemChange("termination", (Entry("", None, {"ending": "contract"}),)), "required", "last_day"),
        (ItemChange("termination", (Entry("", {"ending": "contract"}, TERMINATION),)), "edit-unknown", "entries"),
        (ItemChange("joint_use", (Entry("new1", None, {"partner": "NAC001"}),)), "own-office", "partner"),
        (ItemChange("id_numbers", (Entry("NAC01-001", {"id_number": "001"}, None),)), "required", "user_code"),
        (ItemChange("telegrams", (Entry("", None, {"text": "x"}),)), "item-unknown", "entries"),
    ],
)
def test_what_todays_rules_refuse_is_told_with_its_field(change: ItemChange, code: str, field: str) -> None:
    found = soundness.faults("NAC001", change)
    assert (found[0].code, found[0].field) == (code, field)
    with pytest.raises(Refused, match="item-outdated") as refusal:
        soundness.require("NAC001", change)
    assert refusal.value.facts["item"] == change.item


def test_an_item_without_rows_is_sound() -> None:
    assert soundness.faults("NAC001", ItemChange("terminals")) == ()


@pytest.mark.usefixtures("office")
def test_an_application_of_older_rules_is_not_approved_and_stays(database: Database, review: Review, file: File) -> None:
    number = file(
        items=("termination",),
        changes={"termination": {"ending": ["contract"], "last_day": ["20270331"], "ending_reason": [""]}},
    )
    _store(database, number, ItemChange("termination", (Entry("", None, {"ending": "contract"}),)))
    before = page(database, number).application
    with pytest.raises(Refused, match="item-outdated"):
        review.approve(number, START, approver=SATO)
    assert page(database, number).application == before


@pytest.mark.usefixtures("office")
def test_the_last_id_number_of_a_code_stays_though_two_applications_delete_one_each(review: Review, file: File) -> None:
    added = file(items=("id_numbers",), changes={"id_numbers": {"new1.user_code": ["NAC01"], "new1.id_number": ["002"]}})
    review.approve(added, START, approver=SATO)
    review.mark_executed(added, "id_numbers", actor=SATO)
    both = [file(items=("id_numbers",), changes={"id_numbers": {f"NAC01-{one}.delete": ["yes"]}}) for one in ("001", "002")]
    for number in both:
        review.approve(number, START, approver=SATO)
    review.mark_executed(both[0], "id_numbers", actor=SATO)
    with pytest.raises(Refused, match="row-last") as refusal:
        review.mark_executed(both[1], "id_numbers", actor=SATO)
    assert refusal.value.facts == {"value": "NAC01"}


@pytest.mark.usefixtures("office")
def test_what_refers_to_a_user_code_that_went_meanwhile_is_not_carried_out(review: Review, file: File) -> None:
    broker = {f"new1.{name}": [value] for name, value in BROKER.items()}
    numbers = {"broker_ids": file(items=("broker_ids",), changes={"broker_ids": broker})}
    code = {f"new1.{name}": [value] for name, value in CODE.items()} | {"NAC01.delete": ["yes"]}
    numbers["user_codes"] = file(items=("user_codes",), changes={"user_codes": code})
    for number in numbers.values():
        review.approve(number, START, approver=SATO)
    review.mark_executed(numbers["user_codes"], "user_codes", actor=SATO)
    with pytest.raises(Refused, match="owned-gone") as refusal:
        review.mark_executed(numbers["broker_ids"], "broker_ids", actor=SATO)
    assert refusal.value.facts == {"item": "broker_ids", "field": "user_code", "value": "NAC01"}


def test_a_draft_of_older_rules_is_told_what_is_wrong_when_it_is_sent(fill: Fill, office: Office, file: File) -> None:
    assert office.code == "NAC001"
    changes = {"termination": {"ending": ["merger"], "last_day": [date(2020, 1, 1).isoformat()]}}
    with pytest.raises(Invalid) as refusal:
        file(items=("termination",), changes=changes)
    assert {fault.field for fault in refusal.value.faults} == {"termination.ending", "termination.last_day"}
    with pytest.raises(Invalid, match="choice"):
        file(items=("telegrams",))
    assert fill().has("choice")


def _store(database: Database, number: str, change: ItemChange) -> None:
    own = (ApplicationItemRow.receipt_number == number, ApplicationItemRow.item == change.item)
    with database.transaction() as session:
        session.execute(update(ApplicationItemRow).where(*own).values(entries=as_stored(change)))
