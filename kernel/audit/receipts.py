"""Receipts: one entry opened to those whom it concerns, with the proof that it is in the public log.

A receipt is JSON: `entry` (what was recorded), `salt` (hexadecimal; without it the leaf tells nothing) and `proof`, a
C2SP tlog-proof: index, audit path and the checkpoint that it leads to. It needs neither us nor our database to be checked.
"""

import base64
import json
from dataclasses import asdict, dataclass

from sqlalchemy.orm import Session

from kernel.audit import notes, proofs, tiles
from kernel.audit.entries import AuditEntry, Content
from kernel.audit.merkle import leaf_hash
from kernel.audit.notes import Checkpoint, CheckSignature, VerifierKey
from kernel.audit.proofs import ProofError
from kernel.audit.sealing import latest_checkpoint
from kernel.errors import Refused

HEADER = "c2sp.org/tlog-proof@v1"


@dataclass(frozen=True)
class Receipt:
    """An opened entry, its place in the log, and the signed checkpoint (a note) that the path leads to."""

    content: Content
    salt: bytes
    index: int
    path: tuple[bytes, ...]
    note: str

    def text(self) -> str:
        """Return the file that is handed out."""
        path = "".join(f"{base64.b64encode(node).decode()}\n" for node in self.path)
        proof = f"{HEADER}\nindex {self.index}\n{path}\n{self.note}"
        return json.dumps({"entry": asdict(self.content), "salt": self.salt.hex(), "proof": proof}, ensure_ascii=False, indent=2)

    @classmethod
    def read(cls, text: str) -> "Receipt":
        """Read such a file; raises ProofError."""
        try:
            read = json.loads(text)
            content = Content(**read["entry"])
            proof, _, note = read["proof"].partition("\n\n")
            header, index, *path = proof.split("\n")
            if header != HEADER or not index.startswith("index "):
                raise ProofError("not a tlog-proof")
            nodes = tuple(notes.decoded(node) for node in path)
            content.commitment(b"")  # which can not be made of half characters (JSON can write them)
            return cls(content, bytes.fromhex(read["salt"]), notes.decimal(index.removeprefix("index ")), nodes, note)
        except (KeyError, TypeError, AttributeError, ValueError, RecursionError) as error:
            raise ProofError(f"not a receipt: {error}") from error

    def require_proven(self, check: CheckSignature, key: VerifierKey) -> Checkpoint:
        """Return the receipt's checkpoint, in whose log the entry is proven to be.

        `check(signature, text)` raises when `key` did not sign. Raises ProofError and NoteError.
        """
        checkpoint = notes.opened(self.note, check, key)
        leaf = leaf_hash(self.content.commitment(self.salt))
        proofs.require_included(leaf, self.index, checkpoint.size, self.path, checkpoint.root)
        return checkpoint


def receipt(session: Session, entry_id: int, *, check: CheckSignature, note: str | None = None) -> Receipt:
    """Open an entry and prove it against a checkpoint of ours, the newest by default.

    Raises Refused("audit-entry-unknown"), Refused("audit-entry-unsealed") for one that the checkpoint does not cover,
    NoteError for a note that is not ours, and ProofError when our own proof proves nothing: run `verify` then.
    """
    entry = session.get(AuditEntry, entry_id)
    if entry is None:
        raise Refused("audit-entry-unknown", entry=entry_id)
    newest = latest_checkpoint(session) if note is None else None
    note = newest.note if newest else note
    if note is None:
        raise Refused("audit-entry-unsealed", entry=entry_id)
    checkpoint = notes.opened(note, check)
    if entry.leaf_index is None or entry.leaf_index >= checkpoint.size:
        raise Refused("audit-entry-unsealed", entry=entry_id)
    try:
        path = proofs.inclusion(tiles.stored_nodes(session), entry.leaf_index, checkpoint.size)
    except LookupError as error:
        raise ProofError(str(error)) from error
    leaf = leaf_hash(entry.recomputed_commitment())
    proofs.require_included(leaf, entry.leaf_index, checkpoint.size, path, checkpoint.root)
    return Receipt(entry.content(), entry.salt, entry.leaf_index, tuple(path), note)
