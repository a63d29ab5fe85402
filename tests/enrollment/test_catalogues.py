from pathlib import Path

import pytest
from babel.messages.pofile import read_po

from enrollment import catalogues
from tests.support.schema import ROOMS, ROOT

CATALOGUES = sorted(file for room in ROOMS for file in (ROOT / room).rglob("*.po"))


@pytest.mark.parametrize("file", CATALOGUES, ids=lambda file: file.stem)
def test_a_catalogue_of_ours_is_read_as_babel_reads_it(file: Path) -> None:
    with file.open("rb") as opened:
        theirs = {message.id: message.string for message in read_po(opened, locale="en") if message.id}
    ours = {
        (one["msgid"], one["msgid_plural"]) if "msgid_plural" in one else one["msgid"]: (one["msgstr[0]"], one["msgstr[1]"])
        if "msgid_plural" in one
        else one["msgstr"]
        for one in catalogues.messages(file)
    }
    assert len(ours) > 50
    assert ours == theirs


def test_texts_go_on_over_lines_and_have_escapes(tmp_path: Path) -> None:
    file = tmp_path / "x.po"
    file.write_text(
        '# a comment\nmsgid ""\nmsgstr "head\\n"\n\n#, python-format\nmsgid ""\n"一\\n"\n"二\u2028\\"三\\""\nmsgstr "one\\\\"\n'
    )
    assert list(catalogues.messages(file)) == [{"msgid": '一\n二\u2028"三"', "msgstr": "one\\"}]


@pytest.mark.parametrize("line", ['msgctxt "x"', "text", '"text"', 'msgid "no end', 'msgid "a"b"', 'msgstr[2] "three"'])
def test_what_is_no_line_of_a_message_is_told(tmp_path: Path, line: str) -> None:
    file = tmp_path / "x.po"
    file.write_text(f"\n{line}\n")
    with pytest.raises(ValueError, match=r"x\.po:2"):
        list(catalogues.messages(file))
