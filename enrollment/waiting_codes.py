"""Codes of an office that wait to be redeemed, by the notice that shows them. No secret is read here."""

from dataclasses import dataclass
from datetime import date

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from enrollment.code_sets import CodeSetState
from enrollment.tables import CodeSetRow

_WAITING = (CodeSetState.PREPARED, CodeSetState.CLAIMED)


@dataclass(frozen=True)
class WaitingCodes:
    """How many terminals of a notice have not retrieved yet, and the first last day among their codes.

    Without receipt number: the notice of reissues of terminals that were taken over.
    """

    receipt_number: str | None
    terminals: int
    expires_on: date


def of_office(session: Session, office_code: str, today: date) -> tuple[WaitingCodes, ...]:
    """Return what waits, the nearest last day first; frozen codes wait for nobody of the office alone and are left out."""
    first = func.min(CodeSetRow.expires_on)
    query = (
        select(CodeSetRow.receipt_number, func.count(), first)
        .where(CodeSetRow.office_code == office_code, CodeSetRow.state.in_(_WAITING), CodeSetRow.expires_on >= today)
        .group_by(CodeSetRow.receipt_number)
        .order_by(first, CodeSetRow.receipt_number)
    )
    return tuple(WaitingCodes(*row) for row in session.execute(query))
