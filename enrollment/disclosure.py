"""To whom an office's codes are shown: whole to one person, or in two halves to two people. The contract says which.

The administrator's half is access key and code 2, the applicant's is code 3; neither redeems anything alone. Who is who:

    administrator   an account of the office that is marked as its administrator's
    applicant       the account that submitted the application, or asked for the reissue; where that was no account of the
                    office (staff, the terminal itself, a takeover) or is an administrator's, any account that is not an
                    administrator's

So whoever is both sees the administrator's half only, and nobody is shown a half of codes whose other half they saw.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from sqlalchemy import String, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from enrollment import disclosure_letters, letters
from enrollment.codes import Codes
from enrollment.letters import Envelope
from enrollment.reissue_records import ReissueState
from enrollment.tables import CodeSetRow, CodeShowingRow, ReissueRow
from kernel import audit
from kernel.audit import Actor
from kernel.clock import Clock
from kernel.database import Base, Database, UtcDateTime
from kernel.errors import Refused
from registry import applications, offices
from registry.letters import Letters


class Disclosure(StrEnum):
    """What a contract says about showing codes."""

    WHOLE = "whole"
    SPLIT = "split"


class Part(StrEnum):
    """What of a set's codes one person is shown."""

    WHOLE = "whole"
    ADMINISTRATOR = "administrator"
    APPLICANT = "applicant"


FIELDS: dict[Part, tuple[str, ...]] = {
    Part.WHOLE: ("access_key", "auth_code_2", "auth_code_3"),
    Part.ADMINISTRATOR: ("access_key", "auth_code_2"),
    Part.APPLICANT: ("auth_code_3",),
}
_OTHER = {Part.ADMINISTRATOR: Part.APPLICANT, Part.APPLICANT: Part.ADMINISTRATOR}


class CodeDisclosureRow(Base):
    """What an office's contract says; an office without a row has its codes shown whole."""

    __tablename__ = "enrollment_code_disclosure"

    office_code: Mapped[str] = mapped_column(String(6), primary_key=True)
    disclosure: Mapped[str] = mapped_column(String(10))
    changed_at: Mapped[datetime] = mapped_column(UtcDateTime)
    changed_by: Mapped[str] = mapped_column(String(100))


@dataclass(frozen=True)
class ShownCodes:
    """What somebody is shown of a terminal's codes; None for what is the other person's. Secrets stay out of `repr`."""

    part: Part
    access_key: str | None = field(default=None, repr=False)
    auth_code_2: str | None = field(default=None, repr=False)
    auth_code_3: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Showing:
    """One time that codes were shown: when, to whom (an actor's text), and which part of them."""

    at: datetime
    viewer: str
    part: Part = Part.WHOLE


@dataclass(frozen=True)
class Disclosures:
    """Lets staff change what an office's contract says."""

    database: Database
    clock: Clock
    letters: Letters = letters.PLAIN

    def choose(self, office_code: str, disclosure: Disclosure, actor: Actor) -> bool:
        """Change it from now on, also for codes that are prepared, and tell the administrator; return False if it was so.

        Raises Refused("office-unknown").
        """
        now = self.clock.now()
        with self.database.transaction() as session:
            if offices.get(session, office_code) is None:
                raise Refused("office-unknown", office_code=office_code)
            row = session.get(CodeDisclosureRow, office_code, with_for_update=True)
            if (row.disclosure if row else Disclosure.WHOLE) == disclosure:
                return False
            row = row or CodeDisclosureRow(office_code=office_code)
            row.disclosure, row.changed_at, row.changed_by = disclosure.value, now, str(actor)
            session.add(row)
            audit.record(
                session,
                now=now,
                actor=actor,
                action="contract.disclose",
                subject=f"office:{office_code}",
                office_code=office_code,
                disclosure=disclosure.value,
            )
            disclosure_letters.post_chosen(
                Envelope(session, self.letters, office_code, now), is_split=disclosure is Disclosure.SPLIT
            )
        return True


def of_office(session: Session, office_code: str) -> Disclosure:
    """Return what an office's contract says."""
    row = session.get(CodeDisclosureRow, office_code)
    return Disclosure(row.disclosure) if row else Disclosure.WHOLE


def holder_of_applicants_half(session: Session, row: CodeSetRow, administrators: Collection[str]) -> str | None:
    """Return the only account (an actor's text) that is shown the applicant's half; None for anyone but administrators."""
    applicant = _asked_by(session, row)
    is_account = applicant is not None and applicant.startswith(f"customer:{row.office_code}/")
    return applicant if is_account and applicant not in administrators else None


def part_for(session: Session, row: CodeSetRow, viewer: str, administrators: Collection[str]) -> Part | None:
    """Return what of a set its office's user may be shown; None for nothing, because both halves are other people's."""
    if of_office(session, row.office_code) is Disclosure.WHOLE:
        return Part.WHOLE
    part = Part.ADMINISTRATOR if viewer in administrators else Part.APPLICANT
    if part is Part.APPLICANT and holder_of_applicants_half(session, row, administrators) not in (None, viewer):
        return None
    # Whoever becomes or ceases to be an administrator in between still sees one half only.
    other = select(CodeShowingRow.id).where(
        CodeShowingRow.code_set_id == row.id, CodeShowingRow.viewer == viewer, CodeShowingRow.part == _OTHER[part].value
    )
    return None if session.scalar(other.limit(1)) is not None else part


def cut(codes: Codes, part: Part) -> ShownCodes:
    """Return of the codes what belongs to a part."""
    return ShownCodes(part, **{name: getattr(codes, name) for name in FIELDS[part]})


def _asked_by(session: Session, row: CodeSetRow) -> str | None:
    """Return who made the application or the request that the set was prepared for (an actor's text)."""
    if row.receipt_number is not None:
        application = applications.find(session, row.receipt_number)
        return application.applied_by if application else None
    query = select(ReissueRow.requester).where(ReissueRow.terminal == row.terminal, ReissueRow.state == ReissueState.PREPARED)
    return session.scalar(query.limit(1))
