import dataclasses
from datetime import date, datetime, timedelta

import pytest
from sqlalchemy import select, update

from ca import profile_history
from ca.profile_history import KeptProfile, ProfileRow
from ca.profiles import Addresses, TerminalProfile
from kernel.audit import AuditEntry
from kernel.database import Database
from tests.ca.trial import PROFILE

OTHERS = [
    dataclasses.replace(PROFILE, fixed_end=date(2031, 3, 31)),
    dataclasses.replace(PROFILE, usages=("digital_signature", "key_agreement"), subject_keys=("p256",)),
    dataclasses.replace(PROFILE, addresses=Addresses("http://other.example.jp"), backdating=timedelta(minutes=3)),
    dataclasses.replace(PROFILE, rsa_bits=(3072, 4096), partition_size=1_000, delta=True),
]


def _keep(database: Database, profile: TerminalProfile, now: datetime) -> str:
    with database.transaction() as session:
        return KeptProfile(profile).keep(session, now)


def _past(database: Database) -> list[profile_history.PastProfile]:
    with database.snapshot() as session:
        return list(profile_history.past(session))


def test_every_profile_is_read_as_it_was(database: Database, now: datetime) -> None:
    names = {_keep(database, profile, now): profile for profile in [PROFILE, *OTHERS]}
    assert {one.name: one.profile for one in _past(database)} == names
    assert len(names) == 5


def test_the_first_use_is_on_record_once(database: Database, now: datetime) -> None:
    kept = KeptProfile(PROFILE)
    for _ in range(3):
        with database.transaction() as session:
            kept.keep(session, now)
    _keep(database, PROFILE, now)
    with database.snapshot() as session:
        [entry] = session.scalars(select(AuditEntry).where(AuditEntry.action == profile_history.ACTION))
    [past] = _past(database)
    assert (entry.subject, entry.facts["content"]) == (f"profile:{past.name}", past.content)


def test_what_was_rolled_back_is_written_again(database: Database, now: datetime) -> None:
    kept = KeptProfile(PROFILE)

    def fail() -> None:
        with database.transaction() as session:
            kept.keep(session, now)
            raise LookupError

    with pytest.raises(LookupError):
        fail()
    assert _past(database) == []
    with database.transaction() as session:
        kept.keep(session, now)
    assert len(_past(database)) == 1


def test_a_text_that_was_changed_says_nothing(database: Database, now: datetime) -> None:
    _keep(database, PROFILE, now)
    with database.transaction() as session:
        session.execute(update(ProfileRow).values(content="{}"))
    [past] = _past(database)
    assert past.profile is None


def test_a_field_that_a_profile_did_not_have_yet_has_its_default(database: Database, now: datetime) -> None:
    _keep(database, PROFILE, now)
    [past] = _past(database)
    short = past.content.replace('"partition_size": 0, ', "").replace('"delta": false, ', "")
    assert short != past.content
    name = profile_history._name_of(short)  # noqa: SLF001 (a row as an older version would have written it)
    with database.transaction() as session:
        session.execute(update(ProfileRow).values(content=short, name=name))
    [past] = _past(database)
    assert past.profile == PROFILE
