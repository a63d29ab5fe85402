"""Files of metered use: CSV with a line for each record of the network's metering.

    read(octets, this_month) -> Sheet     lines with their records, or faults with line and column: all of them
    judge(session, sheet) -> Sheet        the same after a look at offices, user codes and what is entered already

Nothing is written here; `usage` enters what was judged.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from sqlalchemy import select
from sqlalchemy.orm import Session

from registry import csv_sheets
from registry.billing.bills import Usage
from registry.billing.months import Month, read_month
from registry.billing.usage import known
from registry.csv_sheets import FileFault
from registry.faults import FieldFault
from registry.japanese import free_text, half_width
from registry.offices import CODE
from registry.tables import OfficeRow, UserCodeRow

# The column's name in the file, and the heading that may stand for it.
COLUMNS: Mapping[str, str] = {
    "record": "明細番号",
    "month": "対象月",
    "office_code": "事業所コード",
    "user_code": "利用者コード",
    "title": "摘要",
    "quantity": "数量",
    "unit": "単位",
    "amount": "金額（税抜）",
}
OPTIONAL = frozenset({"user_code"})
TITLE_MOST, UNIT_MOST = 60, 10
QUANTITY_MOST = AMOUNT_MOST = 10**12
_RECORD = re.compile(r"[A-Z0-9][A-Z0-9._/-]{0,39}")
_USER_CODE = re.compile(r"[A-Z0-9]{5,8}")
_NUMBER = re.compile(r"-?(?:[0-9]+|[0-9]{1,3}(?:,[0-9]{3})+)")


@dataclass(frozen=True)
class UsageLine:
    """One record to enter. `is_known` when it is entered already: it is left as it stands."""

    line: int
    usage: Usage
    is_known: bool = False


@dataclass(frozen=True)
class Sheet:
    """What a file says: the good lines, and everything that is wrong with the others."""

    lines: tuple[UsageLine, ...]
    faults: tuple[FileFault, ...]


def read(octets: bytes, this_month: Month) -> Sheet:
    """Read a file.

    Faults: those of `csv_sheets`, required, record, month, month-future, office-code, user-code, number, number-most,
    too-long, character, unshowable, record-twice.
    """
    table = csv_sheets.read(octets, COLUMNS, OPTIONAL)
    lines: list[UsageLine] = []
    faults = list(table.faults)
    for number, cells in table.rows:
        found: list[FieldFault] = []
        usage = _entry({name: cells.get(name, "").strip() for name in COLUMNS}, this_month, found)
        faults += [FileFault(number, fault.field, fault.code, fault.facts) for fault in found]
        if usage is not None:
            lines.append(UsageLine(number, usage))
    faults += _twice(lines)
    return Sheet(tuple(lines), tuple(sorted(faults, key=lambda fault: fault.line)))


def judge(session: Session, sheet: Sheet) -> Sheet:
    """Mark the records that are entered; find offices and user codes that there are not, and records that differ."""
    entered = known(session, [line.usage.record for line in sheet.lines])
    offices = set(session.scalars(select(OfficeRow.code)))
    owners = {(office, code) for office, code in session.execute(select(UserCodeRow.office_code, UserCodeRow.user_code))}
    lines, faults = [], list(sheet.faults)
    for line in sheet.lines:
        usage, before = line.usage, entered.get(line.usage.record)
        lines.append(replace(line, is_known=before == usage))
        if usage.office_code not in offices:
            faults.append(FileFault(line.line, "office_code", "office-unknown"))
        elif usage.user_code and (usage.office_code, usage.user_code) not in owners:
            faults.append(FileFault(line.line, "user_code", "user-code-unknown"))
        if before is not None and before != usage:
            faults.append(FileFault(line.line, "record", "record-differs"))
    return Sheet(tuple(lines), tuple(sorted(faults, key=lambda fault: fault.line)))


def _entry(cells: Mapping[str, str], this_month: Month, faults: list[FieldFault]) -> Usage | None:
    record, office_code, user_code = (half_width(cells[name]) for name in ("record", "office_code", "user_code"))
    for name, value, shape, code in (
        ("record", record, _RECORD, "record"),
        ("office_code", office_code, CODE, "office-code"),
        ("user_code", user_code, _USER_CODE, "user-code"),
    ):
        if not shape.fullmatch(value) and (value or name != "user_code"):
            faults.append(FieldFault(name, code if value else "required"))
    month = read_month(half_width(cells["month"]))
    if month is None:
        faults.append(FieldFault("month", "month" if cells["month"] else "required"))
    elif month > this_month:
        faults.append(FieldFault("month", "month-future"))
    title, unit = _words("title", cells, TITLE_MOST, faults), _words("unit", cells, UNIT_MOST, faults)
    quantity = _number("quantity", cells, range(QUANTITY_MOST), faults)
    amount = _number("amount", cells, range(-AMOUNT_MOST + 1, AMOUNT_MOST), faults)
    if faults or month is None:
        return None
    return Usage(record, office_code, month, user_code, title, quantity, unit, amount)


def _words(name: str, cells: Mapping[str, str], most: int, faults: list[FieldFault]) -> str:
    checked = free_text(name, cells[name], most=most, required=True)
    if isinstance(checked, FieldFault):
        faults.append(checked)
        return ""
    if "\n" in checked:
        faults.append(FieldFault(name, "character", {"character": "U+000A"}))
    return checked


def _number(name: str, cells: Mapping[str, str], allowed: range, faults: list[FieldFault]) -> int:
    text = half_width(cells[name]).replace("¥", "").replace("\\", "")
    if not _NUMBER.fullmatch(text):
        faults.append(FieldFault(name, "number" if text else "required"))
        return 0
    digits = text.replace(",", "")
    value = int(digits) if len(digits) <= len(str(allowed.stop)) else None
    if value is None or value not in allowed:
        faults.append(FieldFault(name, "number-most", {"least": allowed.start, "most": allowed.stop - 1}))
        return 0
    return value


def _twice(lines: list[UsageLine]) -> Iterator[FileFault]:
    seen: dict[str, int] = {}
    for line in lines:
        first = seen.setdefault(line.usage.record, line.line)
        if first != line.line:
            yield FileFault(line.line, "record", "record-twice", {"first": first})
