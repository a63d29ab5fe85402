"""Kept blocks are what their entries say, whatever happens to them and whoever comes between."""

import random
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import func, select, update

from ca import crl_blocks, crl_entries
from ca.crl_blocks import BLOCK, CrlBlockRow
from ca.crl_drafts import ListFaultError
from ca.tables import CrlEntryRow, IssuerRow
from kernel.database import Database
from tests.support.clock import SettableClock
from tests.support.house import House

ISSUER = "issuing-1"
DAY = timedelta(days=1)


@dataclass(frozen=True)
class Certificate:
    """As much of a certificate as lists tell."""

    id: int
    partition: int
    not_after: datetime
    revoked_at: datetime | None
    reason: str | None = "superseded"
    invalid_since: datetime | None = None
    issuer: str = ISSUER

    @property
    def serial(self) -> str:
        return f"{(1 << 158) + self.id:x}"

    @property
    def not_before(self) -> datetime:
        return self.not_after - 365 * DAY


def _certificates(now: datetime) -> list[Certificate]:
    """Return some in three partitions, a few to a block, as their numbers are far apart."""
    return [
        Certificate(1 + number * (BLOCK // 3), number // 12, now + (30 + number % 5) * DAY, now) for number in range(36)
    ]  # fmt: skip


def _show(database: Database, *certificates: Certificate) -> None:
    with database.transaction() as session:
        crl_entries.show(session, ISSUER, certificates)


def _keep(database: Database, quiet_since: int | None = None) -> int:
    """Keep all that is quiet, by default whatever is there."""
    with database.snapshot() as session:
        missing = crl_entries.whole(session, ISSUER, crl_entries.COMPLETE).missing
        newest = session.scalars(select(IssuerRow.revision).where(IssuerRow.name == ISSUER)).one()
    with database.transaction() as session:
        return crl_blocks.keep(session, ISSUER, missing, newest if quiet_since is None else quiet_since)


def _faults(database: Database) -> list[str]:
    """Compare what lists are made of with the single entries."""
    faults = []
    with database.snapshot() as session:
        for partition in range(4):
            query = select(CrlEntryRow.entry).where(CrlEntryRow.issuer == ISSUER)
            if partition != crl_entries.COMPLETE:
                query = query.where(CrlEntryRow.partition == partition)
            single = session.scalars(query.order_by(CrlEntryRow.partition, CrlEntryRow.certificate_id)).all()
            listed = crl_entries.whole(session, ISSUER, partition)
            pieces = list(listed.pieces())
            if b"".join(piece.octets for piece in pieces) != b"".join(single):
                faults.append(f"partition {partition} differs")
            if sum(piece.count for piece in pieces) != len(single):
                faults.append(f"partition {partition} is counted wrongly")
    return faults


def _kept(database: Database) -> int:
    with database.snapshot() as session:
        return session.scalars(select(func.count()).select_from(CrlBlockRow)).one()


@pytest.mark.parametrize("seed", range(4))
def test_whatever_happens_lists_are_made_of_what_the_entries_say(house: House, seed: int) -> None:
    moods, database, now = random.Random(seed), house.database, house.clock.now()  # noqa: S311 (the same at every run)
    known = _certificates(now)
    most = 0
    for _ in range(40):
        some = moods.sample(known, moods.randint(1, 6))
        match moods.choice(["list", "list", "release", "purge", "keep", "keep"]):
            case "list":
                _show(database, *some)
            case "release":
                _show(database, *(replace(one, revoked_at=None) for one in some))
            case "purge":
                with database.transaction() as session:
                    crl_entries.purge(session, ISSUER, now + moods.randint(20, 33) * DAY)
            case "keep":
                _keep(database, moods.choice([None, 3, 10]))
        most = max(most, _kept(database))
        assert _faults(database) == []
    assert most > 4


def test_a_block_goes_with_the_change_of_one_entry_and_the_others_stay(house: House) -> None:
    known = _certificates(house.clock.now())
    _show(house.database, *known)
    blocks = _keep(house.database)
    assert blocks == _kept(house.database) > 10
    _show(house.database, replace(known[20], reason="keyCompromise"))
    assert _kept(house.database) == blocks - 1
    assert _keep(house.database) == 1


def test_only_what_was_quiet_is_kept(house: House) -> None:
    known = _certificates(house.clock.now())
    _show(house.database, *known[:18])
    with house.database.snapshot() as session:
        quiet_since = crl_entries.revision(session, ISSUER, crl_entries.COMPLETE)
    _show(house.database, *known[18:])
    kept = _keep(house.database, quiet_since)
    assert 0 < kept < _keep(house.database)
    assert _keep(house.database) == 0


def test_what_can_not_be_read_is_not_kept(house: House) -> None:
    _show(house.database, *_certificates(house.clock.now()))
    with house.database.transaction() as session:
        session.execute(update(CrlEntryRow).values(entry=b"\x30\x00"))
    with pytest.raises(ValueError, match=r"parsing|entries stand"):
        _keep(house.database)
    assert _kept(house.database) == 0


def test_a_block_that_went_bad_is_not_published(house: House, clock: SettableClock) -> None:
    _show(house.database, *_certificates(clock.now()))
    _keep(house.database)
    house.crl.publish(clock.now())
    before = house.crl.file.read_bytes()
    with house.database.transaction() as session:
        [block] = session.scalars(select(CrlBlockRow).order_by(CrlBlockRow.block).limit(1))
        block.octets = block.octets[:30] + bytes((block.octets[30] ^ 1,)) + block.octets[31:]
    with pytest.raises(ListFaultError, match="not those that were meant"):
        house.crl.publish(clock.advance(DAY))
    assert house.crl.file.read_bytes() == before
    assert not list(house.crl_folder.glob(".*"))


def test_lists_keep_what_was_quiet_since_the_one_before(house: House, clock: SettableClock) -> None:
    known = _certificates(clock.now())
    _show(house.database, *known)
    house.crl.publish(clock.now())
    assert _kept(house.database) == 0
    _show(house.database, replace(known[0], reason="keyCompromise"))
    house.crl.publish(clock.advance(DAY))
    everything = _kept(house.database)
    house.crl.publish(clock.advance(DAY))
    assert _kept(house.database) == everything + 1 > 10
    assert _faults(house.database) == []


def test_who_keeps_and_who_revokes_may_come_between_each_other(house: House) -> None:
    known = _certificates(house.clock.now())
    _show(house.database, *known)
    failures: list[BaseException] = []
    is_over = threading.Event()

    def change(some: Sequence[Certificate]) -> None:
        try:
            for number in range(12):
                at = None if number % 3 == 1 else house.clock.now()
                _show(house.database, *(replace(one, revoked_at=at) for one in some))
        except BaseException as failure:  # noqa: BLE001 (told below)
            failures.append(failure)

    def keep() -> None:
        try:
            while not is_over.is_set():
                _keep(house.database)
        except BaseException as failure:  # noqa: BLE001 (told below)
            failures.append(failure)

    keeper = threading.Thread(target=keep)
    changers = [threading.Thread(target=change, args=(known[begin::3],)) for begin in range(3)]
    for thread in (keeper, *changers):
        thread.start()
    for thread in changers:
        thread.join()
    is_over.set()
    keeper.join()
    assert failures == []
    assert _faults(house.database) == []
