"""Contents against extensions: a file is what its name says, and holds no program."""

import io
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.attachments.contents import EXTENSIONS, FileType, check_file
from tests.registry.attachments.samples import DOCUMENT, DOCX, GOOD, JPEG, PDF, PNG, WORKBOOK, XLSX, chunk, container

FAULTS = {"file-empty", "file-type", "file-content", "file-active", "file-locked", "file-packed"}
MACROS = "application/vnd.ms-excel.sheet.macroEnabled.main+xml"
DTD = b'<!DOCTYPE t [<!ENTITY a "aaaa">]><Types><Override ContentType="&a;"/></Types>'
TEMPLATE = b'<Relationships><Relationship Type="http://x/attachedTemplate" TargetMode="External" Target="https://x.example.jp/"/></Relationships>'


def zipped(*parts: tuple[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in parts:
            made.writestr(name, content)
    return stream.getvalue()


@pytest.mark.parametrize("name", GOOD)
def test_each_type_is_taken(name: str) -> None:
    assert isinstance(check_file(name, GOOD[name]), FileType)


def test_no_type_passes_for_another() -> None:
    texts = {EXTENSIONS["txt"], EXTENSIONS["csv"]}
    for name, content in GOOD.items():
        kind = EXTENSIONS[name.removeprefix("a.")]
        for extension, other in EXTENSIONS.items():
            is_taken = other is kind or {kind, other} <= texts
            assert isinstance(check_file(f"a.{extension}", content), FileType) is is_taken, (name, extension)


@pytest.mark.parametrize(
    ("name", "content", "fault"),
    [
        ("a.exe", b"MZ", "file-type"),
        ("a.xlsm", XLSX, "file-type"),
        ("a.svg", b"<svg/>", "file-type"),
        ("a.html", b"<html>", "file-type"),
        ("a", PDF, "file-type"),
        ("a.pdf", b"", "file-empty"),
        ("a.pdf", b"MZ" + PDF, "file-content"),
        ("a.pdf", PDF[:-7], "file-content"),
        ("a.png", PNG + b"PK\x03\x04", "file-content"),
        ("a.png", PNG[:20] + b"\x01" + PNG[21:], "file-content"),
        ("a.png", PNG[:8] + chunk(b"IDAT", b"") + chunk(b"IEND", b""), "file-content"),
        ("a.jpg", PNG, "file-content"),
        ("a.jpg", JPEG[:-2], "file-content"),
        ("a.txt", b"MZ\x90", "file-content"),
        ("a.txt", "制御\x1b[2J".encode(), "file-content"),
        ("a.txt", b"\x81\x00\xff", "file-content"),
        ("a.csv", b"\xff\xfea", "file-content"),
        ("a.xlsx", DOCX, "file-content"),
        ("a.docx", XLSX, "file-content"),
        ("a.xlsx", b"MZ" + XLSX, "file-content"),
        ("a.xlsx", XLSX[:-30], "file-content"),
        ("a.xlsx", zipped(("x", b"")), "file-content"),
        ("a.xlsx", zipped(("[Content_Types].xml", DTD)), "file-content"),
        ("a.xlsx", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(500), "file-locked"),
        ("a.xlsx", container(MACROS), "file-active"),
        ("a.xlsx", container(more={"xl/vbaProject.bin": b"x"}), "file-active"),
        ("a.xlsx", container(more={"xl/VBAPROJECT.BIN": b"x"}), "file-active"),
        ("a.xlsx", container(more={"xl/macrosheets/sheet1.xml": b"x"}), "file-active"),
        ("a.xlsx", container(more={"xl/activeX/activeX1.bin": b"x"}), "file-active"),
        ("a.docx", container(DOCUMENT, "word/document.xml", {"word/embeddings/oleObject1.bin": b"x"}), "file-active"),
        ("a.docx", container(DOCUMENT, "word/document.xml", {"word/_rels/settings.xml.rels": TEMPLATE}), "file-active"),
        ("a.xlsx", container(more={"XL/workbook.xml": b"x"}), "file-content"),
        ("a.xlsx", zipped(*((str(at), b"") for at in range(5001))), "file-packed"),
    ],
)
def test_what_is_not_what_it_says_or_holds_programs_is_refused(name: str, content: bytes, fault: str) -> None:
    assert check_file(name, content) == fault


def test_a_container_that_would_unpack_to_gigabytes_is_refused_unopened() -> None:
    bomb = container(more={f"xl/{at}.xml": bytes(9_000_000) for at in range(24)})
    assert len(bomb) < 5_000_000
    assert check_file("a.xlsx", bomb) == "file-packed"


def test_a_locked_part_is_told() -> None:
    parts = bytearray(XLSX)
    parts[6] |= 1
    directory = parts.rindex(b"PK\x01\x02")
    parts[directory + 8] |= 1
    assert check_file("a.xlsx", bytes(parts)) == "file-locked"


def test_a_type_in_another_encoding_hides_nothing() -> None:
    overrides = "".join(f'<Override ContentType="{one}"/>' for one in (WORKBOOK, MACROS))
    types = f'<?xml version="1.0" encoding="UTF-16"?><Types>{overrides}</Types>'.encode("utf-16")
    assert check_file("a.xlsx", zipped(("[Content_Types].xml", types), ("xl/workbook.xml", b""))) == "file-active"


@given(st.sampled_from(sorted(EXTENSIONS)), st.sampled_from(sorted(GOOD)), st.data())
@settings(max_examples=300, deadline=None)
def test_broken_files_get_an_answer(extension: str, name: str, data: st.DataObject) -> None:
    content = bytearray(GOOD[name])
    for _ in range(data.draw(st.integers(0, 6))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at : at + data.draw(st.integers(0, 4))] = data.draw(st.binary(max_size=4))
        content = content or bytearray(b"x")
    found = check_file(f"a.{extension}", bytes(content))
    assert isinstance(found, FileType) or found in FAULTS
