"""YAML files that people write, with the line of everything in them, so that a fault is told where it stands."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError


class FileFault(Exception):
    """A file can not be used; `faults` has one sentence for each thing to mend, with file and line."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


def parse(content: bytes, file: Path) -> Any:  # noqa: ANN401 (what a file holds is known only once it was checked)
    """Return what a file's octets say; raises FileFault when they are not YAML. `file` is for the message."""
    try:
        return YAML(typ="rt").load(content.decode("utf-8"))
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise FileFault([f"{file}:{line}: is not YAML: {error.problem}"]) from None
    except (UnicodeDecodeError, YAMLError) as error:
        raise FileFault([f"{file}:1: can not be read: {error}"]) from None


def line_of(tree: object, path: Sequence[object]) -> int:
    """Return the line (from 1) of the deepest part of a path that is written."""
    line = 1
    for step in path:
        if not isinstance(tree, CommentedMap | CommentedSeq):
            break
        try:
            line = (tree.lc.key(step) if isinstance(tree, CommentedMap) else tree.lc.item(step))[0] + 1
            tree = tree[step]
        except (KeyError, IndexError, TypeError):
            break
    return line


def faults_of(error: ValidationError, tree: object, file: Path) -> list[str]:
    """Say what a model found, with lines."""
    return [f"{file}:{line_of(tree, fault['loc'])}: {_sentence(dict(fault))}" for fault in error.errors()]


def _sentence(fault: dict[str, Any]) -> str:
    name = ".".join(str(part) for part in fault["loc"] if not str(part).startswith(("literal[", "date")))
    what = {"extra_forbidden": "is nothing that is known here", "missing": "is missing"}.get(
        fault["type"], fault["msg"].removeprefix("Value error, ")
    )
    return f"{name}: {what}" if name else str(what)
