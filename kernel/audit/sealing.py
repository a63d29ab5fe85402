"""Sealing: entries get their place in the Merkle tree, and signed checkpoints commit us to it.

The order of effects: leaves, tiles and the tree's edge in one transaction; then, outside of any, the head is checked
against the newest checkpoint, in the table and in a memory outside of the database, and signed; then it is put into that
memory; then it is stored, which publishes it. So whatever was published is known outside of what a backup brings back.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Protocol

from sqlalchemy import BigInteger, LargeBinary, Text, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from kernel.audit import proofs, tiles
from kernel.audit.continuations import FIRST, present_number
from kernel.audit.entries import AuditEntry
from kernel.audit.merkle import HASH, Edge, leaf_hash
from kernel.audit.notes import Checkpoint, CheckpointSigner
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
    """A signed tree head; `log` is the number of the log's name under which it was signed."""

    __tablename__ = "kernel_audit_checkpoint"

    log: Mapped[int] = mapped_column(primary_key=True, autoincrement=False, default=FIRST)
    size: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    root: Mapped[bytes] = mapped_column(LargeBinary(32))
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    note: Mapped[str] = mapped_column(Text)


_NEWEST = (AuditCheckpoint.log.desc(), AuditCheckpoint.size.desc())


class Memory(Protocol):
    """What remembers signed heads outside of the database."""

    def heads(self) -> Iterable[Checkpoint]:
        """Return those that are remembered and were signed by the log's key, under whatever name."""

    def keep(self, note: str) -> None:
        """Remember one more; raises when it can not."""


class NoMemory:
    """For logs that nobody relies on: those of tests."""

    def heads(self) -> Iterable[Checkpoint]:
        """Return nothing."""
        return ()

    def keep(self, note: str) -> None:
        """Do nothing."""


NO_MEMORY = NoMemory()


def seal(database: Database, signer: CheckpointSigner, *, now: datetime, memory: Memory = NO_MEMORY) -> int:
    """Give every waiting entry its leaf and sign the new head; return how many entries were sealed.

    A job. A crash after the leaves are placed leaves a head without checkpoint; the next run signs it. Raises
    LogForkedError, and signs nothing, when the newest checkpoint, or one that is remembered, is no part of the tree.
    """
    sealed = 0
    while placed := _place_leaves(database):
        sealed += placed
    with database.snapshot() as session:
        tree = session.get(AuditTree, 1)
        log = present_number(session)
        head = edge_of(tree) if tree else Edge()
        is_signed = not head.size or session.get(AuditCheckpoint, (log, head.size)) is not None
        remembered = {(one.size, one.root) for one in memory.heads() if one.origin == signer.origin}
        # Also while nothing is to be signed: a backup that was brought back must be noticed before it grows.
        if not is_signed or remembered - {(head.size, head.root())}:
            _require_growth(session, log, head, remembered)
        if is_signed:
            return sealed
    note = signer.note(head.size, head.root())
    memory.keep(note)
    values = {"log": log, "size": head.size, "root": head.root(), "at": now, "note": note}
    with database.transaction() as session:
        insert_if_absent(session, AuditCheckpoint, values)
    return sealed


def latest_checkpoint(session: Session) -> AuditCheckpoint | None:
    """Return the newest checkpoint, under the log's present name if that has signed one."""
    return session.scalar(select(AuditCheckpoint).order_by(*_NEWEST).limit(1))


def published_tile(session: Session, name: tiles.TileName) -> bytes | None:
    """Return the hashes of a tile that the newest checkpoint covers; what is not signed for yet is not published."""
    newest = session.scalar(select(AuditCheckpoint.size).order_by(*_NEWEST).limit(1))
    return tiles.stored(session, name) if newest is not None and name.is_within(newest) else None


def edge_of(tree: AuditTree) -> Edge:
    """Return the tree's right edge out of its row."""
    return Edge(tree.size, tuple(tree.edge[at : at + HASH] for at in range(0, len(tree.edge), HASH)))


def _require_growth(session: Session, log: int, head: Edge, remembered: set[tuple[int, bytes]]) -> None:
    """C2SP tlog-checkpoint: a log must not sign a checkpoint that is inconsistent with one that it signed before."""
    of_this = select(AuditCheckpoint).where(AuditCheckpoint.log == log).order_by(AuditCheckpoint.size.desc())
    newest = session.scalar(of_this.limit(1))
    before = (newest.size, newest.root) if newest else (head.size, head.root())
    for old_size, old_root in sorted(remembered | {before}):
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
