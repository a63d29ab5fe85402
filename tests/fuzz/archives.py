"""ZIP archives written by hand (PKWARE APPNOTE 6.3), so that they can also be written badly, and a mutator that does."""

import struct
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from random import Random

from tests.fuzz import mutation

STORED, DEFLATED, DEFLATE64, BZIP2, LZMA = 0, 8, 9, 12, 14
ENCRYPTED, UTF8 = 0x0001, 0x0800
_LOCAL, _CENTRAL, _END = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"
_SYMLINK = 0o120777 << 16
_UNIX = 3 << 8
# APPNOTE 4.3.9: a size or place that stands in the ZIP64 field instead.
_ELSEWHERE = 0xFFFFFFFF
_NAMES = (
    b"",
    b"/",
    b"../../etc/passwd",
    b"/etc/passwd",
    b"..\\..\\boot.ini",
    b"C:\\99999W.csr",
    b"a/b/c/99999W.csr",
    b"99999W.csr/",
    b"__MACOSX/._99999W.csr",
    b".DS_Store",
    b"99999W\x00.exe.csr",
    b"99999W 23456Z.csr",
    "９９９９９Ｗ.csr".encode(),
    "\u202eRSC.W99999.csr".encode(),
    b"99999W.csr\r\nX: y",
    b"a" * 5_000,
    b"\xff\xfe\x00",
    b"[Content_Types].xml",
    b"xl/vbaProject.bin",
)
_EXTRAS = (
    b"\x01\x00\x08\x00" + b"\xff" * 8,  # ZIP64: a size of 2^64 - 1
    b"\x01\x00\x00\x00",
    b"\x01\x00\xff\xff",  # longer than what follows
    b"\x75\x70\x09\x00\x01\x00\x00\x00\x00name",  # another name in Unicode
    b"\x00",
    bytes(3_000),
)


@dataclass(frozen=True)
class Entry:
    """A file of an archive; `written` is what stands there, `size`, `crc` and `place` what is told of it if it is not true."""

    name: bytes
    content: bytes
    method: int = DEFLATED
    flags: int = 0
    written: bytes | None = None
    size: int | None = None
    crc: int | None = None
    place: int | None = None
    local_name: bytes | None = None
    extra: bytes = b""
    attributes: int = 0

    @property
    def octets(self) -> bytes:
        """What stands in the archive."""
        if self.written is not None:
            return self.written
        if self.method != DEFLATED:
            return self.content
        packer = zlib.compressobj(6, zlib.DEFLATED, -15)
        return packer.compress(self.content) + packer.flush()

    def _fields(self) -> bytes:
        size = len(self.content) if self.size is None else self.size
        crc = zlib.crc32(self.content) if self.crc is None else self.crc
        return struct.pack("<HHHHIII", self.flags, self.method, 0, 0x21, crc, len(self.octets), size)

    def local(self) -> bytes:
        """Return what stands before the file's octets, and those (APPNOTE 4.3.7)."""
        name = self.name if self.local_name is None else self.local_name
        return b"".join(
            [_LOCAL, b"\x14\x00", self._fields(), struct.pack("<HH", len(name), len(self.extra)), name, self.extra, self.octets]
        )

    def central(self, place: int) -> bytes:
        """Return what the directory says of the file (APPNOTE 4.3.12)."""
        place = place if self.place is None else self.place
        lengths = struct.pack("<HHHHHII", len(self.name), len(self.extra), 0, 0, 0, self.attributes, place)
        version = struct.pack("<HH", _UNIX | 0x14, 0x14)
        return b"".join([_CENTRAL, version, self._fields(), lengths, self.name, self.extra])


def archive(*entries: Entry, before: bytes = b"", after: bytes = b"", told: int | None = None) -> bytes:
    """Return an archive; `told` is how many entries it says it has."""
    whole, directory = bytearray(before), b""
    for entry in entries:
        directory += entry.central(len(whole))
        whole += entry.local()
    count = min(len(entries) if told is None else told, 0xFFFF)
    end = struct.pack("<HHHHIIH", 0, 0, count, count, len(directory), len(whole), 0)
    return bytes(whole) + directory + _END + end + after


def symlink(name: bytes, target: bytes) -> Entry:
    """Return a symbolic link, as Unix programs write one."""
    return Entry(name, target, STORED, attributes=_SYMLINK)


def mutator(known: Callable[[], Sequence[Sequence[Entry]]], *pieces: bytes) -> mutation.Mutator:
    """Return what writes known archives badly: in a field or two of one entry, in their order, or in any octet."""
    words = mutation.text(*pieces) if pieces else None

    def mutate(chance: Random, seeds: Sequence[bytes]) -> bytes:
        if chance.randrange(5) == 0:
            return mutation.octets(chance, chance.choice(seeds))
        archives = known()
        entries = list(chance.choice(archives))
        for _ in range(chance.choice((1, 1, 2))):
            at = chance.randrange(len(entries))
            entries[at : at + 1] = _changed(chance, entries[at], archives, words)
            if not entries:
                break
        before, after = (chance.choice((b"", b"", b"", b"", b"MZ", _END, bytes(30))) for _ in range(2))
        return archive(*entries, before=before, after=after)

    return mutate


def _changed(  # noqa: C901, PLR0911, PLR0912 (one deed a line)
    chance: Random, entry: Entry, archives: Sequence[Sequence[Entry]], words: mutation.Mutator | None
) -> list[Entry]:
    match chance.randrange(14):
        case 0 | 1:
            return [replace(entry, name=chance.choice(_NAMES))]
        case 2:
            return [replace(entry, method=chance.choice((STORED, DEFLATE64, BZIP2, LZMA, 99)))]
        case 3:
            return [replace(entry, flags=chance.choice((ENCRYPTED, UTF8, 0x0008, 0x0020, 0xFFFF)))]
        case 4:
            return [replace(entry, size=chance.choice((0, 1, len(entry.content) + 1, 0x7FFFFFFF, _ELSEWHERE)))]
        case 5:
            return [replace(entry, place=chance.choice((0, 1, 30, 0x7FFFFFFF, _ELSEWHERE)))]
        case 6:
            return [replace(entry, extra=chance.choice(_EXTRAS))]
        case 7:
            return [replace(entry, crc=chance.getrandbits(32))]
        case 8:
            return [entry, entry]
        case 9:
            return [entry, chance.choice(chance.choice(archives))]
        case 10:
            return []
        case 11:
            return [replace(entry, written=mutation.octets(chance, entry.octets))]
        case 12:
            return [replace(entry, local_name=chance.choice(_NAMES), attributes=chance.choice((0, _SYMLINK, 0x10)))]
        case _:
            content = words(chance, [entry.content]) if words else mutation.octets(chance, entry.content)
            return [replace(entry, content=content)]
