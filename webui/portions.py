"""Long lists on pages that show other things beside them: a part at a time, each list by a parameter of its own."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar
from urllib.parse import urlencode

import flask

from registry.paging import SIZE

Record = TypeVar("Record")


@dataclass(frozen=True)
class Portion(Generic[Record]):
    """The `number`th of `pages` parts of a list of `total` records; `name` is its parameter in the page's address."""

    name: str
    records: tuple[Record, ...]
    number: int
    pages: int
    total: int

    @property
    def first(self) -> int:
        """Return the place of the first record, from 1."""
        return (self.number - 1) * SIZE + 1

    def address(self, number: int) -> str:
        """Return where the present page shows another part of the list, and of its other lists the same."""
        request = flask.request
        # Parameters are whatever somebody typed: `url_for` would take some of them for its own.
        asked = urlencode({**request.args, self.name: str(number)})
        return f"{flask.url_for(request.endpoint or '', **(request.view_args or {}))}?{asked}#{anchor_of(self.name)}"


def anchor_of(name: str) -> str:
    """Return where the pager of a list stands on its page."""
    return f"part-{name}"


def portion(name: str, records: Sequence[Record]) -> Portion[Record]:
    """Return the part of a list that the present address asks for; a number beyond either end gives the part there."""
    pages = max(1, -(-len(records) // SIZE))
    number = min(max(flask.request.args.get(name, 1, type=int), 1), pages)
    return Portion(name, tuple(records[(number - 1) * SIZE : number * SIZE]), number, pages, len(records))
