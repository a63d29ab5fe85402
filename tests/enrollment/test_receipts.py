"""Receipts of retrievals: with the notice within a minute, proven by the log's key alone, and never in the notice's way."""

import hashlib
import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import select

from ca import certificates
from enrollment import receipts
from enrollment.receipts import PATIENCE, Receipts, RetrievalReceiptRow
from enrollment.redemption import Retrieved
from kernel import audit, outbox
from kernel.audit import CheckpointSigner, Receipt
from kernel.outbox import Letter
from tests.support.clock import SettableClock
from tests.support.house import OFFICE, House
from tests.support.log_scripts import VERIFY, told

KEY = Ed25519PrivateKey.generate()
SIGNER = CheckpointSigner("example.jp/log", KEY.public_key().public_bytes_raw(), KEY.sign)


@pytest.fixture
def job(house: House) -> Receipts:
    return Receipts(house.database, KEY.public_key().verify)


@pytest.fixture
def seal(house: House) -> Callable[[], int]:
    return lambda: audit.seal(house.database, SIGNER, now=house.clock.now())


def letters(house: House) -> list[Letter]:
    sent: list[Letter] = []
    outbox.deliver(house.database, sent.append, now=house.clock.now())
    return [letter for letter in sent if "証明書取得の" in letter.subject]


def row_of(house: House, retrieved: Retrieved) -> RetrievalReceiptRow:
    with house.database.snapshot() as session:
        return session.scalars(
            select(RetrievalReceiptRow).where(RetrievalReceiptRow.serial == retrieved.certificate.serial)
        ).one()


def der_of(house: House, retrieved: Retrieved) -> bytes:
    with house.database.snapshot() as session:
        certificate = certificates.find(session, row_of(house, retrieved).issuer, retrieved.certificate.serial)
    assert certificate
    assert certificate.der
    return certificate.der


def test_the_notice_carries_the_proof_once_the_entry_is_sealed(
    house: House, job: Receipts, seal: Callable[[], int], clock: SettableClock
) -> None:
    retrieved, codes_free = house.issue(), clock.now()
    assert job.settle_due(clock.now()) == 0
    seal()
    assert job.settle_due(clock.advance(timedelta(seconds=20))) == 1
    assert job.settle_due(clock.advance(timedelta(seconds=20))) == 0
    [letter] = letters(house)
    assert letter.attachment
    assert letter.attachment.name == f"receipt-{retrieved.terminal}-{retrieved.certificate.serial}.json"
    receipt = Receipt.read(letter.attachment.text)
    receipt.require_proven(KEY.public_key().verify, SIGNER.verifier)
    fingerprint = hashlib.sha256(der_of(house, retrieved)).hexdigest()
    assert receipt.content.action == "certificate.issue"
    assert receipt.content.subject == f"terminal:{retrieved.terminal}"
    assert receipt.content.facts["serial"] == retrieved.certificate.serial
    assert receipt.content.facts["sha256"] == fingerprint
    assert receipt.content.at == codes_free.isoformat(timespec="microseconds")
    assert fingerprint in letter.body
    assert retrieved.certificate.serial in letter.body


def test_neither_notice_nor_receipt_has_a_code(
    house: House, job: Receipts, seal: Callable[[], int], clock: SettableClock
) -> None:
    [(_, codes)] = house.new_codes()
    house.issue()
    seal()
    job.settle_due(clock.now())
    [letter] = letters(house)
    assert letter.attachment
    text = letter.body + letter.attachment.text
    assert not any(secret in text for secret in (codes.access_key, codes.auth_code_2, codes.auth_code_3))
    assert set(json.loads(letter.attachment.text)) == {"entry", "salt", "proof"}


def test_a_log_that_is_not_sealed_does_not_silence_the_notice(
    house: House, job: Receipts, seal: Callable[[], int], clock: SettableClock
) -> None:
    retrieved = house.issue()
    assert job.settle_due(clock.advance(PATIENCE - timedelta(seconds=1))) == 0
    assert job.settle_due(clock.advance(timedelta(seconds=1))) == 1
    [letter] = letters(house)
    assert letter.attachment is None
    assert "後ほどダウンロード" in letter.body
    seal()
    assert job.settle_due(clock.advance(timedelta(seconds=15))) == 0
    assert letters(house) == []
    assert row_of(house, retrieved).receipt


def test_a_checkpoint_of_another_key_proves_nothing(house: House, seal: Callable[[], int], clock: SettableClock) -> None:
    house.issue()
    seal()
    stranger = Receipts(house.database, Ed25519PrivateKey.generate().public_key().verify)
    assert stranger.settle_due(clock.now()) == 0


def test_an_office_gets_its_own_receipts_only(house: House, job: Receipts, seal: Callable[[], int], clock: SettableClock) -> None:
    retrieved = house.issue()
    name, serial = retrieved.terminal, retrieved.certificate.serial
    with house.database.snapshot() as session:
        assert receipts.newest_of(session, [name], OFFICE) == {}
    seal()
    job.settle_due(clock.now())
    with house.database.snapshot() as session:
        assert receipts.newest_of(session, [name], OFFICE) == {name: serial}
        assert receipts.newest_of(session, [name], "NAC002") == {}
        assert receipts.text_of(session, name, serial, OFFICE) == row_of(house, retrieved).receipt
        assert receipts.text_of(session, name, serial, "NAC002") is None
        assert receipts.text_of(session, "00000W", serial, OFFICE) is None


def test_the_program_of_the_documentation_checks_it_without_a_network(
    house: House, job: Receipts, seal: Callable[[], int], clock: SettableClock, tmp_path: Path
) -> None:
    house.issue()
    seal()
    job.settle_due(clock.now())
    [letter] = letters(house)
    assert letter.attachment
    file = tmp_path / "receipt.json"
    for text, verdict in ((letter.attachment.text, 0), (letter.attachment.text.replace("certificate.issue", "certificate.x"), 1)):
        file.write_text(text, encoding="utf-8")
        assert told(VERIFY, str(SIGNER.verifier), file).status == verdict
    file.write_text(letter.attachment.text, encoding="utf-8")
    kept = tmp_path / "kept"
    kept.write_text(SIGNER.note(1, bytes(32)), encoding="utf-8")
    assert told(VERIFY, str(SIGNER.verifier), kept, file).status == 1, "an older checkpoint that nothing leads from is no proof"
