"""A log by the definitions alone, to judge ours and the scripts by: RFC 6962 §2.1 over lists of leaves, C2SP notes by hand."""

import base64
import hashlib
import json
from dataclasses import dataclass, field
from functools import cache

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

Leaves = tuple[bytes, ...]
MOST = 1_200


def split(leaves: Leaves) -> int:
    """Return the largest power of two below the number of leaves."""
    k = 1
    while 2 * k < len(leaves):
        k *= 2
    return k


@cache
def mth(leaves: Leaves) -> bytes:
    """Return the tree's head (§2.1)."""
    if len(leaves) == 1:
        return hashlib.sha256(b"\0" + leaves[0]).digest()
    k = split(leaves)
    return hashlib.sha256(b"\1" + mth(leaves[:k]) + mth(leaves[k:])).digest()


def path(m: int, leaves: Leaves) -> list[bytes]:
    """Return a leaf's audit path (§2.1.1)."""
    if len(leaves) == 1:
        return []
    k = split(leaves)
    return [*path(m, leaves[:k]), mth(leaves[k:])] if m < k else [*path(m - k, leaves[k:]), mth(leaves[:k])]


def subproof(m: int, leaves: Leaves, *, whole: bool = True) -> list[bytes]:
    """Return a consistency proof (§2.1.2)."""
    if m == len(leaves):
        return [] if whole else [mth(leaves)]
    k = split(leaves)
    if m <= k:
        return [*subproof(m, leaves[:k], whole=whole), mth(leaves[k:])]
    return [*subproof(m - k, leaves[k:], whole=False), mth(leaves[:k])]


@dataclass(frozen=True)
class ReferenceLog:
    """A signed log. Logs of one key and name whose `forks_at` differ are the same up to the smaller of the two leaves."""

    name: str = "log.example.jp"
    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    forks_at: int = MOST

    @property
    def vkey(self) -> str:
        """Return the verifier key."""
        return f"{self.name}+{self._key_id.hex()}+{base64.b64encode(self._typed).decode()}"

    def note(self, size: int) -> str:
        """Return the signed checkpoint of the first leaves."""
        return self.signed(f"{self.name}\n{size}\n{base64.b64encode(mth(leaves(self.forks_at, size))).decode()}\n")

    def signed(self, text: str) -> str:
        """Return a text as a note."""
        line = base64.b64encode(self._key_id + self.key.sign(text.encode())).decode()
        return f"{text}\n— {self.name} {line}\n"

    def consistency(self, old: int, size: int) -> str:
        """Return the file of a consistency proof."""
        return f"old {old}\n{_lines(subproof(old, leaves(self.forks_at, size)))}\n{self.note(size)}"

    def receipt(self, index: int, size: int) -> str:
        """Return a receipt."""
        proof = f"c2sp.org/tlog-proof@v1\nindex {index}\n{_lines(path(index, leaves(self.forks_at, size)))}\n{self.note(size)}"
        return json.dumps({"entry": entry(self.forks_at, index), "salt": _salt(index).hex(), "proof": proof})

    @property
    def _typed(self) -> bytes:
        return b"\1" + self.key.public_key().public_bytes_raw()

    @property
    def _key_id(self) -> bytes:
        return hashlib.sha256(self.name.encode() + b"\n" + self._typed).digest()[:4]


def entry(forks_at: int, index: int) -> dict[str, object]:
    """Return what an entry says."""
    said = {
        "at": "2026-11-22T01:02:03.000000+00:00",
        "actor": "staff:佐藤",
        "action": "code.show",
        "subject": f"terminal:{index:05}W",
    }
    return said | {"office_code": None, "facts": {"日": index, "forged": index >= forks_at}}


@cache
def leaves(forks_at: int, size: int) -> Leaves:
    """Return the leaves of a log: commitments to its entries."""
    return tuple(_commitment(forks_at, index) for index in range(size))


@cache
def _commitment(forks_at: int, index: int) -> bytes:
    content = list(entry(forks_at, index).values())
    text = json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(_salt(index) + text.encode()).digest()


def _salt(index: int) -> bytes:
    return index.to_bytes(16, "big")


def _lines(hashes: list[bytes]) -> str:
    return "".join(f"{base64.b64encode(one).decode()}\n" for one in hashes)
