"""The document says what the doors do: all routes, all statuses, all codes, and the very models."""

import re
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st

from enrollment import codes as code_rules
from enrollment.protocols import openapi, retrieval, terminals
from enrollment.protocols.json_bodies import TYPED
from enrollment.protocols.openapi import ANYWHERE, WITH_BODY, Operation
from enrollment.protocols.problems import PROBLEMS
from enrollment.protocols.retrieval import RetrievalDoor
from enrollment.protocols.terminals import TerminalsDoor
from tests.enrollment.protocols.test_problems import refusals_in
from tests.support.house import House
from tests.support.schema import ROOT

Document = dict[str, Any]
DOORS = {"retrieval": retrieval.OPERATIONS, "terminals": terminals.OPERATIONS}

# The modules that stand behind each route; what they raise for others is named beside them.
AUTHORITY = ("ca/authority", "ca/requests", "ca/key_policy", "ca/profiles", "enrollment/issuance")
PRESENTED = ("ca/certificates", "enrollment/identity", "enrollment/suspensions")
BEHIND = {
    "retrieval.retrieve": ("enrollment/codes", "enrollment/guessing", "kernel/throttle", "enrollment/redemption", *AUTHORITY),
    "terminals.log_on": ("enrollment/logon", "enrollment/standing", "kernel/throttle"),
    "terminals.renew": ("enrollment/renewal", "enrollment/renewal_window", *PRESENTED, *AUTHORITY),
    "terminals.ask_for_reissue": ("enrollment/reissue", *PRESENTED),
    "terminals.own_state": ("enrollment/own_state", *PRESENTED),
}
# Not raised on the way of that route: the pattern of an input lets nothing through that these would refuse, staff's deeds …
ELSEWHERE = {
    "retrieval.retrieve": {"input-invalid"},
    "terminals.log_on": set(),
    "terminals.renew": set(),
    "terminals.ask_for_reissue": {"same-person", "reissue-unknown", "reissue-not-ready", "terminal-unknown"},
    "terminals.own_state": {"terminal-suspended"},
}
# Raised by the route itself, or by what it has in common with others.
AT_THE_DOOR = {
    "retrieval.retrieve": {"terminal-suspended"},
    "terminals.log_on": set(),
    "terminals.renew": {"E103"},
    "terminals.ask_for_reissue": {"E103", "certificate-revoked", "certificate-held"},
    "terminals.own_state": set(),
}


@pytest.fixture
def apps(sqlite_house: House) -> dict[str, Flask]:
    house = sqlite_house
    door = TerminalsDoor(house.logon, lambda _environ: None, house.renewal, house.reissues, house.own_states)
    return {"retrieval": retrieval.create_app(RetrievalDoor(house.redemption)), "terminals": terminals.create_app(door)}


@pytest.fixture
def documents(apps: dict[str, Flask]) -> dict[str, Document]:
    return {name: app.test_client().get(openapi.ADDRESS).get_json() for name, app in apps.items()}


def _operations(document: Document) -> Iterator[tuple[str, str, Document]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method.upper(), operation


def test_all_routes_and_their_methods_are_described(apps: dict[str, Flask], documents: dict[str, Document]) -> None:
    for name, app in apps.items():
        served = {
            (rule.rule, method)
            for rule in app.url_map.iter_rules()
            if rule.rule.startswith("/api/")
            for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
        }
        assert {(path, method) for path, method, _ in _operations(documents[name])} == served
        assert documents[name]["openapi"] == "3.1.0"


def test_a_route_that_nobody_describes_keeps_the_app_from_being_built() -> None:
    app = Flask("forgotten")
    app.add_url_rule("/api/v1/forgotten", view_func=lambda: "")
    with pytest.raises(LookupError, match="/api/v1/forgotten"):
        openapi.mount(app, "any", "any", {})


def test_each_status_lists_its_codes_and_each_code_has_its_status(documents: dict[str, Document]) -> None:
    for name, operations in DOORS.items():
        told = {operation["operationId"]: operation["responses"] for _, _, operation in _operations(documents[name])}
        for operation in operations.values():
            codes = {
                (int(status), code)
                for status, response in told[operation.name].items()
                if "application/problem+json" in response["content"]
                for code in response["content"]["application/problem+json"]["schema"]["properties"]["code"]["enum"]
            }
            assert codes == {(PROBLEMS[code].status, code) for code in operation.codes}
            assert {int(status) for status in told[operation.name]} == {status for status, _ in codes} | operation.answers.keys()


@pytest.mark.parametrize(
    ("endpoint", "operation"),
    [pair for operations in DOORS.values() for pair in operations.items()],
    ids=lambda value: str(value)[:30],
)
def test_the_codes_of_a_route_are_those_that_stand_behind_it(endpoint: str, operation: Operation) -> None:
    raised = {code for module in BEHIND[endpoint] for code in refusals_in(_source(module)) if code in PROBLEMS}
    assert operation.refusals == (raised - ELSEWHERE[endpoint]) | AT_THE_DOOR[endpoint]
    assert not operation.refusals & (ANYWHERE | WITH_BODY)


def _source(module: str) -> str:
    return (ROOT / f"{module}.py").read_text(encoding="utf-8")


def test_every_refusal_of_an_unworded_code_would_be_seen_here() -> None:
    assert set(refusals_in("raise Refused('codes-wrong', field=1)")) == {"codes-wrong"}


def test_every_schema_is_one_and_every_reference_leads_somewhere(documents: dict[str, Document]) -> None:
    for document in documents.values():
        schemas = document["components"]["schemas"]
        for schema in schemas.values():
            jsonschema_rs.meta.validate({"$schema": "https://json-schema.org/draft/2020-12/schema", **schema})
        named = set(re.findall(r'"#/components/schemas/(\w+)"', str(document).replace("'", '"')))
        assert named == schemas.keys()
        names = [operation["operationId"] for _, _, operation in _operations(document)]
        assert len(names) == len(set(names))
        leads = {
            link["operationId"]
            for _, _, operation in _operations(document)
            for response in operation["responses"].values()
            for link in response.get("links", {}).values()
        }
        assert leads <= set(names)


def test_the_document_can_not_be_had_as_a_page(apps: dict[str, Flask]) -> None:
    response = apps["retrieval"].test_client().get(openapi.ADDRESS, headers={"Accept": "text/html"})
    assert (response.status_code, response.get_json()["code"]) == (406, "not-acceptable")


@given(st.from_regex(TYPED, fullmatch=True).filter(lambda text: len(text) <= code_rules.LONGEST_INPUT))
def test_what_the_pattern_of_an_input_lets_through_can_be_made_normal(text: str) -> None:
    assert re.fullmatch("[0-9A-Z]+", code_rules.normal_access_key(text))


def test_honest_typings_of_an_input_fit_the_pattern() -> None:
    for text in ("NAC999W", "nac-001", " 1234 5678 90123 ", "ｎａｃ－００１", "１２３　４５", "A\u00a0B_C.D\n", "\t7\r\n"):
        assert re.fullmatch(TYPED, text)
