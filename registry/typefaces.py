"""Which characters the documents' typefaces can show: asked while a customer types, long before a document is set.

It stands in this room because this room's rules decide what is taken; it knows the fonts only as files of data, and reads of
them the one table that tells (OpenType `cmap`, formats 12 and 14). Enrollment, which sets the documents, asks here, too.

    unshowable(text) -> str | None      the first character, with its variation selector, that no typeface has
    shown(text) -> str                  the text with 〓 in place of each such character, as printers do
"""

import struct
from array import array
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import pylopdf_fonts_jp

GETA = "〓"
# OpenType, "cmap": the formats that tell of all planes, and of variation sequences.
_WHOLE_UNICODE, _VARIATIONS = 12, 14
_PLANES = 0x11_0000
_FIRST_VARIATION, _LAST_VARIATION = 0xE0100, 0xE01EF
_STANDARD_VARIATIONS = range(0xFE00, 0xFE10)
_BREAKS = frozenset(map(ord, "\n\r\t"))


@dataclass(frozen=True)
class Coverage:
    """The characters of some fonts: one bit for each code point; pairs of base and selector, sorted, as one number each."""

    bits: bytes
    variations: "array[int]"

    def has(self, character: int) -> bool:
        """Return whether a font has a picture of a character."""
        return bool(self.bits[character >> 3] & 1 << (character & 7))

    def has_variation(self, base: int, selector: int) -> bool:
        """Return whether a font has the picture of a character that a variation selector chooses."""
        wanted = _pair(base, selector)
        at = bisect_left(self.variations, wanted)
        return at < len(self.variations) and self.variations[at] == wanted

    def units(self, text: str) -> Iterator[tuple[str, bool]]:
        """Yield each character, together with a variation selector that follows it, and whether it can be shown."""
        at = 0
        while at < len(text):
            character = text[at]
            selector = text[at + 1] if at + 1 < len(text) and _is_selector(text[at + 1]) else ""
            at += 1 + len(selector)
            is_shown = ord(character) in _BREAKS or self.has(ord(character))
            if selector:
                is_shown = is_shown and self.has_variation(ord(character), ord(selector))
            yield character + selector, is_shown


@lru_cache(maxsize=1)
def coverage() -> Coverage:
    """Return what the documents' two typefaces have together; read once, in some hundredths of a second."""
    return covered_by(pylopdf_fonts_jp.serif_path(), pylopdf_fonts_jp.sans_path())


def covered_by(*fonts: Path) -> Coverage:
    """Read which characters some fonts have; raises ValueError for a file that is no OpenType font with such tables."""
    bits = bytearray(_PLANES // 8)
    variations: set[int] = set()
    for font in fonts:
        table = _cmap(font)
        for first, last in _ranges(table, font):
            for character in range(first, last + 1):
                bits[character >> 3] |= 1 << (character & 7)
        variations.update(_variations(table))
    return Coverage(bytes(bits), array("Q", sorted(variations)))


def unshowable(text: str) -> str | None:
    """Return the first character that no typeface of the documents has, or None."""
    return next((unit for unit, is_shown in coverage().units(text) if not is_shown), None)


def shown(text: str) -> str:
    """Return a text as the typefaces can show it: what they lack is 〓, and nothing is left out silently."""
    return "".join(unit if is_shown else GETA for unit, is_shown in coverage().units(text))


def _pair(base: int, selector: int) -> int:
    return base << 24 | selector


def _is_selector(character: str) -> bool:
    code = ord(character)
    return _FIRST_VARIATION <= code <= _LAST_VARIATION or code in _STANDARD_VARIATIONS


def _cmap(font: Path) -> bytes:
    with font.open("rb") as file:
        _, count = struct.unpack(">4sH6x", file.read(12))
        for _ in range(count):
            tag, offset, length = struct.unpack(">4s4xII", file.read(16))
            if tag == b"cmap":
                file.seek(offset)
                return file.read(length)
    message = f"{font} tells no characters"
    raise ValueError(message)


def _subtables(table: bytes, wanted: int) -> Iterator[int]:
    (count,) = struct.unpack_from(">2xH", table)
    offsets = {struct.unpack_from(">4xI", table, 4 + 8 * place)[0] for place in range(count)}
    return (offset for offset in sorted(offsets) if struct.unpack_from(">H", table, offset) == (wanted,))


def _ranges(table: bytes, font: Path) -> Iterator[tuple[int, int]]:
    offset = next(_subtables(table, _WHOLE_UNICODE), None)
    if offset is None:
        message = f"{font} has no table of the whole of Unicode"
        raise ValueError(message)
    (groups,) = struct.unpack_from(">12xI", table, offset)
    for place in range(groups):
        first, last, glyph = struct.unpack_from(">III", table, offset + 16 + 12 * place)
        yield (first, last) if glyph else (first + 1, last)  # glyph 0 is "missing"


def _variations(table: bytes) -> Iterator[int]:
    for offset in _subtables(table, _VARIATIONS):
        (count,) = struct.unpack_from(">6xI", table, offset)
        for place in range(count):
            high, low, default, other = struct.unpack_from(">BHII", table, offset + 10 + 11 * place)
            selector = high << 16 | low
            if default:
                (ranges,) = struct.unpack_from(">I", table, offset + default)
                for at in range(ranges):
                    high, low, more = struct.unpack_from(">BHB", table, offset + default + 4 + 4 * at)
                    base = high << 16 | low
                    yield from (_pair(base + step, selector) for step in range(more + 1))
            if other:
                (mappings,) = struct.unpack_from(">I", table, offset + other)
                for at in range(mappings):
                    high, low = struct.unpack_from(">BH", table, offset + other + 4 + 5 * at)
                    yield _pair(high << 16 | low, selector)
