"""CMP's transactions (RFC 9810 §5.1.1): what a request began and its confirmation ends, by the sender's transactionID.

A row begins before anything is issued, so that an ID that is in use is told in time; it goes again when nothing comes of
it. Rows live for a day, which is also how far a message's time may be off: what is older can not be replayed.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import LargeBinary, SmallInteger, String, delete, select
from sqlalchemy.orm import Mapped, mapped_column

from enrollment.confirmations import Confirmations
from kernel.database import Base, Database, UtcDateTime, insert_if_absent
from kernel.errors import Refused

KEPT = timedelta(hours=24)
# Whoever did not get our last word may ask again under the same codes; after that, their sealed copy goes.
LAST_WORD = timedelta(minutes=10)
LONGEST_ID = 64


class Outcome(StrEnum):
    """How a transaction ended."""

    IMPLICIT = "implicit"
    ACCEPTED = "accepted"
    SETTLED = "settled"
    REJECTED = "rejected"
    GIVEN_UP = "given up"


class CmpTransactionRow(Base):
    """A transaction: whose, which kind of request began it, the nonce that its next message repeats, and its certificate.

    `spki` is the requested key, for who has to poll; `issuer` and `serial` are empty until a certificate was answered.
    """

    __tablename__ = "enrollment_cmp_transaction"

    id: Mapped[bytes] = mapped_column(LargeBinary(LONGEST_ID), primary_key=True)
    owner: Mapped[str] = mapped_column(String(120))
    kind: Mapped[int] = mapped_column(SmallInteger)
    nonce: Mapped[bytes] = mapped_column(LargeBinary(16))
    spki: Mapped[bytes] = mapped_column(LargeBinary)
    is_confirmed: Mapped[bool]
    begun_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    issuer: Mapped[str | None] = mapped_column(String(40))
    serial: Mapped[str | None] = mapped_column(String(40))
    outcome: Mapped[str | None] = mapped_column(String(10))
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


@dataclass(frozen=True)
class Transaction:
    """A transaction as its protocol sees it; `is_confirmed` when it began with implicit confirmation."""

    id: bytes
    owner: str
    kind: int
    nonce: bytes
    spki: bytes
    is_confirmed: bool
    issuer: str | None = None
    serial: str | None = None
    outcome: Outcome | None = None


def begin(database: Database, transaction: Transaction, now: datetime) -> bool:
    """Put a transaction on record; return False when its ID is in use."""
    values = {
        "id": transaction.id,
        "owner": transaction.owner,
        "kind": transaction.kind,
        "nonce": transaction.nonce,
        "spki": transaction.spki,
        "is_confirmed": transaction.is_confirmed,
        "begun_at": now,
    }
    with database.transaction() as session:
        return insert_if_absent(session, CmpTransactionRow, values)


def find(database: Database, transaction_id: bytes) -> Transaction | None:
    """Return a transaction, or None where none has this ID."""
    with database.snapshot() as session:
        row = session.get(CmpTransactionRow, transaction_id)
        return None if row is None else _as_transaction(row)


def forget(database: Database, transaction_id: bytes) -> None:
    """Take back a transaction that nothing came of: its ID is free again."""
    with database.transaction() as session:
        session.execute(delete(CmpTransactionRow).where(CmpTransactionRow.id == transaction_id))


def answer(database: Database, transaction_id: bytes, certificate: tuple[str, str], nonce: bytes, now: datetime) -> None:
    """Note which certificate (issuer and serial) a transaction was answered with, and by which nonce."""
    with database.transaction() as session:
        row = session.get_one(CmpTransactionRow, transaction_id, with_for_update=True)
        (row.issuer, row.serial), row.nonce = certificate, nonce
        if row.is_confirmed:
            row.outcome, row.ended_at = Outcome.IMPLICIT, now


def wait(database: Database, transaction_id: bytes, nonce: bytes) -> None:
    """Note the nonce by which a sender was told to come again."""
    with database.transaction() as session:
        session.get_one(CmpTransactionRow, transaction_id, with_for_update=True).nonce = nonce


def end(database: Database, transaction_id: bytes, outcome: Outcome, now: datetime) -> bool:
    """End a transaction; return False when it had ended before."""
    with database.transaction() as session:
        row = session.get_one(CmpTransactionRow, transaction_id, with_for_update=True)
        if row.outcome is not None:
            return False
        row.outcome, row.ended_at = outcome, now
        return True


def settle(database: Database, confirmations: Confirmations, now: datetime) -> int:
    """Confirm what was accepted a while ago, and forget what is over; return how many were confirmed. A job."""
    accepted = select(CmpTransactionRow).where(
        CmpTransactionRow.outcome == Outcome.ACCEPTED, CmpTransactionRow.ended_at < now - LAST_WORD
    )
    with database.snapshot() as session:
        due = [_as_transaction(row) for row in session.scalars(accepted)]
    for transaction in due:
        if transaction.issuer is not None and transaction.serial is not None:
            _confirm(confirmations, transaction.issuer, transaction.serial)
        with database.transaction() as session:
            session.get_one(CmpTransactionRow, transaction.id, with_for_update=True).outcome = Outcome.SETTLED
    _purge(database, now)
    return len(due)


def _confirm(confirmations: Confirmations, issuer: str, serial: str) -> None:
    try:
        confirmations.confirm(issuer, serial)
    except Refused:
        # Revoked or held meanwhile: there is nothing to confirm, and its codes are gone.
        return


def _purge(database: Database, now: datetime) -> None:
    over = CmpTransactionRow.begun_at < now - KEPT, CmpTransactionRow.outcome.is_distinct_from(Outcome.ACCEPTED)
    with database.snapshot() as session:
        if session.scalar(select(CmpTransactionRow.id).where(*over).limit(1)) is None:
            return
    with database.transaction() as session:
        session.execute(delete(CmpTransactionRow).where(*over))


def _as_transaction(row: CmpTransactionRow) -> Transaction:
    return Transaction(
        id=row.id,
        owner=row.owner,
        kind=row.kind,
        nonce=row.nonce,
        spki=row.spki,
        is_confirmed=row.is_confirmed,
        issuer=row.issuer,
        serial=row.serial,
        outcome=None if row.outcome is None else Outcome(row.outcome),
    )
