"""Publishing that is cut off at any step, and publishers of several processes: lists only go forward, and heal."""

import hashlib
import multiprocessing
import os
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from sqlalchemy import select

from ca import crl_entries
from ca.crl import ClockBehindError, CrlPublisher, in_force, number_of
from ca.issuers import SigningIssuer
from ca.tables import CrlRow
from kernel.audit import AuditEntry
from kernel.database import Database, connect
from tests.crash import faults
from tests.crash.faults import BrokenKey, Fault, Harm, Place
from tests.support.clock import SettableClock
from tests.support.house import House, build_house

ISSUER = "issuing-1"
HOUR = timedelta(hours=1)
SIZE = 100
NODES, ROUNDS = 3, 8
# Where a publication may be cut off: it commits its number, signs twice (the list, its delta), and commits its rows.
CUTS: dict[str, Fault | Callable[[BrokenKey], None]] = {
    "before the number": Fault(Place.WRITE, 1, Harm.KILLED),
    "the number is not committed": Fault(Place.COMMIT, 1, Harm.KILLED),
    "the number is committed": Fault(Place.COMMIT, 1, Harm.DONE_AND_KILLED),
    "before it is signed": lambda key: setattr(key, "before", faults.die),
    "after it was signed": lambda key: setattr(key, "after", faults.die),
    "the rows are not committed": Fault(Place.COMMIT, 2, Harm.KILLED),
    "the rows are committed and no file was renamed": Fault(Place.COMMIT, 2, Harm.DONE_AND_KILLED),
}


@pytest.fixture
def house(database: Database, tmp_path: Path, clock: SettableClock) -> House:
    return build_house(database, tmp_path, clock)


def _publisher(house: House, database: Database | None = None, key: BrokenKey | None = None) -> CrlPublisher:
    signer = SigningIssuer(house.issuing.issuer, key) if key else house.issuing
    addresses = house.profile.addresses
    return CrlPublisher(
        database or house.database, signer, house.crl_folder, addresses=addresses, partition_size=SIZE, delta=True
    )


def _in_child(work: Callable[..., None], *arguments: object) -> "multiprocessing.process.BaseProcess":
    child = multiprocessing.get_context("fork").Process(target=work, args=arguments)
    child.start()
    return child


def _publish_into(house: House, cut: str, now: datetime) -> None:
    """Publish as a process of its own would, until it is cut off."""
    database, key, harm = connect(house.database.engine.url.render_as_string(hide_password=False)), None, CUTS[cut]
    if isinstance(harm, Fault):
        harm.arm(database)
    else:
        harm(key := BrokenKey(house.issuing.key))
    _publisher(house, database, key).publish(now)


def _read(file: Path) -> x509.CertificateRevocationList:
    return x509.load_der_x509_crl(file.read_bytes())


@pytest.mark.parametrize("cut", CUTS)
def test_what_was_cut_off_heals_in_the_next_round(house: House, clock: SettableClock, cut: str) -> None:
    publisher = _publisher(house)
    publisher.publish_if_due(clock.now())
    before = {file: file.read_bytes() for file in house.crl_folder.glob("*.crl")}
    child = _in_child(_publish_into, house, cut, clock.advance(HOUR))
    child.join(60)
    assert child.exitcode == -9
    # Whoever asks meanwhile gets what was in force, whole.
    assert {file: file.read_bytes() for file in house.crl_folder.glob("*.crl")} == before
    number = number_of(_read(house.crl.file))
    healed = publisher.publish_if_due(clock.now())
    assert (healed is not None) == (cut == "the rows are committed and no file was renamed")
    newest = publisher.publish(clock.advance(timedelta(minutes=1)))
    assert newest > (healed or number) >= number
    _all_stands(house)
    assert publisher.publish_if_due(clock.now()) is None


def test_the_draft_of_a_killed_publisher_goes_when_it_is_old(house: House, clock: SettableClock) -> None:
    publisher = _publisher(house)
    publisher.publish_if_due(clock.now())
    _in_child(_publish_into, house, "after it was signed", clock.now()).join(60)
    drafts = [file for file in house.crl_folder.iterdir() if file.name.startswith(".")]
    assert len(drafts) == 2
    publisher.publish(clock.now())
    assert [draft for draft in drafts if draft.exists()] == drafts  # somebody may still be at them
    for draft in drafts:
        os.utime(draft, (time.time() - 7_200,) * 2)
    publisher.publish(clock.now())
    assert not [file for file in house.crl_folder.iterdir() if file.name.startswith(".")]


def _all_stands(house: House) -> None:
    with house.database.snapshot() as session:
        standing = in_force(session, ISSUER)
        assert {partition for partition, _ in standing} == {0, *crl_entries.partitions(session, ISSUER)}
    for (partition, is_delta), row in standing.items():
        name = f"{ISSUER}{f'.{partition}' if partition else ''}{'.delta' if is_delta else ''}.crl"
        content = (house.crl_folder / name).read_bytes()
        assert hashlib.sha256(content).digest() == row.sha256
        crl = x509.load_der_x509_crl(content)
        assert crl.is_signature_valid(house.issuing.issuer.public_key)
        assert (number_of(crl), crl.last_update_utc) == (row.number, row.this_update)


def _publish_again_and_again(house: House, partitions: list[int], begin: float) -> None:
    """Be one node of several: a list after the other."""
    database = connect(house.database.engine.url.render_as_string(hide_password=False))
    publisher, wanted = _publisher(house, database), ROUNDS * partitions
    while wanted:
        now = house.clock.now() + timedelta(seconds=time.monotonic() - begin)
        with suppress(ClockBehindError):  # another node was faster between our look at the clock and our turn
            publisher.publish(now, wanted[-1])
            wanted.pop()
    database.dispose()


def test_nodes_that_publish_at_once_only_go_forward(house: House, clock: SettableClock) -> None:
    _publisher(house).publish_if_due(clock.now())
    with house.database.snapshot() as session:
        partitions = [0, *crl_entries.partitions(session, ISSUER)]
    begin = time.monotonic()
    nodes = [_in_child(_publish_again_and_again, house, partitions, begin) for _ in range(NODES)]
    seen: dict[str, tuple[int, datetime]] = {}
    while any(node.is_alive() for node in nodes):
        for file in house.crl_folder.glob("*.crl"):
            crl = _read(file)
            assert crl.is_signature_valid((house.root if file.name == "root.crl" else house.issuing.issuer).public_key)
            now = number_of(crl), crl.last_update_utc
            number, at = seen.get(file.name, now)
            assert now[0] >= number
            assert now[1] >= at
            seen[file.name] = now
    assert [node.exitcode for node in nodes] == NODES * [0]
    _all_stands(house)
    with house.database.snapshot() as session:
        published = session.scalars(select(AuditEntry).where(AuditEntry.action == "crl.publish").order_by(AuditEntry.id)).all()
        rows = session.scalars(select(CrlRow).where(CrlRow.issuer == ISSUER, ~CrlRow.is_delta).order_by(CrlRow.number)).all()
    assert [row.this_update for row in rows] == sorted(row.this_update for row in rows)
    for partition in partitions:
        name = f"{ISSUER}{f'.{partition}' if partition else ''}.crl"
        numbers = [int(entry.facts["number"] or 0) for entry in published if entry.facts["list"] == name]
        assert numbers == sorted(set(numbers))
        assert len(numbers) > ROUNDS
