"""契約: what an office has agreed with the center, as the contract page's tabs show it.

get(session, office_code) -> Contract | None
current_values(office, contract) -> Mapping[str, str]     by change item: the "before" of an application
set_price_plan(session, office_code, plan)
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import date

from sqlalchemy import select
from sqlalchemy.orm import Session

from kernel.errors import Refused
from registry.items import ID_NUMBERS, PRICE_PLAN
from registry.offices import Office
from registry.states import PaymentMethod, PricePlan, SystemClass
from registry.tables import ContractRow, UserCodeRow

_SYSTEM = {SystemClass.SEA: "海上", SystemClass.AIR: "航空", SystemClass.SHARED: "共用"}
_PAYMENT = {PaymentMethod.DEBIT: "口座振替", PaymentMethod.TRANSFER: "銀行振込"}


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
    user_codes: tuple[UserCode, ...] = ()


# An office's contract as it stands is what was entered, changed since by applications.
Contract = ContractEntry
CONTRACT_FIELDS = tuple(field.name for field in fields(ContractEntry) if field.name != "user_codes")
_USER_CODE_FIELDS = tuple(field.name for field in fields(UserCode))


def get(session: Session, office_code: str) -> Contract | None:
    """Return an office's contract."""
    row = session.get(ContractRow, office_code)
    if row is None:
        return None
    query = (
        select(UserCodeRow).where(UserCodeRow.office_code == office_code).order_by(UserCodeRow.user_code, UserCodeRow.id_number)
    )
    user_codes = tuple(UserCode(**{name: getattr(code, name) for name in _USER_CODE_FIELDS}) for code in session.scalars(query))
    return Contract(**{name: getattr(row, name) for name in CONTRACT_FIELDS}, user_codes=user_codes)


def set_price_plan(session: Session, office_code: str, plan: PricePlan) -> None:
    """Put another price plan into force; raise Refused("office-unknown")."""
    row = session.get(ContractRow, office_code, with_for_update=True, populate_existing=True)
    if row is None:
        raise Refused("office-unknown", office_code=office_code)
    row.price_plan = plan


def current_values(office: Office, contract: Contract) -> Mapping[str, str]:
    """Return what the contract says now, by change item; an item of which it says nothing is not there."""
    values = {code: tell(office, contract) for code, tell in _TOLD.items()}
    return {code: value for code, value in values.items() if value}


def _names(office: Office, _: Contract) -> str:
    return f"企業名：{office.company.name}\n事業所名：{office.name}\n所在地：〒{office.postal_code}　{office.address}"


def _head_office(office: Office, _: Contract) -> str:
    company = office.company
    return f"所在地：〒{company.postal_code}　{company.address}\n電話番号：{company.phone}"


def _administrator(office: Office, _: Contract) -> str:
    person = office.administrator
    return f"{person.full_name}\n電話番号：{person.phone}\nFAX番号：{person.fax or '登録なし'}"


def _businesses(_: Office, contract: Contract) -> str:
    return _lines(f"{_SYSTEM[code.system_class]}　{code.business}" for code in contract.user_codes)


def _statistics(_: Office, contract: Contract) -> str:
    return _lines(
        f"{code.user_code}　有料分：{_yes(code.paid_statistics)}　無料分：{_yes(code.free_statistics)}"
        for code in contract.user_codes
    )


def _storage(_: Office, contract: Contract) -> str:
    return _lines(f"{code.user_code}　{'要' if code.storage else '不要'}" for code in contract.user_codes)


def _billing_address(_: Office, contract: Contract) -> str:
    return f"{contract.billing_name}\n〒{contract.billing_postal_code}　{contract.billing_address}"


def _lines(lines: Iterable[str]) -> str:
    return "\n".join(dict.fromkeys(lines))


def _yes(value: bool) -> str:  # noqa: FBT001
    return "あり" if value else "なし"


_TOLD: Mapping[str, Callable[[Office, Contract], str]] = {
    "names": _names,
    "contractor": lambda _, contract: f"{contract.contractor_title}　{contract.contractor_name}".strip(),
    "head_office": _head_office,
    "administrator": _administrator,
    "businesses": _businesses,
    "user_codes": lambda _, contract: _lines(code.user_code for code in contract.user_codes),
    ID_NUMBERS: lambda _, contract: _lines(f"{code.user_code}－{code.id_number}" for code in contract.user_codes),
    PRICE_PLAN: lambda _, contract: contract.price_plan.value if contract.price_plan else "",
    "statistics": _statistics,
    "storage": _storage,
    "billing_address": _billing_address,
    "billing_contact": lambda _, contract: f"{contract.billing_contact}\n電話番号：{contract.billing_phone}",
    "payment_method": lambda _, contract: _PAYMENT[contract.payment_method] if contract.payment_method else "",
}
