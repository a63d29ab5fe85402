from dataclasses import replace
from datetime import date

import pytest
from sqlalchemy import select

from kernel import audit
from kernel.audit import AuditEntry
from kernel.database import Database, connect
from kernel.errors import Refused
from registry import contracts, offices
from registry.changes import Row
from registry.contracts import Broker, ContractEntry, GeneralTerminal, Line, Partner
from registry.faults import Invalid
from registry.offices import Company, Office, OfficeEntry
from registry.registration import Offices
from registry.states import SystemClass
from tests.registry.conftest import ADMINISTRATOR, COMPANY, CONTRACT, OFFICE, USER_CODE
from tests.support.clock import SettableClock

SECOND = replace(OFFICE, code="NAC002", name="大阪事業所")
WITHOUT_CODES = replace(CONTRACT, user_codes=(), businesses=())


@pytest.fixture
def registrar(database: Database, clock: SettableClock) -> Offices:
    return Offices(database, clock)


def register(
    registrar: Offices,
    company: Company = COMPANY,
    office: OfficeEntry = OFFICE,
    contract: ContractEntry = CONTRACT,
) -> Office:
    return registrar.register(company, office, contract, actor=audit.operator())


def test_a_registered_office_is_found_with_company_administrator_and_contract(database: Database, registrar: Offices) -> None:
    registered = register(registrar)
    with database.snapshot() as session:
        assert offices.get(session, "NAC001") == registered
        assert offices.company(session, "NAC") == COMPANY
        assert contracts.get(session, "NAC001") == CONTRACT
        entry = session.scalars(select(AuditEntry)).one()
    assert (registered.company_abbreviation, registered.administrator) == ("NAC", ADMINISTRATOR)
    assert registered.certificate_organization == "NAC Trading Co., Ltd."
    assert (entry.action, entry.subject, entry.actor) == ("office.register", "office:NAC001", "operator:cli")


def test_without_a_latin_name_the_japanese_one_stands_in_the_certificates(registrar: Offices) -> None:
    assert register(registrar, replace(COMPANY, latin_name=None)).certificate_organization == COMPANY.name


def test_a_company_may_have_several_offices(registrar: Offices) -> None:
    register(registrar)
    assert register(registrar, office=SECOND, contract=WITHOUT_CODES).company == COMPANY


def test_what_is_typed_is_normalised(registrar: Offices) -> None:
    company = replace(COMPANY, name="ﾅｯｸ商事 (株)", postal_code="105-0001", phone="03-1111-0000")
    office = replace(OFFICE, name=" 第1 ", administrator=replace(ADMINISTRATOR, family_kana="ｾﾞｲｶﾝ"))
    registered = register(registrar, company, office)
    assert registered.company.name == "ナック商事　（株）"
    assert (registered.company.postal_code, registered.company.phone) == ("1050001", "0311110000")
    assert (registered.name, registered.administrator.family_kana) == ("第１", "ゼイカン")


def test_an_office_code_is_used_once(registrar: Offices) -> None:
    register(registrar)
    with pytest.raises(Refused, match="office-exists"):
        register(registrar)


def test_a_user_code_with_its_number_is_used_once(database: Database, registrar: Offices) -> None:
    register(registrar)
    with pytest.raises(Refused, match="user-code-exists"):
        register(registrar, office=SECOND)
    with database.snapshot() as session:
        assert offices.get(session, "NAC002") is None


def test_a_company_that_is_told_differently_is_refused(registrar: Offices) -> None:
    register(registrar)
    with pytest.raises(Refused, match="company-differs"):
        register(registrar, replace(COMPANY, name="別の会社"), SECOND, WITHOUT_CODES)


@pytest.mark.parametrize(
    ("company", "office", "contract", "faults"),
    [
        ({"abbreviation": "NA1"}, {}, {}, {"company.abbreviation": "abbreviation", "office.code": "office-code"}),
        ({"abbreviation": "ABC"}, {}, {}, {"office.code": "office-code"}),
        ({"latin_name": None, "name": "長" * 65}, {}, {}, {"company.latin_name": "latin-required"}),
        ({"latin_name": "A" * 65}, {}, {}, {"company.latin_name": "too-long"}),
        ({"latin_name": "株式会社"}, {}, {}, {"company.latin_name": "latin"}),
        ({"latin_name": ""}, {}, {}, {"company.latin_name": "latin"}),
        ({"latin_name": "A\x00B"}, {}, {}, {"company.latin_name": "latin"}),
        ({"name": ""}, {}, {}, {"company.name": "required"}),
        ({}, {"code": "NAC01"}, {}, {"office.code": "office-code"}),
        ({}, {"billing_code": "123"}, {}, {"office.billing_code": "billing-code"}),
        ({}, {"postal_code": "12-34"}, {}, {"office.postal_code": "postal-code"}),
        ({}, {"phone": "abc"}, {}, {"office.phone": "phone-digits"}),
        (
            {},
            {"administrator": replace(ADMINISTRATOR, mail="nobody")},
            {},
            {"administrator.mail": "mail-invalid"},
        ),
        ({}, {}, {"billing_name": ""}, {"contract.billing_name": "required"}),
        (
            {},
            {},
            {"user_codes": (replace(USER_CODE, user_code="a", id_number="1"),)},
            {"user_codes.user_code": "user-code", "user_codes.id_number": "id-number"},
        ),
    ],
)
def test_everything_that_is_wrong_is_told_at_once(
    clock: SettableClock,
    company: dict[str, str],
    office: dict[str, str],
    contract: dict[str, str],
    faults: dict[str, str],
) -> None:
    registrar = Offices(connect("sqlite:///never-opened"), clock)
    with pytest.raises(Invalid) as refusal:
        register(registrar, replace(COMPANY, **company), replace(OFFICE, **office), replace(CONTRACT, **contract))  # type: ignore[arg-type]
    assert {fault.field: fault.code for fault in refusal.value.faults} == faults


def test_a_japanese_name_of_64_characters_needs_no_latin_one(registrar: Offices) -> None:
    assert register(registrar, replace(COMPANY, latin_name=None, name="長" * 64)).certificate_organization == "長" * 64


def test_staff_find_offices_by_code_and_by_either_name(database: Database, registrar: Offices) -> None:
    register(registrar)
    register(registrar, office=SECOND, contract=WITHOUT_CODES)
    with database.snapshot() as session:
        for text, codes in {
            "": ["NAC001", "NAC002"],
            "nac": ["NAC001", "NAC002"],
            "ＮＡＣ００２": ["NAC002"],
            "大阪": ["NAC002"],
            "通関商事": ["NAC001", "NAC002"],
            "%": [],
            "_": [],
        }.items():
            assert [office.code for office in offices.search(session, text).records] == codes, text


def test_the_contract_tells_what_it_says_by_item(registrar: Offices) -> None:
    found = contracts.present(register(registrar), CONTRACT)
    assert found["price_plan"] == (Row("", {"price_plan": "A"}),)
    assert found["payment_method"][0].values == {"payment_method": "debit"}
    assert found["id_numbers"] == (Row("NAC01-001", {"user_code": "NAC01", "id_number": "001"}),)
    assert found["statistics"][0].values == {"user_code": "NAC01", "paid_statistics": "yes", "free_statistics": "no"}
    assert found["businesses"] == (Row("sea-通関業", {"system_class": "sea", "business": "通関業"}),)
    assert found["names"][0].values["office_name"] == "東京第一事業所"
    assert found["administrator"][0].values["fax"] == ""
    assert found["lines"] == ()
    assert "transfer" not in found


def test_a_new_contract_says_nothing_of_what_was_never_agreed(registrar: Offices) -> None:
    new = replace(WITHOUT_CODES, price_plan=None, payment_method=None)
    found = contracts.present(register(registrar), new)
    assert (found["price_plan"][0].values, found["mailboxes"][0].values) == ({"price_plan": ""}, {"mailboxes": "0"})
    assert found["user_codes"] == found["id_numbers"] == found["statistics"] == ()


def test_what_has_an_end_is_not_there_to_be_changed(registrar: Offices) -> None:
    ended = replace(USER_CODE, end_date=date(2026, 3, 31))
    assert contracts.present(register(registrar), replace(CONTRACT, user_codes=(ended,)))["user_codes"] == ()


def test_a_contract_keeps_its_lists(database: Database, registrar: Offices) -> None:
    since = date(2025, 4, 1)
    register(registrar, office=SECOND, contract=WITHOUT_CODES)
    contract = replace(
        CONTRACT,
        mailboxes=2,
        lines=(Line(number="L000007", postal_code="1350064", place="東京都", kind="shared", start_date=since),),
        general_terminals=(
            GeneralTerminal(name="00007G", system_class=SystemClass.AIR, device="pc", line_number="L000007", start_date=since),
        ),
        partners=(Partner(user_code="NAC01", partner="NAC002", start_date=since),),
        brokers=(
            Broker(
                user_code="NAC01",
                id_number="0A1",
                family_name="通関",
                given_name="士郎",
                family_kana="ツウカン",
                given_kana="シロウ",
                licence="12-3456",
                start_date=since,
            ),
        ),
    )
    register(registrar, contract=contract)
    with database.snapshot() as session:
        assert contracts.get(session, "NAC001") == contract


def test_business_types_follow_from_the_user_codes_where_none_are_entered(database: Database, registrar: Offices) -> None:
    register(registrar, contract=replace(CONTRACT, businesses=()))
    with database.snapshot() as session:
        found = contracts.get(session, "NAC001")
    assert found is not None
    assert found.businesses == CONTRACT.businesses
