import ast
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path, PurePath
from typing import Any

import pytest
from sqlalchemy import Column, ForeignKey, Integer, MetaData, Table

from kernel.database import Base
from tests.architecture import rules
from tests.support.schema import ROOMS, ROOT, modules_with_tables, whole_schema

Rule = Callable[[PurePath, str], Iterator[str]]

PRODUCT = sorted(file for room in (*ROOMS, "migrations") for file in (ROOT / room).rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
_IN_PRODUCT = frozenset(PRODUCT)
LONG = "def long():\n" + "    pass\n" * 50


def _rules_of(file: Path) -> Iterator[Rule]:
    """Return what is asked of a file: of the tests less than of the product."""
    # Revisions are generated, a statement for each table, and never edited once they are released.
    if "versions" not in file.parts:
        yield rules.faults_of_shape
    yield rules.faults_of_imports
    if file in _IN_PRODUCT:
        yield rules.faults_of_places
        yield faults_of_tables
    if file.is_relative_to(ROOT / "webui"):
        yield rules.faults_of_routes


@cache
def _owners() -> dict[str, str]:
    return {
        name: file.relative_to(ROOT).parts[0] for file in PRODUCT for name in rules.tables_of(file.read_text(encoding="utf-8"))
    }


def faults_of_tables(path: PurePath, source: str) -> Iterator[str]:
    return rules.faults_of_tables(path, source, _owners())


RULES = (rules.faults_of_shape, rules.faults_of_imports, rules.faults_of_places, rules.faults_of_routes, faults_of_tables)


@pytest.fixture(scope="module")
def faults() -> dict[Rule, list[str]]:
    """Ask all rules of one file after the other, so that each is parsed once; return what they found."""
    found: dict[Rule, list[str]] = {rule: [] for rule in RULES}
    for file in (*PRODUCT, *TESTS):
        source = file.read_text(encoding="utf-8")
        for rule in _rules_of(file):
            found[rule] += rule(file.relative_to(ROOT), source)
    return found


def test_modules_and_functions_are_short_and_named_by_what_they_are(faults: dict[Rule, list[str]]) -> None:
    assert faults[rules.faults_of_shape] == []


def test_nothing_is_imported_inside_a_function(faults: dict[Rule, list[str]]) -> None:
    assert faults[rules.faults_of_imports] == []


def test_commit_clock_and_environment_have_one_place_each(faults: dict[Rule, list[str]]) -> None:
    assert faults[rules.faults_of_places] == []


def test_every_route_of_the_pages_declares_who_may_use_it(faults: dict[Rule, list[str]]) -> None:
    assert faults[rules.faults_of_routes] == []


def test_a_rooms_tables_are_imported_by_that_room_only(faults: dict[Rule, list[str]]) -> None:
    assert faults[faults_of_tables] == []


def test_tables_carry_their_rooms_name() -> None:
    whole_schema()
    owners = {mapper.class_.__tablename__: mapper.class_.__module__.split(".")[0] for mapper in Base.registry.mappers}
    assert [table for table, room in owners.items() if not table.startswith(f"{room}_")] == []


def test_migrations_know_every_module_with_tables() -> None:
    tree = ast.parse((ROOT / "migrations" / "schema.py").read_text(encoding="utf-8"))
    known = {alias.name for node in tree.body if isinstance(node, ast.Import) for alias in node.names}
    assert [module for module in modules_with_tables() if not {module, module.rpartition(".")[0]} & known] == []


def test_no_foreign_key_crosses_rooms() -> None:
    assert _crossing([column for table in whole_schema().tables.values() for column in table.columns]) == []


@pytest.mark.parametrize(
    ("rule", "path", "source"),
    [
        (rules.faults_of_shape, "ca/x.py", "x = 1\n" * 501),
        (rules.faults_of_shape, "ca/x.py", LONG),
        (rules.faults_of_shape, "ca/x.py", LONG.replace("def", "async def")),
        (rules.faults_of_shape, "ca/x.py", "def f(a, b, c, d, *, e, f, g): pass"),
        (rules.faults_of_shape, "ca/x.py", "class A:\n    def f(self, a, b, c, d, e, f, g): pass"),
        (rules.faults_of_shape, "ca/utils.py", ""),
        (rules.faults_of_shape, "ca/common/orders.py", ""),
        (rules.faults_of_imports, "ca/x.py", "def f():\n    import os"),
        (rules.faults_of_imports, "ca/x.py", "class A:\n    def f(self):\n        if self:\n            from os import path"),
        (rules.faults_of_places, "ca/x.py", "session.commit()"),
        (rules.faults_of_places, "ca/x.py", "self.database.session().commit()"),
        (rules.faults_of_places, "ca/x.py", "datetime.now(UTC)"),
        (rules.faults_of_places, "ca/x.py", "datetime.datetime.utcnow()"),
        (rules.faults_of_places, "ca/x.py", "field(default_factory=date.today)"),
        (rules.faults_of_places, "ca/x.py", "time.time()"),
        (rules.faults_of_places, "ca/x.py", "from time import time"),
        (rules.faults_of_places, "ca/x.py", "from datetime import datetime as dt"),
        (rules.faults_of_places, "ca/x.py", "os.environ['HOME']"),
        (rules.faults_of_places, "ca/x.py", "os.getenv('HOME')"),
        (rules.faults_of_places, "ca/x.py", "from os import environ"),
        (rules.faults_of_routes, "webui/x.py", "@pages.get('/')\ndef menu(): pass"),
        (rules.faults_of_routes, "webui/x.py", "@pages.route('/')\n@limited\ndef menu(): pass"),
        (rules.faults_of_routes, "webui/x.py", "@pages.get('/')\n@guard.public\n@guard.staff()\ndef menu(): pass"),
        (
            lambda path, source: rules.faults_of_tables(path, source, {"Office": "registry"}),
            "ca/x.py",
            "from registry.tables import Office",
        ),
        (
            lambda path, source: rules.faults_of_tables(path, source, {"Office": "registry"}),
            "ca/x.py",
            "from registry import Office",
        ),
    ],
)
def test_a_planted_fault_is_found(rule: Rule, path: str, source: str) -> None:
    assert list(rule(PurePath(path), source)) != []


@pytest.mark.parametrize(
    ("rule", "path", "source"),
    [
        (rules.faults_of_shape, "ca/x.py", "class A:\n    def f(self, a, b, c, d, e, f): pass"),
        (rules.faults_of_places, "kernel/clock.py", "datetime.now(UTC)"),
        (rules.faults_of_places, "kernel/database.py", "session.commit()"),
        (rules.faults_of_places, "server/environment.py", "os.environ"),
        (rules.faults_of_places, "ca/x.py", "time.monotonic() and clock.now()"),
        (rules.faults_of_routes, "webui/x.py", "@pages.get('/')\n@guard.customer()\ndef menu(): pass"),
        (rules.faults_of_routes, "webui/x.py", "@pages.get('/')\n@public\ndef menu(): pass"),
        (rules.faults_of_routes, "webui/x.py", "@dataclass\nclass A: pass\n@dict.get\ndef menu(): pass"),
    ],
)
def test_what_is_allowed_is_not_a_fault(rule: Rule, path: str, source: str) -> None:
    assert list(rule(PurePath(path), source)) == []


def test_a_planted_foreign_key_across_rooms_is_found() -> None:
    metadata = MetaData()
    Table("registry_office", metadata, Column("id", Integer, primary_key=True))
    ticket = Table("webui_ticket", metadata, Column("office", ForeignKey("registry_office.id")))
    inside = Table("registry_branch", metadata, Column("office", ForeignKey("registry_office.id")))
    assert _crossing(list(ticket.columns)) == ["webui_ticket.office refers to registry_office.id"]
    assert _crossing(list(inside.columns)) == []


def _crossing(columns: list[Column[Any]]) -> list[str]:
    return [
        f"{column.table.name}.{column.name} refers to {key.target_fullname}"
        for column in columns
        for key in column.foreign_keys
        if key.target_fullname.split("_")[0] != column.table.name.split("_")[0]
    ]
