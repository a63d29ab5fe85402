"""docs/mails.md names every mail: its table and the subjects in the code are the same."""

import ast
import re
from collections.abc import Iterator

from tests.support.schema import ROOT

MARK, GAP = "【NSS】", "…"
ROOMS = ("kernel", "ca", "registry", "enrollment", "webui", "server")
# Subjects whose words are handed to the one function that frames them.
FRAMED = {"enrollment/reissue_letters.py": "_post"}


def _text(node: ast.AST) -> str | None:
    """Return a string as it stands in the code, with gaps for what is filled in."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else GAP for part in node.values)
    return None


def _subjects() -> Iterator[str]:
    for room in ROOMS:
        for file in sorted((ROOT / room).rglob("*.py")):
            path, tree = str(file.relative_to(ROOT)), ast.parse(file.read_text(encoding="utf-8"))
            inner = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
            found = [text for node in ast.walk(tree) if id(node) not in inner and (text := _text(node)) and MARK in text]
            if path in FRAMED:
                [frame] = found
                yield from (frame.replace(GAP, words, 1) for words in _framed(tree, FRAMED[path]))
            else:
                yield from (text[text.index(MARK) :] for text in found)


def _framed(tree: ast.Module, function: str) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == function:
            text = _text(node.args[2])
            assert text is not None
            yield text


def _documented() -> list[str]:
    lines = (ROOT / "docs" / "mails.md").read_text(encoding="utf-8").splitlines()
    return [line.split("|")[1].strip() for line in lines if line.startswith(f"| {MARK}")]


def test_the_table_has_every_subject_and_no_other() -> None:
    documented, written = _documented(), set(_subjects())
    assert len(documented) == len(set(documented))
    assert set(documented) == {re.sub(rf"{GAP}+", GAP, subject) for subject in written}
