"""The audit log: entries written with the deed, sealed into a Merkle tree, checkable by outsiders.

No audit row, no deed: `record` joins the transaction of what it records.
"""

from kernel.audit.entries import Actor, AuditEntry, customer, job, operator, record, staff, terminal
from kernel.audit.history import PastDeed, history
from kernel.audit.sealing import AuditCheckpoint, CheckpointSigner, latest_checkpoint, seal, verify

__all__ = [
    "Actor",
    "AuditCheckpoint",
    "AuditEntry",
    "CheckpointSigner",
    "PastDeed",
    "customer",
    "history",
    "job",
    "latest_checkpoint",
    "operator",
    "record",
    "seal",
    "staff",
    "terminal",
    "verify",
]
