"""Lists as files for spreadsheet programs: CSV (RFC 4180) in UTF-8 with a byte order mark, in which no cell is a formula."""

import csv
import io
from collections.abc import Iterable, Sequence

import flask

from webui import downloads

# What a spreadsheet program takes for the beginning of a formula, or strips before it looks.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def safe(text: str) -> str:
    """Return a cell's text so that a spreadsheet program shows it and computes nothing."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def download(name: str, heads: Sequence[str], rows: Iterable[Sequence[str | int]]) -> flask.Response:
    """Answer with a list as a file; what is a number is no text, so it may be below zero."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(heads)
    writer.writerows([cell if isinstance(cell, int) else safe(cell) for cell in row] for row in rows)
    # Without the mark Excel reads Japanese as another encoding.
    return downloads.file(("\ufeff" + text.getvalue()).encode(), "text/csv; charset=utf-8", name)
