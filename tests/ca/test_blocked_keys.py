import pytest
from cryptography import x509
from sqlalchemy import select, update

from ca import blocked_keys, certificates, revocation
from ca.certificates import CertificateRecord, CertificateState
from ca.revocation import Reason, Revoked
from ca.tables import CertificateRow, CrlEntryRow
from kernel.errors import Refused
from keys.algorithms import VerifyingKey
from tests.ca.issuance import complete, issue, new_key, on_key, read, reserve
from tests.ca.test_ceremony_rollover import hold, with_new_root
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


def _ends(house: House, certificate: CertificateRecord, *, many: bool) -> Revoked:
    """End a certificate for a compromise, by itself or with another one."""
    named, now = (certificate.issuer, certificate.serial), house.clock.now()
    with house.database.transaction() as session:
        if many:
            return revocation.revoke_many(session, [named], reason=Reason.KEY_COMPROMISE, now=now)
        return revocation.revoke(session, *named, reason=Reason.KEY_COMPROMISE, now=now)


@pytest.mark.parametrize("many", [False, True])
def test_a_compromise_ends_everything_on_the_key_in_one_transaction_and_says_what(house: House, many: bool) -> None:  # noqa: FBT001 (a parameter)
    key, other = new_key(), issue(house)
    terminal = reserve(house, key=key)
    complete(house, terminal)
    assert isinstance(key.public_key, VerifyingKey)
    service, waiting = on_key(house, key.public_key), on_key(house, key.public_key, "post", is_signed=False)
    done = _ends(house, service, many=many)
    assert {one.name for one in done.ended} == {(one.issuer, one.serial) for one in (service, terminal)}
    assert [one.name for one in done.given_up] == [(waiting.issuer, waiting.serial)]
    assert done.blocked == [key.spki_sha256]
    states = {one.serial: read(house, one).state for one in (service, terminal, waiting, other)}
    assert list(states.values()) == [
        CertificateState.REVOKED,
        CertificateState.REVOKED,
        CertificateState.ABANDONED,
        CertificateState.VALID,
    ]
    with house.database.snapshot() as session:
        listed = session.scalars(select(CrlEntryRow.certificate_id)).all()
    assert len(listed) == 3
    assert _ends(house, service, many=many) == Revoked([], [], [])


def test_a_compromise_that_is_told_after_the_end_takes_the_others_along(house: House) -> None:
    key = new_key()
    assert isinstance(key.public_key, VerifyingKey)
    first, second = on_key(house, key.public_key), on_key(house, key.public_key, "post")
    with house.database.transaction() as session:
        revocation.revoke(session, first.issuer, first.serial, reason=Reason.SUPERSEDED, now=house.clock.now())
    done = _ends(house, first, many=False)
    assert [one.serial for one in done.ended] == [second.serial]
    assert (read(house, first).reason, read(house, second).reason) == (Reason.SUPERSEDED, Reason.KEY_COMPROMISE)


def test_what_ends_for_another_reason_leaves_its_key_and_the_others_on_it_alone(house: House) -> None:
    key = new_key()
    assert isinstance(key.public_key, VerifyingKey)
    first, second = on_key(house, key.public_key), on_key(house, key.public_key, "post")
    with house.database.transaction() as session:
        done = revocation.revoke(session, first.issuer, first.serial, reason=Reason.SUPERSEDED, now=house.clock.now())
    assert ([one.serial for one in done.ended], done.given_up, done.blocked) == ([first.serial], (), ())
    assert read(house, second).state == CertificateState.VALID


def _all_of_the_second_root(house: House) -> dict[str, tuple[CertificateState, str | None]]:
    with house.database.snapshot() as session:
        rows = session.scalars(select(CertificateRow).where(CertificateRow.subject.in_(("root-2", "root-2-by-root", "mail"))))
        return {row.subject: (CertificateState(row.state), row.reason) for row in rows}


@pytest.mark.parametrize("many", [False, True])
@pytest.mark.parametrize("reason", [Reason.KEY_COMPROMISE, Reason.CA_COMPROMISE])
def test_the_compromise_of_an_authority_takes_its_key_along_and_each_ends_for_the_reason_of_its_kind(
    house: House,
    reason: Reason,
    many: bool,  # noqa: FBT001 (a parameter)
) -> None:
    hold(house, with_new_root(house.plan))
    with house.database.snapshot() as session:
        [link] = certificates.of_subject(session, "root-2-by-root")
    public_key = x509.load_der_x509_certificate(link.der or b"").public_key()
    assert isinstance(public_key, VerifyingKey)
    on_key(house, public_key)
    named, now = (link.issuer, link.serial), house.clock.now()
    with house.database.transaction() as session:
        if many:
            done = revocation.revoke_many(session, [named], reason=reason, now=now)
        else:
            done = revocation.revoke(session, *named, reason=reason, now=now)
    assert done.blocked == [link.spki_sha256]
    assert _all_of_the_second_root(house) == {
        "root-2": (CertificateState.REVOKED, Reason.CA_COMPROMISE),
        "root-2-by-root": (CertificateState.REVOKED, reason),
        "mail": (CertificateState.REVOKED, Reason.KEY_COMPROMISE),
    }
    assert {one.subject: one.reason for one in done.ended} == {
        "root-2": "cACompromise",
        "root-2-by-root": reason.value,
        "mail": "keyCompromise",
    }


def test_what_can_not_be_read_ends_with_the_key_all_the_same(house: House) -> None:
    key = new_key()
    assert isinstance(key.public_key, VerifyingKey)
    first, damaged = on_key(house, key.public_key), on_key(house, key.public_key, "post")
    with house.database.transaction() as session:
        session.execute(update(CertificateRow).where(CertificateRow.serial == damaged.serial).values(der=b"damaged"))
    assert {one.serial for one in _ends(house, first, many=False).ended} == {first.serial, damaged.serial}
    assert read(house, damaged).reason == Reason.KEY_COMPROMISE


def test_a_promise_that_is_named_among_many_is_given_up_with_its_key(house: House) -> None:
    promise, good = reserve(house), issue(house)
    named = [(one.issuer, one.serial) for one in (promise, good)]
    with house.database.transaction() as session:
        done = revocation.revoke_many(session, named, reason=Reason.KEY_COMPROMISE, now=house.clock.now())
    assert ([one.serial for one in done.given_up], [one.serial for one in done.ended]) == ([promise.serial], [good.serial])
    assert sorted(done.blocked) == sorted(one.spki_sha256 for one in (promise, good))
    given_up = read(house, promise)
    assert (given_up.state, given_up.reason) == (CertificateState.ABANDONED, Reason.CESSATION_OF_OPERATION)


def test_a_promise_that_is_named_alone_is_no_certificate_and_its_key_stays_as_it_was(house: House) -> None:
    promise = reserve(house)
    with pytest.raises(Refused, match="certificate-state"):
        _ends(house, promise, many=False)
    with house.database.snapshot() as session:
        assert not blocked_keys.is_blocked(session, promise.spki_sha256)
