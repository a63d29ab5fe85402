"""Whatever writes mails in a process is handed the letters that the settings ask for."""

import ast
from pathlib import Path

import pytest

SERVER = Path(__file__).resolve().parents[2] / "server"
# What has a field `letters`, and how many arguments come up to it.
WRITERS = {
    "BulkRevocation": 3,
    "CodePreparation": 5,
    "Confirmations": 3,
    "Departures": 3,
    "Endings": 3,
    "KeyBlocking": 3,
    "Redemption": 5,
    "Reissues": 4,
    "Renewal": 5,
}


def made(file: Path) -> list[tuple[str, int]]:
    calls = [node for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]
    named = [(node.func.id, len(node.args) + len(node.keywords)) for node in calls if isinstance(node.func, ast.Name)]
    return [(name, count) for name, count in named if name in WRITERS]


@pytest.mark.parametrize("file", sorted(file for file in SERVER.rglob("*.py") if made(file)), ids=lambda file: str(file.name))
def test_a_process_hands_its_letters_on(file: Path) -> None:
    assert [name for name, count in made(file) if count < WRITERS[name]] == []
