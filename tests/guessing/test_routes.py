"""No way to try a secret is missing in `ways.WAYS`: every route of the real doors is known, and whoever looks at a secret."""

import ast
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path

import pytest
from flask import Flask

from tests.conftest import FreshDatabase
from tests.crash.homes import found_home
from tests.guessing.ways import STEP_UP, WAYS
from tests.support.interfaces import LANE
from tests.support.schema import ROOT
from webui import guard

# The doors' routes that strangers can send something to, and that take no secret that could be guessed.
HARMLESS: Mapping[str, Mapping[str, str]] = {
    "retrieval": {},
    "terminals": {
        "/api/v1/renewals": "the key of a certificate",
        "/api/v1/reissues": "the key of a certificate",
    },
    "plain": {},
    "status": {
        "/ocsp": "a question",
        "/tsa": "a digest",
    },
    "portal": {
        "/forgotten": "asks for a mail; answers the same to everybody (test_links, test_forgotten)",
        "/language": "a language",
        "/login/again": "shows the form",
        "/login/passkey": "the key of a passkey",
        "/login/passkey/options": "asks for a challenge",
        "/login/second/options": "asks for a challenge",
        "/logout": "ends a session",
        "/verify": "a file",
    },
    "center": {
        "/language": "a language",
        "/login/again": "shows the form",
        "/login/passkey": "the key of a passkey",
        "/login/passkey/options": "asks for a challenge",
        "/login/second/options": "asks for a challenge",
        "/logout": "ends a session",
    },
}
# The two doors with pages share these views: what is tried at one of them is not tried again at the other.
SHARED = {"center": {"/login/second"}}
READS = {"GET", "HEAD", "OPTIONS"}
# The one that takes a secret in its address.
BY_ADDRESS = {"/scep"}

# Who compares what is typed with a secret, and the ways that lead there; whoever adds one says it.
_BY_CODES, _BY_MAC = {"REST", LANE, "EST", "EST serverkeygen", "SCEP", "SCEP by GET", "page"}, {"CMP", "CMP by PBMAC1"}
LOOKS: Mapping[str, set[str]] = {
    "enrollment/codes.py:matches": _BY_CODES,
    "enrollment/guessing.py:match": _BY_CODES,
    "enrollment/protocols/cmp/senders.py:protects": _BY_MAC,
    "enrollment/logon.py:_look": {"logon, stolen certificate", "logon, forged certificate", "logon, foreign certificates"},
    "webui/accounts/book.py:authenticate": {"log-in"},
    "webui/accounts/book.py:change_password": {"own password"},
    "webui/accounts/book.py:require_password": {"before the first factor"},
    "webui/factors/book.py:_match": {"second factor", STEP_UP},
}
# Those that compare something else.
OTHERS: Mapping[str, str] = {
    "enrollment/protocols/cmp/enrolment.py:_require_hash": "a certificate's hash, with the sender known",
    "enrollment/protocols/cmp/enrolment.py:_under_way": "a nonce of ours, with the sender known",
    "webui/csrf.py:is_own_form": "what belongs to one's own cookie",
    "webui/factors/book.py:confirm_totp": "a code of the secret that its owner was just shown",
    "webui/factors/totp.py:accepted_step": "for the two who call it",
}
COMPARE = {"compare_digest", "digests_match", "accepted_step", "matches"}


@pytest.fixture(scope="module")
def doors(sqlite_databases: FreshDatabase, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Flask]]:
    """Return the doors as they are served."""
    with sqlite_databases() as url:
        home = found_home(tmp_path_factory.mktemp("home"), url)
        apps = {name: import_module(f"server.apps.{name}").assemble(home.settings).app for name in HARMLESS}
        assert all(isinstance(app, Flask) for app in apps.values())
        yield apps
        home.house.database.dispose()


def test_every_door_is_looked_at() -> None:
    assert {file.stem for file in (ROOT / "server" / "apps").glob("*.py")} - {"__init__", "jobs"} == HARMLESS.keys()


@pytest.mark.parametrize("door", HARMLESS)
def test_every_route_that_a_stranger_may_send_to_is_tried_or_known_to_take_no_secret(doors: dict[str, Flask], door: str) -> None:
    tried = {route for way in WAYS if way.door == door for route in way.routes} | SHARED.get(door, set())
    strangers = {rule for rule, endpoint in _written(doors[door]) if _is_open(doors[door], endpoint)}
    inside = {"/factors/recovery", "/password", "/factors/totp"} if door == "portal" else set()
    assert strangers == (tried - inside) | HARMLESS[door].keys()
    assert inside <= {rule for rule, _ in _written(doors[door])}


def _written(app: Flask) -> Iterator[tuple[str, str]]:
    for rule in app.url_map.iter_rules():
        if (rule.methods or set()) - READS or rule.rule in BY_ADDRESS:
            yield rule.rule, rule.endpoint


def _is_open(app: Flask, endpoint: str) -> bool:
    """Tell whether a route is for everybody: at the doors without pages all are."""
    access = guard.access_of(app.view_functions[endpoint])
    return access is None or not access.doors


def test_whoever_compares_a_secret_is_reached_by_a_way_that_is_tried() -> None:
    rooms = ("enrollment", "webui", "server")
    found = {place for room in rooms for file in _sources(room) for place in _calling(file, COMPARE)}
    assert found == LOOKS.keys() | OTHERS.keys()
    by_link = {way.name for way in WAYS if way.shares == "links"}
    assert set().union(*LOOKS.values()) | by_link == {way.name for way in WAYS}


def test_links_are_opened_by_the_pages_that_are_tried_only() -> None:
    assert {place for file in _sources("webui") for place in _calling(file, {"opened"})} == {
        "webui/accounts/addresses.py:confirm",
        "webui/accounts/addresses.py:look",
        "webui/accounts/choosing.py:choose",
        "webui/accounts/choosing.py:owner",
    }


def test_every_way_in_a_session_asks_by_the_one_step_up_or_the_one_account_book() -> None:
    """So one route for each stands for all: whoever asks for a factor or a password elsewhere is not hidden from the test."""
    callers = {place for file in _sources("webui") for place in _calling(file, {"prove", "require_password", "change_password"})}
    assert callers == {
        "webui/entrance.py:change_password",
        "webui/proving/second_step.py:_prove",
        "webui/proving/second_step.py:by_passkey",
        "webui/step_up.py:_proof_faults",
        "webui/step_up.py:confirm_password",
        "webui/proving/factor_pages.py:_add",
    }


def _sources(room: str) -> Iterator[Path]:
    return (file for file in sorted((ROOT / room).rglob("*.py")) if "client" not in file.parts)


def _calling(file: Path, names: set[str]) -> Iterator[str]:
    """Yield the functions of a file, the innermost, that call one of some names."""
    for function in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(function, ast.FunctionDef) and any(_name_of(call) in names for call in _own_calls(function)):
            yield f"{file.relative_to(ROOT)}:{function.name}"


def _own_calls(function: ast.AST) -> Iterator[ast.Call]:
    for node in ast.iter_child_nodes(function):
        if isinstance(node, ast.Call):
            yield node
        if not isinstance(node, ast.FunctionDef):
            yield from _own_calls(node)


def _name_of(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
