"""Entries that stand side by side on a list, kept joined: what the next list has in common with this one is not joined again.

A block is a range of certificates of one partition. It is derived from the entries and goes with the transaction that
changes one of them (`touch`); those that have been quiet for a list are joined, read by pyca's parser and kept (`keep`).
"""

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Integer,
    LargeBinary,
    Select,
    String,
    bindparam,
    cast,
    delete,
    func,
    insert,
    literal,
    select,
    tuple_,
)
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.orm import InstrumentedAttribute, Mapped, Session, mapped_column

from ca.crl_encoding import require_entries
from ca.tables import CrlEntryRow, IssuerRow
from kernel.database import Base

# Certificates in a block, so at most as many entries: about half a megabyte. Kept blocks have to go before it may change.
BLOCK = 8_192
# Blocks in memory at a time while they are read.
_AT_ONCE = 4
# A partition, and the number of a block in it.
Place = tuple[int, int]


class CrlBlockRow(Base):
    """The entries of the certificates `block * BLOCK` and following of a partition, joined; absent where one has changed."""

    __tablename__ = "ca_crl_block"

    issuer: Mapped[str] = mapped_column(String(40), primary_key=True)
    partition: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    block: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    entries: Mapped[int] = mapped_column(Integer)
    sha256: Mapped[bytes] = mapped_column(LargeBinary(32))
    octets: Mapped[bytes] = mapped_column(LargeBinary)


# Made once: of a list of which nothing is kept there are hundreds of blocks to ask for.
_WITHIN = (
    CrlEntryRow.issuer == bindparam("issuer"),
    CrlEntryRow.partition == bindparam("partition"),
    CrlEntryRow.certificate_id.between(bindparam("first"), bindparam("last")),
)
# By an expression, lest SQLite look into the index over the revisions of everything.
_CHANGED = select(literal(1)).where(*_WITHIN, CrlEntryRow.revision + 0 > bindparam("since")).limit(1)
_ORDER = aggregate_order_by(literal(b"", LargeBinary), CrlEntryRow.certificate_id)
_JOINED: Mapping[str, Select[bytes | None, int]] = {
    "postgresql": select(func.string_agg(CrlEntryRow.entry, _ORDER, type_=LargeBinary), func.count()).where(*_WITHIN),
    # SQLite joins octets as they are: a BLOB counts as text in the database's encoding, and comes back as what it was.
    "sqlite": select(cast(func.group_concat(CrlEntryRow.entry, ""), LargeBinary), func.count()).where(*_WITHIN),
}


@dataclass(frozen=True)
class Piece:
    """Some entries, joined, and how many they are; those that were read by a parser before have their SHA-256."""

    octets: bytes
    count: int
    sha256: bytes | None = None


@dataclass(frozen=True)
class Blocks:
    """The blocks of a list in the view of a session, in the list's order."""

    session: Session
    issuer: str
    partition: int | None
    places: tuple[Place, ...]
    kept: frozenset[Place]

    @property
    def missing(self) -> tuple[Place, ...]:
        """The places of blocks that are not kept."""
        return tuple(place for place in self.places if place not in self.kept)

    def pieces(self) -> Iterator[Piece]:
        """Yield the entries."""
        kept = self._kept()
        for place in self.places:
            yield next(kept) if place in self.kept else joined(self.session, self.issuer, place)

    def _kept(self) -> Iterator[Piece]:
        row = CrlBlockRow
        query = select(row.entries, row.sha256, row.octets).where(*_of(row, self.issuer, self.partition))
        ordered = query.order_by(row.partition, row.block).execution_options(yield_per=_AT_ONCE)
        for entries, sha256, octets in self.session.execute(ordered):
            yield Piece(octets, entries, sha256)


def of_list(session: Session, issuer: str, partition: int | None) -> Blocks:
    """Return the blocks of a partition's list, or of all partitions together (None)."""
    row = CrlBlockRow
    query = select(row.partition, row.block).where(*_of(row, issuer, partition))
    kept = frozenset((within, block) for within, block in session.execute(query))
    places = tuple((within, block) for within, block in session.execute(_places(issuer, partition)))
    return Blocks(session, issuer, partition, places, kept)


def touch(session: Session, issuer: str, places: Collection[Place]) -> None:
    """Drop blocks of which an entry has changed, in the transaction that changes it."""
    named = tuple_(CrlBlockRow.partition, CrlBlockRow.block).in_(sorted(places))
    session.execute(delete(CrlBlockRow).where(CrlBlockRow.issuer == issuer, named))


def keep(session: Session, issuer: str, places: Collection[Place], quiet_since: int) -> int:
    """Join blocks that nothing has changed since a revision, and keep them; return how many.

    The issuer is locked, as by whoever changes entries: what is kept is what stands there. Raises ValueError for entries
    that can not be read.
    """
    session.execute(select(IssuerRow.name).where(IssuerRow.name == issuer).with_for_update())
    row, kept = CrlBlockRow, 0
    named = tuple_(row.partition, row.block).in_(sorted(places))
    present = session.execute(select(row.partition, row.block).where(row.issuer == issuer, named))
    for place in sorted({*places} - {(partition, block) for partition, block in present}):
        if session.scalar(_CHANGED, {**_named(issuer, place), "since": quiet_since}) is not None:
            continue
        piece = joined(session, issuer, place)
        if not piece.count:  # they were forgotten since the list was made
            continue
        require_entries(piece.octets, piece.count)
        partition, block = place
        values = {"partition": partition, "block": block, "entries": piece.count, "octets": piece.octets}
        session.execute(insert(row).values(issuer=issuer, sha256=hashlib.sha256(piece.octets).digest(), **values))
        kept += 1
    return kept


def joined(session: Session, issuer: str, place: Place) -> Piece:
    """Join the entries of a block in the database: a thousand rows cost one result."""
    octets, count = session.execute(_JOINED[session.get_bind().dialect.name], _named(issuer, place)).one()
    return Piece(octets or b"", count)


def place_of(partition: int, certificate_id: int) -> Place:
    """Return the block in which a certificate's entry stands."""
    return partition, certificate_id // BLOCK


def few_at_a_time(places: Sequence[Place]) -> Iterator[Sequence[Place]]:
    """Yield places by the few that are worked on under one lock."""
    return (places[begin : begin + _AT_ONCE] for begin in range(0, len(places), _AT_ONCE))


def _places(issuer: str, partition: int | None) -> Select[int, int]:
    """Select the blocks that have entries, by stepping from one to the next: a million entries are not read for it."""
    row = CrlEntryRow
    begin = select(literal(partition or 0).label("partition"), literal(-1, BigInteger).label("block"))
    place = begin.cte("place", recursive=True)
    last = place.c.block * BLOCK + BLOCK - 1
    # Within one partition its number is said apart, or SQLite would sort what follows instead of taking the next one.
    within = tuple_(row.partition, row.certificate_id) > tuple_(place.c.partition, last)
    after = within if partition is None else row.certificate_id > last

    def following(column: ColumnElement[int] | InstrumentedAttribute[int]) -> ColumnElement[int]:
        query = select(column).where(*_of(row, issuer, partition), after)
        return query.order_by(row.partition, row.certificate_id).limit(1).correlate(place).scalar_subquery()

    step = select(following(row.partition), following(row.certificate_id // BLOCK)).where(place.c.partition.is_not(None))
    place = place.union_all(step)
    return select(place.c.partition, place.c.block).where(place.c.block >= 0).order_by(place.c.partition, place.c.block)


def _of(row: type[CrlBlockRow] | type[CrlEntryRow], issuer: str, partition: int | None) -> tuple[ColumnElement[bool], ...]:
    return (row.issuer == issuer,) if partition is None else (row.issuer == issuer, row.partition == partition)


def _named(issuer: str, place: Place) -> dict[str, str | int]:
    """Say which certificates `_WITHIN` is about."""
    partition, block = place
    return {"issuer": issuer, "partition": partition, "first": block * BLOCK, "last": block * BLOCK + BLOCK - 1}
