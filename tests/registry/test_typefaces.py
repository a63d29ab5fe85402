from pathlib import Path

import pylopdf_fonts_jp
import pytest
import typst

from registry import typefaces
from registry.faults import FieldFault
from registry.japanese import free_text, full_width_line, katakana_line

FONTS = typst.Fonts(
    include_system_fonts=False,
    include_embedded_fonts=False,
    font_paths=[str(pylopdf_fonts_jp.serif_path().parent)],
)
TEMPLATE = b'#set text(font: ("Noto Serif JP", "Noto Sans JP"))\n#set document(title: "T", date: auto)\n#sys.inputs.text'


def set_in_type(text: str) -> object:
    """Return what typst makes of a text in the documents' fonts; it raises for a character that they lack."""
    return typst.compile(
        TEMPLATE, font_paths=FONTS, ignore_system_fonts=True, sys_inputs={"text": text}, pdf_standards=["a-3a"], timestamp=0
    )


@pytest.mark.parametrize("text", ["髙橋", "𠮷野", "葛\U000e0100城", "株式会社１２３", "か\u309a", "①㈱", "一行\n二行", "〓"])
def test_characters_of_the_typefaces_are_taken(text: str) -> None:
    assert typefaces.unshowable(text) is None
    assert typefaces.shown(text) == text
    assert set_in_type(text)


@pytest.mark.parametrize(
    ("text", "character"),
    [("김한", "김"), ("東京𠀋𪚥店", "𪚥"), ("渡辺\U000e01ef", "辺\U000e01ef"), ("กรุงเทพ", "ก")],
)
def test_the_first_character_that_no_typeface_has_is_told(text: str, character: str) -> None:
    assert typefaces.unshowable(text) == character


@pytest.mark.parametrize("text", ["김", "𪚥", "ก"])
def test_what_is_told_to_be_missing_can_not_be_set(text: str) -> None:
    with pytest.raises(typst.TypstError, match="could not be displayed"):
        set_in_type(text)
    assert typefaces.shown(f"東{text}") == "東〓"


def test_every_character_that_is_told_to_be_there_can_be_set() -> None:
    coverage = typefaces.coverage()
    known = [chr(code) for code in range(0x20, 0x30000) if coverage.has(code) and code not in range(0xD800, 0xE000)]
    assert len(known) > 16_000
    assert set_in_type("".join(known))


def test_a_file_that_is_no_font_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "font.otf"
    file.write_bytes(b"OTTO\x00\x00" + bytes(6))
    with pytest.raises(ValueError, match="tells no characters"):
        typefaces.covered_by(file)


def test_a_field_with_such_a_character_is_refused_and_named() -> None:
    expected = FieldFault("name", "unshowable", {"character": "김", "code": "U+AE40"})
    assert full_width_line("name", "김　一郎", most=20, required=True) == expected
    assert free_text("name", "備考\n김", most=20, required=False) == expected
    variant = katakana_line("name", "ア\U000e0100", most=20)
    assert isinstance(variant, FieldFault)
    told = full_width_line("name", "渡邉\U000e01ef", most=20, required=True)
    assert isinstance(told, FieldFault)
    assert told.facts == {"character": "邉\U000e01ef", "code": "U+9089 U+E01EF"}
