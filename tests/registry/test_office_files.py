"""Files of offices: everything that is wrong is told at once, with line and column."""

import csv
import io
from collections.abc import Mapping
from dataclasses import replace
from datetime import date

import pytest

from kernel import audit
from kernel.database import Database
from registry import office_files
from registry.office_files import COLUMNS, OPTIONAL, Sheet
from registry.registration import Offices
from registry.states import PaymentMethod, PricePlan
from tests.support.clock import SettableClock
from tests.support.house import company, contract, office

GOOD = {
    "company.abbreviation": "NAC",
    "company.name": "通関商事株式会社",
    "company.latin_name": "Tsukan Shoji K.K.",
    "company.postal_code": "100-0000",
    "company.address": "東京都架空区１－２－３",
    "company.phone": "03-1234-5678",
    "office.code": "NAC001",
    "office.name": "東京事業所",
    "office.postal_code": "1000000",
    "office.address": "東京都架空区１－２－３",
    "office.phone": "0312345678",
    "office.fax": "",
    "office.customs_office": "東京税関",
    "office.billing_code": "1234567",
    "administrator.family_name": "通関",
    "administrator.given_name": "花子",
    "administrator.family_kana": "ﾂｳｶﾝ",
    "administrator.given_kana": "ハナコ",
    "administrator.department": "業務部",
    "administrator.title": "",
    "administrator.phone": "0312345678",
    "administrator.fax": "",
    "administrator.mail": "hanako@example.jp",
    "administrator.login": "hanako",
    "contract.contractor_name": "通関　太郎",
    "contract.contractor_title": "代表取締役",
    "contract.billing_name": "通関商事株式会社",
    "contract.billing_postal_code": "1000000",
    "contract.billing_address": "東京都架空区１－２－３",
    "contract.billing_contact": "経理部",
    "contract.billing_phone": "0312345678",
    "contract.price_plan": "A",
    "contract.payment_method": "口座振替",
    "contract.signed_on": "2026/4/1",
}


def written(*lines: Mapping[str, str], columns: tuple[str, ...] = tuple(COLUMNS), japanese: bool = False) -> str:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow([COLUMNS[column] for column in columns] if japanese else columns)
    writer.writerows([[{**GOOD, **line}[column] for column in columns] for line in lines])
    return text.getvalue()


def faults(sheet: Sheet) -> list[tuple[int, str, str]]:
    return [(fault.line, fault.column, fault.code) for fault in sheet.faults]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp932"])
@pytest.mark.parametrize("japanese", [True, False])
def test_a_good_file_is_read_in_either_encoding_with_either_headings(encoding: str, japanese: bool) -> None:  # noqa: FBT001
    sheet = office_files.read(written({}, japanese=japanese).encode(encoding))
    assert sheet.faults == ()
    (line,) = sheet.lines
    assert (line.line, line.login, line.is_known) == (2, "hanako", False)
    assert (line.company.postal_code, line.office.phone) == ("1000000", "0312345678")
    assert line.office.administrator.full_kana == "ツウカン　ハナコ"
    assert (line.contract.price_plan, line.contract.payment_method) == (PricePlan.A, PaymentMethod.DEBIT)
    assert line.contract.signed_on == date(2026, 4, 1)


def test_columns_stand_in_any_order_and_what_is_optional_may_be_missing() -> None:
    columns = tuple(reversed([column for column in COLUMNS if column not in OPTIONAL]))
    (line,) = office_files.read(written({}, columns=columns).encode()).lines
    assert (line.login, line.contract.price_plan, line.company.latin_name) == ("admin", None, None)


def test_all_faults_of_all_lines_are_told_at_once() -> None:
    text = written(
        {"company.name": "x" * 101, "administrator.mail": "nobody", "contract.price_plan": "C"},
        {"office.code": "NAC002", "contract.signed_on": "2026-06-31", "administrator.family_kana": "つうかん"},
        {"office.code": "XYZ003", "office.billing_code": "12"},
    )
    assert faults(office_files.read(text.encode())) == [
        (2, "contract.price_plan", "choice"),
        (2, "company.name", "too-long"),
        (2, "administrator.mail", "mail-invalid"),
        (3, "contract.signed_on", "date"),
        (3, "administrator.family_kana", "katakana"),
        (4, "office.billing_code", "billing-code"),
        (4, "office.code", "office-code"),
    ]


def test_required_cells_are_required() -> None:
    empty = dict.fromkeys(COLUMNS, "") | {"office.name": "東京"}
    told = {column for _, column, _ in faults(office_files.read(written(empty).encode()))}
    assert told == set(COLUMNS) - set(OPTIONAL) - {"office.name"}


def test_an_office_stands_once_and_a_company_everywhere_alike() -> None:
    text = written({}, {}, {"office.code": "NAC002", "company.address": "大阪府"}, {"office.code": "NAC003"})
    sheet = office_files.read(text.encode())
    assert faults(sheet) == [(3, "office.code", "office-twice"), (4, "company.address", "company-differs")]
    assert sheet.faults[0].facts == {"first": 2}


@pytest.mark.parametrize(
    ("octets", "found"),
    [
        (b"", (1, "", "empty")),
        (b"\x81", (1, "", "encoding")),
        (written({}).encode("utf-16"), (1, "", "encoding")),
        (written().encode(), (1, "", "empty")),
        (b'office.code\n"x"y\n', (2, "", "csv")),
        (written({}).replace("office.fax", "office.code").encode(), (1, "office.code", "column-twice")),
        (written({}).replace("office.fax", "office.telex").encode(), (1, "office.telex", "column-unknown")),
        (written({}).replace("office.name", "office.fax").encode(), (1, "office.fax", "column-twice")),
        ((written({}) + "x,y\r\n").encode(), (3, "", "cells")),
    ],
)
def test_what_is_no_such_file_is_told(octets: bytes, found: tuple[int, str, str]) -> None:
    assert found in faults(office_files.read(octets))


def test_a_row_is_named_by_its_first_line_whatever_its_cells_hold() -> None:
    text = written({"office.name": "東京\n事業所"}, {"office.code": "bad"})
    found = faults(office_files.read(text.encode()))
    assert {line for line, _, _ in found} == {2, 4}


def test_what_is_registered_is_known_and_companies_are_compared(database: Database, clock: SettableClock) -> None:
    Offices(database, clock).register(company(), office(), replace(contract(), user_codes=()), actor=audit.operator())
    sheet = office_files.read(written({}, {"office.code": "NAC002"}).encode())
    with database.snapshot() as session:
        judged = office_files.judge(session, sheet)
    assert [line.is_known for line in judged.lines] == [True, False]
    assert faults(judged) == [(3, "company.name", "company-differs")]
