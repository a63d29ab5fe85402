"""Consistency proofs that are handed out: the log of a newer checkpoint begins with the whole log of an older one.

The file is text, and is what C2SP tlog-witness lets a log send to its witnesses: `old` and the older size, the proof's hashes
in base64, one a line (RFC 6962 §2.1.2), an empty line, the newer checkpoint. Who checks it must have the older one himself.
"""

import base64
from dataclasses import dataclass

from sqlalchemy.orm import Session

from kernel.audit import notes, proofs, tiles
from kernel.audit.notes import Checkpoint, CheckSignature, NoteError, VerifierKey
from kernel.audit.proofs import ProofError
from kernel.audit.sealing import latest_checkpoint
from kernel.errors import Refused

OLD = "old "


@dataclass(frozen=True)
class ConsistencyProof:
    """How many entries the older log had, the proof, and the newer signed checkpoint (a note) that it leads to."""

    old_size: int
    path: tuple[bytes, ...]
    note: str

    def text(self) -> str:
        """Return the file that is handed out."""
        path = "".join(f"{base64.b64encode(node).decode()}\n" for node in self.path)
        return f"{OLD}{self.old_size}\n{path}\n{self.note}"

    @classmethod
    def read(cls, text: str) -> "ConsistencyProof":
        """Read such a file; raises ProofError."""
        proof, empty, note = text.partition("\n\n")
        old, *path = proof.split("\n")
        if not old.startswith(OLD) or not empty:
            raise ProofError("not a consistency proof")
        try:
            return cls(notes.decimal(old.removeprefix(OLD)), tuple(notes.decoded(node) for node in path), note)
        except NoteError as error:
            raise ProofError(f"not a consistency proof: {error}") from error

    def require_proven(self, old: Checkpoint, check: CheckSignature, key: VerifierKey) -> Checkpoint:
        """Return the newer checkpoint, whose log is proven to begin with the one of `old`, whose signature was checked before.

        `check(signature, text)` raises when `key` did not sign. Raises ProofError and NoteError.
        """
        newer = notes.opened(self.note, check, key)
        if (old.origin, old.size) != (newer.origin, self.old_size):
            raise ProofError(f"the proof is one of {self.old_size} entries of {newer.origin}, not of {old.size} of {old.origin}")
        proofs.require_consistent(old.size, old.root, newer.size, newer.root, self.path)
        return newer


def consistency_proof(session: Session, old_note: str, *, check: CheckSignature, note: str | None = None) -> ConsistencyProof:
    """Prove that the log of a checkpoint of ours, the newest by default, begins with the one of an older checkpoint of ours.

    Raises Refused("audit-log-unsealed") before there is a checkpoint, NoteError for a note that is not ours, and ProofError
    when the checkpoints are of two names of the log, the older is not older, or our own proof proves nothing: run `verify` then.
    """
    newest = latest_checkpoint(session) if note is None else None
    note = newest.note if newest else note
    if note is None:
        raise Refused("audit-log-unsealed")
    old, newer = notes.opened(old_note, check), notes.opened(note, check)
    if old.origin != newer.origin:
        raise ProofError(f"the log was signed for as {old.origin} then, and as {newer.origin} later")
    try:
        path = proofs.consistency(tiles.stored_nodes(session), old.size, newer.size)
    except LookupError as error:
        raise ProofError(str(error)) from error
    proofs.require_consistent(old.size, old.root, newer.size, newer.root, path)
    return ConsistencyProof(old.size, tuple(path), note)
