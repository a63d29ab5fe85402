"""Every step of a certificate's life is an audit entry of the same transaction, so a leaf of the public log."""

import ast
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from ca.certificates import LIFECYCLE, CertificateEvent, CertificateState
from ca.revocation import Reason
from ca.tables import CertificateRow
from enrollment import id_notices
from enrollment.issuance import RESERVATION_LIFETIME
from enrollment.tables import CodeSetRow
from kernel import audit
from kernel.audit import AuditEntry
from tests.enrollment.filings import approved, departures
from tests.enrollment.test_redemption import claimed
from tests.support.clock import SettableClock
from tests.support.house import APPROVER, OFFICE, PREPARER, SECURITY, SOURCE, House, new_request
from tests.support.schema import ROOT

R, V, H, X, A = CertificateState
STEPS = {
    CertificateEvent.COMPLETE: "certificate.issue",
    CertificateEvent.ABANDON: "certificate.abandon",
    CertificateEvent.HOLD: "certificate.hold",
    CertificateEvent.RELEASE: "certificate.release",
    CertificateEvent.REVOKE: "certificate.revoke",
}
Life = Callable[[House], object]


def in_the_making(house: House) -> str:
    """Return a terminal whose certificate is promised and not signed."""
    [(terminal, codes)] = house.new_codes()
    claimed(house, codes, new_request().pem)
    return terminal


def trail(house: House) -> dict[str, list[str]]:
    """Return what the log tells of each terminal certificate, by serial number."""
    told: dict[str, list[str]] = {}
    with house.database.snapshot() as session:
        for entry in session.scalars(select(AuditEntry).where(AuditEntry.action.like("certificate.%")).order_by(AuditEntry.id)):
            assert entry.facts["issuer"] == "issuing-1" or not entry.subject.startswith("terminal:")
            told.setdefault(str(entry.facts["serial"]), []).append(entry.action)
    return told


def lived(events: list[str]) -> CertificateState:
    """Follow a trail through the state table."""
    assert events[0] == "certificate.reserve"
    state = LIFECYCLE.initial
    for action in events[1:]:
        event = next(event for event, name in STEPS.items() if name == action)
        state = LIFECYCLE.step(state, event)
    return state


def rows(house: House) -> dict[str, CertificateState]:
    with house.database.snapshot() as session:
        return {row.serial: CertificateState(row.state) for row in session.scalars(select(CertificateRow))}


def held(house: House) -> str:
    terminal = house.issue().terminal
    house.endings.suspend(terminal, SECURITY)
    return terminal


LIVES: dict[tuple[CertificateState, CertificateEvent], Life] = {
    (R, CertificateEvent.COMPLETE): lambda house: house.issue(),
    (R, CertificateEvent.ABANDON): lambda house: house.endings.suspend(in_the_making(house), SECURITY),
    (V, CertificateEvent.HOLD): held,
    (H, CertificateEvent.RELEASE): lambda house: house.endings.resume(held(house), SECURITY),
    (V, CertificateEvent.REVOKE): lambda house: house.endings.revoke(house.issue().terminal, Reason.KEY_COMPROMISE, SECURITY),
    (H, CertificateEvent.REVOKE): lambda house: house.endings.revoke(held(house), Reason.KEY_COMPROMISE, SECURITY),
}


def test_every_step_of_the_state_table_is_lived_through() -> None:
    assert set(LIVES) == set(LIFECYCLE.table)
    assert set(STEPS) == set(CertificateEvent)


@pytest.mark.parametrize(("state", "event"), LIVES)
def test_every_step_is_on_record_with_its_serial(house: House, state: CertificateState, event: CertificateEvent) -> None:
    before = set(trail(house))
    LIVES[state, event](house)
    [(serial, told)] = [(serial, told) for serial, told in trail(house).items() if serial not in before]
    assert told[-1] == STEPS[event]
    assert lived(told) is LIFECYCLE.table[state, event] is rows(house)[serial]


def frozen(house: House) -> None:
    house.notices.freeze(None, OFFICE, in_the_making(house), audit.customer(OFFICE, "hanako"))


def expired(house: House) -> None:
    in_the_making(house)
    id_notices.expire_due(house.database, house.clock.now() + timedelta(days=100))


def replaced(house: House) -> None:
    house.preparation.replace(in_the_making(house), PREPARER)


def revoked_in_the_making(house: House) -> None:
    house.endings.revoke(in_the_making(house), Reason.UNSPECIFIED, SECURITY)


def cancelled(house: House) -> None:
    house.new_terminals()
    receipt_number = approved(house, {"add.web.sea": ["2"]})
    house.preparation.prepare(receipt_number, PREPARER)
    with house.database.snapshot() as session:
        names = [row.terminal for row in session.scalars(select(CodeSetRow).order_by(CodeSetRow.terminal))]
    claimed(house, house.codes_of(names[0]), new_request().pem)
    house.redemption.redeem(house.codes_of(names[1]), new_request().pem, SOURCE)
    departures(house).cancel(receipt_number, "取りやめ", SECURITY)


def superseded(house: House) -> None:
    terminal = house.issue().terminal
    house.preparation.prepare_existing(terminal, APPROVER, PREPARER)
    house.redemption.redeem(house.codes_of(terminal), new_request().pem, SOURCE)


@pytest.mark.parametrize("life", [frozen, expired, replaced, revoked_in_the_making, cancelled, superseded])
def test_the_log_tells_the_state_of_every_certificate(house: House, life: Life) -> None:
    life(house)
    assert {serial: lived(told) for serial, told in trail(house).items()} == rows(house)
    assert set(rows(house).values()) & {A, X}


def test_a_promise_that_is_made_anew_is_on_record_as_abandoned(house: House, clock: SettableClock) -> None:
    [(_, codes)] = house.new_codes()
    request = new_request()
    claimed(house, codes, request.pem)
    clock.advance(RESERVATION_LIFETIME + timedelta(seconds=1))
    house.redemption.redeem(codes, request.pem, SOURCE)
    assert {serial: lived(told) for serial, told in trail(house).items()} == rows(house)
    assert sorted(rows(house).values()).count(A) == 1


def test_the_entries_are_the_offices(house: House) -> None:
    superseded(house)
    with house.database.snapshot() as session:
        deeds = session.scalars(select(AuditEntry).where(AuditEntry.subject.like("terminal:%"))).all()
    assert {entry.office_code for entry in deeds if entry.action.startswith("certificate.")} == {OFFICE}


def test_what_is_done_twice_is_on_record_once(house: House) -> None:
    terminal = house.issue().terminal
    for _ in range(2):
        house.endings.revoke(terminal, Reason.UNSPECIFIED, SECURITY)
    told = [action for actions in trail(house).values() for action in actions]
    assert told.count("certificate.revoke") == 1


CHANGES = {("revocation", verb) for verb in ("revoke", "revoke_many", "hold", "release", "abandon")} | {("authority", "complete")}


def changes_of_state(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and (node.value.id, node.attr) in CHANGES:
            yield f"{node.value.id}.{node.attr}"
        if isinstance(node, ast.ImportFrom) and node.module in ("ca.revocation", "ca.authority"):
            module = node.module.removeprefix("ca.")
            yield from (f"{module}.{alias.name}" for alias in node.names if (module, alias.name) in CHANGES)


def test_no_other_module_changes_a_certificates_state() -> None:
    assert list(changes_of_state("from ca.revocation import revoke")) == ["revocation.revoke"]
    assert list(changes_of_state("revocation.hold(session)")) == ["revocation.hold"]
    rooms = [file for room in ("enrollment", "webui", "server") for file in (ROOT / room).rglob("*.py")]
    found = {file.relative_to(ROOT): list(changes_of_state(file.read_text(encoding="utf-8"))) for file in rooms}
    assert {path for path, changes in found.items() if changes} == {Path("enrollment/deeds.py")}
