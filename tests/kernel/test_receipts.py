import json
from datetime import datetime

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import delete, select, update

from kernel import audit
from kernel.audit import AuditCheckpoint, AuditEntry, CheckpointSigner, NoteError, ProofError, Receipt
from kernel.audit.tiles import AuditTile
from kernel.database import Database
from kernel.errors import Refused
from tests.kernel.test_audit import Log, _at


@pytest.fixture
def log(database: Database, now: datetime) -> Log:
    """Return a log of 300 entries under two checkpoints."""
    log = Log(database, now)
    for count in (3, 297):
        log.write(*(str(number) for number in range(count)))
        log.seal()
    return log


def receipt_of(log: Log, index: int, note: str | None = None) -> Receipt:
    with log.database.snapshot() as session:
        return audit.receipt(session, _at(index)(session).id, check=log.key.public_key().verify, note=note)


def read_back(log: Log, text: str) -> int:
    return Receipt.read(text).require_proven(log.key.public_key().verify, log.signer.verifier).size


@pytest.mark.parametrize("index", [0, 2, 3, 255, 256, 299])
def test_every_entry_has_a_receipt_that_proves_it_without_the_database(log: Log, index: int) -> None:
    receipt = receipt_of(log, index)
    assert Receipt.read(receipt.text()) == receipt
    assert read_back(log, receipt.text()) == 300
    assert receipt.content.actor == "staff:sato"


def test_a_receipt_can_lead_to_a_checkpoint_that_somebody_kept(log: Log) -> None:
    old, _ = log.notes()
    receipt = receipt_of(log, 1, old)
    assert receipt.note == old
    assert read_back(log, receipt.text()) == 3
    with pytest.raises(Refused, match="audit-entry-unsealed"):
        receipt_of(log, 3, old)


def test_what_is_not_there_or_not_sealed_has_no_receipt(log: Log) -> None:
    log.write("late")
    check = log.key.public_key().verify
    with log.database.snapshot() as session:
        newest = session.scalars(select(AuditEntry.id).where(AuditEntry.leaf_index.is_(None))).one()
        with pytest.raises(Refused, match="audit-entry-unsealed"):
            audit.receipt(session, newest, check=check)
        with pytest.raises(Refused, match="audit-entry-unknown"):
            audit.receipt(session, newest + 1, check=check)
    log.tamper(lambda session: session.execute(delete(AuditCheckpoint)))
    with log.database.snapshot() as session, pytest.raises(Refused, match="audit-entry-unsealed"):
        audit.receipt(session, newest - 1, check=check)


def test_a_strangers_checkpoint_is_not_proven_against(log: Log) -> None:
    key = Ed25519PrivateKey.generate()
    note = CheckpointSigner(log.signer.origin, key.public_key().public_bytes_raw(), key.sign).note(300, bytes(32))
    with pytest.raises(NoteError):
        receipt_of(log, 0, note)


def test_an_entry_that_was_edited_gets_no_receipt(log: Log) -> None:
    log.tamper(lambda session: session.execute(update(AuditEntry).where(AuditEntry.leaf_index == 7).values(actor="staff:ito")))
    with pytest.raises(ProofError):
        receipt_of(log, 7)
    assert receipt_of(log, 8).index == 8


def test_lost_tiles_are_told(log: Log) -> None:
    log.tamper(lambda session: session.execute(delete(AuditTile)))
    with pytest.raises(ProofError, match="the tiles have no node"):
        receipt_of(log, 7)


@pytest.mark.parametrize("field", ["at", "actor", "action", "subject", "office_code", "facts"])
def test_an_edited_receipt_proves_nothing(log: Log, field: str) -> None:
    read = json.loads(receipt_of(log, 7).text())
    read["entry"][field] = {"items": 4} if field == "facts" else "forged"
    with pytest.raises(ProofError, match="does not lead to the tree's head"):
        read_back(log, json.dumps(read))


@pytest.mark.parametrize(
    "text",
    [
        *("", "x", "[]", "{}", '{"entry": {}, "salt": "", "proof": ""}', '{"entry": [], "salt": 1, "proof": 2}', "null"),
        json.dumps(
            {"entry": dict.fromkeys(("at", "actor", "action", "subject", "office_code", "facts"), ""), "salt": "z", "proof": ""}
        ),
    ],
)
def test_what_is_no_receipt_is_refused(text: str) -> None:
    with pytest.raises(ProofError, match="not a receipt"):
        Receipt.read(text)
