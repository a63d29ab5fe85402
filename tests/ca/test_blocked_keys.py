import pytest

from ca import blocked_keys, revocation
from ca.certificates import CertificateState
from ca.revocation import Reason
from kernel.errors import Refused
from tests.ca.issuance import complete, issue, new_key, read, reserve
from tests.support.house import House


def _block(house: House, spki_sha256: bytes) -> bool:
    with house.database.transaction() as session:
        return blocked_keys.block(session, spki_sha256, house.clock.now())


def test_a_blocked_key_is_promised_nothing(house: House) -> None:
    key = new_key()
    assert _block(house, key.spki_sha256)
    with pytest.raises(Refused, match="key-blocked"):
        reserve(house, key=key)


def test_a_key_is_blocked_once(house: House) -> None:
    key = new_key()
    assert _block(house, key.spki_sha256)
    assert not _block(house, key.spki_sha256)


def test_a_key_that_is_blocked_while_its_certificate_is_made_gets_none(house: House) -> None:
    reserved = reserve(house)
    signed = house.authority.sign(reserved)
    _block(house, reserved.spki_sha256)
    assert not complete(house, reserved, signed)
    assert read(house, reserved).state == CertificateState.RESERVED


@pytest.mark.parametrize("many", [False, True])
def test_a_certificate_that_ends_by_compromise_takes_its_key_along(house: House, many: bool) -> None:  # noqa: FBT001 (a parameter)
    first, other = issue(house), issue(house)
    now = house.clock.now()
    with house.database.transaction() as session:
        if many:
            revocation.revoke_many(session, [(first.issuer, first.serial)], reason=Reason.KEY_COMPROMISE, now=now)
        else:
            revocation.revoke(session, first.issuer, first.serial, reason=Reason.KEY_COMPROMISE, now=now)
        revocation.revoke(session, other.issuer, other.serial, reason=Reason.SUPERSEDED, now=now)
    with house.database.snapshot() as session:
        assert blocked_keys.is_blocked(session, first.spki_sha256)
        assert not blocked_keys.is_blocked(session, other.spki_sha256)


def test_a_compromise_that_is_told_after_the_end_blocks_the_key_too(house: House) -> None:
    certificate = issue(house)
    with house.database.transaction() as session:
        for reason in (Reason.SUPERSEDED, Reason.KEY_COMPROMISE):
            revocation.revoke(session, certificate.issuer, certificate.serial, reason=reason, now=house.clock.now())
    with house.database.snapshot() as session:
        assert blocked_keys.is_blocked(session, certificate.spki_sha256)
    assert read(house, certificate).reason == Reason.SUPERSEDED


def test_what_stands_on_keys_is_found(house: House) -> None:
    done, waiting, ended, other = issue(house), reserve(house), issue(house), issue(house)
    with house.database.transaction() as session:
        revocation.revoke(session, ended.issuer, ended.serial, reason=Reason.SUPERSEDED, now=house.clock.now())
    with house.database.snapshot() as session:
        found = blocked_keys.certificates_on(session, [row.spki_sha256 for row in (done, waiting, ended)])
    assert [row.serial for row in found] == [done.serial, waiting.serial]
    assert other.serial not in {row.serial for row in found}
