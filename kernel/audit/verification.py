"""Checking the whole log: entries, tree, tiles and every checkpoint that was signed or is shown to us must agree."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from sqlalchemy import select
from sqlalchemy.orm import Session

from kernel.audit import continuations, notes, tiles
from kernel.audit.continuations import LogName
from kernel.audit.entries import AuditEntry
from kernel.audit.merkle import Edge, leaf_hash
from kernel.audit.notes import Checkpoint, CheckSignature, NoteError
from kernel.audit.sealing import BATCH, AuditCheckpoint, AuditTree, edge_of
from kernel.audit.tiles import WIDTH, AuditTile, Tiling
from kernel.database import Database


def verify(database: Database, check_signature: CheckSignature, *, earlier: Sequence[str] = ()) -> list[str]:
    """Recompute the whole log and return what is wrong with it, one sentence each; an empty list is a clean log.

    `check_signature(signature, text)` raises when the checkpoint key did not sign the text. `earlier` are checkpoints
    that somebody kept: they convict us even when the tables were rolled back as a whole. What was lost and stated to be
    (`recovery`) is no fault: `continuations.names` tells of it.
    """
    with database.snapshot() as session:
        return _Verification(session, check_signature).run(earlier)


@dataclass
class _Verification:
    session: Session
    check_signature: CheckSignature
    faults: list[str] = field(default_factory=list)
    known: list[LogName] = field(default_factory=list)
    # Heads of which it is stated that what they cover was lost.
    lost: set[tuple[int, bytes]] = field(default_factory=set)

    def run(self, earlier: Sequence[str]) -> list[str]:
        self._read_names()
        kept = self._kept(earlier)
        # A busy log has millions of them: they are read beside the leaves, in the same order.
        rows = self._heads()
        row = next(rows, None)
        edge, tiling = Edge(), Tiling()
        for leaf in self._leaves():
            edge.append(leaf)
            tiling.append(leaf)
            if edge.size % WIDTH == 0:
                self._compare(tiling.take(only_full=True))
            while row is not None and row.size <= edge.size:
                self.faults += _faults_of_row(row, edge.root(), self.check_signature)
                row = next(rows, None)
            for checkpoint in kept.pop(edge.size, ()):
                if checkpoint.root != edge.root():
                    self.faults.append(f"the earlier checkpoint of {edge.size} entries does not match the entries")
        self._compare(tiling.take())
        gone = [] if row is None else [row.size, *(later.size for later in rows)]
        self._finish(edge, gone, [*kept])
        return self.faults

    def _finish(self, edge: Edge, rows: list[int], kept: list[int]) -> None:
        self.faults += [f"checkpoint {size} covers leaves that are gone" for size in sorted(rows)]
        self.faults += [f"the earlier checkpoint of {size} entries covers leaves that are gone" for size in sorted(kept)]
        tree = self.session.get(AuditTree, 1)
        if (tree.size if tree else 0, edge_of(tree).roots if tree else []) != (edge.size, edge.roots):
            self.faults.append("the tree's edge does not match the entries")
        if tiles.width(self.session) > edge.size or tiles.count(self.session) > _tiles_of(edge.size):
            self.faults.append("there are tiles of leaves that are gone")

    def _read_names(self) -> None:
        """Learn under which names the log was signed for, and what of that is stated to be lost, and signed."""
        self.known = continuations.names(self.session)
        for before, name in pairwise(self.known):
            if not self._is_stated(before, name):
                self.faults.append(f"nothing that is signed says why the log goes on as {name.origin}")
            limit = continuations.kept_of(self.known, before.number)
            beyond = select(AuditCheckpoint).where(AuditCheckpoint.log == before.number, AuditCheckpoint.size > limit)
            for row in self.session.scalars(beyond.execution_options(yield_per=BATCH)):
                self.faults += _faults_of_row(row, row.root, self.check_signature)
                self.lost.add((row.size, row.root))

    def _is_stated(self, before: LogName, name: LogName) -> bool:
        try:
            text = notes.opened_text(name.statement or "", self.check_signature)
        except NoteError:
            return False
        return continuations.is_stated(text, before, name)

    def _heads(self) -> Iterator[AuditCheckpoint]:
        """Yield the rows that must be true, in the order of their sizes: all but those that are stated to be lost."""
        query = select(AuditCheckpoint).order_by(AuditCheckpoint.size, AuditCheckpoint.log)
        limits = {name.number: continuations.kept_of(self.known, name.number) for name in self.known}
        for row in self.session.scalars(query.execution_options(yield_per=WIDTH)):
            limit = limits.get(row.log)
            if limit is None or row.size <= limit:
                yield row

    def _kept(self, earlier: Sequence[str]) -> dict[int, list[Checkpoint]]:
        kept: dict[int, list[Checkpoint]] = {}
        for note in earlier:
            try:
                checkpoint = notes.opened(note, self.check_signature)
            except NoteError as error:
                self.faults.append(f"an earlier checkpoint cannot be used: {error}")
            else:
                if (checkpoint.size, checkpoint.root) not in self.lost:
                    kept.setdefault(checkpoint.size, []).append(checkpoint)
        return kept

    def _leaves(self) -> Iterator[bytes]:
        query = select(AuditEntry).where(AuditEntry.leaf_index.is_not(None)).order_by(AuditEntry.leaf_index)
        for index, entry in enumerate(self.session.scalars(query.execution_options(yield_per=BATCH))):
            if entry.leaf_index != index:
                self.faults.append(f"leaf {index} is missing")
                return
            commitment = entry.recomputed_commitment()
            if commitment != entry.commitment:
                self.faults.append(f"entry {entry.id} was changed after it was written")
            yield leaf_hash(commitment)

    def _compare(self, expected: Mapping[tuple[int, int], bytes]) -> None:
        for (level, position), hashes in expected.items():
            tile = self.session.get(AuditTile, (level, position))
            if tile is None or tile.hashes != hashes:
                self.faults.append(f"tile {level}/{position} does not match the entries")


def _faults_of_row(row: AuditCheckpoint, root: bytes, check_signature: CheckSignature) -> Iterator[str]:
    if row.root != root:
        yield f"checkpoint {row.size} does not match the entries"
    try:
        stated = notes.opened(row.note, check_signature)
    except NoteError:
        yield f"checkpoint {row.size} is not signed by the log's key"
        return
    if (stated.size, stated.root) != (row.size, root):
        yield f"checkpoint {row.size} says something else than its row"


def _tiles_of(size: int) -> int:
    """Return how many tiles a tree has."""
    number = 0
    while size:
        number += -(-size // WIDTH)
        size //= WIDTH
    return number
