"""Every address and every form of both doors with what nobody types: the answer is never a fault of ours.

Each route gets one of the values: in its path, in every field of its query, in every field of its form; the next route another.
"""

import re
from collections.abc import Iterator
from itertools import count
from urllib.parse import quote, urlencode

import flask
import pytest
from werkzeug.routing import Rule

from tests.support.schema import ROOT
from tests.webui.conftest import Doors
from tests.webui.visitors import Visitor
from webui import guard
from webui.accounts import Person

# What no page sends: numbers beyond every column, half characters, invisible ones, paths, patterns of SQL and of markup.
HOSTILE = (
    "99999999999999999999",
    "-1",
    "9223372036854775807",
    "%",
    "０１２３４５",
    "\u202e\u200b\U000e0100",
    "\ud800",
    "../../../../etc/passwd",
    "'\"><svg onload=1>\\",
    "A" * 3_000,
    "2026-02-30",
    "0000-00",
)
_NAME = re.compile(r"""["']([a-z][a-z_.]{0,30})["']""")
_PART = re.compile(r"<(?:(?P<kind>\w+)(?:\((?P<how>[^)]*)\))?:)?(?P<name>\w+)>")
_LENGTH = re.compile(r"(?<!max)length=(\d+)")
# What ends the walk, and files, which read nothing.
_LEAVE = re.compile(r"/(?:static|login|logout|sessions|password)\b")


def _names() -> list[str]:
    """Return what fields may be called: every word in quotes of the pages' code and templates."""
    files = [file for file in sorted((ROOT / "webui").rglob("*")) if file.suffix in {".py", ".html"}]
    found = {name for file in files for name in _NAME.findall(file.read_text(encoding="utf-8"))}
    return sorted(found - {"form_token", "step", "then"})


NAMES = _names()


def _octets(value: str) -> bytes:
    return value.encode("utf-8", "surrogatepass")


def _address(rule: Rule, value: str) -> str:
    """Return an address of a route with the value wherever it may stand."""

    def part(found: re.Match[str]) -> str:
        how = found["how"] or ""
        if found["kind"] == "any":
            return how.split(",")[0].strip("'\" ")
        if found["kind"] == "int":
            return value if value.isascii() and value.isdigit() else "0"
        length = _LENGTH.search(how)
        return quote(_octets((value * 40)[: int(length[1])] if length else value), safe="")

    return _PART.sub(part, rule.rule)


def _tried(app: flask.Flask, method: str) -> Iterator[tuple[Rule, str]]:
    numbers = count()
    for rule in app.url_map.iter_rules():
        if method in (rule.methods or ()) and not _LEAVE.match(rule.rule):
            yield rule, HOSTILE[next(numbers) % len(HOSTILE)]


def _status(visitor: Visitor, method: str, address: str, value: str) -> int:
    if method == "GET":
        query = urlencode([(name, _octets(value)) for name in NAMES])
        return visitor.get(f"{address}?{query}").status_code
    form: dict[str, str | list[str]] = {name: _octets(value).decode("utf-8", "replace") for name in NAMES}
    return visitor.post(address, {**form, "step": "do" if len(value) % 2 else ""}).status_code


def _broken(app: flask.Flask, visitors: list[tuple[Person, Visitor]], below: str = "/") -> Iterator[str]:
    for method in ("GET", "POST"):
        for rule, value in _tried(app, method):
            if not rule.rule.startswith(below):
                continue
            access = guard.access_of(app.view_functions[rule.endpoint])
            assert access is not None
            visitor = next(visitor for person, visitor in visitors if access.admits(person))
            status = _status(visitor, method, _address(rule, value), value)
            if status >= 500:
                yield f"{method} {rule.rule} {value[:20]!a}: {status}"


def _visitors(doors: Doors, door: str) -> list[tuple[Person, Visitor]]:
    if door == "portal":
        return [(doors.person("hanako", "NAC001"), doors.customer())]
    return [(doors.person(user), doors.staff(user)) for user in ("sato", "kato", "ito")]


@pytest.mark.parametrize("door", ["portal", "center"])
def test_no_address_and_no_form_of_ours_breaks(doors: Doors, door: str) -> None:
    visitors = _visitors(doors, door)
    for _, visitor in visitors:
        assert visitor.get("/").status_code == 200
    assert list(_broken(getattr(doors, door), visitors)) == []
    # Nothing of it has ended anybody's log-in, after which all the rest would have been the log-in page.
    assert [visitor.get("/").status_code for _, visitor in visitors] == [200] * len(visitors)


def test_a_page_that_believes_a_number_would_be_found(doors: Doors) -> None:
    @guard.public
    def careless() -> str:
        return str(b"one"[int(flask.request.values["page"]) :][0])

    for at in range(len(HOSTILE)):  # so that all of them are tried, however many routes there are before
        doors.portal.add_url_rule(f"/careless/{at}", f"careless{at}", careless, methods=["GET", "POST"])
    found = list(_broken(doors.portal, _visitors(doors, "portal"), "/careless"))
    assert {line.partition(" ")[0] for line in found} == {"GET", "POST"}
