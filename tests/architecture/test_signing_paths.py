"""Whatever signs a terminal's certificate passes through the one redemption or the one renewal, and both through one issuance.

Shown twice: by who may touch the authority at all, and by the path that each route of the two doors really takes.
"""

import ast
import base64
import traceback
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from ca.authority import Authority
from ca.issuers import SigningIssuer
from enrollment.codes import Codes
from enrollment.protocols import retrieval, terminals
from enrollment.protocols.est import door as est
from enrollment.protocols.retrieval import RetrievalDoor
from enrollment.protocols.terminals import TerminalsDoor
from enrollment.redemption import Redemption
from enrollment.renewal import Renewal
from kernel.database import connect
from server.apps import retrieval as retrieval_door
from server.apps import terminals as terminals_door
from tests.conftest import FreshDatabase
from tests.crash.faults import BrokenKey
from tests.crash.homes import found_home
from tests.enrollment.renewing import renewable
from tests.support.clock import SettableClock
from tests.support.house import House, build_house, new_request
from tests.support.schema import ROOT

REDEMPTION, RENEWAL, NOTHING = "redemption", "renewal", "nothing"

# What each route may sign by. A route that is not here makes the test fail: whoever adds one says it.
RETRIEVAL = {
    "/api/v1/retrievals": {REDEMPTION},
    "/.well-known/est/<path:rest>": {REDEMPTION},
    "/scep": {REDEMPTION, RENEWAL},
    "/.well-known/cmp": {REDEMPTION, RENEWAL},
    "/.well-known/cmp/<path:rest>": {REDEMPTION, RENEWAL},
    "/retrieve/request": {REDEMPTION},
}
TERMINALS = {
    "/api/v1/renewals": {RENEWAL},
    "/.well-known/est/<path:rest>": {REDEMPTION, RENEWAL},
}
# The others sign nothing.
READING = {
    "/",
    "/retrieve",
    "/retrieve/windows.inf",
    "/retrieve/windows.ps1",
    "/retrieve/static/<edition>/<name>",
    "/api/openapi.json",
    "/api/v1/logons",
    "/api/v1/reissues",
    "/api/v1/terminals/self",
    "/gateway/authorize",
}

# Who knows the authority: the issuance itself, the two that hand it on to the issuance, the deeds that write its rows down.
MAY_KNOW_AUTHORITY = {"enrollment/issuance.py", "enrollment/redemption.py", "enrollment/renewal.py", "enrollment/deeds.py"}
MAKES_AUTHORITY = {"server/issuing.py"}


def _sources(*rooms: str) -> Iterator[tuple[str, ast.Module]]:
    for room in rooms:
        for file in sorted((ROOT / room).rglob("*.py")):
            yield str(file.relative_to(ROOT)), ast.parse(file.read_text(encoding="utf-8"))


def _imports(tree: ast.Module, module: str) -> bool:
    room, _, name = module.rpartition(".")
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (
            node.module == module or (node.module == room and name in {alias.name for alias in node.names})
        ):
            return True
        if isinstance(node, ast.Import) and module in {alias.name for alias in node.names}:
            return True
    return False


def _calls(tree: ast.Module) -> Iterator[ast.Call]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def test_only_the_issuance_and_who_hands_on_to_it_know_the_authority() -> None:
    knowing = {path for path, tree in _sources("enrollment", "webui", "server") if _imports(tree, "ca.authority")}
    assert knowing == MAY_KNOW_AUTHORITY | MAKES_AUTHORITY


def test_of_those_only_the_issuance_signs() -> None:
    signing = {
        path
        for path, tree in _sources("enrollment")
        if path in MAY_KNOW_AUTHORITY and any(_is_call_of(call, "sign") for call in _calls(tree))
    }
    assert signing == {"enrollment/issuance.py"}


def test_only_redemption_and_renewal_begin_an_issuance() -> None:
    beginning = {
        path
        for path, tree in _sources("enrollment", "webui", "server")
        for call in _calls(tree)
        if isinstance(call.func, ast.Name) and call.func.id == "Issuance"
    }
    assert beginning == {"enrollment/redemption.py", "enrollment/renewal.py"}


@pytest.mark.parametrize("door", ["retrieval", "terminals"])
def test_a_door_gives_its_authority_to_nobody_else(door: str) -> None:
    tree = ast.parse((ROOT / "server" / "apps" / f"{door}.py").read_text(encoding="utf-8"))
    used = [node for node in ast.walk(tree) if isinstance(node, ast.Name) and node.id == "authority"]
    given = {
        argument
        for call in _calls(tree)
        if isinstance(call.func, ast.Name) and call.func.id in {"Redemption", "Renewal"}
        for argument in call.args
        if isinstance(argument, ast.Name) and argument.id == "authority"
    }
    read = {node for node in used if isinstance(node.ctx, ast.Load)}
    assert read == given != set()
    assert sum(_is_call_of(call, "authority_of") for call in _calls(tree)) == 1


def test_every_route_of_both_doors_is_known(tmp_path: Path, sqlite_databases: FreshDatabase) -> None:
    with sqlite_databases() as url:
        home = found_home(tmp_path, url)
        apps = {"retrieval": retrieval_door.assemble(home.settings).app, "terminals": terminals_door.assemble(home.settings).app}
        for name, signing in (("retrieval", RETRIEVAL), ("terminals", TERMINALS)):
            app = apps[name]
            assert isinstance(app, Flask)
            assert {rule.rule for rule in app.url_map.iter_rules()} - READING == signing.keys()
        home.house.database.dispose()


class Paths:
    """A house whose key notes by which functions it was reached each time that it signs."""

    def __init__(self, house: House) -> None:
        self.house, self.seen = house, list[set[str]]()
        key = BrokenKey(house.issuing.key)
        key.before = lambda: self.seen.append({_place(frame) for frame in traceback.extract_stack()})
        authority = Authority(SigningIssuer(house.issuing.issuer, key), house.profile)
        self.redemption = Redemption(house.database, house.clock, authority, house.hasher)
        self.renewal = Renewal(house.database, house.clock, authority)

    def taken(self) -> list[str]:
        """Return by what each signature was reached, and forget it."""
        taken = []
        for places in self.seen:
            assert "enrollment/issuance.py:issue" in places
            by = [
                name for name in (REDEMPTION, RENEWAL) if places & {f"enrollment/{name}.py:redeem", f"enrollment/{name}.py:renew"}
            ]
            assert len(by) == 1
            taken += by
        self.seen.clear()
        return taken or [NOTHING]


def _place(frame: traceback.FrameSummary) -> str:
    path = Path(frame.filename)
    return f"{path.relative_to(ROOT) if path.is_relative_to(ROOT) else path}:{frame.name}"


@pytest.fixture
def paths(sqlite_databases: FreshDatabase, tmp_path: Path, clock: SettableClock) -> Iterator[Paths]:
    with sqlite_databases() as url:
        database = connect(url)
        yield Paths(build_house(database, tmp_path, clock))
        database.dispose()


def test_rest_and_est_take_the_paths_that_are_said_of_them(paths: Paths, clock: SettableClock) -> None:
    terminal = renewable(paths.house, clock)

    def certificate(_environ: object) -> bytes:
        return terminal.der

    house = paths.house
    retrieving = retrieval.create_app(RetrievalDoor(paths.redemption))
    est.mount(retrieving, est.EstDoor(paths.redemption))
    asking = terminals.create_app(TerminalsDoor(house.logon, certificate, paths.renewal, house.reissues, house.own_states))
    est.mount(asking, est.EstDoor(paths.redemption, est.Renewing(paths.renewal, certificate)))
    to_retrieve, to_ask = retrieving.test_client(), asking.test_client()
    (_, first), (_, second) = house.new_codes(2)

    assert to_retrieve.post("/api/v1/retrievals", json={**asdict(first), **_csr()}).status_code == 201
    assert paths.taken() == [REDEMPTION]
    assert _est(to_retrieve, "simpleenroll", second).status_code == 200
    assert paths.taken() == [REDEMPTION]
    csr = _csr()
    assert to_ask.post("/api/v1/renewals", json=csr).status_code == 201
    assert paths.taken() == [RENEWAL]
    assert to_ask.post("/api/v1/renewals", json=csr).status_code == 200
    assert paths.taken() == [NOTHING]


def test_est_reenrols_by_renewal(paths: Paths, clock: SettableClock) -> None:
    terminal = renewable(paths.house, clock)
    app = retrieval.create_app(RetrievalDoor(paths.redemption))
    est.mount(app, est.EstDoor(paths.redemption, est.Renewing(paths.renewal, lambda _environ: terminal.der)))
    assert _est(app.test_client(), "simplereenroll").status_code == 200
    assert paths.taken() == [RENEWAL]


def _csr() -> dict[str, str]:
    return {"csr": new_request().pem.decode()}


def _est(client: FlaskClient, operation: str, codes: Codes | None = None) -> TestResponse:
    body = "".join(new_request().pem.decode().splitlines()[1:-1])
    headers = {}
    if codes is not None:
        secret = f"{codes.auth_code_1}-{codes.auth_code_2}-{codes.auth_code_3}-{codes.office_code}"
        headers["Authorization"] = "Basic " + base64.b64encode(f"{codes.access_key}:{secret}".encode()).decode()
    return client.post(f"/.well-known/est/{operation}", data=body, headers=headers, content_type="application/pkcs10")


def _is_call_of(call: ast.Call, name: str) -> bool:
    return (isinstance(call.func, ast.Attribute) and call.func.attr == name) or (
        isinstance(call.func, ast.Name) and call.func.id == name
    )
