"""What a month's bill says, as facts of a document. A closed month never changes, so neither do its octets."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from enrollment.documents.facts import VERSION, DocumentKind, Facts, Publisher
from kernel.clock import tokyo_date
from kernel.errors import Refused
from registry.billing import reading
from registry.billing.bills import Bill, BillLine
from registry.billing.months import Month


def bill(session: Session, office_code: str, month: Month, publisher: Publisher) -> tuple[Facts, datetime]:
    """Return the facts of an office's closed month and when it was closed; raises Refused("bill-unknown")."""
    found = reading.find(session, office_code, month)
    if found is None or found.closed_at is None:
        raise Refused("bill-unknown", office_code=office_code, month=str(month))
    return facts_of(found, found.closed_at, publisher), found.closed_at


def facts_of(found: Bill, closed_at: datetime, publisher: Publisher) -> Facts:
    """Return a bill's facts; sums are in yen."""
    payer = found.payer
    return {
        "document": DocumentKind.BILL.value,
        "version": VERSION,
        "number": f"{found.office_code}-{found.month}",
        "month": str(found.month),
        "closed_on": tokyo_date(closed_at).isoformat(),
        "issuer": {"name": publisher.name, "service": publisher.service, "help_desk": publisher.help_desk},
        "office": {"code": found.office_code, "name": payer.office, "company": payer.company},
        "payer": {
            "name": payer.name,
            "postal_code": payer.postal_code,
            "address": payer.address,
            "contact": payer.contact,
            "billing_code": payer.billing_code,
            "payment_method": payer.payment_method.value if payer.payment_method else None,
        },
        "price_plan": found.plan.value if found.plan else None,
        "lines": [_line(line) for line in found.lines],
        "subtotal": found.subtotal,
        "tax_percent": found.tax_percent,
        "tax": found.tax,
        "total": found.total,
    }


def _line(line: BillLine) -> Mapping[str, Any]:
    return {
        "item": line.item.value,
        "month": str(line.month),
        "subjects": list(line.subjects),
        "title": line.title,
        "quantity": line.quantity,
        "unit": line.unit,
        "price": line.price,
        "amount": line.amount,
    }
