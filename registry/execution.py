"""Carrying out a change item: the contract's rows become what an application wants, or nothing does.

    conflicts(session, office_code, change) -> tuple[Conflict, ...]
    obstacles(session, office_code, change) -> tuple[Refused, ...]
    carry_out(session, office_code, change, start_date) -> None

What the contract said when the customer applied must still be so for whatever changes; where it says already what is
wanted, there is nothing to do. Additions begin on the start date, deletions take effect the day before. This writes no
audit entry and no news: whoever decides the deed does, in the same transaction.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from kernel.database import Base, insert_if_absent
from kernel.errors import Refused
from registry import contracts, offices, soundness, terminals
from registry.billing import states
from registry.changes import Entry, ItemChange, Present, Row, Values
from registry.contracts import Contract
from registry.fields import Owned
from registry.forms import FORMS, OFFICE_CODE, Edit
from registry.offices import Office
from registry.series import next_general_name, next_line_number
from registry.states import PaymentMethod, PricePlan, SystemClass
from registry.tables import (
    BrokerRow,
    BusinessRow,
    CompanyRow,
    ContractRow,
    GeneralTerminalRow,
    LineRow,
    OfficeRow,
    PartnershipRow,
    UserCodeRow,
)

_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Conflict:
    """A field of a row of which the contract says something else than when the customer applied; none: the whole row."""

    ref: str
    field: str | None
    present: str | None


@dataclass(frozen=True)
class Deed:
    """One entry of a change, to be written into one office's contract."""

    session: Session
    office_code: str
    entry: Entry
    start_date: date

    @property
    def after(self) -> Values:
        """Return the values of a row that is added or changed."""
        return self.entry.after or {}

    @property
    def differing(self) -> dict[str, object]:
        """Return what changes, as columns have it."""
        return {name: stored(name, self.after.get(name, "")) for name in self.entry.changed}

    @property
    def end(self) -> date:
        """Return the last day of what is deleted."""
        return self.start_date - _DAY


def conflicts(session: Session, office_code: str, change: ItemChange) -> tuple[Conflict, ...]:
    """Return what stands in the way of carrying a change out now; nothing when it can be."""
    office, contract = _read(session, office_code)
    rows = {row.ref: row for row in contracts.present(office, contract).get(change.item, ())}
    return tuple(conflict for entry in change.entries for conflict in _against(change.item, entry, rows))


def obstacles(session: Session, office_code: str, change: ItemChange) -> tuple[Refused, ...]:
    """Return why a change can not be carried out as things stand, apart from conflicts.

    Those are item-outdated (see `soundness`; then nothing else is asked), office-unknown, terminals-remain, owned-gone (what
    a row refers to: another item of the same application may still bring it), row-last.
    """
    try:
        soundness.require(office_code, change)
    except Refused as outdated:
        return (outdated,)
    codes = [field.code for field in FORMS[change.item].fields if field.kind is OFFICE_CODE]
    named = {entry.after[code] for entry in change.entries if entry.after for code in codes}
    missing = sorted(named - offices.names(session, named).keys()) if named else []
    found = [Refused("office-unknown", office_code=code) for code in missing]
    if change.item == "termination" and (left := len(terminals.all_of_office(session, office_code))):
        found.append(Refused("terminals-remain", count=left))
    present = contracts.present(*_read(session, office_code))
    return (*found, *_gone(change, present), *_emptied(change, present))


def carry_out(session: Session, office_code: str, change: ItemChange, start_date: date) -> None:
    """Change the contract as an application wants it.

    Raises Refused with item-outdated, contract-differs (see `conflicts`), office-unknown (a partner's code), user-code-taken,
    terminals-remain (of a contract that shall end), owned-gone (what a row refers to), row-last (a user code's only ID number).
    """
    soundness.require(office_code, change)
    form = FORMS[change.item]
    company, office, contract = _locked(session, office_code)
    found = conflicts(session, office_code, change)
    if found:
        raise Refused("contract-differs", item=change.item)
    for obstacle in obstacles(session, office_code, change):
        raise obstacle
    if change.item == "termination":
        _terminate(contract, change)
    if form.is_request:
        return
    write = _WRITERS.get(change.item)
    rows = {row.ref for row in contracts.present(*_read(session, office_code)).get(change.item, ())}
    for entry in change.entries:
        deed = Deed(session, office_code, entry, start_date)
        if write is None:
            _write_form(change.item, deed, {"company": company, "office": office, "contract": contract})
        elif not _is_done(change.item, entry, rows):
            write(deed)
    states.note(session, office_code, start_date)


def stored(name: str, value: str) -> object:
    """Return a field's text as its column has it."""
    return _STORED.get(name, str)(value)


def _read(session: Session, office_code: str) -> tuple[Office, Contract]:
    office, contract = offices.get(session, office_code), contracts.get(session, office_code)
    if office is None or contract is None:
        raise LookupError(office_code)
    return office, contract


def _locked(session: Session, office_code: str) -> tuple[CompanyRow, OfficeRow, ContractRow]:
    """Lock what an office's contract is made of: company, office, contract, in this order; its lists follow the contract."""

    def held(table: type[Any], key: str) -> Any:  # noqa: ANN401 (a row of that table)
        return session.get_one(table, key, with_for_update=True, populate_existing=True)

    session.flush()
    return held(CompanyRow, office_code[:3]), held(OfficeRow, office_code), held(ContractRow, office_code)


def _against(item: str, entry: Entry, rows: Mapping[str, Row]) -> Iterator[Conflict]:
    if entry.edit is Edit.ADD:
        row = rows.get(_ref(item, entry))
        if row and any(row.values.get(name, value) != value for name, value in (entry.after or {}).items()):
            yield Conflict(row.ref, None, None)
        return
    row = rows.get(entry.ref)
    if row is None:
        if entry.edit is Edit.CHANGE:
            yield Conflict(entry.ref, None, None)
        return
    before, after = entry.before or {}, entry.after or {}
    for name in entry.changed:
        present = row.values.get(name, "")
        if present not in (before.get(name, ""), after.get(name) if entry.after else before.get(name, "")):
            yield Conflict(entry.ref, name, present)


def _gone(change: ItemChange, present: Present) -> Iterator[Refused]:
    """Find what rows refer to and the contract does not have: a user code, a line."""
    form = FORMS[change.item]
    for field in form.fields if not form.is_request else ():
        if isinstance(field.kind, Owned):
            there = {row.values[field.kind.field] for row in present.get(field.kind.item, ())}
            wanted = {entry.after[field.code] for entry in change.entries if entry.after and field.code in entry.changed}
            missing = sorted(wanted - there - {""})
            yield from (Refused("owned-gone", item=change.item, field=field.code, value=value) for value in missing)


def _emptied(change: ItemChange, present: Present) -> Iterator[Refused]:
    """Find of what the last row would go that must be kept: other applications may have deleted the others."""
    kept = FORMS[change.item].kept
    if not kept:
        return
    rows = {row.ref: row.values for row in present.get(change.item, ())}
    gone = [rows.pop(entry.ref) for entry in change.entries if entry.edit is Edit.DELETE and entry.ref in rows]
    left = {values[kept] for values in (*rows.values(), *(entry.after for entry in change.entries if entry.after))}
    yield from (Refused("row-last", value=value) for value in sorted({values[kept] for values in gone} - left))


def _ref(item: str, entry: Entry) -> str:
    """Return by what name an added row is known later; lines and general terminals get theirs only then."""
    return "-".join((entry.after or {}).get(name, "") for name in FORMS[item].names)


def _is_done(item: str, entry: Entry, refs: set[str]) -> bool:
    """Return whether a row that is to be added or deleted is there or gone already."""
    if entry.edit is Edit.ADD:
        return _ref(item, entry) in refs
    return entry.edit is Edit.DELETE and entry.ref not in refs


def _write_form(item: str, deed: Deed, rows: Mapping[str, Base]) -> None:
    for name in deed.entry.changed:
        place, _, column = FORMS[item].field(name).column.partition(".")
        setattr(rows[place], column, stored(column, deed.after.get(name, "")))


def _terminate(contract: ContractRow, change: ItemChange) -> None:
    (entry,) = change.entries
    contract.ends_on = date.fromisoformat((entry.after or {})["last_day"])


def _business(deed: Deed) -> None:
    _write_row(deed, BusinessRow, ("system_class", "business"))


def _line(deed: Deed) -> None:
    _write_named(deed, LineRow, "number", next_line_number)


def _general_terminal(deed: Deed) -> None:
    _write_named(deed, GeneralTerminalRow, "name", next_general_name)


def _broker(deed: Deed) -> None:
    _write_row(deed, BrokerRow, ("user_code", "id_number"))


def _partnership(deed: Deed) -> None:
    wanted = {"user_code": "", **(deed.after or deed.entry.before or {})}
    own = Deed(deed.session, deed.office_code, _completed(deed.entry), deed.start_date)
    _write_row(own, PartnershipRow, ("user_code", "partner"))
    if code := wanted["user_code"]:
        open_rows = _open(PartnershipRow, deed.office_code).where(PartnershipRow.user_code == code)
        is_shared = deed.session.scalar(open_rows.limit(1)) is not None
        _of_code(deed, code, {"shared": is_shared})


def _completed(entry: Entry) -> Entry:
    """Return an entry of 共同利用 with the user code that it lacks."""
    before, after = ({"user_code": "", **values} if values is not None else None for values in (entry.before, entry.after))
    return Entry(entry.ref, before, after)


def _user_code(deed: Deed) -> None:
    match deed.entry.edit:
        case Edit.ADD:
            _require_free(deed, deed.after["user_code"])
            billed = {"paid_statistics": False, "free_statistics": False, "storage": False, "shared": False}
            _enter_code(deed, {name: stored(name, value) for name, value in deed.after.items()} | billed)
        case Edit.CHANGE:
            _of_code(deed, deed.entry.ref, deed.differing)
        case Edit.DELETE:
            _of_code(deed, deed.entry.ref, {"end_date": deed.end})


def _id_number(deed: Deed) -> None:
    values = deed.after or deed.entry.before or {}
    rows = _open(UserCodeRow, deed.office_code).where(UserCodeRow.user_code == values["user_code"])
    if deed.entry.edit is Edit.DELETE:
        row = deed.session.scalars(rows.where(UserCodeRow.id_number == values["id_number"])).one()
        row.end_date = deed.end
        return
    # One that ends with this very deed, to be exchanged for this one, will do, too.
    of_code = (UserCodeRow.office_code == deed.office_code, UserCodeRow.user_code == values["user_code"])
    still = UserCodeRow.end_date.is_(None) | (UserCodeRow.end_date == deed.end)
    like = deed.session.scalar(select(UserCodeRow).where(*of_code, still).order_by(UserCodeRow.id_number).limit(1))
    if like is None:  # the code itself is another item of the same application, which comes first
        raise Refused("contract-differs", item="id_numbers")
    same = ("system_class", "business", "processing", "paid_statistics", "free_statistics", "storage", "shared")
    _enter_code(deed, {name: getattr(like, name) for name in same} | dict(values))


def _billed(deed: Deed) -> None:
    _of_code(deed, deed.entry.ref, deed.differing)


def _require_free(deed: Deed, user_code: str) -> None:
    others = select(UserCodeRow.id).where(UserCodeRow.user_code == user_code, UserCodeRow.office_code != deed.office_code)
    if deed.session.scalar(others.limit(1)) is not None:
        raise Refused("user-code-taken", user_code=user_code)


def _enter_code(deed: Deed, values: Mapping[str, object]) -> None:
    period = {"office_code": deed.office_code, "start_date": deed.start_date, "end_date": None}
    if insert_if_absent(deed.session, UserCodeRow, {**values, **period}):
        return
    same = (UserCodeRow.user_code == values["user_code"], UserCodeRow.id_number == values["id_number"])
    row = deed.session.scalars(select(UserCodeRow).where(*same).with_for_update()).one()
    if row.office_code != deed.office_code or row.end_date is None:
        raise Refused("user-code-taken", user_code=str(values["user_code"]))
    for name, value in {**values, **period}.items():  # it had ended, and begins anew
        setattr(row, name, value)


def _of_code(deed: Deed, user_code: str, values: Mapping[str, object]) -> None:
    """Write something into all rows of a user code."""
    own = (UserCodeRow.office_code == deed.office_code, UserCodeRow.user_code == user_code, UserCodeRow.end_date.is_(None))
    deed.session.execute(update(UserCodeRow).where(*own).values(**values))


def _open(table: type[Any], office_code: str) -> Any:  # noqa: ANN401 (a query of that table)
    return select(table).where(table.office_code == office_code, table.end_date.is_(None))


def _write_row(deed: Deed, table: type[Any], names: tuple[str, ...]) -> None:
    """Add a row to a list, or change or end the one that has these names."""
    if deed.entry.edit is Edit.ADD:
        values = {name: stored(name, value) for name, value in deed.after.items()}
        deed.session.add(table(office_code=deed.office_code, start_date=deed.start_date, end_date=None, **values))
    else:
        before = deed.entry.before or {}
        is_it = (getattr(table, name) == stored(name, before[name]) for name in names)
        row = deed.session.scalars(_open(table, deed.office_code).where(*is_it)).one()
        for name, value in (deed.differing if deed.entry.after is not None else {"end_date": deed.end}).items():
            setattr(row, name, value)
    deed.session.flush()


def _write_named(deed: Deed, table: type[Any], name: str, next_name: Callable[[Session], str]) -> None:
    """Do as `_write_row` does in a list whose rows get their names from a counter."""
    if deed.entry.edit is not Edit.ADD:
        _write_row(deed, table, (name,))
        return
    values = {code: stored(code, value) for code, value in deed.after.items()}
    values |= {"office_code": deed.office_code, "start_date": deed.start_date, "end_date": None}
    while not insert_if_absent(deed.session, table, {**values, name: next_name(deed.session)}):
        pass  # a name that was registered by hand is passed over


_STORED: Mapping[str, Callable[[str], object]] = {
    "system_class": SystemClass,
    "price_plan": lambda text: PricePlan(text) if text else None,
    "payment_method": lambda text: PaymentMethod(text) if text else None,
    "mailboxes": int,
    "latin_name": lambda text: text or None,
    "line_number": lambda text: text or None,
    "paid_statistics": lambda text: text == "yes",
    "free_statistics": lambda text: text == "yes",
    "storage": lambda text: text == "yes",
}
_WRITERS: Mapping[str, Callable[[Deed], None]] = {
    "businesses": _business,
    "user_codes": _user_code,
    "id_numbers": _id_number,
    "lines": _line,
    "general_terminals": _general_terminal,
    "statistics": _billed,
    "storage": _billed,
    "sharing": _partnership,
    "joint_use": _partnership,
    "broker_ids": _broker,
}
