"""Sealing: entries get their place in the Merkle tree, and signed checkpoints commit us to it.

A checkpoint is a C2SP tlog-checkpoint in a C2SP signed-note envelope, signed with Ed25519.
"""

import base64
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import BigInteger, LargeBinary, Text, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from kernel.audit.entries import AuditEntry
from kernel.audit.merkle import Edge, leaf_hash
from kernel.database import Base, Database, UtcDateTime, insert_if_absent

BATCH = 5_000
# C2SP signed-note: signature type 0x01 is Ed25519 over the note's text.
ED25519 = b"\x01"


class AuditTree(Base):
    """The tree's right edge: one row, locked by whoever seals."""

    __tablename__ = "kernel_audit_tree"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    size: Mapped[int] = mapped_column(BigInteger)
    edge: Mapped[bytes] = mapped_column(LargeBinary)


class AuditCheckpoint(Base):
    """A signed tree head."""

    __tablename__ = "kernel_audit_checkpoint"

    size: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    root: Mapped[bytes] = mapped_column(LargeBinary(32))
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    note: Mapped[str] = mapped_column(Text)


@dataclass(frozen=True)
class CheckpointSigner:
    """What sealing needs of a key: the log's origin (a schema-less URL), the raw Ed25519 public key, and `sign`."""

    origin: str
    public_key: bytes
    sign: Callable[[bytes], bytes]

    def note(self, size: int, root: bytes) -> str:
        """Return the signed checkpoint of a tree head."""
        text = checkpoint_text(self.origin, size, root)
        signature = key_hash(self.origin, self.public_key) + self.sign(text.encode())
        return f"{text}\n— {self.origin} {base64.b64encode(signature).decode()}\n"


def checkpoint_text(origin: str, size: int, root: bytes) -> str:
    """Return the text that is signed (C2SP tlog-checkpoint)."""
    return f"{origin}\n{size}\n{base64.b64encode(root).decode()}\n"


def key_hash(name: str, public_key: bytes) -> bytes:
    """Return the four octets that name a key in a signed note (C2SP signed-note)."""
    return hashlib.sha256(name.encode() + b"\n" + ED25519 + public_key).digest()[:4]


def seal(database: Database, signer: CheckpointSigner, *, now: datetime) -> int:
    """Give every waiting entry its leaf and sign the new head; return how many entries were sealed.

    A job. A crash after the leaves are placed leaves a head without checkpoint; the next run signs it.
    """
    sealed = 0
    while placed := _place_leaves(database):
        sealed += placed
    with database.snapshot() as session:
        tree = session.get(AuditTree, 1)
        if tree is None or tree.size == 0 or session.get(AuditCheckpoint, tree.size) is not None:
            return sealed
        head = _edge(tree)
    note = signer.note(head.size, head.root())
    with database.transaction() as session:
        insert_if_absent(session, AuditCheckpoint, {"size": head.size, "root": head.root(), "at": now, "note": note})
    return sealed


def verify(database: Database, check_signature: Callable[[bytes, bytes], None]) -> list[str]:
    """Recompute the whole log and return what is wrong with it, one sentence each; an empty list is a clean log.

    `check_signature(signature, text)` raises when the checkpoint key did not sign the text.
    """
    with database.snapshot() as session:
        checkpoints = {c.size: c for c in session.scalars(select(AuditCheckpoint))}
        faults: list[str] = []
        edge = Edge()
        for entry in _sealed_entries(session):
            if entry.leaf_index != edge.size:
                faults.append(f"leaf {edge.size} is missing")
                break
            if entry.recomputed_commitment() != entry.commitment:
                faults.append(f"entry {entry.id} was changed after it was written")
            edge.append(leaf_hash(entry.recomputed_commitment()))
            if (checkpoint := checkpoints.pop(edge.size, None)) is not None:
                faults += _faults_of(checkpoint, edge.root(), check_signature)
        faults += [f"checkpoint {size} covers leaves that are gone" for size in sorted(checkpoints)]
        tree = session.get(AuditTree, 1)
        if (tree.size if tree else 0, _edge(tree).roots if tree else []) != (edge.size, edge.roots):
            faults.append("the tree's edge does not match the entries")
        return faults


def _faults_of(checkpoint: AuditCheckpoint, root: bytes, check_signature: Callable[[bytes, bytes], None]) -> Iterator[str]:
    if checkpoint.root != root:
        yield f"checkpoint {checkpoint.size} does not match the entries"
    text, _, signature_line = checkpoint.note.partition("\n\n")
    if text.split("\n")[1:] != [str(checkpoint.size), base64.b64encode(root).decode()]:
        yield f"checkpoint {checkpoint.size} says something else than its row"
    try:
        check_signature(base64.b64decode(signature_line.split()[-1])[4:], (text + "\n").encode())
    except Exception:  # noqa: BLE001 (whatever the check raises, the signature is not good)
        yield f"checkpoint {checkpoint.size} is not signed by the log's key"


def _place_leaves(database: Database) -> int:
    waiting = select(AuditEntry).where(AuditEntry.leaf_index.is_(None)).order_by(AuditEntry.id).limit(BATCH)
    with database.snapshot() as session:
        if session.scalar(waiting.with_only_columns(AuditEntry.id).limit(1)) is None:
            return 0
    with database.transaction() as session:
        insert_if_absent(session, AuditTree, {"id": 1, "size": 0, "edge": b""})
        tree = session.scalars(select(AuditTree).with_for_update()).one()
        edge = _edge(tree)
        entries = session.scalars(waiting).all()
        for entry in entries:
            entry.leaf_index = edge.size
            edge.append(leaf_hash(entry.commitment))
        tree.size, tree.edge = edge.size, b"".join(edge.roots)
        return len(entries)


def _edge(tree: AuditTree) -> Edge:
    return Edge(tree.size, tuple(tree.edge[at : at + 32] for at in range(0, len(tree.edge), 32)))


def _sealed_entries(session: Session) -> Iterator[AuditEntry]:
    query = select(AuditEntry).where(AuditEntry.leaf_index.is_not(None)).order_by(AuditEntry.leaf_index)
    yield from session.scalars(query.execution_options(yield_per=BATCH))


def latest_checkpoint(session: Session) -> AuditCheckpoint | None:
    """Return the newest checkpoint."""
    return session.scalar(select(AuditCheckpoint).order_by(AuditCheckpoint.size.desc()).limit(1))
