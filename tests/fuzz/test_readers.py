"""Every reader of what strangers send has a target: a new route, or a new module that parses something, must say which."""

import ast
import re
from collections.abc import Iterator, Mapping
from itertools import chain

import pytest
from flask import Flask

from server.apps import center, plain, portal, retrieval, status, terminals
from tests.conftest import FreshDatabase
from tests.crash.homes import found_home
from tests.fuzz.documents import TARGET
from tests.fuzz.readers import MODULES, OURS, ROUTES
from tests.fuzz.targets import TARGETS
from tests.support.schema import ROOMS, ROOT

DOORS = {"center": center, "plain": plain, "portal": portal, "retrieval": retrieval, "status": status, "terminals": terminals}
KNOWN = {target.name for target in (*TARGETS, TARGET)}
BODIES = {"POST", "PUT", "PATCH", "DELETE"}
# What of a request somebody else writes.
ATTRIBUTES = {
    *("accept_mimetypes", "args", "authorization", "cookies", "data", "environ", "files", "form", "full_path", "get_data"),
    *("get_json", "headers", "json", "query_string", "range", "stream", "values"),
}
# What takes apart a file, a message or a text of a format.
PARSERS = re.compile(
    r"ZipFile|ParserCreate|PdfFileReader|csv\.reader|json\.loads|urlopen|model_validate_json|b64decode|parsedate_to_datetime"
    r"|PEM_cert_to_DER_cert|verify_(?:registration|authentication)_response|validate_email|strptime"
    r"|load_(?:pem|der)_x509_(?:csr|crl|certificates?)|load_(?:pem|der)_public_key|fromstring|HeaderParser|message_from_\w+"
    # asn1crypto's classes, by the modules that they are imported in or as, and pyasn1's decoder.
    r"|(?:algos|asn1_ocsp|asn1_x509|cms|core|csr|keys|ocsp|tsp)\.\w+\.load|decoder\.decode"
)


def _apps(folder: pytest.TempPathFactory, url: str) -> Iterator[tuple[str, Flask]]:
    home = found_home(folder.mktemp("home"), url)
    for name, door in DOORS.items():
        app = door.assemble(home.settings).app
        assert isinstance(app, Flask)
        yield name, app
    home.house.database.dispose()


def test_every_route_that_takes_a_body_names_its_targets(
    sqlite_databases: FreshDatabase, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with sqlite_databases() as url:
        found = {
            door: {rule.endpoint for rule in app.url_map.iter_rules() if BODIES & (rule.methods or set())}
            for door, app in _apps(tmp_path_factory, url)
        }
    assert {door: sorted(endpoints) for door, endpoints in found.items()} == {
        door: sorted(endpoints) for door, endpoints in ROUTES.items()
    }


def _parses(source: str) -> bool:
    """Tell whether a module takes a request or something that was sent apart."""
    tree = ast.parse(source)
    named = {ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Attribute | ast.Name)}
    return any(PARSERS.fullmatch(name) or PARSERS.fullmatch(name.rpartition(".")[2]) or _is_of_request(name) for name in named)


def _is_of_request(name: str) -> bool:
    owner, _, attribute = name.rpartition(".")
    return attribute in ATTRIBUTES and owner.rpartition(".")[2] == "request"


def test_every_module_that_parses_something_names_its_targets_or_says_that_it_is_ours() -> None:
    files = chain.from_iterable((ROOT / room).rglob("*.py") for room in ROOMS)
    parsing = {str(file.relative_to(ROOT)) for file in files if _parses(file.read_text(encoding="utf-8"))}
    assert sorted(parsing - OURS - MODULES.keys()) == []
    assert sorted((OURS | MODULES.keys()) - parsing) == []
    assert not OURS & MODULES.keys()


def test_every_target_that_is_named_is_there_and_every_one_that_is_there_is_named() -> None:
    tables: tuple[Mapping[str, tuple[str, ...]], ...] = (MODULES, *ROUTES.values())
    named = {target for table in tables for targets in table.values() for target in targets}
    assert named == KNOWN


@pytest.mark.parametrize(
    "source",
    [
        "import flask\nflask.request.form['x']",
        "from flask import request\ntext = request.get_data()",
        "from zipfile import ZipFile\nZipFile(file)",
        "import json\njson.loads(text)",
        "from asn1crypto import cms\ncms.ContentInfo.load(der)",
        "from pyasn1.codec.ber import decoder\ndecoder.decode(ber)",
        "from cryptography import x509\nx509.load_der_x509_crl(der)",
        "import csv\ncsv.reader(lines)",
    ],
)
def test_a_module_that_parses_would_be_found(source: str) -> None:
    assert _parses(source)


def test_a_module_that_parses_nothing_is_not() -> None:
    assert not _parses("import json\nvalues = json.dumps({'args': form})\nrow.data = reader.loads_nothing")
