"""Where documents are handed out: form and bill at any time, the notice from the start date on (Tokyo), as issued."""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from sqlalchemy.orm import Session

from enrollment.documents import bills, facts, store
from enrollment.documents.children import Children
from enrollment.documents.facts import Publisher
from kernel.clock import Clock, tokyo_date
from kernel.database import Database
from kernel.errors import Refused
from registry import applications
from registry.applications import Application
from registry.billing.months import Month
from registry.states import ApplicationState

_APPROVED = (ApplicationState.APPROVED, ApplicationState.PREPARED, ApplicationState.COMPLETED)
_ENDED = (ApplicationState.CANCELLED, ApplicationState.VOID)


class NoticeState(StrEnum):
    """`none` before the approval; `being_made` until the job has been there; `waiting` for the start date; `ready`.

    `ended`: the approval was cancelled or is void, so the notice is handed out no more.
    """

    NONE = "none"
    BEING_MADE = "being_made"
    WAITING = "waiting"
    READY = "ready"
    ENDED = "ended"


@dataclass(frozen=True)
class NoticeStanding:
    """How an application's notice stands; `available_from` is its start date."""

    state: NoticeState
    available_from: date | None = None
    edition: int = 0


@dataclass(frozen=True)
class Desk:
    """Hands documents out. Whose application it is, the door has asked before."""

    database: Database
    clock: Clock
    publisher: Publisher
    children: Children

    def standing(self, application: Application) -> NoticeStanding:
        """Tell how an application's notice stands today."""
        with self.database.snapshot() as session:
            return self.standing_in(session, application)

    def standing_in(self, session: Session, application: Application) -> NoticeStanding:
        """Tell it in a snapshot that is open."""
        return _standing(session, application, tokyo_date(self.clock.now()))

    def form(self, receipt_number: str) -> bytes:
        """Return an application's form as PDF, the same octets as long as the application says the same.

        Raises Refused("application-unknown"), and Unavailable while too many are being made.
        """
        with self.database.snapshot() as session:
            told = facts.application_form(session, receipt_number, self.publisher)
            applied_at = facts.applied_at(session, receipt_number)
        return self.children.typeset(told, applied_at)

    def bill(self, office_code: str, month: Month) -> bytes:
        """Return the bill of a month that is closed as PDF, always the same octets.

        Raises Refused("bill-unknown"), and Unavailable while too many are being made.
        """
        with self.database.snapshot() as session:
            told, closed_at = bills.bill(session, office_code, month, self.publisher)
        return self.children.typeset(told, closed_at)

    def notice(self, receipt_number: str, *, before_start: bool = False) -> bytes:
        """Return an application's notice as issued; `before_start` for staff, who may read it earlier.

        Raises Refused with application-unknown, notice-none, notice-being-made, notice-early (with `start_date`), notice-ended.
        """
        today = tokyo_date(self.clock.now())
        with self.database.snapshot() as session:
            application = applications.find(session, receipt_number)
            if application is None:
                raise Refused("application-unknown", receipt_number=receipt_number)
            standing = _standing(session, application, today)
            match standing.state:
                case NoticeState.NONE | NoticeState.BEING_MADE | NoticeState.ENDED:
                    raise Refused(f"notice-{standing.state.value.replace('_', '-')}")
                case NoticeState.WAITING if not before_start:
                    raise Refused("notice-early", start_date=standing.available_from)
            kept = store.latest(session, receipt_number)
            if kept is None:
                raise LookupError(receipt_number)
            return store.content_of(session, kept)


def _standing(session: Session, application: Application, today: date) -> NoticeStanding:
    if application.state in _ENDED and application.start_date is not None:
        return NoticeStanding(NoticeState.ENDED)
    if application.state not in _APPROVED or application.start_date is None:
        return NoticeStanding(NoticeState.NONE)
    kept = store.latest(session, application.receipt_number)
    # After a move the old one says a wrong day: it waits for the new one.
    if kept is None or kept.start_date != application.start_date:
        return NoticeStanding(NoticeState.BEING_MADE, application.start_date)
    is_ready = today >= application.start_date
    return NoticeStanding(NoticeState.READY if is_ready else NoticeState.WAITING, application.start_date, kept.edition)
