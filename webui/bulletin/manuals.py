"""The standing pages: manuals of our own, each in one file that holds both languages side by side.

A file (`manuals/NAME.toml`) has a title, a lead, and sections with a body in `webui.markup`; every text is a pair of
Japanese and English, so none can be missing in one language without being seen.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from webui.texts import Language

FOLDER = Path(__file__).parent / "manuals"
# In the order in which a customer needs them.
NAMES = ("retrieval", "renewal", "reissue", "revocation", "trust", "timestamps", "mail", "glossary")


@dataclass(frozen=True)
class Pair:
    """A text in both languages."""

    ja: str
    en: str

    def to(self, language: Language) -> str:
        """Return the text in a language."""
        return self.en if language == "en" else self.ja


@dataclass(frozen=True)
class Step:
    """One box of a drawing: a short line, perhaps a smaller one below, in a tone (info, good, warn, bad)."""

    text: Pair
    hint: Pair
    tone: str


@dataclass(frozen=True)
class Drawing:
    """Boxes from top to bottom, joined by arrows; `label` tells it to those who listen."""

    label: Pair
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class Section:
    """A part of a page with an anchor. `terms` are a list of words and what they mean."""

    anchor: str
    heading: Pair
    body: Pair
    drawing: Drawing | None
    terms: tuple[tuple[Pair, Pair], ...]


@dataclass(frozen=True)
class Manual:
    """One page. `codes` are those of the codes' page that belong to it."""

    name: str
    title: Pair
    lead: Pair
    sections: tuple[Section, ...]
    related: tuple[str, ...]
    codes: tuple[str, ...]


def read_manuals(folder: Path = FOLDER) -> Mapping[str, Manual]:
    """Read all pages, in their order."""
    return {name: _manual(name, tomllib.loads((folder / f"{name}.toml").read_text(encoding="utf-8"))) for name in NAMES}


def pair_of(texts: list[str]) -> Pair:
    """Return a text in both languages from a list of exactly two."""
    ja, en = (text.strip() for text in texts)
    return Pair(ja, en)


def _manual(name: str, page: dict[str, Any]) -> Manual:
    return Manual(
        name,
        pair_of(page["title"]),
        pair_of(page["lead"]),
        tuple(_section(section) for section in page["sections"]),
        tuple(page.get("related", ())),
        tuple(page.get("codes", ())),
    )


def _section(section: dict[str, Any]) -> Section:
    return Section(
        section["anchor"],
        pair_of(section["heading"]),
        pair_of(section.get("body", ["", ""])),
        _drawing(section["drawing"]) if "drawing" in section else None,
        tuple((pair_of(term), pair_of(meaning)) for term, meaning in section.get("terms", ())),
    )


def _drawing(drawing: dict[str, Any]) -> Drawing:
    return Drawing(pair_of(drawing["label"]), tuple(_step(step) for step in drawing["steps"]))


def _step(step: dict[str, Any]) -> Step:
    return Step(pair_of(step["text"]), pair_of(step.get("hint", ["", ""])), step.get("tone", "info"))
