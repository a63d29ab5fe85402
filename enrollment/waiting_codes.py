"""Codes of an office that wait to be redeemed, by the notice that shows them. No secret is read here."""

from dataclasses import dataclass
from datetime import date

from sqlalchemy import bindparam, func, select
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


_FIRST = func.min(CodeSetRow.expires_on)
_OF_OFFICE = (
    select(CodeSetRow.receipt_number, func.count(), _FIRST)
    .where(
        CodeSetRow.office_code == bindparam("office_code"),
        CodeSetRow.state.in_(_WAITING),
        CodeSetRow.expires_on >= bindparam("today"),
    )
    .group_by(CodeSetRow.receipt_number)
    .order_by(_FIRST, CodeSetRow.receipt_number)
)


def of_office(session: Session, office_code: str, today: date) -> tuple[WaitingCodes, ...]:
    """Return what waits, the nearest last day first; frozen codes wait for nobody of the office alone and are left out."""
    found = session.execute(_OF_OFFICE, {"office_code": office_code, "today": today})
    return tuple(WaitingCodes(*row) for row in found)
