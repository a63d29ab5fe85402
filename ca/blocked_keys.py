"""Keys that get no certificate any more: compromised ones, by the hash of their SubjectPublicKeyInfo.

Whoever blocks a key revokes what stands on it in a later transaction (`certificates_on`). Nothing slips between: a
promise that was not yet committed then finds the block when it is to be completed (`ca.authority.complete`).
"""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import ColumnElement, exists, select
from sqlalchemy.orm import Session

from ca.certificates import CertificateRecord, CertificateState, as_record
from ca.tables import BlockedKeyRow, CertificateRow
from kernel.database import MANY, insert_all_if_absent, insert_if_absent, many

_LIVING = (CertificateState.RESERVED, CertificateState.VALID, CertificateState.HELD)


def block(session: Session, spki_sha256: bytes, now: datetime) -> bool:
    """Block a key; return False when it was blocked before."""
    return insert_if_absent(session, BlockedKeyRow, {"spki_sha256": spki_sha256, "blocked_at": now})


def block_all(session: Session, keys: Collection[bytes], now: datetime) -> None:
    """Block many keys, in the order in which everybody does; those that were blocked before stay as they are."""
    insert_all_if_absent(session, BlockedKeyRow, [{"spki_sha256": key, "blocked_at": now} for key in sorted(set(keys))])


def is_blocked(session: Session, spki_sha256: bytes) -> bool:
    """Return whether a key is blocked."""
    return session.scalar(select(BlockedKeyRow.spki_sha256).where(BlockedKeyRow.spki_sha256 == spki_sha256)) is not None


_AMONG = select(BlockedKeyRow.spki_sha256).where(BlockedKeyRow.spki_sha256.in_(MANY))


def blocked_among(session: Session, keys: Collection[bytes]) -> set[bytes]:
    """Return those of some keys that are blocked."""
    return set(session.connection().scalars(_AMONG, many(keys)))


def on_blocked_key() -> ColumnElement[bool]:
    """Return the condition that a certificate's key is blocked."""
    return exists().where(BlockedKeyRow.spki_sha256 == CertificateRow.spki_sha256)


def certificates_on(session: Session, keys: Collection[bytes]) -> list[CertificateRecord]:
    """Return the certificates on some keys that are neither revoked nor given up, oldest first."""
    query = select(CertificateRow).where(CertificateRow.spki_sha256.in_(keys), CertificateRow.state.in_(_LIVING))
    return [as_record(row) for row in session.scalars(query.order_by(CertificateRow.id))]
