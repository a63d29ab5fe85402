from datetime import timedelta
from itertools import pairwise

import pytest
from sqlalchemy.orm import Session

from ca import revocation
from ca.certificates import LIFECYCLE, CertificateEvent, CertificateRecord, CertificateState
from ca.revocation import Reason
from ca.tables import IssuerRow
from kernel.errors import Refused
from tests.ca.issuance import issue, read, reserve
from tests.support.clock import SettableClock
from tests.support.house import House


def _revoke(house: House, certificate: CertificateRecord, reason: Reason = Reason.SUPERSEDED) -> bool:
    with house.database.transaction() as session:
        return revocation.revoke(session, certificate.issuer, certificate.serial, reason=reason, now=house.clock.now())


def _hold(house: House, certificate: CertificateRecord) -> bool:
    with house.database.transaction() as session:
        return revocation.hold(session, certificate.issuer, certificate.serial, now=house.clock.now())


def _release(house: House, certificate: CertificateRecord) -> bool:
    with house.database.transaction() as session:
        return revocation.release(session, certificate.issuer, certificate.serial)


def _revision(session: Session, issuer: str) -> int:
    return session.get_one(IssuerRow, issuer).revision


@pytest.mark.parametrize("reason", Reason)
def test_a_certificate_is_revoked_with_each_reason(house: House, reason: Reason) -> None:
    certificate = issue(house)
    assert _revoke(house, certificate, reason)
    revoked = read(house, certificate)
    assert (revoked.state, revoked.reason, revoked.revoked_at) == (CertificateState.REVOKED, reason, house.clock.now())


def test_revoking_again_keeps_the_first_time_and_reason(house: House, clock: SettableClock) -> None:
    certificate = issue(house)
    _revoke(house, certificate, Reason.KEY_COMPROMISE)
    first = read(house, certificate)
    clock.advance(timedelta(hours=1))
    assert not _revoke(house, certificate, Reason.SUPERSEDED)
    assert read(house, certificate) == first


def test_a_hold_is_lifted_and_leaves_nothing(house: House) -> None:
    certificate = issue(house)
    assert _hold(house, certificate)
    held = read(house, certificate)
    assert (held.state, held.reason) == (CertificateState.HELD, revocation.HOLD_REASON)
    assert _release(house, certificate)
    assert read(house, certificate) == certificate


def test_holding_and_releasing_again_change_nothing(house: House, clock: SettableClock) -> None:
    certificate = issue(house)
    assert not _release(house, certificate)
    _hold(house, certificate)
    held = read(house, certificate)
    clock.advance(timedelta(hours=1))
    assert not _hold(house, certificate)
    assert read(house, certificate) == held


def test_a_held_certificate_is_revoked_from_now_on(house: House, clock: SettableClock) -> None:
    certificate = issue(house)
    _hold(house, certificate)
    later = clock.advance(timedelta(hours=1))
    assert _revoke(house, certificate)
    assert read(house, certificate).revoked_at == later


@pytest.mark.parametrize("deed", [_hold, _release])
def test_nothing_is_ever_unrevoked(house: House, deed: object) -> None:
    certificate = issue(house)
    _revoke(house, certificate)
    before = read(house, certificate)
    with pytest.raises(Refused, match="certificate-state"):
        deed(house, certificate)  # type: ignore[operator]
    assert read(house, certificate) == before


def test_no_event_leads_out_of_revoked_or_abandoned() -> None:
    final = {CertificateState.REVOKED, CertificateState.ABANDONED}
    assert not any(LIFECYCLE.allows(state, event) for state in final for event in CertificateEvent)


def test_a_promise_is_abandoned_not_revoked(house: House) -> None:
    promise = reserve(house)
    with pytest.raises(Refused, match="certificate-state"):
        _revoke(house, promise)
    with house.database.transaction() as session:
        revocation.abandon(session, promise.issuer, promise.serial, now=house.clock.now())
    assert read(house, promise).state == CertificateState.ABANDONED


def test_what_is_valid_is_not_abandoned(house: House) -> None:
    certificate = issue(house)
    with pytest.raises(Refused, match="certificate-state"), house.database.transaction() as session:
        revocation.abandon(session, certificate.issuer, certificate.serial, now=house.clock.now())


def test_an_unknown_certificate_is_refused(house: House) -> None:
    with pytest.raises(Refused, match="certificate-unknown"), house.database.transaction() as session:
        revocation.revoke(session, "issuing-1", "abc", reason=Reason.UNSPECIFIED, now=house.clock.now())


def test_each_change_makes_a_list_due_and_repetitions_do_not(house: House) -> None:
    certificate, promise = issue(house), reserve(house)
    revisions = []

    def look() -> None:
        with house.database.snapshot() as session:
            revisions.append(_revision(session, certificate.issuer))

    look()
    for deed in (_hold, _release, _hold, _revoke):
        assert deed(house, certificate)
        look()
    with house.database.transaction() as session:
        revocation.abandon(session, promise.issuer, promise.serial, now=house.clock.now())
    look()
    assert [later - earlier for earlier, later in pairwise(revisions)] == [1, 1, 1, 1, 1]
    _revoke(house, certificate)
    look()
    assert revisions[-1] == revisions[-2]
