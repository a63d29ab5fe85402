import pytest
from sqlalchemy import select

from ca import ceremony
from ca.certificates import CertificateState, find, of_subject
from ca.requests import spki_digest
from ca.revocation import Reason
from enrollment.blocking import Blocked, KeyBlocking
from enrollment.code_sets import CodeSetState
from kernel.audit import AuditEntry
from kernel.errors import Refused
from tests.ca.issuance import reserve
from tests.enrollment.test_redemption import claimed
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
