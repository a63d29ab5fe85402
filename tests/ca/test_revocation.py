from datetime import timedelta
from itertools import pairwise

import pytest
from sqlalchemy.orm import Session

from ca import revocation
from ca.certificates import LIFECYCLE, CertificateEvent, CertificateRecord, CertificateState, find_row
from ca.revocation import Reason, Revoked
from ca.tables import IssuerRow
from kernel.errors import Refused
from keys.algorithms import VerifyingKey
from tests.ca.issuance import issue, new_key, on_key, read, reserve
from tests.support.clock import SettableClock
from tests.support.house import House


def _revoke(house: House, certificate: CertificateRecord, reason: Reason = Reason.SUPERSEDED) -> bool:
    with house.database.transaction() as session:
        done = revocation.revoke(session, certificate.issuer, certificate.serial, reason=reason, now=house.clock.now())
    return done.has_ended(certificate.issuer, certificate.serial)


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


def test_many_are_revoked_and_those_that_can_not_be_are_passed_over(house: House, clock: SettableClock) -> None:
    good, held, gone = (issue(house) for _ in range(3))
    promised = reserve(house)
    since = house.clock.now() - timedelta(days=3)
    with house.database.transaction() as session:
        revocation.hold(session, held.issuer, held.serial, now=house.clock.now(), invalid_since=since)
    _revoke(house, gone, Reason.KEY_COMPROMISE)
    before = read(house, gone)
    later = clock.advance(timedelta(hours=1))
    with house.database.transaction() as session:
        names = [(one.issuer, one.serial) for one in (held, gone, good, promised)]
        names += [("issuing-1", "abcdef"), ("root", good.serial)]
        revision = _revision(session, good.issuer)
        ended = revocation.revoke_many(session, names, reason=Reason.SUPERSEDED, now=later).ended
        assert _revision(session, good.issuer) == revision + 1  # one list shows them all
        assert revocation.revoke_many(session, names, reason=Reason.UNSPECIFIED, now=later) == Revoked([])
    assert {one.serial: one.invalid_since for one in ended} == {good.serial: None, held.serial: since}
    for one in (good, held):
        now_read = read(house, one)
        assert (now_read.state, now_read.reason, now_read.revoked_at) == (CertificateState.REVOKED, Reason.SUPERSEDED, later)
    assert read(house, gone) == before
    assert read(house, promised).state == CertificateState.RESERVED


def test_who_read_a_certificate_before_a_deed_upon_many_sees_it_afterwards(house: House) -> None:
    certificate = issue(house)
    with house.database.transaction() as session:
        row = find_row(session, certificate.issuer, certificate.serial)
        assert row is not None
        names = [(certificate.issuer, certificate.serial)]
        revocation.revoke_many(session, names, reason=Reason.SUPERSEDED, now=house.clock.now())
        assert row.state == CertificateState.REVOKED


def test_an_invalidity_date_goes_with_the_hold_and_stays_with_the_revocation(house: House) -> None:
    lifted, ended = issue(house), issue(house)
    since = house.clock.now() - timedelta(days=3)
    for one in (lifted, ended):
        with house.database.transaction() as session:
            revocation.hold(session, one.issuer, one.serial, now=house.clock.now(), invalid_since=since)
    _release(house, lifted)
    _revoke(house, ended)
    with house.database.snapshot() as session:
        rows = [find_row(session, one.issuer, one.serial) for one in (lifted, ended)]
    assert [row.invalid_since for row in rows if row] == [None, since]


@pytest.mark.parametrize("many", [False, True])
def test_an_invalidity_date_lies_in_the_past(house: House, many: bool) -> None:  # noqa: FBT001 (a parameter)
    certificate = issue(house)
    now = house.clock.now()
    ahead = now + timedelta(seconds=1)
    with pytest.raises(Refused, match="invalid-since-future"), house.database.transaction() as session:
        if many:
            names = [(certificate.issuer, certificate.serial)]
            revocation.revoke_many(session, names, reason=Reason.SUPERSEDED, now=now, invalid_since=ahead)
        else:
            revocation.revoke(
                session, certificate.issuer, certificate.serial, reason=Reason.SUPERSEDED, now=now, invalid_since=ahead
            )
    assert read(house, certificate) == certificate


def test_an_invalidity_date_ahead_reaches_nothing_beside_what_was_revoked_before(house: House) -> None:
    key = new_key()
    assert isinstance(key.public_key, VerifyingKey)
    first, beside = on_key(house, key.public_key), on_key(house, key.public_key, "post")
    _revoke(house, first)
    now = house.clock.now()
    ahead = now + timedelta(days=90)
    with pytest.raises(Refused, match="invalid-since-future"), house.database.transaction() as session:
        revocation.revoke(session, first.issuer, first.serial, reason=Reason.KEY_COMPROMISE, now=now, invalid_since=ahead)
    assert read(house, beside) == beside
