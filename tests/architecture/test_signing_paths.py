"""Whatever signs a terminal's certificate passes through the one redemption or the one renewal, and both through one issuance.

Shown twice: by who may touch the authority at all, and by the path that each route of the two doors really takes.
"""

import ast
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from flask import Flask

from ca.authority import Authority
from ca.issuers import SigningIssuer
from kernel.database import connect
from server.apps import retrieval as retrieval_door
from server.apps import terminals as terminals_door
from tests.conftest import FreshDatabase
from tests.crash.faults import AuthorityAtHand, BrokenKey
from tests.crash.homes import found_home
from tests.support.clock import SettableClock
from tests.support.house import SOURCE, House, build_house, new_request
from tests.support.interfaces import LANE, LANES, PEER, RENEWALS, RETRIEVALS, Outcome, Reply, certified, doors_of
from tests.support.schema import ROOT

REDEMPTION, RENEWAL = "redemption", "renewal"
# The functions that each of the two is: what comes by the retrieval door's lane is redeemed many at once.
REDEEM_USUAL = "enrollment/redemption.py:redeem_usual"
DEEDS = {REDEMPTION: {"enrollment/redemption.py:redeem", REDEEM_USUAL}, RENEWAL: {"enrollment/renewal.py:renew"}}
LABELLED_CMP = "/.well-known/cmp/<path:rest>"

# What each route may sign by. A route that is not here makes the test fail: whoever adds one says it.
RETRIEVAL = {
    "/api/v1/retrievals": {REDEMPTION},
    "/.well-known/est/<path:rest>": {REDEMPTION},
    "/scep": {REDEMPTION, RENEWAL},
    "/.well-known/cmp": {REDEMPTION, RENEWAL},
    LABELLED_CMP: {REDEMPTION, RENEWAL},
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

# Who knows the authority: the issuance itself, the two that hand it on to the issuance, and who writes its rows down: the deeds,
# one by one, and the rounds, many at once.
MAY_KNOW_AUTHORITY = {
    *("enrollment/issuance.py", "enrollment/redemption.py", "enrollment/renewal.py"),
    *("enrollment/deeds.py", "enrollment/redemption_rounds.py"),
}
# The issuance, and the way of redemptions that come together, which is one.
ISSUANCES = {"Issuance", "_Together"}
MAKES_AUTHORITY = {"server/issuing.py"}
# The check asks whether the key is there.
HANDED_TO = {"Redemption", "Renewal", "issuing_check"}


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
        if isinstance(call.func, ast.Name) and call.func.id in ISSUANCES
    }
    assert beginning == {"enrollment/redemption.py", "enrollment/renewal.py"}


def test_only_the_redemption_begins_rounds_which_sign_for_many_and_only_the_lane_asks_for_that() -> None:
    calls = [(path, call) for path, tree in _sources("enrollment", "webui", "server") for call in _calls(tree)]
    callers = {
        name: {path for path, call in calls if _is_call_of(call, name)} for name in ("signed_at_once", "Rounds", "redeem_usual")
    }
    assert callers == {
        "signed_at_once": {"enrollment/redemption_rounds.py"},
        "Rounds": {"enrollment/redemption.py"},
        "redeem_usual": {"enrollment/protocols/usual_retrievals.py"},
    }


@pytest.mark.parametrize("door", ["retrieval", "terminals", "plain"])
def test_a_door_gives_its_authority_to_nobody_else(door: str) -> None:
    tree = ast.parse((ROOT / "server" / "apps" / f"{door}.py").read_text(encoding="utf-8"))
    used = [node for node in ast.walk(tree) if isinstance(node, ast.Name) and node.id == "authority"]
    given = {
        argument
        for call in _calls(tree)
        if isinstance(call.func, ast.Name) and call.func.id in HANDED_TO
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
    """A house whose key notes by which functions it was reached each time that it signs, and its doors.

    The key is taken for one that is far away, or, with `at_hand`, for one of this process.
    """

    def __init__(self, house: House, *, at_hand: bool) -> None:
        self.house, self.seen = house, list[set[str]]()
        key = BrokenKey(house.issuing.key)
        key.before = lambda: self.seen.append({_place(frame) for frame in traceback.extract_stack()})
        kind = AuthorityAtHand if at_hand else Authority
        vars(house)["authority"] = kind(SigningIssuer(house.issuing.issuer, key), house.profile)
        self.doors = doors_of(house)

    def taken(self) -> set[str]:
        """Return by what each signature was reached, and forget it."""
        taken = set()
        for places in self.seen:
            assert places & {"enrollment/issuance.py:keep", "enrollment/issuance.py:signed_at_once"}
            by = {name for name, deeds in DEEDS.items() if places & deeds}
            assert len(by) == 1
            taken |= by
        self.seen.clear()
        return taken


def _place(frame: traceback.FrameSummary) -> str:
    path = Path(frame.filename)
    return f"{path.relative_to(ROOT) if path.is_relative_to(ROOT) else path}:{frame.name}"


@pytest.fixture(params=[False, True], ids=["far-away", "at-hand"])
def paths(
    sqlite_databases: FreshDatabase, tmp_path: Path, clock: SettableClock, request: pytest.FixtureRequest
) -> Iterator[Paths]:
    with sqlite_databases() as url:
        database = connect(url)
        yield Paths(build_house(database, tmp_path, clock), at_hand=request.param)
        database.dispose()


def test_every_route_signs_by_the_paths_that_are_said_of_it_and_by_no_other(paths: Paths, clock: SettableClock) -> None:
    """Each way to a certificate is gone, through its route; what was reached by the routes is all that may be."""
    reached: dict[str, dict[str, set[str]]] = {"retrieving": {}, "asking": {}}
    doors = paths.doors

    def noting(method: str, path: str, headers: Mapping[str, str], body: bytes, source: str) -> Reply:
        reply = doors.send(method, path, headers, body, source)
        door = "asking" if PEER in headers else "retrieving"
        route = getattr(doors, door).url_map.bind("").match(path.partition("?")[0], method=method, return_rule=True)[0].rule
        reached[door].setdefault(route, set()).update(paths.taken())
        return reply

    world = replace(doors.world, send=noting)
    holders = certified(paths.house, clock, [name == "SCEP" for name in RENEWALS])
    paths.taken()
    for retrieve in (*RETRIEVALS.values(), *LANES.values()):
        [(_, codes)] = paths.house.new_codes()
        assert retrieve(world, codes, new_request(), SOURCE).outcome is Outcome.GIVEN
    for renew, holder in zip(RENEWALS.values(), holders, strict=True):
        assert renew(world, holder, new_request()).outcome is Outcome.GIVEN
    # The address with a label leads to the same; what the terminals door has of EST beside re-enrolment is the retrieval door's.
    assert reached["retrieving"] == {route: by for route, by in RETRIEVAL.items() if route != LABELLED_CMP}
    assert reached["asking"] == {route: by & {RENEWAL} for route, by in TERMINALS.items()}


def test_what_comes_by_the_lane_is_signed_by_the_redemption_of_many_where_the_key_is_at_hand(paths: Paths) -> None:
    [(_, codes)] = paths.house.new_codes()
    assert LANES[LANE](paths.doors.world, codes, new_request(), SOURCE).outcome is Outcome.GIVEN
    assert [REDEEM_USUAL in places for places in paths.seen] == [paths.house.authority.is_at_hand]
    assert paths.taken() == {REDEMPTION}


def test_a_repeated_request_signs_nothing(paths: Paths) -> None:
    [(_, codes)] = paths.house.new_codes()
    request = new_request()
    for rank, retrieve in enumerate((*RETRIEVALS.values(), *LANES.values())):
        assert retrieve(paths.doors.world, codes, request, SOURCE).outcome is Outcome.GIVEN
        assert paths.taken() == (set() if rank else {REDEMPTION})


def _is_call_of(call: ast.Call, name: str) -> bool:
    return (isinstance(call.func, ast.Attribute) and call.func.attr == name) or (
        isinstance(call.func, ast.Name) and call.func.id == name
    )
