"""PDF from outside: looked through for programs and encryption without being laid out (ISO 32000-2).

What is looked for are names: of actions that run something (§12.6.4), of forms and media with programs of their own, and the
trailer's `Encrypt` (§7.6). A name may be written with `#` and two digits for any character (§7.3.5), and most objects lie in
packed object streams (§7.5.7), which are unpacked here within limits. One that can't be is taken for what hides something.
Fault codes: those of `contents`.
"""

import re
import zlib
from collections.abc import Iterator

_TAIL = 2048
_DICTIONARY_MOST = 4096
_UNPACKED_MOST = 64 * 1024 * 1024
# A destination or a web address to be opened is no program: both stand in every other PDF.
_PROGRAMS = ("JavaScript", "Launch", "ImportData", "SubmitForm", "RichMedia", "Rendition", "XFA")


def _written(*names: str) -> re.Pattern[bytes]:
    """Return a pattern for names, each of whose characters may be escaped."""
    ways = ("".join(f"(?:{one}|#{ord(one):02x}|#{ord(one):02X})" for one in name) for name in names)
    return re.compile(rf"/(?:{'|'.join(ways)})(?![^\x00\t\n\f\r ()<>\[\]{{}}/%])".encode())


_ACTIVE = _written(*_PROGRAMS)
_ENCRYPTED = _written("Encrypt")
_OBJECT_STREAM = _written("ObjStm")
_PACKED = _written("Filter", "F", "DecodeParms")
_DEFLATED = re.compile(rb"/Filter\s*(?:/FlateDecode|\[\s*/FlateDecode\s*\])")
_STREAM = re.compile(rb"(?<!end)stream\r?\n")


def check_portable(content: bytes) -> str | None:
    """Return what is wrong with a PDF."""
    if not content.startswith((b"%PDF-1.", b"%PDF-2.")) or b"%%EOF" not in content[-_TAIL:]:
        return "file-content"
    if _ENCRYPTED.search(content):
        return "file-locked"
    if _ACTIVE.search(content):
        return "file-active"
    try:
        return _check_packed(content)
    except (ValueError, zlib.error):
        return "file-active"


def _check_packed(content: bytes) -> str | None:
    left, found = _UNPACKED_MOST, 0
    for packed in _object_streams(content):
        unpacked = _inflated(packed, left) if packed else b""
        found, left = found + 1, left - len(unpacked)
        if left <= 0:
            return "file-packed"
        if _ACTIVE.search(unpacked):
            return "file-active"
    # A name that stands apart from its stream: made for readers who look elsewhere.
    return None if found == len(_OBJECT_STREAM.findall(content)) else "file-active"


def _object_streams(content: bytes) -> Iterator[memoryview]:
    """Yield what is packed of each object stream, nothing of one that is not. Raises ValueError for another way of packing."""
    whole = memoryview(content)
    for begin in _STREAM.finditer(content):
        dictionary = content[max(0, begin.start() - _DICTIONARY_MOST) : begin.start()].rpartition(b"obj")[2]
        if not _OBJECT_STREAM.search(dictionary):
            continue
        ways = _PACKED.findall(dictionary)
        if not ways:  # plain, and looked through with all the rest
            yield whole[:0]
        elif len(ways) > 1 or not _DEFLATED.search(dictionary):
            raise ValueError("packed in another way")
        else:
            yield whole[begin.end() : content.find(b"endstream", begin.end())]


def _inflated(packed: memoryview, most: int) -> bytes:
    inflater = zlib.decompressobj()
    inflated = inflater.decompress(packed, most)
    if not inflater.eof and len(inflated) < most:
        raise ValueError("cut off")
    return inflated
