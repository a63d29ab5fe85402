"""Which files may be attached, as data, and whether a file's content is what its extension says.

    TYPES                                           what is taken
    check_file(name, content) -> FileType | str     the type, or a fault's code

Fault codes: file-empty, file-type (no such extension), file-content (the extension says something else than the content),
file-active (macros, scripts or other programs inside), file-locked (encrypted: nobody can look into it), file-packed (it would
unpack to far more than it should).

What is accepted is still a stranger's file: it is never opened here, never shown inline, and handed out as octets only.
"""

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from registry.attachments.names import extension_of
from registry.attachments.office_documents import check_document, check_workbook
from registry.attachments.portable_documents import check_portable

_PNG_BEGIN = b"\x89PNG\r\n\x1a\n"
# ISO/IEC 15948 §5.3: length, type, data, CRC.
_CHUNK_FRAME = 12
_BOMS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
_LINE_CONTROLS = {"\t", "\n", "\r", "\f"}
# A program or an archive that could pass for a text in some encoding.
_BINARIES = (b"MZ", b"\x7fELF", b"PK\x03\x04", b"%PDF-", _PNG_BEGIN, b"\xff\xd8\xff", b"\xd0\xcf\x11\xe0", b"Rar!", b"7z\xbc\xaf")


@dataclass(frozen=True)
class FileType:
    """A type that is taken: its name on screen, its extensions, and what finds a fault in its content."""

    name: str
    extensions: tuple[str, ...]
    check: Callable[[bytes], str | None]


def _png(content: bytes) -> str | None:
    """Walk the chunks: from IHDR to IEND without a gap, every CRC right, and nothing behind."""
    at, first, last = len(_PNG_BEGIN), True, b""
    if not content.startswith(_PNG_BEGIN):
        return "file-content"
    while at + _CHUNK_FRAME <= len(content) and last != b"IEND":
        length, last = int.from_bytes(content[at : at + 4]), content[at + 4 : at + 8]
        end = at + _CHUNK_FRAME + length
        checksum = int.from_bytes(content[end - 4 : end])
        if end > len(content) or (first and last != b"IHDR") or zlib.crc32(content[at + 4 : end - 4]) != checksum:
            return "file-content"
        at, first = end, False
    return None if last == b"IEND" and at == len(content) else "file-content"


def _jpeg(content: bytes) -> str | None:
    # Cameras put data of their own behind the picture, so the end-of-image marker need not be the last octets.
    return None if content.startswith(b"\xff\xd8\xff") and b"\xff\xd9" in content[4:] else "file-content"


def _text(content: bytes) -> str | None:
    if content.startswith(_BINARIES):
        return "file-content"
    encodings = [encoding for mark, encoding in _BOMS if content.startswith(mark)] or ["utf-8", "cp932"]
    for encoding in encodings:
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if not any((character < " " or "\x7f" <= character < "\xa0") and character not in _LINE_CONTROLS for character in text):
            return None
    return "file-content"


TYPES = (
    FileType("PDF", ("pdf",), check_portable),
    FileType("PNG", ("png",), _png),
    FileType("JPEG", ("jpg", "jpeg"), _jpeg),
    FileType("Excel (XLSX)", ("xlsx",), check_workbook),
    FileType("Word (DOCX)", ("docx",), check_document),
    FileType("TXT", ("txt",), _text),
    FileType("CSV", ("csv",), _text),
)
EXTENSIONS: Mapping[str, FileType] = {extension: kind for kind in TYPES for extension in kind.extensions}


def check_file(name: str, content: bytes) -> FileType | str:
    """Return the type of a file with a clean name, or the code of what is wrong with it."""
    kind = EXTENSIONS.get(extension_of(name))
    if kind is None:
        return "file-type"
    if not content:
        return "file-empty"
    return kind.check(content) or kind
