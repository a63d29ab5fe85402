"""Checkpoints in signed notes: C2SP tlog-checkpoint and signed-note, with Ed25519. Keys are octets and functions here."""

import base64
import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass

from kernel.audit.merkle import HASH

# C2SP signed-note: signature type 0x01 is Ed25519 over the note's text.
ED25519 = b"\x01"
KEY_ID = 4
# `check(signature, text)` raises when the key did not sign the text.
CheckSignature = Callable[[bytes, bytes], None]

_DECIMAL = re.compile(r"0|[1-9][0-9]{0,18}")


class NoteError(ValueError):
    """A note, checkpoint or verifier key that is malformed or not signed by the key that counts."""


@dataclass(frozen=True)
class Checkpoint:
    """A tree head: how many leaves, which root; `origin` names the log (a schema-less URL)."""

    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> str:
        """The text that is signed (C2SP tlog-checkpoint)."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"


@dataclass(frozen=True)
class VerifierKey:
    """A log's public key and name; `str(key)` is its C2SP vkey: name+key id+type and key."""

    name: str
    public_key: bytes

    def __str__(self) -> str:
        """Return the vkey."""
        return f"{self.name}+{self.key_id.hex()}+{base64.b64encode(ED25519 + self.public_key).decode()}"

    @property
    def key_id(self) -> bytes:
        """The four octets that name the key in a signature line."""
        return hashlib.sha256(self.name.encode() + b"\n" + ED25519 + self.public_key).digest()[:KEY_ID]

    @classmethod
    def parse(cls, text: str) -> "VerifierKey":
        """Read a vkey; raises NoteError for one that is no Ed25519 key or contradicts itself."""
        name, _, rest = text.strip().partition("+")
        encoded = rest.partition("+")[2]  # base64, which may hold further plus signs
        key = cls(name, decoded(encoded)[len(ED25519) :])
        if not name or len(key.public_key) != HASH or str(key) != text.strip():
            raise NoteError("not a verifier key of type Ed25519")
        return key


@dataclass(frozen=True)
class CheckpointSigner:
    """What sealing needs of a key: the log's origin (a schema-less URL), the raw Ed25519 public key, and `sign`."""

    origin: str
    public_key: bytes
    sign: Callable[[bytes], bytes]

    @property
    def verifier(self) -> VerifierKey:
        """The public half, as those who check us need it."""
        return VerifierKey(self.origin, self.public_key)

    def note(self, size: int, root: bytes) -> str:
        """Return the signed checkpoint of a tree head."""
        return self.signed(Checkpoint(self.origin, size, root).text)

    def signed(self, text: str) -> str:
        """Return a text, which ends with a line feed, as a signed note."""
        return cosigned(text, self)

    def line(self, text: str) -> str:
        """Return the signature line of a text."""
        signature = self.verifier.key_id + self.sign(text.encode())
        return f"— {self.origin} {base64.b64encode(signature).decode()}\n"


def cosigned(text: str, *signers: CheckpointSigner) -> str:
    """Return a text, which ends with a line feed, as a note with everybody's signature under it."""
    return f"{text}\n" + "".join(signer.line(text) for signer in signers)


def opened(note: str, check: CheckSignature, key: VerifierKey | None = None) -> Checkpoint:
    """Return what a signed checkpoint says.

    Signatures count as in `opened_text`. Raises NoteError.
    """
    try:
        text = opened_text(note, check, key)
    except NoteError:
        raise NoteError("the checkpoint is not signed by the log's key") from None
    checkpoint = _parsed(text)
    # One key may have several names, and what it signed under one of them is no statement of another.
    if key is not None and checkpoint.origin != key.name:
        raise NoteError("the checkpoint is of another log of the same key")
    return checkpoint


def opened_text(note: str, check: CheckSignature, key: VerifierKey | None = None) -> str:
    """Return the text of a signed note.

    With `key` only signatures of that name and key id count, as signed-note wants it; without, those of any name, for
    a log that was renamed. Lines of others (witnesses) are passed over. Raises NoteError.
    """
    text, _, signatures = note.rpartition("\n\n")
    text += "\n"
    for line in signatures.splitlines():
        if _is_signed(text, line, check, key):
            return text
    raise NoteError("the note is not signed by the key that counts")


def decoded(text: str) -> bytes:
    """Decode standard base64; raises NoteError."""
    try:
        return base64.b64decode(text, validate=True)
    except ValueError as error:
        raise NoteError(f"not base64: {text[:80]!r}") from error


def decimal(text: str) -> int:
    """Read a number as all these formats write it: ASCII, without leading zeros; raises NoteError."""
    if not _DECIMAL.fullmatch(text):
        raise NoteError(f"not a number: {text[:80]!r}")
    return int(text)


def _is_signed(text: str, line: str, check: CheckSignature, key: VerifierKey | None) -> bool:
    parts = line.split(" ")
    if len(parts) != len(("—", "name", "signature")) or parts[0] != "—":
        return False
    try:
        signature = decoded(parts[2])
        if key is not None and (parts[1], signature[:KEY_ID]) != (key.name, key.key_id):
            return False
        check(signature[KEY_ID:], text.encode())
    except Exception:  # noqa: BLE001 (whatever the check raises, the signature is not good)
        return False
    return True


def _parsed(text: str) -> Checkpoint:
    lines = text.split("\n")
    if len(lines) != len(("origin", "size", "root", "")) or not lines[0]:
        raise NoteError("not a checkpoint")
    size, root = decimal(lines[1]), decoded(lines[2])
    checkpoint = Checkpoint(lines[0], size, root)
    if len(root) != HASH or checkpoint.text != text:  # base64 has several forms of one root
        raise NoteError("not a checkpoint")
    return checkpoint
