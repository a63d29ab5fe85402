"""PDF from outside: what runs something or is locked is found, wherever and however it is written."""

import zlib

import pytest

from registry.attachments.contents import FileType, check_file

SCRIPT = b"<< /S /JavaScript /JS (app.alert\\(1\\)) >>"


def pdf(*objects: bytes, trailer: bytes = b"") -> bytes:
    bodies = b"".join(b"%d 0 obj\n%s\nendobj\n" % (number, one) for number, one in enumerate(objects, 1))
    return b"%%PDF-1.7\n%strailer\n<< /Root 1 0 R %s >>\nstartxref\n9\n%%%%EOF\n" % (bodies, trailer)


def packed(content: bytes, dictionary: bytes = b"/Type /ObjStm /N 1 /First 4 /Filter /FlateDecode") -> bytes:
    return b"<< %s /Length 9 >>\nstream\n%s\nendstream" % (dictionary, zlib.compress(content))


@pytest.mark.parametrize(
    "content",
    [
        pdf(b"<< /Type /Catalog /OpenAction [2 0 R /Fit] >>", b"<< /Type /Page >>"),
        pdf(b"<< /S /URI /URI (https://example.jp/) >>"),
        pdf(packed(b"2 0 << /Type /Catalog >>"), packed(b"pixels", b"/Type /XObject /Filter /FlateDecode")),
        pdf(b"<< /Type /ObjStm /N 1 /First 4 /Length 9 >>\nstream\n2 0 << /Type /Page >>\nendstream"),
        pdf(b"<< /Title (/JavaScripts /Launcher) >>"),
        pdf(b"<< /EncryptMetadata true >>"),
    ],
    ids=["destination", "link", "packed", "unpacked", "prefix", "longer name"],
)
def test_what_other_documents_have_is_taken(content: bytes) -> None:
    assert isinstance(check_file("a.pdf", content), FileType)


@pytest.mark.parametrize(
    "content",
    [
        pdf(b"<< /Type /Catalog /OpenAction 2 0 R >>", SCRIPT),
        pdf(b"<< /S/JavaScript/JS 3 0 R >>"),
        pdf(b"<< /S /J#61vaScript /JS 3 0 R >>"),
        pdf(b"<< /S /Launch /F (calc.exe) >>"),
        pdf(b"<< /AcroForm << /XFA 3 0 R >> >>"),
        pdf(packed(b"2 0 " + SCRIPT)),
        pdf(packed(b"2 0 " + SCRIPT, b"/Type /Obj#53tm /N 1 /First 4 /Filter [/FlateDecode]")),
        pdf(packed(zlib.compress(SCRIPT), b"/Type /ObjStm /Filter [/FlateDecode /FlateDecode]")),
        pdf(packed(SCRIPT, b"/Type /ObjStm /Filter /FlateDecode /DecodeParms << /Predictor 12 >>")),
        pdf(packed(SCRIPT, b"/Type /ObjStm /F#69lter /FlateDecode")),
        pdf(packed(SCRIPT, b"/Type /ObjStm /Filter 9 0 R")),
        pdf(packed(SCRIPT)[:60] + b"\nendstream"),
        pdf(packed(SCRIPT, b"/Filter /FlateDecode /Type 2 0 R"), b"/ObjStm"),
        pdf(packed(SCRIPT, b"/Type /ObjStm" + b" " * 5000 + b"/Filter /FlateDecode")),
    ],
)
def test_programs_are_found_and_what_hides_something_is_taken_for_one(content: bytes) -> None:
    assert check_file("a.pdf", content) == "file-active"


@pytest.mark.parametrize("name", [b"Encrypt", b"Encr#79pt"])
def test_a_locked_document_is_told(name: bytes) -> None:
    assert check_file("a.pdf", pdf(b"<< >>", trailer=b"/%s 5 0 R" % name)) == "file-locked"


def test_object_streams_that_unpack_to_far_more_are_refused() -> None:
    bombs = pdf(*[packed(bytes(4_000_000))] * 40)
    assert check_file("a.pdf", bombs) == "file-packed"
