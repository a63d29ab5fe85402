"""Every code that customers' software, our doors and our client may show: what it means and what to do.

Causes and remedies stand in `codes.toml`, in both languages. The sentence with which a door or the client itself tells a
code is taken from there where it is made, so that the page and the answer say the same.
"""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from enrollment.protocols.problems import PROBLEMS
from webui.bulletin.manuals import Pair, pair_of

FILE = Path(__file__).with_name("codes.toml")


@dataclass(frozen=True)
class Code:
    """One code. `answer` is the sentence that a door tells it with, None where no door of ours does."""

    code: str
    title: Pair
    cause: Pair
    remedy: Pair
    answer: Pair | None
    manuals: tuple[str, ...]


@dataclass(frozen=True)
class Group:
    """Codes that belong together."""

    anchor: str
    heading: Pair
    codes: tuple[Code, ...]


class _Blanks(dict[str, object]):
    """The facts of a sentence of which none is known: what a terminal's own answer fills in is dots here."""

    def __missing__(self, name: str) -> str:
        # These are clauses that stand only when there is something to say.
        return "" if name.startswith(("since_", "cause_")) else "…"


def read_groups(file: Path = FILE) -> tuple[Group, ...]:
    """Read all codes, in their groups."""
    groups = tomllib.loads(file.read_text(encoding="utf-8"))["groups"]
    return tuple(
        Group(group["anchor"], pair_of(group["heading"]), tuple(_code(code, entry) for code, entry in group["codes"].items()))
        for group in groups
    )


def by_code(groups: Iterable[Group]) -> Mapping[str, Code]:
    """Return all codes by their name."""
    return {code.code: code for group in groups for code in group.codes}


def _code(code: str, entry: Mapping[str, list[str]]) -> Code:
    return Code(
        code,
        pair_of(entry["title"]),
        pair_of(entry["cause"]),
        pair_of(entry["remedy"]),
        _answer(code),
        tuple(entry.get("manuals", ())),
    )


def _answer(code: str) -> Pair | None:
    if (told := PROBLEMS.get(code)) is None:
        return None
    return Pair(told.japanese.format_map(_Blanks()), told.english.format_map(_Blanks()))
