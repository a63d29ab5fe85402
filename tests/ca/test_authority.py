import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy.orm.attributes import set_committed_value

from ca import authority, certificates, revocation
from ca.authority import Authority
from ca.certificates import CertificateState
from ca.issuers import SigningIssuer
from kernel.errors import Refused
from tests.ca.issuance import complete, issue, new_key, read, reserve
from tests.ca.trial import trial_issuer
from tests.support.house import House


def test_what_is_signed_is_what_was_stored(house: House) -> None:
    reserved = reserve(house)
    signed = x509.load_der_x509_certificate(house.authority.sign(reserved))
    assert signed.tbs_certificate_bytes == reserved.tbs
    signed.verify_directly_issued_by(house.issuing.issuer.certificate)


def test_a_promise_is_stored_whole_before_anything_is_signed(house: House) -> None:
    reserved = read(house, reserve(house))
    assert reserved.state == CertificateState.RESERVED
    assert reserved.der is None
    assert reserved.issued_at is None


def test_a_completed_certificate_is_valid_and_read_back_to_the_octet(house: House) -> None:
    reserved = reserve(house)
    der = house.authority.sign(reserved)
    assert complete(house, reserved, der)
    stored = read(house, reserved)
    assert (stored.state, stored.der, stored.issued_at) == (CertificateState.VALID, der, house.clock.now())


def test_who_comes_second_stores_nothing(house: House) -> None:
    reserved = reserve(house)
    first, second = house.authority.sign(reserved), house.authority.sign(reserved)
    assert complete(house, reserved, first)
    assert not complete(house, reserved, second)
    assert read(house, reserved).der == first


def test_what_was_abandoned_meanwhile_is_not_completed(house: House) -> None:
    reserved = reserve(house)
    with house.database.transaction() as session:
        revocation.abandon(session, reserved.issuer, reserved.serial, now=house.clock.now())
    assert not complete(house, reserved)
    assert read(house, reserved).der is None


def test_a_key_gets_one_certificate(house: House) -> None:
    key = new_key()
    reserve(house, key=key)
    with pytest.raises(Refused, match="key-used"):
        reserve(house, key=key)


def test_a_key_whose_promise_was_abandoned_may_be_promised_again(house: House) -> None:
    key = new_key()
    first = reserve(house, key=key)
    with house.database.transaction() as session:
        revocation.abandon(session, first.issuer, first.serial, now=house.clock.now())
    assert reserve(house, key=key).serial != first.serial


@pytest.mark.parametrize(
    ("reason", "code"), [(revocation.Reason.SUPERSEDED, "key-used"), (revocation.Reason.KEY_COMPROMISE, "key-blocked")]
)
def test_a_key_of_a_revoked_certificate_never_comes_back(house: House, reason: revocation.Reason, code: str) -> None:
    key = new_key()
    reserved = reserve(house, key=key)
    complete(house, reserved)
    with house.database.transaction() as session:
        revocation.revoke(session, reserved.issuer, reserved.serial, reason=reason, now=house.clock.now())
        assert certificates.key_was_used(session, key.spki_sha256)
    with pytest.raises(Refused, match=code):
        reserve(house, key=key)


def test_nothing_is_signed_inside_a_transaction(house: House) -> None:
    reserved = reserve(house)
    with pytest.raises(RuntimeError, match="transaction"), house.database.transaction():
        house.authority.sign(reserved)


def test_a_promise_of_another_issuer_is_not_signed(house: House) -> None:
    other = Authority(SigningIssuer(trial_issuer().issuer, trial_issuer().key), house.profile)
    with pytest.raises(ValueError, match="belongs to issuer"):
        other.sign(reserve(house))


def test_only_a_promise_waits_for_its_signature(house: House) -> None:
    waiting, done = reserve(house), issue(house)
    with house.database.snapshot() as session:
        assert authority.reserved(session, waiting.issuer, waiting.serial) == waiting
        assert authority.reserved(session, done.issuer, done.serial) is None
        assert authority.reserved(session, done.issuer, "0") is None


def test_a_presented_certificate_is_recognised_by_its_issuer(house: House) -> None:
    done = issue(house)
    with house.database.snapshot() as session:
        presented = certificates.identify(session, done.der or b"")
    assert (presented.subject, presented.issuer, presented.serial) == (done.subject, done.issuer, done.serial)


def test_a_strangers_certificate_has_none_of_our_issuers(house: House) -> None:
    with house.database.snapshot() as session:
        presented = certificates.identify(session, trial_issuer().issuer.certificate.public_bytes(Encoding.DER))
        assert presented.issuer is None
        with pytest.raises(Refused, match="certificate-unreadable"):
            certificates.identify(session, b"\x30\x00")


def test_certificates_of_a_terminal_come_newest_first(house: House) -> None:
    first, second = reserve(house, terminal="77777W"), reserve(house, terminal="77777W")
    with house.database.snapshot() as session:
        assert [record.serial for record in certificates.of_subject(session, "77777W")] == [second.serial, first.serial]
        wanted = {(first.issuer, first.serial), ("root", second.serial)}
        assert certificates.of_serials(session, wanted) == {(first.issuer, first.serial): first}


def test_a_row_read_under_its_lock_is_the_row_as_it_stands_now(house: House) -> None:
    """Who decides by what the session read before the lock, decides by what another transaction changed since."""
    done = issue(house)
    with house.database.transaction() as session:
        read_before = certificates.find_row(session, done.issuer, done.serial)
        assert read_before is not None
        set_committed_value(read_before, "state", CertificateState.RESERVED)  # as if somebody else had completed it since
        assert certificates.find_row(session, done.issuer, done.serial) is read_before
        assert read_before.state == CertificateState.RESERVED
        assert certificates.find_row(session, done.issuer, done.serial, lock=True) is read_before
        assert read_before.state == CertificateState.VALID
