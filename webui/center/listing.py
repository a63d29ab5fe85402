"""Long lists: which page is asked for, and the addresses of its neighbours."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import flask

from registry.paging import Page

# No list has more pages than digits like these; longer numbers are a joke.
_DIGITS = 6


@dataclass(frozen=True)
class Pager:
    """Where a reader is in a list; addresses are empty where there is nothing. `has_more`: there is more than is shown."""

    number: int
    pages: int
    total: int
    before: str
    after: str
    has_more: bool = False


def page_number() -> int:
    """Return the page that is asked for, 1 where it is none."""
    asked = flask.request.args.get("page", "1")
    return max(1, int(asked)) if asked.isascii() and asked.isdecimal() and len(asked) <= _DIGITS else 1


def pager(number: int, pages: int, total: int, *, has_more: bool = False) -> Pager:
    """Return the pager of the present page; its addresses keep what was searched for."""
    before = _address(number - 1) if number > 1 else ""
    return Pager(number, pages, total, before, _address(number + 1) if number < pages else "", has_more)


def pager_of(found: Page[Any]) -> Pager:
    """Return the pager of a list's page, as `pager` does."""
    return pager(found.number, found.pages, found.total, has_more=found.has_more)


def pages_of(total: int, size: int) -> int:
    """Return how many pages a list has."""
    return max(1, -(-total // size))


def chosen(name: str, allowed: Sequence[str], default: str = "") -> str:
    """Return the value of a filter if it is one of those that there are."""
    value = flask.request.args.get(name, default)
    return value if value in allowed else default


def searched(name: str = "q") -> str:
    """Return what was typed into the search field."""
    return flask.request.args.get(name, "").strip()


def _address(number: int) -> str:
    request = flask.request
    asked = {name: value for name, value in request.args.items() if name != "page" and value}
    values = {**(request.view_args or {}), **asked, "page": number}
    return flask.url_for(request.endpoint or "", **values)
