"""月次の締め: each office's month becomes a bill, once. A job, which may be repeated and catches up after any pause.

The bill's SHA-256 goes into the audit log: a row that was changed afterwards can be told from what was closed.
"""

import hashlib
import json
from dataclasses import asdict, dataclass
from datetime import date, datetime

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from kernel import audit
from kernel.clock import tokyo_date
from kernel.database import Database
from registry import news
from registry.billing.bills import Bill, Facts, Payer, bill_of
from registry.billing.facts import facts_of
from registry.billing.months import Month, month_of
from registry.billing.prices import Prices
from registry.billing.tables import BilledStateRow, BillLineRow, BillRow, UsageRow
from registry.news import NewsKind
from registry.tables import CompanyRow, ContractRow, OfficeRow

_JOB = audit.job("billing")
_AT_ONCE = 200


@dataclass(frozen=True)
class Closing:
    """Closes months. `day` is the day of the next month on which that is done, when the metering has told of its use."""

    database: Database
    prices: Prices
    day: int = 1

    def close_due(self, now: datetime) -> int:
        """Close what is over and return how many bills that made. A job."""
        today = tokyo_date(now)
        last = month_of(today).before if today.day >= self.day else month_of(today).before.before
        made, after = 0, ""
        while codes := self._due(last, after):
            for code in codes:
                made += self._close_office(code, last, now)
            after = codes[-1]
        return made

    def _due(self, last: Month, after: str) -> list[str]:
        """Return offices, by code, whose newest bill is of a month before the last one."""
        newest = select(func.max(BillRow.month)).where(BillRow.office_code == ContractRow.office_code).scalar_subquery()
        waits = newest.is_(None) | (newest < last.first)
        query = select(ContractRow.office_code).where(ContractRow.office_code > after, waits)
        with self.database.snapshot() as session:
            return list(session.scalars(query.order_by(ContractRow.office_code).limit(_AT_ONCE)))

    def _close_office(self, office_code: str, last: Month, now: datetime) -> int:
        with self.database.transaction() as session:
            contract = session.get_one(ContractRow, office_code, with_for_update=True, populate_existing=True)
            made = 0
            for month in _open_months(session, contract, last):
                facts = facts_of(session, office_code, month)
                if contract.ends_on is None or month.first <= contract.ends_on or facts.usage:
                    bill = bill_of(office_code, facts, payer_of(session, contract), self.prices)
                    _enter(session, bill, facts, now)
                    _tell(session, bill, now)
                    made += 1
            return made


def enter(session: Session, office_code: str, facts: Facts, prices: Prices, now: datetime) -> Bill:
    """Close a month with facts that somebody else vouches for, the demo's for instance; the office gets no news of it."""
    contract = session.get_one(ContractRow, office_code, with_for_update=True, populate_existing=True)
    bill = bill_of(office_code, facts, payer_of(session, contract), prices)
    _enter(session, bill, facts, now)
    return bill


def payer_of(session: Session, contract: ContractRow) -> Payer:
    """Return who is billed as things stand."""
    office = session.get_one(OfficeRow, contract.office_code)
    return Payer(
        contract.billing_name,
        contract.billing_postal_code,
        contract.billing_address,
        contract.billing_contact,
        office.billing_code,
        contract.payment_method,
        session.get_one(CompanyRow, office.company_abbreviation).name,
        office.name,
    )


def digest_of(bill: Bill) -> str:
    """Return the SHA-256 of what a bill says, in hexadecimal; of when it was closed, nothing."""
    told = {name: value for name, value in asdict(bill).items() if name != "closed_at"}
    return hashlib.sha256(json.dumps(told, ensure_ascii=False, sort_keys=True).encode()).hexdigest()


def _open_months(session: Session, contract: ContractRow, last: Month) -> list[Month]:
    """Return the months after the newest bill, or from the first one that we know of; of an ended contract, the last one only."""
    own = BillRow.office_code == contract.office_code
    newest: date | None = session.scalar(select(func.max(BillRow.month)).where(own))
    if newest is None:
        of_office = BilledStateRow.office_code == contract.office_code
        first: date | None = session.scalar(select(func.min(BilledStateRow.from_day)).where(of_office))
        if first is None:
            return []
        month = month_of(first)
    else:
        month = month_of(newest).after
    if contract.ends_on is not None and month.first > contract.ends_on:
        month = max(month, last)
    found = []
    while month <= last:
        found.append(month)
        month = month.after
    return found


def _enter(session: Session, bill: Bill, facts: Facts, now: datetime) -> None:
    payer = {f"payer_{name}": value for name, value in asdict(bill.payer).items()}
    row = BillRow(
        office_code=bill.office_code,
        month=bill.month.first,
        price_plan=bill.plan,
        **payer,
        subtotal=bill.subtotal,
        tax_percent=bill.tax_percent,
        tax=bill.tax,
        closed_at=now,
    )
    session.add(row)
    session.flush()
    for position, line in enumerate(bill.lines, start=1):
        told = asdict(line) | {"month": line.month.first, "subjects": list(line.subjects)}
        session.add(BillLineRow(bill_id=row.id, position=position, **told))
    records = [usage.record for usage in facts.usage]
    if records:
        session.execute(update(UsageRow).where(UsageRow.record.in_(records)).values(bill_id=row.id))
    session.flush()
    audit.record(
        session,
        now=now,
        actor=_JOB,
        action="bill.close",
        subject=f"bill:{bill.office_code}/{bill.month}",
        office_code=bill.office_code,
        total=bill.total,
        sha256=digest_of(bill),
    )


def _tell(session: Session, bill: Bill, now: datetime) -> None:
    if bill.lines:
        news.publish(
            session,
            now=now,
            office_code=bill.office_code,
            kind=NewsKind.BILLING,
            code="bill-closed",
            target=f"bill:{bill.month}",
            month=str(bill.month),
        )
