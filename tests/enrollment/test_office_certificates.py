"""All certificates of an office: listed by choice and page, when they end, one of them, and those nobody of it asked for."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import update

from ca.revocation import Reason
from enrollment import office_certificates, receipts
from enrollment.interfaces import Interface
from enrollment.office_certificates import Asked, Choice, OriginKind
from enrollment.redemption import Retrieved
from enrollment.reissue_records import ReissueReason
from enrollment.tables import CodeSetRow
from kernel import audit
from kernel.audit import CheckpointSigner, Receipt
from tests.support.clock import SettableClock
from tests.support.house import APPROVER, OFFICE, PREPARER, SECURITY, SOURCE, House, new_request

KEY = Ed25519PrivateKey.generate()
SIGNER = CheckpointSigner("example.jp/log", KEY.public_key().public_bytes_raw(), KEY.sign)


@pytest.fixture
def listed(house: House, clock: SettableClock) -> Callable[..., list[str]]:
    """Return what lists serial numbers of a choice."""

    def serials(choice: Choice, **asked: object) -> list[str]:
        with house.database.snapshot() as session:
            found = office_certificates.search(session, OFFICE, Asked(choice, **asked), clock.now())  # type: ignore[arg-type]
        return [one.certificate.serial for one in found.records]

    return serials


def renewed(house: House, clock: SettableClock, old: Retrieved) -> Retrieved:
    """Renew at the window's end."""
    clock.instant = old.certificate.not_after - timedelta(days=2)
    assert old.certificate.der
    return house.renewal.renew(old.certificate.der, new_request().pem, Interface.EST)


def reissued(house: House, clock: SettableClock, terminal: str, actor: audit.Actor) -> Retrieved:
    asked = house.reissues.request(terminal, ReissueReason.PC_REPLACED, actor)
    if actor.kind == "customer":
        house.reissues.accept(asked.id, APPROVER)
    clock.advance(timedelta(days=5))
    house.reissue_preparation.prepare(asked.id, PREPARER)
    return house.redemption.redeem(house.codes_of(terminal), new_request().pem, SOURCE, Interface.PAGE)


def test_certificates_are_listed_by_choice(house: House, clock: SettableClock, listed: Callable[..., list[str]]) -> None:
    first, revoked = house.issue(), house.issue()
    house.endings.revoke(revoked.terminal, Reason.KEY_COMPROMISE, SECURITY)
    second = renewed(house, clock, first)
    a, b, c = (one.certificate.serial for one in (first, revoked, second))
    assert listed(Choice.ALL) == [c, b, a]
    assert listed(Choice.CURRENT) == [c, b]
    assert listed(Choice.EARLIER) == [a]
    assert listed(Choice.REVOKED) == [b]
    assert listed(Choice.ENDING) == []
    assert listed(Choice.ALL, text=first.terminal.lower()) == [c, a]
    assert listed(Choice.ALL, text=b[:12].upper()) == [b]
    assert listed(Choice.ALL, size=2, page=2) == [a]
    assert listed(Choice.ALL, size=2, page=99) == [a]
    assert listed(Choice.ALL, text="%") == []
    clock.instant = second.certificate.not_after
    assert listed(Choice.ENDING) == [c]
    clock.advance(timedelta(seconds=1))
    assert (listed(Choice.ENDING), listed(Choice.EXPIRED)) == ([], [c, a])


def test_what_ends_is_what_nobody_ended(house: House, clock: SettableClock) -> None:
    first, revoked, held = house.issue(), house.issue(), house.issue()
    house.endings.revoke(revoked.terminal, Reason.SUPERSEDED, SECURITY)
    house.endings.suspend(held.terminal, SECURITY)
    second = renewed(house, clock, first)
    with house.database.snapshot() as session:
        found = office_certificates.ending(session, OFFICE)
        assert office_certificates.ending(session, "NAC002") == ()
    assert [one.serial for one in found] == [held.certificate.serial, second.certificate.serial]


def test_one_certificate_is_told_whole_and_to_its_office_only(house: House) -> None:
    issued = house.issue()
    terminal, serial = issued.terminal, issued.certificate.serial
    with house.database.snapshot() as session:
        found = office_certificates.find(session, OFFICE, terminal, serial)
        assert found
        assert (found.der, found.is_current) == (issued.certificate.der, True)
        assert found.fingerprint == receipts.fingerprint_of(found.der)
        assert found.chain_pem.count("BEGIN CERTIFICATE") == len(found.chain) == 1
        assert office_certificates.find(session, "NAC002", terminal, serial) is None
        assert office_certificates.find(session, OFFICE, terminal, serial[:-1]) is None
        assert office_certificates.find(session, OFFICE, "00000A", serial) is None


def test_each_certificate_says_by_which_deed_it_was_made(house: House, clock: SettableClock) -> None:
    taken_over = house.issue()
    renewal = renewed(house, clock, taken_over)
    customer = audit.customer(OFFICE, "hanako")
    by_office = reissued(house, clock, taken_over.terminal, customer)
    by_staff = reissued(house, clock, taken_over.terminal, SECURITY)
    with house.database.snapshot() as session:
        told = {}
        for one in (taken_over, renewal, by_office, by_staff):
            found = office_certificates.find(session, OFFICE, one.terminal, one.certificate.serial)
            assert found
            told[one.certificate.serial] = found.origin
        unasked = office_certificates.unasked(session, OFFICE)
    origins = list(told.values())
    assert [one.kind for one in origins] == [
        OriginKind.TAKEOVER,
        OriginKind.RENEWAL,
        OriginKind.REISSUE,
        OriginKind.REISSUE,
    ]
    assert [one.asked_by for one in origins] == [
        str(APPROVER),
        f"terminal:{taken_over.terminal}",
        str(customer),
        str(SECURITY),
    ]
    assert [one.interface for one in origins] == [Interface.REST, Interface.EST, Interface.PAGE, Interface.PAGE]
    assert origins[1].reference == taken_over.certificate.serial
    assert [one.certificate.serial for one in unasked] == [by_staff.certificate.serial, taken_over.certificate.serial]


def test_a_certificate_without_any_deed_is_told_as_such(house: House) -> None:
    issued = house.issue()
    with house.database.transaction() as session:
        row = house.code_set_rows(issued.terminal)[0]
        session.execute(update(CodeSetRow).where(CodeSetRow.id == row.id).values(issuer="elsewhere"))
    with house.database.snapshot() as session:
        [unasked] = office_certificates.unasked(session, OFFICE)
    assert (unasked.origin.kind, unasked.origin.asked_by) == (OriginKind.UNKNOWN, None)


def test_the_log_proves_issuance_and_revocation_of_any_certificate(house: House, clock: SettableClock) -> None:
    second = renewed(house, clock, house.issue())
    house.endings.revoke(second.terminal, Reason.CESSATION_OF_OPERATION, SECURITY)
    check = KEY.public_key().verify

    def proof(action: str, office_code: str = OFFICE) -> str | None:
        with house.database.snapshot() as session:
            return receipts.proof_of(session, second.certificate, office_code, check=check, action=action)

    assert proof("certificate.issue") is None  # not sealed yet
    audit.seal(house.database, SIGNER, now=clock.now())
    for action in ("certificate.issue", "certificate.revoke"):
        text = proof(action)
        assert text
        read = Receipt.read(text)
        read.require_proven(check, SIGNER.verifier)
        assert (read.content.action, read.content.facts["serial"]) == (action, second.certificate.serial)
        assert proof(action, "NAC002") is None
    assert proof("certificate.hold") is None
