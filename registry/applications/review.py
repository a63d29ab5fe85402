"""The center's side of applications: ask, approve, reject, and tell what was carried out by hand."""

from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from kernel import audit
from kernel.clock import Clock, tokyo_date
from kernel.database import Database
from kernel.errors import Refused
from registry import calendar, news, offices, soundness, terminals
from registry.applications.records import (
    NEWS_KINDS,
    WORDS_MOST,
    Application,
    Deed,
    application_of,
    close_changes,
    leave_trace,
    locked,
    send,
    take_step,
)
from registry.changes import ItemChange, changes_company, counted, from_stored
from registry.drafts import Kind
from registry.execution import carry_out
from registry.faults import Faults, FieldFault, Invalid
from registry.items import ITEMS, PRICE_PLAN, TERMINALS
from registry.japanese import free_text
from registry.letters import Letters
from registry.news import NewsKind
from registry.states import ApplicationEvent, ApplicationState
from registry.tables import AdditionRow, ApplicationItemRow, ApplicationRow, QueryRow
from registry.terminals import Batch


@dataclass(frozen=True)
class Review:
    """What the center does with applications."""

    database: Database
    clock: Clock
    letters: Letters

    def query(self, receipt_number: str, question: str, *, actor: audit.Actor) -> Application:
        """Ask the customer something: he answers or withdraws.

        Raises Invalid (field `question`), Refused with application-unknown or application-state.
        """
        asked = _words("question", question)
        now = self.clock.now()
        with self.database.transaction() as session:
            row = locked(session, receipt_number)
            take_step(row, ApplicationEvent.QUERY)
            session.add(QueryRow(receipt_number=receipt_number, question=asked, asked_at=now, asked_by=str(actor)))
            leave_trace(session, row, Deed("query", actor, now))
            send(session, row, now, lambda to, office, receipt: self.letters.queried(to, office, receipt, asked))
            return application_of(row)

    def approve(self, receipt_number: str, start_date: date, *, approver: audit.Actor, version: int | None = None) -> Application:
        """End the review: confirm a start date, which may differ from the wish, and name the new terminals.

        With a `version` only that version is approved: the one that the approver has read. Raises Refused with
        application-unknown, application-state, application-corrected, approver-is-applicant, date-past, date-far,
        settings-too-late (with `deadline`), terminal-names-exhausted, item-outdated (see `soundness`).
        """
        now = self.clock.now()
        with self.database.transaction() as session:
            row = locked(session, receipt_number)
            take_step(row, ApplicationEvent.APPROVE)
            if version not in (None, row.version):
                raise Refused("application-corrected", version=row.version)
            if str(approver) in (row.applied_by, row.version_by):
                raise Refused("approver-is-applicant")
            today = tokyo_date(now)
            calendar.check_start(start_date, today)
            deadline = settings_deadline(session, receipt_number, start_date, today)
            _require_sound(session, row)
            row.approved_by, row.reviewed_at = str(approver), now
            row.start_date, row.settings_deadline = start_date, deadline
            named = _name_terminals(session, row, start_date, now)
            leave_trace(session, row, Deed("approve", approver, now), start_date=start_date.isoformat(), terminals=len(named))
            send(
                session,
                row,
                now,
                lambda to, office, receipt: self.letters.reviewed(
                    to, office, receipt, start_date=start_date, settings_deadline=deadline
                ),
            )
            return application_of(row)

    def reject(self, receipt_number: str, reason: str, *, actor: audit.Actor) -> Application:
        """Reject an application under review.

        Raises Invalid (field `reason`), Refused with application-unknown or application-state.
        """
        why = _words("reason", reason)
        now = self.clock.now()
        with self.database.transaction() as session:
            row = locked(session, receipt_number)
            take_step(row, ApplicationEvent.REJECT)
            row.reviewed_at = row.closed_at = now
            row.reason = why
            close_changes(session, receipt_number)
            leave_trace(session, row, Deed("reject", actor, now))
            send(session, row, now, lambda to, office, receipt: self.letters.rejected(to, office, receipt, why))
            return application_of(row)

    def mark_executed(self, receipt_number: str, item: str, *, actor: audit.Actor) -> Application:
        """Note that staff have carried out an item, and change the contract accordingly.

        Raises Refused with application-unknown, application-state (it is not approved or prepared), item-unknown
        (not ticked), item-typed (terminals and price plan are carried out by themselves), item-executed (already), and
        as `execution.carry_out` does, above all contract-differs: then nothing is changed.
        """
        now = self.clock.now()
        with self.database.transaction() as session:
            row = locked(session, receipt_number)
            if row.state not in (ApplicationState.APPROVED, ApplicationState.PREPARED) or row.start_date is None:
                raise Refused("application-state", state=row.state.value, event="mark-executed")
            if item in (TERMINALS, PRICE_PLAN):
                raise Refused("item-typed", item=item)
            ticked = session.get(ApplicationItemRow, (receipt_number, item)) if item in ITEMS else None
            if ticked is None:
                raise Refused("item-unknown", item=item)
            if ticked.executed_at is not None:
                raise Refused("item-executed", item=item)
            change = from_stored(item, ticked.entries)
            carry_out(session, row.office_code, change, row.start_date)
            ticked.executed_at, ticked.executed_by = now, str(actor)
            _tell_execution(session, row, change, Deed("execute", actor, now))
            return application_of(row)


def _tell_execution(session: Session, row: ApplicationRow, change: ItemChange, deed: Deed) -> None:
    """Write audit and news of an item that was carried out; a company's change is told to all its offices."""
    counts = counted(change)
    audit.record(
        session,
        now=deed.now,
        actor=deed.actor,
        action=f"application.{deed.verb}",
        subject=f"application:{row.receipt_number}",
        office_code=row.office_code,
        item=change.item,
        added=counts.added,
        changed=counts.changed,
        removed=counts.removed,
    )
    news.publish(
        session,
        now=deed.now,
        office_code=row.office_code,
        kind=NEWS_KINDS[Kind(row.kind)],
        code="item-executed",
        target=f"application:{row.receipt_number}",
        item=change.item,
    )
    if not changes_company(change):
        return
    for office_code in offices.siblings(session, row.office_code):
        audit.record(
            session,
            now=deed.now,
            actor=deed.actor,
            action="company.change",
            subject=f"office:{office_code}",
            office_code=office_code,
            item=change.item,
        )
        news.publish(session, now=deed.now, office_code=office_code, kind=NewsKind.APPLICATION, code="company-changed")


def _words(field: str, text: str) -> str:
    words = free_text(field, text, most=WORDS_MOST, required=True)
    if isinstance(words, FieldFault):
        raise Invalid(Faults([words]))
    return words


def _require_sound(session: Session, row: ApplicationRow) -> None:
    """Raise Refused("item-outdated") when an item can not be carried out any more: rules changed since it was applied for."""
    query = select(ApplicationItemRow).where(
        ApplicationItemRow.receipt_number == row.receipt_number, ApplicationItemRow.executed_at.is_(None)
    )
    for ticked in session.scalars(query.order_by(ApplicationItemRow.item)):
        soundness.require(row.office_code, from_stored(ticked.item, ticked.entries))


def settings_deadline(session: Session, receipt_number: str, start_date: date, today: date) -> date | None:
    """Return the last day for system settings, if a ticked item that is not carried out needs them.

    Raises Refused("settings-too-late") when it has passed already.
    """
    query = select(ApplicationItemRow.item).where(
        ApplicationItemRow.receipt_number == receipt_number, ApplicationItemRow.executed_at.is_(None)
    )
    if not any(ITEMS[item].needs_settings for item in session.scalars(query)):
        return None
    deadline = calendar.settings_deadline(start_date)
    if deadline < today:
        raise Refused("settings-too-late", deadline=deadline)
    return deadline


def _name_terminals(session: Session, row: ApplicationRow, start_date: date, now: datetime) -> tuple[str, ...]:
    # By device class, so that two approvals at one moment lock the counters of names in the same order.
    query = (
        select(AdditionRow)
        .where(AdditionRow.receipt_number == row.receipt_number)
        .order_by(AdditionRow.device_class, AdditionRow.system_class)
    )
    named: list[str] = []
    for addition in session.scalars(query).all():
        batch = Batch(
            addition.device_class,
            addition.system_class,
            addition.count,
            row.office_code,
            start_date,
            row.receipt_number,
        )
        named += [terminal.name for terminal in terminals.create(session, batch, now)]
    return tuple(named)
