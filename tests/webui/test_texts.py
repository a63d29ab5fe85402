"""Both languages are whole: every Japanese text has an English one, and no English text is left over."""

import re
from pathlib import Path

import pytest
from babel.messages.extract import extract
from babel.messages.pofile import read_po

ROOT = Path(__file__).resolve().parents[2] / "webui"
DOORS = ("portal", "center", "bulletin")
KEYWORDS = {"_": None, "gettext": None, "ngettext": (1, 2), "mark": None}
JAPANESE = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff]")
PLACEHOLDER = re.compile(r"%\(\w+\)[sd]")


def sources(part: str) -> list[Path]:
    folder = ROOT / part if part in DOORS else ROOT
    return [
        path
        for path in sorted(folder.rglob("*"))
        if path.suffix in {".py", ".html"} and (part in DOORS or path.relative_to(ROOT).parts[0] not in DOORS)
    ]


def extracted(part: str) -> set[str]:
    texts = set()
    for path in sources(part):
        method = "python" if path.suffix == ".py" else "jinja2.ext:babel_extract"
        options = {"trimmed": "true", "silent": "false", "encoding": "utf-8"}
        with path.open("rb") as file:
            for _, message, _, _ in extract(method, file, KEYWORDS, options=options):
                texts.add(message[0] if isinstance(message, tuple) else message)
    return texts - {""}


def _without_example(english: str) -> str:
    # What to type is Japanese in every language.
    return english.partition("Example: ")[0]


def translated(part: str) -> dict[str, list[str]]:
    with (ROOT / "translations" / "en" / "LC_MESSAGES" / f"{part}.po").open("rb") as file:
        messages = [message for message in read_po(file, locale="en") if message.id]
    return {
        (message.id if isinstance(message.id, str) else message.id[0]): (
            [message.string] if isinstance(message.string, str) else list(message.string or ())
        )
        for message in messages
    }


@pytest.mark.parametrize("part", ["shared", *DOORS])
def test_the_english_catalogue_has_exactly_the_texts_of_its_part(part: str) -> None:
    shared = set(translated("shared")) if part in DOORS else set()
    wanted, have = extracted(part), translated(part)
    missing = sorted(wanted - shared - set(have))
    assert not missing, "\n".join(f'msgid "{text}"\nmsgstr ""\n' for text in missing)
    assert not sorted(set(have) - wanted)
    assert not [
        text
        for text, english in have.items()
        if not all(english) or any(JAPANESE.search(_without_example(one)) for one in english)
    ]


@pytest.mark.parametrize("part", ["shared", *DOORS])
def test_translations_fill_in_the_same_facts(part: str) -> None:
    for text, english in translated(part).items():
        for one in english:
            assert sorted(PLACEHOLDER.findall(one)) == sorted(PLACEHOLDER.findall(text)), text


def test_no_japanese_stands_in_templates_outside_of_the_catalogue() -> None:
    for part in ("shared", *DOORS):
        known = extracted(part) | extracted("shared") | {"日本語"}
        for path in sources(part):
            if path.suffix != ".html":
                continue
            text = path.read_text(encoding="utf-8")
            for one in sorted(known, key=len, reverse=True):
                text = text.replace(one, "")
            assert not JAPANESE.search(text), path
