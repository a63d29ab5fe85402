"""The order of locks (`enrollment.code_sets.locked`): each deed is watched, statement by statement, on PostgreSQL.

Whoever keeps to the order cannot wait in a circle with others who do.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection, event

from ca.authority import Authority
from ca.issuers import SigningIssuer
from ca.revocation import Reason
from enrollment import code_sets, id_notices, reissue, renewal
from enrollment.codes import Codes, typed
from enrollment.deadlines.deadlines import Deadlines
from enrollment.redemption import Redemption
from enrollment.reissue_records import ReissueReason
from enrollment.renewal import Renewal
from enrollment.start_moves import StartMoves
from kernel.clock import day_start
from kernel.database import Database
from kernel.errors import Refused
from registry import terminals
from tests.crash.faults import BrokenKey, Trouble, fail
from tests.enrollment.filings import LETTERS, approved, departures, start_of, to_prepare
from tests.enrollment.renewing import Renewable, renewable
from tests.support.clock import SettableClock
from tests.support.house import APPROVER, OFFICE, PREPARER, SECURITY, SOURCE, House, build_house, new_request

# A credential is guarded by its terminal and a certificate by its code set or terminal: nobody ever waits for these.
ORDER = {
    "registry_application": 0,
    "enrollment_code_set": 1,
    "kernel_throttle": 2,
    "registry_terminal": 3,
    "ca_issuer": 4,
}
LOCKING = re.compile(r"\bFROM (\w+)\b.*\bFOR UPDATE", re.DOTALL)
WRITING = re.compile(r"^(?:UPDATE|DELETE FROM) (\w+)\b")


@dataclass
class Watch:
    """What one connection locks, in order, and where that went backwards. A row that is held already may come again."""

    faults: list[str] = field(default_factory=list)
    locks: int = 0
    _held: dict[str, set[str]] = field(default_factory=dict)

    def begin(self, _connection: Connection) -> None:
        """Forget everything: a transaction begins."""
        self._held = {}

    def see(self, _connection: Connection, _cursor: object, statement: str, parameters: object, *_context: object) -> None:
        """Look at one statement."""
        found = LOCKING.search(statement) or WRITING.match(statement)
        if found is None or found[1] not in ORDER:
            return
        table, row = found[1], f"{statement[:6]}{parameters}"
        held = self._held.setdefault(table, set())
        # What is written was locked before by a question with other parameters; only a first touch of the table tells.
        again = row in held if statement.startswith("SELECT") else bool(held)
        held.add(row)
        if again:
            return
        self.locks += 1
        later = [other for other in self._held if ORDER[other] > ORDER[table]]
        if later:
            self.faults.append(f"{table} is locked after {later}")


@contextmanager
def _watched(database: Database) -> Iterator[Watch]:
    watch = Watch()
    event.listen(database.engine, "begin", watch.begin)
    event.listen(database.engine, "before_cursor_execute", watch.see)
    yield watch
    event.remove(database.engine, "begin", watch.begin)
    event.remove(database.engine, "before_cursor_execute", watch.see)
    assert watch.locks
    assert watch.faults == []


@pytest.fixture
def house(postgresql_database: Database, tmp_path: Path, clock: SettableClock) -> House:
    return build_house(postgresql_database, tmp_path, clock)


def _in_service(house: House) -> str:
    """Return a terminal with a certificate and prepared codes for the next one."""
    terminal = house.issue().terminal
    house.preparation.prepare_existing(terminal, APPROVER, PREPARER)
    return terminal


def _claimed(house: House) -> str:
    """Return a terminal with a certificate whose next codes are claimed, the signing device being away."""
    terminal = _in_service(house)
    _claim(house, terminal)
    return terminal


def _claim(house: House, terminal: str) -> bytes:
    key, request = BrokenKey(house.issuing.key), new_request().pem
    key.before = fail
    authority = Authority(SigningIssuer(house.issuing.issuer, key), house.profile)
    with suppress(Trouble):
        Redemption(house.database, house.clock, authority, house.hasher).redeem(house.codes_of(terminal), request, SOURCE)
    return request


def _wrong(codes: Codes) -> Codes:
    return typed(
        access_key=codes.access_key,
        auth_code_1=codes.auth_code_1,
        auth_code_2="222222",
        auth_code_3=codes.auth_code_3,
        office_code=codes.office_code,
    )


def test_a_reissue_after_a_wrong_try_keeps_the_order(house: House) -> None:
    terminal = _in_service(house)
    codes = house.codes_of(terminal)
    with _watched(house.database):
        with pytest.raises(Refused, match="codes-wrong"):
            house.redemption.redeem(_wrong(codes), new_request().pem, SOURCE)
        house.redemption.redeem(codes, new_request().pem, SOURCE)


def test_a_reservation_that_is_made_anew_keeps_the_order(house: House, clock: SettableClock) -> None:
    terminal = _in_service(house)
    request = _claim(house, terminal)
    clock.advance(timedelta(hours=25))
    with _watched(house.database):
        house.redemption.redeem(house.codes_of(terminal), request, SOURCE)


@pytest.mark.parametrize("deed", ["revoke", "suspend", "freeze", "replace", "expire", "unlock"])
def test_whatever_ends_a_claim_keeps_the_order(house: House, clock: SettableClock, deed: str) -> None:
    terminal = _claimed(house)
    with _watched(house.database):
        match deed:
            case "revoke":
                house.endings.revoke(terminal, Reason.KEY_COMPROMISE, SECURITY)
            case "suspend":
                house.endings.suspend(terminal, SECURITY)
            case "freeze":
                house.notices.freeze(None, OFFICE, terminal, SECURITY)
            case "replace":
                house.preparation.replace(terminal, PREPARER)
            case "expire":
                id_notices.expire_due(house.database, clock.advance(timedelta(days=100)))
            case "unlock":
                house.preparation.unlock(terminal, PREPARER)


def test_a_suspension_that_is_lifted_keeps_the_order(house: House) -> None:
    terminal = _claimed(house)
    house.endings.suspend(terminal, SECURITY)
    with _watched(house.database):
        house.endings.resume(terminal, SECURITY)
        house.preparation.thaw(terminal, PREPARER)


def test_a_cancelled_application_keeps_the_order(house: House, clock: SettableClock) -> None:
    house.new_terminals()
    receipt_number = approved(house, {"add.web.sea": ["3"]})
    first, second, third = to_prepare(house, receipt_number)
    with _watched(house.database):
        house.preparation.prepare(receipt_number, PREPARER)
    house.redemption.redeem(house.codes_of(first), new_request().pem, SOURCE)
    clock.advance(timedelta(days=1))
    house.preparation.prepare_existing(first, APPROVER, PREPARER)
    for terminal in (first, second, third):
        _claim(house, terminal)
    with _watched(house.database):
        departures(house).cancel(receipt_number, "取りやめ", SECURITY)


def test_an_abolition_keeps_the_order(house: House, clock: SettableClock) -> None:
    terminal = _claimed(house)
    approved(house, {"abolish": [terminal]})
    clock.instant = day_start(start_of(house))
    with _watched(house.database):
        assert departures(house).abolish_due(clock.now()) == 1


def _renewing(house: House, clock: SettableClock, state: str) -> Renewable:
    """Return a terminal whose renewal is claimed, awaiting or issued, and which has prepared codes besides."""
    terminal = renewable(house, clock)
    house.preparation.prepare_existing(terminal.terminal, APPROVER, PREPARER)
    if state == "claimed":
        key = BrokenKey(house.issuing.key)
        key.before = fail
        authority = Authority(SigningIssuer(house.issuing.issuer, key), house.profile)
        with suppress(Trouble):
            Renewal(house.database, house.clock, authority).renew(terminal.der, new_request().pem)
    else:
        terminal.renew(awaits=state == "awaiting")
    return terminal


@pytest.mark.parametrize("awaits", [False, True])
def test_a_renewal_and_what_follows_keep_the_order(house: House, clock: SettableClock, *, awaits: bool) -> None:
    terminal = renewable(house, clock)
    with _watched(house.database):
        renewed = terminal.renew(awaits=awaits).certificate
        house.confirmations.confirm(renewed.issuer, renewed.serial)
        assert terminal.log_on(renewed.der) == "permitted"
        house.confirmations.reject(renewed.issuer, renewed.serial)


@pytest.mark.parametrize(
    ("state", "deed"),
    [
        *(("claimed", deed) for deed in ("revoke", "suspend", "redeem", "lost")),
        *(("awaiting", deed) for deed in ("reject", "lapse", "swap")),
        *(("issued", deed) for deed in ("revoke", "suspend", "redeem", "lapse", "abolish")),
    ],
)
def test_whatever_ends_a_renewal_keeps_the_order(house: House, clock: SettableClock, state: str, deed: str) -> None:
    terminal = _renewing(house, clock, state)
    if deed == "abolish":
        approved(house, {"abolish": [terminal.terminal]})
        clock.instant = day_start(start_of(house))
    with _watched(house.database):
        match deed:
            case "revoke":
                house.endings.revoke(terminal.terminal, Reason.KEY_COMPROMISE, SECURITY)
            case "suspend":
                house.endings.suspend(terminal.terminal, SECURITY)
                house.endings.resume(terminal.terminal, SECURITY)
            case "redeem":
                house.redemption.redeem(house.codes_of(terminal.terminal), new_request().pem, SOURCE)
            case "reject":
                house.confirmations.reject(terminal.old.issuer, terminal.old.serial)
            case "lapse":
                now = clock.advance(timedelta(days=8))
                assert renewal.lapse_due(house.database, now) + renewal.settle_due(house.database, now) == 1
            case "lost" | "swap":
                reason = ReissueReason.LOST if deed == "lost" else ReissueReason.PC_REPLACED
                asked = house.reissues.request(terminal.terminal, reason, APPROVER)
                clock.advance(timedelta(days=5))
                house.reissue_preparation.prepare(asked.id, PREPARER)
                assert reissue.end_overdue(house.database, clock.advance(timedelta(days=100))) == 1
            case "abolish":
                assert departures(house).abolish_due(clock.now()) == 1


@pytest.mark.parametrize("weeks", [1, -1])
def test_a_moved_start_keeps_the_order(house: House, clock: SettableClock, weeks: int) -> None:
    house.new_terminals()
    receipt_number = approved(house)
    house.preparation.prepare(receipt_number, PREPARER)
    retrieved, half = to_prepare(house, receipt_number)
    house.redemption.redeem(house.codes_of(retrieved), new_request().pem, SOURCE)
    _claim(house, half)
    moves = StartMoves(house.database, clock, LETTERS)
    with _watched(house.database):
        moves.move(receipt_number, start_of(house) + timedelta(weeks=weeks), "お客様のご依頼", SECURITY)
        house.preparation.prepare(receipt_number, PREPARER)


@pytest.mark.parametrize("state", ["claimed", "awaiting", "issued"])
def test_deadlines_keep_the_order(house: House, clock: SettableClock, state: str) -> None:
    _claimed(house)
    _renewing(house, clock, state)
    with _watched(house.database):
        assert Deadlines(house.database).tell_due(clock.now()) + Deadlines(house.database).suspend_due(clock.now()) > 0
        assert Deadlines(house.database).suspend_due(clock.advance(timedelta(days=500))) > 0


def test_publishing_keeps_the_order(house: House) -> None:
    house.endings.revoke(_claimed(house), Reason.UNSPECIFIED, SECURITY)
    with _watched(house.database):
        house.crl.publish(house.clock.now())


def test_the_watch_sees_who_goes_backwards(house: House) -> None:
    terminal = _in_service(house)
    with pytest.raises(AssertionError, match="enrollment_code_set is locked after"), _watched(house.database):  # noqa: SIM117
        with house.database.transaction() as session:
            terminals.get(session, terminal, lock=True)
            code_sets.open_set(session, terminal)
