"""What is asked of a certificate each time that somebody passes with it: state, dates, octets. Core statements, no records.

of(session, issuer, serial) -> Standing | None
of_many(session, named) -> dict[(issuer, serial), Standing]
issuer_of(session, name) -> str | None
revisions(session) -> dict[issuer, revision]
changed_since(session, seen) -> set[subject]
list_over_since(session, issuer, now) -> datetime | None
"""

from collections.abc import Collection, Mapping
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

from cryptography import x509
from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from ca.certificates import CertificateState
from ca.tables import CertificateRow, CrlEntryRow, CrlRemovalRow, CrlRow, IssuerRow

_AT_ONCE = 500
_table = CertificateRow.__table__.c
_COLUMNS = (_table.state, _table.reason, _table.not_before, _table.not_after, _table.der)
# Made once, and run past the ORM: making a statement costs as much as running it.
_ONE = select(*_COLUMNS).where(_table.issuer == bindparam("issuer"), _table.serial == bindparam("serial"))
_ISSUERS = select(IssuerRow.__table__.c.name, IssuerRow.__table__.c.certificate).order_by(IssuerRow.__table__.c.name)


class Standing(NamedTuple):
    """What a certificate's row says at this moment; `der` is None until it was signed and stored."""

    state: str
    reason: str | None
    not_before: datetime
    not_after: datetime
    der: bytes | None

    @property
    def is_valid(self) -> bool:
        """Whether it is neither promised only, nor held, nor ended."""
        return self.state == CertificateState.VALID


def of(session: Session, issuer: str, serial: str) -> Standing | None:
    """Return how a certificate stands."""
    row = session.connection().execute(_ONE, {"issuer": issuer, "serial": serial}).first()
    return None if row is None else Standing(*row)


def of_many(session: Session, named: Collection[tuple[str, str]]) -> dict[tuple[str, str], Standing]:
    """Return how certificates stand, by issuer and serial number; those that are not there are left out."""
    wanted, found = set(named), {}
    serials = sorted({serial for _, serial in wanted})
    for begin in range(0, len(serials), _AT_ONCE):
        query = select(_table.issuer, _table.serial, *_COLUMNS)
        for row in session.execute(query.where(_table.serial.in_(serials[begin : begin + _AT_ONCE]))):
            if (row.issuer, row.serial) in wanted:
                found[row.issuer, row.serial] = Standing(row.state, row.reason, row.not_before, row.not_after, row.der)
    return found


def issuer_of(session: Session, name: bytes) -> str | None:
    """Return which of our issuers has a subject (DER of the name); None when none has."""
    rows = session.connection().execute(_ISSUERS)
    return next((issuer for issuer, certificate in rows if _subject(certificate) == name), None)


def revisions(session: Session) -> dict[str, int]:
    """Return each issuer's revision: it is raised, under the issuer's lock, by whatever its lists must show."""
    return {row.name: row.revision for row in session.execute(select(IssuerRow.name, IssuerRow.revision))}


def changed_since(session: Session, seen: Mapping[str, int]) -> set[str]:
    """Return whose certificates were revoked, held or released after the revisions that were seen.

    Nothing is missed: a revision is taken under a lock that is kept until the commit, so they appear in their order.
    """
    changed: set[str] = set()
    for issuer, revision in revisions(session).items():
        if revision == seen.get(issuer):
            continue
        for table in (CrlEntryRow, CrlRemovalRow):
            query = select(CertificateRow.subject).join(table, table.certificate_id == CertificateRow.id)
            changed |= set(session.scalars(query.where(table.issuer == issuer, table.revision > seen.get(issuer, -1))))
    return changed


def list_over_since(session: Session, issuer: str, now: datetime) -> datetime | None:
    """Return since when an issuer's newest list is over and should have been replaced; None while it is good, or was never."""
    newest = select(CrlRow.next_update).where(CrlRow.issuer == issuer, CrlRow.partition == 0, CrlRow.is_delta.is_(False))
    ends = session.scalar(newest.order_by(CrlRow.number.desc()).limit(1))
    return ends if ends is not None and ends <= now else None


@lru_cache(maxsize=64)
def _subject(certificate: bytes) -> bytes:
    return x509.load_der_x509_certificate(certificate).subject.public_bytes()
