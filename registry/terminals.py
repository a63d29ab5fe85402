"""論理端末: the logical terminals, their names and their states. What a terminal's certificate is, others know.

    get(session, name, *, lock=False) -> Terminal | None
    named(session, names) -> Mapping[str, Terminal]
    step(session, name, event, now, *, rule=None) -> Terminal
    resume(session, name, now) -> Terminal
    register_existing(session, takeover, *, now) -> Terminal
    create(session, batch, now) -> tuple[Terminal, ...]
    of_office(session, office_code, ...), search(session, ...), counts(session, office_code)

These write no audit entry: whoever decides the deed does, in the same transaction.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Row, Select, bindparam, func, select, update
from sqlalchemy.orm import Session

from kernel.database import among, insert_if_absent, many
from kernel.errors import Refused
from registry.billing.tables import SuspensionRow
from registry.japanese import searchable
from registry.paging import COUNTED, SIZE, Page, page_of
from registry.prefixes import begins
from registry.series import next_terminal_names
from registry.states import TERMINAL, DeviceClass, SuspensionRule, SystemClass, TerminalEvent, TerminalState
from registry.tables import OfficeRow, TerminalChangeRow, TerminalRow

# パッケージソフト区分: which package software runs on a device.
PACKAGES = {DeviceClass.NET: "net", DeviceClass.WEB: "web", DeviceClass.EBMS: "ebms"}
NAME = re.compile(r"[0-9]{5}[A-Z]")
# Of so many terminals the rows are asked for in one question.
_AT_ONCE = 8_192

_RESUMPTIONS = {
    TerminalState.PENDING: TerminalEvent.RESUME_PENDING,
    TerminalState.IN_SERVICE: TerminalEvent.RESUME_SERVICE,
}


@dataclass(frozen=True)
class Terminal:
    """A terminal as it stood when it was read. `receipt_number` is none for one that was taken over.

    `suspended_at` is since when it is suspended, `suspension_rule` by which rule, if not by staff.
    """

    name: str
    office_code: str
    state: TerminalState
    suspended_from: TerminalState | None
    system_class: SystemClass
    device_class: DeviceClass
    package_class: str
    start_date: date
    receipt_number: str | None
    registered_at: datetime
    changed_at: datetime
    suspended_at: datetime | None = None
    suspension_rule: SuspensionRule | None = None


@dataclass(frozen=True)
class Takeover:
    """A terminal that has its name already: from another system, or for the demo."""

    name: str
    office_code: str
    system_class: SystemClass
    device_class: DeviceClass
    start_date: date
    state: TerminalState = TerminalState.PENDING


@dataclass(frozen=True)
class Batch:
    """New terminals of one kind, which an application makes."""

    device_class: DeviceClass
    system_class: SystemClass
    count: int
    office_code: str
    start_date: date
    receipt_number: str


def get(session: Session, name: str, *, lock: bool = False) -> Terminal | None:
    """Return a terminal; `lock` holds its row until the transaction ends."""
    row = _row(session, name, lock=lock)
    return None if row is None else terminal_of(row)


def named(session: Session, names: Collection[str], *, lock: bool = False) -> Mapping[str, Terminal]:
    """Return many terminals at once, by name; `lock` holds their rows, in the order of their names."""
    if lock:
        query = select(TerminalRow).where(TerminalRow.name.in_(names)).order_by(TerminalRow.name).with_for_update()
        held = session.scalars(query.execution_options(populate_existing=True))
        return {row.name: terminal_of(row) for row in held}
    found: dict[str, Terminal] = {}
    ordered = sorted(names)
    for begin in range(0, len(ordered), _AT_ONCE):
        asked = many(ordered[begin : begin + _AT_ONCE])
        found |= {row.name: terminal_of(row) for row in session.execute(_NAMED, asked)}
    return found


# Columns, not objects that the session follows: of ten thousand those would cost twice as much.
_COLUMNS = select(TerminalRow.__table__).order_by(TerminalRow.name)
_NAMED = _COLUMNS.where(among(TerminalRow.name))
_MADE_BY = _COLUMNS.where(TerminalRow.receipt_number == bindparam("receipt_number"))
_STATES = select(TerminalRow.name, TerminalRow.state).where(among(TerminalRow.name)).order_by(TerminalRow.name)
_HELD_STATES = _STATES.with_for_update(skip_locked=True)
_ACTIVATE = (
    update(TerminalRow)
    .where(among(TerminalRow.name), TerminalRow.state == TerminalState.PENDING)
    .values(state=bindparam("following"), changed_at=bindparam("now"))
)


def states(session: Session, names: Collection[str], *, lock: bool = False) -> Mapping[str, TerminalState]:
    """Return the states of many terminals, by name; `lock` holds their rows, and leaves out those that somebody else holds."""
    found = session.connection().execute(_HELD_STATES if lock else _STATES, many(names))
    return {row.name: row.state for row in found}


def activate_all(session: Session, names: Collection[str], now: datetime) -> None:
    """Take pending terminals into service; whoever does so holds their rows and has looked at their states."""
    following = TERMINAL.step(TerminalState.PENDING, TerminalEvent.ACTIVATE)
    session.connection().execute(_ACTIVATE, many(names) | {"following": following, "now": now})


def step(
    session: Session, name: str, event: TerminalEvent, now: datetime, *, rule: SuspensionRule | None = None
) -> Terminal:  # fmt: skip
    """Take a terminal through an event, under lock, and return it; `rule` is what suspends it, if not a person.

    Raises Refused("terminal-unknown") and Refused("terminal-state", state=…, event=…). Abolition also settles the
    change of an application that waits for it.
    """
    row = _row(session, name)
    if row is None:
        raise Refused("terminal-unknown", terminal=name)
    came_from = row.state
    following = TERMINAL.step(came_from, event)
    began_at = row.suspended_at
    if came_from is TerminalState.SUSPENDED and following not in (row.suspended_from, TerminalState.ABOLISHED):
        raise Refused("terminal-state", state=came_from.value, event=event.value)
    row.state, row.changed_at = following, now
    is_suspended = following is TerminalState.SUSPENDED
    row.suspended_from, row.suspended_at = (came_from, now) if is_suspended else (None, None)
    row.suspension_rule = int(rule) if is_suspended and rule is not None else None
    if began_at is not None:
        session.add(SuspensionRow(terminal_name=name, began_at=began_at, ended_at=now))
    if following is TerminalState.ABOLISHED:
        row.abolished_at = now
        _settle_abolition(session, name, now)
    session.flush()
    return terminal_of(row)


def resume(session: Session, name: str, now: datetime) -> Terminal:
    """Lift a suspension: the terminal returns to the state from which it was suspended.

    Raises as `step` does.
    """
    row = _row(session, name)
    if row is None:
        raise Refused("terminal-unknown", terminal=name)
    event = _RESUMPTIONS[row.suspended_from or TerminalState.IN_SERVICE]
    return step(session, name, event, now)


def register_existing(session: Session, takeover: Takeover, *, now: datetime) -> Terminal:
    """Enter a terminal that has its name already.

    Raises Refused with terminal-name (5 digits and a capital), office-unknown, terminal-exists (names are never used
    twice), terminal-state (only a pending terminal or one in service can be taken over).
    """
    if NAME.fullmatch(takeover.name) is None:
        raise Refused("terminal-name", terminal=takeover.name)
    if takeover.state not in _RESUMPTIONS:
        raise Refused("terminal-state", state=takeover.state.value, event="register")
    if session.get(OfficeRow, takeover.office_code) is None:
        raise Refused("office-unknown", office_code=takeover.office_code)
    if not _insert(session, takeover, receipt_number=None, now=now):
        raise Refused("terminal-exists", terminal=takeover.name)
    return terminal_of(session.get_one(TerminalRow, takeover.name))


def create(session: Session, batch: Batch, now: datetime) -> tuple[Terminal, ...]:
    """Make pending terminals under the next free names of their device class.

    Raises Refused("terminal-names-exhausted"). A name that was taken over, even at this moment, is skipped.
    """
    made: list[str] = []
    while missing := batch.count - len(made):
        for name in next_terminal_names(session, batch.device_class, missing):
            terminal = Takeover(name, batch.office_code, batch.system_class, batch.device_class, batch.start_date)
            if _insert(session, terminal, receipt_number=batch.receipt_number, now=now):
                made.append(name)
    rows = session.scalars(select(TerminalRow).where(TerminalRow.name.in_(made)).order_by(TerminalRow.name))
    return tuple(terminal_of(row) for row in rows)


def of_office(session: Session, office_code: str, *, page: int = 1, size: int = SIZE, abolished: bool = False) -> Page[Terminal]:
    """Return an office's terminals by name, without the abolished ones unless these are asked for."""
    return page_of(session, _of_office(office_code, abolished=abolished), page, terminal_of, size=size)


def count_of_office(session: Session, office_code: str) -> int:
    """Return how many terminals an office has or had."""
    return session.scalar(select(func.count()).where(TerminalRow.office_code == office_code)) or 0


def all_of_office(session: Session, office_code: str) -> tuple[Terminal, ...]:
    """Return all of an office's terminals that are not abolished, by name: what an application may change."""
    return tuple(terminal_of(row) for row in session.execute(_of_office(office_code, abolished=False)))


_NAMES_OF_OFFICE = select(TerminalRow.name).where(TerminalRow.office_code == bindparam("office_code")).order_by(TerminalRow.name)


def names_of_office(session: Session, office_code: str) -> tuple[str, ...]:
    """Return the names of all terminals that an office has or had."""
    return tuple(session.scalars(_NAMES_OF_OFFICE, {"office_code": office_code}))


def search(
    session: Session,
    *,
    text: str = "",
    state: TerminalState | None = None,
    office_code: str = "",
    page: int = 1,
    size: int = SIZE,
) -> Page[Terminal]:
    """Return terminals by name: those whose name or office code begins with the text, in a state, of an office.

    Without an office no more than `COUNTED` are counted and shown.
    """
    query = _COLUMNS
    if office_code:
        query = query.where(TerminalRow.office_code == office_code)
    if wanted := searchable(text).upper():
        query = query.where(begins(TerminalRow.name, wanted) | begins(TerminalRow.office_code, wanted))
    if state is TerminalState.SUSPENDED:  # the same, and there is an index of them
        query = query.where(TerminalRow.suspended_at.is_not(None))
    elif state is not None:
        query = query.where(TerminalRow.state == state)
    return page_of(session, query, page, terminal_of, size=size, bound=None if office_code else COUNTED)


def count_suspended(session: Session) -> int:
    """Return how many terminals are suspended, in the whole country."""
    return session.scalar(select(func.count()).where(TerminalRow.suspended_at.is_not(None))) or 0


_KINDS = (
    select(TerminalRow.device_class, TerminalRow.system_class, func.count())
    .where(TerminalRow.office_code == bindparam("office_code"), TerminalRow.state != TerminalState.ABOLISHED)
    .group_by(TerminalRow.device_class, TerminalRow.system_class)
)


def counts(session: Session, office_code: str) -> Mapping[tuple[DeviceClass, SystemClass], int]:
    """Return how many terminals an office has of each kind, without the abolished ones."""
    found = session.execute(_KINDS, {"office_code": office_code})
    return {(device, system): count for device, system, count in found}


def ever_had_one(session: Session, office_code: str) -> bool:
    """Return whether an office ever had a terminal, be it abolished: the opposite of its first time."""
    query = select(TerminalRow.name).where(TerminalRow.office_code == office_code).limit(1)
    return session.scalar(query) is not None


def made_by(session: Session, receipt_number: str) -> tuple[Terminal, ...]:
    """Return the terminals that an application made, by name."""
    return tuple(terminal_of(row) for row in session.execute(_MADE_BY, {"receipt_number": receipt_number}))


def reclassify(session: Session, name: str, system_class: SystemClass, now: datetime) -> Terminal:
    """Give a terminal another system class; certificate and codes stay as they are.

    Raises Refused("terminal-unknown") and Refused("terminal-state") for an abolished one.
    """
    row = _row(session, name)
    if row is None:
        raise Refused("terminal-unknown", terminal=name)
    if row.state is TerminalState.ABOLISHED:
        raise Refused("terminal-state", state=row.state.value, event="reclassify")
    row.system_class, row.changed_at = system_class, now
    session.flush()
    return terminal_of(row)


def move_start(session: Session, receipt_number: str, start_date: date, now: datetime) -> tuple[Terminal, ...]:
    """Give the terminals that an application made another start date and return them, without the abolished ones."""
    of_these = (TerminalRow.receipt_number == receipt_number, TerminalRow.state != TerminalState.ABOLISHED)
    session.flush()
    query = select(TerminalRow).where(*of_these).order_by(TerminalRow.name).with_for_update()
    rows = session.scalars(query.execution_options(populate_existing=True)).all()
    for row in rows:
        row.start_date, row.changed_at = start_date, now
    session.flush()
    return tuple(terminal_of(row) for row in rows)


def terminal_of(row: TerminalRow | Row[*tuple[Any, ...]]) -> Terminal:
    """Return a row's content."""
    return Terminal(
        name=row.name,
        office_code=row.office_code,
        state=row.state,
        suspended_from=row.suspended_from,
        system_class=row.system_class,
        device_class=row.device_class,
        package_class=row.package_class,
        start_date=row.start_date,
        receipt_number=row.receipt_number,
        registered_at=row.registered_at,
        changed_at=row.changed_at,
        suspended_at=row.suspended_at,
        suspension_rule=None if row.suspension_rule is None else SuspensionRule(row.suspension_rule),
    )


def _row(session: Session, name: str, *, lock: bool = True) -> TerminalRow | None:
    if NAME.fullmatch(name) is None:
        return None  # a name that can not be never reaches the database
    if lock:
        session.flush()  # what was changed here must not be overwritten by what is read again
    # A row that the session read before the lock may have changed since: it is read again.
    return session.get(TerminalRow, name, with_for_update=lock or None, populate_existing=lock)


def _of_office(office_code: str, *, abolished: bool) -> Select[*tuple[Any, ...]]:
    query = _COLUMNS.where(TerminalRow.office_code == office_code)
    return query if abolished else query.where(TerminalRow.state != TerminalState.ABOLISHED)


def _insert(session: Session, terminal: Takeover, *, receipt_number: str | None, now: datetime) -> bool:
    values = {
        "name": terminal.name,
        "office_code": terminal.office_code,
        "system_class": terminal.system_class,
        "device_class": terminal.device_class,
        "package_class": PACKAGES[terminal.device_class],
        "state": terminal.state,
        "start_date": terminal.start_date,
        "receipt_number": receipt_number,
        "registered_at": now,
        "changed_at": now,
    }
    return insert_if_absent(session, TerminalRow, values)


def _settle_abolition(session: Session, name: str, now: datetime) -> None:
    # A change of class that still waits is overtaken: it is closed, but not executed.
    is_abolition = TerminalChangeRow.after.is_(None)
    open_changes = update(TerminalChangeRow).where(TerminalChangeRow.terminal_name == name, TerminalChangeRow.is_open)
    session.execute(open_changes.where(is_abolition).values(is_open=False, executed_at=now))
    session.execute(open_changes.where(~is_abolition).values(is_open=False))
