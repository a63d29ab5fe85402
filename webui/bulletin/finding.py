"""Search beyond notices: the standing pages and the codes that hold what somebody typed."""

import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from webui.bulletin.codes import Code
from webui.bulletin.manuals import Manual, Pair

# Of codes no more are shown: all of them are on a page of their own.
CODES_MOST = 10


@dataclass(frozen=True)
class Standing:
    """What was found beside notices, best first."""

    manuals: tuple[Manual, ...] = ()
    codes: tuple[Code, ...] = ()


NOTHING = Standing()
_Thing = TypeVar("_Thing")


def standing(text: str, manuals: Iterable[Manual], codes: Iterable[Code]) -> Standing:
    """Return the pages and codes that hold every word of a text in either language; first those that have them in the title."""
    words = _plain(text).split()
    if not words:
        return NOTHING
    pages = [(manual.title, [*_of_manual(manual)], manual) for manual in manuals]
    answers = [(code.title, [*_of_code(code)], code) for code in codes]
    return Standing(tuple(_found(words, pages)), tuple(_found(words, answers))[:CODES_MOST])


def _found(words: list[str], things: Iterable[tuple[Pair, list[str], _Thing]]) -> list[_Thing]:
    found = []
    for title, texts, thing in things:
        whole = _plain(" ".join((title.ja, title.en, *texts)))
        if all(word in whole for word in words):
            found.append((not all(word in _plain(f"{title.ja} {title.en}") for word in words), thing))
    return [thing for _, thing in sorted(found, key=lambda one: one[0])]


def _of_manual(manual: Manual) -> Iterator[str]:
    for pair in (manual.lead, *(one for section in manual.sections for one in (section.heading, section.body))):
        yield from (pair.ja, pair.en)
    for section in manual.sections:
        yield from (text for pairs in section.terms for pair in pairs for text in (pair.ja, pair.en))


def _of_code(code: Code) -> Iterator[str]:
    yield code.code
    for pair in (code.cause, code.remedy, *((code.answer,) if code.answer else ())):
        yield from (pair.ja, pair.en)


def _plain(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()
