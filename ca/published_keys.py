"""Keys whose private half is known to the world: those that stand in RFCs, Debian's of 2006 to 2008, leaked ones.

The first come with us. The others, millions, are an operator's to fetch, once (`tegata key learn`): `blocklist.dat` in
$TEGATA_HOME, of the form of badkeys' file of that name, is searched where it lies. Its records are 15 octets of a hash,
sorted, and one octet that names a list.
"""

import hashlib
import heapq
import mmap
import tomllib
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

PACKAGED = frozenset(
    bytes.fromhex(name) for name in tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
)
FILE_NAME = "blocklist.dat"
_NAME, _RECORD = 15, 16
# The list to which those belong that an operator named one by one; badkeys counts its own from 0.
_OPERATORS = b"\xff"


@dataclass(frozen=True)
class PublishedKeys:
    """Those that come with us, and those of a file, if there is one. Raises ValueError for a file of another form."""

    file: Path | None = None

    def __post_init__(self) -> None:
        """Refuse a file in which nothing would be found."""
        records = self._records
        length = len(records)
        if any(records[place] > records[place + 1] for place in range(0, length - 1, max(1, length // 1_000))):
            raise ValueError(f"{self.file} is not sorted")

    def __contains__(self, key: object) -> bool:
        """Return whether the private half of a key is known."""
        name = name_of(key)
        place = bisect_left(self._records, name)
        return name in PACKAGED or (place < len(self._records) and self._records[place] == name)

    def __len__(self) -> int:
        """Return how many the file holds."""
        return len(self._records)

    def records(self) -> Iterator[bytes]:
        """Yield the file's records in their order."""
        return (self._records.record(place) for place in range(len(self._records)))

    @cached_property
    def _records(self) -> "_Records":
        if self.file is None or not self.file.exists():
            return _Records(b"")
        if self.file.stat().st_size % _RECORD or not self.file.stat().st_size:
            raise ValueError(f"{self.file} has no records of {_RECORD} octets")
        with self.file.open("rb") as handle:
            return _Records(mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ))


class _Records(Sequence[bytes]):
    """The names in a file, as a sequence that bisect can search."""

    def __init__(self, octets: bytes | mmap.mmap) -> None:
        self._octets = octets

    def __len__(self) -> int:
        return len(self._octets) // _RECORD

    def __getitem__(self, place: int) -> bytes:  # type: ignore[override]  # nobody slices it
        return bytes(self._octets[place * _RECORD : place * _RECORD + _NAME])

    def record(self, place: int) -> bytes:
        """Return a name with its list."""
        return bytes(self._octets[place * _RECORD : (place + 1) * _RECORD])


def merged(lists: Iterable[PublishedKeys], keys: Iterable[object]) -> Iterator[bytes]:
    """Yield the records of a file that holds all of some files and some more keys, each key once."""
    named = sorted(name_of(key) + _OPERATORS for key in keys)
    last = b""
    for record in heapq.merge(*(one.records() for one in lists), named):
        if record[:_NAME] != last:
            yield record
            last = record[:_NAME]


def name_of(key: object) -> bytes:
    """Return how a key is named in such lists; raises TypeError for a kind that gets no certificate here."""
    if isinstance(key, rsa.RSAPublicKey):
        number = key.public_numbers().n
    elif isinstance(key, ec.EllipticCurvePublicKey):
        number = key.public_numbers().x
    elif isinstance(key, ed25519.Ed25519PublicKey):
        number = int.from_bytes(key.public_bytes_raw(), "big")
    else:
        raise TypeError(type(key).__name__)
    return hashlib.sha256(number.to_bytes((number.bit_length() + 7) // 8, "big")).digest()[:_NAME]
