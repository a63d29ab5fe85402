"""Names that begin with a text, found by an index."""

import re

from sqlalchemy import ColumnElement
from sqlalchemy.orm import InstrumentedAttribute

_BEGIN = re.compile(r"[0-9A-Z]+")


def begins(column: InstrumentedAttribute[str], text: str) -> ColumnElement[bool]:
    """Return the condition that a name begins with a text, with bounds for the index: LIKE alone reads the whole table.

    Names are capitals and digits, which every collation sorts the same way.
    """
    found = column.startswith(text, autoescape=True)
    if not _BEGIN.fullmatch(text):
        return found
    stem = text.rstrip("Z")
    if not stem:
        return found & (column >= text)
    return found & (column >= text) & (column < stem[:-1] + ("A" if stem[-1] == "9" else chr(ord(stem[-1]) + 1)))
