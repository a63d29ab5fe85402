"""変更前・変更後: what an application would make of an item, row by row, and the check of what was typed for it.

    check_item(item, typed, ground, may_stay=…) -> ItemChange | Faults
    prefilled(item, present) -> Typed                       the page as the contract says it, to be written over
    retyped(change, present) -> Typed                       the page as it was when it led to a change
    told(change, language) -> tuple[ToldEntry, ...]         before and after in words; only what differs
    counted(change) -> Counts                               for the result block
    changes_company(change) -> bool                         all offices of the company are told
    as_stored(change), from_stored(item, stored)

Fields of a page: a form's are called by their codes, a list's `<ref>.<field>` and `<ref>.delete`, new rows' `new1.<field>`.
What the contract says already is never refused; a field that was not sent stays as it is. Fault codes, besides those of
the fields: unchanged, owned-none, row-twice, row-last, own-office, office-unknown, receipt-unknown, date-past, date-far (with
`last`), date-old, day-before-start (both with `first`), latin-required (with `most`). What is wrong with a whole list is told
of the field `entries`.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from registry.calendar import HORIZON
from registry.faults import Faults, FieldFault, Typed, first
from registry.fields import DAY, Field, Language, Owned
from registry.forms import FORMS, OFFICE_CODE, RECEIPT, Edit, Form

# New rows at once.
NEW_MOST = 20
# RFC 5280 appendix A.1: ub-organization-name; without a Latin name the Japanese one stands in the certificates.
ORGANIZATION_MOST = 64

# A row's fields by their codes; an empty text is "none".
Values = Mapping[str, str]


@dataclass(frozen=True)
class Row:
    """A row of the contract as it stands; `ref` tells it from the item's other rows, and is empty for a form's only one."""

    ref: str
    values: Values


Present = Mapping[str, tuple[Row, ...]]


@dataclass(frozen=True)
class Known:
    """Of what is referred to, that which is there: offices, and receipt numbers of the office's own applications."""

    offices: frozenset[str] = frozenset()
    receipts: frozenset[str] = frozenset()


NOTHING_KNOWN = Known()


@dataclass(frozen=True)
class Ground:
    """What a check needs to know: the office, its contract by item, and which values `Owned` fields may take, by item.

    `today` is the day of the check, and `start` the wished start date.
    """

    office_code: str
    present: Present
    today: date
    start: date
    offered: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    known: Known = NOTHING_KNOWN


@dataclass(frozen=True)
class Entry:
    """What becomes of one row: nothing before is an addition, nothing after a deletion."""

    ref: str
    before: Values | None
    after: Values | None

    @property
    def edit(self) -> Edit:
        """Return what becomes of the row."""
        return Edit.ADD if self.before is None else Edit.DELETE if self.after is None else Edit.CHANGE

    @property
    def changed(self) -> tuple[str, ...]:
        """Return the codes of the fields that differ."""
        before, after = self.before or {}, self.after or {}
        return tuple(code for code in {**before, **after} if before.get(code, "") != after.get(code, ""))


@dataclass(frozen=True)
class ItemChange:
    """What becomes of an item's rows; those that stay are not named."""

    item: str
    entries: tuple[Entry, ...] = ()


@dataclass(frozen=True)
class Counts:
    """How many rows are added, changed and deleted; for a count, by how much it grows or shrinks."""

    added: int = 0
    changed: int = 0
    removed: int = 0


@dataclass(frozen=True)
class ToldLine:
    """A field of before and after in words."""

    label: str
    before: str
    after: str


@dataclass(frozen=True)
class ToldEntry:
    """A row of before and after in words; `name` is empty for a form and for what gets its name later."""

    edit: Edit
    name: str
    lines: tuple[ToldLine, ...]


def check_item(item: str, typed: Typed, ground: Ground, *, may_stay: bool = False) -> ItemChange | Faults:
    """Check an item's page; with `may_stay` it is right to change nothing."""
    form, faults = FORMS[item], list[FieldFault]()
    rows = () if form.is_request else ground.present.get(item, ())
    if not typed:  # the page was never sent
        return Faults([FieldFault(_first_name(form), "unchanged")])
    page = _Page(form, typed, ground, faults)
    kept = [page.existing(row) for row in rows]
    entries = [entry for entry in (*kept, *page.new()) if entry is not None and entry.before != entry.after]
    if not faults:
        faults += _faults_together(form, rows, entries)
    if faults:
        return Faults(faults)
    if not entries and not rows and lacks_owned(item, ground.offered):
        return Faults([FieldFault("entries", "owned-none")])
    if not entries and not may_stay:
        return Faults([FieldFault(_first_name(form), "unchanged")])
    return ItemChange(item, tuple(entries))


def prefilled(item: str, present: Present) -> Typed:
    """Return an item's page as filled in with what the contract says."""
    form = FORMS[item]
    rows = () if form.is_request else present.get(item, ())
    return {name_of(field.code, row.ref): [row.values.get(field.code, "")] for row in rows for field in form.asked(Edit.CHANGE)}


def retyped(change: ItemChange, present: Present) -> Typed:
    """Return an item's page as filled in when it led to a change, for its correction; the contract may have moved on.

    Of a list only what was typed over: the rest is what the contract says.
    """
    form = FORMS[change.item]
    typed = {} if form.is_list else dict(prefilled(change.item, present))
    added = 0
    for entry in change.entries:
        if entry.after is None:
            typed[name_of("delete", entry.ref)] = ["yes"]
            continue
        ref = entry.ref
        if entry.edit is Edit.ADD and not form.is_request:
            added += 1
            ref = f"new{added}"
        names = (field.code for field in form.asked(entry.edit) if entry.edit is Edit.ADD or field.code in entry.changed)
        typed |= {name_of(name, ref): [entry.after.get(name, "")] for name in names}
    return typed


def name_of(code: str, ref: str) -> str:
    """Return how a page calls a row's field."""
    return f"{ref}.{code}" if ref else code


def new_refs(typed: Typed, spare: int) -> tuple[str, ...]:
    """Return the new rows of a list's page: up to the last one that holds something, and some blank ones."""
    filled = [at for at in range(1, NEW_MOST + 1) if any(first(typed, name) for name in typed if name.startswith(f"new{at}."))]
    return tuple(f"new{at}" for at in range(1, min(max(filled, default=0) + spare, NEW_MOST) + 1))


def told(change: ItemChange, language: Language) -> tuple[ToldEntry, ...]:
    """Return an item's before and after in words, fields that stay left out."""
    return tuple(_told(FORMS[change.item], entry, language) for entry in change.entries)


def in_words(change: ItemChange, language: Language) -> tuple[str | None, str | None]:
    """Return an item's before and after as texts of several lines, for documents; none where there is nothing."""
    before: list[str] = []
    after: list[str] = []
    for entry in told(change, language):
        named = f"{entry.name} " if entry.name else ""
        before += [f"{named}{line.label}：{line.before or '－'}" for line in entry.lines if entry.edit is not Edit.ADD]
        after += [f"{named}{line.label}：{line.after or '－'}" for line in entry.lines if entry.edit is not Edit.DELETE]
        if entry.edit is Edit.DELETE:
            after.append(f"{named}削除" if language == "ja" else f"{named}deleted")
    return "\n".join(before) or None, "\n".join(after) or None


def counted(change: ItemChange) -> Counts:
    """Return how much an item adds, changes and deletes."""
    if change.item == "mailboxes":
        growth = sum(int((entry.after or {})["mailboxes"]) - int((entry.before or {})["mailboxes"]) for entry in change.entries)
        return Counts(added=max(growth, 0), removed=max(-growth, 0))
    edits = [entry.edit for entry in change.entries]
    return Counts(edits.count(Edit.ADD), edits.count(Edit.CHANGE), edits.count(Edit.DELETE))


def changes_company(change: ItemChange) -> bool:
    """Return whether something changes that counts for all offices of the company."""
    form = FORMS[change.item]
    return any(form.field(code).column.startswith("company.") for entry in change.entries for code in entry.changed)


def as_stored(change: ItemChange) -> list[dict[str, Any]]:
    """Return a change as JSON."""
    return [
        {
            "ref": entry.ref,
            "before": None if entry.before is None else dict(entry.before),
            "after": None if entry.after is None else dict(entry.after),
        }
        for entry in change.entries
    ]


def from_stored(item: str, stored: Iterable[Mapping[str, Any]]) -> ItemChange:
    """Return a change from its JSON."""
    return ItemChange(item, tuple(Entry(one["ref"], one["before"], one["after"]) for one in stored))


@dataclass(frozen=True)
class _Page:
    """One item's page as typed."""

    form: Form
    typed: Typed
    ground: Ground
    faults: list[FieldFault]

    def existing(self, row: Row) -> Entry | None:
        """Read what becomes of a row of the contract."""
        if Edit.DELETE in self.form.edits and first(self.typed, name_of("delete", row.ref)):
            return Entry(row.ref, row.values, None)
        if Edit.CHANGE not in self.form.edits:
            return None
        after = dict(row.values)
        for asked in self.form.asked(Edit.CHANGE):
            name, before = name_of(asked.code, row.ref), row.values.get(asked.code, "")
            if name in self.typed and (first(self.typed, name) != before or not before):
                after[asked.code] = self._checked(asked, name)
        return Entry(row.ref, row.values, after)

    def new(self) -> Iterator[Entry]:
        """Read the rows to be added: a request's only one, or those of a list in which something was typed."""
        if self.form.is_request:
            yield Entry("", None, {asked.code: self._checked(asked, asked.code) for asked in self.form.asked(Edit.ADD)})
        elif Edit.ADD in self.form.edits:
            for at in range(1, NEW_MOST + 1):
                names = {asked.code: f"new{at}.{asked.code}" for asked in self.form.asked(Edit.ADD)}
                if any(first(self.typed, name).strip() for name in names.values()):
                    after = {asked.code: self._checked(asked, names[asked.code]) for asked in self.form.asked(Edit.ADD)}
                    yield Entry(f"new{at}", None, after)

    def _checked(self, asked: Field, name: str) -> str:
        value = asked.check(name, first(self.typed, name))
        if isinstance(value, str) and value:
            value = _fault_here(asked, name, value, self.ground) or value
        if isinstance(value, FieldFault):
            self.faults.append(value)
            return ""
        return value


def referred(sections: Mapping[str, Typed]) -> Known:
    """Return the offices and receipt numbers to which the pages of an application refer, whether they are there or not."""
    found: dict[object, set[str]] = {OFFICE_CODE: set(), RECEIPT: set()}
    for item in sections.keys() & FORMS.keys():
        kinds = {asked.code: asked.kind for asked in FORMS[item].fields if asked.kind in (OFFICE_CODE, RECEIPT)}
        for name in sections[item]:
            kind = kinds.get(name.rpartition(".")[2])
            value = kind.check(name, first(sections[item], name)) if kind else None
            if kind and isinstance(value, str):
                found[kind].add(value)
    return Known(frozenset(found[OFFICE_CODE]), frozenset(found[RECEIPT]))


def _fault_here(asked: Field, name: str, value: str, ground: Ground) -> FieldFault | None:
    """Find what is wrong with a clean value in this office and on this day."""
    if isinstance(asked.kind, Owned) and value not in ground.offered.get(asked.kind.item, ()):
        return FieldFault(name, "option-unknown")
    if asked.kind is OFFICE_CODE and value == ground.office_code:
        return FieldFault(name, "own-office")
    if asked.kind is OFFICE_CODE and value not in ground.known.offices:
        return FieldFault(name, "office-unknown")
    if asked.kind is RECEIPT and value not in ground.known.receipts:
        return FieldFault(name, "receipt-unknown")
    return _fault_of_day(asked, name, date.fromisoformat(value), ground) if asked.kind is DAY else None


def _fault_of_day(asked: Field, name: str, day: date, ground: Ground) -> FieldFault | None:
    eve = ground.start - timedelta(days=1)
    if day > ground.today + HORIZON:
        return FieldFault(name, "date-far", {"last": ground.today + HORIZON})
    if asked.may_be_past:
        return FieldFault(name, "date-old", {"first": ground.today - HORIZON}) if day < ground.today - HORIZON else None
    if day < ground.today:
        return FieldFault(name, "date-past")
    return FieldFault(name, "day-before-start", {"first": eve}) if day < eve else None


def lacks_owned(item: str, offered: Mapping[str, tuple[str, ...]]) -> bool:
    """Return whether nothing can be added to an item's list, because what each row must refer to is not there."""
    form = FORMS[item]
    owned = [field.kind.item for field in form.asked(Edit.ADD) if isinstance(field.kind, Owned) and field.required]
    return Edit.ADD in form.edits and any(not offered.get(other) for other in owned)


def _faults_together(form: Form, rows: Iterable[Row], entries: Iterable[Entry]) -> Iterator[FieldFault]:
    """Find what is wrong with rows that are right each by itself."""
    outcome = {row.ref: row.values for row in rows}
    changed = {entry.ref: entry for entry in entries}
    outcome |= {ref: entry.after for ref, entry in changed.items() if entry.after is not None}
    gone = [entry for entry in changed.values() if entry.after is None]
    for entry in gone:
        del outcome[entry.ref]
    seen = set()
    for ref, values in outcome.items():
        named = tuple(values.get(code, "") for code in form.unique)
        if form.unique and named in seen and ref in changed:
            yield FieldFault(name_of(form.unique[-1], ref), "row-twice")
        seen.add(named)
    if form.kept:
        left = {values.get(form.kept) for values in outcome.values()}
        yield from (
            FieldFault(name_of("delete", entry.ref), "row-last")
            for entry in gone
            if (entry.before or {}).get(form.kept) not in left
        )
    for values in outcome.values():
        if "company_name" in values and not values["company_latin_name"] and len(values["company_name"]) > ORGANIZATION_MOST:
            yield FieldFault("company_latin_name", "latin-required", {"most": ORGANIZATION_MOST})


def _first_name(form: Form) -> str:
    """Return the field to which a fault of the whole page leads."""
    return "entries" if form.is_list else form.asked(Edit.CHANGE)[0].code


def _told(form: Form, entry: Entry, language: Language) -> ToldEntry:
    before, after = entry.before or {}, entry.after or {}
    fields = [field for field in form.fields if field.code in entry.changed]
    lines = tuple(
        ToldLine(
            field.label(language),
            field.tell(before.get(field.code, ""), language),
            field.tell(after.get(field.code, ""), language),
        )
        for field in fields
    )
    names = (form.field(name).tell((entry.before or after).get(name, ""), language) for name in form.names)
    return ToldEntry(entry.edit, " ".join(name for name in names if name), lines)
