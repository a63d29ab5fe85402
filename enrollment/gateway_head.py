"""The positive list as it travels: a signed head, the list, what changed. Without database and network.

The list is text: a line for each certificate that is good, its SHA-256 and SHA-1 fingerprints in lower-case hexadecimal, sorted.
The head is a signed note (C2SP signed-note, Ed25519) that names the list by its SHA-256; whatever way a list was put together,
it is the list if it has that digest, so lists and deltas need no signatures. SHA-1 is there because nginx knows no other
fingerprint; whoever goes by it has checked the chain before (docs/gateway.md).
"""

import hashlib
import re
from collections.abc import Callable, Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import UTC, datetime

from kernel.audit.notes import CheckpointSigner, CheckSignature, NoteError, VerifierKey, opened_text

FIELDS = ("number", "this-update", "next-update", "list", "entries", "sha256", "snapshot")
_TIME = "%Y-%m-%dT%H:%M:%SZ"
_NUMBER = re.compile(r"[1-9][0-9]{0,17}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_LINE = re.compile(rb"[0-9a-f]{64} [0-9a-f]{40}")
_FROM = b"from "


class ListRefused(Exception):
    """A head, list or delta that does not count; the text says why."""


@dataclass(frozen=True)
class Head:
    """What is signed.

    `number` rises with each head, `list_number` is that of the head with which the list changed last, `snapshot` that of the
    newest list that is there as a whole; between the two there is a delta for each change.
    """

    number: int
    this_update: datetime
    next_update: datetime
    list_number: int
    entries: int
    sha256: str
    snapshot: int

    def text(self, origin: str) -> str:
        """Return the text that is signed: the origin, then a line for each field."""
        values = (
            self.number,
            _written(self.this_update),
            _written(self.next_update),
            self.list_number,
            self.entries,
            self.sha256,
            self.snapshot,
        )
        return "".join([f"{origin}\n", *(f"{name} {value}\n" for name, value in zip(FIELDS, values, strict=True))])

    def note(self, signer: CheckpointSigner) -> str:
        """Return the signed head; the signer's origin names the list."""
        return signer.signed(self.text(signer.origin))


def opened(note: str, check: CheckSignature, key: VerifierKey) -> Head:
    """Return what a signed head says; raises ListRefused when it is not signed by the key or says something else."""
    try:
        text = opened_text(note, check, key)
    except NoteError as error:
        raise ListRefused(str(error)) from error
    return read(text, key.name)


def read(text: str, origin: str) -> Head:
    """Read a head's text; whatever reads it writes it again, to the octet. Raises ListRefused."""
    lines = text.split("\n")
    values = [line.partition(" ")[2] for line in lines[1:-1]]
    try:
        number, begins, ends, list_number, entries, sha256, snapshot = values
        head = Head(int(number), _parsed(begins), _parsed(ends), int(list_number), int(entries), sha256, int(snapshot))
    except ValueError:
        raise ListRefused("the head can not be read") from None
    if head.text(origin) != text or not _DIGEST.fullmatch(sha256):
        raise ListRefused("the head can not be read, or is that of another list")
    if not all(_NUMBER.fullmatch(each) for each in (number, list_number, snapshot)) or not snapshot_fits(head):
        raise ListRefused("the head has numbers that can not be")
    return head


def snapshot_fits(head: Head) -> bool:
    """Return whether a head's numbers are in their order."""
    return head.snapshot <= head.list_number <= head.number and head.this_update < head.next_update


def line_of(der: bytes) -> bytes:
    """Return a certificate's line."""
    sha1 = hashlib.sha1(der, usedforsecurity=False).hexdigest()
    return f"{hashlib.sha256(der).hexdigest()} {sha1}".encode()


def listing(lines: Iterable[bytes]) -> bytes:
    """Return the list of some lines."""
    return b"".join(line + b"\n" for line in sorted(lines))


def digest(content: bytes) -> str:
    """Return what a head names a list by."""
    return hashlib.sha256(content).hexdigest()


def lines_of(content: bytes, head: Head) -> frozenset[bytes]:
    """Return the lines of a list, if it is the head's; raises ListRefused."""
    if digest(content) != head.sha256:
        raise ListRefused(f"the list is not the one of head {head.number}")
    *lines, rest = content.split(b"\n")
    if rest or len(lines) != head.entries or not all(map(_LINE.fullmatch, lines)):
        raise ListRefused("the list has lines that can not be")
    return frozenset(lines)


def delta(before: int, old: AbstractSet[bytes], new: AbstractSet[bytes]) -> bytes:
    """Return what changed from the list of number `before`: lines with a minus went, lines with a plus came."""
    gone, came = old - new, new - old
    signs = [b"-" + line for line in sorted(gone)] + [b"+" + line for line in sorted(came)]
    return b"".join([_FROM, str(before).encode(), b"\n", *(line + b"\n" for line in signs)])


def read_delta(content: bytes) -> tuple[int, list[bytes], list[bytes]]:
    """Return the number from which a delta starts, the lines that went and those that came; raises ListRefused."""
    first, *lines = content.split(b"\n")[:-1] or [b""]
    number = first.removeprefix(_FROM).decode("ascii", "replace")
    known = all(line[:1] in {b"+", b"-"} and _LINE.fullmatch(line[1:]) for line in lines)
    if not first.startswith(_FROM) or not _NUMBER.fullmatch(number) or not known:
        raise ListRefused("a delta can not be read")
    gone, came = ([line[1:] for line in lines if line.startswith(sign)] for sign in (b"-", b"+"))
    return int(number), gone, came


# Takes the name of a file of the list (`head`, `NUMBER.list`, `NUMBER.delta`); raises OSError when there is none.
Fetch = Callable[[str], bytes]


def _written(instant: datetime) -> str:
    return instant.astimezone(UTC).strftime(_TIME)


def _parsed(text: str) -> datetime:
    return datetime.strptime(text, _TIME).replace(tzinfo=UTC)
