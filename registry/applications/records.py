"""An application as other rooms see it, and the steps that every deed on one has in common."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Row, bindparam, select, update
from sqlalchemy.orm import Session

from kernel import audit
from kernel.errors import Refused
from registry import letters, news, offices
from registry.applicants import Contact
from registry.changes import counted, from_stored
from registry.drafts import Kind
from registry.news import RECEIPT_NUMBER, NewsKind
from registry.offices import CONTACT_FIELDS
from registry.states import APPLICATION, OPEN_STATES, ApplicationEvent, ApplicationState
from registry.tables import ApplicationItemRow, ApplicationRow, TerminalChangeRow

# Characters of what the center asks or gives as a reason, and of a customer's answer.
WORDS_MOST = 1000


# 種別 of the news about an application.
NEWS_KINDS = {
    Kind.CONTRACT_CHANGE: NewsKind.APPLICATION,
    Kind.SYSTEM_SETTINGS: NewsKind.SETTINGS,
    Kind.BROKER_IDS: NewsKind.APPLICATION,
}


@dataclass(frozen=True)
class Application:
    """An application as it stood when it was read; `applied_by`, `approver` and `mover` are actors as the audit log names them.

    `mover` moved the start date after the approval; neither prepares its codes.
    """

    receipt_number: str
    office_code: str
    kind: Kind
    state: ApplicationState
    applied_at: datetime
    applied_by: str
    version: int
    applicant: Contact
    wished_start: date
    remarks: str
    reviewed_at: datetime | None
    approver: str | None
    mover: str | None
    start_date: date | None
    settings_deadline: date | None
    closed_at: datetime | None
    reason: str | None


def find(session: Session, receipt_number: str, *, lock: bool = False) -> Application | None:
    """Return an application; `lock` holds its row until the transaction ends."""
    row = row_of(session, receipt_number, lock=lock)
    return None if row is None else application_of(row)


def last_applicant(session: Session, office_code: str) -> Contact | None:
    """Return the applicant of an office's latest application, to fill the next one's page with."""
    query = (
        select(ApplicationRow)
        .where(ApplicationRow.office_code == office_code)
        .order_by(ApplicationRow.applied_at.desc(), ApplicationRow.receipt_number.desc())
        .limit(1)
    )
    row = session.scalar(query)
    return None if row is None else _applicant_of(row)


_OPEN = (
    select(ApplicationRow.__table__)
    .where(ApplicationRow.office_code == bindparam("office_code"), ApplicationRow.state.in_(OPEN_STATES))
    .order_by(ApplicationRow.applied_at, ApplicationRow.receipt_number)
)


def open_of_office(session: Session, office_code: str) -> tuple[Application, ...]:
    """Return those applications of an office of which something is still to come, the oldest first."""
    return tuple(application_of(row) for row in session.execute(_OPEN, {"office_code": office_code}))


def applicants(session: Session, receipt_numbers: Collection[str]) -> dict[str, Contact]:
    """Return the applicants of many applications, by receipt number."""
    query = select(ApplicationRow).where(ApplicationRow.receipt_number.in_(receipt_numbers))
    return {row.receipt_number: _applicant_of(row) for row in session.scalars(query)}


def application_of(row: ApplicationRow | Row[*tuple[Any, ...]]) -> Application:
    """Return a row's content."""
    return Application(
        receipt_number=row.receipt_number,
        office_code=row.office_code,
        kind=Kind(row.kind),
        state=row.state,
        applied_at=row.applied_at,
        applied_by=row.applied_by,
        version=row.version,
        applicant=_applicant_of(row),
        wished_start=row.wished_start,
        remarks=row.remarks,
        reviewed_at=row.reviewed_at,
        approver=row.approved_by,
        mover=row.moved_by,
        start_date=row.start_date,
        settings_deadline=row.settings_deadline,
        closed_at=row.closed_at,
        reason=row.reason,
    )


def locked(session: Session, receipt_number: str, *, office_code: str | None = None) -> ApplicationRow:
    """Return an application's row, locked; another office's is as unknown as none: Refused("application-unknown")."""
    row = row_of(session, receipt_number, lock=True)
    if row is None or office_code not in (None, row.office_code):
        raise Refused("application-unknown", receipt_number=receipt_number)
    return row


def take_step(row: ApplicationRow, event: ApplicationEvent) -> None:
    """Take an application through an event; raise Refused("application-state", state=…, event=…)."""
    row.state = APPLICATION.step(row.state, event)


@dataclass(frozen=True)
class Deed:
    """Who does what when; the news line is named after the state that is reached unless `news` says otherwise."""

    verb: str
    actor: audit.Actor
    now: datetime
    news: str | None = None


def leave_trace(session: Session, row: ApplicationRow, deed: Deed, **facts: audit.entries.Fact) -> None:
    """Write a deed's audit entry and its news line."""
    audit.record(
        session,
        now=deed.now,
        actor=deed.actor,
        action=f"application.{deed.verb}",
        subject=f"application:{row.receipt_number}",
        office_code=row.office_code,
        **facts,
    )
    news.publish(
        session,
        now=deed.now,
        office_code=row.office_code,
        kind=NEWS_KINDS[Kind(row.kind)],
        code=f"application-{row.state if deed.news is None else deed.news}",
        target=f"application:{row.receipt_number}",
        about=_about(session, row),
    )


# What news call an application for brokers' IDs that adds none.
DELETES_BROKERS = "broker_ids_deleted"


def _about(session: Session, row: ApplicationRow) -> str:
    """Return what the news call an application: its kind's name."""
    if row.kind != Kind.BROKER_IDS:
        return row.kind
    item = session.get(ApplicationItemRow, (row.receipt_number, row.kind))
    is_adding = item is not None and counted(from_stored(item.item, item.entries)).added > 0
    return row.kind if is_adding else DELETES_BROKERS


Write = Callable[[Contact, offices.Office, letters.Receipt], letters.Letter]


def send(session: Session, row: ApplicationRow, now: datetime, write: Write) -> None:
    """Put a mail to applicant and administrator into the outbox."""
    office = offices.get(session, row.office_code)
    if office is None:
        raise LookupError(row.office_code)
    receipt = letters.receipt(row.receipt_number, row.applied_at)
    contacts = (_applicant_of(row), office.administrator)
    letters.post(session, lambda contact: write(contact, office, receipt), now=now, office=office, contacts=contacts)


def close_changes(session: Session, receipt_number: str) -> None:
    """Give up the changes of terminals that an application still holds open: another one may change them now."""
    session.execute(
        update(TerminalChangeRow)
        .where(TerminalChangeRow.receipt_number == receipt_number, TerminalChangeRow.is_open)
        .values(is_open=False)
    )


def row_of(session: Session, receipt_number: str, *, lock: bool = False) -> ApplicationRow | None:
    """Return an application's row, for this room's use; what is no receipt number at all never reaches the database."""
    if RECEIPT_NUMBER.fullmatch(receipt_number) is None:
        return None
    if lock:
        session.flush()  # what was changed here must not be overwritten by what is read again
    # A row that the session read before the lock may have changed since: it is read again.
    return session.get(ApplicationRow, receipt_number, with_for_update=lock or None, populate_existing=lock)


def _applicant_of(row: ApplicationRow | Row[*tuple[Any, ...]]) -> Contact:
    return Contact(**{name: getattr(row, f"applicant_{name}") for name in CONTACT_FIELDS})
