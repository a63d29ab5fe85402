"""The pages of a list that is too long for one: turned, searched and narrowed by buttons of the form that they stand in.

A form shows some rows of its list, named in hidden fields, so that what was typed into the others stays (`registry.rows`).
Whatever is pressed saves first, then leads to an address that says what to show (`page`, `q`, `only`, `row`): so Back,
reloading and a second tab do no harm. Where the address says nothing the page with the first fault is shown.

Buttons are called `then`: `page.<number>`, `row.<ref>`, `find`, `changed`, `all`; and `enter`, the form's first button, which
Enter in a field presses: it searches when another word stands in the search field, and otherwise goes on.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import flask
from werkzeug.wrappers import Response

from registry.faults import Faults
from registry.japanese import searchable
from registry.paging import SIZE
from registry.rows import row_of
from webui.portal import wizard
from webui.sheet import Sheet
from webui.words import fault_sentence

ONLY_CHANGED = "changed"
# So many rows are named where changed rows or faults of other pages are told.
NAMED = 10
# No list has more pages than digits like these.
_DIGITS = 6
# Where a list begins on its page.
ANCHOR = "rows"
# What is wrong with the whole page is not told while its rows are still being looked through.
_OF_THE_WHOLE = frozenset({"unchanged", "terminals-none", "owned-none"})


@dataclass(frozen=True)
class Listed:
    """A long list as it stands: its rows' names by ref, in order; which were typed over, and what is wrong with them."""

    names: Mapping[str, str]
    changed: tuple[str, ...]
    faults: Faults

    @property
    def faulty(self) -> tuple[str, ...]:
        """The rows with which something is wrong, in the list's order."""
        found = {row_of(fault) for fault in self.faults}
        return tuple(ref for ref in self.names if ref in found)


@dataclass(frozen=True)
class Elsewhere:
    """A fault of a row that another page shows."""

    ref: str
    name: str
    sentence: str


@dataclass(frozen=True)
class Part:
    """The rows of a list that a page shows: the `number`th of `pages` pages of `size` with `total` rows, of `whole` in all.

    `address` is the parameters under which they are shown; `elsewhere` the faults of other rows.
    """

    refs: tuple[str, ...]
    number: int
    pages: int
    total: int
    whole: int
    size: int
    text: str
    only: str
    changed: tuple[tuple[str, str], ...]
    elsewhere: tuple[Elsewhere, ...]

    @property
    def address(self) -> dict[str, str]:
        """Return the parameters of the address that shows this."""
        return _parameters(page=str(self.number), q=self.text, only=self.only)

    @property
    def named(self) -> int:
        """Return how many changed or faulty rows are named at most."""
        return NAMED

    @property
    def shown(self) -> tuple[tuple[str, str], ...]:
        """Return the hidden fields that say which rows are shown."""
        return tuple(("shown", ref) for ref in self.refs)

    @property
    def first(self) -> int:
        """Return the place of the first row, from 1."""
        return (self.number - 1) * self.size + 1

    @property
    def near(self) -> tuple[int, ...]:
        """Return the pages that have a button: the first, the last, and those around this one; 0 stands for a gap."""
        wanted = sorted({1, self.pages, *range(max(1, self.number - 1), min(self.pages, self.number + 1) + 1)})
        found: list[int] = []
        for number in wanted:
            if found and number > found[-1] + 1:
                found.append(0)
            found.append(number)
        return tuple(found)


def is_long(rows: Collection[object]) -> bool:
    """Return whether a list has pages."""
    return len(rows) > SIZE


def part_of(listed: Listed, words: Callable[[str], str], size: int = SIZE) -> Part:
    """Return the part of a list that the address asks for, `size` rows; `words` tells what a row says, to be searched."""
    query = flask.request.args
    text = searchable(query.get("q", ""))
    only = ONLY_CHANGED if query.get("only") == ONLY_CHANGED else ""
    among: Sequence[str] = listed.changed if only else tuple(listed.names)
    found = [ref for ref in among if text.upper() in words(ref).upper()] if text else list(among)
    pages = max(1, -(-len(found) // size))
    wanted = _wanted(listed)
    number = _number(query.get("page")) or (found.index(wanted) // size + 1 if wanted in found else 1)
    number = min(number, pages)
    refs = tuple(found[(number - 1) * size : number * size])
    return Part(
        refs,
        number,
        pages,
        total=len(found),
        whole=len(listed.names),
        size=size,
        text=text,
        only=only,
        changed=tuple((ref, listed.names[ref]) for ref in listed.changed),
        elsewhere=tuple(
            Elsewhere(row_of(fault), listed.names[row_of(fault)], fault_sentence(fault))
            for fault in listed.faults
            if row_of(fault) in listed.names and row_of(fault) not in refs
        ),
    )


def faults_of(present: wizard.Progress, section: str) -> Faults:
    """Return what is wrong with a section, nothing while it was never sent."""
    return present.faults(section) if present.draft.has(section) else Faults()


def sheet_of(present: wizard.Progress, section: str, part: Part | None) -> Sheet:
    """Return what a page shows: all that was typed, and the faults of what it shows; without a part it shows all."""
    if part is None:
        return present.sheet(section)
    return wizard.sheet_of(present.draft.section(section), _told_here(faults_of(present, section), part))


def is_turning() -> bool:
    """Return whether the address says which rows to show: their reader is on the way through the list."""
    return bool(flask.request.args.keys() & {"page", "q", "only", "row"})


def here() -> dict[str, str]:
    """Return the parameters of the present address that say which rows are shown."""
    return _parameters(**{name: flask.request.args.get(name, "") for name in ("page", "q", "only")})


def shown() -> frozenset[str] | None:
    """Return the rows that the sent page showed; none where it showed a whole list."""
    form = flask.request.form
    return frozenset(form.getlist("shown")) if "shown" in form else None


def turned(section: str) -> Response | None:
    """Lead to the rows that the pressed button asks for, after what was typed was saved; None for any other button."""
    then, _, what = flask.request.form.get("then", "").partition(".")
    query = flask.request.args
    text, typed = searchable(query.get("q", "")), searchable(flask.request.form.get("q", ""))
    if then == "enter" and typed != text:
        then = "find"
    match then:
        case "page":
            return _to(section, page=what, q=text, only=query.get("only", ""))
        case "row":
            return _to(section, anchor=f"row.{what}", row=what)
        case "find" if typed:
            return _to(section, q=typed)
        case "changed":
            return _to(section, only=ONLY_CHANGED)
        case "find" | "all":
            return _to(section, page="1")
        case _:
            return None


def _told_here(faults: Faults, part: Part) -> Faults:
    """Return the faults that a page tells beside its fields: those of its own rows, and of the whole page."""
    away = {one.ref for one in part.elsewhere}
    here = (fault for fault in faults if row_of(fault) not in away)
    return Faults(fault for fault in here if not (is_turning() and fault.code in _OF_THE_WHOLE))


def _wanted(listed: Listed) -> str:
    """Return the row to be shown where no page is asked for: one that is named, or the first with a fault."""
    asked = flask.request.args.get("row", "")
    if asked in listed.names or is_turning():
        return asked
    return next(iter(listed.faulty), "")


def _number(text: str | None) -> int:
    """Return a page's number, 0 for none."""
    return int(text) if text and text.isascii() and text.isdecimal() and len(text) <= _DIGITS else 0


def _parameters(**asked: str) -> dict[str, str]:
    return {name: text for name, text in asked.items() if text}


def _to(section: str, *, anchor: str = ANCHOR, **asked: str) -> Response:
    return flask.redirect(wizard.address(section, anchor=anchor, **_parameters(**asked)), 303)
