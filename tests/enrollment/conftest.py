"""A built house for every test of this room."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from enrollment.checker import CertificateCheck
from kernel import audit
from kernel.audit import CheckpointSigner
from kernel.database import Database, connect
from tests.conftest import FreshDatabase
from tests.support.clock import SettableClock
from tests.support.generations import TwoGenerations
from tests.support.house import House, build_house
from tests.support.statements import sharing_statements


@pytest.fixture
def house(database: Database, tmp_path: Path, clock: SettableClock) -> House:
    """Return a house on a fresh database of either kind."""
    return build_house(database, tmp_path, clock)


@pytest.fixture
def check(house: House) -> CertificateCheck:
    """Return the check of the house, which asks the responder itself."""
    return CertificateCheck(
        house.database, house.profile, house.crl_folder, lambda question: house.responder.answer(question, house.clock.now()).der
    )


@pytest.fixture
def sealed(house: House, clock: SettableClock) -> Callable[[], None]:
    """Return what lets an hour go by, with the jobs that run in it."""
    key = Ed25519PrivateKey.generate()
    signer = CheckpointSigner("example.jp/log", key.public_key().public_bytes_raw(), key.sign)

    def settle() -> None:
        house.crl.publish_if_due(clock.advance(timedelta(minutes=1)))
        audit.seal(house.database, signer, now=clock.now())
        clock.advance(timedelta(hours=1))

    return settle


@pytest.fixture
def sqlite_house(sqlite_databases: FreshDatabase, tmp_path: Path, clock: SettableClock) -> Iterator[House]:
    """Return a house on one kind of database, for long tables about our own code."""
    with sqlite_databases() as url:
        database = sharing_statements(connect(url))
        yield build_house(database, tmp_path, clock)
        database.dispose()


@pytest.fixture
def two(house: House, clock: SettableClock) -> TwoGenerations:
    """Return a house between two generations."""
    return TwoGenerations(house, clock)


@pytest.fixture
def sqlite_two(sqlite_house: House, clock: SettableClock) -> TwoGenerations:
    """Return the same on one kind of database."""
    return TwoGenerations(sqlite_house, clock)
