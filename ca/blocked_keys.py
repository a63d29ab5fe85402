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
from kernel.database import among, insert_if_absent, insert_new, many

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


_AMONG = select(BlockedKeyRow.spki_sha256).where(among(BlockedKeyRow.spki_sha256))


def blocked_among(session: Session, keys: Collection[bytes]) -> set[bytes]:
    """Return those of some keys that are blocked."""
    return set(session.connection().scalars(_AMONG, many(keys)))


def on_blocked_key() -> ColumnElement[bool]:
    """Return the condition that a certificate's key is blocked."""
    return exists().where(BlockedKeyRow.spki_sha256 == CertificateRow.spki_sha256)


def blocked_between(session: Session, since: datetime, until: datetime) -> list[bytes]:
    """Return the keys that were blocked at an instant or later, and before another one."""
    query = select(BlockedKeyRow.spki_sha256).where(BlockedKeyRow.blocked_at >= since, BlockedKeyRow.blocked_at < until)
    return list(session.scalars(query.order_by(BlockedKeyRow.spki_sha256)))


_NAMED, _OTHERS = aliased(CertificateRow), aliased(CertificateRow)
_BESIDE = (
    select(_OTHERS.id)
    .join(_NAMED, (_OTHERS.spki_sha256 == _NAMED.spki_sha256) & (_OTHERS.id != _NAMED.id))
    .where(among(_NAMED.id), _OTHERS.state.in_(_LIVING))
)


def beside(session: Session, ids: Collection[int]) -> list[int]:
    """Return the rows of what else stands on the keys of some certificates, neither revoked nor given up."""
    return list(session.scalars(_BESIDE, many(ids)))


def siblings(session: Session, certificates: Collection[tuple[str, str]]) -> set[tuple[str, str]]:
    """Return the names (issuer and serial) of what else stands on the keys of some certificates that are named so."""
    named, others = aliased(CertificateRow), aliased(CertificateRow)
    query = select(named.issuer, named.serial, others.issuer, others.serial).join(
        others, (others.spki_sha256 == named.spki_sha256) & (others.id != named.id)
    )
    # The issuers are said, too: the index begins with them.
    issued_by, serials = ({name[place] for name in certificates} for place in (0, 1))
    meant = (named.issuer.in_(issued_by), named.serial.in_(serials), others.state.in_(_LIVING))
    return {(row[2], row[3]) for row in session.execute(query.where(*meant)) if (row[0], row[1]) in certificates}


def living_rows(session: Session, ids: Collection[int]) -> list[CertificateRow]:
    """Return and hold those of some rows that are neither revoked nor given up, as they are now."""
    query = select(CertificateRow).where(CertificateRow.id.in_(ids), CertificateRow.state.in_(_LIVING))
    held = query.order_by(CertificateRow.id).with_for_update().execution_options(populate_existing=True)
    return list(session.scalars(held))


def certificates_on(session: Session, keys: Collection[bytes]) -> list[CertificateRecord]:
    """Return the certificates on some keys that are neither revoked nor given up, oldest first."""
    query = select(CertificateRow).where(CertificateRow.spki_sha256.in_(keys), CertificateRow.state.in_(_LIVING))
    return [as_record(row) for row in session.scalars(query.order_by(CertificateRow.id))]
