"""Reading what somebody uploads: certification requests, as files or in a ZIP, each for the terminal that its name says.

What comes here is hostile until shown otherwise: numbers and sizes are bounded while reading, whatever headers promise;
archives in archives are not opened; names go nowhere but into a column of bounded text.
"""

import io
import re
import unicodedata
import zipfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.x509.oid import NameOID

from ca import requests
from kernel.errors import Refused

# Requests of one batch; files and folders that one ZIP may hold besides.
MOST, MOST_ENTRIES = 200, 1_000
LONGEST_NAME = 100
_ZIP = (b"PK\x03\x04", b"PK\x05\x06")
# What our own package holds beside the requests, and what systems add by themselves.
_NOT_MEANT = {".inf", ".ps1", ".txt", ".md", ".ds_store", ".p7b", ".cer", ".crt"}
_TERMINAL = re.compile(r"(?<![0-9A-Z])[0-9]{5}[A-Z](?![0-9A-Z])")
# Inflating these costs little memory; others (bzip2, LZMA) may want much for a few octets.
_METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}


@dataclass(frozen=True)
class Read:
    """One file: the terminal that it is for, its request if that is good; `fault` is a refusal's code, with its facts."""

    file_name: str
    terminal: str | None = None
    request: bytes | None = field(default=None, repr=False)
    spki_sha256: bytes = b""
    fault: str | None = None
    facts: dict[str, str | int] = field(default_factory=dict)


def read(files: Sequence[tuple[str, bytes]]) -> tuple[Read, ...]:
    """Read uploaded files (name, content), each a request or a ZIP of requests, by terminal.

    Raises Refused("batch-empty"), Refused("batch-too-many", most=…) and Refused("batch-archive") for a ZIP that can not be
    read, is encrypted or too large. What is wrong with a single file is told with it.
    """
    found = [_read(name, content) for name, content in _contents(files)]
    if not found:
        raise Refused("batch-empty")
    return tuple(sorted(_told_apart(found), key=lambda one: (one.terminal or "~", one.file_name)))


def _contents(files: Sequence[tuple[str, bytes]]) -> Iterator[tuple[str, bytes]]:
    count = 0
    for name, content in files:
        for inner, octets in _entries(content) if content.startswith(_ZIP) else ((name, content),):
            if not octets or not _is_meant(inner):
                continue
            count += 1
            if count > MOST:
                raise Refused("batch-too-many", most=MOST)
            yield inner, octets


def _entries(content: bytes) -> Iterator[tuple[str, bytes]]:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            yield from _meant(archive)
    except Refused:
        raise
    except Exception as error:  # a stranger's archive: a size in ZIP64, for one, may be beyond every number
        raise Refused("batch-archive") from error


def _meant(archive: zipfile.ZipFile) -> Iterator[tuple[str, bytes]]:
    entries = archive.infolist()
    if len(entries) > MOST_ENTRIES:
        raise Refused("batch-too-many", most=MOST)
    for entry in entries:
        if not _is_meant(entry.filename) or entry.is_dir():  # which fails for an entry without a name
            continue
        if entry.flag_bits & 1 or entry.compress_type not in _METHODS:
            raise Refused("batch-archive")
        with archive.open(entry) as file:
            # One octet more than a request may have tells that it is too large; the rest is never inflated.
            yield entry.filename, file.read(requests.LARGEST + 1)


def _is_meant(name: str) -> bool:
    path = PurePosixPath(name.replace("\\", "/"))
    is_hidden = path.name.startswith(".") or "__MACOSX" in path.parts
    return bool(path.name) and not is_hidden and path.suffix.lower() not in _NOT_MEANT


def _read(name: str, content: bytes) -> Read:
    shown = _shown(name)
    try:
        key = requests.read(content)
    except Refused as refused:
        facts = {key: value for key, value in refused.facts.items() if isinstance(value, str | int)}
        return Read(shown, _named(shown), fault=refused.code, facts=facts)
    by_file, by_subject = _named(shown), _subject(content)
    if by_file and by_subject and by_file != by_subject:
        return Read(shown, by_file, fault="csr-names-differ", facts={"subject": by_subject})
    terminal = by_file or by_subject
    if terminal is None:
        return Read(shown, fault="csr-nameless")
    return Read(shown, terminal, content, key.spki_sha256)


def _told_apart(found: Sequence[Read]) -> Iterator[Read]:
    """Refuse both of two requests for one terminal, and both of two with one key: which was meant is not for us to guess."""
    terminals = Counter(one.terminal for one in found)
    keys = Counter(one.spki_sha256 for one in found if one.fault is None)
    for one in found:
        if one.fault is None and terminals[one.terminal] > 1:
            yield replace(one, request=None, fault="csr-twice")
        elif one.fault is None and keys[one.spki_sha256] > 1:
            yield replace(one, request=None, fault="key-used")
        else:
            yield one


def _named(name: str) -> str | None:
    """Return the one terminal that a file's name names."""
    stem = unicodedata.normalize("NFKC", PurePosixPath(name).stem).upper()
    found = set(_TERMINAL.findall(stem))
    return found.pop() if len(found) == 1 else None


def _subject(request: bytes) -> str | None:
    """Return the terminal that a readable request's common name names."""
    try:
        is_pem = request.lstrip().startswith(b"-----")
        csr = x509.load_pem_x509_csr(request) if is_pem else x509.load_der_x509_csr(request)
        names = csr.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return None
    text = str(names[0].value).strip().upper() if names else ""
    return text if _TERMINAL.fullmatch(text) else None


def _shown(name: str) -> str:
    """Return the last part of a file's name as it may be stored and shown."""
    last = PurePosixPath(name.replace("\\", "/")).name
    return "".join(one if one.isprintable() else "?" for one in last)[:LONGEST_NAME] or "?"
