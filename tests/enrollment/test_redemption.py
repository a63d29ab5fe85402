from collections.abc import Callable
from datetime import date, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from sqlalchemy import select

from ca.authority import Authority
from ca.certificates import CertificateState, find
from ca.issuers import SigningIssuer
from ca.profiles import Addresses, TerminalProfile
from ca.revocation import Reason
from enrollment import id_notices
from enrollment.codes import Codes
from enrollment.credentials import CertificateView, of_terminals
from enrollment.receipts import RetrievalReceiptRow
from enrollment.redemption import Redemption, Retrieved
from enrollment.tables import CodeSetRow
from kernel.audit import AuditEntry
from kernel.clock import TOKYO, day_start, tokyo_date
from kernel.errors import Refused
from kernel.outbox import OutboxMail
from registry import news, terminals
from registry.states import TerminalEvent, TerminalState
from tests.crash.faults import BrokenKey, Trouble, fail
from tests.support.clock import SettableClock
from tests.support.house import APPROVER, OFFICE, PREPARER, SECURITY, SOURCE, House, new_request


def current(house: House, terminal: str) -> CertificateView:
    with house.database.snapshot() as session:
        return of_terminals(session, [terminal])[terminal]


def state_of(house: House, retrieved: Retrieved) -> tuple[CertificateState, str | None]:
    with house.database.snapshot() as session:
        record = find(session, retrieved.certificate.issuer, retrieved.certificate.serial)
    assert record
    return record.state, record.reason


def claimed(house: House, codes: Codes, request: bytes) -> None:
    """Redeem up to the signature, which fails."""
    key = BrokenKey(house.issuing.key)
    key.before = fail
    authority = Authority(SigningIssuer(house.issuing.issuer, key), house.profile)
    with pytest.raises(Trouble):
        Redemption(house.database, house.clock, authority, house.hasher).redeem(codes, request, SOURCE)


def test_the_codes_yield_a_certificate_for_the_requests_key(house: House) -> None:
    [(terminal, codes)] = house.new_codes()
    request = new_request()
    retrieved = house.redemption.redeem(codes, request.pem, SOURCE)
    certificate = x509.load_der_x509_certificate(retrieved.certificate.der or b"")
    assert (retrieved.terminal, retrieved.is_new) == (terminal, True)
    assert certificate.public_key() == request.key.public_key()
    assert certificate.subject.rfc4514_string() == f"CN={terminal},OU={OFFICE},O=NAC Trading Co.\\, Ltd.,C=JP"
    assert [link.name for link in retrieved.chain] == ["issuing-1"]
    certificate.verify_directly_issued_by(house.issuing.issuer.certificate)


def test_a_redemption_leaves_its_traces(house: House) -> None:
    retrieved = house.issue()
    with house.database.snapshot() as session:
        terminal = terminals.get(session, retrieved.terminal)
        actions = session.scalars(select(AuditEntry.action).where(AuditEntry.actor == f"terminal:{retrieved.terminal}")).all()
        owed = session.scalars(select(RetrievalReceiptRow.terminal)).all()
        [line] = [line for line in news.latest(session, OFFICE) if line.code == "certificate-retrieved"]
    assert terminal
    assert terminal.state is TerminalState.IN_SERVICE
    assert actions == ["certificate.reserve", "certificate.issue"]
    assert owed == [retrieved.terminal]
    assert line.facts == {"terminal": retrieved.terminal}
    assert current(house, retrieved.terminal).serial == retrieved.certificate.serial


def test_the_same_key_gets_the_same_certificate_as_often_as_it_asks(house: House, clock: SettableClock) -> None:
    [(_, codes)] = house.new_codes()
    request = new_request()
    first = house.redemption.redeem(codes, request.pem, SOURCE)
    clock.advance(timedelta(days=90))  # long after the codes' last day: what was redeemed does not expire
    again = house.redemption.redeem(codes, new_request(request.key).pem, "192.0.2.77")
    assert (again.certificate, again.is_new) == (first.certificate, False)


def test_another_key_is_told_that_the_codes_are_spent(house: House) -> None:
    [(_, codes)] = house.new_codes()
    house.redemption.redeem(codes, new_request().pem, SOURCE)
    with pytest.raises(Refused, match="codes-spent"):
        house.redemption.redeem(codes, new_request().pem, SOURCE)


def test_a_key_gets_one_certificate_ever(house: House) -> None:
    [(_, first), (terminal, second)] = house.new_codes(2)
    request = new_request()
    house.redemption.redeem(first, request.pem, SOURCE)
    with pytest.raises(Refused, match="key-used"):
        house.redemption.redeem(second, request.pem, SOURCE)
    assert house.code_set_rows(terminal)[0].state == "prepared"
    house.redemption.redeem(second, new_request().pem, SOURCE)


def test_a_key_that_another_terminal_has_only_claimed_is_refused_too(house: House) -> None:
    [(_, first), (_, second)] = house.new_codes(2)
    request = new_request()
    claimed(house, first, request.pem)
    with pytest.raises(Refused, match="key-used"):
        house.redemption.redeem(second, request.pem, SOURCE)


def test_a_key_whose_reservation_was_given_up_may_be_used_again(house: House) -> None:
    [(terminal, codes)] = house.new_codes()
    request = new_request()
    claimed(house, codes, request.pem)
    house.preparation.replace(terminal, PREPARER)
    assert house.redemption.redeem(house.codes_of(terminal), request.pem, SOURCE).is_new


def test_a_renewed_key_of_the_same_terminal_must_be_new(house: House) -> None:
    request = new_request()
    terminal = house.issue(request=request).terminal
    house.preparation.prepare_existing(terminal, APPROVER, PREPARER)
    with pytest.raises(Refused, match="key-used"):
        house.redemption.redeem(house.codes_of(terminal), request.pem, SOURCE)


def _abolish(house: House, name: str) -> None:
    with house.database.transaction() as session:
        terminals.step(session, name, TerminalEvent.ABOLISH, house.clock.now())


def _expire(house: House) -> None:
    assert isinstance(house.clock, SettableClock)
    id_notices.expire_due(house.database, house.clock.advance(timedelta(days=63)))


State = Callable[[House, str], object]
ENDED: dict[str, State] = {
    "codes-frozen": lambda house, name: house.notices.freeze(None, OFFICE, name, SECURITY),
    "codes-replaced": lambda house, name: house.preparation.replace(name, PREPARER),
    "terminal-suspended": lambda house, name: house.endings.suspend(name, SECURITY),
    "terminal-abolished": _abolish,
    "codes-expired": lambda house, _name: _expire(house),
}


@pytest.mark.parametrize("code", ENDED)
@pytest.mark.parametrize("is_claimed", [False, True], ids=["prepared", "claimed"])
def test_whoever_knows_the_codes_is_told_what_became_of_them(house: House, code: str, *, is_claimed: bool) -> None:
    [(terminal, codes)] = house.new_codes()
    request = new_request()
    if is_claimed:
        claimed(house, codes, request.pem)
    ENDED[code](house, terminal)
    with pytest.raises(Refused, match=code):
        house.redemption.redeem(codes, request.pem, SOURCE)


RETRIEVED: dict[str, State] = {
    "certificate-revoked": lambda house, name: house.endings.revoke(name, Reason.KEY_COMPROMISE, SECURITY),
    "terminal-suspended": lambda house, name: house.endings.suspend(name, SECURITY),
    "terminal-abolished": _abolish,
}


@pytest.mark.parametrize("code", RETRIEVED)
def test_a_certificate_that_is_no_longer_good_is_not_given_again(house: House, code: str) -> None:
    [(terminal, codes)] = house.new_codes()
    request = new_request()
    house.redemption.redeem(codes, request.pem, SOURCE)
    RETRIEVED[code](house, terminal)
    with pytest.raises(Refused, match=code):
        house.redemption.redeem(codes, request.pem, SOURCE)


def test_codes_can_be_redeemed_on_their_last_day_until_midnight_in_tokyo(house: House, clock: SettableClock) -> None:
    [(terminal, codes), (_, late)] = house.new_codes(2)
    last_day = house.code_set_rows(terminal)[0].expires_on
    assert last_day == date(2027, 1, 24)
    clock.instant = day_start(last_day + timedelta(days=1)) - timedelta(seconds=1)
    house.redemption.redeem(codes, new_request().pem, SOURCE)
    clock.advance(timedelta(seconds=1))
    with pytest.raises(Refused, match="codes-expired"):  # before any job has run
        house.redemption.redeem(late, new_request().pem, SOURCE)


def test_retrieval_before_the_start_date_gives_a_certificate_that_begins_then(house: House) -> None:
    start = tokyo_date(house.clock.now()) + timedelta(days=20)
    certificate = house.issue(start_date=start).certificate
    assert certificate.not_before == day_start(start)
    assert certificate.not_after.astimezone(TOKYO).date() == tokyo_date(house.clock.now()).replace(year=2027) - timedelta(days=1)


def test_a_reissue_supersedes_the_certificate_before_it(house: House) -> None:
    first = house.issue()
    house.preparation.prepare_existing(first.terminal, APPROVER, PREPARER)
    assert state_of(house, first) == (CertificateState.VALID, None)
    second = house.redemption.redeem(house.codes_of(first.terminal), new_request().pem, SOURCE)
    assert state_of(house, first) == (CertificateState.REVOKED, "superseded")
    assert current(house, first.terminal).serial == second.certificate.serial


def test_a_reservation_of_the_same_day_is_signed_as_it_stands(house: House, clock: SettableClock) -> None:
    [(terminal, codes)] = house.new_codes()
    request = new_request()
    claimed(house, codes, request.pem)
    [row] = house.code_set_rows(terminal)
    clock.advance(timedelta(hours=24))
    assert house.redemption.redeem(codes, request.pem, SOURCE).certificate.serial == row.serial


def test_a_reservation_older_than_a_day_is_made_anew_for_the_same_key(house: House, clock: SettableClock) -> None:
    [(terminal, codes)] = house.new_codes()
    request = new_request()
    claimed(house, codes, request.pem)
    [row] = house.code_set_rows(terminal)
    clock.advance(timedelta(hours=24, seconds=1))
    with pytest.raises(Refused, match="codes-spent"):
        house.redemption.redeem(codes, new_request().pem, SOURCE)
    retrieved = house.redemption.redeem(codes, request.pem, SOURCE)
    assert retrieved.certificate.serial != row.serial
    assert retrieved.certificate.not_before > clock.now() - timedelta(hours=1)
    with house.database.snapshot() as session:
        stale = find(session, row.issuer or "", row.serial or "")
    assert stale
    assert stale.state is CertificateState.ABANDONED


@pytest.mark.parametrize(("bits", "code"), [(2048, "key-too-short-for-period"), (3072, None)])
def test_a_short_rsa_key_beyond_2030_is_refused_before_the_codes_are_touched(house: House, bits: int, code: str | None) -> None:
    [(terminal, codes)] = house.new_codes()
    profile = TerminalProfile(
        house.profile.policy_oid, house.profile.san_prefix, Addresses("http://localhost"), date(2031, 3, 31)
    )
    redemption = Redemption(house.database, house.clock, Authority(house.issuing, profile), house.hasher)
    request = new_request(rsa.generate_private_key(65537, bits))
    if code is None:
        assert redemption.redeem(codes, request.pem, SOURCE).is_new
        return
    with pytest.raises(Refused, match=code):
        redemption.redeem(codes, request.pem, SOURCE)
    assert house.code_set_rows(terminal)[0].state == "prepared"
    assert redemption.redeem(codes, new_request().pem, SOURCE).is_new


@pytest.mark.parametrize(
    "request_", [b"", b"no request", b"-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----"]
)
def test_a_request_that_cannot_be_read_costs_nothing(house: House, request_: bytes) -> None:
    [(_, codes)] = house.new_codes()
    for _ in range(10):
        with pytest.raises(Refused, match="csr-malformed"):
            house.redemption.redeem(codes, request_, SOURCE)
    assert house.redemption.redeem(codes, new_request().pem, SOURCE).is_new


def test_who_does_not_know_the_codes_learns_nothing_of_their_state(house: House) -> None:
    [(terminal, codes)] = house.new_codes()
    house.notices.freeze(None, OFFICE, terminal, SECURITY)
    wrong = Codes(codes.access_key, codes.auth_code_1, "WRONG2", codes.auth_code_3, codes.office_code)
    with pytest.raises(Refused, match="codes-wrong"):
        house.redemption.redeem(wrong, b"no request either", SOURCE)


def test_no_secret_is_written_anywhere_in_clear(house: House) -> None:
    [(_, codes)] = house.new_codes()
    house.redemption.redeem(codes, new_request().pem, SOURCE)
    with house.database.snapshot() as session:
        texts = [str(entry.facts) + entry.subject for entry in session.scalars(select(AuditEntry))]
        texts += [mail.subject + mail.body for mail in session.scalars(select(OutboxMail))]
        rows = session.scalars(select(CodeSetRow)).all()
    texts += [repr(vars(row)) for row in rows]
    secrets = (codes.access_key, codes.auth_code_2, codes.auth_code_3)
    assert not [text for text in texts if any(secret in text for secret in secrets)]
