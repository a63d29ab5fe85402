"""Consistency proofs of a log in the tables: against the definition over its leaves, and judged by the script."""

import base64
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import delete, select

from kernel import audit
from kernel.audit import AuditEntry, CheckpointSigner, ConsistencyProof, NoteError, ProofError
from kernel.audit.tiles import AuditTile
from kernel.database import Database
from kernel.errors import Refused
from tests.kernel.test_audit import Log
from tests.support.log_scripts import VERIFY, told
from tests.support.reference_log import mth, subproof

SIZES = (1, 2, 3, 255, 256, 257, 300)


@pytest.fixture
def log(database: Database, now: datetime) -> Log:
    """Return a log that was signed for at sizes around powers of two."""
    log = Log(database, now)
    for before, size in zip((0, *SIZES), SIZES, strict=False):
        log.write(*(str(number) for number in range(before, size)))
        log.seal()
    return log


def made(log: Log, old: str, note: str | None = None) -> ConsistencyProof:
    with log.database.snapshot() as session:
        return audit.consistency_proof(session, old, check=log.key.public_key().verify, note=note)


def test_every_two_checkpoints_have_the_proof_of_the_definition_and_it_is_good(log: Log, tmp_path: Path) -> None:
    notes = dict(zip(SIZES, log.notes(), strict=True))
    with log.database.snapshot() as session:
        query = select(AuditEntry.commitment).order_by(AuditEntry.leaf_index)
        leaves = tuple(session.scalars(query))
    for old in SIZES:
        assert f"\n{base64.b64encode(mth(leaves[:old])).decode()}\n" in notes[old]
        for size in [size for size in SIZES if size >= old]:
            proof = made(log, notes[old], notes[size])
            hashes = "".join(f"{base64.b64encode(one).decode()}\n" for one in subproof(old, leaves[:size]))
            assert proof.text() == f"old {old}\n{hashes}\n{notes[size]}"
            assert ConsistencyProof.read(proof.text()) == proof
            found = audit.prove([notes[old], proof.text()], log.key.public_key().verify, log.signer.verifier)
            assert found.newest.size == size
    (tmp_path / "old").write_text(notes[3], encoding="utf-8")
    (tmp_path / "grown").write_text(made(log, notes[3]).text(), encoding="utf-8")
    assert told(VERIFY, str(log.signer.verifier), tmp_path / "old", tmp_path / "grown").out.endswith(" of 300 entries\n")


def test_a_proof_is_for_its_own_older_checkpoint_and_for_what_the_key_signed(log: Log) -> None:
    notes, check, key = log.notes(), log.key.public_key().verify, log.signer.verifier
    proof, old = made(log, notes[2]), audit.opened(notes[2], check)
    assert proof.require_proven(old, check, key).size == SIZES[-1]
    for other in (audit.opened(notes[1], check), replace(old, size=4), replace(old, origin="status.example.jp/2")):
        with pytest.raises(ProofError, match="the proof is one of 3 entries of"):
            proof.require_proven(other, check, key)
    stranger = Ed25519PrivateKey.generate()
    with pytest.raises(NoteError):
        proof.require_proven(old, stranger.public_key().verify, key)


def test_without_a_newer_checkpoint_it_is_the_newest(log: Log) -> None:
    notes = log.notes()
    assert made(log, notes[0]) == made(log, notes[0], notes[-1])


def test_older_and_newer_are_not_to_be_exchanged(log: Log) -> None:
    notes = log.notes()
    with pytest.raises(ProofError, match="a tree of 3 leaves cannot have grown from one of 257"):
        made(log, notes[5], notes[2])


def test_an_empty_log_has_no_proof(database: Database, now: datetime) -> None:
    log = Log(database, now)
    with pytest.raises(Refused, match="audit-log-unsealed"):
        made(log, log.signer.note(1, bytes(32)))


def test_a_strangers_checkpoint_is_not_proven(log: Log) -> None:
    key = Ed25519PrivateKey.generate()
    note = CheckpointSigner(log.signer.origin, key.public_key().public_bytes_raw(), key.sign).note(3, bytes(32))
    for old, newer in ((note, None), (log.notes()[0], note)):
        with pytest.raises(NoteError):
            made(log, old, newer)


def test_a_checkpoint_of_ours_that_is_not_true_of_the_log_gets_no_proof(log: Log) -> None:
    with pytest.raises(ProofError, match="does not lead"):
        made(log, log.signer.note(3, bytes(32)))


def test_checkpoints_of_two_names_of_the_log_are_told(log: Log) -> None:
    root = audit.opened(log.notes()[2], log.key.public_key().verify).root
    other = CheckpointSigner("status.example.jp/2", log.signer.public_key, log.key.sign).note(3, root)
    with pytest.raises(ProofError, match="the log was signed for as"):
        made(log, other)


def test_lost_tiles_are_told(log: Log) -> None:
    log.tamper(lambda session: session.execute(delete(AuditTile)))
    with pytest.raises(ProofError, match="the tiles have no node"):
        made(log, log.notes()[2])
