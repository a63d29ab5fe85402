"""Tiles: the specification's own numbers, and the stored ones grow as if made in one piece."""

import hashlib
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from kernel import audit
from kernel.audit import AuditCheckpoint, LogForkedError, TileName
from kernel.audit.merkle import leaf_hash
from kernel.audit.tiles import AuditTile, Tiling
from kernel.database import Database
from tests.kernel.test_audit import Log


def grown(size: int) -> Tiling:
    tiling = Tiling()
    for number in range(size):
        tiling.append(hashlib.sha256(number.to_bytes(4, "big")).digest())
    return tiling


def test_a_tree_of_70000_has_the_tiles_of_the_specifications_example() -> None:
    tiles = grown(70_000).take()
    widths = {place: len(hashes) // 32 for place, hashes in tiles.items()}
    assert [widths[0, position] for position in range(273)] == [256] * 273
    assert (widths[0, 273], widths[1, 0], widths[1, 1], widths[2, 0]) == (112, 256, 17, 1)
    assert len(widths) == 277


def test_a_tree_of_256_has_a_full_tile_and_one_of_width_1_above() -> None:
    widths = {place: len(hashes) // 32 for place, hashes in grown(256).take().items()}
    assert widths == {(0, 0): 256, (1, 0): 1}


@pytest.mark.parametrize(
    ("name", "path"),
    [
        (TileName(0, 0), "0/000"),
        (TileName(0, 999), "0/999"),
        (TileName(0, 1000), "0/x001/000"),
        (TileName(63, 1234067), "63/x001/x234/067"),
        (TileName(1, 67, 255), "1/067.p/255"),
    ],
)
def test_paths_are_the_specifications(name: TileName, path: str) -> None:
    assert name.path == path
    assert TileName.parse(path) == name


@given(st.integers(0, 63), st.integers(0, 10**18), st.integers(1, 256))
def test_every_name_is_read_as_it_is_written(level: int, position: int, width: int) -> None:
    name = TileName(level, position, width)
    assert TileName.parse(name.path) == name


@pytest.mark.parametrize(
    "path",
    [
        *("", "0", "0/", "0/0", "0/00", "0/0000", "00/000", "01/000", "64/000", "-1/000", "0/-01", "0/x000/001", "0/x01/001"),
        *("0/001/002", "0/x001", "0/000.p/0", "0/000.p/256", "0/000.p/01", "0/000.p/", "0/000.p/1/", "0/000.p/999", "0/٠٠٠"),
        *("entries/000", "data/000", "0/000\n", " 0/000", "0/X001/000", "0//000"),
    ],
)
def test_other_spellings_name_no_tile(path: str) -> None:
    assert TileName.parse(path) is None


@pytest.fixture
def log(database: Database, now: datetime) -> Log:
    """Return a log whose tree grew in uneven steps over the edges of tiles."""
    log = Log(database, now)
    for number in (1, 254, 1, 3, 260, 1):
        log.write(*(["a"] * number))
        assert log.seal() == number
    return log


def leaves(session: Session) -> list[bytes]:
    query = select(audit.AuditEntry.commitment).order_by(audit.AuditEntry.leaf_index)
    return [leaf_hash(commitment) for commitment in session.scalars(query)]


def stored(session: Session) -> dict[tuple[int, int], bytes]:
    return {(tile.level, tile.position): tile.hashes for tile in session.scalars(select(AuditTile))}


def test_stored_tiles_are_those_of_the_whole_tree(log: Log) -> None:
    tiling = Tiling()
    with log.database.snapshot() as session:
        for leaf in leaves(session):
            tiling.append(leaf)
        assert stored(session) == tiling.take()
    assert log.faults() == []


def test_only_what_a_checkpoint_covers_is_published(log: Log) -> None:
    with log.database.snapshot() as session:
        assert audit.published_tile(session, TileName(0, 2, 8)) == b"".join(leaves(session)[512:520])
        for name in (TileName(0, 2, 9), TileName(0, 2), TileName(1, 0, 3), TileName(0, 3, 1), TileName(63, 10**18, 1)):
            assert audit.published_tile(session, name) is None
    log.tamper(lambda session: session.execute(delete(AuditCheckpoint).where(AuditCheckpoint.size > 519)))
    with log.database.snapshot() as session:
        assert audit.published_tile(session, TileName(0, 2, 7)) is not None
        assert audit.published_tile(session, TileName(0, 2, 8)) is None


def test_a_log_of_before_there_were_tiles_gets_them_with_the_next_sealing(log: Log) -> None:
    log.tamper(lambda session: session.execute(delete(AuditTile)))
    assert log.faults() != []
    log.write("b")
    log.seal()
    assert log.faults() == []


@pytest.mark.parametrize(
    "tampering",
    [
        delete(AuditTile).where(AuditTile.level == 0, AuditTile.position == 1),
        update(AuditTile).where(AuditTile.level == 1).values(hashes=bytes(64)),
        update(AuditTile).where(AuditTile.level == 0, AuditTile.position == 2).values(hashes=bytes(32)),
    ],
)
def test_tiles_that_were_tampered_with_are_found(log: Log, tampering: object) -> None:
    log.tamper(lambda session: session.execute(tampering))  # type: ignore[call-overload]
    assert any(fault.startswith("tile ") for fault in log.faults())


def test_tiles_of_leaves_that_are_gone_are_found(log: Log) -> None:
    log.tamper(lambda session: session.add(AuditTile(level=0, position=3, hashes=bytes(32))))
    assert log.faults() == ["there are tiles of leaves that are gone"]


def test_a_fork_is_not_signed_for(log: Log) -> None:
    # As after a restore from a backup that lacks what was signed since: other entries take the places.
    forged = {"root": hashlib.sha256(b"what was signed for").digest()}
    log.tamper(lambda session: session.execute(update(AuditCheckpoint).where(AuditCheckpoint.size == 520).values(**forged)))
    log.write("b")
    with pytest.raises(LogForkedError, match="checkpoint 520 is no part of the tree of 521 leaves"):
        log.seal()
    assert len(log.notes()) == 6


def test_a_tile_that_the_proof_of_growth_needs_stops_the_signature_when_it_is_lost(log: Log) -> None:
    log.tamper(lambda session: session.execute(delete(AuditTile).where(AuditTile.level == 1)))
    log.write("b")
    with pytest.raises(LogForkedError, match="the tiles have no node"):
        log.seal()
