"""Files that have a name of their own among those who attack readers of files: each is refused, in bounded time and memory."""

import io
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from enrollment.batches import uploads
from enrollment.documents.examination import Outcome
from enrollment.documents.examiner import examine
from kernel.errors import Refused
from registry.attachments.contents import FileType, check_file
from registry.attachments.names import clean_name, extension_of
from tests.fuzz import archives, samples
from tests.fuzz.archives import Entry, archive, symlink
from tests.fuzz.documents import blank, made
from tests.registry.attachments.samples import container

# pyca warns of names that it reads and RFC 5280 forbids.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")
NOW = datetime(2026, 11, 25, tzinfo=UTC)
MEGABYTE = 1 << 20
REQUEST = samples.requests()[0]
GOOD = Entry(b"99999W.csr", REQUEST)


def _bomb() -> bytes:
    """Return an archive whose one request inflates to a gigabyte."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = packer.compress(bytes(MEGABYTE)) + packer.flush(zlib.Z_FULL_FLUSH)  # which stands for itself, wherever it stands
    packed = block * 1024 + packer.flush()
    return archive(Entry(b"99999W.csr", b"", written=packed, size=1 << 30))


def _overlapping() -> bytes:
    """Return an archive of a thousand files that all lie in one place."""
    return archive(GOOD, *(Entry(b"%05dW.csr" % number, REQUEST, place=0, written=b"") for number in range(190)))


def _nested() -> bytes:
    """Return an archive in an archive in an archive."""
    inner = archive(GOOD)
    for _ in range(3):
        inner = archive(Entry(b"99999W.zip", inner))
    return inner


# What makes each of them: not all who read this file need them.
ZIPS: dict[str, tuple[Callable[[], bytes], str]] = {
    "a gigabyte in a megabyte": (_bomb, "csr-malformed"),
    "encrypted": (lambda: archive(Entry(b"99999W.csr", REQUEST, flags=archives.ENCRYPTED)), "batch-archive"),
    "compressed by LZMA, which asks for memory": (lambda: archive(Entry(b"99999W.csr", REQUEST, archives.LZMA)), "batch-archive"),
    "compressed by bzip2": (lambda: archive(Entry(b"99999W.csr", REQUEST, archives.BZIP2)), "batch-archive"),
    "of a method that nobody knows": (lambda: archive(Entry(b"99999W.csr", REQUEST, 99)), "batch-archive"),
    "a place of 2^64 in ZIP64": (
        lambda: archive(Entry(b"99999W.csr", REQUEST, place=0xFFFFFFFF, extra=b"\x01\x00\x08\x00" + b"\xff" * 8)),
        "batch-archive",
    ),
    "a place beyond the end": (lambda: archive(Entry(b"99999W.csr", REQUEST, place=0x7FFFFFFF)), "batch-archive"),
    "a wrong checksum": (lambda: archive(Entry(b"99999W.csr", REQUEST, crc=1)), "batch-archive"),
    "a field that is longer than the archive": (
        lambda: archive(Entry(b"99999W.csr", REQUEST, extra=b"\x01\x00\xff\xff")),
        "batch-archive",
    ),
    "one name here, another there": (lambda: archive(Entry(b"99999W.csr", REQUEST, local_name=b"23456Z.csr")), "batch-archive"),
    "an entry without name": (lambda: archive(Entry(b"", REQUEST)), "batch-empty"),
    "nothing but folders": (lambda: archive(Entry(b"a/", b""), Entry(b"b/", b"")), "batch-empty"),
    "more entries than anybody sends": (
        lambda: archive(*[Entry(b"%05dW.csr" % at, b"x") for at in range(1_001)]),
        "batch-too-many",
    ),
    "more requests than a batch has": (lambda: archive(*[Entry(b"%05dW.csr" % at, b"x") for at in range(201)]), "batch-too-many"),
    "cut off": (lambda: archive(GOOD)[:-30], "batch-archive"),
    "no end": (lambda: archive(GOOD)[:60], "batch-archive"),
    "the same name twice": (lambda: archive(GOOD, GOOD), "csr-twice"),
    "the same key for two": (lambda: archive(GOOD, Entry(b"23456Z.csr", REQUEST)), "key-used"),
    "files upon each other": (_overlapping, "batch-archive"),
    "archives in archives": (_nested, "csr-malformed"),
    "a symbolic link": (lambda: archive(symlink(b"99999W.csr", b"/etc/passwd")), "csr-malformed"),
}
# Where a name may lead, and what is left of it.
PATHS = {
    b"../../../../etc/99999W.csr": "99999W.csr",
    b"/etc/99999W.csr": "99999W.csr",
    b"C:\\Windows\\99999W.csr": "99999W.csr",
    b"..\\..\\99999W.csr": "99999W.csr",
    b"a/b/../../../99999W.csr": "99999W.csr",
    b"99999W.csr\x00.exe": "99999W.csr",
    "\u202e99999W.csr".encode(): "?99999W.csr",
    b"99999W" + b"A" * 300: "?",
}


@pytest.mark.parametrize("name", ZIPS)
def test_a_hostile_archive_of_requests_is_refused(name: str) -> None:
    make, code = ZIPS[name]
    try:
        found = {one.fault for one in uploads.read([("requests.zip", make())])}
    except Refused as refused:
        found = {refused.code}
    assert found == {code}


@pytest.mark.parametrize("name", PATHS)
def test_of_a_path_in_an_archive_only_the_last_part_is_kept(name: bytes) -> None:
    entry = Entry(name, REQUEST, flags=archives.UTF8)
    [read] = uploads.read([("requests.zip", archive(entry))])
    assert PATHS[name] in {read.file_name, "?"}
    assert len(read.file_name) <= uploads.LONGEST_NAME


def _peak(read: Callable[[], object]) -> int:
    """Return how many octets of memory a reader had at most."""
    tracemalloc.start()
    try:
        read()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_bomb_is_inflated_as_far_as_a_request_may_go_and_no_further() -> None:
    content = _bomb()
    assert len(content) > MEGABYTE // 2
    assert _peak(lambda: uploads.read([("requests.zip", content)])) < 8 * MEGABYTE


def _relations(part: bytes, count: int) -> bytes:
    return container(more={f"xl/_rels/{number}.rels": part for number in range(count)})


def test_an_office_document_with_hours_of_relations_is_not_read() -> None:
    elements = b"<a>" + b"<b/>" * 500_000 + b"</a>"
    assert check_file("a.xlsx", _relations(elements, 90)) == "file-packed"
    assert isinstance(check_file("a.xlsx", _relations(b"<a/>", 90)), FileType)


OFFICE: dict[str, tuple[Callable[[], bytes], str]] = {
    "a size of 2^64 in ZIP64": (
        lambda: archive(Entry(b"[Content_Types].xml", b"<a/>", size=0xFFFFFFFF, extra=b"\x01\x00\x08\x00" + b"\xff" * 8)),
        "file-packed",
    ),
    "an entry without name": (lambda: archive(Entry(b"", b"x"), Entry(b"[Content_Types].xml", b"<a/>")), "file-content"),
    "a size that is not told": (
        lambda: archive(Entry(b"[Content_Types].xml", b"<a>" + b"b" * 9_000_000, size=10)),
        "file-content",
    ),
    "a billion laughs": (
        lambda: archive(Entry(b"[Content_Types].xml", b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>')),
        "file-content",
    ),
    "elements in elements": (lambda: archive(Entry(b"[Content_Types].xml", b"<a>" * 400_000)), "file-content"),
    "encrypted": (lambda: archive(Entry(b"[Content_Types].xml", b"<a/>", flags=archives.ENCRYPTED)), "file-locked"),
    "a name twice": (
        lambda: archive(Entry(b"[Content_Types].xml", b"<a/>"), Entry(b"[content_types].XML", b"<a/>")),
        "file-content",
    ),
    "compressed by LZMA": (lambda: archive(Entry(b"[Content_Types].xml", b"<a/>", archives.LZMA)), "file-content"),
}


@pytest.mark.parametrize("name", OFFICE)
def test_a_hostile_office_document_is_refused(name: str) -> None:
    make, code = OFFICE[name]
    assert check_file("a.xlsx", make()) == code


def _with(objects: bytes, trailer: bytes = b"", *, root: bytes = b"1 0 R") -> bytes:
    """Return a PDF whose table leads nowhere, with these objects and entries of its trailer."""
    return b"%%PDF-1.7\n%s\ntrailer\n<< /Root %s %s /Size 99 >>\nstartxref\n0\n%%%%EOF\n" % (objects, root, trailer)


def _table(objects: list[bytes], trailer: bytes = b"") -> bytes:
    """Return a PDF of some objects, with a table that leads to them."""
    file, places = b"%PDF-1.7\n", b""
    for number, content in enumerate(objects, start=1):
        places += b"%010d 00000 n \n" % len(file)
        file += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    size = len(objects) + 1
    head = b"xref\n0 %d\n0000000000 65535 f \n%s" % (size, places)
    return file + head + b"trailer\n<< /Size %d /Root 1 0 R %s >>\nstartxref\n%d\n%%%%EOF\n" % (size, trailer, len(file))


def _field(signature: bytes) -> list[bytes]:
    """Return the objects of a document with one signature field."""
    return [
        b"<< /Type /Catalog /Pages 2 0 R /AcroForm << /Fields [3 0 R] /SigFlags 3 >> >>",
        b"<< /Type /Pages /Count 0 /Kids [] >>",
        b"<< /FT /Sig /T (S) /V 4 0 R >>",
        b"<< /Type /Sig /Filter /Adobe.PPKLite /SubFilter /ETSI.CAdES.detached %s >>" % signature,
    ]


PDFS: dict[str, Callable[[], bytes]] = {
    "no table": lambda: _with(b""),
    "arrays in arrays": lambda: _with(b"1 0 obj\n" + b"[" * 100_000 + b"\nendobj"),
    "dictionaries in dictionaries": lambda: _with(b"1 0 obj\n" + b"<</A" * 100_000 + b"\nendobj"),
    "a table that comes before itself": lambda: blank().replace(
        b"/Root 1 0 R", b"/Root 1 0 R /Prev %d" % blank().rindex(b"xref\n0")
    ),
    "a reference to itself": lambda: _table([b"1 0 R"]),
    "fields that are their own parents": lambda: _table(
        [
            b"<< /Type /Catalog /Pages 2 0 R /AcroForm << /Fields [3 0 R] >> >>",
            b"<< /Type /Pages /Count 0 /Kids [] >>",
            b"<< /Kids [3 0 R] /Parent 3 0 R /T (S) >>",
        ]
    ),
    "an object stream of a billion objects": lambda: _table(
        [b"<< /Type /Catalog >>", b"<< /Type /ObjStm /N 1000000000 /First 10 /Length 2 >>\nstream\n1 \nendstream"]
    ),
    "a stream longer than the file": lambda: _table([b"<< /Type /Catalog /Length 99999999999 >>\nstream\nx\nendstream"]),
    "encrypted": lambda: _table([b"<< /Type /Catalog >>"], b"/Encrypt << /Filter /Standard /V 5 /R 6 >>"),
    "a signature over octets before the file": lambda: _table(_field(b"/ByteRange [-5 9 20 9] /Contents <30>")),
    "a signature over more than the file": lambda: _table(_field(b"/ByteRange [0 10 99999999999999999999 10] /Contents <3000>")),
    "a signature over nothing": lambda: _table(_field(b"/ByteRange [0 0 0 0] /Contents <>")),
    "a signature that is no list": lambda: _table(_field(b"/ByteRange 4 0 R /Contents 4 0 R")),
    "CMS in CMS": lambda: _table(_field(b"/ByteRange [0 10 20 10] /Contents <" + b"3080" * 3_000 + b">")),
    "a foreign file in front": lambda: b"MZ" + made()[1],
    "two ends": lambda: made()[1] + b"%%EOF\n" * 100,
}


@pytest.mark.parametrize("name", PDFS)
def test_a_hostile_pdf_is_told_to_be_something_and_never_to_be_whole(name: str) -> None:
    assert examine(PDFS[name](), [made()[2]], NOW).outcome is not Outcome.WHOLE


def test_the_archives_above_are_what_another_program_takes_for_archives() -> None:
    with zipfile.ZipFile(io.BytesIO(archive(GOOD, Entry(b"b", b"c", archives.STORED)))) as read:
        assert read.testzip() is None
        assert read.namelist() == ["99999W.csr", "b"]


def test_a_name_that_is_cut_gets_no_extension_by_that() -> None:
    name = clean_name("a" * 96 + ".pdf and something else")
    assert extension_of(name) == ""
    assert clean_name(name) == name
