"""XLSX and DOCX from outside: containers (ZIP, ISO/IEC 29500-2) that are looked into without unpacking them.

A document must be of the kind that its extension says, must hold no program (VBA, Excel 4 macro sheets, ActiveX, OLE
objects), and must not fetch a template from elsewhere, which could hold one. Fault codes: those of `contents`.
"""

import io
import zipfile
from collections.abc import Mapping, Sequence
from typing import NoReturn
from xml.parsers import expat

_MAIN = "application/vnd.openxmlformats-officedocument."
_WORKBOOK = f"{_MAIN}spreadsheetml.sheet.main+xml"
_DOCUMENT = f"{_MAIN}wordprocessingml.document.main+xml"
_TYPES = "[Content_Types].xml"
# Of names inside and of content types, in lower case.
_ACTIVE = (
    "macroenabled",
    "vbaproject",
    "vbadata",
    "macrosheet",
    "dialogsheet",
    "activex",
    "oleobject",
    "/embeddings/",
    "customui",
)
# A whole document of five megabytes has some hundreds of parts, and text is packed to a tenth or so.
_PARTS_MOST = 5_000
_UNPACKED_MOST = 200 * 1024 * 1024
_PART_MOST = 2 * 1024 * 1024
# All parts that are read here together: they take far longer to read than to send, 200 megabytes of them twelve seconds.
_READ_MOST = 8 * 1024 * 1024
_ENCRYPTED = 0x1
# MS-CFB: how Office stores a document that has a password, and all documents of its old formats.
_COMPOUND = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


def check_workbook(content: bytes) -> str | None:
    """Return what is wrong with an XLSX."""
    return _check(content, _WORKBOOK)


def check_document(content: bytes) -> str | None:
    """Return what is wrong with a DOCX."""
    return _check(content, _DOCUMENT)


def _check(content: bytes, main: str) -> str | None:
    if content.startswith(_COMPOUND):
        return "file-locked"
    if not content.startswith(b"PK\x03\x04"):  # nothing in front, or another program reads it as something else
        return "file-content"
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as container:
            return _fault_of(container, main)
    except Exception:  # noqa: BLE001 (zipfile says nearly anything of broken ones, and all of it is the same answer)
        return "file-content"


def _fault_of(container: zipfile.ZipFile, main: str) -> str | None:
    parts = container.infolist()
    names = [part.filename for part in parts]
    if any(part.flag_bits & _ENCRYPTED for part in parts):
        return "file-locked"
    relations = [part for part in parts if part.filename.lower().endswith(".rels")]
    if len(parts) > _PARTS_MOST or _unpacked(parts) > _UNPACKED_MOST or _unpacked(relations) > _READ_MOST:
        return "file-packed"
    if len({name.lower() for name in names}) < len(names) or _TYPES not in names:
        return "file-content"
    types = {element.get("ContentType", "").lower() for element in _elements(container, _TYPES)}
    if any(active in text for text in (*types, *(f"/{name.lower()}" for name in names)) for active in _ACTIVE):
        return "file-active"
    if main not in types:
        return "file-content"
    return "file-active" if any(_fetches_template(container, part.filename) for part in relations) else None


def _unpacked(parts: Sequence[zipfile.ZipInfo]) -> int:
    return sum(part.file_size for part in parts)


def _fetches_template(container: zipfile.ZipFile, name: str) -> bool:
    return any(
        relation.get("TargetMode", "").lower() == "external"
        and relation.get("Type", "").rpartition("/")[2].lower() in {"attachedtemplate", "frame", "subdocument", "oleobject"}
        for relation in _elements(container, name)
    )


def _elements(container: zipfile.ZipFile, name: str) -> list[Mapping[str, str]]:
    """Return the attributes of all elements of a part. Raises ValueError for one that is too long or has a DTD.

    ISO/IEC 29500-2 forbids DTDs in the parts that are read here, so there is no entity to expand or to fetch.
    """
    with container.open(name) as part:
        raw = part.read(_PART_MOST + 1)
    if len(raw) > _PART_MOST:
        raise ValueError(name)
    found: list[Mapping[str, str]] = []
    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = _refuse
    parser.StartElementHandler = lambda _element, attributes: found.append(attributes)
    parser.Parse(raw, True)  # noqa: FBT003 (expat knows no names)
    return found


def _refuse(*_declaration: object) -> NoReturn:
    raise ValueError("DTD")
