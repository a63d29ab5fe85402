"""What stands on the lists, as rows: entries, removals for delta lists, partitions, and the revisions that order them.

Each change of an issuer's list gets the issuer's next revision; whoever makes a list knows by it what the list shows.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from sqlalchemy import ColumnElement, bindparam, delete, func, select, update
from sqlalchemy.orm import Session

from ca import crl_blocks
from ca.crl_blocks import BLOCK, Blocks, Piece
from ca.crl_encoding import REMOVE_FROM_CRL, entry
from ca.tables import CertificateRow, CrlEntryRow, CrlPartitionRow, CrlRemovalRow, CrlRow, IssuerRow
from kernel.database import among, insert_if_absent, many, put_all

# Entries in memory at a time while a list is made: about half a megabyte.
PIECE = 8_192
# The list that everything of an issuer stands on.
COMPLETE = 0


_TABLES: tuple[type[CrlEntryRow], type[CrlRemovalRow]] = (CrlEntryRow, CrlRemovalRow)
# What changes where a certificate is told of anew.
_TOLD = ("revision", "until", "entry")
# Of an entry the whole key is said, one by one: so it is found at once, also by a database that does not know yet how many there
# are. Of removals there are few, as a lifted hold is told of only until its certificate ends.
_TAKE_OFF = delete(CrlEntryRow).where(
    CrlEntryRow.issuer == bindparam("of"),
    CrlEntryRow.partition == bindparam("within"),
    CrlEntryRow.certificate_id == bindparam("one"),
)
_FORGET = delete(CrlRemovalRow).where(CrlRemovalRow.issuer == bindparam("of"), among(CrlRemovalRow.certificate_id))


class Listed(Protocol):
    """What lists tell of a certificate: its row, or as much of it."""

    @property
    def id(self) -> int: ...  # noqa: D102 (as in the row, and so on)
    @property
    def issuer(self) -> str: ...  # noqa: D102
    @property
    def serial(self) -> str: ...  # noqa: D102
    @property
    def partition(self) -> int: ...  # noqa: D102
    @property
    def not_before(self) -> datetime: ...  # noqa: D102
    @property
    def not_after(self) -> datetime: ...  # noqa: D102
    @property
    def revoked_at(self) -> datetime | None: ...  # noqa: D102
    @property
    def reason(self) -> str | None: ...  # noqa: D102
    @property
    def invalid_since(self) -> datetime | None: ...  # noqa: D102


def show(session: Session, issuer: str, rows: Sequence[Listed]) -> None:
    """Bring lists up to date with certificates that were revoked, held, abandoned or released, all of one issuer.

    Last in the caller's transaction: the revision, which every revocation of this issuer shares, stays locked. A root whose
    certificate was promised, or signed, by a ceremony that was cut off is no issuer yet: its first list will tell it.
    """
    session.flush()
    raised = _next_revision(session, issuer, {row.partition for row in rows})
    listed = [row for row in rows if row.revoked_at is not None]
    lifted = [row for row in rows if row.revoked_at is None]
    for begin in range(0, len(rows), PIECE):
        some = rows[begin : begin + PIECE]
        crl_blocks.touch(session, issuer, {crl_blocks.place_of(row.partition, row.id) for row in some})
    connection = session.connection()
    if lifted:
        connection.execute(_TAKE_OFF, [{"of": issuer, "within": row.partition, "one": row.id} for row in lifted])
        put_all(session, CrlRemovalRow, [_values(row, raised, REMOVE_FROM_CRL) for row in lifted], _TOLD)
    for begin in range(0, len(listed), PIECE):
        some = listed[begin : begin + PIECE]
        connection.execute(_FORGET, many(row.id for row in some) | {"of": issuer})
        put_all(session, CrlEntryRow, [_values(row, raised, row.reason) for row in some], _TOLD)


def _values(row: Listed, raised: int, reason: str | None) -> dict[str, Any]:
    # The field must be there; of a removal its date says nothing, and what the hold said is gone.
    at = row.revoked_at or row.not_before
    return {
        "issuer": row.issuer,
        "partition": row.partition,
        "certificate_id": row.id,
        "revision": raised,
        "until": row.not_after,
        "entry": entry(int(row.serial, 16), at, reason, row.invalid_since),
    }


def _next_revision(session: Session, issuer: str, partitions: set[int]) -> int:
    statement = update(IssuerRow).where(IssuerRow.name == issuer).values(revision=IssuerRow.revision + 1)
    returned = session.scalars(statement.returning(IssuerRow.revision), execution_options={"synchronize_session": False})
    raised = returned.one_or_none() or 0  # an issuer's, until something changes its list
    if named := partitions - {COMPLETE}:
        touched = update(CrlPartitionRow).where(CrlPartitionRow.issuer == issuer, CrlPartitionRow.number.in_(named))
        session.execute(touched.values(revision=raised))
    return raised


def revision(session: Session, issuer: str, partition: int) -> int:
    """Return the revision that changed a list last."""
    if partition == COMPLETE:
        return session.scalars(select(IssuerRow.revision).where(IssuerRow.name == issuer)).one()
    query = select(CrlPartitionRow.revision)
    return session.scalar(query.where(CrlPartitionRow.issuer == issuer, CrlPartitionRow.number == partition)) or 0


def whole(session: Session, issuer: str, partition: int) -> Blocks:
    """Return the entries of a list; `COMPLETE` has those of every partition."""
    return crl_blocks.of_list(session, issuer, None if partition == COMPLETE else partition)


@dataclass(frozen=True)
class Changes:
    """What a list says since a revision: entries that came or changed, and removals."""

    session: Session
    issuer: str
    partition: int
    since: int

    def pieces(self) -> Iterator[Piece]:
        """Yield them."""
        for table in _TABLES:
            query = select(table.entry).where(*self._conditions(table))
            ordered = query.order_by(table.partition, table.certificate_id).execution_options(yield_per=PIECE)
            for some in self.session.scalars(ordered).partitions():
                yield Piece(b"".join(some), len(some))

    def _conditions(self, table: type[CrlEntryRow] | type[CrlRemovalRow]) -> Iterator[ColumnElement[bool]]:
        yield table.issuer == self.issuer
        yield table.revision > self.since
        if self.partition != COMPLETE:
            yield table.partition == self.partition


def purge(session: Session, issuer: str, ended_before: datetime) -> None:
    """Forget entries of certificates that ended before an instant. The issuer is locked, as by every change."""
    session.execute(select(IssuerRow.name).where(IssuerRow.name == issuer).with_for_update())
    ended = select(CrlEntryRow.partition, CrlEntryRow.certificate_id // BLOCK).distinct()
    found = session.execute(ended.where(CrlEntryRow.issuer == issuer, CrlEntryRow.until < ended_before))
    places = [(partition, block) for partition, block in found]
    for begin in range(0, len(places), PIECE):
        crl_blocks.touch(session, issuer, places[begin : begin + PIECE])
    for table in _TABLES:
        session.execute(delete(table).where(table.issuer == issuer, table.until < ended_before))


def has_ended(session: Session, issuer: str, ended_before: datetime) -> bool:
    """Return whether there is something to forget."""
    queries = (select(table.until).where(table.issuer == issuer, table.until < ended_before).limit(1) for table in _TABLES)
    return any(session.scalar(query) is not None for query in queries)


def open_partition(session: Session, size: int) -> int:
    """Return the partition for the next certificate; 0 where there are none.

    Certificates are numbered as they are promised, over all issuers, so a partition holds at most `size` of one issuer's
    (a few more while several are promised at once), and those of one partition end at about the same time. After a
    change of the size a partition may be filled a second time, by the new size.
    """
    if not size:
        return COMPLETE
    return (session.scalar(select(func.max(CertificateRow.id))) or 0) // size + 1


def open_ahead(session: Session, issuer: str, number: int) -> None:
    """Make a partition known before its first certificate, so that its list is there when somebody asks."""
    insert_if_absent(session, CrlPartitionRow, {"issuer": issuer, "number": number, "revision": 0})


def partitions(session: Session, issuer: str) -> dict[int, int]:
    """Return the partitions whose lists are kept, with the revision that changed each last."""
    rows = session.scalars(select(CrlPartitionRow).where(CrlPartitionRow.issuer == issuer).order_by(CrlPartitionRow.number))
    return {row.number: row.revision for row in rows}


def is_over(session: Session, issuer: str, number: int, ended_before: datetime) -> bool:
    """Return whether every certificate of a partition ended before an instant."""
    living = select(CertificateRow.id).where(
        CertificateRow.partition == number, CertificateRow.issuer == issuer, CertificateRow.not_after >= ended_before
    )
    return session.scalar(living.where(CertificateRow.partition > 0).limit(1)) is None


def close(session: Session, issuer: str, number: int) -> None:
    """Forget a partition that is over, and that it had lists."""
    session.execute(delete(CrlPartitionRow).where(CrlPartitionRow.issuer == issuer, CrlPartitionRow.number == number))
    session.execute(delete(CrlRow).where(CrlRow.issuer == issuer, CrlRow.partition == number))
