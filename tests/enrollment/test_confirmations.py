"""CMP's certConf, as the core sees it: what a terminal accepts or rejects, and what becomes of it."""

from datetime import timedelta

import pytest

from ca.certificates import CertificateRecord, CertificateState
from ca.revocation import Reason
from enrollment import renewal
from kernel.errors import Refused
from tests.crash import ledger
from tests.enrollment.renewing import Renewable, renewable
from tests.support.clock import SettableClock
from tests.support.house import SECURITY, House, new_request

VALID, REVOKED = CertificateState.VALID, CertificateState.REVOKED


@pytest.fixture
def house(sqlite_house: House) -> House:
    """Return a house on SQLite: what PostgreSQL does differently is watched in test_lock_order."""
    return sqlite_house


@pytest.fixture
def terminal(house: House, clock: SettableClock) -> Renewable:
    return renewable(house, clock)


def confirm(terminal: Renewable, record: CertificateRecord) -> str:
    try:
        terminal.house.confirmations.confirm(record.issuer, record.serial)
    except Refused as refusal:
        return refusal.code
    return "confirmed"


def reject(terminal: Renewable, record: CertificateRecord) -> None:
    terminal.house.confirmations.reject(record.issuer, record.serial)


def test_a_confirmed_retrieval_loses_its_sealed_copy_at_once(house: House) -> None:
    record = house.issue().certificate
    house.confirmations.confirm(record.issuer, record.serial)
    [row] = house.code_set_rows(record.subject)
    assert (row.state, row.sealed) == ("redeemed", None)
    house.confirmations.confirm(record.issuer, record.serial)


def test_a_rejected_retrieval_is_revoked(terminal: Renewable) -> None:
    reject(terminal, terminal.old)
    reject(terminal, terminal.old)
    assert terminal.states() == {terminal.old.serial: REVOKED}
    assert terminal.house.code_set_rows(terminal.terminal)[0].sealed is None
    assert ledger.faults(terminal.house, []) == []


def test_an_unconfirmed_renewal_leaves_the_old_certificate_current(terminal: Renewable) -> None:
    request = new_request()
    offered = terminal.renew(request, awaits=True)
    assert terminal.current() == terminal.old.serial
    assert terminal.states() == {terminal.old.serial: VALID, offered.certificate.serial: VALID}
    assert terminal.log_on(terminal.der) == "permitted"
    assert terminal.log_on(offered.certificate.der) == "A0036"
    assert terminal.told(request, awaits=True) == "fetched"
    assert terminal.told(awaits=True) == "renewal-spent"
    assert ledger.faults(terminal.house, []) == []


def test_a_confirmed_renewal_is_current(terminal: Renewable) -> None:
    offered = terminal.renew(awaits=True).certificate
    assert confirm(terminal, offered) == "confirmed"
    assert confirm(terminal, offered) == "confirmed"
    assert terminal.current() == offered.serial
    assert terminal.log_on(offered.der) == "permitted"
    assert terminal.states() == {terminal.old.serial: REVOKED, offered.serial: VALID}


def test_a_rejected_renewal_is_revoked_and_the_old_one_goes_on(terminal: Renewable) -> None:
    offered = terminal.renew(awaits=True).certificate
    reject(terminal, offered)
    assert confirm(terminal, offered) == "certificate-revoked"
    assert terminal.states() == {terminal.old.serial: VALID, offered.serial: REVOKED}
    assert terminal.log_on(terminal.der) == "permitted"
    assert terminal.told() == "renewed"
    assert terminal.renewals() == ["rejected", "issued"]
    assert ledger.faults(terminal.house, []) == []


def test_one_that_was_current_already_gives_way_to_the_old_one(terminal: Renewable) -> None:
    renewed = terminal.renew().certificate
    reject(terminal, renewed)
    assert terminal.current() == terminal.old.serial
    assert terminal.log_on(terminal.der) == "permitted"
    assert ledger.faults(terminal.house, []) == []


def test_after_the_first_logon_rejection_leaves_nothing_good(terminal: Renewable) -> None:
    renewed = terminal.renew().certificate
    terminal.log_on(renewed.der)
    reject(terminal, renewed)
    assert set(terminal.states().values()) == {REVOKED}


def test_unconfirmed_for_a_day_it_is_revoked(terminal: Renewable, clock: SettableClock) -> None:
    offered = terminal.renew(awaits=True).certificate
    database = terminal.house.database
    assert renewal.lapse_due(database, clock.advance(timedelta(days=1))) == 0
    assert renewal.lapse_due(database, clock.advance(timedelta(seconds=1))) == 1
    assert renewal.lapse_due(database, clock.now()) == 0
    assert terminal.states() == {terminal.old.serial: VALID, offered.serial: REVOKED}
    assert confirm(terminal, offered) == "certificate-revoked"


def test_another_key_may_begin_anew_after_ten_minutes(terminal: Renewable, clock: SettableClock) -> None:
    lost = terminal.renew(awaits=True).certificate
    clock.advance(timedelta(minutes=10))
    found = terminal.renew(awaits=True).certificate
    assert terminal.states() == {terminal.old.serial: VALID, lost.serial: REVOKED, found.serial: VALID}
    assert confirm(terminal, lost) == "certificate-revoked"
    assert confirm(terminal, found) == "confirmed"


def test_what_ended_meanwhile_is_not_confirmed(terminal: Renewable) -> None:
    offered = terminal.renew(awaits=True).certificate
    terminal.house.endings.revoke(terminal.terminal, Reason.UNSPECIFIED, SECURITY)
    assert confirm(terminal, offered) == "certificate-revoked"
    assert set(terminal.states().values()) == {REVOKED}


def test_what_is_held_is_not_confirmed_until_it_is_released(terminal: Renewable) -> None:
    offered = terminal.renew(awaits=True).certificate
    terminal.house.endings.suspend(terminal.terminal, SECURITY)
    assert confirm(terminal, offered) == "certificate-held"
    terminal.house.endings.resume(terminal.terminal, SECURITY)
    assert confirm(terminal, offered) == "confirmed"


def test_nobody_confirms_or_rejects_what_is_not_there(terminal: Renewable) -> None:
    house = terminal.house
    for deed in (house.confirmations.confirm, house.confirmations.reject):
        with pytest.raises(Refused, match="certificate-foreign"):
            deed(terminal.old.issuer, "1234")
