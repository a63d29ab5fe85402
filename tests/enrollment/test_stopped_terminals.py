"""Suspension, hold, revocation, abolition: each stops retrieval, renewal and logon at once, whatever is under way."""

from collections.abc import Callable

import pytest

from ca.certificates import CertificateState
from ca.revocation import Reason
from enrollment import code_sets
from enrollment.deeds import Deed
from kernel.clock import day_start
from kernel.errors import Refused
from tests.crash import ledger
from tests.enrollment.filings import approved, departures, start_of
from tests.enrollment.renewing import Renewable, renewable
from tests.support.clock import SettableClock
from tests.support.house import APPROVER, PREPARER, SECURITY, SOURCE, House, new_request

Deeds = Callable[[Renewable], None]
Begun = Callable[[Renewable], bytes]


def _suspended(terminal: Renewable) -> None:
    terminal.house.endings.suspend(terminal.terminal, SECURITY)


def _held(terminal: Renewable) -> None:
    """Hold the certificates alone, as staff who are not sure yet."""
    house = terminal.house
    with house.database.transaction() as session:
        code_sets.open_set(session, terminal.terminal)
        for serial, state in terminal.states().items():
            if state == CertificateState.VALID:
                deed = Deed(session, SECURITY, house.clock.now(), terminal.terminal, "NAC001")
                deed.hold(house.issuing.issuer.name, serial)


def _revoked(terminal: Renewable) -> None:
    terminal.house.endings.revoke(terminal.terminal, Reason.PRIVILEGE_WITHDRAWN, SECURITY)


def _abolished(terminal: Renewable) -> None:
    house = terminal.house
    approved(house, {"abolish": [terminal.terminal]})
    assert isinstance(house.clock, SettableClock)
    house.clock.instant = day_start(start_of(house))
    assert departures(house).abolish_due(house.clock.now()) == 1


def _nothing(terminal: Renewable) -> bytes:
    return terminal.der


def _renewed(terminal: Renewable) -> bytes:
    return terminal.renew().certificate.der or b""


def _offered(terminal: Renewable) -> bytes:
    terminal.renew(awaits=True)
    return terminal.der


STOPS: list[tuple[Deeds, str, str, str]] = [
    (_suspended, "terminal-suspended", "A0014", "terminal-suspended"),
    (_held, "certificate-held", "A0014", "certificate"),
    (_revoked, "certificate-revoked", "A0036", "certificate"),
    (_abolished, "terminal-abolished", "A0036", "terminal-abolished"),
]


@pytest.fixture
def house(sqlite_house: House) -> House:
    """Return a house on SQLite: what PostgreSQL does differently is watched in tests/crash."""
    return sqlite_house


@pytest.fixture
def terminal(house: House, clock: SettableClock) -> Renewable:
    return renewable(house, clock)


@pytest.mark.parametrize("begun", [_nothing, _renewed, _offered], ids=lambda begun: begun.__name__.strip("_"))
@pytest.mark.parametrize("stop", STOPS, ids=lambda stop: stop[0].__name__.strip("_"))
def test_what_is_stopped_is_stopped_at_once(terminal: Renewable, stop: tuple[Deeds, str, str, str], begun: Begun) -> None:
    deed, renewal, logon, retrieval = stop
    house = terminal.house
    current = begun(terminal)
    house.preparation.prepare_existing(terminal.terminal, APPROVER, PREPARER)
    codes = house.codes_of(terminal.terminal)
    deed(terminal)
    assert CertificateState.VALID not in terminal.states().values()
    assert terminal.told(by=current) == renewal
    assert terminal.told(by=current, awaits=True) == renewal
    assert terminal.log_on(current) == logon
    try:
        house.redemption.redeem(codes, new_request().pem, SOURCE)
        told = "certificate"
    except Refused as refusal:
        told = refusal.code
    assert told == retrieval  # new codes are what helps a terminal whose certificate was revoked
    assert ledger.faults(house, []) == []
