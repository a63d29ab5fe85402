import ast
import string
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from werkzeug.exceptions import TooManyRequests

from enrollment.protocols import problems
from enrollment.protocols.problems import PROBLEMS
from kernel.errors import Refused, Unavailable
from tests.support.schema import ROOT
from webui.center.sentences import SENTENCES

# Their refusals are told by the pages of portal and center, or at the command line.
NOT_AT_THE_DOORS = {"preparation", "ending", "departures", "id_notices", "staff_views", "freezes", "disclosure"}
# Told to nobody: that a credential names no certificate would be a fault of ours.
FAULTS = {"certificate-unknown"}
# Only `tegata revoke` says since when a certificate is not to be trusted, and only ceremonies promise a service's.
AT_THE_COMMAND_LINE = {"invalid-since-future", "promise-abandoned"}
# Only staff and customers decide about reissues and keep diagnoses, on their pages.
ON_PAGES = {"same-person", "reissue-unknown", "reissue-not-ready", "terminal-unknown", "diagnosis-most"}
EXPANSIONS = {"f'codes-{state.value}'": {"codes-frozen", "codes-expired", "codes-replaced"}}
STATUSES = {400, 401, 403, 404, 405, 406, 409, 413, 415, 422, 429, 500, 503}


def modules() -> list[Path]:
    doors = [*(ROOT / "ca").glob("*.py"), *(ROOT / "enrollment").glob("*.py"), *(ROOT / "enrollment" / "protocols").glob("*.py")]
    return [module for module in doors if module.stem not in NOT_AT_THE_DOORS]


def refusals_in(source: str) -> Iterator[str]:
    """Yield the code of each `Refused(…)`; one that is computed must have an expansion."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Refused":
            yield from codes_in(node.args[0])


def codes_in(code: ast.expr) -> Iterator[str]:
    if isinstance(code, ast.IfExp):
        yield from codes_in(code.body)
        yield from codes_in(code.orelse)
    else:
        yield from EXPANSIONS[ast.unparse(code)] if isinstance(code, ast.JoinedStr) else {ast.literal_eval(code)}


def test_every_refusal_that_can_reach_a_door_has_its_sentences() -> None:
    raised = {code for module in modules() for code in refusals_in(module.read_text(encoding="utf-8"))}
    assert len(raised) > 25
    assert raised - FAULTS - AT_THE_COMMAND_LINE - ON_PAGES - PROBLEMS.keys() == set()


def test_every_refusal_of_staffs_deeds_has_its_sentence_at_the_center() -> None:
    sources = [
        (ROOT / "enrollment" / f"{stem}.py").read_text(encoding="utf-8")
        for stem in ("preparation", "ending", "departures", "freezes", "disclosure")
    ]
    raised = {code for source in sources for code in refusals_in(source)}
    of_the_customers = {"freeze-by-staff"}
    assert raised - SENTENCES.keys() - {"codes-open"} - of_the_customers == set()


def test_no_sentence_is_left_over() -> None:
    raised = {code for module in modules() for code in refusals_in(module.read_text(encoding="utf-8"))}
    of_http = {"not-found", "method-not-allowed", "not-acceptable", "too-large", "media-type", "unavailable", "internal"}
    assert PROBLEMS.keys() - raised - of_http - {"throttled"} == set()


@pytest.mark.parametrize("code", PROBLEMS)
def test_each_problem_is_whole(code: str) -> None:
    told = PROBLEMS[code]
    assert told.status in STATUSES
    assert told.english.isascii()
    assert not told.japanese.isascii()
    # A fact that is itself told in words has a name for each language.
    names = [
        {name.removesuffix("_ja").removesuffix("_en") for _, name, _, _ in string.Formatter().parse(text) if name}
        for text in (told.japanese, told.english)
    ]
    assert names[0] == names[1]


@pytest.fixture
def app() -> Flask:
    made = Flask("test")
    problems.register(made)
    return made


def test_a_problem_is_told_in_two_languages_with_a_stable_code(app: Flask) -> None:
    app.add_url_rule("/", view_func=lambda: _raise(Refused("throttled", retry_after=90)))
    response = app.test_client().get("/")
    assert (response.status_code, response.mimetype) == (429, "application/problem+json")
    assert response.headers["Retry-After"] == "90"
    assert response.headers["Cache-Control"] == "no-store"
    body = response.get_json()
    assert (body["type"], body["code"], body["status"]) == ("urn:tegata:problem:throttled", "throttled", 429)
    assert "90秒後" in body["title"]
    assert "90 seconds" in body["title_en"]


def test_a_401_names_its_scheme(app: Flask) -> None:
    app.add_url_rule("/", view_func=lambda: _raise(Refused("codes-wrong")))
    assert app.test_client().get("/").headers["WWW-Authenticate"].startswith("TegataCodes ")


@pytest.mark.parametrize(
    ("trouble", "status", "code"),
    [
        (Refused("a-code-that-nobody-worded"), 403, "a-code-that-nobody-worded"),
        (Refused("codes-expired"), 403, "codes-expired"),
        (Unavailable("database is away", retry_after=7), 503, "unavailable"),
        (TooManyRequests(), 400, "request-malformed"),
        (ZeroDivisionError("of ours"), 500, "internal"),
    ],
)
def test_every_kind_of_trouble_has_its_answer(app: Flask, trouble: Exception, status: int, code: str) -> None:
    app.add_url_rule("/", view_func=lambda: _raise(trouble))
    response = app.test_client().get("/")
    assert response.status_code == status
    assert response.get_json()["code"] == code
    assert "of ours" not in response.get_data(as_text=True)
    assert response.headers.get("Retry-After") == ("7" if status == 503 else None)


def test_an_unknown_address_and_a_wrong_method_are_told_apart(app: Flask) -> None:
    app.add_url_rule("/", view_func=lambda: "", methods=["POST"])
    assert app.test_client().get("/nowhere").get_json()["code"] == "not-found"
    response = app.test_client().get("/")
    assert response.get_json()["code"] == "method-not-allowed"
    assert response.headers["Allow"] == "OPTIONS, POST"


def _raise(trouble: Exception) -> str:
    raise trouble
