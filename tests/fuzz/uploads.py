"""The readers of files that customers and operators send: requests in a ZIP, attachments and their names, rows in CSV.

What is planted in them are faults of their own kind: a path that is kept, an extension that is believed, a row that is dropped.
"""

import io
import unicodedata
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

from asn1crypto import csr as asn1_csr

from enrollment.batches import uploads
from enrollment.protocols.problems import PROBLEMS
from registry import office_files
from registry.attachments.contents import EXTENSIONS, FileType, check_file
from registry.attachments.names import MOST, OCTETS, clean_name
from registry.billing import usage_files
from registry.csv_sheets import FileFault
from registry.registration import check_registration
from server.commands import billing, office
from tests.fuzz import archives, mutation, samples
from tests.fuzz.archives import Entry
from tests.fuzz.trial import NotTaken, Read, Target, trusting_a_length, trusting_the_text
from tests.registry.attachments.samples import DOCUMENT, GOOD, WORKBOOK
from tests.registry.billing import test_usage_files as usage_samples
from tests.registry.test_office_files import written as offices_written
from webui.portal.app import SENTENCES
from webui.portal.batches import REASONS
from webui.words import FAULTS

# What an extension is followed by, in the inputs of files that have a name.
_NAME_ENDS = b"\n"
_NAMES = (
    *(b"/", b"\\", b"..", b".", b" ", b"\x00", b"\x1b", b":", b"*", b"?", b'"', b"<", b"|", b"CON.", b"nul", b"COM1."),
    *(b".pdf", b".exe", b".csv", b".png", b"." * 30, b"A" * 300, b"\xff", b"\xe3\x80"),
    *(one.encode() for one in ("\u202e", "\u200b", "\ufeff", "\u2028", "Ａ", "ﾊﾟ", "が", "㍻", "𠮷", "\U000e0100", "😀", "　")),
)
_CELLS = (
    *(b",", b'"', b'""', b"\n", b"\r\n", b"\r", b"\x00", b"\t", b";", b"=1+1", b"@", b"-", b"\xef\xbb\xbf", b"\xff\xfe"),
    *(b"9" * 30, b"0", b"-1", b"1,000", b"2026-02-30", b"A" * 300, b"\xff", b"\xe3\x80"),
    *(one.encode() for one in ("\u202e", "１", "ｱ", "￥", "", "葛\U000e0100", "\U0001f600", "٣", "²")),
    "東京".encode("cp932"),
)


@cache
def _zipped() -> Sequence[Sequence[Entry]]:
    """Return archives of requests as people make them."""
    p256, ed25519, named = (samples.requests()[at] for at in (0, 4, 5))  # the keys that are checked fastest
    return (
        (Entry(b"99999W.csr", p256), Entry(b"23456Z.csr", ed25519)),
        (Entry(b"requests/", b"", archives.STORED), Entry(b"requests/99999W.req", p256, archives.STORED)),
        (Entry(b"__MACOSX/._99999W.csr", b"\x00"), Entry(b"99999W.pem", samples.pem_requests()[0]), Entry(b"read.txt", b"x")),
        (Entry(b"99999W-tsukan.csr", ed25519), Entry(b"99999W.csr", named)),
        (Entry(b"12345A.csr", ed25519), Entry(b"23456Z.csr", ed25519)),
    )


def _requests(content: bytes) -> tuple[uploads.Read, ...]:
    return uploads.read([("requests.zip", content)])


def one_by_one(_content: bytes, taken: tuple[uploads.Read, ...]) -> None:
    """See that each file has a short, plain name and either a fault that is told or a proven key for one terminal, once."""
    assert len(taken) <= uploads.MOST
    good = [one for one in taken if one.fault is None]
    for one in taken:
        assert 0 < len(one.file_name) <= uploads.LONGEST_NAME
        assert one.file_name.isprintable()
        assert "/" not in one.file_name
        assert (one.request is None) == (one.fault is not None)
        assert one.fault in {None, *PROBLEMS, *REASONS}
        assert all(len(str(value)) <= uploads.LONGEST_NAME for value in one.facts.values())
    for one in good:
        request = one.request or b""
        der = asn1_csr.CertificationRequest.load(request).dump() if request[:1] == b"0" else None
        assert der in {None, *samples.requests()}  # whoever has not the key can not change what it signed
    assert len({one.terminal for one in good}) == len({one.spki_sha256 for one in good}) == len(good)


def _keeping_paths(read: Read) -> Read:
    """Plant a fault: the whole path becomes the file's name."""

    def careless(content: bytes) -> Any:  # noqa: ANN401 (what a reader returns)
        taken = read(content)
        names = zipfile.ZipFile(io.BytesIO(content)).namelist()
        return tuple(replace(one, file_name=names[0]) for one in taken)

    return careless


def _guessing_which(read: Read) -> Read:
    """Plant a fault: of two requests for one terminal the first one counts."""

    def careless(content: bytes) -> Any:  # noqa: ANN401
        taken = read(content)
        for at, one in enumerate(taken):
            if one.fault == "csr-twice":
                right = replace(one, fault=None, request=samples.requests()[0])
                return (*taken[:at], right, right, *taken[at + 1 :])
        return taken

    return careless


@cache
def _documents() -> Sequence[Sequence[Entry]]:
    """Return office documents, part by part."""
    made = []
    for main, part in ((WORKBOOK, "xl/workbook.xml"), (DOCUMENT, "word/document.xml")):
        types = f'<?xml version="1.0"?><Types><Override PartName="/{part}" ContentType="{main}"/></Types>'.encode()
        relations = b'<Relationships><Relationship Id="r1" Type="http://x/worksheet" Target="a.xml"/></Relationships>'
        made.append(
            (
                Entry(b"[Content_Types].xml", types),
                Entry(part.encode(), b"<workbook/>"),
                Entry(b"_rels/.rels", relations, archives.STORED),
            )
        )
    return tuple(made)


def _files() -> Sequence[bytes]:
    """Return a file of each type under its name."""
    return [name.encode() + _NAME_ENDS + content for name, content in GOOD.items()]


_XML = (
    *(b"<", b">", b"/>", b"&", b"&a;", b'"', b"<!DOCTYPE t []>", b"<![CDATA[", b"<?xml version='1.0' encoding='UTF-7'?>"),
    *(b"macroEnabled", b"TargetMode='External' Type='x/attachedTemplate'", b"xmlns:a='b'", b"\xff\xfe", b"\x00", b"<a>" * 300),
)
_SPOILT_DOCUMENTS = archives.mutator(_documents, *_XML)


def _spoilt_file(chance: Any, seeds: Sequence[bytes]) -> bytes:  # noqa: ANN401 (as a mutator)
    """Change a file, an office document as an archive; now and then its name."""
    name, _, content = chance.choice(seeds).partition(_NAME_ENDS)
    match chance.randrange(4):
        case 0 if content.startswith(b"PK"):
            whole = tuple(archives.archive(*entries) for entries in _documents())
            return bytes(name + _NAME_ENDS + _SPOILT_DOCUMENTS(chance, whole))
        case 0 | 1:
            spoilt = mutation.text(*_NAMES)(chance, [name]).replace(_NAME_ENDS, b"")
            return bytes(spoilt + _NAME_ENDS + content)
        case 2:
            return bytes(name + _NAME_ENDS + mutation.spliced(chance, content, chance.choice(seeds).partition(_NAME_ENDS)[2]))
        case _:
            return bytes(name + _NAME_ENDS + mutation.octets(chance, content))


def _attached(content: bytes) -> tuple[str, FileType]:
    """Clean the name and look into the content, as whoever attaches a file does."""
    raw, _, octets = content.partition(_NAME_ENDS)
    name = clean_name(raw.decode("utf-8", "replace"))
    found = check_file(name, octets)
    if isinstance(found, FileType):
        return name, found
    assert found in FAULTS
    raise NotTaken(found)


def is_what_it_says(content: bytes, taken: tuple[str, FileType]) -> None:
    """See by the first octets, and by another look into containers, that a file is what its name says."""
    (name, kind), octets = taken, content.partition(_NAME_ENDS)[2]
    assert EXTENSIONS[name.rpartition(".")[2].lower()] is kind
    begins = {
        "PDF": b"%PDF-",
        "PNG": b"\x89PNG",
        "JPEG": b"\xff\xd8",
        "Excel (XLSX)": b"PK\x03\x04",
        "Word (DOCX)": b"PK\x03\x04",
    }
    if kind.name in begins:
        assert octets.startswith(begins[kind.name])
    else:
        assert not octets.startswith((b"MZ", b"PK", b"%PDF"))
        assert b"\x1b" not in octets
    if octets.startswith(b"PK"):
        with zipfile.ZipFile(io.BytesIO(octets)) as container:
            held = b"".join(container.read(one) for one in container.namelist() if one == "[Content_Types].xml").lower()
            assert b"macroenabled" not in held
            assert not any("vbaproject" in one.lower() for one in container.namelist())


def _believing_the_extension(read: Read) -> Read:
    """Plant a fault: a file that is called .txt is text."""

    def careless(content: bytes) -> Any:  # noqa: ANN401
        name, _, octets = content.partition(_NAME_ENDS)
        if name.lower().endswith(b".txt") and octets:
            return "a.txt", EXTENSIONS["txt"]
        return read(content)

    return careless


def _named(content: bytes) -> str:
    try:
        return clean_name(content.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise NotTaken from error  # whoever reads the form replaces what is no text


def is_a_plain_label(content: bytes, taken: str) -> None:
    """See that a name is short, has nothing invisible, leads nowhere, and is its own clean form."""
    del content
    assert 0 < len(taken) <= MOST
    assert len(taken.encode()) <= OCTETS
    assert not set(taken) & set('<>:"/\\|?*')
    assert not any(unicodedata.category(one) in {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"} for one in taken)
    assert taken.strip(" .") == taken
    assert clean_name(taken) == taken


def _keeping_what_is_invisible(read: Read) -> Read:
    """Plant a fault: the marks that turn a name around stay in it."""

    def careless(content: bytes) -> Any:  # noqa: ANN401
        return str(read(content)) + ("\u202e" if b"\xe2\x80\xae" in content else "")

    return careless


def _without_faults(faults: Iterable[FileFault], told: Iterable[str]) -> None:
    """Raise NotTaken for what is wrong with a file, which must be among what is told."""
    found = list(faults)
    assert {fault.code for fault in found} <= set(told)
    assert all(fault.line >= 1 for fault in found)
    if found:
        raise NotTaken(found[0].code)


def _offices(content: bytes) -> office_files.Sheet:
    sheet = office_files.read(content)
    _without_faults(sheet.faults, office.SENTENCES)
    return sheet


def registers_as_it_stands(content: bytes, taken: office_files.Sheet) -> None:
    """See that what a file says is its own normal form, and that each line that another reader sees is there."""
    for line in taken.lines:
        assert check_registration(line.company, line.office, line.contract) == (line.company, line.office, line.contract)
    _as_many_rows(content, len(taken.lines))


def _as_many_rows(content: bytes, lines: int) -> None:
    """See that no row was lost: where no cell is quoted, a row is a line with anything but commas and white space."""
    if b'"' in content:
        return
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("cp932")
    rows = [row for row in text.replace("\r", "\n").split("\n") if row.replace(",", "").strip()]
    assert lines == len(rows) - 1


def _usage(content: bytes) -> usage_files.Sheet:
    sheet = usage_files.read(content, usage_samples.NOVEMBER)
    _without_faults(sheet.faults, billing.SENTENCES)
    return sheet


def counts_as_it_stands(content: bytes, taken: usage_files.Sheet) -> None:
    """See that records are distinct, numbers in their bounds, texts plain."""
    assert len({line.usage.record for line in taken.lines}) == len(taken.lines)
    for usage in (line.usage for line in taken.lines):
        assert 0 <= usage.quantity < usage_files.QUANTITY_MOST
        assert abs(usage.amount) < usage_files.AMOUNT_MOST
        assert usage.title.isprintable()
    _as_many_rows(content, len(taken.lines))


def _dropping_a_row(read: Read) -> Read:
    """Plant a fault: of a file with several rows the last one is passed over."""

    def careless(content: bytes) -> Any:  # noqa: ANN401
        taken = read(content)
        return replace(taken, lines=taken.lines[:-1]) if len(taken.lines) > 1 else taken

    return careless


def _spoilt_rows(chance: Any, seeds: Sequence[bytes]) -> bytes:  # noqa: ANN401 (as a mutator)
    """Change a cell or two of a file, its rows, or its octets anywhere."""
    whole = chance.choice(seeds)
    if chance.randrange(4) == 0:
        return mutation.text(*_CELLS)(chance, [whole])
    heading, *rows = whole.splitlines(keepends=True)
    for _ in range(chance.choice((1, 1, 2))):
        at = chance.randrange(len(rows))
        cells = rows[at].rstrip(b"\r\n").split(b",")
        column = chance.randrange(len(cells))
        match chance.randrange(5):
            case 0:
                rows.insert(at, chance.choice(rows))
                continue
            case 1:
                cells[column] = b""
            case 2:
                cells[column] += chance.choice(_CELLS)
            case 3:
                cells[column] = chance.choice(_CELLS)
            case _:
                cells[column] = chance.choice(chance.choice(rows).rstrip().split(b","))
        rows[at] = b",".join(cells) + b"\r\n"
    return bytes(heading + b"".join(rows))


def _office_rows() -> Sequence[bytes]:
    return [
        offices_written({}).encode(),
        offices_written({"administrator.mail": "a@example.jp"}, {"office.code": "NAC002"}, japanese=True).encode("cp932"),
    ]


def _usage_rows() -> Sequence[bytes]:
    other = {"record": "2026-11/0002", "amount": "-5", "user_code": "", "quantity": "12"}
    english = {**other, "record": "2026-11/0003", "title": "inquiry", "unit": "x"}
    return [
        usage_samples.written({}, other, headings=list(usage_files.COLUMNS.values())),
        usage_samples.written(other, english),
        usage_samples.written({}, encoding="cp932"),
    ]


TARGETS = (
    Target(
        "requests in a ZIP",
        lambda: [archives.archive(*entries) for entries in _zipped()],
        lambda: _requests,
        agree=one_by_one,
        mutate=archives.mutator(_zipped),
        planted=(trusting_a_length, _keeping_paths, _guessing_which),
        codes=frozenset(SENTENCES),
    ),
    Target(
        "attached file",
        _files,
        lambda: _attached,
        (NotTaken,),
        is_what_it_says,
        _spoilt_file,
        (trusting_a_length, _believing_the_extension),
    ),
    Target(
        "name of an attached file",
        lambda: ["C:\\書類\\申込（控え）.pdf".encode(), b"../report 2026.final.XLSX", "ﾊﾟﾝﾌ.jpeg".encode()],
        lambda: _named,
        (NotTaken,),
        agree=is_a_plain_label,
        mutate=mutation.text(*_NAMES),
        planted=(trusting_the_text, _keeping_what_is_invisible),
    ),
    Target(
        "offices in CSV",
        _office_rows,
        lambda: _offices,
        (NotTaken,),
        registers_as_it_stands,
        _spoilt_rows,
        (trusting_the_text, _dropping_a_row),
    ),
    Target(
        "metered use in CSV",
        _usage_rows,
        lambda: _usage,
        (NotTaken,),
        counts_as_it_stands,
        _spoilt_rows,
        (trusting_the_text, _dropping_a_row),
    ),
)
