"""企業 and 事業所: companies and their offices, each with its standing administrator (管理責任者).

    get(session, code) -> Office | None
    company(session, abbreviation) -> Company | None
    siblings(session, code) -> dict[str, str]
    search(session, text="", page=1) -> Page[Office]

`registration` enters new ones.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from typing import Any

from sqlalchemy import Row, bindparam, select
from sqlalchemy.orm import Session

from kernel.database import among, many
from registry.applicants import Contact
from registry.japanese import full_width, searchable
from registry.paging import COUNTED, SIZE, Page, page_of
from registry.tables import CompanyRow, OfficeRow

ABBREVIATION = re.compile(r"[A-Z]{3}")
CODE = re.compile(r"[A-Z]{3}[0-9]{3}")


@dataclass(frozen=True)
class Company:
    """企業: abbreviation of three capitals, name in full width, Latin name for the certificates if it has one."""

    abbreviation: str
    name: str
    latin_name: str | None
    postal_code: str
    address: str
    phone: str


@dataclass(frozen=True)
class OfficeEntry:
    """An office's own content, as it is registered."""

    code: str
    name: str
    postal_code: str
    address: str
    phone: str
    fax: str
    customs_office: str
    billing_code: str
    administrator: Contact


@dataclass(frozen=True)
class Office(OfficeEntry):
    """An office with its company, as other rooms see it."""

    company: Company

    @property
    def company_abbreviation(self) -> str:
        """Return the company's abbreviation."""
        return self.company.abbreviation

    @property
    def company_name(self) -> str:
        """Return the company's name in Japanese."""
        return self.company.name

    @property
    def certificate_organization(self) -> str:
        """Return what stands as O in the certificates of the office's terminals."""
        return self.company.latin_name or self.company.name


@dataclass(frozen=True)
class OfficeName:
    """What an office is called in lists."""

    code: str
    name: str
    company_name: str


CONTACT_FIELDS = tuple(field.name for field in fields(Contact))
_COMPANY_FIELDS = tuple(field.name for field in fields(Company))
OFFICE_FIELDS = tuple(field.name for field in fields(OfficeEntry) if field.name != "administrator")


_OFFICE = (
    select(
        *(getattr(OfficeRow, name) for name in OFFICE_FIELDS),
        *(getattr(OfficeRow, f"administrator_{name}") for name in CONTACT_FIELDS),
        *(getattr(CompanyRow, name) for name in _COMPANY_FIELDS),
    )
    .join_from(OfficeRow, CompanyRow)
    .where(OfficeRow.code == bindparam("code"))
)


def get(session: Session, code: str) -> Office | None:
    """Return an office."""
    row = session.execute(_OFFICE, {"code": code}).first() if CODE.fullmatch(code) else None
    if row is None:
        return None
    own, contact = len(OFFICE_FIELDS), len(OFFICE_FIELDS) + len(CONTACT_FIELDS)
    entry = dict(zip(OFFICE_FIELDS, row[:own], strict=True))
    return Office(**entry, administrator=Contact(*row[own:contact]), company=Company(*row[contact:]))


_NAMES = (
    select(OfficeRow.code, OfficeRow.name, CompanyRow.name.label("company_name"))
    .join_from(OfficeRow, CompanyRow)
    .where(among(OfficeRow.code))
)


def names(session: Session, codes: Collection[str]) -> Mapping[str, OfficeName]:
    """Return how many offices are called, by office code."""
    return {row.code: OfficeName(*row) for row in session.connection().execute(_NAMES, many(codes))}


_ORGANIZATIONS = (
    select(OfficeRow.code, CompanyRow.latin_name, CompanyRow.name).join_from(OfficeRow, CompanyRow).where(among(OfficeRow.code))
)


def certificate_organizations(session: Session, codes: Collection[str]) -> Mapping[str, str]:
    """Return what stands as O in the certificates of the terminals of many offices, by office code."""
    found = session.connection().execute(_ORGANIZATIONS, many(codes))
    return {code: latin_name or name for code, latin_name, name in found}


def company(session: Session, abbreviation: str) -> Company | None:
    """Return a company."""
    row = session.get(CompanyRow, abbreviation) if ABBREVIATION.fullmatch(abbreviation) else None
    return None if row is None else company_of(row)


def siblings(session: Session, code: str) -> dict[str, str]:
    """Return the other offices of an office's company: names by codes."""
    query = select(OfficeRow.code, OfficeRow.name).where(OfficeRow.company_abbreviation == code[:3], OfficeRow.code != code)
    return dict(session.execute(query.order_by(OfficeRow.code)).all())


def search(session: Session, text: str = "", *, page: int = 1, size: int = SIZE) -> Page[Office]:
    """Return offices for staff, by code: those whose code begins with the text, or whose or whose company's name has it."""
    query = select(OfficeRow.__table__).order_by(OfficeRow.code)
    if wanted := searchable(text):
        wide = full_width(wanted)
        companies_named = select(CompanyRow.abbreviation).where(CompanyRow.name.contains(wide, autoescape=True))
        query = query.where(
            OfficeRow.code.startswith(wanted.upper(), autoescape=True)
            | OfficeRow.name.contains(wide, autoescape=True)
            | OfficeRow.company_abbreviation.in_(companies_named)
        )
    found = page_of(session, query, page, lambda row: row, size=size, bound=COUNTED)
    abbreviations = {row.company_abbreviation for row in found.records}
    companies = {
        row.abbreviation: row for row in session.scalars(select(CompanyRow).where(CompanyRow.abbreviation.in_(abbreviations)))
    }
    offices = tuple(office_of(row, companies[row.company_abbreviation]) for row in found.records)
    return found.of(offices)


def office_of(row: OfficeRow | Row[*tuple[Any, ...]], company_row: CompanyRow) -> Office:
    """Return the content of an office's and its company's rows."""
    return Office(
        **{name: getattr(row, name) for name in OFFICE_FIELDS},
        administrator=Contact(**{name: getattr(row, f"administrator_{name}") for name in CONTACT_FIELDS}),
        company=company_of(company_row),
    )


def company_of(row: CompanyRow) -> Company:
    """Return the content of a company's row."""
    return Company(**{name: getattr(row, name) for name in _COMPANY_FIELDS})
