"""契約: what an office has agreed with the center, as the contract page's tabs show it.

get(session, office_code) -> Contract | None
present(office, contract) -> Present                      by change item: the "before" of an application
set_price_plan(session, office_code, plan)

`execution` changes a contract; rows of its lists are never deleted, they end.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import date
from enum import StrEnum
from typing import Any

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from kernel.database import Base
from kernel.errors import Refused
from registry.changes import Present, Row
from registry.forms import FORMS, Edit, Form
from registry.offices import Office
from registry.states import PaymentMethod, PricePlan, SystemClass
from registry.tables import (
    BrokerRow,
    BusinessRow,
    ContractRow,
    GeneralTerminalRow,
    LineRow,
    PartnershipRow,
    UserCodeRow,
)


@dataclass(frozen=True, kw_only=True)
class Business:
    """利用業種: what an office does in one class."""

    system_class: SystemClass
    business: str
    start_date: date
    end_date: date | None = None


@dataclass(frozen=True)
class UserCode:
    """利用者コード with its 識別番号, what it is for, and what is billed by it: a row of the contract's list."""

    system_class: SystemClass
    business: str
    processing: str
    user_code: str
    id_number: str
    paid_statistics: bool
    free_statistics: bool
    storage: bool
    shared: bool
    start_date: date
    end_date: date | None = None


@dataclass(frozen=True, kw_only=True)
class Line:
    """一般NACCS回線: its number, where it ends, and its kind (`forms.LINE_KINDS`)."""

    number: str
    postal_code: str
    place: str
    kind: str
    start_date: date
    end_date: date | None = None


@dataclass(frozen=True, kw_only=True)
class GeneralTerminal:
    """一般NACCS端末 at one of the office's lines, if that is known (`forms.DEVICES`). It has no certificate."""

    name: str
    system_class: SystemClass
    device: str
    line_number: str | None
    start_date: date
    end_date: date | None = None


@dataclass(frozen=True, kw_only=True)
class Partner:
    """共用 of a user code with another office, or, without one, 共同利用."""

    user_code: str
    partner: str
    start_date: date
    end_date: date | None = None


@dataclass(frozen=True, kw_only=True)
class Broker:
    """通関士ID: a customs broker who acts under a user code."""

    user_code: str
    id_number: str
    family_name: str
    given_name: str
    family_kana: str
    given_kana: str
    licence: str
    start_date: date
    end_date: date | None = None

    @property
    def full_name(self) -> str:
        """Return family and given name with a full-width space between them."""
        return f"{self.family_name}　{self.given_name}"


@dataclass(frozen=True)
class ContractEntry:
    """A contract's content; no price plan while the office has not applied for terminals yet."""

    contractor_name: str
    contractor_title: str
    billing_name: str
    billing_postal_code: str
    billing_address: str
    billing_contact: str
    billing_phone: str
    signed_on: date
    price_plan: PricePlan | None = None
    payment_method: PaymentMethod | None = None
    mailboxes: int = 0
    # The last day, once staff have noted that the contract ends.
    ends_on: date | None = None
    user_codes: tuple[UserCode, ...] = ()
    businesses: tuple[Business, ...] = ()
    lines: tuple[Line, ...] = ()
    general_terminals: tuple[GeneralTerminal, ...] = ()
    partners: tuple[Partner, ...] = ()
    brokers: tuple[Broker, ...] = ()


# An office's contract as it stands is what was entered, changed since by applications.
Contract = ContractEntry
# The contract's lists: records and rows have the same names. In the order in which they are written and shown.
LISTS: Mapping[str, tuple[type[Any], type[Base], tuple[str, ...]]] = {
    "businesses": (Business, BusinessRow, ("system_class", "business")),
    "user_codes": (UserCode, UserCodeRow, ("user_code", "id_number")),
    "lines": (Line, LineRow, ("number",)),
    "general_terminals": (GeneralTerminal, GeneralTerminalRow, ("name",)),
    "partners": (Partner, PartnershipRow, ("user_code", "partner")),
    "brokers": (Broker, BrokerRow, ("user_code", "id_number")),
}
CONTRACT_FIELDS = tuple(field.name for field in fields(ContractEntry) if field.name not in LISTS)


_CONTRACT = select(*(getattr(ContractRow, name) for name in CONTRACT_FIELDS)).where(
    ContractRow.office_code == bindparam("office_code")
)
_LISTINGS = {
    name: select(*(getattr(table, field.name) for field in fields(record)))
    .where(table.office_code == bindparam("office_code"))  # type: ignore[attr-defined]
    .order_by(*(getattr(table, column) for column in order))
    for name, (record, table, order) in LISTS.items()
}


def get(session: Session, office_code: str, *, lists: Collection[str] = tuple(LISTS)) -> Contract | None:
    """Return an office's contract, ended rows of its lists too; of a page that shows some of the lists the others are empty."""
    whose = {"office_code": office_code}
    row = session.execute(_CONTRACT, whose).first()
    if row is None:
        return None
    listed: dict[str, Any] = {
        name: tuple(LISTS[name][0](**one) for one in session.execute(_LISTINGS[name], whose).mappings()) for name in lists
    }
    return Contract(**dict(zip(CONTRACT_FIELDS, row, strict=True)), **listed)


def set_price_plan(session: Session, office_code: str, plan: PricePlan) -> None:
    """Put another price plan into force; raise Refused("office-unknown")."""
    row = session.get(ContractRow, office_code, with_for_update=True, populate_existing=True)
    if row is None:
        raise Refused("office-unknown", office_code=office_code)
    row.price_plan = plan


def present(office: Office, contract: Contract) -> Present:
    """Return what the contract says now, by change item; rows that have an end are not there: nothing changes them."""
    records = {item: tuple(record for record in tell(contract) if record.end_date is None) for item, tell in _LISTED.items()}
    sources = {"company": office.company, "office": office, "contract": contract}
    found: dict[str, tuple[Row, ...]] = {}
    for item, form in FORMS.items():
        if item in records:
            found[item] = tuple(_row(form, record) for record in records[item])
        elif not form.is_request:
            values = {field.code: _text(_value(sources, field.column)) for field in form.fields}
            found[item] = (Row("", values),)
    return found


def _row(form: Form, record: object) -> Row:
    # What is asked for new rows only belongs to another item, unless it names the row.
    shown = (field for field in form.fields if not field.when_added or field.code in form.names or Edit.CHANGE not in form.edits)
    values = {field.code: _text(getattr(record, field.code)) for field in shown}
    return Row("-".join(values[name] for name in form.names), values)


def _value(sources: Mapping[str, Any], column: str) -> object:
    place, _, name = column.partition(".")
    source = sources[place]
    if place == "office" and name.startswith("administrator_"):
        return getattr(source.administrator, name.removeprefix("administrator_"))
    return getattr(source, name)


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value.value if isinstance(value, StrEnum) else str(value)


def _codes(contract: Contract) -> Iterable[UserCode]:
    """Return one row of each user code: what is said of a code is the same in all its rows."""
    one_each = {code.user_code: code for code in contract.user_codes if code.end_date is None}
    return (one_each[code] for code in sorted(one_each))


_LISTED: Mapping[str, Callable[[Contract], Iterable[Any]]] = {
    "businesses": lambda contract: contract.businesses,
    "user_codes": _codes,
    "id_numbers": lambda contract: contract.user_codes,
    "lines": lambda contract: contract.lines,
    "general_terminals": lambda contract: contract.general_terminals,
    "statistics": _codes,
    "storage": _codes,
    "sharing": lambda contract: (partner for partner in contract.partners if partner.user_code),
    "joint_use": lambda contract: (partner for partner in contract.partners if not partner.user_code),
    "broker_ids": lambda contract: contract.brokers,
}
