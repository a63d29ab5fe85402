"""Files of rows with headings, as spreadsheet programs write them: CSV with commas, in UTF-8 or in Japanese Windows' encoding.

read(octets, columns, optional) -> Table          rows by the columns' names, and everything that is wrong
"""

import csv
import io
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

from registry.japanese import half_width

LARGEST = 64 * 1024 * 1024


@dataclass(frozen=True)
class FileFault:
    """One fault: its line (1 is the headings), its column, a stable code and facts as `FieldFault` has them."""

    line: int
    column: str
    code: str
    facts: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Table:
    """The rows that have as many cells as headings, each with its line and its cells by column; and the faults."""

    rows: tuple[tuple[int, Mapping[str, str]], ...]
    faults: tuple[FileFault, ...]


def read(octets: bytes, columns: Mapping[str, str], optional: Collection[str]) -> Table:
    """Read a file: UTF-8, else CP932, with headings in the first line: a column's name, or the heading that may stand for it.

    Faults: encoding, empty, too-large, csv, column-unknown, column-missing, column-twice, cells.
    """
    if len(octets) > LARGEST:
        return _broken(FileFault(1, "", "too-large", {"most": LARGEST}))
    text = _decoded(octets)
    if text is None:
        return _broken(FileFault(1, "", "encoding"))
    rows = _rows(text)
    if isinstance(rows, FileFault):
        return _broken(rows)
    if not rows:
        return _broken(FileFault(1, "", "empty"))
    _, headings = rows[0]
    names = list(_names(headings, columns))
    if faults := tuple(_heading_faults(headings, names, columns, optional)):
        return Table((), faults)
    return _by_name(rows[1:], [name or "" for name in names])


def _by_name(rows: list[tuple[int, list[str]]], names: list[str]) -> Table:
    wrong = [
        FileFault(number, "", "cells", {"found": len(row), "wanted": len(names)})
        for number, row in rows
        if len(row) != len(names)
    ]
    if not rows:
        wrong.append(FileFault(1, "", "empty"))
    whole = tuple((number, dict(zip(names, row, strict=True))) for number, row in rows if len(row) == len(names))
    return Table(whole, tuple(wrong))


def _rows(text: str) -> list[tuple[int, list[str]]] | FileFault:
    """Return the rows with anything in them, each with the number of its first line: a cell may hold line ends."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    rows, begins = [], 1
    try:
        for row in reader:
            if any(cell.strip() for cell in row):
                rows.append((begins, row))
            begins = reader.line_num + 1
    except csv.Error as error:
        return FileFault(begins, "", "csv", {"reason": str(error)})
    return rows


def _heading_faults(
    headings: list[str], names: list[str | None], columns: Mapping[str, str], optional: Collection[str]
) -> Iterator[FileFault]:
    for at, (heading, name) in enumerate(zip(headings, names, strict=True)):
        if name is None:
            yield FileFault(1, heading.strip(), "column-unknown")
        elif names.index(name) < at:
            yield FileFault(1, name, "column-twice")
    for name in columns:
        if name not in names and name not in optional:
            yield FileFault(1, name, "column-missing")


def _names(headings: list[str], columns: Mapping[str, str]) -> Iterator[str | None]:
    """Yield the columns' names that headings stand for; none for an unknown one."""
    known = {half_width(japanese): name for name, japanese in columns.items()} | {name: name for name in columns}
    for heading in headings:
        plain = heading.strip()
        yield known.get(plain) or known.get(half_width(plain))


def _decoded(octets: bytes) -> str | None:
    for encoding in ("utf-8-sig", "cp932"):
        try:
            text = octets.decode(encoding)
        except UnicodeDecodeError:
            continue
        # UTF-16 has NULs, and CP932 takes nearly everything.
        return None if "\x00" in text else text
    return None


def _broken(fault: FileFault) -> Table:
    return Table((), (fault,))
