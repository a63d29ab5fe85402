"""The audit log: entries written with the deed, sealed into a Merkle tree, checkable by outsiders.

No audit row, no deed: `record` joins the transaction of what it records.
"""

from kernel.audit.consistency import ConsistencyProof, consistency_proof
from kernel.audit.continuations import LogName, found, names
from kernel.audit.entries import (
    Actor,
    AuditEntry,
    Subject,
    customer,
    job,
    operator,
    record,
    record_all,
    record_each,
    staff,
    terminal,
)
from kernel.audit.evidence import Proven, note_in, prove
from kernel.audit.history import PastDeed, history
from kernel.audit.notes import Checkpoint, CheckpointSigner, NoteError, VerifierKey, opened
from kernel.audit.proofs import ProofError
from kernel.audit.receipts import Receipt, receipt
from kernel.audit.recovery import Found, Recovery, examine
from kernel.audit.sealing import AuditCheckpoint, LogForkedError, latest_checkpoint, published_tile, seal
from kernel.audit.tiles import TileName
from kernel.audit.verification import verify

__all__ = [
    "Actor",
    "AuditCheckpoint",
    "AuditEntry",
    "Checkpoint",
    "CheckpointSigner",
    "ConsistencyProof",
    "Found",
    "LogForkedError",
    "LogName",
    "NoteError",
    "PastDeed",
    "ProofError",
    "Proven",
    "Receipt",
    "Recovery",
    "Subject",
    "TileName",
    "VerifierKey",
    "consistency_proof",
    "customer",
    "examine",
    "found",
    "history",
    "job",
    "latest_checkpoint",
    "names",
    "note_in",
    "opened",
    "operator",
    "prove",
    "published_tile",
    "receipt",
    "record",
    "record_all",
    "record_each",
    "seal",
    "staff",
    "terminal",
    "verify",
]
