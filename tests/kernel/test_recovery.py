"""A log that lost what it had signed for: it stops, and goes on only under another name, saying what was lost."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from kernel import audit
from kernel.audit import AuditCheckpoint, AuditEntry, Checkpoint, CheckpointSigner, LogForkedError, NoteError, Recovery, notes
from kernel.audit.continuations import AuditLog
from kernel.audit.sealing import AuditTree
from kernel.audit.tiles import AuditTile
from kernel.database import Database
from kernel.errors import Refused
from tests.support.clock import MORNING

ORIGIN = "status.example.jp"
OPERATOR = audit.operator("cli/0")


@dataclass
class Remembered:
    """A memory outside of the database."""

    notes: list[str] = field(default_factory=list)

    def heads(self) -> Iterable[Checkpoint]:
        return [notes.opened(note, lambda _signature, _text: None) for note in self.notes[-1:]]

    def keep(self, note: str) -> None:
        self.notes.append(note)


@dataclass
class Log:
    """A log with its key and a memory."""

    database: Database
    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    memory: Remembered = field(default_factory=Remembered)

    def signer(self, origin: str = ORIGIN) -> CheckpointSigner:
        return CheckpointSigner(origin, self.key.public_key().public_bytes_raw(), self.key.sign)

    @property
    def origin(self) -> str:
        with self.database.transaction() as session:
            return audit.found(session, ORIGIN, MORNING).origin

    def write(self, *names: str) -> None:
        with self.database.transaction() as session:
            for name in names:
                audit.record(session, now=MORNING, actor=audit.staff("sato"), action="a.do", subject=f"a:{name}")
        audit.seal(self.database, self.signer(self.origin), now=MORNING, memory=self.memory)

    def restore(self, size: int) -> None:
        """Bring the whole database back to what it was at a checkpoint, as a backup does."""
        with self.database.transaction() as session:
            rows = session.scalars(select(AuditEntry).order_by(AuditEntry.leaf_index)).all()
            session.execute(delete(AuditEntry).where(AuditEntry.id.not_in([row.id for row in rows][:size])))
            session.execute(delete(AuditCheckpoint).where(AuditCheckpoint.size > size))
            session.execute(delete(AuditTile))
            session.execute(delete(AuditTree))
            session.execute(update(AuditEntry).values(leaf_index=None))
        audit.seal(self.database, self.signer(), now=MORNING)

    def go_on(self, *shown: str, reason: str = "the backup of\nthe 21st") -> str:
        return Recovery(self.database, self.signer, self.check).go_on(MORNING, OPERATOR, reason, shown=shown)

    def check(self, signature: bytes, text: bytes) -> None:
        self.key.public_key().verify(signature, text)

    def faults(self, *earlier: str) -> list[str]:
        return audit.verify(self.database, self.check, earlier=earlier)


@pytest.fixture
def log(database: Database) -> Log:
    """Return a log of three, five and seven entries under three checkpoints."""
    log = Log(database)
    for names in ("abc", "de", "fg"):
        log.write(*names)
    return log


def test_a_restored_database_does_not_know_what_it_signed_and_the_memory_stops_it(log: Log) -> None:
    log.restore(5)
    assert log.faults() == []
    for names in ("x", "y", "z"):  # shorter than what was signed for, as long, and longer
        with pytest.raises(LogForkedError, match=r"checkpoint 7 is no part of the tree of [678] leaves"):
            log.write(names)


def test_a_memory_that_is_older_than_the_log_stops_nothing(log: Log) -> None:
    del log.memory.notes[1:]
    log.write("h")
    assert log.faults(*log.memory.notes) == []


def test_the_log_goes_on_under_another_name_and_says_what_was_lost(log: Log) -> None:
    [three, five, seven] = log.memory.notes
    log.restore(5)
    statement = log.go_on(*log.memory.notes)
    lost = notes.opened(seven, log.check)
    text = notes.opened_text(statement, log.check, log.signer().verifier)
    assert notes.opened_text(statement, log.check, log.signer(f"{ORIGIN}/2").verifier) == text
    assert text.split("\n")[1:3] == [f"before: {ORIGIN}", f"after: {ORIGIN}/2"]
    assert "kept: 5\nlost: 7 " in text
    assert text.endswith("reason: the backup of the 21st\n")
    with pytest.raises(NoteError):
        notes.opened(statement, log.check)  # it can not pass for a checkpoint
    log.write("x")
    newest = notes.opened(log.memory.notes[-1], log.check, log.signer(f"{ORIGIN}/2").verifier)
    assert newest.size == 7  # five, the entry that tells of it, and x
    assert newest.root != lost.root
    assert log.faults(three, five, seven, log.memory.notes[-1]) == []
    with log.database.snapshot() as session:
        told = session.scalars(select(AuditEntry).where(AuditEntry.action == "log.continue")).one()
        assert (told.facts["kept"], told.facts["lost"], told.facts["lost_root"]) == (5, 7, lost.root.hex())
        assert [(name.number, name.origin, name.kept) for name in audit.names(session)] == [
            (1, ORIGIN, None),
            (2, f"{ORIGIN}/2", 5),
        ]


def test_what_is_not_stated_to_be_lost_is_still_found(log: Log) -> None:
    """Who disowned seven entries may not touch the five that stand, nor say that another seven were signed for."""
    three, five, seven = log.memory.notes
    log.restore(5)
    log.go_on(seven)
    log.write("x")
    forged = log.signer().note(6, bytes(32))
    assert log.faults(forged) == ["the earlier checkpoint of 6 entries does not match the entries"]
    with log.database.transaction() as session:
        session.execute(update(AuditEntry).where(AuditEntry.leaf_index == 1).values(actor="job:x"))
    assert "checkpoint 3 does not match the entries" in log.faults(three, five)


def test_it_may_have_to_go_on_again(log: Log) -> None:
    first = list(log.memory.notes)
    log.restore(5)
    log.go_on(*first)
    log.write("x", "y")
    kept = log.memory.notes[-1]
    with log.database.transaction() as session:
        newest = session.scalars(select(AuditEntry).order_by(AuditEntry.leaf_index.desc()).limit(1)).one()
        session.delete(newest)
    assert log.faults(kept) != []
    log.go_on(kept)
    log.write("z")
    with log.database.snapshot() as session:
        assert [(name.origin, name.kept) for name in audit.names(session)][1:] == [(f"{ORIGIN}/2", 5), (f"{ORIGIN}/3", 5)]
    assert log.faults(*first, kept) == []


def test_a_gap_is_closed_and_tiles_that_do_not_fit_are_made_anew(log: Log) -> None:
    with log.database.transaction() as session:
        session.execute(delete(AuditEntry).where(AuditEntry.leaf_index == 3))
        session.execute(update(AuditTile).values(hashes=bytes(32)))
    assert log.faults() != []
    log.go_on()
    log.write("x")
    assert log.faults(*log.memory.notes) == []
    with log.database.snapshot() as session:
        [_, name] = audit.names(session)
        assert name.kept == 3  # the checkpoint of three still tells the truth
        assert _sizes(session, 1) == [3, 5, 7]  # the evidence stays
        assert _sizes(session, 2) == [8]


def test_two_heads_of_one_size_prove_nothing_from_there_on(log: Log) -> None:
    """A fork that happened before anybody looked: both heads are ours, one of them is true."""
    five = log.memory.notes[1]
    log.go_on(log.signer().note(4, bytes(32)))
    with log.database.snapshot() as session:
        assert audit.names(session)[-1].kept == 3
    assert log.faults(five) == []


def test_a_log_that_is_whole_does_not_change_its_name(log: Log) -> None:
    with pytest.raises(Refused, match="audit-log-whole"):
        log.go_on(*log.memory.notes)
    with pytest.raises(NoteError):
        log.go_on(Log(log.database).signer().note(9, bytes(32)))
    assert log.origin == ORIGIN


def test_a_log_that_was_never_founded_can_not_go_on(database: Database) -> None:
    with pytest.raises(Refused, match="audit-log-unfounded"):
        Log(database).go_on()


@pytest.mark.parametrize("change", ["unsigned", "signed for something else", "kept"])
def test_a_name_without_a_statement_that_is_signed_for_it_is_found(log: Log, change: str) -> None:
    log.restore(5)
    log.go_on(*log.memory.notes)
    log.write("x")
    forged: dict[str, dict[str, object]] = {
        "unsigned": {"statement": "the dog ate it"},
        "signed for something else": {"statement": log.memory.notes[0]},
        "kept": {"kept": 3},
    }
    with log.database.transaction() as session:
        session.execute(update(AuditLog).where(AuditLog.number == 2).values(**forged[change]))
    assert log.faults() == [f"nothing that is signed says why the log goes on as {ORIGIN}/2"]


def test_a_log_is_named_once(log: Log) -> None:
    with log.database.transaction() as session:
        assert audit.found(session, "elsewhere.example.jp", MORNING).origin == ORIGIN


def test_a_checkpoint_under_another_name_of_the_key_is_not_believed(log: Log) -> None:
    one, other = log.signer(), log.signer("other.example.jp")
    text = one.note(3, bytes(32)).split("\n\n")[0] + "\n"
    with pytest.raises(NoteError, match="another log of the same key"):
        notes.opened(other.signed(text), log.check, other.verifier)


def _sizes(session: Session, log: int) -> list[int]:
    query = select(AuditCheckpoint.size).where(AuditCheckpoint.log == log)
    return list(session.scalars(query.order_by(AuditCheckpoint.size)))
