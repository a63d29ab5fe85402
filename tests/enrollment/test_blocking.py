import pytest
from sqlalchemy import select

from ca import blocked_keys, ceremony, crl_entries, revocation
from ca.certificates import CertificateRecord, CertificateState, find, of_subject
from ca.requests import spki_digest
from ca.revocation import Reason
from enrollment.blocking import UNDER_WAY, Blocked, KeyBlocking
from enrollment.code_sets import CodeSetState
from kernel.audit import AuditEntry
from kernel.errors import Refused
from keys.algorithms import VerifyingKey
from tests.ca.issuance import new_key, on_key, promised_root, reserve
from tests.enrollment.test_redemption import claimed
from tests.support.clock import SettableClock
from tests.support.house import SECURITY, SOURCE, House, new_request


def _blocking(house: House) -> KeyBlocking:
    return KeyBlocking(house.database, house.clock)


def _state(house: House, issuer: str, serial: str) -> tuple[CertificateState, str | None]:
    with house.database.snapshot() as session:
        found = find(session, issuer, serial)
    assert found is not None
    return found.state, found.reason


def test_blocking_a_key_revokes_the_certificate_on_it(house: House) -> None:
    mine, other = house.issue(), house.issue()
    done = _blocking(house).block([mine.certificate.spki_sha256], SECURITY)
    assert done == Blocked(keys=1, certificates=1, being_made=0)
    assert _state(house, mine.certificate.issuer, mine.certificate.serial) == (CertificateState.REVOKED, Reason.KEY_COMPROMISE)
    assert _state(house, other.certificate.issuer, other.certificate.serial)[0] == CertificateState.VALID


def test_blocking_again_does_nothing(house: House) -> None:
    mine = house.issue()
    _blocking(house).block([mine.certificate.spki_sha256], SECURITY)
    assert _blocking(house).block([mine.certificate.spki_sha256], SECURITY) == Blocked(0, 0, 0)


def test_it_is_on_record_key_by_key(house: House) -> None:
    keys = [bytes([number]) * 32 for number in range(3)]
    _blocking(house).block([*keys, keys[0]], SECURITY)
    with house.database.snapshot() as session:
        entries = session.scalars(select(AuditEntry).where(AuditEntry.action == "key.block")).all()
    assert [entry.subject for entry in entries] == [f"key:{key.hex()}" for key in keys]


def test_a_retrieval_under_way_is_stopped_and_its_key_refused(house: House) -> None:
    [(terminal, codes)] = house.new_codes()
    request = new_request()
    claimed(house, codes, request.pem)
    key = spki_digest(request.key.public_key())
    assert _blocking(house).block([key], SECURITY) == Blocked(keys=1, certificates=0, being_made=1)
    [row] = house.code_set_rows(terminal)
    assert row.state == CodeSetState.FROZEN
    with house.database.snapshot() as session:
        assert [record.state for record in of_subject(session, terminal)] == [CertificateState.ABANDONED]


def test_a_promise_that_no_codes_claim_is_given_up_on_record(house: House) -> None:
    promise = reserve(house)  # by the authority alone, as a service's is
    assert _blocking(house).block([promise.spki_sha256], SECURITY) == Blocked(keys=1, certificates=0, being_made=1)
    with house.database.snapshot() as session:
        [entry] = session.scalars(select(AuditEntry).where(AuditEntry.action == "certificate.abandon"))
    assert (entry.subject, entry.facts["serial"]) == (f"service:{promise.subject}", promise.serial)


def test_a_blocked_key_is_refused_at_retrieval(house: House) -> None:
    [(_, codes)] = house.new_codes()
    request = new_request()
    _blocking(house).block([spki_digest(request.key.public_key())], SECURITY)
    with pytest.raises(Refused, match="key-blocked"):
        house.redemption.redeem(codes, request.pem, SOURCE)
    assert house.redemption.redeem(codes, new_request().pem, SOURCE).is_new


def test_our_own_certificates_on_the_key_end_too(house: House) -> None:
    with house.database.snapshot() as session:
        [responder] = of_subject(session, ceremony.RESPONDER)
    assert _blocking(house).block([responder.spki_sha256], SECURITY).certificates == 1
    assert _state(house, responder.issuer, responder.serial)[0] == CertificateState.REVOKED


def _half_founded(house: House) -> tuple[CertificateRecord, CertificateRecord]:
    """Return a service's certificate and, on the same key, the promise of a root that is no issuer yet."""
    key = new_key().public_key
    assert isinstance(key, VerifyingKey)
    return on_key(house, key), promised_root(house, key)


def _is_over(house: House, service: CertificateRecord, root: CertificateRecord) -> None:
    assert _state(house, service.issuer, service.serial) == (CertificateState.REVOKED, Reason.KEY_COMPROMISE)
    assert _state(house, root.issuer, root.serial)[0] == CertificateState.ABANDONED
    with house.database.snapshot() as session:  # should it ever have one
        assert sum(piece.count for piece in crl_entries.whole(session, root.issuer, crl_entries.COMPLETE).pieces()) == 1


def test_a_key_of_a_root_that_is_only_promised_is_blocked_beside_others(house: House) -> None:
    service, root = _half_founded(house)
    other = house.issue().certificate
    done = _blocking(house).block([root.spki_sha256, other.spki_sha256], SECURITY)
    assert done == Blocked(keys=2, certificates=2, being_made=1)
    _is_over(house, service, root)
    assert _state(house, other.issuer, other.serial)[0] == CertificateState.REVOKED


def test_the_job_gives_up_the_promise_of_a_root_whose_key_is_blocked(house: House, clock: SettableClock) -> None:
    service, root = _half_founded(house)
    with house.database.transaction() as session:
        blocked_keys.block(session, root.spki_sha256, clock.now())
    assert _blocking(house).finish(clock.advance(2 * UNDER_WAY)) == 2
    _is_over(house, service, root)


@pytest.mark.parametrize("many", [False, True])
def test_a_compromise_gives_up_the_promise_of_a_root_beside_it(house: House, many: bool) -> None:  # noqa: FBT001 (a parameter)
    service, root = _half_founded(house)
    named, now = (service.issuer, service.serial), house.clock.now()
    with house.database.transaction() as session:
        if many:
            revocation.revoke_many(session, [named], reason=Reason.KEY_COMPROMISE, now=now)
        else:
            revocation.revoke(session, *named, reason=Reason.KEY_COMPROMISE, now=now)
    _is_over(house, service, root)


def test_the_promise_of_a_root_is_given_up_by_itself(house: House) -> None:
    _, root = _half_founded(house)
    with house.database.transaction() as session:
        revocation.abandon(session, root.issuer, root.serial, now=house.clock.now())
    assert _state(house, root.issuer, root.serial)[0] == CertificateState.ABANDONED
