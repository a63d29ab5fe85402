"""Typed Japanese: what is safe to normalise, and which characters are never taken, or not by the documents' typefaces.

Safe is what loses nothing: half-width kana, Latin and digits become full width (or digits half width, where digits are
asked for), a kana with a separate voicing mark becomes one character, white space at the ends goes. Unicode's own
normal forms are not applied to names: they would replace a person's variant of a character by another (U+FA19 by U+795E).
"""

import re
import unicodedata

import jaconv

from registry.faults import FieldFault
from registry.typefaces import unshowable

SEARCH_MOST = 60

# U+3099 and U+309A after a kana: the way macOS writes file names and some input methods type.
_SEPARATE_VOICING = re.compile("[ぁ-ヿ][\u3099\u309a]")
_KATAKANA = re.compile("[ァ-ヺー・ヽヾ]+(?:　[ァ-ヺー・ヽヾ]+)*")
_SPACES = " 　\u00a0"
_SPACE_RUN = re.compile(f"[{_SPACES}]+")
_HYPHENS = "-‐‑‒–—―−－ーｰ"
_TO_DIGITS = str.maketrans("０１２３４５６７８９", "0123456789", _HYPHENS + _SPACES + "()（）")
_TO_ASCII = {0xFF01 + offset: 0x21 + offset for offset in range(94)}
# Ideographic variation selectors: 葛 and 葛󠄀 are two people's names.
_FIRST_VARIATION, _LAST_VARIATION = 0xE0100, 0xE01EF
_FIRST_EMOJI = 0x1F000
_LAST_EMOJI = 0x1FBFF
# Controls and line ends, invisible format characters, lone surrogates, private use, unassigned.
_NEVER = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def forbidden_character(text: str, *, lines: bool = False) -> str | None:
    """Return the first character that is never taken, as `U+200B`, or None; `lines` lets line feeds pass."""
    for at, character in enumerate(text):
        if lines and character == "\n":
            continue
        if _is_variation(character):
            if at and unicodedata.name(text[at - 1], "").startswith("CJK"):
                continue
        elif unicodedata.category(character) not in _NEVER and not _FIRST_EMOJI <= ord(character) <= _LAST_EMOJI:
            continue
        return f"U+{ord(character):04X}"
    return None


def half_width(text: str) -> str:
    """Return full-width ASCII as ASCII, without white space at the ends: for codes, dates and addresses of mail."""
    return text.translate(_TO_ASCII).strip(_SPACES)


def searchable(text: str) -> str:
    """Return what someone typed to search for as databases take it: half width, no forbidden characters, not too long."""
    return "".join(character for character in half_width(text) if forbidden_character(character) is None)[:SEARCH_MOST]


def digits(text: str) -> str:
    """Return digits as ASCII, without hyphens, brackets and spaces; whatever else was typed stays."""
    return text.translate(_TO_DIGITS)


def full_width(text: str) -> str:
    """Return a line in full width, with one space where there were several, and none at the ends."""
    wide = jaconv.h2z(composed(text), kana=True, ascii=True, digit=True)
    return "　".join(_SPACE_RUN.split(wide.strip(_SPACES)))


def composed(text: str) -> str:
    """Return each kana that is followed by a separate voicing mark as one character."""
    return _SEPARATE_VOICING.sub(lambda pair: unicodedata.normalize("NFC", pair.group()), text)


def full_width_line(field: str, text: str, *, most: int, required: bool) -> str | FieldFault:
    """Check a line that is asked for in full width (全角); return it normalised.

    Faults: required, character (with `character`), full-width, unshowable (with `character`, `code`), too-long (with `most`).
    """
    line = full_width(text)
    if not line:
        return FieldFault(field, "required") if required else ""
    if (character := forbidden_character(line)) is not None:
        return FieldFault(field, "character", {"character": character})
    if any(_is_narrow(character) for character in line):
        return FieldFault(field, "full-width")
    return _unfit(field, line, most) or line


def katakana_line(field: str, text: str, *, most: int) -> str | FieldFault:
    """Check a required reading in full-width katakana; hiragana is refused, not guessed at.

    Faults: required, character, katakana, unshowable, too-long.
    """
    line = full_width_line(field, text, most=most, required=True)
    if isinstance(line, FieldFault):
        return FieldFault(field, "katakana") if line.code == "full-width" else line
    return line if _KATAKANA.fullmatch(line) else FieldFault(field, "katakana")


def free_text(field: str, text: str, *, most: int, required: bool) -> str | FieldFault:
    """Check a text of several lines; return it with line feeds only and without white space around it.

    Faults: required, character, unshowable, too-long.
    """
    lines = composed(text).replace("\r\n", "\n").replace("\r", "\n").replace("\t", " ").split("\n")
    clean = "\n".join(line.rstrip() for line in lines).strip()
    if not clean:
        return FieldFault(field, "required") if required else ""
    if (character := forbidden_character(clean, lines=True)) is not None:
        return FieldFault(field, "character", {"character": character})
    return _unfit(field, clean, most) or clean


def _unfit(field: str, text: str, most: int) -> FieldFault | None:
    """Return what keeps a text out of the documents: a character that their typefaces lack, or its length."""
    if (character := unshowable(text)) is not None:
        codes = " ".join(f"U+{ord(part):04X}" for part in character)
        return FieldFault(field, "unshowable", {"character": character, "code": codes})
    return FieldFault(field, "too-long", {"most": most}) if len(text) > most else None


def _is_variation(character: str) -> bool:
    return _FIRST_VARIATION <= ord(character) <= _LAST_VARIATION


def _is_narrow(character: str) -> bool:
    # A: Greek, Cyrillic and symbols that Japanese fonts draw wide. The rest is neutral, narrow or half width: é, Arabic …
    return unicodedata.east_asian_width(character) not in {"W", "F", "A"}
