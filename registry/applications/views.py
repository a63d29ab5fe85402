"""Applications as the pages of portal and center show them."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import BindParameter, Row, Select, bindparam, func, select
from sqlalchemy.orm import Session

from kernel.clock import tokyo_date
from kernel.database import among, many
from registry import attachments, calendar, proposals, schedule, terminals
from registry.applications import versions
from registry.applications.records import Application, application_of
from registry.applications.versions import Revision
from registry.applications.workload import Task, waits_for
from registry.attachments import Attachment
from registry.calendar import StartWarning
from registry.changes import ItemChange, counted, from_stored, in_words
from registry.items import ITEMS, TERMINALS
from registry.japanese import full_width, searchable
from registry.news import RECEIPT_NUMBER
from registry.paging import COUNTED, SIZE, Page, page_of
from registry.prefixes import begins
from registry.proposals import Addition, Change, TerminalLine
from registry.states import OPEN_STATES, ApplicationState
from registry.tables import (
    AdditionRow,
    ApplicationItemRow,
    ApplicationRow,
    QueryRow,
    TerminalChangeRow,
)
from registry.terminals import Terminal

# The result block's lines, in its order; each is an item's code.
RESULTS = ("user_codes", "id_numbers", "lines", TERMINALS, "mailboxes")


@dataclass(frozen=True)
class Summary:
    """A line of a list of applications: the application, its items, how many terminals it adds."""

    application: Application
    items: tuple[str, ...]
    added: int


@dataclass(frozen=True)
class ItemLine:
    """A ticked item with its before and after, and when it was carried out; terminals have their own lines."""

    change: ItemChange
    executed_at: datetime | None
    executed_by: str | None

    @property
    def item(self) -> str:
        """Return the item's code."""
        return self.change.item

    @property
    def before(self) -> str | None:
        """Return what the contract said, in Japanese, for documents."""
        return in_words(self.change, "ja")[0]

    @property
    def after(self) -> str | None:
        """Return what is wanted, in Japanese, for documents."""
        return in_words(self.change, "ja")[1]


@dataclass(frozen=True)
class Query:
    """確認事項 and its answer; `version` is the application's that the answer made, where it corrected it."""

    question: str
    asked_at: datetime
    answer: str | None
    answered_at: datetime | None
    version: int | None = None


@dataclass(frozen=True)
class ResultLine:
    """A line of the result block: how many of what were added, changed, removed, or will be."""

    item: str
    added: int
    changed: int
    removed: int


@dataclass(frozen=True)
class Detail:
    """An application's page. `warnings` are those of the wished date on the day on which it was wished.

    `results` are all lines of the result block, or none where the application is about nothing that is counted there.
    """

    application: Application
    items: tuple[ItemLine, ...]
    lines: tuple[TerminalLine, ...]
    terminals: tuple[Terminal, ...]
    queries: tuple[Query, ...]
    results: tuple[ResultLine, ...]
    warnings: tuple[StartWarning, ...]
    files: tuple[Attachment, ...] = ()
    revisions: tuple[Revision, ...] = ()


@dataclass(frozen=True)
class Wanted:
    """What a list is narrowed to: states (none: any), an item (empty: any), and a text.

    The text begins the receipt number, or is a part of the applicant's name or of the remarks.
    """

    states: tuple[ApplicationState, ...] = ()
    item: str = ""
    text: str = ""


ALL = Wanted()


def of_office(
    session: Session, office_code: str, wanted: Wanted = ALL, *, page: int = 1, size: int = SIZE
) -> Page[Summary]:  # fmt: skip
    """Return an office's applications, newest first."""
    query = (
        select(ApplicationRow.__table__)
        .where(ApplicationRow.office_code == office_code)
        .order_by(ApplicationRow.applied_at.desc(), ApplicationRow.receipt_number.desc())
    )
    if wanted.states:
        query = query.where(ApplicationRow.state.in_(wanted.states))
    if wanted.item:
        query = query.where(ApplicationRow.receipt_number.in_(_numbers_with(wanted.item)))
    if text := searchable(wanted.text):
        name = ApplicationRow.applicant_family_name + "　" + ApplicationRow.applicant_given_name
        query = query.where(
            ApplicationRow.receipt_number.startswith(text.upper(), autoescape=True)
            | ApplicationRow.remarks.contains(text, autoescape=True)
            | name.contains(full_width(text), autoescape=True)
        )
    return _summaries(session, query, page, size)


def count_of_office(session: Session, office_code: str) -> int:
    """Return how many applications an office ever filed."""
    return session.scalar(select(func.count()).where(ApplicationRow.office_code == office_code)) or 0


def queue(
    session: Session,
    *,
    states: Iterable[ApplicationState] = (),
    task: Task | None = None,
    text: str = "",
    page: int = 1,
    size: int = SIZE,
) -> Page[Summary]:
    """Return applications for staff: in the states (none: in any), whose number or office begins so.

    With a task, only those that wait for it. Where something is to come of all of them the oldest come first, else the newest: of
    very many no more than `COUNTED` are counted and shown.
    """
    wanted_states = tuple(states)
    are_open = task is not None or (wanted_states and set(wanted_states) <= set(OPEN_STATES))
    age = (ApplicationRow.applied_at, ApplicationRow.receipt_number)
    query = select(ApplicationRow.__table__).order_by(*(age if are_open else (column.desc() for column in age)))
    if wanted_states:
        query = query.where(ApplicationRow.state.in_(wanted_states))
    if task is not None:
        query = query.where(waits_for(task))
    if wanted := searchable(text).upper():
        query = query.where(begins(ApplicationRow.receipt_number, wanted) | begins(ApplicationRow.office_code, wanted))
    return _summaries(session, query, page, size, bound=COUNTED)


def detail(session: Session, receipt_number: str, *, office_code: str | None = None) -> Detail | None:
    """Return an application's page; with an office, only if it is that office's own."""
    is_number = RECEIPT_NUMBER.fullmatch(receipt_number)  # else it never reaches the database
    row = session.execute(_APPLICATION, {"receipt_number": receipt_number}).first() if is_number else None
    if row is None or office_code not in (None, row.office_code):
        return None
    items = _by_item(session.execute(_ITEMS, many((receipt_number,))))
    lines = _lines(session, receipt_number)
    return Detail(
        application=application_of(row),
        items=tuple(ItemLine(_change_of(item), item.executed_at, item.executed_by) for item in items),
        lines=lines,
        terminals=terminals.made_by(session, receipt_number),
        queries=_queries(session, receipt_number),
        results=_results(items, lines),
        warnings=calendar.warnings(row.wished_start, tokyo_date(row.version_at), schedule.read(session)),
        files=attachments.of_application(session, receipt_number),
        revisions=versions.revisions(session, row),
    )


_ORDER = {code: position for position, code in enumerate(ITEMS)}
_WHOSE: BindParameter[str] = bindparam("receipt_number")
_APPLICATION = select(ApplicationRow.__table__).where(ApplicationRow.receipt_number == _WHOSE)
_ITEMS = select(ApplicationItemRow.__table__).where(among(ApplicationItemRow.receipt_number))
_ADDED = (
    select(AdditionRow.receipt_number, func.sum(AdditionRow.count))
    .where(among(AdditionRow.receipt_number))
    .group_by(AdditionRow.receipt_number)
)
_ADDITIONS = (
    select(AdditionRow.device_class, AdditionRow.system_class, AdditionRow.count)
    .where(AdditionRow.receipt_number == _WHOSE)
    .order_by(AdditionRow.device_class, AdditionRow.system_class)
)
_CHANGES = (
    select(TerminalChangeRow.terminal_name, TerminalChangeRow.before, TerminalChangeRow.after)
    .where(TerminalChangeRow.receipt_number == _WHOSE)
    .order_by(TerminalChangeRow.terminal_name)
)
_QUERIES = (
    select(QueryRow.question, QueryRow.asked_at, QueryRow.answer, QueryRow.answered_at, QueryRow.version)
    .where(QueryRow.receipt_number == _WHOSE)
    .order_by(QueryRow.id)
)


def _summaries(
    session: Session, query: Select[*tuple[Any, ...]], page: int, size: int, *, bound: int | None = None
) -> Page[Summary]:  # fmt: skip
    found = page_of(session, query, page, application_of, size=size, bound=bound)
    numbers = tuple(application.receipt_number for application in found.records)
    items: dict[str, list[Row[Any]]] = {number: [] for number in numbers}
    for item in session.execute(_ITEMS, many(numbers)):
        items[item.receipt_number].append(item)
    added = dict(session.execute(_ADDED, many(numbers)).all())
    summaries = tuple(
        Summary(
            application,
            tuple(item.item for item in _by_item(items[application.receipt_number])),
            int(added.get(application.receipt_number, 0)),
        )
        for application in found.records
    )
    return found.of(summaries)


def _numbers_with(item: str) -> Select[str]:
    return select(ApplicationItemRow.receipt_number).where(ApplicationItemRow.item == item)


def _by_item(rows: Iterable[Row[Any]]) -> tuple[Row[Any], ...]:
    return tuple(sorted(rows, key=lambda row: _ORDER[row.item]))


def _lines(session: Session, receipt_number: str) -> tuple[TerminalLine, ...]:
    whose = {"receipt_number": receipt_number}
    added = [proposals.addition_line(Addition(*row)) for row in session.execute(_ADDITIONS, whose)]
    changes = session.execute(_CHANGES, whose).all()
    changed = terminals.named(session, [row.terminal_name for row in changes]) if changes else {}
    return (*added, *(proposals.existing_line(changed[row.terminal_name], row.before, row.after) for row in changes))


def _queries(session: Session, receipt_number: str) -> tuple[Query, ...]:
    return tuple(Query(*row) for row in session.execute(_QUERIES, {"receipt_number": receipt_number}))


def _change_of(row: Row[Any]) -> ItemChange:
    return from_stored(row.item, row.entries)


def _results(items: tuple[Row[Any], ...], lines: tuple[TerminalLine, ...]) -> tuple[ResultLine, ...]:
    counts = {item.item: counted(_change_of(item)) for item in items}
    by_item = {item: ResultLine(item, one.added, one.changed, one.removed) for item, one in counts.items()}
    if not by_item.keys() & set(RESULTS):
        return ()
    found = {change: sum(line.count for line in lines if line.change is change) for change in Change}
    by_item[TERMINALS] = ResultLine(TERMINALS, found[Change.ADD], found[Change.RECLASSIFY], found[Change.ABOLISH])
    return tuple(by_item.get(item, ResultLine(item, 0, 0, 0)) for item in RESULTS)
