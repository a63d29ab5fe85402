"""An answer that corrects the application: a draft that begins with what was applied for, and is confirmed again.

The receipt number stays, and so does what stood there before (`versions`). Only an application with an open question can be
corrected: while the center reviews it, nothing may change under its hands.
"""

import secrets
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import delete
from sqlalchemy.orm import Session

from kernel.clock import Clock, tokyo_date
from kernel.database import Database, insert_if_absent
from kernel.errors import Refused
from registry import attachments, drafts, proposals
from registry.applicants import contact_form
from registry.applications import versions
from registry.applications.filing import answer_queries, enter_content, lock_terminals, submitted_before
from registry.applications.records import Deed, leave_trace, locked, take_step
from registry.applications.versions import ABOLISHED, Content
from registry.changes import Present, retyped
from registry.drafts import Customer, Draft, Kind, Section
from registry.faults import Faults, Invalid, Typed
from registry.states import APPLICATION, ApplicationEvent
from registry.tables import AdditionRow, ApplicationItemRow, ApplicationRow, DraftRow, TerminalChangeRow


@dataclass(frozen=True)
class Corrections:
    """Corrects applications. Another office's application is unknown."""

    database: Database
    clock: Clock

    def begin(self, customer: Customer, receipt_number: str) -> Draft:
        """Return the customer's correction of an application, filled with the application's present version.

        One that is begun already goes on, unless another user has corrected the application since.
        Raises Refused with application-unknown or application-state.
        """
        now = self.clock.now()
        with self.database.transaction() as session:
            row = locked(session, receipt_number, office_code=customer.office_code)
            APPLICATION.step(row.state, ApplicationEvent.ANSWER)
            own = drafts.of_customer(customer, Kind(row.kind), receipt_number)
            begun = session.scalar(own.with_for_update())
            if begun is not None and begun.base_version != row.version:
                session.delete(begun)
                session.flush()
            situation = proposals.situation(session, customer.office_code, tokyo_date(now), correcting=receipt_number)
            typed = typed_of(versions.content_of(session, row), situation.present)
            values: dict[str, object] = {
                "id": secrets.token_hex(16),
                "office_code": customer.office_code,
                "login": customer.login,
                "kind": row.kind,
                "receipt_number": receipt_number,
                "base_version": row.version,
                "version": 0,
                "content": {name: dict(page) for name, page in typed.items()},
                "updated_at": now,
            }
            insert_if_absent(session, DraftRow, values)
            return drafts.draft_of(session.scalars(own).one())

    def submit(self, customer: Customer, draft_id: str, *, version: int) -> str:
        """Send a correction as the answer and return the receipt number; pressed again, the same.

        `version` is the draft's version that the confirmation showed. Raises Refused with draft-unknown, draft-stale,
        application-state, application-corrected (by another user meanwhile), and Invalid (fields `section.field`).
        """
        now = self.clock.now()
        with self.database.transaction() as session:
            draft = drafts.locked(session, customer, draft_id)
            if draft is None:
                return submitted_before(session, customer, draft_id)
            if draft.version != version:
                raise Refused("draft-stale")
            row = locked(session, draft.receipt_number, office_code=customer.office_code)
            take_step(row, ApplicationEvent.ANSWER)
            if row.version != draft.base_version:
                raise Refused("application-corrected", version=row.version)
            self._correct(session, row, draft, customer, now)
            session.delete(draft)
            return row.receipt_number

    def _correct(self, session: Session, row: ApplicationRow, draft: DraftRow, customer: Customer, now: datetime) -> None:
        number, typed = row.receipt_number, drafts.draft_of(draft)
        situation = proposals.situation(
            session, customer.office_code, tokyo_date(now), correcting=number, sections=typed.sections
        )
        proposal, answer = proposals.read(typed, situation), proposals.check_answer(typed.section(Section.REMARKS))
        if isinstance(proposal, Faults) or isinstance(answer, Faults):
            faults = [proposal] if isinstance(proposal, Faults) else []
            raise Invalid(Faults(fault for found in (*faults, answer) if isinstance(found, Faults) for fault in found))
        before = lock_terminals(session, customer.office_code, proposal.terminals)
        versions.keep(session, row)
        for table in (ApplicationItemRow, AdditionRow, TerminalChangeRow):
            session.execute(delete(table).where(table.receipt_number == number))
        row.draft_id, row.version, row.version_at, row.version_by = draft.id, row.version + 1, now, str(customer.actor)
        row.wished_start, row.remarks = proposal.choice.wished_start, proposal.remarks
        for name, value in asdict(proposal.applicant).items():
            setattr(row, f"applicant_{name}", value)
        session.flush()
        enter_content(session, number, proposal, before)
        files = attachments.hand_over(session, draft.id, number, row.version)
        answer_queries(session, row, answer, customer.actor, now, corrected=True)
        leave_trace(
            session,
            row,
            Deed("correct", customer.actor, now, news="corrected"),
            version=row.version,
            items=",".join(proposal.choice.items),
            files=len(files),
            digests=attachments.digests(files),
        )


def typed_of(content: Content, present: Present) -> dict[str, Typed]:
    """Return the pages of a wizard as filled in with a version of an application."""
    classes = {name: wanted for name, wanted in content.terminals.items() if wanted != ABOLISHED}
    return {
        str(Section.CHOICE): {"items": list(content.items), "wished_start": [content.wished_start.isoformat()]},
        str(Section.APPLICANT): contact_form(content.applicant),
        str(Section.TERMINALS): {
            **{f"add.{kind}": [str(count)] for kind, count in content.additions.items()},
            **{f"class.{name}": [wanted] for name, wanted in classes.items()},
            "abolish": [name for name, wanted in content.terminals.items() if wanted == ABOLISHED],
        },
        **{change.item: retyped(change, present) for change in content.changes},
        str(Section.REMARKS): {"remarks": [content.remarks], "answer": [""]},
    }
