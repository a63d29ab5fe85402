"""Keys whose private half is known to the world: those that stand in RFCs, Debian's of 2006 to 2008, leaked ones.

The first come with us. The others, millions, are an operator's to fetch: badkeys' `blocklist.dat`, put into
$TEGATA_HOME, is searched where it lies. Its records are 15 octets of a hash, sorted, and one octet that names a list.
"""

import hashlib
import mmap
import tomllib
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

PACKAGED = frozenset(
    bytes.fromhex(name) for name in tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
)
FILE_NAME = "blocklist.dat"
_NAME, _RECORD = 15, 16


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
