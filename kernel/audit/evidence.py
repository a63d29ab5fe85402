"""What others hold in their hands: receipts, checkpoints and consistency proofs, judged by the log's verifier key alone."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from kernel.audit import notes
from kernel.audit.consistency import OLD, ConsistencyProof
from kernel.audit.notes import Checkpoint, CheckSignature, VerifierKey
from kernel.audit.proofs import ProofError
from kernel.audit.receipts import Receipt


@dataclass(frozen=True)
class Proven:
    """What the files prove: `receipts` with the checkpoints that they lead to, and that `newest` begins with all of `older`."""

    receipts: tuple[tuple[Receipt, Checkpoint], ...]
    newest: Checkpoint
    older: tuple[Checkpoint, ...]


def note_in(text: str) -> str:
    """Return the checkpoint in a receipt or a consistency proof; any other text is taken for a checkpoint. Raises ProofError."""
    if text.startswith("{"):
        return Receipt.read(text).note
    return ConsistencyProof.read(text).note if text.startswith(OLD) else text


def prove(texts: Sequence[str], check: CheckSignature, key: VerifierKey) -> Proven:
    """Return what the files prove together, in whatever order: one log, which has only grown.

    Every receipt must lead to its checkpoint, and of every checkpoint but the newest a consistency proof must lead to a newer
    one: two that grew from a third may still be two logs. `check(signature, text)` raises when `key` did not sign. Raises
    ProofError, also without any file, and NoteError.
    """
    shown = _Shown(check, key)
    receipts = [Receipt.read(text) for text in texts if text.startswith("{")]
    proven = tuple((receipt, receipt.require_proven(check, key)) for receipt in receipts)
    for text in texts:
        shown.add(note_in(text))
    grown = {shown.grown(ConsistencyProof.read(text)) for text in texts if text.startswith(OLD)}
    *older, newest = shown.in_order()
    for head in older:
        if head.size not in grown:
            raise ProofError(
                f"no proof (`tegata audit consistency`) leads from the checkpoint of {head.size} entries to a newer one"
            )
    return Proven(proven, newest, tuple(older))


@dataclass
class _Shown:
    """The signed heads of all files, by their sizes."""

    check: CheckSignature
    key: VerifierKey
    heads: dict[int, Checkpoint] = field(default_factory=dict)

    def add(self, note: str) -> None:
        head = notes.opened(note, self.check, self.key)
        if self.heads.setdefault(head.size, head) != head:
            raise ProofError(
                f"two different logs of {head.size} entries were signed for: keep both checkpoints, they convict the log"
            )

    def grown(self, proof: ConsistencyProof) -> int | None:
        """Return the size from which a log is proven to have grown; None for a proof that a log is itself."""
        if proof.old_size not in self.heads:
            raise ProofError(f"the checkpoint of {proof.old_size} entries is missing, which a consistency proof starts from")
        newer = proof.require_proven(self.heads[proof.old_size], self.check, self.key)
        return proof.old_size if newer.size > proof.old_size else None

    def in_order(self) -> list[Checkpoint]:
        if not self.heads:
            raise ProofError("there is nothing to check")
        return [self.heads[size] for size in sorted(self.heads)]
