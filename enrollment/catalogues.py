"""Catalogues: English texts by the Japanese ones, in the form of gettext's `.po` files, which translators' programs write.

They are read as they are when an app starts; nothing is compiled. What is read of the form is what ours have: messages with or
without a plural. Anything else is a fault of the file, and told.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

_LINE = re.compile(r'(?:(msgid|msgid_plural|msgstr|msgstr\[[01]\]) )?"((?:[^"\\]|\\.)*)"')
_ESCAPED = re.compile(r"\\(.)")
_MEANING = {"n": "\n", "t": "\t", "r": "\r"}


def messages(file: Path) -> Iterator[Mapping[str, str]]:
    """Yield each message of a catalogue: its texts by their keywords (`msgid`, `msgstr`, `msgid_plural`, `msgstr[0]` …).

    The file's head, whose `msgid` is empty, is left out. Raises ValueError for a line that is not of this form.
    """
    message: dict[str, str] = {}
    keyword = ""
    # By "\n" only: str.splitlines knows more ends of lines, which may stand in texts.
    for number, line in enumerate(file.read_text(encoding="utf-8").split("\n"), start=1):
        if not line or line.startswith("#"):
            continue
        match = _LINE.fullmatch(line)
        if match is None or not (match[1] or keyword):
            raise ValueError(f"{file}:{number}: this is no line of a message")
        if match[1] == "msgid":
            if message.get("msgid"):
                yield message
            message = {}
        keyword = match[1] or keyword
        text = _ESCAPED.sub(_meant, match[2]) if "\\" in match[2] else match[2]
        message[keyword] = message.get(keyword, "") + text
    if message.get("msgid"):
        yield message


def _meant(escaped: re.Match[str]) -> str:
    return _MEANING.get(escaped[1], escaped[1])
