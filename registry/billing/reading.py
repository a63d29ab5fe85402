"""Closed bills, for pages and documents.

years(session, office_code) -> tuple[int, ...]              newest first
of_year(session, office_code, year) -> tuple[Bill, ...]     newest first, without lines
find(session, office_code, month) -> Bill | None
"""

from datetime import date

from sqlalchemy import select
from sqlalchemy.orm import Session

from registry.billing.bills import Bill, BillLine, Payer
from registry.billing.months import Month, month_of
from registry.billing.tables import BillLineRow, BillRow


def years(session: Session, office_code: str) -> tuple[int, ...]:
    """Return the years of which an office has bills, newest first."""
    months = session.scalars(select(BillRow.month).where(BillRow.office_code == office_code))
    return tuple(sorted({month.year for month in months}, reverse=True))


def of_year(session: Session, office_code: str, year: int) -> tuple[Bill, ...]:
    """Return an office's bills of a year without their lines, newest first."""
    own = (BillRow.office_code == office_code, BillRow.month.between(date(year, 1, 1), date(year, 12, 31)))
    rows = session.scalars(select(BillRow).where(*own).order_by(BillRow.month.desc()))
    return tuple(_bill_of(row, ()) for row in rows)


def find(session: Session, office_code: str, month: Month) -> Bill | None:
    """Return an office's bill of a month with its lines."""
    own = (BillRow.office_code == office_code, BillRow.month == month.first)
    row = session.scalar(select(BillRow).where(*own))
    if row is None:
        return None
    lines = session.scalars(select(BillLineRow).where(BillLineRow.bill_id == row.id).order_by(BillLineRow.position))
    return _bill_of(row, tuple(_line_of(line) for line in lines))


def _bill_of(row: BillRow, lines: tuple[BillLine, ...]) -> Bill:
    payer = Payer(
        row.payer_name,
        row.payer_postal_code,
        row.payer_address,
        row.payer_contact,
        row.payer_billing_code,
        row.payer_payment_method,
        row.payer_company,
        row.payer_office,
    )
    month = month_of(row.month)
    return Bill(
        row.office_code, month, row.price_plan, payer, lines, row.subtotal, row.tax_percent, row.tax, row.closed_at
    )  # fmt: skip


def _line_of(row: BillLineRow) -> BillLine:
    return BillLine(
        row.item, month_of(row.month), tuple(row.subjects), row.quantity, row.price, row.amount, row.title, row.unit
    )  # fmt: skip
