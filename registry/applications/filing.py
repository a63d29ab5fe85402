"""The customer's side of applications: submit, answer, withdraw."""

from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from kernel import audit
from kernel.clock import Clock, tokyo_date
from kernel.database import Database, insert_if_absent
from kernel.errors import Refused
from registry import attachments, drafts, proposals, terminals
from registry.applications import parties
from registry.applications.records import (
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
from registry.attachments import Attachment, Sent
from registry.changes import as_stored
from registry.drafts import Customer
from registry.faults import Faults, FieldFault, Invalid
from registry.items import ITEMS, TERMINALS
from registry.japanese import free_text
from registry.letters import Asked, Letters
from registry.proposals import Proposal, TerminalWishes
from registry.series import next_receipt_number
from registry.states import APPLICATION, ApplicationEvent, SystemClass, TerminalState
from registry.tables import (
    AdditionRow,
    ApplicationItemRow,
    ApplicationRow,
    DraftRow,
    QueryRow,
    TerminalChangeRow,
)


@dataclass(frozen=True)
class Applications:
    """What a customer does with applications. Another office's application is unknown to him."""

    database: Database
    clock: Clock
    letters: Letters

    def submit(self, customer: Customer, draft_id: str, *, version: int) -> str:
        """Turn a draft into an application and return its receipt number; pressed again, the same number.

        `version` is the draft's version that the confirmation showed. Writes audit, news and the receipt mails.
        Raises Refused with draft-unknown, draft-stale (shown and present content differ) or receipt-numbers-exhausted,
        and Invalid with the faults of all pages (fields `section.field`).
        """
        now = self.clock.now()
        with self.database.transaction() as session:
            draft = drafts.locked(session, customer, draft_id)
            if draft is None:
                return submitted_before(session, customer, draft_id)
            if draft.version != version:
                raise Refused("draft-stale")
            typed = drafts.draft_of(draft)
            situation = proposals.situation(session, customer.office_code, tokyo_date(now), sections=typed.sections)
            proposal = proposals.read(typed, situation)
            if isinstance(proposal, Faults):
                raise Invalid(proposal)
            row = _enter(session, draft, proposal, customer, now)
            files = attachments.hand_over(session, draft.id, row.receipt_number, row.version)
            session.delete(draft)
            facts = {"items": ",".join(proposal.choice.items)} | _told_files(files)
            leave_trace(session, row, Deed("apply", customer.actor, now), **facts)
            send(session, row, now, lambda to, office, receipt: self.letters.received(to, office, receipt, _asked(proposal)))
            return row.receipt_number

    def answer(self, customer: Customer, receipt_number: str, text: str, files: Sent | None = None) -> Application:
        """Answer the center's question, with files if there are any: the application is under review again.

        Raises Invalid (field `answer`), Refused with application-unknown or application-state.
        """
        answer = free_text("answer", text, most=WORDS_MOST, required=True)
        if isinstance(answer, FieldFault):
            raise Invalid(Faults([answer]))
        now = self.clock.now()
        with self.database.transaction() as session:
            row = locked(session, receipt_number, office_code=customer.office_code)
            take_step(row, ApplicationEvent.ANSWER)
            answer_queries(session, row, answer, customer.actor, now)
            sent = files.enter_application(session, row, customer.actor, now) if files else ()
            leave_trace(session, row, Deed("answer", customer.actor, now, news="answered"), **_told_files(sent))
            return application_of(row)

    def withdraw(self, customer: Customer, receipt_number: str, reason: str = "") -> Application:
        """Withdraw an application whose review has not ended, with a reason if the customer gives one.

        Raises Invalid (field `reason`), Refused with application-unknown or application-state.
        """
        why = free_text("reason", reason, most=WORDS_MOST, required=False)
        if isinstance(why, FieldFault):
            raise Invalid(Faults([why]))
        now = self.clock.now()
        with self.database.transaction() as session:
            row = locked(session, receipt_number, office_code=customer.office_code)
            take_step(row, ApplicationEvent.WITHDRAW)
            row.closed_at, row.reason = now, why or None
            close_changes(session, receipt_number)
            leave_trace(session, row, Deed("withdraw", customer.actor, now))
            send(session, row, now, self.letters.withdrawn)
            return application_of(row)


def submitted_before(session: Session, customer: Customer, draft_id: str) -> str:
    """Return the receipt number of what a draft has become; raise Refused("draft-unknown") when it became nothing."""
    query = select(ApplicationRow.receipt_number).where(
        ApplicationRow.draft_id == draft_id, ApplicationRow.version_by == str(customer.actor)
    )
    receipt_number = session.scalar(query) if drafts.ID.fullmatch(draft_id) else None
    if receipt_number is None:
        raise Refused("draft-unknown")
    return receipt_number


def answer_queries(
    session: Session, row: ApplicationRow, answer: str, actor: audit.Actor, now: datetime, *, corrected: bool = False
) -> None:  # fmt: skip
    """Answer what the center has asked about an application, with the version that corrects it if it does."""
    asked = select(QueryRow).where(QueryRow.receipt_number == row.receipt_number, QueryRow.answered_at.is_(None))
    for query in session.scalars(asked):
        query.answer, query.answered_at, query.answered_by = answer, now, str(actor)
        query.version = row.version if corrected else None


def _told_files(files: tuple[Attachment, ...]) -> dict[str, audit.entries.Fact]:
    return {"files": len(files), "digests": attachments.digests(files)} if files else {}


def _enter(session: Session, draft: DraftRow, proposal: Proposal, customer: Customer, now: datetime) -> ApplicationRow:
    before = lock_terminals(session, customer.office_code, proposal.terminals)
    row = ApplicationRow(
        receipt_number=next_receipt_number(session, now),
        draft_id=draft.id,
        office_code=customer.office_code,
        kind=draft.kind,
        state=APPLICATION.initial,
        applied_at=now,
        applied_by=str(customer.actor),
        version=1,
        version_at=now,
        version_by=str(customer.actor),
        wished_start=proposal.choice.wished_start,
        remarks=proposal.remarks,
        **{f"applicant_{name}": value for name, value in asdict(proposal.applicant).items()},
    )
    session.add(row)
    session.flush()
    parties.keep(session, row.receipt_number, customer.office_code)
    enter_content(session, row.receipt_number, proposal, before)
    return row


def enter_content(session: Session, number: str, proposal: Proposal, before: dict[str, SystemClass]) -> None:
    """Write what an application wants; `before` are the present classes of the terminals that are to change."""
    if TERMINALS in proposal.choice.items:
        session.add(ApplicationItemRow(receipt_number=number, item=TERMINALS, entries=[]))
    session.add_all(
        ApplicationItemRow(receipt_number=number, item=change.item, entries=as_stored(change)) for change in proposal.changes
    )
    session.add_all(AdditionRow(receipt_number=number, **asdict(addition)) for addition in proposal.terminals.additions)
    _enter_terminal_changes(session, number, proposal.terminals, before)


def _asked(proposal: Proposal) -> Asked:
    items = tuple(ITEMS[code] for code in proposal.choice.items)
    return Asked(tuple(item.ja for item in items), tuple(item.en for item in items), proposal.choice.wished_start)


def lock_terminals(session: Session, office_code: str, wishes: TerminalWishes) -> dict[str, SystemClass]:
    """Lock the terminals that are to change, by name, and return their present system classes."""
    names = {*wishes.abolitions, *(change.terminal_name for change in wishes.reclassifications)}
    present = {}
    for name in sorted(names):
        terminal = terminals.get(session, name, lock=True)
        if terminal is None or terminal.office_code != office_code or terminal.state is TerminalState.ABOLISHED:
            raise Invalid(Faults([FieldFault("terminals.abolish", "terminal-unknown", {"terminal": name})]))
        present[name] = terminal.system_class
    return present


def _enter_terminal_changes(session: Session, number: str, wishes: TerminalWishes, before: dict[str, SystemClass]) -> None:
    after: dict[str, SystemClass | None] = dict.fromkeys(wishes.abolitions)
    after |= {change.terminal_name: change.after for change in wishes.reclassifications}
    for name, wanted in after.items():
        values = {
            "receipt_number": number,
            "terminal_name": name,
            "before": before[name],
            "after": wanted,
            "is_open": True,
        }
        # The check saw no open change; the index decides when two applications come at one moment.
        if not insert_if_absent(session, TerminalChangeRow, values):
            raise Invalid(Faults([FieldFault("terminals.abolish", "terminal-busy", {"terminal": name})]))
