"""Registration of companies and offices with their contracts: by import, and for the demo.

    Offices(database, clock).register(company, office, contract, *, actor) -> Office

A name in the certificates (O) is the company's Latin name, else its Japanese one; X.509 allows 64 characters, which is
checked here, when the company is registered, and not on the morning when a terminal asks for its certificate.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy.orm import Session

from kernel import audit
from kernel.clock import Clock, tokyo_date
from kernel.database import Database, insert_if_absent
from kernel.errors import Refused
from registry.applicants import Contact, check_contact, check_phone, contact_form
from registry.billing import states
from registry.contracts import CONTRACT_FIELDS, LISTS, Business, ContractEntry, UserCode
from registry.faults import Faults, FieldFault, Invalid
from registry.japanese import digits, full_width_line, half_width
from registry.offices import ABBREVIATION, CODE, OFFICE_FIELDS, Company, Office, OfficeEntry, company_of, get
from registry.tables import CompanyRow, ContractRow, OfficeRow, UserCodeRow

# RFC 5280 appendix A.1: ub-organization-name.
ORGANIZATION_MOST = 64
_SEVEN_DIGITS = re.compile(r"[0-9]{7}")
_LATIN = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9 .,&'()/+:-]*[A-Za-z0-9.)])?")

Entry = TypeVar("Entry", Company, OfficeEntry, ContractEntry)
Check = Callable[[str, str], str | FieldFault]


@dataclass(frozen=True)
class Offices:
    """Registers offices with their companies and contracts."""

    database: Database
    clock: Clock

    def register(self, company: Company, office: OfficeEntry, contract: ContractEntry, *, actor: audit.Actor) -> Office:
        """Register an office, and its company unless it is known already with the same content.

        Raises Invalid with all faults (fields `company.…`, `office.…`, `administrator.…`, `contract.…`,
        `user_codes.…`), Refused with company-differs, office-exists, user-code-exists.
        """
        company, office, contract = check_registration(company, office, contract)
        now = self.clock.now()
        with self.database.transaction() as session:
            _enter_company(session, company, now)
            _enter_office(session, office, now)
            _enter_contract(session, office.code, contract)
            states.note(session, office.code, tokyo_date(now))
            audit.record(
                session,
                now=now,
                actor=actor,
                action="office.register",
                subject=f"office:{office.code}",
                office_code=office.code,
            )
            registered = get(session, office.code)
            if registered is None:
                raise LookupError(office.code)
            return registered


def _enter_company(session: Session, company: Company, now: datetime) -> None:
    if insert_if_absent(session, CompanyRow, asdict(company) | {"registered_at": now}):
        return
    if company_of(session.get_one(CompanyRow, company.abbreviation)) != company:
        raise Refused("company-differs", company=company.abbreviation)


def _enter_office(session: Session, office: OfficeEntry, now: datetime) -> None:
    values = {name: getattr(office, name) for name in OFFICE_FIELDS}
    values |= {f"administrator_{name}": value for name, value in asdict(office.administrator).items()}
    values |= {"company_abbreviation": office.code[:3], "registered_at": now}
    if not insert_if_absent(session, OfficeRow, values):
        raise Refused("office-exists", office_code=office.code)


def _enter_contract(session: Session, office_code: str, contract: ContractEntry) -> None:
    session.add(ContractRow(office_code=office_code, **{name: getattr(contract, name) for name in CONTRACT_FIELDS}))
    for code in contract.user_codes:
        if not insert_if_absent(session, UserCodeRow, asdict(code) | {"office_code": office_code}):
            raise Refused("user-code-exists", user_code=code.user_code, id_number=code.id_number)
    for name, (_, table, _) in LISTS.items():
        if name != "user_codes":
            session.add_all(table(office_code=office_code, **asdict(record)) for record in getattr(contract, name))
            session.flush()  # a terminal names its line


def check_registration(
    company: Company, office: OfficeEntry, contract: ContractEntry
) -> tuple[Company, OfficeEntry, ContractEntry]:
    """Return the three normalised; raises Invalid with everything that is wrong, as `Offices.register` does."""
    faults: list[FieldFault] = []
    company = _clean(company, _COMPANY, "company", faults)
    faults += _organization_faults(company)
    office = _clean(office, _OFFICE, "office", faults)
    if office.code[:3] != company.abbreviation:
        faults.append(FieldFault("office.code", "office-code"))
    office = replace(office, administrator=_clean_contact(office.administrator, faults))
    contract = _clean(contract, _CONTRACT, "contract", faults)
    for code in contract.user_codes:
        checked = [check(f"user_codes.{field}", getattr(code, field)) for field, check in _USER_CODE.items()]
        faults += [fault for fault in checked if isinstance(fault, FieldFault)]
    if faults:
        raise Invalid(Faults(faults))
    return company, office, replace(contract, businesses=contract.businesses or _businesses(contract.user_codes))


def _businesses(user_codes: tuple[UserCode, ...]) -> tuple[Business, ...]:
    """Return the business types that user codes name, for a contract that is entered without any."""
    begun = {(code.system_class, code.business): code.start_date for code in reversed(user_codes)}
    return tuple(
        Business(system_class=system, business=business, start_date=begun[system, business]) for system, business in sorted(begun)
    )


def _clean(entry: Entry, checks: Mapping[str, Check], prefix: str, faults: list[FieldFault]) -> Entry:
    checked = {field: check(f"{prefix}.{field}", getattr(entry, field)) for field, check in checks.items()}
    faults += [fault for fault in checked.values() if isinstance(fault, FieldFault)]
    values: dict[str, Any] = {field: value for field, value in checked.items() if isinstance(value, str)}
    return replace(entry, **values)


def _clean_contact(contact: Contact, faults: list[FieldFault]) -> Contact:
    checked = check_contact(contact_form(contact))
    if isinstance(checked, Contact):
        return checked
    faults += [replace(fault, field=f"administrator.{fault.field}") for fault in checked]
    return contact


def _organization_faults(company: Company) -> Iterator[FieldFault]:
    latin = company.latin_name
    if latin is None:
        if len(company.name) > ORGANIZATION_MOST:
            yield FieldFault("company.latin_name", "latin-required", {"most": ORGANIZATION_MOST})
    elif len(latin) > ORGANIZATION_MOST:
        yield FieldFault("company.latin_name", "too-long", {"most": ORGANIZATION_MOST})
    elif _LATIN.fullmatch(latin) is None:
        yield FieldFault("company.latin_name", "latin")


def _wide(most: int, *, required: bool = True) -> Check:
    return lambda field, text: full_width_line(field, text, most=most, required=required)


def _phone(*, required: bool = True) -> Check:
    return lambda field, text: check_phone(field, text, required=required)


def _shaped(shape: re.Pattern[str], code: str, normalised: Callable[[str], str] = half_width) -> Check:
    def check(field: str, text: str) -> str | FieldFault:
        value = normalised(text)
        return value if shape.fullmatch(value) else FieldFault(field, code)

    return check


_POSTAL_CODE = _shaped(_SEVEN_DIGITS, "postal-code", digits)
_COMPANY: Mapping[str, Check] = {
    "abbreviation": _shaped(ABBREVIATION, "abbreviation"),
    "name": _wide(100),
    "postal_code": _POSTAL_CODE,
    "address": _wide(200),
    "phone": _phone(),
}
_OFFICE: Mapping[str, Check] = {
    "code": _shaped(CODE, "office-code"),
    "name": _wide(100),
    "postal_code": _POSTAL_CODE,
    "address": _wide(200),
    "phone": _phone(),
    "fax": _phone(required=False),
    "customs_office": _wide(40),
    "billing_code": _shaped(_SEVEN_DIGITS, "billing-code"),
}
_CONTRACT: Mapping[str, Check] = {
    "contractor_name": _wide(80),
    "contractor_title": _wide(40, required=False),
    "billing_name": _wide(100),
    "billing_postal_code": _POSTAL_CODE,
    "billing_address": _wide(200),
    "billing_contact": _wide(100),
    "billing_phone": _phone(),
}
_USER_CODE: Mapping[str, Check] = {
    "user_code": _shaped(re.compile(r"[A-Z0-9]{5,8}"), "user-code"),
    "id_number": _shaped(re.compile(r"[A-Z0-9]{3}"), "id-number"),
    "business": _wide(40),
    "processing": _wide(40),
}
