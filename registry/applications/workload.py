"""What waits for the center's staff: each task as a condition on applications, for counts and for the queue."""

from collections.abc import Mapping
from enum import StrEnum

from sqlalchemy import ColumnElement, and_, func, literal_column, select
from sqlalchemy.orm import Session

from registry.items import PRICE_PLAN, TERMINALS
from registry.states import ApplicationState, TerminalState
from registry.tables import ApplicationItemRow, ApplicationRow, TerminalRow

# These two are carried out by themselves on the start date.
BY_ITSELF = (TERMINALS, PRICE_PLAN)


class Task(StrEnum):
    """`review`: to be looked at; `answer`: the customer's turn; `prepare`: codes; `execute`: items to do by hand."""

    REVIEW = "review"
    ANSWER = "answer"
    PREPARE = "prepare"
    EXECUTE = "execute"


def waits_for(task: Task) -> ColumnElement[bool]:
    """Return the condition under which an application waits for a task."""
    return _CONDITIONS[task]


def counts(session: Session) -> Mapping[Task, int]:
    """Return how many applications wait for each task."""
    return dict(zip(Task, session.execute(_COUNTS).one(), strict=True))


# Without codes for the start date: new, or with a certificate of a start date that was moved.
_NEEDING = (TerminalState.PENDING, TerminalState.IN_SERVICE)
_HAS_UNPREPARED = (
    select(TerminalRow.name)
    .where(TerminalRow.receipt_number == ApplicationRow.receipt_number, TerminalRow.state.in_(_NEEDING))
    .exists()
)
# Of all that was ever ticked, few items are neither carried out nor so by themselves: there is an index of them. It is asked as
# it says so itself: told of the two items only afterwards, no database takes it.
_UNEXECUTED = select(ApplicationItemRow.receipt_number).where(
    ApplicationItemRow.executed_at.is_(None),
    ApplicationItemRow.item.not_in([literal_column(f"'{item}'") for item in BY_ITSELF]),
)
_CONDITIONS: dict[Task, ColumnElement[bool]] = {
    Task.REVIEW: ApplicationRow.state == ApplicationState.APPLIED,
    Task.ANSWER: ApplicationRow.state == ApplicationState.QUERIED,
    Task.PREPARE: and_(ApplicationRow.state == ApplicationState.APPROVED, _HAS_UNPREPARED),
    Task.EXECUTE: and_(
        ApplicationRow.state.in_((ApplicationState.APPROVED, ApplicationState.PREPARED)),
        ApplicationRow.receipt_number.in_(_UNEXECUTED),
    ),
}
_COUNTS = select(*(select(func.count()).where(_CONDITIONS[task]).scalar_subquery() for task in Task))
