"""No office sees or touches another's things: every route of the portal, every user, every thing that an address or form names.

Two offices of two companies live in one database (`neighbours`); what their pages lead to is found by walking through them
(`isolation`), so that a new route or a new form is asked for by itself. Each request for a thing of the other office is sent
again for one that does not exist, and both answers must be the same.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import flask
import pytest

from enrollment.ending import Endings
from kernel.database import connect
from registry import applications
from registry.applications import Application
from registry.letters import Letters
from tests.conftest import FreshDatabase
from tests.support.clock import SettableClock
from tests.support.house import build_house
from tests.support.statements import sharing_statements
from tests.webui import isolation
from tests.webui.conftest import Doors, keep_templates, open_doors
from tests.webui.isolation import Attempt, Estate, Prober
from tests.webui.neighbours import CORAL, JADE, RIGHTS, Neighbour, settle
from tests.webui.visitors import Visitor
from webui import bulletin, guard, portal
from webui.accounts import Accounts, UserLetters, Users
from webui.bulletin import BulletinParts
from webui.guard import Access
from webui.passwords import Passwords
from webui.portal.parts import office_code
from webui.sessions import hash_of
from webui.tables import SessionRow

LEAST, LEAST_OF_ONE = 5_000, 700
NOBODY, DISABLED = "nobody", "disabled"
# Led there, one who is not logged in is where they wanted to be: there is nobody to log out, and nobody owes a second step.
ENTRANCES = {"/logout", "/login/second", "/login/again"}
PAIRS = ((JADE, CORAL), (CORAL, JADE))
# Who asks for the other office's things: everybody of one office; of the other the one who may do most.
ASKING = {JADE: (*RIGHTS, DISABLED, NOBODY), CORAL: ("boss",)}


@dataclass(frozen=True)
class Street:
    """Both offices, what their pages lead to, and what is known of them only."""

    doors: Doors
    estates: dict[Neighbour, Estate]
    # What tells of an office, and of no other.
    markers: dict[Neighbour, tuple[str, ...]]
    # Who was logged in when their account was disabled.
    disabled: dict[Neighbour, Visitor]


class Resident:
    """A user of an office, who logs in again whenever their session has ended; nobody, and who was disabled, can not."""

    def __init__(self, street: Street, one: Neighbour, who: str) -> None:
        self._doors, self._one, self._login = street.doors, one, one.login(who)
        self._visitor = street.disabled[one] if who == DISABLED else Visitor(street.doors.portal)
        self.person = None if who in {NOBODY, DISABLED} else street.doors.person(self._login, one.code)

    @property
    def visitor(self) -> Visitor:
        """The visitor, logged in where they may."""
        if self.person is not None and not self._is_logged_in():
            self._visitor = self._doors.customer(self._login, office_code=self._one.code)
            self._visitor.get("/password")
        return self._visitor

    def _is_logged_in(self) -> bool:
        cookie = self._visitor.cookie("__Host-tegata-portal")
        with self._doors.database.snapshot() as session:
            return bool(cookie) and session.get(SessionRow, hash_of(cookie)) is not None


@pytest.fixture(scope="module")
def street(sqlite_databases: FreshDatabase, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Street]:
    """Return both offices over a database of their own, on SQLite."""
    with built(sqlite_databases, tmp_path_factory) as street:
        yield street


@pytest.fixture
def postgresql_street(postgresql_databases: FreshDatabase, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Street]:
    """Return the same on PostgreSQL."""
    with built(postgresql_databases, tmp_path_factory) as street:
        yield street


@contextmanager
def built(databases: FreshDatabase, folders: pytest.TempPathFactory) -> Iterator[Street]:
    """Let both offices move in."""
    with databases() as url:
        database, clock = sharing_statements(connect(url)), SettableClock()
        folder = folders.mktemp("street")
        house = build_house(database, folder, clock)
        accounts = Accounts(database, clock, Passwords(memory_kib=8, passes=1))
        doors = open_doors(accounts, house.preparation, house.notices, folder)
        estates, disabled = {}, {}
        for one in (JADE, CORAL):
            more = settle(doors, house, one)
            visitor, _ = (doors.customer(one.login("boss"), office_code=one.code) for _ in range(2))  # a session to end
            estates[one] = Estate.of(doors.portal, visitor, more)
            disabled[one] = disabled_one(doors, one)
        words = {one: (*one.words, *estates[one].names()) for one in (JADE, CORAL)}
        markers = {one: isolation.markers(database, words[one], words[other]) for one, other in PAIRS}
        yield Street(doors, estates, markers, disabled)
        database.dispose()


def disabled_one(doors: Doors, one: Neighbour) -> Visitor:
    """Return somebody whose account was disabled after they had logged in."""
    visitor, boss = doors.customer(one.login(DISABLED), office_code=one.code), doors.person(one.login("boss"), one.code)
    visitor.get("/password")
    Users(doors.database, doors.clock, UserLetters(Letters(""))).disable(one.code, one.login(DISABLED), boss)
    return visitor


def test_each_variable_part_of_an_address_has_things_of_both_offices(street: Street) -> None:
    names = {name for rule in isolation.rules(street.doors.portal) for name in isolation.things(rule)}
    for one, estate in street.estates.items():
        assert names <= estate.samples.keys(), f"{one.code}: let neighbours.settle make one that a page leads to"


def test_the_things_that_are_asked_for_are_there_for_their_own_office(street: Street) -> None:
    for one, estate in street.estates.items():
        visitor = Resident(street, one, "boss").visitor
        links = [attempt for attempt in estate.attempts if attempt.method == "GET" and ".pdf" not in attempt.address]
        links += [Attempt("GET", way) for way in estate.pages]
        assert len(links) > 100
        for attempt in links:
            assert attempt.send(visitor).status_code in {200, 302, 303, 308, 409}, attempt


def test_nobody_learns_of_another_offices_things_or_touches_them(street: Street) -> None:
    assert sum(probed(street, one, other, ASKING[one]) for one, other in PAIRS) >= LEAST


def test_the_one_who_may_do_most_learns_nothing_on_postgresql(postgresql_street: Street) -> None:
    assert probed(postgresql_street, JADE, CORAL, ["boss"]) >= LEAST_OF_ONE


def probed(street: Street, one: Neighbour, other: Neighbour, askers: Iterable[str]) -> int:
    """Let people of one office ask for all things of the other; return how many requests that took."""
    attempts = [*street.estates[other].everything(retyped(other)), *street.estates[other].mixed(street.estates[one])]
    before, asked = rows_of(street, street.markers[other]), 0
    for who in askers:
        prober, resident = Prober(street.markers[other]), Resident(street, one, who)
        for attempt in dict.fromkeys(attempts):
            prober.probe(resident.visitor, attempt)
        assert prober.leaks == [], f"{who} of {one.code}"
        assert touched(street, before, one, other) == [], f"{who} of {one.code}"
        asked += prober.asked
    return asked


def test_ones_own_things_are_for_those_who_hold_the_right(street: Street) -> None:
    app = street.doors.portal
    for who in (*RIGHTS, DISABLED, NOBODY):
        resident = Resident(street, JADE, who)
        for attempt, access in declared(app, street.estates[JADE]):
            answer = attempt.send(resident.visitor)
            if resident.person is None:
                is_led_away = (answer.location or "").startswith("/login") and attempt.address not in ENTRANCES
                assert is_led_away is bool(access.doors), f"{who} {attempt}"
            else:
                assert (answer.status_code == 403) is not access.admits(resident.person), f"{who} {attempt}"
            assert answer.status_code < 500, f"{who} {attempt}"


def declared(app: flask.Flask, estate: Estate) -> Iterator[tuple[Attempt, Access]]:
    """Return a request for each route with things of its own office, and what the route declares."""
    for rule in isolation.rules(app):
        access = guard.access_of(app.view_functions[rule.endpoint])
        assert access is not None
        values = estate.values(rule)[0]
        if rule.rule.endswith(".pdf"):  # whether it may be made is judged before; making it takes its time
            values = {name: isolation.unlike(value) for name, value in values.items()}
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            yield Attempt(method, isolation.address(app, rule, values)), access


def test_a_careless_route_is_found(street: Street) -> None:
    app = with_careless_routes(street.doors.portal)
    careless = replace(street, doors=replace(street.doors, portal=app))
    estate = replace(street.estates[CORAL], app=app)
    prober, resident = Prober(street.markers[CORAL]), Resident(careless, JADE, "looker")
    before = rows_of(street, street.markers[CORAL])
    for attempt in estate.everything({}):
        if attempt.address.startswith("/careless"):
            prober.probe(resident.visitor, attempt)
    told = {leak.split("'")[3].split("/")[2] for leak in prober.leaks}
    assert told == {"shown", "refused", "done"}
    assert {table for table, _ in touched(street, before, JADE, CORAL)} >= {"registry_terminal"}


def with_careless_routes(honest: flask.Flask) -> flask.Flask:
    """Return the portal with a page of anyone's application, a page that knows others' from none, and an unguarded deed."""
    blueprint = flask.Blueprint("careless", __name__, url_prefix="/careless")
    database = honest.extensions["webui"].parts.database

    def found(receipt_number: str) -> Application:
        with database.snapshot() as session:
            return applications.find(session, receipt_number) or flask.abort(404)

    def shown(receipt_number: str) -> str:
        return found(receipt_number).applicant.mail

    def refused(receipt_number: str) -> str:
        return receipt_number if found(receipt_number).office_code == office_code() else flask.abort(403)

    def done(terminal: str) -> str:
        Endings(database, SettableClock()).suspend(terminal, guard.person().actor)
        return ""

    for way, view, method in (
        ("shown/<receipt_number>", shown, "GET"),
        ("refused/<receipt_number>", refused, "GET"),
        ("done/<terminal>", done, "POST"),
    ):
        blueprint.add_url_rule(f"/{way}", view_func=guard.customer()(view), methods=[method])
    app = portal.create_app(honest.extensions["webui-portal"], bulletin.blueprint, blueprint)
    bulletin.equip(app, BulletinParts((), "https://localhost:8444"))
    keep_templates(app)
    return app


def retyped(one: Neighbour) -> dict[str, str]:
    """Return words of nobody's for those of an office."""
    return {one.word: "amber", one.kanji: "琥珀", one.kana: "コハク", one.phone: "0355556666", one.word.capitalize(): "Amber"}


def rows_of(street: Street, markers: tuple[str, ...]) -> set[tuple[str, str]]:
    """Return the rows that tell of an office, by table."""
    everything = isolation.rows(street.doors.database)
    told = ((table, repr(row)) for table, rows in everything.items() for row in rows)
    return {(table, row) for table, row in told if any(marker in row for marker in markers)}


def touched(street: Street, before: set[tuple[str, str]], one: Neighbour, other: Neighbour) -> list[tuple[str, str]]:
    """Return rows of the other office that are gone or different, and new ones that do not belong to whoever asked."""
    now = rows_of(street, street.markers[other])
    return sorted(before - now) + sorted(row for row in now - before if not any(word in row[1] for word in one.words))
