"""Metered use enters: each record once, whatever bill takes it."""

from collections.abc import Iterable
from dataclasses import asdict
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from kernel.database import insert_if_absent
from kernel.errors import Refused
from registry.billing.bills import Usage
from registry.billing.facts import usage_of
from registry.billing.tables import UsageRow

_AT_ONCE = 500


def enter(session: Session, records: Iterable[Usage], now: datetime) -> int:
    """Enter records and return how many are new; one that is known with the same content is left as it is.

    Raises Refused("record-differs", record=…). Records of months that are closed go into the next bill.
    """
    entered = 0
    for one in records:
        if insert_if_absent(session, UsageRow, asdict(one) | {"month": one.month.first, "imported_at": now}):
            entered += 1
        elif usage_of(session.get_one(UsageRow, one.record)) != one:
            raise Refused("record-differs", record=one.record)
    return entered


def known(session: Session, records: Iterable[str]) -> dict[str, Usage]:
    """Return what is entered already of some records, by their numbers."""
    wanted, found = list(records), dict[str, Usage]()
    for begin in range(0, len(wanted), _AT_ONCE):
        rows = session.scalars(select(UsageRow).where(UsageRow.record.in_(wanted[begin : begin + _AT_ONCE])))
        found |= {row.record: usage_of(row) for row in rows}
    return found
