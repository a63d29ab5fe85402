"""To whom an office's codes are shown: whole to one person, or in two halves to two people. The contract says which.

The administrator's half is access key and code 2, the applicant's is code 3; neither redeems anything alone. Who is who:

    administrator   an account of the office that is marked as its administrator's
    applicant       the account that submitted the application, or asked for the reissue; where that was no account of the
                    office (staff, the terminal itself, a takeover) or is an administrator's, any account that is not an
                    administrator's

So whoever is both sees the administrator's half only, and nobody is shown a half of codes whose other half they saw.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Row, String, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from enrollment import disclosure_letters, letters
from enrollment.codes import Codes
from enrollment.letters import Envelope
from enrollment.reissue_records import ReissueState
from enrollment.tables import CodeSetRow, CodeShowingRow, ReissueRow
from kernel import audit
from kernel.audit import Actor
from kernel.clock import Clock
from kernel.database import Base, Database, UtcDateTime, among, many
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
# A code set as it is read: to be changed, or for a page.
CodeSet = CodeSetRow | Row[*tuple[Any, ...]]


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


def holders_of_applicants_halves(
    session: Session, rows: Iterable[CodeSet], administrators: Collection[str]
) -> Mapping[str, str | None]:
    """Return, by sets' ids, the only account (an actor's text) that is shown the applicant's half.

    None for anyone but administrators.
    """
    asked = _asked_by(session, rows := tuple(rows))
    return {row.id: _holder(row, asked.get(row.id), administrators) for row in rows}


def part_for(session: Session, row: CodeSet, viewer: str, administrators: Collection[str]) -> Part | None:
    """Return what of a set its office's user may be shown; None for nothing, because both halves are other people's."""
    if of_office(session, row.office_code) is Disclosure.WHOLE:
        return Part.WHOLE
    holder = holders_of_applicants_halves(session, [row], administrators)[row.id]
    return half_for(viewer, administrators, holder, showings(session, [row.id]).get(row.id, ()))


def half_for(viewer: str, administrators: Collection[str], holder: str | None, shown: Iterable[Showing]) -> Part | None:
    """Return which half of a split set a user may be shown, None for none; `holder` has the applicant's, `shown` when."""
    part = Part.ADMINISTRATOR if viewer in administrators else Part.APPLICANT
    if part is Part.APPLICANT and holder not in (None, viewer):
        return None
    # Whoever becomes or ceases to be an administrator in between still sees one half only.
    return None if any(one.viewer == viewer and one.part is _OTHER[part] for one in shown) else part


_SHOWINGS = (
    select(CodeShowingRow.code_set_id, CodeShowingRow.at, CodeShowingRow.viewer, CodeShowingRow.part)
    .where(among(CodeShowingRow.code_set_id))
    .order_by(CodeShowingRow.id)
)


def showings(session: Session, ids: Collection[str]) -> Mapping[str, tuple[Showing, ...]]:
    """Return who was shown the codes of each of some sets, oldest first."""
    found: dict[str, tuple[Showing, ...]] = {}
    for code_set_id, at, viewer, part in session.execute(_SHOWINGS, many(ids)):
        found[code_set_id] = (*found.get(code_set_id, ()), Showing(at, viewer, Part(part)))
    return found


def cut(codes: Codes, part: Part) -> ShownCodes:
    """Return of the codes what belongs to a part."""
    return ShownCodes(part, **{name: getattr(codes, name) for name in FIELDS[part]})


def _holder(row: CodeSet, applicant: str | None, administrators: Collection[str]) -> str | None:
    is_account = applicant is not None and applicant.startswith(f"customer:{row.office_code}/")
    return applicant if is_account and applicant not in administrators else None


_REQUESTERS = select(ReissueRow.terminal, ReissueRow.requester).where(
    among(ReissueRow.terminal), ReissueRow.state == ReissueState.PREPARED
)


def _asked_by(session: Session, rows: Collection[CodeSet]) -> Mapping[str, str]:
    """Return, by sets' ids, who made the application or the request that a set was prepared for (an actor's text)."""
    # The sets of a notice are one application's.
    found = [applications.find(session, number) for number in {row.receipt_number for row in rows if row.receipt_number}]
    applied = {one.receipt_number: one.applied_by for one in found if one is not None}
    asked = {row.id: applied[row.receipt_number] for row in rows if row.receipt_number in applied}
    others = {row.id: row.terminal for row in rows if row.receipt_number is None}
    requested = dict(session.execute(_REQUESTERS, many(others.values())).all()) if others else {}
    return asked | {code_set: requested[terminal] for code_set, terminal in others.items() if terminal in requested}
