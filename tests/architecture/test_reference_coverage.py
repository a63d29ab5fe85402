"""What docs/reference-coverage.md names is there: modules, templates, tests, names in them, addresses, mails, labels, links."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from flask import Flask

from server.apps import center, portal, retrieval, status, terminals
from tests.conftest import FreshDatabase
from tests.crash.homes import found_home
from tests.support.schema import ROOT

DOCUMENT = ROOT / "docs" / "reference-coverage.md"
TEXT = DOCUMENT.read_text(encoding="utf-8")
CODED = sorted(set(re.findall(r"`([^`\n]+)`", TEXT)))
TEMPLATES = ROOT / "webui" / "portal" / "templates"
ROOMS = ("kernel", "keys", "ca", "registry", "enrollment", "webui", "server")
# Where what people read is written.
WRITTEN = {".html", ".py", ".toml", ".typ"}
_ADDRESS = re.compile(r"(?:(center|retrieval|terminals|status):)?(/\S*)")
_PATH = re.compile(r"([\w.-]+/[\w./-]*|[\w-]+\.html)(?:::(\w+))?")
Apps = Mapping[str, Flask]

ADDRESSES = [(found[1] or "portal", found[2]) for found in map(_ADDRESS.fullmatch, CODED) if found]
PATHS = [(found[1], found[2]) for found in map(_PATH.fullmatch, CODED) if found]


@pytest.fixture(scope="module")
def apps(sqlite_databases: FreshDatabase, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Apps]:
    doors = {"portal": portal, "center": center, "retrieval": retrieval, "terminals": terminals, "status": status}
    with sqlite_databases() as url:
        home = found_home(tmp_path_factory.mktemp("home"), url)
        found = {name: door.assemble(home.settings).app for name, door in doors.items()}
        yield {name: app for name, app in found.items() if isinstance(app, Flask)}
        home.house.database.dispose()


@pytest.fixture(scope="module")
def written() -> str:
    files = (path for room in ROOMS for path in (ROOT / room).rglob("*") if path.suffix in WRITTEN)
    return "\n".join(path.read_text(encoding="utf-8") for path in files)


def test_it_names_enough_to_be_worth_the_while() -> None:
    assert len(ADDRESSES) > 40
    assert len(PATHS) > 150


def test_every_module_template_and_test_is_there_with_what_is_named_of_it() -> None:
    assert [f"{path}::{name}" for path, name in PATHS if not _holds(path, name)] == []


def test_every_address_is_a_route_of_its_door(apps: Apps) -> None:
    routes = {door: [_pattern(rule.rule) for rule in app.url_map.iter_rules()] for door, app in apps.items()}
    missing = [(door, address) for door, address in ADDRESSES if not any(one.fullmatch(address) for one in routes[door])]
    assert missing == []


def test_every_page_of_the_bulletin_opens(apps: Apps) -> None:
    client = apps["portal"].test_client()
    pages = [address for door, address in ADDRESSES if door == "portal" and address.startswith("/bulletin/")]
    assert [page for page in pages if client.get(page).status_code != 200] == []


def test_every_mail_and_every_label_is_written_somewhere(written: str) -> None:
    quoted = [*re.findall(r"「([^」]+)」", TEXT), *(token for token in CODED if token.startswith("【NSS】"))]
    assert [words for words in quoted if words not in written] == []


def test_every_link_leads_to_a_document() -> None:
    links = re.findall(r"\]\(([^)]+)\)", TEXT)
    assert [link for link in links if not (DOCUMENT.parent / link).is_file()] == []


def test_a_name_that_is_gone_would_be_seen() -> None:
    assert not _holds("registry/items.py", "no_such_rule")
    assert not _holds("registry/no_such_module.py", None)
    assert not _pattern("/contract/<any('user-codes', netnaccs):tab>").fullmatch("/contract/nonsense")
    assert not _pattern("/news/<int:news_id>").fullmatch("/news")


def _holds(path: str, name: str | None) -> bool:
    file = ROOT / path if "/" in path else TEMPLATES / path
    if name is None:
        return file.exists()
    text = file.read_text(encoding="utf-8") if file.is_file() else ""
    return re.search(rf"^\s*(?:def|class) {name}\b|^{name}\b", text, re.MULTILINE) is not None


def _pattern(rule: str) -> re.Pattern[str]:
    """Return what fits the addresses of a route; a variable part is anything but a slash, or one of its words."""
    pieces = []
    for piece in re.split(r"(<[^>]*>)", rule):
        words = re.search(r"any\(([^)]*)\)", piece)
        if words:
            pieces.append("(?:" + "|".join(re.findall(r"[\w-]+", words[1])) + ")")
        else:
            pieces.append("[^/]+" if piece.startswith("<") else re.escape(piece))
    return re.compile("".join(pieces))


def test_templates_lie_where_the_document_says() -> None:
    assert str(TEMPLATES.relative_to(ROOT)) + "/" in CODED
    assert Path(__file__).relative_to(ROOT).as_posix() in CODED
