"""A whole application before it has a number: its pages' rules, and the before and after that is confirmed.

    situation(session, office_code, today) -> Situation                 what the rules need to know of the office
    check_terminals(typed, situation) -> TerminalWishes | Faults        the terminals' page
    check_change(item, draft, choice, situation) -> ItemChange | Faults the page of another item
    check_remarks(typed) -> str | Faults
    check_answer(typed) -> str | Faults                                 what is told with a correction
    sections(choice) -> tuple[str, ...]                                 which pages a choice of items leads to
    read(draft, situation) -> Proposal | Faults                         all pages; fields are `section.field`
    lines(wishes, terminals) -> tuple[TerminalLine, ...]                before and after, unchanged terminals too

`items.check_choice` and `applicants.check_contact` check the first two pages, `changes.check_item` the items' pages.

Fields of the terminals' page: `add.<device>.<system>` (how many more, not the total), `class.<name>` (a system class),
`abolish` (several names). Fault codes: count-digits, count-most (with `most`), terminals-none, terminal-unknown,
terminal-both (changed and abolished), terminal-busy (with `receipt_number` of the open application), class-unknown.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from types import MappingProxyType

from sqlalchemy import select
from sqlalchemy.orm import Session

from kernel.errors import Refused
from registry import contracts, offices, schedule, terminals
from registry.applicants import Contact, check_contact
from registry.calendar import RULE, Schedule
from registry.changes import NOTHING_KNOWN, Ground, ItemChange, Known, Present, check_item, referred
from registry.drafts import Draft, Section
from registry.faults import Faults, FieldFault, Typed, first
from registry.fields import Owned
from registry.forms import FORMS
from registry.items import FIRST_TIME, TERMINALS, Choice, check_choice
from registry.japanese import free_text, half_width
from registry.offices import Office
from registry.states import DeviceClass, SystemClass
from registry.tables import ApplicationRow, TerminalChangeRow, TerminalRow
from registry.terminals import PACKAGES, Terminal

# More at once is a project, not an application: the center is asked first.
ADDED_MOST = 200
TEXT_MOST = 400
# As of an answer without a correction (`applications.records.WORDS_MOST`).
ANSWER_MOST = 1000


class Change(StrEnum):
    """申込内容: what becomes of a terminal."""

    ADD = "add"
    RECLASSIFY = "reclassify"
    ABOLISH = "abolish"
    KEEP = "keep"


@dataclass(frozen=True)
class Situation:
    """What the rules need to know of an office on a day.

    `busy` tells which terminal is changed by which open application; `present` what the contract says, by item;
    `siblings` are the company's other offices, by code and name; `published` are the start dates; `known` is what there is of
    what the pages refer to.
    """

    today: date
    first_time: bool
    office: Office
    terminals: tuple[Terminal, ...]
    busy: Mapping[str, str]
    present: Present
    siblings: Mapping[str, str]
    published: Schedule = RULE
    known: Known = NOTHING_KNOWN


@dataclass(frozen=True)
class Addition:
    """So many new terminals of a kind."""

    device_class: DeviceClass
    system_class: SystemClass
    count: int


@dataclass(frozen=True)
class Reclassification:
    """An existing terminal's change of system class."""

    terminal_name: str
    before: SystemClass
    after: SystemClass


@dataclass(frozen=True)
class TerminalWishes:
    """The terminals' page, clean."""

    additions: tuple[Addition, ...] = ()
    reclassifications: tuple[Reclassification, ...] = ()
    abolitions: tuple[str, ...] = ()


@dataclass(frozen=True)
class Proposal:
    """All pages, clean."""

    choice: Choice
    applicant: Contact
    terminals: TerminalWishes
    changes: tuple[ItemChange, ...]
    remarks: str


@dataclass(frozen=True)
class TerminalLine:
    """A line of before and after; `terminal_name` is none for those that get their names when approved."""

    change: Change
    terminal_name: str | None
    device_class: DeviceClass
    package_class: str
    before: SystemClass | None
    after: SystemClass | None
    count: int = 1


def situation(
    session: Session, office_code: str, today: date, *, correcting: str = "", sections: Mapping[str, Typed] = MappingProxyType({})
) -> Situation:
    """Read what the rules need to know of an office for the pages of a draft; raise Refused("office-unknown").

    Terminals that the application `correcting` changes are free for its own correction.
    """
    office, contract = offices.get(session, office_code), contracts.get(session, office_code)
    if office is None or contract is None:
        raise Refused("office-unknown", office_code=office_code)
    busy = (
        select(TerminalChangeRow.terminal_name, TerminalChangeRow.receipt_number)
        .join(TerminalRow)
        .where(TerminalRow.office_code == office_code, TerminalChangeRow.is_open, TerminalChangeRow.receipt_number != correcting)
    )
    return Situation(
        today=today,
        first_time=not terminals.ever_had_one(session, office_code),
        office=office,
        terminals=terminals.all_of_office(session, office_code),
        busy=dict(session.execute(busy).all()),
        present=contracts.present(office, contract),
        siblings=offices.siblings(session, office_code),
        published=schedule.read(session),
        known=_known(session, office_code, referred(sections)),
    )


def _known(session: Session, office_code: str, named: Known) -> Known:
    own = (ApplicationRow.office_code == office_code, ApplicationRow.receipt_number.in_(named.receipts))
    return Known(
        frozenset(offices.names(session, named.offices)) if named.offices else frozenset(),
        frozenset(session.scalars(select(ApplicationRow.receipt_number).where(*own))) if named.receipts else frozenset(),
    )


def sections(choice: Choice) -> tuple[str, ...]:
    """Return the pages that a choice of items leads to, after itself and the applicant's: one for each item."""
    return (*choice.items, Section.REMARKS)


def check_terminals(typed: Typed, situation: Situation) -> TerminalWishes | Faults:
    """Check the terminals' page."""
    faults: list[FieldFault] = []
    additions = tuple(_additions(typed, faults))
    own = {terminal.name: terminal for terminal in situation.terminals}
    abolitions = tuple(sorted(set(typed.get("abolish", []))))
    faults += [FieldFault("abolish", "terminal-unknown", {"terminal": name}) for name in abolitions if name not in own]
    reclassifications = tuple(_reclassifications(typed, own, faults))
    changed, gone = [change.terminal_name for change in reclassifications], set(abolitions)
    faults += [FieldFault(f"class.{name}", "terminal-both", {"terminal": name}) for name in changed if name in gone]
    for name in sorted({*gone, *changed}):
        if (receipt_number := situation.busy.get(name)) is not None:
            faults.append(FieldFault("abolish", "terminal-busy", {"terminal": name, "receipt_number": receipt_number}))
    if faults:
        return Faults(faults)
    if not (additions or reclassifications or abolitions):
        return Faults([FieldFault("add.net.sea", "terminals-none")])
    return TerminalWishes(additions, reclassifications, abolitions)


def check_change(item: str, draft: Draft, choice: Choice, situation: Situation) -> ItemChange | Faults:
    """Check the page of an item other than the terminals."""
    return check_item(
        item,
        draft.section(item),
        ground(item, draft, choice, situation),
        # Who must tick it with the first terminals may find that all is there already.
        may_stay=situation.first_time and item in FIRST_TIME,
    )


def ground(item: str, draft: Draft, choice: Choice, situation: Situation) -> Ground:
    """Return what the check of an item's page needs to know; what the same application adds can be chosen, too."""
    wanted = {field.kind.item: field.kind.field for field in FORMS[item].fields if isinstance(field.kind, Owned)}
    offered = {other: _offered(other, field, draft, choice, situation) for other, field in wanted.items()}
    return Ground(
        situation.office.code, situation.present, situation.today, choice.wished_start, offered, situation.known
    )  # fmt: skip


def _offered(item: str, field: str, draft: Draft, choice: Choice, situation: Situation) -> tuple[str, ...]:
    values = [row.values[field] for row in situation.present.get(item, ())]
    if item in choice.items:
        change = check_change(item, draft, choice, situation)
        entries = () if isinstance(change, Faults) else change.entries
        gone = {(entry.before or {})[field] for entry in entries if entry.after is None}
        added = [entry.after[field] for entry in entries if entry.before is None and entry.after and field in entry.after]
        values = [*(value for value in values if value not in gone), *added]
    return tuple(dict.fromkeys(values))


def check_remarks(typed: Typed) -> str | Faults:
    """Check the remarks (備考), which may be left empty."""
    remarks = free_text("remarks", first(typed, "remarks"), most=TEXT_MOST, required=False)
    return Faults([remarks]) if isinstance(remarks, FieldFault) else remarks


def check_answer(typed: Typed) -> str | Faults:
    """Check what is told with a correction, which may be left empty: it speaks for itself."""
    answer = free_text("answer", first(typed, "answer"), most=ANSWER_MOST, required=False)
    return Faults([answer]) if isinstance(answer, FieldFault) else answer


def read(draft: Draft, situation: Situation) -> Proposal | Faults:
    """Check all pages of a draft; pages that the choice does not lead to are passed over, whatever they hold."""
    choice = choice_of(draft, situation)
    applicant = check_contact(draft.section(Section.APPLICANT))
    remarks = check_remarks(draft.section(Section.REMARKS))
    wishes: TerminalWishes | Faults = TerminalWishes()
    checked: dict[str, ItemChange | Faults] = {}
    if isinstance(choice, Choice):
        if TERMINALS in choice.items:
            wishes = check_terminals(draft.section(Section.TERMINALS), situation)
        checked = {item: check_change(item, draft, choice, situation) for item in choice.items if item != TERMINALS}
    changes = tuple(change for change in checked.values() if isinstance(change, ItemChange))
    if (
        isinstance(choice, Faults)
        or isinstance(applicant, Faults)
        or isinstance(wishes, Faults)
        or isinstance(remarks, Faults)
        or len(changes) < len(checked)
    ):
        first_pages: dict[str, object] = {Section.CHOICE: choice, Section.APPLICANT: applicant, Section.TERMINALS: wishes}
        return _all_faults({**first_pages, **checked, Section.REMARKS: remarks})
    return Proposal(choice, applicant, wishes, changes, remarks)


def choice_of(draft: Draft, situation: Situation) -> Choice | Faults:
    """Check a draft's first page."""
    typed = draft.section(Section.CHOICE)
    return check_choice(typed, kind=draft.kind, first_time=situation.first_time, today=situation.today)


def lines(wishes: TerminalWishes, existing: Iterable[Terminal]) -> tuple[TerminalLine, ...]:
    """Return before and after: what is added, then every terminal of the office with what becomes of it."""
    after = {change.terminal_name: change.after for change in wishes.reclassifications}
    gone = set(wishes.abolitions)
    found = [addition_line(addition) for addition in wishes.additions]
    for terminal in existing:
        if terminal.name in gone:
            found.append(existing_line(terminal, terminal.system_class, None))
        else:
            found.append(existing_line(terminal, terminal.system_class, after.get(terminal.name, terminal.system_class)))
    return tuple(found)


def addition_line(addition: Addition) -> TerminalLine:
    """Return the line of terminals to be added."""
    device_class = addition.device_class
    return TerminalLine(Change.ADD, None, device_class, PACKAGES[device_class], None, addition.system_class, addition.count)


def existing_line(terminal: Terminal, before: SystemClass, after: SystemClass | None) -> TerminalLine:
    """Return the line of an existing terminal; it is abolished when nothing comes after."""
    change = Change.ABOLISH if after is None else Change.KEEP if after is before else Change.RECLASSIFY
    return TerminalLine(change, terminal.name, terminal.device_class, terminal.package_class, before, after)


def _additions(typed: Typed, faults: list[FieldFault]) -> Iterable[Addition]:
    for device_class in DeviceClass:
        for system_class in SystemClass:
            field = f"add.{device_class}.{system_class}"
            number = half_width(first(typed, field)) or "0"
            if not (number.isascii() and number.isdecimal()):
                faults.append(FieldFault(field, "count-digits"))
            elif len(number.lstrip("0")) > len(str(ADDED_MOST)) or int(number) > ADDED_MOST:
                faults.append(FieldFault(field, "count-most", {"most": ADDED_MOST}))
            elif int(number):
                yield Addition(device_class, system_class, int(number))


def _reclassifications(typed: Typed, own: Mapping[str, Terminal], faults: list[FieldFault]) -> Iterable[Reclassification]:
    for field in sorted(field for field in typed if field.startswith("class.")):
        name, wanted = field.removeprefix("class."), first(typed, field)
        terminal = own.get(name)
        if not wanted:
            continue
        if terminal is None:
            faults.append(FieldFault(field, "terminal-unknown", {"terminal": name}))
        elif wanted not in tuple(SystemClass):
            faults.append(FieldFault(field, "class-unknown"))
        elif SystemClass(wanted) is not terminal.system_class:
            yield Reclassification(name, terminal.system_class, SystemClass(wanted))


def _all_faults(pages: Mapping[str, object]) -> Faults:
    return Faults(
        replace(fault, field=f"{section}.{fault.field}")
        for section, page in pages.items()
        if isinstance(page, Faults)
        for fault in page
    )
