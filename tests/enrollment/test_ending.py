from collections.abc import Callable
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from sqlalchemy import select

from ca.certificates import find, serial_text
from ca.revocation import Reason
from enrollment.codes import Codes
from enrollment.redemption import Retrieved
from kernel import outbox
from kernel.audit import AuditEntry
from kernel.errors import Refused
from kernel.outbox import OutboxMail
from registry import news, terminals
from registry.states import TerminalState
from tests.enrollment.test_redemption import claimed
from tests.support.clock import SettableClock
from tests.support.house import APPROVER, OFFICE, PREPARER, SECURITY, SOURCE, House, new_request


def on_crl(house: House) -> dict[str, x509.ReasonFlags | None]:
    """Publish when something changed, and return what the CRL lists."""
    house.crl.publish_if_due(house.clock.now())
    listed = x509.load_der_x509_crl(house.crl.file.read_bytes())
    found = {}
    for entry in listed:
        reasons = [extension.value.reason for extension in entry.extensions if isinstance(extension.value, x509.CRLReason)]
        found[serial_text(entry.serial_number)] = reasons[0] if reasons else None
    return found


def ocsp_says(house: House, retrieved: Retrieved) -> ocsp.OCSPCertStatus:
    leaf = x509.load_der_x509_certificate(retrieved.certificate.der or b"")
    builder = ocsp.OCSPRequestBuilder().add_certificate(leaf, house.issuing.issuer.certificate, hashes.SHA1())  # noqa: S303 (RFC 6960)
    answer = house.responder.answer(builder.build().public_bytes(Encoding.DER), house.clock.now())
    return ocsp.load_der_ocsp_response(answer.der).certificate_status


def logon_says(house: House, retrieved: Retrieved, codes: Codes) -> str:
    try:
        house.logon.check(retrieved.certificate.der, retrieved.terminal, codes.access_key)
    except Refused as refusal:
        return refusal.code
    return "permitted"


def state_of(house: House, name: str) -> TerminalState | None:
    with house.database.snapshot() as session:
        terminal = terminals.get(session, name)
    return terminal.state if terminal else None


def actions(house: House) -> list[str]:
    with house.database.snapshot() as session:
        return list(session.scalars(select(AuditEntry.action).where(AuditEntry.actor == str(SECURITY)).order_by(AuditEntry.id)))


def mails(house: House) -> list[str]:
    with house.database.snapshot() as session:
        return list(session.scalars(select(OutboxMail.subject).order_by(OutboxMail.id)))


@pytest.fixture
def codes(house: House) -> Codes:
    [(_, codes)] = house.new_codes()
    return codes


@pytest.fixture
def retrieved(house: House, codes: Codes) -> Retrieved:
    return house.redemption.redeem(codes, new_request().pem, SOURCE)


def test_a_good_certificate_is_good_everywhere(house: House, codes: Codes, retrieved: Retrieved) -> None:
    assert ocsp_says(house, retrieved) is ocsp.OCSPCertStatus.GOOD
    assert logon_says(house, retrieved, codes) == "permitted"
    assert on_crl(house) == {}


@pytest.mark.parametrize("reason", Reason)
def test_a_revocation_is_seen_everywhere_at_once(house: House, codes: Codes, retrieved: Retrieved, reason: Reason) -> None:
    assert house.endings.revoke(retrieved.terminal, reason, SECURITY)
    assert ocsp_says(house, retrieved) is ocsp.OCSPCertStatus.REVOKED
    assert logon_says(house, retrieved, codes) == "A0036"
    told = None if reason is Reason.UNSPECIFIED else x509.ReasonFlags(reason.value)
    assert on_crl(house) == {retrieved.certificate.serial: told}


def test_a_revocation_is_told_to_the_office_and_on_record(house: House, retrieved: Retrieved) -> None:
    house.endings.revoke(retrieved.terminal, Reason.KEY_COMPROMISE, SECURITY)
    assert mails(house)[-1] == f"【NSS】デジタル証明書失効のお知らせ({retrieved.terminal})"
    with house.database.snapshot() as session:
        assert "理由：鍵の漏えい" in outbox.search(session, outbox.Wanted(mentioning="失効"))[0].body
    assert actions(house) == ["key.block", "certificate.revoke"]
    with house.database.snapshot() as session:
        assert news.latest(session, OFFICE)[0].code == "certificate-revoked"


def test_what_is_revoked_stays_so_with_its_first_time_and_reason(
    house: House, retrieved: Retrieved, clock: SettableClock
) -> None:
    first = clock.now()
    house.endings.revoke(retrieved.terminal, Reason.KEY_COMPROMISE, SECURITY)
    clock.advance(timedelta(days=1))
    assert not house.endings.revoke(retrieved.terminal, Reason.SUPERSEDED, SECURITY)
    with house.database.snapshot() as session:
        record = find(session, retrieved.certificate.issuer, retrieved.certificate.serial)
    assert record
    assert (record.revoked_at, record.reason) == (first, "keyCompromise")
    assert actions(house) == ["key.block", "certificate.revoke"]
    assert len(mails(house)) == 1


def test_there_must_be_something_to_revoke(house: House) -> None:
    [(terminal, codes)] = house.new_codes()
    with pytest.raises(Refused, match="certificate-none"):
        house.endings.revoke(terminal, Reason.UNSPECIFIED, SECURITY)
    with pytest.raises(Refused, match="terminal-unknown"):
        house.endings.revoke("00000A", Reason.UNSPECIFIED, SECURITY)
    assert house.redemption.redeem(codes, new_request().pem, SOURCE).is_new


@pytest.mark.parametrize("is_revoked", [False, True])
def test_a_claim_that_a_revocation_stops_is_always_on_record(house: House, retrieved: Retrieved, *, is_revoked: bool) -> None:
    if is_revoked:
        house.endings.revoke(retrieved.terminal, Reason.UNSPECIFIED, SECURITY)
    house.preparation.prepare_existing(retrieved.terminal, APPROVER, PREPARER)
    claimed(house, house.codes_of(retrieved.terminal), new_request().pem)
    assert house.endings.revoke(retrieved.terminal, Reason.UNSPECIFIED, SECURITY)
    assert sorted(actions(house)) == ["certificate.abandon", "certificate.revoke"]
    assert len(on_crl(house)) == 2


def test_a_suspension_holds_certificate_and_logon(house: House, codes: Codes, retrieved: Retrieved) -> None:
    house.endings.suspend(retrieved.terminal, SECURITY)
    assert state_of(house, retrieved.terminal) is TerminalState.SUSPENDED
    assert ocsp_says(house, retrieved) is ocsp.OCSPCertStatus.REVOKED
    assert on_crl(house) == {retrieved.certificate.serial: x509.ReasonFlags.certificate_hold}
    assert logon_says(house, retrieved, codes) == "A0014"
    assert mails(house)[-1] == f"【NSS】論理端末の利用停止のお知らせ({retrieved.terminal})"


def test_a_lifted_suspension_makes_all_good_again(house: House, codes: Codes, retrieved: Retrieved) -> None:
    house.endings.suspend(retrieved.terminal, SECURITY)
    on_crl(house)
    house.endings.resume(retrieved.terminal, SECURITY)
    assert state_of(house, retrieved.terminal) is TerminalState.IN_SERVICE
    assert ocsp_says(house, retrieved) is ocsp.OCSPCertStatus.GOOD
    assert on_crl(house) == {}
    assert logon_says(house, retrieved, codes) == "permitted"
    assert actions(house) == ["certificate.hold", "terminal.suspend", "certificate.release", "terminal.resume"]


def test_a_certificate_revoked_during_a_suspension_does_not_come_back(house: House, codes: Codes, retrieved: Retrieved) -> None:
    house.endings.suspend(retrieved.terminal, SECURITY)
    house.endings.revoke(retrieved.terminal, Reason.KEY_COMPROMISE, SECURITY)
    house.endings.resume(retrieved.terminal, SECURITY)
    assert ocsp_says(house, retrieved) is ocsp.OCSPCertStatus.REVOKED
    assert on_crl(house) == {retrieved.certificate.serial: x509.ReasonFlags.key_compromise}
    assert logon_says(house, retrieved, codes) == "A0036"


def test_codes_stay_frozen_when_a_suspension_is_lifted(house: House) -> None:
    [(terminal, codes)] = house.new_codes()
    house.endings.suspend(terminal, SECURITY)
    house.endings.resume(terminal, SECURITY)
    assert state_of(house, terminal) is TerminalState.PENDING
    with pytest.raises(Refused, match="codes-frozen"):
        house.redemption.redeem(codes, new_request().pem, SOURCE)


Deed = Callable[[House, str], object]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (None, lambda house, name: house.endings.resume(name, SECURITY)),
        (lambda house, name: house.endings.suspend(name, SECURITY), lambda house, name: house.endings.suspend(name, SECURITY)),
    ],
    ids=["resuming what runs", "suspending what is suspended"],
)
def test_a_terminal_in_the_wrong_state_is_refused_and_nothing_changes(
    house: House, retrieved: Retrieved, first: Deed | None, second: Deed
) -> None:
    if first:
        first(house, retrieved.terminal)
    before = (actions(house), mails(house), on_crl(house))
    with pytest.raises(Refused, match="terminal-state"):
        second(house, retrieved.terminal)
    assert (actions(house), mails(house), on_crl(house)) == before
