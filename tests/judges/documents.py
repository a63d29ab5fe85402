"""Collecting the pages of a door as they are sent: every route in both languages, and what forms answer."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from urllib.parse import parse_qsl, urljoin, urlsplit

import flask
import jinja2
import lxml.html  # type: ignore[import-untyped]
from werkzeug.exceptions import HTTPException
from werkzeug.test import TestResponse

from tests.webui import test_guard
from tests.webui.isolation import Attempt, Pairs, sent
from tests.webui.visitors import Visitor
from webui.csrf import FIELD

# What differs on each visit and says nothing of how a page is built.
_PASSING = re.compile(rf'(?<=name="{FIELD}" value=")[0-9a-f]+|[0-9a-f]{{32,}}|\d\d:\d\d')
_FILE = re.compile(r"\.[a-z0-9]{2,4}$")
_WRITES = frozenset({"POST", "PUT", "DELETE"})
# Pages and forms of one route differ by what they show; so many of each are looked at.
MOST_PAGES, MOST_FORMS = 6, 2
# What is typed where a page asks for something.
SOMETHING = "確認した内容"
WORDS = {"day": "2027/01/19", "publish_from": "2027/01/19", "publish_until": "2027/01/29", "starts_on": "2027/01/19"}


@dataclass
class Shelf:
    """Documents, each kept once under how it was asked for; and which routes and templates were shown in which language."""

    documents: dict[str, str] = field(default_factory=dict)
    routes: dict[tuple[str, str], set[str]] = field(default_factory=dict)
    templates: dict[tuple[str, str], set[str]] = field(default_factory=dict)
    # Routes that answered with something else.
    files: set[tuple[str, str]] = field(default_factory=set)
    _plain: set[str] = field(default_factory=set)

    def put(self, asked: str, text: str) -> None:
        """Keep a document that is not there yet."""
        if (plain := _PASSING.sub("", text)) not in self._plain:
            self._plain.add(plain)
            self.documents[f"{len(self.documents):04} {asked}"] = text


class Scribe(Visitor):
    """A visitor of whom every page is kept."""

    def __init__(self, app: flask.Flask, shelf: Shelf, address: str = "192.0.2.3") -> None:
        super().__init__(app, address)
        self.app, self._shelf = app, shelf
        self._endpoint, self._templates = "", list[str]()
        flask.request_started.connect(self._note_request, app)
        flask.template_rendered.connect(self._note_template, app)

    def _note_request(self, app: flask.Flask, **_: object) -> None:
        del app
        self._endpoint, self._templates = flask.request.endpoint or "", []

    def _note_template(self, app: flask.Flask, template: jinja2.Template, **_: object) -> None:
        del app
        self._templates.append(template.name or "")

    def _seen(self, response: TestResponse) -> TestResponse:
        name, route = self.app.name, (self.app.name, self._endpoint)
        if response.mimetype == "text/html" and not response.location:
            self._shelf.put(f"{name} {response.request.method} {response.request.path} {response.status_code}", response.text)
            [language] = re.findall(r'<html lang="(\w+)"', response.text)
            if response.status_code == 200:
                self._shelf.routes.setdefault(route, set()).add(language)
            for template in self._templates:
                self._shelf.templates.setdefault((name, template), set()).add(language)
        elif response.status_code == 200:
            self._shelf.files.add(route)
        return super()._seen(response)


@dataclass
class Tour:
    """A walk through a door's pages, whose visitor enters anew whenever they are led to the log-in page."""

    scribe: Scribe
    enter: Callable[[], None]
    prefix: str = "/"
    # Where not to go.
    beyond: str = "/static/"
    # Addresses that were read, and whether a page stood there.
    read: dict[str, bool] = field(default_factory=dict)
    forms: dict[Attempt, None] = field(default_factory=dict)
    _counts: Counter[tuple[str, ...]] = field(default_factory=Counter)

    def explore(self, starts: Iterable[str]) -> None:
        """Read pages, and all to which they lead; a few of each route."""
        ways = list(dict.fromkeys(starts))
        for way in ways:  # which grows
            if way in self.read or not self._is_wanted(way):
                continue
            answer = self._send(Attempt("GET", way))
            self.read[way] = answer.mimetype == "text/html" and answer.status_code == 200
            if answer.location:
                ways.append(_path(way, answer.location))
            elif answer.mimetype == "text/html":
                ways += [link for link in self._look(way, answer.text) if link not in self.read]

    def again(self, ways: Iterable[str]) -> None:
        """Read addresses once more: in another language, or after forms changed something."""
        for way in ways:
            answer = self._send(Attempt("GET", way))
            self.read[way] = self.read.get(way, False) or (answer.mimetype == "text/html" and answer.status_code == 200)

    def fill_in(self, *, with_words: bool) -> None:
        """Send forms, empty or filled in with what they show and words of ours, and read to where they lead."""
        for form in list(self.forms):
            pairs = tuple((name, value or WORDS.get(name, SOMETHING) if with_words else "") for name, value in form.form)
            answer = self._send(replace(form, form=pairs))
            if answer.location:
                way = _path(form.address, answer.location)
                self.explore([way])
                self.again([way] if way in self.read else [])  # what was sent may make another page of it

    def choose(self, language: str) -> None:
        """Change the language."""
        self._send(Attempt("GET", "/password"))
        assert self._send(Attempt("POST", "/language", (("language", language), ("next", "/")))).status_code == 303

    def samples(self) -> list[str]:
        """Return an address for each route with a well-formed word for each of its variable parts."""
        readable = [rule for rule in self.scribe.app.url_map.iter_rules() if "GET" in (rule.methods or ())]
        with self.scribe.app.test_request_context():
            return [test_guard.address(rule) for rule in sorted(readable, key=lambda rule: len(rule.arguments))]

    def _look(self, way: str, text: str) -> list[str]:
        for form in self._forms(way, text):
            key = ("form", form.method, self._route(form.address, form.method), *(name for name, _ in form.form))
            self._counts[key] += form not in self.forms
            if self._counts[key] <= MOST_FORMS:
                self.forms.setdefault(form)
        return [_path(way, link) for link in lxml.html.fromstring(text).xpath("//a/@href") if not urlsplit(link).scheme]

    def _forms(self, way: str, text: str) -> Iterator[Attempt]:
        for form in lxml.html.fromstring(text).forms:
            for attempt in sent(way, form):
                if attempt.method == "POST" and not attempt.address.startswith(("/logout", "/language")):
                    yield replace(attempt, form=_chosen(form, attempt.form))

    def _is_wanted(self, way: str) -> bool:
        path = urlsplit(way).path
        if not path.startswith(self.prefix) or path.startswith(self.beyond) or _FILE.search(path):
            return False
        key = (self._route(way, "GET"), *sorted(name for name, _ in parse_qsl(urlsplit(way).query)))
        self._counts[key] += 1
        return self._counts[key] <= MOST_PAGES

    def _route(self, way: str, method: str) -> str:
        with self.scribe.app.test_request_context():
            adapter = self.scribe.app.create_url_adapter(flask.request)
            try:
                rule, _ = adapter.match(urlsplit(way).path, method, return_rule=True)  # type: ignore[union-attr]
            except HTTPException:
                return ""
        return rule.rule

    def _send(self, attempt: Attempt) -> TestResponse:
        answer = attempt.send(self.scribe)
        if (answer.location or "").startswith("/login"):
            self.enter()
            answer = attempt.send(self.scribe)
        return answer


def _chosen(form: lxml.html.FormElement, pairs: Pairs) -> Pairs:
    """Return what a form sends with something chosen wherever it lets choose."""
    values = dict(pairs)
    for button in form.xpath(".//input[@type='radio']"):
        values.setdefault(button.get("name"), button.get("value"))
    for select in form.xpath(".//select"):
        if not values.get(select.get("name")):
            values[select.get("name")] = next((value for value in select.value_options if value), "")
    return (
        *((name, value) for name, value in pairs if name not in values or values[name] == value),
        *((name, value) for name, value in values.items() if (name, value) not in pairs),
    )


def _path(way: str, link: str) -> str:
    parts = urlsplit(urljoin(way, link))
    return parts.path + (f"?{parts.query}" if parts.query else "")
