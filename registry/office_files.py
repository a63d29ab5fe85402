"""Files of offices to register: CSV with a line for each office, its company, contract and administrator.

    read(octets) -> Sheet                 lines with their entries, or faults with line and column: all of them
    judge(session, sheet) -> Sheet        the same after a look at what is registered already

Nothing is written here; `registration` enters what was judged.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from typing import Any, TypeVar

from sqlalchemy.orm import Session

from registry import csv_sheets, offices
from registry.applicants import Contact
from registry.contracts import ContractEntry
from registry.csv_sheets import FileFault
from registry.faults import FieldFault, Invalid
from registry.japanese import half_width
from registry.offices import Company, OfficeEntry
from registry.registration import check_registration
from registry.states import PaymentMethod, PricePlan

# The column's name in the file, and the heading that may stand for it.
COLUMNS: Mapping[str, str] = {
    "company.abbreviation": "企業略称",
    "company.name": "企業名",
    "company.latin_name": "企業名（英字）",
    "company.postal_code": "本社郵便番号",
    "company.address": "本社所在地",
    "company.phone": "本社電話番号",
    "office.code": "事業所コード",
    "office.name": "事業所名",
    "office.postal_code": "事業所郵便番号",
    "office.address": "事業所所在地",
    "office.phone": "事業所電話番号",
    "office.fax": "事業所FAX番号",
    "office.customs_office": "管轄税関",
    "office.billing_code": "請求先コード",
    "administrator.family_name": "管理責任者姓",
    "administrator.given_name": "管理責任者名",
    "administrator.family_kana": "管理責任者姓フリガナ",
    "administrator.given_kana": "管理責任者名フリガナ",
    "administrator.department": "管理責任者所属部署名",
    "administrator.title": "管理責任者役職名",
    "administrator.phone": "管理責任者電話番号",
    "administrator.fax": "管理責任者FAX番号",
    "administrator.mail": "管理責任者E-mailアドレス",
    "administrator.login": "管理責任者ユーザーID",
    "contract.contractor_name": "契約者名",
    "contract.contractor_title": "契約者役職名",
    "contract.billing_name": "請求先名",
    "contract.billing_postal_code": "請求先郵便番号",
    "contract.billing_address": "請求先所在地",
    "contract.billing_contact": "請求先担当者",
    "contract.billing_phone": "請求先電話番号",
    "contract.price_plan": "料金プラン",
    "contract.payment_method": "支払方法",
    "contract.signed_on": "契約日",
}
OPTIONAL = frozenset(
    {
        "company.latin_name",
        "office.fax",
        "administrator.department",
        "administrator.title",
        "administrator.fax",
        "administrator.login",
        "contract.contractor_title",
        "contract.price_plan",
        "contract.payment_method",
    }
)
# The log-in name of an office's first account, where the file names none.
USUAL_LOGIN = "admin"
_DAY = re.compile(r"([0-9]{4})[-/]?([0-9]{1,2})[-/]?([0-9]{1,2})")
_PAYMENTS = {"口座振替": PaymentMethod.DEBIT, "銀行振込": PaymentMethod.TRANSFER}
Choice = TypeVar("Choice", bound=StrEnum)


@dataclass(frozen=True)
class OfficeLine:
    """One office to register. `is_known` when its code is registered already: it is left as it stands."""

    line: int
    company: Company
    office: OfficeEntry
    contract: ContractEntry
    login: str
    is_known: bool = False


@dataclass(frozen=True)
class Sheet:
    """What a file says: the good lines, and everything that is wrong with the others."""

    lines: tuple[OfficeLine, ...]
    faults: tuple[FileFault, ...]


def read(octets: bytes) -> Sheet:
    """Read a file: UTF-8, else the encoding of Japanese Windows (CP932), with comma and headings in the first line.

    Faults: those of `csv_sheets`, of `registration`, office-twice, company-differs.
    """
    table = csv_sheets.read(octets, COLUMNS, OPTIONAL)
    lines: list[OfficeLine] = []
    faults = list(table.faults)
    for number, cells in table.rows:
        found = _entry(number, cells)
        if isinstance(found, OfficeLine):
            lines.append(found)
        else:
            faults += found
    return _across(Sheet(tuple(lines), tuple(faults)))


def judge(session: Session, sheet: Sheet) -> Sheet:
    """Mark the offices that are registered, and find companies that are registered otherwise (company-differs)."""
    lines, faults = [], list(sheet.faults)
    for line in sheet.lines:
        if offices.get(session, line.office.code) is not None:
            lines.append(replace(line, is_known=True))
            continue
        registered = offices.company(session, line.company.abbreviation)
        if registered is not None and registered != line.company:
            faults.append(_differs(line, registered))
        lines.append(line)
    return Sheet(tuple(lines), tuple(sorted(faults, key=lambda fault: fault.line)))


def _entry(number: int, cells: Mapping[str, str]) -> OfficeLine | list[FileFault]:
    faults: list[FieldFault] = []
    values = {column: cells.get(column, "").strip() for column in COLUMNS}
    plan = _chosen(values, "contract.price_plan", lambda text: PricePlan(text.upper()), faults)
    payment = _chosen(values, "contract.payment_method", lambda text: _PAYMENTS.get(text) or PaymentMethod(text.lower()), faults)
    signed_on = _day(values, "contract.signed_on", faults)
    company = Company(**_of("company", values) | {"latin_name": values["company.latin_name"] or None})
    people = _of("administrator", values)
    login = half_width(people.pop("login")) or USUAL_LOGIN
    office = OfficeEntry(**_of("office", values), administrator=Contact(**people))
    typed = {"price_plan": plan, "payment_method": payment, "signed_on": signed_on or date.min}
    contract = ContractEntry(**_of("contract", values) | typed)
    try:
        company, office, contract = check_registration(company, office, contract)
    except Invalid as invalid:
        # The file asks for the address once; the form, which is asked here, twice.
        faults += [fault for fault in invalid.faults if fault.field in COLUMNS]
    if faults:
        return [FileFault(number, fault.field, fault.code, fault.facts) for fault in faults]
    return OfficeLine(number, company, office, contract, login)


def _across(sheet: Sheet) -> Sheet:
    """Compare the lines with each other: no office twice, and a company is the same wherever it stands."""
    faults = list(sheet.faults)
    seen: dict[str, int] = {}
    companies: dict[str, OfficeLine] = {}
    for line in sheet.lines:
        first = seen.setdefault(line.office.code, line.line)
        if first != line.line:
            faults.append(FileFault(line.line, "office.code", "office-twice", {"first": first}))
        known = companies.setdefault(line.company.abbreviation, line)
        if known.company != line.company:
            faults.append(_differs(line, known.company))
    return Sheet(sheet.lines, tuple(sorted(faults, key=lambda fault: fault.line)))


def _differs(line: OfficeLine, other: Company) -> FileFault:
    """Return the fault of a company that stands otherwise elsewhere, at the first column that differs."""
    names = ("name", "latin_name", "postal_code", "address", "phone")
    name = next(name for name in names if getattr(line.company, name) != getattr(other, name))
    return FileFault(line.line, f"company.{name}", "company-differs", {"other": getattr(other, name) or "-"})


def _chosen(
    values: Mapping[str, str], column: str, choose: Callable[[str], Choice], faults: list[FieldFault]
) -> Choice | None:  # fmt: skip
    text = half_width(values[column])
    if not text:
        return None
    try:
        return choose(text)
    except ValueError:
        faults.append(FieldFault(column, "choice"))
        return None


def _day(values: Mapping[str, str], column: str, faults: list[FieldFault]) -> date | None:
    text = half_width(values[column])
    try:
        if found := _DAY.fullmatch(text):
            return date(int(found[1]), int(found[2]), int(found[3]))
    except ValueError:
        pass  # the 31st of June
    faults.append(FieldFault(column, "date" if text else "required"))
    return None


def _of(part: str, values: Mapping[str, str]) -> dict[str, Any]:
    return {column.partition(".")[2]: text for column, text in values.items() if column.startswith(f"{part}.")}
