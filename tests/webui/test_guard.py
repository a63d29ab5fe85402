"""Who may use what: the whole matrix of routes and people."""

import re
from collections.abc import Iterator
from typing import Any

import flask
import pytest
from werkzeug.routing import Rule

from kernel.database import Base
from tests.webui.conftest import Doors
from tests.webui.visitors import PASSWORD, Visitor
from webui import guard
from webui.accounts import Door
from webui.guard import Access
from webui.sessions import hash_of
from webui.tables import SessionRow

# Something well-formed for each variable part of an address but numbers. A new name needs a line here, and an object of each
# office in `test_office_isolation`.
SAMPLES = {
    "act": "issue",
    "case": "23456789",
    "batch_id": "0" * 32,
    "change_id": "0" * 32,
    "correcting": "260001A",
    "file_id": "0" * 32,
    "code": "NAC001",
    "deed": "disable",
    "digest": "0",
    "form": "pem",
    "issuer": "issuing-1",
    "item": "names",
    "key": "0" * 32,
    "kind": "system_settings",
    "language": "ja",
    "login": "jiro",
    "month": "2026-10",
    "name": "style.css",
    "number": "260001A",
    "receipt_number": "260001A",
    "reissue_id": "0" * 32,
    "serial": "0" * 40,
    "tab": "netnaccs",
    "terminal": "99999W",
}


# Public, though they lead to the log-in page: there is nobody to log out, and nobody owes a second step.
STEPS = {"entrance.log_out", "second_step.show", "second_step.check"}


def routes(app: flask.Flask) -> Iterator[tuple[Rule, str, Access]]:
    """Return each route with one of its methods and what it declares."""
    for rule in app.url_map.iter_rules():
        access = guard.access_of(app.view_functions[rule.endpoint])
        assert access is not None
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            yield rule, method, access


def address(rule: Rule) -> str:
    """Return an address that leads to a route; KeyError for a variable part that has no sample yet."""
    numbers = set(re.findall(r"<int(?:\([^)]*\))?:(\w+)>", rule.rule))
    values: dict[str, Any] = {name: 1 if name in numbers else SAMPLES[name] for name in rule.arguments - set(rule.defaults or {})}
    return flask.url_for(rule.endpoint, **values, **(rule.defaults or {}))


def ask(visitor: Visitor, app: flask.Flask, rule: Rule, method: str) -> int:
    with app.test_request_context():
        path = address(rule)
    return (visitor.get(path) if method == "GET" else visitor.post(path)).status_code


def test_each_route_admits_exactly_those_it_declares(doors: Doors) -> None:
    for app, people in ((doors.portal, ("hanako", "jiro")), (doors.center, ("sato", "kato", "ito"))):
        for user in people:
            enter = doors.customer if app is doors.portal else doors.staff
            visitor = enter(user)
            person = next(one for door in Door for one in doors.accounts.listed(door) if one.login == user)
            for rule, method, access in routes(app):
                if not is_logged_in(doors, visitor):  # the route before may have ended the session
                    visitor = enter(user)
                admitted = ask(visitor, app, rule, method) != 403
                assert admitted is access.admits(person), f"{user} {method} {rule}"


def is_logged_in(doors: Doors, visitor: Visitor) -> bool:
    """Return whether a visitor's log-in still stands."""
    cookies = [visitor.cookie(f"__Host-tegata-{door}") for door in Door]
    with doors.database.snapshot() as session:
        return any(session.get(SessionRow, hash_of(cookie)) for cookie in cookies if cookie)


def test_each_sample_leads_to_its_route(doors: Doors) -> None:
    for app in (doors.portal, doors.center):
        for rule, method, _ in routes(app):
            with app.test_request_context():
                matched, _ = app.create_url_adapter(flask.request).match(address(rule), method)  # type: ignore[union-attr]
            assert matched == rule.endpoint, f"{method} {rule}"


def test_reading_changes_nothing(doors: Doors) -> None:
    number, _ = doors.prepared()
    people = {doors.portal: doors.customer(), doors.center: doors.staff()}
    before = rows_of(doors)
    for app, visitor in people.items():
        for rule, method, _ in routes(app):
            if method == "GET":
                with app.test_request_context():
                    visitor.get(address(rule).replace("260001A", number))
    assert rows_of(doors) == before


def rows_of(doors: Doors) -> dict[str, list[tuple[object, ...]]]:
    with doors.database.snapshot() as session:
        return {
            table.name: sorted(map(tuple, session.execute(table.select())), key=repr) for table in Base.metadata.sorted_tables
        }


def test_strangers_are_led_to_the_log_in_page_by_every_route_that_is_not_public(doors: Doors) -> None:
    for app in (doors.portal, doors.center):
        for rule, method, access in routes(app):
            visitor = Visitor(app)
            with app.test_request_context():
                path = address(rule)
            visitor.get("/login")
            response = visitor.get(path) if method == "GET" else visitor.post(path)
            led_away = response.status_code == 303 and response.location.startswith("/login") and rule.endpoint not in STEPS
            assert led_away is bool(access.doors), f"{method} {rule}"


def test_an_app_with_an_undeclared_route_is_not_made(doors: Doors) -> None:
    app = flask.Flask("careless", static_folder=None)
    app.add_url_rule("/secret", "secret", lambda: "secret")
    with pytest.raises(RuntimeError, match="/secret"):
        guard.require_declarations(app, Door.PORTAL)
    with pytest.raises(RuntimeError, match=r"menu\.show"):
        guard.require_declarations(doors.portal, Door.CENTER)


@pytest.mark.parametrize(
    "address", ["//example.jp/", "https://example.jp/", "/\\example.jp", "javascript:x", "/a\r\nb", "x", "", "/\t/example.jp"]
)
def test_after_log_in_nobody_is_led_elsewhere(doors: Doors, address: str) -> None:
    visitor = Visitor(doors.portal)
    visitor.get("/login")
    form = {"office_code": "NAC001", "user": "hanako", "password": PASSWORD, "next": address}
    assert visitor.post("/login", form).location == "/login/second"
    visitor.get("/login/second")
    assert visitor.post("/login/second", {"factor_code": doors.code("hanako", "NAC001"), "next": address}).location == "/"


def test_a_button_pressed_too_late_leads_back_to_its_page(doors: Doors) -> None:
    visitor = Visitor(doors.portal)
    visitor.get("/login")
    assert visitor.post("/password").location == "/login?next=/password"
