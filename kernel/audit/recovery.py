"""Going on after entries were lost that had been signed for: the operator's deed, never a job's.

What stands is placed anew as it stands; the log gets its next name; what was lost is told in an entry, in a signed statement
and by the checkpoints themselves, which stay. Whoever kept one of them sees that the name ended, and why.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from kernel.audit import continuations, notes
from kernel.audit.continuations import AuditLog, LogName, Statement
from kernel.audit.entries import Actor, AuditEntry, record
from kernel.audit.merkle import Edge, leaf_hash
from kernel.audit.notes import Checkpoint, CheckpointSigner, CheckSignature
from kernel.audit.sealing import BATCH, AuditCheckpoint, AuditTree
from kernel.audit.tiles import AuditTile, Tiling
from kernel.database import Database, insert_if_absent
from kernel.errors import Refused, Unavailable


@dataclass(frozen=True)
class Found:
    """How the log stands: its present name, the leaves that are there, and which of its signed heads are true of them.

    `kept` is the size of the last true head before any lost one.
    """

    name: LogName
    size: int
    kept: int
    lost: tuple[Checkpoint, ...]


@dataclass
class _Reading:
    """The tree over the entries as they are, and the heads that it is compared with."""

    heads: dict[int, set[Checkpoint]]
    edge: Edge = field(default_factory=Edge)
    tiling: Tiling = field(default_factory=Tiling)
    true: list[int] = field(default_factory=list)

    def add(self, leaf: bytes) -> None:
        self.edge.append(leaf)
        self.tiling.append(leaf)
        if (heads := self.heads.get(self.edge.size)) is not None:
            root = self.edge.root()
            self.heads[self.edge.size] = {head for head in heads if head.root != root}
            if self.heads[self.edge.size] != heads:
                self.true.append(self.edge.size)

    def found(self, name: LogName) -> Found:
        lost = sorted({head for heads in self.heads.values() for head in heads}, key=lambda head: (head.size, head.root))
        # Two heads of which only one can be true were both signed: nothing from there on is proven by either.
        end = min((head.size for head in lost), default=self.edge.size + 1)
        kept = max((size for size in self.true if size < end), default=0)
        return Found(name, self.edge.size, kept, tuple(lost))


def examine(session: Session, check: CheckSignature, shown: Sequence[str] = ()) -> Found:
    """Compare the log with every head that was signed for under its present name; `shown` are checkpoints that were kept.

    Raises Refused("audit-log-unfounded"); NoteError for a checkpoint that is not ours.
    """
    name, reading = _begin(session, check, shown)
    for entry in _placed(session):
        reading.add(leaf_hash(entry.commitment))
    return reading.found(name)


@dataclass(frozen=True)
class Recovery:
    """What lets a log go on. `signer` returns what signs under a name; `check` raises when our key did not sign."""

    database: Database
    signer: Callable[[str], CheckpointSigner]
    check: CheckSignature

    def go_on(self, now: datetime, actor: Actor, reason: str, *, shown: Sequence[str] = ()) -> str:
        """Let the log go on under its next name and return the signed statement.

        Raises Refused("audit-log-whole") when nothing that was signed for is lost, and as `examine` does. The next sealing
        signs the first head under the new name.
        """
        with self.database.snapshot() as session:
            found = examine(session, self.check, shown)
            first = continuations.names(session)[0].origin
        if not found.lost:
            raise Refused("audit-log-whole", origin=found.name.origin, entries=found.size)
        after = f"{first}/{found.name.number + 1}"
        statement = Statement(found.name.origin, after, now, found.kept, found.lost, reason)
        signed = notes.cosigned(statement.text, self.signer(statement.before), self.signer(after))
        with self.database.transaction() as session:
            session.scalars(select(AuditTree).with_for_update()).all()
            if _place_anew(session, self.check, shown) != found:
                raise Unavailable("the audit log changed meanwhile", retry_after=1)
            _keep(session, shown, now)
            _rename(session, found.name.number + 1, statement, signed, actor)
        return signed


def _begin(session: Session, check: CheckSignature, shown: Sequence[str]) -> tuple[LogName, _Reading]:
    """Collect every head that was ever signed for, but for those of which it is stated that they were lost."""
    names = continuations.names(session)
    if not names:
        raise Refused("audit-log-unfounded")
    origins = {name.number: name.origin for name in names}
    lost: set[Checkpoint] = set()
    heads: dict[int, set[Checkpoint]] = {}
    for log, size, root in session.execute(select(AuditCheckpoint.log, AuditCheckpoint.size, AuditCheckpoint.root)):
        head, limit = Checkpoint(origins[log], size, root), continuations.kept_of(names, log)
        if limit is None or size <= limit:
            heads.setdefault(size, set()).add(head)
        else:
            lost.add(head)
    for head in (notes.opened(note, check) for note in shown):
        if head.origin in origins.values() and head not in lost:
            heads.setdefault(head.size, set()).add(head)
    return names[-1], _Reading(heads)


def _placed(session: Session) -> Iterator[AuditEntry]:
    query = select(AuditEntry).where(AuditEntry.leaf_index.is_not(None)).order_by(AuditEntry.leaf_index)
    yield from session.scalars(query.execution_options(yield_per=BATCH))


def _place_anew(session: Session, check: CheckSignature, shown: Sequence[str]) -> Found:
    """Close gaps between the leaves, and write tree and tiles over what is there."""
    name, reading = _begin(session, check, shown)
    session.execute(delete(AuditTile))
    moved: list[tuple[AuditEntry, int]] = []
    for entry in _placed(session):
        if entry.leaf_index != reading.edge.size:
            moved.append((entry, reading.edge.size))
        reading.add(leaf_hash(entry.commitment))
    for entry, index in moved:  # downwards only and in order, so that no two have one place at any time
        entry.leaf_index = index
        session.flush()
    for (level, position), hashes in reading.tiling.take().items():
        session.add(AuditTile(level=level, position=position, hashes=hashes))
    edge = {"size": reading.edge.size, "edge": b"".join(reading.edge.roots)}
    session.merge(AuditTree(id=1, **edge))
    return reading.found(name)


def _keep(session: Session, shown: Sequence[str], now: datetime) -> None:
    """Keep heads that the tables do not have: they are the evidence."""
    numbers = {name.origin: name.number for name in continuations.names(session)}
    for note in shown:
        head = notes.opened(note, lambda _signature, _text: None)  # it was checked before
        if head.origin in numbers:
            values = {"log": numbers[head.origin], "size": head.size, "root": head.root, "at": now, "note": note}
            insert_if_absent(session, AuditCheckpoint, values)


def _rename(session: Session, number: int, statement: Statement, signed: str, actor: Actor) -> None:
    row = {"number": number, "origin": statement.after, "begun_at": statement.at, "kept": statement.kept}
    session.add(AuditLog(**row, statement=signed))
    newest = statement.lost[-1]
    record(
        session,
        now=statement.at,
        actor=actor,
        action="log.continue",
        subject=f"log:{number}",
        office_code=None,
        before=statement.before,
        after=statement.after,
        kept=statement.kept,
        lost=newest.size,
        lost_root=newest.root.hex(),
        reason=statement.reason,
    )
