"""Applications that the center approved: for whoever must write to the customer about it, once for each start date."""

from dataclasses import dataclass
from datetime import date

from sqlalchemy import select
from sqlalchemy.orm import Session

from registry.states import ApplicationState
from registry.tables import ApplicationRow

_UNDER_WAY = (ApplicationState.APPROVED, ApplicationState.PREPARED)
# Between two looks an application may be approved and completed: these are among those that were filed last.
_LATEST_COMPLETED = 500


@dataclass(frozen=True)
class Decision:
    """An approval as it stands, with the confirmed start date."""

    receipt_number: str
    start_date: date


def approved(session: Session) -> tuple[Decision, ...]:
    """Return all approvals whose application is under way, and the latest of those that are completed."""
    columns = select(ApplicationRow.receipt_number, ApplicationRow.start_date)
    under_way = columns.where(ApplicationRow.state.in_(_UNDER_WAY)).order_by(ApplicationRow.applied_at)
    completed = (
        columns.where(ApplicationRow.state == ApplicationState.COMPLETED)
        .order_by(ApplicationRow.applied_at.desc())
        .limit(_LATEST_COMPLETED)
    )
    return tuple(
        Decision(number, start)
        for query in (under_way, completed)
        for number, start in session.execute(query)
        if start is not None
    )
