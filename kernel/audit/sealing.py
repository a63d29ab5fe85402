"""Sealing: entries get their place in the Merkle tree, and signed checkpoints commit us to it.

The order of effects: leaves, tiles and the tree's edge in one transaction; then, outside of any, the head is checked
against the newest checkpoint and signed; then the checkpoint is stored, which publishes it.
"""

from collections.abc import Iterator
from datetime import datetime

from sqlalchemy import BigInteger, LargeBinary, Text, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from kernel.audit import proofs, tiles
from kernel.audit.entries import AuditEntry
from kernel.audit.merkle import HASH, Edge, leaf_hash
from kernel.audit.notes import CheckpointSigner
from kernel.audit.proofs import ProofError
from kernel.database import Base, Database, UtcDateTime, insert_if_absent

BATCH = 5_000


class LogForkedError(Exception):
    """The tables no longer hold the log that we signed for: restored from an older backup, or tampered with."""


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


def seal(database: Database, signer: CheckpointSigner, *, now: datetime) -> int:
    """Give every waiting entry its leaf and sign the new head; return how many entries were sealed.

    A job. A crash after the leaves are placed leaves a head without checkpoint; the next run signs it. Raises
    LogForkedError, and signs nothing, when the newest checkpoint is no part of the tree.
    """
    sealed = 0
    while placed := _place_leaves(database):
        sealed += placed
    with database.snapshot() as session:
        tree = session.get(AuditTree, 1)
        if tree is None or tree.size == 0 or session.get(AuditCheckpoint, tree.size) is not None:
            return sealed
        head = edge_of(tree)
        _require_growth(session, head)
    note = signer.note(head.size, head.root())
    with database.transaction() as session:
        insert_if_absent(session, AuditCheckpoint, {"size": head.size, "root": head.root(), "at": now, "note": note})
    return sealed


def latest_checkpoint(session: Session) -> AuditCheckpoint | None:
    """Return the newest checkpoint."""
    return session.scalar(select(AuditCheckpoint).order_by(AuditCheckpoint.size.desc()).limit(1))


def published_tile(session: Session, name: tiles.TileName) -> bytes | None:
    """Return the hashes of a tile that the newest checkpoint covers; what is not signed for yet is not published."""
    newest = session.scalar(select(AuditCheckpoint.size).order_by(AuditCheckpoint.size.desc()).limit(1))
    return tiles.stored(session, name) if newest is not None and name.is_within(newest) else None


def edge_of(tree: AuditTree) -> Edge:
    """Return the tree's right edge out of its row."""
    return Edge(tree.size, tuple(tree.edge[at : at + HASH] for at in range(0, len(tree.edge), HASH)))


def _require_growth(session: Session, head: Edge) -> None:
    """C2SP tlog-checkpoint: a log must not sign a checkpoint that is inconsistent with one that it signed before."""
    newest = latest_checkpoint(session)
    old_size, old_root = (newest.size, newest.root) if newest else (head.size, head.root())
    try:
        path = proofs.consistency(tiles.stored_nodes(session), old_size, head.size)
        proofs.require_consistent(old_size, old_root, head.size, head.root(), path)
    except (ProofError, LookupError) as error:
        raise LogForkedError(f"checkpoint {old_size} is no part of the tree of {head.size} leaves: {error}") from error


def _place_leaves(database: Database) -> int:
    waiting = select(AuditEntry).where(AuditEntry.leaf_index.is_(None)).order_by(AuditEntry.id).limit(BATCH)
    with database.snapshot() as session:
        if session.scalar(waiting.with_only_columns(AuditEntry.id).limit(1)) is None:
            return 0
    with database.transaction() as session:
        insert_if_absent(session, AuditTree, {"id": 1, "size": 0, "edge": b""})
        tree = session.scalars(select(AuditTree).with_for_update()).one()
        edge = edge_of(tree)
        entries = session.scalars(waiting).all()
        for entry in entries:
            entry.leaf_index = edge.size
            edge.append(leaf_hash(entry.commitment))
        tree.size, tree.edge = edge.size, b"".join(edge.roots)
        session.flush()
        tiles.grow(session, _leaves_without_tile(session))
        return len(entries)


def _leaves_without_tile(session: Session) -> Iterator[bytes]:
    """Return the leaf hashes that no tile holds: those just placed, and all of a log from before there were tiles."""
    query = select(AuditEntry.commitment).where(AuditEntry.leaf_index >= tiles.width(session)).order_by(AuditEntry.leaf_index)
    for commitment in session.scalars(query.execution_options(yield_per=BATCH)):
        yield leaf_hash(commitment)
