"""Versions of an application: what stood in it before the customer corrected it, and what a correction changed.

    content_of(session, row) -> Content              the present version
    present_content(session, receipt_number) -> Content
    content_of_proposal(proposal) -> Content         what a correction would make of it
    differences(old, new) -> tuple[Difference, ...]
    keep(session, row)                               before a correction overwrites it
    revisions(session, row) -> tuple[Revision, ...]  for pages: each correction with its differences

The present version lies in the application's own rows; those before it are kept as JSON and never change.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import date, datetime
from itertools import pairwise
from typing import Any

from sqlalchemy import JSON, ForeignKey, Row, String, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from kernel.database import Base, UtcDateTime
from registry.applicants import Contact
from registry.changes import Entry, ItemChange, as_stored, from_stored
from registry.forms import FORMS
from registry.items import ITEMS, TERMINALS
from registry.offices import CONTACT_FIELDS
from registry.proposals import Proposal
from registry.tables import AdditionRow, ApplicationItemRow, ApplicationRow, TerminalChangeRow

ABOLISHED = "abolish"


class VersionRow(Base):
    """A version that a correction replaced: when it was made and by whom, and its content (`Content.as_stored`)."""

    __tablename__ = "registry_application_version"

    receipt_number: Mapped[str] = mapped_column(ForeignKey(ApplicationRow.receipt_number), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    made_at: Mapped[datetime] = mapped_column(UtcDateTime)
    made_by: Mapped[str] = mapped_column(String(100))
    content: Mapped[dict[str, Any]] = mapped_column(JSON)


@dataclass(frozen=True)
class Content:
    """All that a customer can correct. `additions` by `device.system`, `terminals` by name: a system class or `ABOLISHED`."""

    wished_start: date
    items: tuple[str, ...]
    applicant: Contact
    remarks: str
    additions: Mapping[str, int] = field(default_factory=dict)
    terminals: Mapping[str, str] = field(default_factory=dict)
    changes: tuple[ItemChange, ...] = ()

    def as_stored(self) -> dict[str, Any]:
        """Return the content as JSON."""
        return {
            "wished_start": self.wished_start.isoformat(),
            "items": list(self.items),
            "applicant": asdict(self.applicant),
            "remarks": self.remarks,
            "additions": dict(self.additions),
            "terminals": dict(self.terminals),
            "changes": {change.item: as_stored(change) for change in self.changes},
        }

    @classmethod
    def from_stored(cls, stored: Mapping[str, Any]) -> "Content":
        """Return a content from its JSON."""
        return cls(
            wished_start=date.fromisoformat(stored["wished_start"]),
            items=tuple(stored["items"]),
            applicant=Contact(**stored["applicant"]),
            remarks=stored["remarks"],
            additions=stored["additions"],
            terminals=stored["terminals"],
            changes=tuple(from_stored(item, stored["changes"][item]) for item in ITEMS if item in stored["changes"]),
        )


@dataclass(frozen=True)
class Difference:
    """One thing that a correction changed, as codes; an empty text is "nothing".

    `place` is choice, applicant, terminals, remarks or an item's code; `row` a terminal, a kind of terminals or what names a
    row of the item's list; `field` the field.
    """

    place: str
    row: str
    field: str
    before: str
    after: str


@dataclass(frozen=True)
class Revision:
    """A correction: the version that it made, when and by whom, and what differs from the one before."""

    version: int
    made_at: datetime
    made_by: str
    differences: tuple[Difference, ...]


def content_of(session: Session, row: ApplicationRow | Row[*tuple[Any, ...]]) -> Content:
    """Return an application's present version."""
    number = row.receipt_number
    items = {one.item: one for one in session.scalars(select(ApplicationItemRow).filter_by(receipt_number=number))}
    additions = session.scalars(select(AdditionRow).filter_by(receipt_number=number)).all()
    terminals = session.scalars(select(TerminalChangeRow).filter_by(receipt_number=number)).all()
    present = tuple(code for code in ITEMS if code in items)
    return Content(
        wished_start=row.wished_start,
        items=present,
        applicant=Contact(**{name: getattr(row, f"applicant_{name}") for name in CONTACT_FIELDS}),
        remarks=row.remarks,
        additions=dict(sorted((f"{one.device_class}.{one.system_class}", one.count) for one in additions)),
        terminals=dict(sorted((one.terminal_name, one.after.value if one.after else ABOLISHED) for one in terminals)),
        changes=tuple(from_stored(code, items[code].entries) for code in present if code != TERMINALS),
    )


def present_content(session: Session, receipt_number: str) -> Content:
    """Return the present version of an application that is there."""
    return content_of(session, session.get_one(ApplicationRow, receipt_number))


def content_of_proposal(proposal: Proposal) -> Content:
    """Return what an application would say that was made of a proposal."""
    wishes = proposal.terminals
    after = {change.terminal_name: change.after.value for change in wishes.reclassifications}
    return Content(
        wished_start=proposal.choice.wished_start,
        items=proposal.choice.items,
        applicant=proposal.applicant,
        remarks=proposal.remarks,
        additions=dict(sorted((f"{one.device_class}.{one.system_class}", one.count) for one in wishes.additions)),
        terminals=dict(sorted({**after, **dict.fromkeys(wishes.abolitions, ABOLISHED)}.items())),
        changes=proposal.changes,
    )


def keep(session: Session, row: ApplicationRow) -> None:
    """Keep an application's present version, before it is overwritten."""
    session.add(
        VersionRow(
            receipt_number=row.receipt_number,
            version=row.version,
            made_at=row.version_at,
            made_by=row.version_by,
            content=content_of(session, row).as_stored(),
        )
    )


def revisions(session: Session, row: ApplicationRow | Row[*tuple[Any, ...]]) -> tuple[Revision, ...]:
    """Return an application's corrections, the latest first."""
    if row.version == 1:
        return ()
    query = select(VersionRow).filter_by(receipt_number=row.receipt_number).order_by(VersionRow.version)
    kept = [(one.version, one.made_at, one.made_by, Content.from_stored(one.content)) for one in session.scalars(query)]
    made = [*kept, (row.version, row.version_at, row.version_by, content_of(session, row))]
    found = [Revision(version, at, by, differences(before[3], content)) for before, (version, at, by, content) in pairwise(made)]
    return tuple(reversed(found))


def differences(old: Content, new: Content) -> tuple[Difference, ...]:
    """Return what differs between two versions, in the order of the pages."""
    return tuple(one for one in _compared(old, new) if one.before != one.after)


def _compared(old: Content, new: Content) -> Iterator[Difference]:
    yield Difference("choice", "", "wished_start", old.wished_start.isoformat(), new.wished_start.isoformat())
    yield Difference("choice", "", "items", ",".join(old.items), ",".join(new.items))
    for name in CONTACT_FIELDS:
        yield Difference("applicant", "", name, getattr(old.applicant, name), getattr(new.applicant, name))
    for kind in sorted({*old.additions, *new.additions}):
        before, after = (str(content.additions.get(kind, "")) for content in (old, new))
        yield Difference(TERMINALS, kind, "count", before, after)
    for name in sorted({*old.terminals, *new.terminals}):
        yield Difference(TERMINALS, name, "becomes", old.terminals.get(name, ""), new.terminals.get(name, ""))
    changes = [{change.item: change for change in content.changes} for content in (old, new)]
    for item in ITEMS:
        if any(item in by_item for by_item in changes):
            yield from _of_item(item, *(by_item.get(item, ItemChange(item)) for by_item in changes))
    yield Difference("remarks", "", "remarks", old.remarks, new.remarks)


def _of_item(item: str, old: ItemChange, new: ItemChange) -> Iterator[Difference]:
    rows = [_rows(change) for change in (old, new)]
    for name in dict.fromkeys((*rows[0], *rows[1])):
        entries = [by_name.get(name) for by_name in rows]
        # What one version leaves as it is, the contract says, as the other version knows it.
        present = {code: text for entry in entries if entry and entry.before for code, text in entry.before.items()}
        before, after = (_values(entry, present) for entry in entries)
        for code in (*(asked.code for asked in FORMS[item].fields), "delete"):
            yield Difference(item, name, code, before.get(code, ""), after.get(code, ""))


def _rows(change: ItemChange) -> dict[str, Entry]:
    """Return a change's entries by what names their rows; rows that get their names later are counted."""
    found: dict[str, Entry] = {}
    for entry in change.entries:
        values = entry.before or entry.after or {}
        named = " ".join(values[name] for name in FORMS[change.item].names if values.get(name))
        found[named or (f"+{len(found) + 1}" if entry.before is None and FORMS[change.item].is_list else "")] = entry
    return found


def _values(entry: Entry | None, present: Mapping[str, str]) -> Mapping[str, str]:
    """Return what shall stand in a row."""
    if entry is None:
        return present
    if entry.after is None:
        return {**present, "delete": "yes"}
    return {**present, **{code: entry.after.get(code, "") for code in entry.changed}}
