"""What a terminal is told in each state that it can be in: retrieval, renewal, itself, logon, reissue.

Every answer is held against the OpenAPI document, and every code of the document is shown here.
"""

import json
from collections.abc import Iterator
from datetime import timedelta
from functools import cache
from typing import Any

import jsonschema_rs
import pytest
from flask import Flask
from sqlalchemy import delete

from enrollment.protocols import openapi, retrieval, terminals
from enrollment.protocols.problems import PROBLEMS
from kernel.database import connect
from kernel.throttle import ThrottleCounter
from tests.conftest import FreshDatabase
from tests.enrollment.protocols import situations
from tests.enrollment.protocols.situations import POSTED, SELF, Scene, asked
from tests.support.clock import MORNING, SettableClock
from tests.support.house import SOURCE, House, build_house
from tests.support.interfaces import IN_LANE, RETRIEVALS, Doors, Outcome, Reply, doors_of

OPERATIONS = {
    "retrieval": retrieval.OPERATIONS["retrieval.retrieve"],
    "renewal": terminals.OPERATIONS["terminals.renew"],
    "self": terminals.OPERATIONS["terminals.own_state"],
    "logon": terminals.OPERATIONS["terminals.log_on"],
    "reissue": terminals.OPERATIONS["terminals.ask_for_reissue"],
}
BEFORE_THE_END = timedelta(days=364)
HOLDERS = """
                            renewal                  self                    logon                   reissue
unretrieved                 E103                     E103                    E103                    E103
in_service                  renewal-too-early        200                     200                     202
before_the_start            renewal-too-early        200                     A0006                   202
start_moved_far_away        start-date-too-far       200                     A0006                   202
in_the_window               201                      200                     200                     202
generation_ends             renewal-pointless        200                     200                     202
renewed                     renewal-spent            A0036                   A0036                   certificate-not-current
renewed_and_in_use          certificate-revoked      A0036                   A0036                   certificate-revoked
not_confirmed               certificate-not-current  A0036                   A0036                   certificate-not-current
expired                     renewal-too-late         E104                    E104                    202
suspended                   terminal-suspended       200                     A0014                   terminal-suspended
held                        certificate-held         200                     A0014                   certificate-held
abolished                   terminal-abolished       terminal-abolished      A0010                   terminal-abolished
revoked                     certificate-revoked      A0036                   A0036                   certificate-revoked
reissue_asked_for           201                      200                     200                     reissue-open
reissue_accepted            reissue-pending          200                     200                     reissue-open
stolen                      certificate-revoked      A0036                   A0036                   certificate-revoked
old_computer                certificate-revoked      A0036                   A0036                   certificate-revoked
foreign                     certificate-foreign      certificate-foreign     A0019                   certificate-foreign
another_authority           certificate-foreign      certificate-foreign     A0035                   certificate-foreign
unreadable                  certificate-unreadable   certificate-unreadable  certificate-unreadable  certificate-unreadable
no_such_form                not-acceptable           not-acceptable          not-acceptable          not-acceptable
no_json                     media-type               200                     media-type              media-type
a_field_too_many            request-malformed        200                     request-malformed       request-malformed
much_too_large              too-large                200                     too-large               too-large
the_database_away           unavailable              unavailable             unavailable             unavailable
a_fault_of_ours             internal                 internal                internal                internal
"""
# Only one of them is concerned.
ONE = {
    ("renewal", "malformed_request"): "csr-malformed",
    ("renewal", "spoilt_request"): "csr-signature",
    ("renewal", "unsupported_key"): "key-unsupported",
    ("renewal", "weak_key"): "key-weak",
    ("renewal", "short_key"): "key-too-short-for-period",
    ("renewal", "used_key"): "key-used",
    ("renewal", "blocked_key"): "key-blocked",
    ("renewal", "key_away"): "unavailable",
    ("logon", "wrong_access_key"): "A0018",
    ("logon", "wrong_access_key_too_often"): "throttled",
    ("logon", "wrong_name"): "A0019",
    ("reissue", "unprintable_remark"): "input-invalid",
}
# What is told to whoever knows the codes; and to whoever does not.
RETRIEVALS_TOLD = {
    "unretrieved": "201",
    "claimed_by_this_key": "201",
    "claimed_by_another_key": "codes-spent",
    "in_service": "200",
    "with_another_key": "codes-spent",
    "before_the_start": "200",
    "start_in_two_years": "start-date-too-far",
    "renewed": "200",
    "renewed_and_in_use": "certificate-revoked",
    "expired": "200",
    "suspended": "terminal-suspended",
    "suspended_before_retrieval": "terminal-suspended",
    "held": "certificate-held",
    "frozen": "codes-frozen",
    "codes_over": "codes-expired",
    "codes_replaced": "codes-replaced",
    "abolished": "terminal-abolished",
    "revoked": "certificate-revoked",
    "reissue_asked_for": "200",
    "reissue_accepted": "200",
    "stolen": "certificate-revoked",
    "old_computer": "certificate-revoked",
    "wrong_codes": "codes-wrong",
    "wrong_codes_too_often": "throttled",
    "spoilt_request": "csr-signature",
    "unsupported_key": "key-unsupported",
    "weak_key": "key-weak",
    "short_key": "key-too-short-for-period",
    "used_key": "key-used",
    "blocked_key": "key-blocked",
    "key_away": "unavailable",
}
# What only JSON can be.
RETRIEVALS_OF_JSON = {
    "malformed_request": "csr-malformed",
    "no_such_form": "not-acceptable",
    "no_json": "media-type",
    "a_field_too_many": "request-malformed",
    "much_too_large": "too-large",
    "the_database_away": "unavailable",
    "a_fault_of_ours": "internal",
}

# CMP asks the sealed copy of the codes, which is gone when others replace them (ADR 23).
OTHERWISE = {("CMP", "codes_replaced"): "codes-wrong"}
# What sounds like "come again" by each way.
AWAY = {way: {"unavailable"} for way in RETRIEVALS} | {"CMP": {"unavailable", "throttled"}}


def _rows() -> Iterator[tuple[str, str, str]]:
    """Yield column, state, what is told."""
    head, *rows = HOLDERS.strip().splitlines()
    for row in rows:
        state, *told = row.split()
        yield from ((column, state, expected) for column, expected in zip(head.split(), told, strict=True))
    yield from ((column, state, expected) for (column, state), expected in ONE.items())
    yield from (("retrieval", state, expected) for state, expected in (RETRIEVALS_TOLD | RETRIEVALS_OF_JSON).items())


ROWS = list(_rows())


@pytest.fixture(scope="module")
def clock_of_all() -> SettableClock:
    return SettableClock()


@pytest.fixture(scope="module")
def doors(
    sqlite_databases: FreshDatabase, tmp_path_factory: pytest.TempPathFactory, clock_of_all: SettableClock
) -> Iterator[tuple[House, Doors]]:
    """Return one house for all states, each of which has a terminal of its own."""
    with sqlite_databases() as url:
        database = connect(url)
        house = build_house(database, tmp_path_factory.mktemp("house"), clock_of_all)
        yield house, doors_of(house)
        database.dispose()


@pytest.fixture
def scene(doors: tuple[House, Doors], clock_of_all: SettableClock) -> Scene:
    clock_of_all.instant = MORNING
    with doors[0].database.transaction() as session:
        session.execute(delete(ThrottleCounter))  # all come from one address
    [(terminal, codes)] = doors[0].new_codes()
    return Scene(doors[0], clock_of_all, doors[1], terminal, codes)


@pytest.mark.parametrize(("column", "state", "expected"), ROWS)
def test_each_state_has_its_answer(scene: Scene, column: str, state: str, expected: str) -> None:
    getattr(situations, state)(scene)
    _require_told(scene, column, expected)


@pytest.mark.parametrize(("state", "expected"), [(state, expected) for column, state, expected in ROWS if column == "retrieval"])
def test_a_door_with_a_lane_gives_the_same_answers(scene: Scene, state: str, expected: str) -> None:
    getattr(situations, state)(scene)
    scene.headers = {**scene.headers, IN_LANE: "yes"}
    _require_told(scene, "retrieval", expected)


def _require_told(scene: Scene, column: str, expected: str) -> None:
    reply = asked(scene, column)
    answer = json.loads(reply.body) if reply.headers["Content-Type"].endswith("json") else {}
    if expected.isdigit():
        assert reply.status == int(expected), reply.body
    else:
        assert (answer["code"], reply.status) == (expected, PROBLEMS[expected].status)
    assert ("Retry-After" in reply.headers) == (reply.status in (429, 503) or (column == "self" and reply.status == 200))
    _require_described(scene, column, reply, answer)


@cache
def _document(door: str) -> dict[str, Any]:
    app, title = Flask(door), {"title": door}
    modules = {"retrieval": retrieval, "terminals": terminals}
    app.register_blueprint(modules[door].blueprint)
    return openapi.document(app, title, modules[door].OPERATIONS)


def _require_described(scene: Scene, column: str, reply: Reply, answer: object) -> None:
    """See that the door's document says so."""
    app = scene.doors.retrieving if column == "retrieval" else scene.doors.asking
    document = _document(app.name)
    path = SELF if column == "self" else POSTED[column]
    described = document["paths"][path]["get" if column == "self" else "post"]["responses"][str(reply.status)]
    schema = described["content"][reply.headers["Content-Type"]]["schema"]
    jsonschema_rs.validate({**schema, "components": document["components"]}, answer)
    assert {name for name, header in described["headers"].items() if header["required"]} <= reply.headers.keys()


@pytest.mark.parametrize("column", OPERATIONS)
def test_every_code_of_the_document_is_in_the_tables_and_no_other(column: str) -> None:
    shown = {expected for name, _, expected in ROWS if name == column}
    assert {code for code in shown if not code.isdigit()} == OPERATIONS[column].codes
    assert {int(code) for code in shown if code.isdigit()} == OPERATIONS[column].answers.keys() - _repeated(column)


def _repeated(column: str) -> set[int]:
    """Return what is answered to the second of two: a state is asked once here."""
    return {200} if column == "renewal" else set()


@pytest.mark.parametrize("state", [state for state in RETRIEVALS_TOLD if state != "spoilt_request"])
@pytest.mark.parametrize("way", [name for name in RETRIEVALS if name != "REST"])
def test_every_way_to_redeem_codes_tells_the_same(scene: Scene, state: str, way: str) -> None:
    getattr(situations, state)(scene)
    expected = OTHERWISE.get((way, state), RETRIEVALS_TOLD[state])
    told = RETRIEVALS[way](scene.doors.world, scene.codes, scene.again or scene.request, SOURCE)
    if expected.isdigit():
        assert told.outcome is Outcome.GIVEN
        return
    assert told.outcome is (Outcome.AWAY if expected in AWAY[way] else Outcome.REFUSED)
    if told.outcome is Outcome.REFUSED:
        assert PROBLEMS[expected].english.partition("{")[0].partition("(")[0] in told.words.replace("&#39;", "'")
