"""Small files of each type that is taken, and what hides in files that are not."""

import io
import struct
import zipfile
import zlib
from collections.abc import Mapping

PDF = b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\ntrailer\n<<>>\n%%EOF\n"
JPEG = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00\xff\xd9"
_TYPES = '<?xml version="1.0"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">{}</Types>'
_OVERRIDE = '<Override PartName="/{}" ContentType="{}"/>'
WORKBOOK = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"
DOCUMENT = "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"


def chunk(kind: bytes, content: bytes) -> bytes:
    """Return a chunk of a PNG."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


PNG = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", bytes(13)) + chunk(b"IDAT", zlib.compress(b"\x00")) + chunk(b"IEND", b"")


def container(main: str = WORKBOOK, part: str = "xl/workbook.xml", more: Mapping[str, bytes] | None = None) -> bytes:
    """Return an OOXML container of a kind, with more parts."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("[Content_Types].xml", _TYPES.format(_OVERRIDE.format(part, main)))
        made.writestr(part, b"<workbook/>")
        for name, content in (more or {}).items():
            made.writestr(name, content)
    return stream.getvalue()


XLSX = container()
DOCX = container(DOCUMENT, "word/document.xml")
GOOD = {
    "a.pdf": PDF,
    "a.png": PNG,
    "a.jpg": JPEG,
    "a.jpeg": JPEG,
    "a.xlsx": XLSX,
    "a.docx": DOCX,
    "a.txt": "端末の増設について\r\n".encode(),
    "a.csv": "端末,台数\r\nnet,2\r\n".encode("cp932"),
}
