"""Staff carry out items: the contract becomes what was applied for, or stays whole."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, timedelta

import pytest

from kernel import audit
from kernel.database import Database
from kernel.errors import Refused
from registry import contracts, execution, offices, terminals
from registry.applications import Review
from registry.changes import Entry, ItemChange
from registry.contracts import Contract
from registry.drafts import Customer
from registry.faults import Invalid
from registry.offices import Office
from registry.registration import Offices
from registry.states import PaymentMethod, SystemClass, TerminalEvent
from tests.registry.conftest import COMPANY, CONTRACT, HANAKO, OFFICE, SATO, START, SUZUKI, USER_CODE, File, Typed
from tests.registry.racing import race
from tests.registry.reading import deeds, page, told
from tests.support.clock import SettableClock

EVE = START - timedelta(days=1)
SABURO = Customer("NAC002", "saburo")
CODE: Typed = {
    "new1.user_code": ["NAC02"],
    "new1.id_number": ["001"],
    "new1.system_class": ["air"],
    "new1.business": ["航空会社"],
    "new1.processing": ["ウェブ型"],
}
LINE: Typed = {"new1.postal_code": ["1350064"], "new1.place": ["東京都江東区４－５"], "new1.kind": ["shared"]}
BROKER: Typed = {
    "new1.user_code": ["NAC01"],
    "new1.id_number": ["0A1"],
    "new1.family_name": ["通関"],
    "new1.given_name": ["士郎"],
    "new1.family_kana": ["ツウカン"],
    "new1.given_kana": ["シロウ"],
    "new1.licence": ["12-3456"],
}


@pytest.fixture(autouse=True)
def two_offices(database: Database, clock: SettableClock, office: Office) -> Office:
    """Register the company's second office, which has no user codes."""
    other = replace(CONTRACT, user_codes=(), businesses=())
    Offices(database, clock).register(COMPANY, replace(OFFICE, code="NAC002", name="大阪"), other, actor=audit.operator())
    return office


@pytest.fixture
def approved(review: Review, file: File) -> File:
    """Return what files an application for some items and approves it."""

    def approve(changes: Mapping[str, Typed], **others: object) -> str:
        number = file(items=tuple(changes), changes=changes, **others)
        review.approve(number, START, approver=SATO)
        return number

    return approve


@pytest.fixture
def carry_out(review: Review, approved: File) -> File:
    """Return what does so and carries all items out."""

    def carry(changes: Mapping[str, Typed], **others: object) -> str:
        number = approved(changes, **others)
        for item in changes:
            review.mark_executed(number, item, actor=SUZUKI)
        return number

    return carry


def contract_of(database: Database, office_code: str = "NAC001") -> Contract:
    with database.snapshot() as session:
        contract = contracts.get(session, office_code)
    assert contract is not None
    return contract


def office_of(database: Database, office_code: str = "NAC001") -> Office:
    with database.snapshot() as session:
        office = offices.get(session, office_code)
    assert office is not None
    return office


def test_records_of_office_contractor_and_billing_become_what_was_typed(database: Database, carry_out: File) -> None:
    carry_out(
        {
            "names": {"office_name": ["新事業所"], "office_fax": [""], "company_latin_name": ["New K.K."]},
            "contractor": {"contractor_name": ["新　代表"], "contractor_title": [""]},
            "administrator": {"phone": ["0333334444"], "fax": ["0333335555"]},
            "mailboxes": {"mailboxes": ["4"]},
            "billing_address": {"billing_name": ["経理課"]},
            "billing_contact": {"billing_phone": ["0333336666"]},
            "payment_method": {"payment_method": ["transfer"]},
        }
    )
    office, contract = office_of(database), contract_of(database)
    assert (office.name, office.fax, office.company.latin_name) == ("新事業所", "", "New K.K.")
    assert (office.administrator.phone, office.administrator.fax) == ("0333334444", "0333335555")
    assert (contract.contractor_name, contract.contractor_title) == ("新　代表", "")
    assert (contract.billing_name, contract.billing_phone, contract.mailboxes) == ("経理課", "0333336666", 4)
    assert contract.payment_method is PaymentMethod.TRANSFER


def test_execution_leaves_audit_and_news_at_the_application(database: Database, carry_out: File) -> None:
    number = carry_out({"contractor": {"contractor_name": ["新　代表"]}})
    assert deeds(database)[-1] == ("staff:suzuki", "application.execute", f"application:{number}")
    assert told(database)[-1] == ("item-executed", f"application:{number}")
    assert told(database, "NAC002") == []


def test_a_company_changes_for_all_its_offices_and_all_are_told(database: Database, carry_out: File) -> None:
    carry_out({"head_office": {"head_phone": ["0377778888"]}})
    assert office_of(database, "NAC002").company.phone == "0377778888"
    assert told(database, "NAC002") == [("company-changed", None)]
    assert ("staff:suzuki", "company.change", "office:NAC002") in deeds(database)


def test_user_codes_begin_on_the_start_date_and_end_the_day_before(database: Database, carry_out: File) -> None:
    carry_out({"user_codes": CODE | {"NAC01.delete": ["yes"]}})
    old, new = contract_of(database).user_codes
    assert (old.user_code, old.end_date) == ("NAC01", EVE)
    assert (new.user_code, new.id_number, new.system_class) == ("NAC02", "001", SystemClass.AIR)
    assert (new.start_date, new.end_date, new.paid_statistics) == (START, None, False)


def test_a_new_id_number_is_like_the_others_of_its_code(database: Database, carry_out: File) -> None:
    carry_out({"id_numbers": {"new1.user_code": ["NAC01"], "new1.id_number": ["002"], "NAC01-001.delete": ["yes"]}})
    first, second = contract_of(database).user_codes
    assert (first.end_date, second.id_number, second.end_date) == (EVE, "002", None)
    assert (second.business, second.paid_statistics, second.storage) == (USER_CODE.business, True, True)


def test_what_had_ended_can_begin_anew(database: Database, carry_out: File) -> None:
    carry_out({"user_codes": CODE | {"NAC01.delete": ["yes"]}})
    carry_out({"user_codes": CODE | {"new1.user_code": ["NAC01"], "NAC02.delete": ["yes"]}})
    assert [(code.user_code, code.end_date) for code in contract_of(database).user_codes] == [("NAC01", None), ("NAC02", EVE)]


def test_statistics_and_storage_are_changed_for_all_numbers_of_a_code(database: Database, carry_out: File) -> None:
    carry_out({"id_numbers": {"new1.user_code": ["NAC01"], "new1.id_number": ["002"]}})
    carry_out({"statistics": {"NAC01.free_statistics": ["yes"]}, "storage": {"NAC01.storage": ["no"]}})
    assert {(code.free_statistics, code.storage) for code in contract_of(database).user_codes} == {(True, False)}


def test_lines_and_general_terminals_get_their_names_when_carried_out(database: Database, carry_out: File) -> None:
    carry_out({"lines": LINE})
    terminal: Typed = {"new1.system_class": ["sea"], "new1.device": ["pc"], "new1.line_number": ["L000001"]}
    carry_out({"general_terminals": terminal})
    carry_out({"lines": {"L000001.kind": ["double"]}, "general_terminals": {"00001G.delete": ["yes"]}})
    contract = contract_of(database)
    assert [(line.number, line.kind, line.start_date) for line in contract.lines] == [("L000001", "double", START)]
    assert [(one.name, one.line_number, one.end_date) for one in contract.general_terminals] == [("00001G", "L000001", EVE)]


def test_a_name_that_is_taken_is_passed_over(database: Database, carry_out: File) -> None:
    carry_out({"lines": LINE | {name.replace("1", "2", 1): texts for name, texts in LINE.items()}})
    assert [line.number for line in contract_of(database).lines] == ["L000001", "L000002"]


def test_business_types_are_added_changed_and_ended(database: Database, carry_out: File) -> None:
    carry_out({"businesses": {"new1.system_class": ["air"], "new1.business": ["航空会社"], "sea-通関業.business": ["船会社"]}})
    carry_out({"businesses": {"air-航空会社.delete": ["yes"]}})
    found = [(one.system_class.value, one.business, one.end_date) for one in contract_of(database).businesses]
    assert found == [("air", "航空会社", EVE), ("sea", "船会社", None)]


def test_a_shared_code_is_marked_as_long_as_it_is_shared(database: Database, carry_out: File) -> None:
    carry_out({"sharing": {"new1.user_code": ["NAC01"], "new1.partner": ["nac002"]}})
    assert [code.shared for code in contract_of(database).user_codes] == [True]
    carry_out({"sharing": {"NAC01-NAC002.delete": ["yes"]}})
    assert [code.shared for code in contract_of(database).user_codes] == [False]
    assert [partner.end_date for partner in contract_of(database).partners] == [EVE]


def test_joint_use_names_the_other_office_which_must_be_there(database: Database, carry_out: File) -> None:
    carry_out({"joint_use": {"new1.partner": ["NAC002"]}})
    assert [(one.user_code, one.partner) for one in contract_of(database).partners] == [("", "NAC002")]
    with pytest.raises(Invalid, match=r"joint_use\.new1\.partner"):
        carry_out({"joint_use": {"new1.partner": ["ZZZ999"]}})


@pytest.mark.parametrize(
    ("item", "values"),
    [
        ("joint_use", {"partner": "ZZZ999"}),
        ("sharing", {"user_code": "NAC01", "partner": "ZZZ999"}),
        ("transfer", {"to_office": "ZZZ999", "what": "all", "details": "すべて"}),
    ],
)
def test_what_names_an_office_that_is_not_there_is_not_carried_out(
    database: Database, item: str, values: dict[str, str]
) -> None:  # fmt: skip
    change = ItemChange(item, (Entry("", None, values),))
    before = contract_of(database)
    with database.snapshot() as session:
        assert [one.facts for one in execution.obstacles(session, "NAC001", change)] == [{"office_code": "ZZZ999"}]
    with pytest.raises(Refused, match="office-unknown"), database.transaction() as session:
        execution.carry_out(session, "NAC001", change, START)
    assert contract_of(database) == before


def test_the_application_that_settings_belong_to_is_the_offices_own(file: File) -> None:
    request: Typed = {"setting": ["output"], "setting_details": ["二台目へ"], "setting_user_code": [""]}
    with pytest.raises(Invalid, match="for_receipt"):
        file(items=("system_settings",), changes={"system_settings": request | {"for_receipt": ["999999Z"]}})
    own = file(items=("contractor",), changes={"contractor": {"contractor_name": ["新　代表"]}})
    with pytest.raises(Invalid, match="for_receipt"):
        file(customer=SABURO, items=("system_settings",), changes={"system_settings": request | {"for_receipt": [own]}})
    assert file(items=("system_settings",), changes={"system_settings": request | {"for_receipt": [own]}})


def test_customs_brokers_are_entered_and_ended_by_their_own_kind_of_application(database: Database, carry_out: File) -> None:
    carry_out({"broker_ids": BROKER})
    assert [(one.full_name, one.licence) for one in contract_of(database).brokers] == [("通関　士郎", "12-3456")]
    carry_out({"broker_ids": {"NAC01-0A1.delete": ["yes"]}})
    assert [one.end_date for one in contract_of(database).brokers] == [EVE]


def test_a_request_changes_nothing_but_is_done(database: Database, carry_out: File) -> None:
    before = contract_of(database)
    request: Typed = {"setting": ["output"], "setting_details": ["二台目へ"], "for_receipt": [""], "setting_user_code": [""]}
    number = carry_out({"system_settings": request})
    assert contract_of(database) == before
    assert page(database, number).items[0].executed_by == "staff:suzuki"


@pytest.mark.usefixtures("terminal")
def test_a_contract_ends_when_its_terminals_are_abolished(
    database: Database, review: Review, approved: File, clock: SettableClock
) -> None:
    number = approved({"termination": {"ending": ["office"], "last_day": ["20270331"], "ending_reason": [""]}})
    with pytest.raises(Refused, match="terminals-remain"):
        review.mark_executed(number, "termination", actor=SUZUKI)
    with database.transaction() as session:
        terminals.step(session, "99999W", TerminalEvent.ABOLISH, clock.now())
    review.mark_executed(number, "termination", actor=SUZUKI)
    assert contract_of(database).ends_on == date(2027, 3, 31)


def test_what_the_contract_says_otherwise_by_now_is_told_and_stays(database: Database, review: Review, approved: File) -> None:
    first = approved({"names": {"office_name": ["一"], "office_fax": ["0366667777"]}})
    second = approved({"names": {"office_name": ["二"], "office_phone": ["0355556666"]}})
    review.mark_executed(first, "names", actor=SUZUKI)
    with pytest.raises(Refused, match="contract-differs"):
        review.mark_executed(second, "names", actor=SUZUKI)
    with database.snapshot() as session:
        (conflict,) = execution.conflicts(session, "NAC001", page(database, second).items[0].change)
    assert (conflict.field, conflict.present) == ("office_name", "一")
    office = office_of(database)
    assert (office.name, office.phone) == ("一", OFFICE.phone)
    assert page(database, second).items[0].executed_at is None


def test_other_fields_of_the_same_record_may_have_changed(database: Database, review: Review, approved: File) -> None:
    first = approved({"names": {"office_name": ["一"]}})
    second = approved({"names": {"office_fax": ["0366667777"]}})
    for number in (first, second):
        review.mark_executed(number, "names", actor=SUZUKI)
    assert (office_of(database).name, office_of(database).fax) == ("一", "0366667777")


def test_what_is_so_already_is_no_conflict(database: Database, review: Review, approved: File) -> None:
    numbers = [approved({"id_numbers": {"new1.user_code": ["NAC01"], "new1.id_number": ["002"]}}) for _ in range(2)]
    numbers += [approved({"payment_method": {"payment_method": ["transfer"]}}) for _ in range(2)]
    for number in numbers:
        review.mark_executed(number, page(database, number).items[0].item, actor=SUZUKI)
    assert len(contract_of(database).user_codes) == 2
    assert contract_of(database).payment_method is PaymentMethod.TRANSFER


@pytest.mark.parametrize("changed", [{"NAC01.processing": ["会話型"]}, {"NAC01.delete": ["yes"]}])
def test_a_row_that_ended_can_not_be_changed_but_is_deleted_already(
    database: Database, review: Review, approved: File, changed: Typed
) -> None:
    first, second = approved({"user_codes": CODE | {"NAC01.delete": ["yes"]}}), approved({"user_codes": changed})
    review.mark_executed(first, "user_codes", actor=SUZUKI)
    if "NAC01.delete" in changed:
        review.mark_executed(second, "user_codes", actor=SUZUKI)
    else:
        with pytest.raises(Refused, match="contract-differs"):
            review.mark_executed(second, "user_codes", actor=SUZUKI)
    assert contract_of(database).user_codes[0].end_date == EVE


def test_a_user_code_belongs_to_one_office(database: Database, review: Review, approved: File, carry_out: File) -> None:
    carry_out({"user_codes": CODE})
    number = approved({"user_codes": CODE | {"new1.id_number": ["009"]}}, customer=SABURO)
    with pytest.raises(Refused, match="user-code-taken"):
        review.mark_executed(number, "user_codes", actor=SUZUKI)
    assert contract_of(database, "NAC002").user_codes == ()


def test_items_of_one_application_follow_each_other(database: Database, review: Review, approved: File) -> None:
    number = approved({"user_codes": CODE, "id_numbers": {"new1.user_code": ["NAC02"], "new1.id_number": ["002"]}})
    with pytest.raises(Refused, match="owned-gone"):
        review.mark_executed(number, "id_numbers", actor=SUZUKI)
    for item in ("user_codes", "id_numbers"):
        review.mark_executed(number, item, actor=SUZUKI)
    assert [code.id_number for code in contract_of(database).user_codes if code.user_code == "NAC02"] == ["001", "002"]


def test_of_two_who_carry_out_conflicting_changes_at_one_moment_one_does(
    database: Database, review: Review, approved: File
) -> None:
    numbers = [approved({"head_office": {"head_address": [f"東京都{at}"]}}) for at in "一二三四"]
    outcomes = race(4, lambda at: review.mark_executed(numbers[at], "head_office", actor=SUZUKI))
    assert sorted(getattr(outcome, "code", "") for outcome in outcomes) == ["", *["contract-differs"] * 3]
    assert office_of(database).company.address in {f"東京都{at}" for at in "一二三四"}


def test_nothing_is_carried_out_of_an_application_that_is_another_offices(file: File) -> None:
    with pytest.raises(Refused):
        file(customer=HANAKO, items=("user_codes",), changes={"user_codes": {"XXX01.delete": ["yes"]}})
