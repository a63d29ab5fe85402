from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509

from enrollment import staff_views
from enrollment.code_sets import CodeSetState
from enrollment.staff_views import CertificateState, CodeSetView, Reason
from kernel.database import Database
from kernel.errors import Refused
from tests.support.clock import SettableClock
from tests.support.house import APPROVER, OFFICE, PREPARER, SECURITY, SOURCE, House, build_house, new_request


@pytest.fixture
def house(database: Database, tmp_path: Path, clock: SettableClock) -> House:
    return build_house(database, tmp_path, clock)


def sets_of(house: House, terminal: str) -> tuple[CodeSetView, ...]:
    with house.database.snapshot() as session:
        return staff_views.code_sets_of(session, terminal, house.clock.now())


def test_all_certificates_of_a_terminal_are_told_with_the_current_one_marked(house: House) -> None:
    retrieved = house.issue()
    with house.database.snapshot() as session:
        [told] = staff_views.certificates_of(session, retrieved.terminal)
        der = staff_views.certificate_file(session, retrieved.terminal, told.issuer, told.serial)
        assert staff_views.certificate_file(session, "00000X", told.issuer, told.serial) is None
        assert staff_views.certificate_file(session, retrieved.terminal, told.issuer, "5eed") is None
        assert staff_views.certificates_of(session, "00000X") == ()
    assert (told.serial, told.state, told.is_current, told.has_file) == (
        retrieved.certificate.serial,
        CertificateState.VALID,
        True,
        True,
    )
    assert der == retrieved.certificate.der
    assert x509.load_pem_x509_certificate(staff_views.as_pem(der or b"").encode()).serial_number == int(told.serial, 16)
    house.endings.revoke(retrieved.terminal, Reason.KEY_COMPROMISE, SECURITY)
    with house.database.snapshot() as session:
        [told] = staff_views.certificates_of(session, retrieved.terminal)
    assert (told.state, told.reason, told.revoked_at) == (CertificateState.REVOKED, "keyCompromise", house.clock.now())


def test_a_code_set_is_told_without_its_codes(house: House) -> None:
    [(terminal, codes)] = house.new_codes()
    [told] = sets_of(house, terminal)
    assert (told.state, told.is_open, told.approver, told.preparer) == (
        CodeSetState.PREPARED,
        True,
        str(APPROVER),
        str(PREPARER),
    )
    assert (told.showings, told.last_shown_at, told.failures, told.locked_until) == (0, None, 0, None)
    assert not any(secret in repr(told) for secret in (codes.access_key, codes.auth_code_2, codes.auth_code_3))
    house.preparation.replace(terminal, PREPARER)
    assert [one.state for one in sets_of(house, terminal)] == [CodeSetState.PREPARED, CodeSetState.REPLACED]


def test_wrong_tries_are_counted_and_a_lock_is_told_until_it_ends(house: House, clock: SettableClock) -> None:
    [(terminal, codes), (other, _)] = house.new_codes(2)
    wrong = replace(codes, auth_code_3="22222")
    for tries in range(1, 6):
        with pytest.raises(Refused):
            house.redemption.redeem(wrong, new_request().pem, SOURCE)
        [told] = sets_of(house, terminal)
        assert told.failures == (tries if tries < 5 else 0)
    assert told.locked_until == clock.now() + timedelta(minutes=30)
    with house.database.snapshot() as session:
        assert [one.terminal for one in staff_views.locked_sets(session, clock.now())] == [terminal]
        assert staff_views.locked_sets(session, clock.now() + timedelta(minutes=30)) == ()
    assert sets_of(house, other)[0].locked_until is None


def test_frozen_sets_are_listed_and_counted(house: House) -> None:
    names = [name for name, _ in house.new_codes(3)]
    for name in names[:2]:
        house.endings.suspend(name, SECURITY)
    with house.database.snapshot() as session:
        now = house.clock.now()
        assert {one.terminal for one in staff_views.frozen_sets(session, now)} == set(names[:2])
        assert len(staff_views.frozen_sets(session, now, most=1)) == 1
        assert staff_views.frozen_count(session) == 2
        assert {one.office_code for one in staff_views.frozen_sets(session, now)} == {OFFICE}
