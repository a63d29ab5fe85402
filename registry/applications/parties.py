"""Who applied: company, office, contractor and administrator as they stood when an application was filed.

What an application changes later, or another one, changes nothing in what its form says.

    keep(session, receipt_number, office_code)
    of_application(session, receipt_number) -> Parties | None
"""

from dataclasses import asdict, dataclass, fields

from sqlalchemy import ForeignKey, String, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from kernel.database import Base
from registry import contracts, offices
from registry.contracts import Contract
from registry.offices import Office


class ApplicationPartiesRow(Base):
    """契約者 and 事業所 of an application, by value."""

    __tablename__ = "registry_application_parties"

    receipt_number: Mapped[str] = mapped_column(ForeignKey("registry_application.receipt_number"), primary_key=True)
    company: Mapped[str] = mapped_column(String(100))
    company_abbreviation: Mapped[str] = mapped_column(String(3))
    office: Mapped[str] = mapped_column(String(100))
    postal_code: Mapped[str] = mapped_column(String(7))
    address: Mapped[str] = mapped_column(String(200))
    phone: Mapped[str] = mapped_column(String(11))
    contractor_name: Mapped[str] = mapped_column(String(80))
    contractor_title: Mapped[str] = mapped_column(String(40))
    administrator: Mapped[str] = mapped_column(String(100))


@dataclass(frozen=True)
class Parties:
    """Names as documents show them; place and telephone are the office's."""

    company: str
    company_abbreviation: str
    office: str
    postal_code: str
    address: str
    phone: str
    contractor_name: str
    contractor_title: str
    administrator: str


def parties(office: Office, contract: Contract) -> Parties:
    """Return an office's parties as they stand."""
    return Parties(
        company=office.company.name,
        company_abbreviation=office.company.abbreviation,
        office=office.name,
        postal_code=office.postal_code,
        address=office.address,
        phone=office.phone,
        contractor_name=contract.contractor_name,
        contractor_title=contract.contractor_title,
        administrator=office.administrator.full_name,
    )


def present(session: Session, office_code: str) -> Parties:
    """Return an office's parties as they stand; raises LookupError for an office that is not there."""
    office, contract = offices.get(session, office_code), contracts.get(session, office_code, lists=())
    if office is None or contract is None:
        raise LookupError(office_code)
    return parties(office, contract)


def keep(session: Session, receipt_number: str, office_code: str) -> None:
    """Write down who files an application."""
    session.add(ApplicationPartiesRow(receipt_number=receipt_number, **asdict(present(session, office_code))))


_KEPT = [getattr(ApplicationPartiesRow, field.name) for field in fields(Parties)]


def of_application(session: Session, receipt_number: str) -> Parties | None:
    """Return who filed an application."""
    row = session.execute(select(*_KEPT).where(ApplicationPartiesRow.receipt_number == receipt_number)).first()
    return None if row is None else Parties(*row)
