"""What issues, as a door finds it when it opens: the reasons why nobody does, and what `/readyz` asks."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from sqlalchemy import delete

from ca import certificates, revocation, terms
from ca.revocation import Reason
from kernel.database import Database, connect
from kernel.errors import Unavailable
from server import issuing, settings
from server.issuing import authority_of, issuing_check
from server.settings import Settings
from server.trouble import Trouble
from tests.support.clock import SettableClock
from tests.support.house import PASSPHRASE, House, build_house


@pytest.fixture
def database(sqlite_databases: Callable[[], AbstractContextManager[str]]) -> Iterator[Database]:
    """Return a database: what is asked here does not depend on its kind."""
    with sqlite_databases() as url:
        made = connect(url)
        yield made
        made.dispose()


@pytest.fixture
def house(database: Database, tmp_path: Path, clock: SettableClock) -> House:
    """Return a house whose folder is a home, too."""
    (tmp_path / "secrets").mkdir(mode=0o700)
    (tmp_path / "secrets" / "keys_passphrase").touch(mode=0o600)
    (tmp_path / "secrets" / "keys_passphrase").write_bytes(PASSPHRASE)
    return build_house(database, tmp_path, clock)


@pytest.fixture
def chosen(house: House) -> Settings:
    """Return the settings of that home."""
    return settings.load(house.keys.folder.parent)


def revoke_the_issuing_ca(house: House) -> None:
    with house.database.transaction() as session:
        [record] = [one for one in certificates.of_subject(session, "issuing-1") if one.issuer == "root"]
        revocation.revoke(session, "root", record.serial, reason=Reason.CA_COMPROMISE, now=house.clock.now())


def test_a_door_is_ready_while_a_certificate_could_be_issued(house: House, chosen: Settings) -> None:
    authority = authority_of(chosen, house.database, house.clock)
    issuing_check(authority, house.clock)()
    assert authority.at(house.clock.now()).issuer_name == "issuing-1"


def test_a_home_without_a_ceremony_is_told_so(house: House, chosen: Settings) -> None:
    with house.database.transaction() as session:
        session.execute(delete(terms.IssuerTermsRow))
    with pytest.raises(Trouble, match="there is no issuing CA: the ceremony was not held"):
        authority_of(chosen, house.database, house.clock)


def test_a_door_opens_when_every_issuing_ca_was_revoked_and_says_what_is_to_be_done(house: House, chosen: Settings) -> None:
    revoke_the_issuing_ca(house)
    authority = authority_of(chosen, house.database, house.clock)
    with pytest.raises(Unavailable, match="no issuing CA is in force"):
        issuing_check(authority, house.clock)()
    with house.database.snapshot() as session:
        told = issuing.why_none(terms.succession(session), house.clock.now())
    assert told.startswith("every issuing CA was revoked or has ended: add the next one")


def test_a_turn_that_is_yet_to_come_is_told_with_its_instant(house: House, chosen: Settings, clock: SettableClock) -> None:
    begin = house.clock.now()
    clock.instant = begin.replace(year=begin.year - 1)
    authority = authority_of(chosen, house.database, house.clock)
    with pytest.raises(Unavailable):
        authority.at(house.clock.now())
    with house.database.snapshot() as session:
        told = issuing.why_none(terms.succession(session), house.clock.now())
    assert told.startswith("no issuing CA's turn has begun: that of issuing-1 begins at ")
