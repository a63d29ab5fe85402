"""What the standing pages say: whole in both languages, in agreement with the answers, and drawn within their boxes."""

import re
import unicodedata
from collections.abc import Iterator

import pytest

from enrollment.client import texts
from enrollment.protocols.gateway import WORDS
from enrollment.protocols.problems import PROBLEMS
from webui.bulletin.manuals import Pair, read_manuals
from webui.bulletin.shelf import CODES, GROUPS, MANUALS
from webui.markup import render

JAPANESE = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff]")
# Domain rules, "Logon and errors".
DOMAIN = {
    *("E101", "E102", "E103", "E104", "E111", "E112", "E113", "E114"),
    *("A0003", "A0004", "A0006", "A0010", "A0012", "A0014", "A0018", "A0019", "A0035", "A0036"),
}  # fmt: skip


def pairs() -> Iterator[tuple[str, Pair]]:
    for manual in MANUALS.values():
        yield from ((manual.name, manual.title), (manual.name, manual.lead))
        for section in manual.sections:
            where = f"{manual.name}#{section.anchor}"
            yield where, section.heading
            if not section.terms:
                yield where, section.body
            yield from ((where, text) for term in section.terms for text in term)
            if section.drawing:
                yield where, section.drawing.label
                yield from ((where, step.text) for step in section.drawing.steps)
    for group in GROUPS:
        yield group.anchor, group.heading
        yield from ((code.code, text) for code in group.codes for text in (code.title, code.cause, code.remedy))


def test_every_code_that_the_house_can_answer_has_its_entry() -> None:
    answered = {*PROBLEMS, *texts.codes(), *WORDS, *DOMAIN}
    assert answered - set(CODES) == set()
    assert sum(len(group.codes) for group in GROUPS) == len(CODES)


def test_an_entry_shows_the_sentence_of_the_answer_itself() -> None:
    for code, told in PROBLEMS.items():
        answer = CODES[code].answer
        assert answer is not None
        assert "{" not in answer.ja + answer.en, code
        for sentence, shown in ((told.japanese, answer.ja), (told.english, answer.en)):
            pieces = [piece for piece in re.split(r"\{\w+\}", sentence) if piece]
            assert all(piece in shown for piece in pieces), code


def test_every_text_is_there_in_both_languages() -> None:
    for where, text in pairs():
        assert text.ja, where
        assert text.en, where
        assert not JAPANESE.search(text.en.replace("【NSS】", "")), f"{where}: {text.en}"


def test_both_languages_have_the_same_shape() -> None:
    def shape(text: str) -> list[str]:
        return re.findall(r"<(h\d|ul|ol|li|pre|p)\b|href=\"([^\"]+)\"", render(text))

    for where, text in pairs():
        japanese, english = shape(text.ja), shape(text.en)
        assert japanese == english, f"{where}: {japanese} / {english}"


def test_pages_name_only_pages_and_codes_that_there_are() -> None:
    for manual in MANUALS.values():
        assert set(manual.related) <= set(MANUALS), manual.name
        assert set(manual.codes) <= set(CODES), manual.name
    assert all(set(code.manuals) <= set(MANUALS) for code in CODES.values())


def test_every_file_is_a_page() -> None:
    assert list(read_manuals()) == list(MANUALS)


@pytest.mark.parametrize("language", ["ja", "en"])
def test_drawn_texts_fit_into_their_boxes(language: str) -> None:
    def width(text: str, size: float) -> float:
        # The widest fonts of the stylesheet: a full-width character is as wide as high, others take .58 of that on average.
        return sum(size if unicodedata.east_asian_width(character) in "WF" else size * 0.58 for character in text)

    for manual in MANUALS.values():
        for section in manual.sections:
            for step in section.drawing.steps if section.drawing else ():
                text, hint = (step.text.en, step.hint.en) if language == "en" else (step.text.ja, step.hint.ja)
                assert width(text, 16) <= 290, text
                assert width(hint, 13) <= 290, hint


def test_anchors_and_codes_are_said_once() -> None:
    for manual in MANUALS.values():
        anchors = [section.anchor for section in manual.sections]
        assert len(anchors) == len(set(anchors))
