"""The Nu HTML checker reads all pages as they are sent, in both languages: no error and no warning."""

import json
import subprocess
from pathlib import Path

import flask
import pytest

from tests.judges.documents import Shelf
from tests.judges.programs import node_module, program
from tests.judges.rounds import LANGUAGES, Rounds
from tests.judges.town import Town

# All pages are made ready at once: half a minute, and more where others are at work, too.
pytestmark = pytest.mark.timeout(900)
# Templates that others are made of.
FRAMES = {"layout.html", "bulletin-layout.html", "bulletin-manual.html", "contract.html", "wizard.html"}
# Broken on purpose: the judge must find all of it.
PLANTED = (
    '<!DOCTYPE html><html lang="en"><head><title>Planted</title></head><body><main>'
    '<p id="twice"><div id="twice"></div></p><img src="x.png"><section></section></main></body></html>'
)
# What the checker does not know, though it is right.
KNOWN = ("“vector-effect”: Property “vector-effect” doesn't exist",)  # SVG 2 §8.12: a property of style sheets, too
STATIC = Path(__file__).parents[2] / "webui" / "static"


@pytest.fixture(scope="module")
def shelf(town: Town) -> Shelf:
    """Return all pages."""
    return Rounds(town).make()


@pytest.fixture(scope="module")
def complaints(shelf: Shelf, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """Let the checker read everything at once; return what it says of each document."""
    folder = tmp_path_factory.mktemp("documents")
    names = {"planted.html": "planted", "style.css": "style.css", "mark.svg": "mark.svg"}
    (folder / "planted.html").write_text(PLANTED)
    for name in ("style.css", "mark.svg"):
        (folder / name).write_bytes((STATIC / name).read_bytes())
    for asked, text in shelf.documents.items():
        name = f"{asked[:4]}.html"
        (folder / name).write_text(text, encoding="utf-8")
        names[name] = asked
    jar = node_module("vnu-jar") / "build" / "dist" / "vnu.jar"
    options = ["--format", "json", "--stdout", "--exit-zero-always", "--also-check-css", "--also-check-svg"]
    command: list[str | Path] = [program("java", "default-jre-headless"), "-jar", jar, *options, folder]
    done = subprocess.run(command, capture_output=True, check=True, timeout=600)
    found: dict[str, list[str]] = {}
    for message in json.loads(done.stdout)["messages"]:
        told = f"{message.get('subType', message['type'])}: {message['message']} {message.get('extract', '')}"
        if not any(known in message["message"] for known in KNOWN):
            found.setdefault(names[message["url"].rpartition("/")[2]], []).append(told)
    return found


def test_every_page_is_without_fault(complaints: dict[str, list[str]]) -> None:
    assert {asked: told for asked, told in complaints.items() if asked != "planted"} == {}


def test_planted_faults_are_found(complaints: dict[str, list[str]]) -> None:
    told = "\n".join(complaints["planted"])
    for words in ("Duplicate ID", "alt", "Section lacks heading", "No “p” element in scope"):
        assert words in told


def test_every_template_was_seen_in_both_languages(town: Town, shelf: Shelf) -> None:
    unseen = {
        f"{app.name} {name}": seen
        for app in (town.doors.portal, town.doors.center)
        for name in pages_of(app)
        if (seen := shelf.templates.get((app.name, name), set())) != set(LANGUAGES)
    }
    assert unseen == {}


def pages_of(app: flask.Flask) -> list[str]:
    """Return the templates that are a page each."""
    environment = app.jinja_env
    assert environment.loader
    sources = {name: environment.loader.get_source(environment, name)[0] for name in environment.list_templates()}
    return [name for name, source in sources.items() if "{% extends" in source and name not in FRAMES]
