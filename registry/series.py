"""Counters that only grow: receipt numbers and the names of new terminals.

A counter's row is locked until its user's transaction ends, so two never get the same number; a transaction that
rolls back gives its number back. Lock order of the room: draft, application, terminals by name, series.
"""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from kernel.clock import TOKYO
from kernel.database import insert_if_absent
from kernel.errors import Refused
from registry.states import DeviceClass
from registry.tables import CAPITALS, SeriesRow

# The letters that new names of a device class end in; the next one is taken when 99,999 names are used up.
NAME_LETTERS = {DeviceClass.NET: "WUVT", DeviceClass.WEB: "EFGH", DeviceClass.EBMS: "XYZS"}
NAMES_PER_LETTER = 99_999
RECEIPTS_PER_LETTER = 9_999


def next_receipt_number(session: Session, now: datetime) -> str:
    """Return the next receipt number, as 260001A: Tokyo's year, serial, series letter.

    Raises Refused("receipt-numbers-exhausted") after 259,974 in one year.
    """
    year = now.astimezone(TOKYO).strftime("%y")
    letter, serial = divmod(_advance(session, f"receipt:{year}") - 1, RECEIPTS_PER_LETTER)
    if letter >= len(CAPITALS):
        raise Refused("receipt-numbers-exhausted")
    return f"{year}{serial + 1:04d}{CAPITALS[letter]}"


def next_terminal_names(session: Session, device_class: DeviceClass, count: int) -> tuple[str, ...]:
    """Return the next names of a device class, as 00001W; existing terminals may have some of them already.

    Raises Refused("terminal-names-exhausted", device_class=…) when all letters of the class are used up.
    """
    letters = NAME_LETTERS[device_class]
    last = _advance(session, f"terminal:{device_class}", count)
    if last > len(letters) * NAMES_PER_LETTER:
        raise Refused("terminal-names-exhausted", device_class=device_class.value)
    positions = (divmod(number - 1, NAMES_PER_LETTER) for number in range(last - count + 1, last + 1))
    return tuple(f"{number + 1:05d}{letters[letter]}" for letter, number in positions)


def next_line_number(session: Session) -> str:
    """Return the next number of a general NACCS line, as L000001; existing lines may have it already."""
    return f"L{_advance(session, 'line'):06d}"


def next_general_name(session: Session) -> str:
    """Return the next name of a general NACCS terminal, as 00001G; existing ones may have it already."""
    return f"{_advance(session, 'general-terminal'):05d}G"


def _advance(session: Session, name: str, by: int = 1) -> int:
    query = select(SeriesRow).where(SeriesRow.name == name).with_for_update().execution_options(populate_existing=True)
    row = session.scalar(query)
    if row is None:
        insert_if_absent(session, SeriesRow, {"name": name, "last": 0})
        row = session.scalars(query).one()
    row.last += by
    session.flush()
    return row.last
