"""What an office's pages lead to, and what becomes of it when another office's users ask for it.

`Estate.of` walks through all of an office's pages as its administrator does: every link and every form, with the names of things
in them, sorted by the variable parts of the portal's addresses. So a new page is looked at as soon as another one leads to it.
`Prober.probe` sends one such request as somebody else, and beside it the same request for things that do not exist.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any
from urllib.parse import unquote, urlencode, urljoin, urlsplit

import flask
import lxml.html  # type: ignore[import-untyped]
from sqlalchemy import select
from werkzeug.exceptions import HTTPException
from werkzeug.routing import Rule
from werkzeug.test import TestResponse

from kernel.database import Base, Database
from tests.webui.visitors import Visitor
from webui.csrf import FIELD

# Variable parts of addresses that name nothing of an office, with a value for each; those with a list of words need none.
COMMON: Mapping[str, str] = {"deed": "disable", "item": "mailboxes", "month": "2026-11"}
_WORDS = re.compile(r"<any\(['\"]?([\w-]+)[^)]*\):(\w+)>")
# Buttons that end the walk, public pages that it need not enter, and files, which lead nowhere.
_LEAVE = re.compile(r"/(?:static|bulletin|logout|language)\b")
_FILE = re.compile(r"\.[a-z]{2,4}$")
_TOKENS = re.compile(rf'name="{FIELD}" value="[0-9a-f]+"|value="[0-9a-f]{{64}}"')
# Of each variable part so many values are tried where no page says which belong together.
_TRIED = 2
Pairs = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Attempt:
    """A request: an address with its query, and the form's fields where one is sent."""

    method: str
    address: str
    form: Pairs = ()

    def renamed(self, names: Mapping[str, str]) -> "Attempt":
        """Return the same request for other things."""
        address = _renamed(unquote(self.address), names)
        return Attempt(self.method, address, tuple((key, _renamed(value, names)) for key, value in self.form))

    def send(self, visitor: Visitor) -> TestResponse:
        """Ask as a visitor does."""
        if self.method == "GET":
            return visitor.get(self.address)
        values: dict[str, str | list[str]] = {}
        for key, value in self.form:
            values[key] = [*values.get(key, []), value]
        return visitor.post(self.address, values)

    def names(self, markers: Iterable[str]) -> list[str]:
        """Return those markers that the request itself holds."""
        whole = " ".join([unquote(self.address), *(value for _, value in self.form)])
        return [marker for marker in markers if marker in whole]


@dataclass
class Estate:
    """All that an office's pages lead to."""

    app: flask.Flask
    attempts: dict[Attempt, None] = field(default_factory=dict)
    # By name of a variable part, what stands for it in this office's addresses.
    samples: dict[str, dict[str, None]] = field(default_factory=dict)
    # By route, the values that belong together.
    seen: dict[str, dict[Pairs, None]] = field(default_factory=dict)
    pages: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, app: flask.Flask, visitor: Visitor, more: Iterable[str] = ()) -> "Estate":
        """Walk through an office's pages, and through `more` addresses to which none of them leads."""
        estate, starts = cls(app), [Attempt("GET", address) for address in more]
        estate._take(starts)
        ways = sorted(str(rule) for rule in rules(app) if not rule.arguments and "GET" in (rule.methods or ()))
        ways += [one.address for one in starts]
        while ways:
            way = ways.pop()
            if way in estate.pages or _LEAVE.match(way) or _FILE.search(way):
                continue
            estate.pages.add(way)
            answer = visitor.get(way)
            if answer.location:
                ways.append(_path(way, answer.location))
            elif answer.mimetype == "text/html" and answer.status_code == 200:
                estate._read(way, answer.text)
                ways += [one.address for one in estate.attempts if one.method == "GET" and one.address not in estate.pages]
        return estate

    def _read(self, way: str, text: str) -> None:
        tree = lxml.html.fromstring(text)
        found = [Attempt("GET", _path(way, link)) for link in tree.xpath("//a/@href") if not urlsplit(link).scheme]
        for form in tree.forms:
            found += sent(way, form)
        self._take(found)

    def _take(self, found: Iterable[Attempt]) -> None:
        for attempt in found:
            if not _LEAVE.match(attempt.address):
                self.attempts.setdefault(attempt)
                self._sort(attempt)

    def _sort(self, attempt: Attempt) -> None:
        with self.app.test_request_context():
            try:
                rule, values = self.app.create_url_adapter(flask.request).match(  # type: ignore[union-attr]
                    unquote(urlsplit(attempt.address).path), attempt.method, return_rule=True
                )
            except HTTPException:
                return
        given = {name: str(value) for name, value in values.items() if name in things(rule)}
        for name, value in given.items():
            self.samples.setdefault(name, {}).setdefault(value)
        self.seen.setdefault(rule.rule, {}).setdefault(tuple(sorted(given.items())))

    def names(self) -> tuple[str, ...]:
        """Return the names of this office's things, but for short numbers."""
        return tuple(value for values in self.samples.values() for value in values if not _is_short_number(value))

    def everything(self, retyped: Mapping[str, str]) -> Iterator[Attempt]:
        """Return every link and form that was seen, and every route of the app with things of this office.

        What else a form is filled in with is `retyped`: whoever sends it would see their own words again afterwards.
        """
        things = set(self.names())
        for attempt in self.attempts:
            pairs = [(name, value if value in things else _renamed(value, retyped)) for name, value in attempt.form]
            yield replace(attempt, form=tuple(pairs))
        for rule in rules(self.app):
            for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
                for values in self.values(rule):
                    yield Attempt(method, address(self.app, rule, values))

    def mixed(self, own: "Estate") -> Iterator[Attempt]:
        """Return, for routes with several variable parts, addresses in which one part is this office's, the others its own."""
        for rule in rules(self.app):
            names = things(rule)
            for name, others, theirs in product(names, own.values(rule)[:_TRIED], list(self.values(rule))[:_TRIED]):
                for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}) if len(names) > 1 else ():
                    yield Attempt(method, address(self.app, rule, {**others, name: theirs[name]}))

    def values(self, rule: Rule) -> list[dict[str, str]]:
        """Return things of this office for a route's variable parts: those that pages name together, else any."""
        known = [dict(pairs) for pairs in self.seen.get(rule.rule, ()) if pairs]
        names = things(rule)
        chosen = product(*(list(self.samples[name])[:_TRIED] for name in names))
        return known or [dict(zip(names, several, strict=True)) for several in chosen]


@dataclass
class Prober:
    """Somebody who asks for things of another office; what they learn of it is noted in `leaks`."""

    markers: tuple[str, ...]
    asked: int = 0
    leaks: list[str] = field(default_factory=list)

    def probe(self, visitor: Visitor, attempt: Attempt) -> TestResponse:
        """Ask for another office's things, and for the like that do not exist; note what differs, and what is told."""
        answer = attempt.send(visitor)
        self.asked += 1
        named = attempt.names(self.markers)
        self._look(attempt, answer, named)
        unknown = {name: unlike(name) for name in named if name.isascii()}
        is_led_away = (answer.location or "").startswith("/login")  # before anything was looked up
        if unknown and not is_led_away:
            twin = attempt.renamed(unknown).send(visitor)
            self.asked += 1
            if _shape(answer, unknown) != _shape(twin, unknown):
                # The first answer may have been the page that told of a deed before: once more.
                answer = attempt.send(visitor)
            if _shape(answer, unknown) != _shape(twin, unknown):
                self.leaks.append(f"{attempt}: {answer.status_code} is not as for unknown things: {twin.status_code}")
        return answer

    def _look(self, attempt: Attempt, answer: TestResponse, named: Iterable[str]) -> None:
        told = _told(answer)
        for name in named:  # what somebody asked for may be repeated to them
            told = told.replace(name, "")
        self.leaks += [f"{attempt}: tells {marker}" for marker in self.markers if marker in told]


def rules(app: flask.Flask) -> list[Rule]:
    """Return the app's routes but those of files."""
    return [rule for rule in app.url_map.iter_rules() if not _LEAVE.match(rule.rule)]


def things(rule: Rule) -> list[str]:
    """Return the variable parts of a route that name things of an office."""
    words = {name for _, name in _WORDS.findall(rule.rule)}
    return sorted(rule.arguments - words - COMMON.keys() - (rule.defaults or {}).keys())


def address(app: flask.Flask, rule: Rule, values: Mapping[str, str]) -> str:
    """Return a route's address for things of an office."""
    common = {name: value for name, value in COMMON.items() if name in rule.arguments}
    common |= {name: word for word, name in _WORDS.findall(rule.rule)}
    numbers = set(re.findall(r"<int(?:\([^)]*\))?:(\w+)>", rule.rule))
    filled: dict[str, Any] = {name: int(value) if name in numbers else value for name, value in (common | dict(values)).items()}
    filled |= rule.defaults or {}
    with app.test_request_context():
        return flask.url_for(rule.endpoint, **filled)


def unlike(name: str) -> str:
    """Return a name of the same shape that names nothing."""
    return name[:2] + "".join(_turned(one) for one in name[2:]) if len(name) > 2 else str(int(name) + 7_000)


def _turned(one: str) -> str:
    if one.isdigit():
        return str(9 - int(one))
    return chr(ord("f") - (ord(one) - ord("a"))) if "a" <= one <= "f" else one


def markers(database: Database, words: Iterable[str], others: Iterable[str]) -> tuple[str, ...]:
    """Return all texts of an office's rows that stand in no other rows, short enough to be shown as a whole."""
    ours: set[str] = set()
    theirs: set[str] = set(others)
    words = tuple(words)
    for row in rows(database).values():
        for cells in row:
            texts = set(_texts(cells))
            (ours if any(word in text for text in texts for word in words) else theirs).update(texts)
    found = {text for text in ours - theirs if 6 <= len(text) <= 80 and not _is_short_number(text)}
    found |= set(words)
    return tuple(sorted(text for text in found if not any(other in text for other in found if other != text)))


def rows(database: Database) -> dict[str, list[tuple[object, ...]]]:
    """Return all rows of all tables."""
    with database.snapshot() as session:
        return {table.name: [tuple(row) for row in session.execute(select(table)).all()] for table in Base.metadata.sorted_tables}


def _texts(cell: object) -> Iterator[str]:
    if isinstance(cell, str):
        yield cell
    elif isinstance(cell, Mapping):
        for value in cell.values():
            yield from _texts(value)
    elif isinstance(cell, list | tuple):
        for value in cell:
            yield from _texts(value)


def _is_short_number(text: str) -> bool:
    # It could stand in any token.
    return len(text) < 9 and re.fullmatch("[0-9a-f]+", text) is not None


def sent(way: str, form: lxml.html.FormElement) -> list[Attempt]:
    """Return what a form sends as it is filled in, once for each of its buttons and with all of its boxes ticked."""
    target, method = _path(way, form.action or way), (form.method or "get").upper()
    ticked = [(box.get("name"), box.get("value", "on")) for box in form.xpath(".//input[@type='checkbox']")]
    filled = [(name, value) for name, value in form.form_values() if name != FIELD]
    pairs = tuple(dict.fromkeys([*filled, *ticked]))
    buttons: list[Pairs] = [((one.get("name"), one.get("value", "")),) for one in form.xpath(".//button[@name]")]
    if method == "GET":
        return [Attempt("GET", f"{urlsplit(target).path}?{urlencode(pairs)}")]
    return [Attempt(method, target, pairs + button) for button in (buttons or [()])]


def _path(way: str, link: str) -> str:
    parts = urlsplit(urljoin(way, link))
    return parts.path + (f"?{parts.query}" if parts.query else "")


def _told(answer: TestResponse) -> str:
    headers = "\n".join(f"{name}: {unquote(value)}" for name, value in answer.headers if name != "Set-Cookie")
    return f"{headers}\n{_TOKENS.sub('', answer.get_data().decode('utf-8', 'replace'))}"


def _shape(answer: TestResponse, names: Mapping[str, str]) -> tuple[int, str]:
    told = _told(answer)
    for name, other in names.items():
        told = told.replace(other, "").replace(name, "")
    return answer.status_code, re.sub(r"(?m)^Content-Length: .*$", "", told)


def _renamed(text: str, names: Mapping[str, str]) -> str:
    for name, other in names.items():
        text = text.replace(name, other)
    return text
