"""The log must find every kind of tampering; the signature's form is checked against C2SP's signed-note by hand."""

import base64
import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from kernel import audit
from kernel.audit import AuditCheckpoint, AuditEntry, CheckpointSigner
from kernel.audit.sealing import AuditTree
from kernel.audit.tiles import AuditTile
from kernel.clock import TOKYO
from kernel.database import Database

ORIGIN = "tegata.example.jp/log"


@dataclass
class Log:
    """A log with a key of its own, and what a test does to it."""

    database: Database
    now: datetime
    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)

    @property
    def signer(self) -> CheckpointSigner:
        return CheckpointSigner(ORIGIN, self.key.public_key().public_bytes_raw(), self.key.sign)

    def write(self, *names: str) -> None:
        with self.database.transaction() as session:
            for name in names:
                audit.record(
                    session,
                    now=self.now,
                    actor=audit.staff("sato"),
                    action="application.approve",
                    subject=f"application:{name}",
                    office_code="NAC001",
                    items=3,
                    wished="2026年4月1日",
                )

    def seal(self) -> int:
        return audit.seal(self.database, self.signer, now=self.now)

    def faults(self, *earlier: str) -> list[str]:
        return audit.verify(self.database, self.key.public_key().verify, earlier=earlier)

    def tamper(self, deed: Callable[[Session], object]) -> None:
        with self.database.transaction() as session:
            deed(session)

    def notes(self) -> list[str]:
        with self.database.snapshot() as session:
            return list(session.scalars(select(AuditCheckpoint.note).order_by(AuditCheckpoint.size)))


@pytest.fixture
def log(database: Database, now: datetime) -> Log:
    """Return a log of six entries under two checkpoints."""
    log = Log(database, now)
    log.write("a", "b", "c")
    assert log.seal() == 3
    log.write("d", "e", "f")
    assert log.seal() == 3
    return log


def _at(index: int) -> Callable[[Session], AuditEntry]:
    return lambda session: session.scalars(select(AuditEntry).where(AuditEntry.leaf_index == index)).one()


def test_a_clean_log_has_no_faults(log: Log) -> None:
    assert log.faults() == []


def test_an_empty_log_has_no_faults_and_no_checkpoint(database: Database, now: datetime) -> None:
    log = Log(database, now)
    assert log.seal() == 0
    assert (log.faults(), log.notes()) == ([], [])


def test_sealing_again_adds_nothing(log: Log) -> None:
    assert log.seal() == 0
    assert len(log.notes()) == 2


def test_an_entry_tells_who_did_what_to_what(log: Log) -> None:
    with log.database.snapshot() as session:
        entry = _at(0)(session)
    assert (entry.actor, entry.action, entry.subject, entry.office_code) == (
        "staff:sato",
        "application.approve",
        "application:a",
        "NAC001",
    )
    assert (entry.at, entry.facts) == (log.now, {"items": 3, "wished": "2026年4月1日"})


@pytest.mark.parametrize(
    ("actor", "text"),
    [
        (audit.staff("sato"), "staff:sato"),
        (audit.customer("NAC001", "hanako"), "customer:NAC001/hanako"),
        (audit.terminal("99999W"), "terminal:99999W"),
        (audit.job("crl"), "job:crl"),
        (audit.operator(), "operator:cli"),
    ],
)
def test_actors_are_typed(actor: audit.Actor, text: str) -> None:
    assert str(actor) == text


def test_the_entry_stands_or_falls_with_its_deed(database: Database, now: datetime) -> None:
    with pytest.raises(RuntimeError), database.transaction() as session:
        audit.record(session, now=now, actor=audit.job("crl"), action="crl.publish", subject="issuer:root")
        raise RuntimeError
    with database.snapshot() as session:
        assert session.scalar(select(func.count()).select_from(AuditEntry)) == 0


def test_entries_of_many_are_written_in_their_order_and_are_like_any_other(database: Database, now: datetime) -> None:
    log = Log(database, now)
    log.write("a")
    with database.transaction() as session:
        subjects = [audit.Subject(f"terminal:{number}", "NAC001", {"serial": f"{number:x}"}) for number in range(300)]
        audit.record_all(session, subjects, now=now, actor=audit.staff("sato"), action="certificate.revoke")
        audit.record_all(session, [], now=now, actor=audit.staff("sato"), action="certificate.revoke")
    log.write("b")
    with database.snapshot() as session:
        entries = list(session.scalars(select(AuditEntry).order_by(AuditEntry.id)))
    assert [entry.subject for entry in entries[1:-1]] == [subject.name for subject in subjects]
    assert {(entry.action, entry.actor, entry.office_code) for entry in entries[1:-1]} == {
        ("certificate.revoke", "staff:sato", "NAC001")
    }
    assert len({entry.salt for entry in entries}) == 302
    assert log.seal() == 302
    assert log.faults() == []


def test_equal_deeds_have_different_commitments_so_that_outsiders_cannot_guess_them(database: Database, now: datetime) -> None:
    Log(database, now).write("a", "a")
    with database.snapshot() as session:
        one, other = session.scalars(select(AuditEntry.commitment))
    assert one != other


def test_an_instant_of_another_zone_is_committed_to_as_it_is_read_back(database: Database, now: datetime) -> None:
    log = Log(database, now.astimezone(TOKYO))
    log.write("a")
    log.seal()
    assert log.faults() == []


@pytest.mark.parametrize(
    "change",
    [
        {"at": datetime(2026, 1, 1, tzinfo=TOKYO)},
        {"actor": "staff:suzuki"},
        {"action": "application.reject"},
        {"subject": "application:z"},
        {"office_code": None},
        {"facts": {"items": 4, "wished": "2026年4月1日"}},
        {"salt": bytes(16)},
    ],
    ids=lambda change: next(iter(change)),
)
def test_an_edited_entry_is_found(log: Log, change: dict[str, object]) -> None:
    log.tamper(lambda session: session.execute(update(AuditEntry).where(AuditEntry.leaf_index == 1).values(**change)))
    assert any("was changed after it was written" in fault for fault in log.faults())
    assert "checkpoint 3 does not match the entries" in log.faults()


def test_an_edit_that_repairs_the_entrys_own_commitment_is_found_by_the_checkpoints(log: Log) -> None:
    def forge(session: Session) -> None:
        entry = _at(1)(session)
        entry.subject = "application:z"
        entry.commitment = entry.recomputed_commitment()

    log.tamper(forge)
    faults = log.faults()
    assert "checkpoint 3 does not match the entries" in faults
    assert "checkpoint 6 does not match the entries" in faults


def test_an_entry_that_was_edited_before_it_was_sealed_is_found_afterwards(log: Log) -> None:
    log.write("g")
    log.tamper(lambda session: session.execute(update(AuditEntry).where(AuditEntry.leaf_index.is_(None)).values(actor="job:x")))
    log.seal()
    assert any("was changed after it was written" in fault for fault in log.faults())


@pytest.mark.parametrize("index", [0, 2, 5])
def test_a_deleted_entry_is_found(log: Log, index: int) -> None:
    log.tamper(lambda session: session.execute(delete(AuditEntry).where(AuditEntry.leaf_index == index)))
    assert log.faults() != []


def _close_gap_after(session: Session, index: int) -> None:
    for later in range(index + 1, 6):
        session.execute(update(AuditEntry).where(AuditEntry.leaf_index == later).values(leaf_index=later - 1))


def test_a_deletion_that_closes_the_gap_is_found(log: Log) -> None:
    log.tamper(lambda session: session.execute(delete(AuditEntry).where(AuditEntry.leaf_index == 1)))
    log.tamper(lambda session: _close_gap_after(session, 1))
    assert log.faults() != []


def test_an_inserted_entry_is_found(log: Log) -> None:
    def insert(session: Session) -> None:
        for index in range(5, 1, -1):
            session.execute(update(AuditEntry).where(AuditEntry.leaf_index == index).values(leaf_index=index + 1))
        audit.record(session, now=log.now, actor=audit.staff("sato"), action="application.approve", subject="application:z")
        session.flush()
        session.execute(update(AuditEntry).where(AuditEntry.leaf_index.is_(None)).values(leaf_index=2))

    log.tamper(insert)
    assert "checkpoint 3 does not match the entries" in log.faults()


def test_entries_in_another_order_are_found(log: Log) -> None:
    def swap(session: Session) -> None:
        for before, after in ((0, 100), (1, 0), (100, 1)):
            session.execute(update(AuditEntry).where(AuditEntry.leaf_index == before).values(leaf_index=after))

    log.tamper(swap)
    assert "checkpoint 3 does not match the entries" in log.faults()


def test_a_tail_that_was_cut_off_is_found(log: Log) -> None:
    log.tamper(lambda session: session.execute(delete(AuditEntry).where(AuditEntry.leaf_index >= 3)))
    assert "checkpoint 6 covers leaves that are gone" in log.faults()


def test_a_tail_that_was_cut_off_with_its_checkpoint_is_found(log: Log) -> None:
    log.tamper(lambda session: session.execute(delete(AuditEntry).where(AuditEntry.leaf_index >= 3)))
    log.tamper(lambda session: session.execute(delete(AuditCheckpoint).where(AuditCheckpoint.size > 3)))
    assert log.faults() == [
        "tile 0/0 does not match the entries",
        "the tree's edge does not match the entries",
        "there are tiles of leaves that are gone",
    ]


def _roll_back(session: Session, kept: int) -> None:
    """Cut the log off and take away everything that tells of the rest, as if there had never been more."""
    for table in (AuditTree, AuditTile, AuditCheckpoint):
        session.execute(delete(table))
    session.execute(delete(AuditEntry).where(AuditEntry.leaf_index >= kept))
    session.execute(update(AuditEntry).values(leaf_index=None))


def test_a_tail_that_was_cut_off_without_a_trace_is_found_by_a_checkpoint_that_somebody_kept(log: Log) -> None:
    [three, six] = log.notes()
    log.tamper(lambda session: _roll_back(session, 4))
    log.seal()
    assert log.faults() == []
    assert log.faults(three) == []
    assert log.faults(three, six) == ["the earlier checkpoint of 6 entries covers leaves that are gone"]
    log.write("x", "y")
    log.seal()
    assert log.faults(three, six) == ["the earlier checkpoint of 6 entries does not match the entries"]


@pytest.mark.parametrize(
    "rewrite",
    [
        lambda session: session.execute(update(AuditEntry).where(AuditEntry.subject == "application:b").values(actor="job:x")),
        lambda session: session.execute(delete(AuditEntry).where(AuditEntry.subject == "application:b")),
        lambda session: session.execute(update(AuditEntry).where(AuditEntry.subject == "application:b").values(id=99)),
        lambda session: audit.record(
            session, now=datetime(2026, 1, 1, tzinfo=TOKYO), actor=audit.job("x"), action="a.b", subject="c:d"
        ),
    ],
    ids=["edit", "deletion", "reordering", "insertion"],
)
def test_a_log_that_was_rewritten_and_sealed_anew_is_found_by_a_checkpoint_that_somebody_kept(
    log: Log, rewrite: Callable[[Session], object]
) -> None:
    kept = log.notes()[-1]

    def forge(session: Session) -> None:
        _roll_back(session, 6)
        rewrite(session)
        session.flush()
        session.expire_all()
        for position, entry in enumerate(session.scalars(select(AuditEntry).order_by(AuditEntry.id.desc())).all()):
            entry.commitment = entry.recomputed_commitment()
            if entry.action == "a.b":
                entry.id = -position - 1  # before all others

    log.tamper(forge)
    log.write("later")
    log.seal()
    assert log.faults() == []
    assert [fault for fault in log.faults(kept) if "the earlier checkpoint of 6 entries" in fault]


def test_an_earlier_checkpoint_of_somebody_else_is_told(log: Log) -> None:
    stranger = Log(log.database, log.now)
    assert (
        log.faults(stranger.signer.note(3, bytes(32)), "x")
        == ["an earlier checkpoint cannot be used: the checkpoint is not signed by the log's key"] * 2
    )


def test_a_log_whose_tree_is_gone_is_found(log: Log) -> None:
    log.tamper(lambda session: session.execute(delete(AuditTree)))
    assert log.faults() == ["the tree's edge does not match the entries"]


def test_a_checkpoint_signed_by_another_key_is_found(log: Log) -> None:
    stranger = Log(log.database, log.now)
    with log.database.snapshot() as session:
        root = session.scalars(select(AuditCheckpoint.root).where(AuditCheckpoint.size == 6)).one()
    note = stranger.signer.note(6, root)
    log.tamper(lambda session: session.execute(update(AuditCheckpoint).where(AuditCheckpoint.size == 6).values(note=note)))
    assert log.faults() == ["checkpoint 6 is not signed by the log's key"]


@pytest.mark.parametrize("note", ["", "x", "tegata.example.jp/log\n6\nAAAA\n\n— tegata.example.jp/log %%%\n"])
def test_a_mangled_checkpoint_is_found(log: Log, note: str) -> None:
    log.tamper(lambda session: session.execute(update(AuditCheckpoint).where(AuditCheckpoint.size == 6).values(note=note)))
    assert "checkpoint 6 is not signed by the log's key" in log.faults()


def test_a_checkpoint_is_a_signed_note(log: Log) -> None:
    note = log.notes()[0]
    text, signatures = note.split("\n\n")
    origin, size, root = text.split("\n")
    assert (origin, size, len(base64.b64decode(root, validate=True))) == (ORIGIN, "3", 32)
    dash, name, encoded = signatures.removesuffix("\n").split(" ")
    assert (dash, name) == ("\u2014", ORIGIN)
    signature = base64.b64decode(encoded, validate=True)
    public = log.key.public_key()
    assert signature[:4] == hashlib.sha256(ORIGIN.encode() + b"\n\x01" + public.public_bytes_raw()).digest()[:4]
    public.verify(signature[4:], f"{text}\n".encode())


def test_a_crash_between_placing_and_signing_is_made_good_by_the_next_run(log: Log) -> None:
    def crash(_: bytes) -> bytes:
        raise KeyboardInterrupt

    log.write("g")
    with pytest.raises(KeyboardInterrupt):
        audit.seal(log.database, CheckpointSigner(ORIGIN, bytes(32), crash), now=log.now)
    assert len(log.notes()) == 2
    log.now += timedelta(minutes=1)
    assert log.seal() == 0
    assert (len(log.notes()), log.faults()) == (3, [])


def test_two_sealers_and_many_writers_make_one_log(database: Database, now: datetime) -> None:
    log = Log(database, now)

    def work(number: int) -> int:
        if number % 4 == 0:
            return log.seal()
        log.write(str(number), f"{number}'")
        return 0

    with ThreadPoolExecutor(4) as threads:
        sealed = sum(threads.map(work, range(40))) + log.seal()
    assert (sealed, log.faults()) == (60, [])
