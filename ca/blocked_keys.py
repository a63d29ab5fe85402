"""Keys that get no certificate any more: compromised ones, by the hash of their SubjectPublicKeyInfo.

A revocation for a compromise blocks the key and ends what stands on it in one transaction (`ca.revocation`). Whoever blocks
a key by its hash alone revokes in a later one (`certificates_on`). Nothing slips between: a promise that was not yet
committed then finds the block when it is to be completed (`ca.authority.complete`).
"""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import ColumnElement, exists, select
from sqlalchemy.orm import Session, aliased

from ca.certificates import CertificateRecord, CertificateState, as_record
from ca.tables import BlockedKeyRow, CertificateRow
from kernel.database import MANY, insert_if_absent, insert_new, many

_LIVING = (CertificateState.RESERVED, CertificateState.VALID, CertificateState.HELD)


def block(session: Session, spki_sha256: bytes, now: datetime) -> bool:
    """Block a key; return False when it was blocked before."""
    return insert_if_absent(session, BlockedKeyRow, {"spki_sha256": spki_sha256, "blocked_at": now})


def block_all(session: Session, keys: Collection[bytes], now: datetime) -> list[bytes]:
    """Block many keys, in the order in which everybody does; return those that were not blocked before."""
    rows = [{"spki_sha256": key, "blocked_at": now} for key in sorted(set(keys))]
    return insert_new(session, BlockedKeyRow, rows, BlockedKeyRow.spki_sha256)


def lock(session: Session, spki_sha256: bytes) -> None:
    """Hold the certificates on a key, in the order in which everybody locks several, until the transaction ends."""
    query = select(CertificateRow.id).where(CertificateRow.spki_sha256 == spki_sha256)
    session.execute(query.order_by(CertificateRow.id).with_for_update())


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


def blocked_since(session: Session, instant: datetime) -> list[bytes]:
    """Return the keys that were blocked at an instant or later."""
    return list(session.scalars(select(BlockedKeyRow.spki_sha256).where(BlockedKeyRow.blocked_at >= instant)))


def siblings(session: Session, certificates: Collection[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return what stands on the keys of some certificates beside them, neither revoked nor given up: issuers and serials."""
    serials, found = {serial for _, serial in certificates}, []
    named, beside = aliased(CertificateRow), aliased(CertificateRow)
    query = select(named.issuer, named.serial, beside.issuer, beside.serial).join(
        beside, (beside.spki_sha256 == named.spki_sha256) & (beside.id != named.id)
    )
    for row in session.execute(query.where(named.serial.in_(serials), beside.state.in_(_LIVING))):
        one, other = (row[0], row[1]), (row[2], row[3])
        if one in certificates and other not in certificates:
            found.append(other)
    return sorted(set(found))


def certificates_on(session: Session, keys: Collection[bytes]) -> list[CertificateRecord]:
    """Return the certificates on some keys that are neither revoked nor given up, oldest first."""
    query = select(CertificateRow).where(CertificateRow.spki_sha256.in_(keys), CertificateRow.state.in_(_LIVING))
    return [as_record(row) for row in session.scalars(query.order_by(CertificateRow.id))]
