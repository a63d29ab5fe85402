"""Whom we write to, changed: an office's administrator, an application's applicant.

That the change is wanted was proven before, by both addresses or by staff (`webui.accounts.addresses`).
"""

from sqlalchemy import select
from sqlalchemy.orm import Session

from kernel.errors import Refused
from registry.applicants import Contact
from registry.offices import CONTACT_FIELDS
from registry.tables import ApplicationRow, OfficeRow


def set_administrator(session: Session, office_code: str, contact: Contact) -> None:
    """Make somebody the office's administrator; raises Refused("office-unknown")."""
    row = session.get(OfficeRow, office_code, with_for_update=True, populate_existing=True)
    if row is None:
        raise Refused("office-unknown", office_code=office_code)
    for name in CONTACT_FIELDS:
        setattr(row, f"administrator_{name}", getattr(contact, name))


def set_applicant_mail(session: Session, office_code: str, receipt_number: str, mail: str) -> None:
    """Write to another address about an office's application; raises Refused("application-unknown")."""
    of_office = (ApplicationRow.receipt_number == receipt_number) & (ApplicationRow.office_code == office_code)
    row = session.scalar(select(ApplicationRow).where(of_office).with_for_update())
    if row is None:
        raise Refused("application-unknown", receipt_number=receipt_number)
    row.applicant_mail = mail
