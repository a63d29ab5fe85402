"""What lands between T1 and T2 wins: the redemption finds it, stores nothing, and what it had signed is listed as revoked."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from ca.authority import Authority
from ca.certificates import CertificateRecord, CertificateState, of_subject
from ca.issuers import SigningIssuer
from ca.revocation import Reason
from enrollment import id_notices
from enrollment.codes import Codes
from enrollment.redemption import Redemption
from kernel.database import Database
from kernel.errors import Refused, Unavailable
from tests.crash import ledger
from tests.crash.faults import AuthorityAtHand, BrokenKey, once
from tests.crash.ledger import received_by
from tests.support.clock import SettableClock
from tests.support.house import APPROVER, OFFICE, PREPARER, SECURITY, SOURCE, House, build_house, new_request

TOO_LATE = timedelta(days=100)
Deed = Callable[[House, str], None]
Kind = type[Authority]
# Each signs by himself; or, with a key in the process, the round signs for all who are in it.
FAR_AWAY, AT_HAND = Authority, AuthorityAtHand
pytestmark = pytest.mark.parametrize(
    ("database_url", "kind"),
    [
        pytest.param("sqlite", FAR_AWAY, id="sqlite-far-away"),
        pytest.param("sqlite", AT_HAND, id="sqlite-at-hand"),
        pytest.param("postgresql", FAR_AWAY, id="postgresql-far-away", marks=pytest.mark.postgresql),
    ],
    indirect=["database_url"],
)


@pytest.fixture
def house(database: Database, tmp_path: Path, clock: SettableClock) -> House:
    return build_house(database, tmp_path, clock)


def _freeze(house: House, terminal: str) -> None:
    house.notices.freeze(None, OFFICE, terminal, SECURITY)


def _thaw(house: House, terminal: str) -> None:
    house.preparation.thaw(terminal, PREPARER)


def _freeze_and_thaw(house: House, terminal: str) -> None:
    _freeze(house, terminal)
    _thaw(house, terminal)


def _replace(house: House, terminal: str) -> None:
    house.preparation.replace(terminal, PREPARER)


def _prepare_anew(house: House, terminal: str) -> None:
    house.preparation.prepare_existing(terminal, APPROVER, PREPARER)


def _suspend(house: House, terminal: str) -> None:
    house.endings.suspend(terminal, SECURITY)


def _resume_and_thaw(house: House, terminal: str) -> None:
    house.endings.resume(terminal, SECURITY)
    _thaw(house, terminal)


def _revoke(house: House, terminal: str) -> None:
    assert house.endings.revoke(terminal, Reason.KEY_COMPROMISE, SECURITY)


def _expire(house: House, _terminal: str) -> None:
    assert isinstance(house.clock, SettableClock)
    house.clock.advance(TOO_LATE)
    assert id_notices.expire_due(house.database, house.clock.now()) == 1


def _nothing(_house: House, _terminal: str) -> None:
    return


@dataclass(frozen=True)
class Row:
    """A deed, what the redemption is told, and what makes the terminal's retrieval possible again."""

    deed: Deed
    told: str
    remedy: Deed
    new_codes: bool = False

    def __str__(self) -> str:
        return self.deed.__name__.strip("_")


ROWS = [
    Row(_freeze, "codes-frozen", _thaw),
    Row(_freeze_and_thaw, "unavailable", _nothing),
    Row(_replace, "codes-replaced", _nothing, new_codes=True),
    Row(_suspend, "terminal-suspended", _resume_and_thaw),
    Row(_revoke, "codes-frozen", _thaw),
    Row(_expire, "codes-expired", _prepare_anew, new_codes=True),
]


@pytest.mark.parametrize("is_reissue", [False, True], ids=["first", "reissue"])
@pytest.mark.parametrize("row", ROWS, ids=str)
def test_a_deed_between_t1_and_t2_wins(house: House, kind: Kind, clock: SettableClock, row: Row, *, is_reissue: bool) -> None:
    [(terminal, codes)] = house.new_codes()
    if is_reissue:
        house.redemption.redeem(codes, new_request().pem, SOURCE)
        clock.advance(timedelta(days=1))
        _prepare_anew(house, terminal)
        codes = house.codes_of(terminal)
    ours = new_request()
    assert _told(_interrupted(house, kind, lambda: row.deed(house, terminal)), codes, ours.pem) == row.told

    [abandoned] = _in_state(house, terminal, CertificateState.ABANDONED)
    assert abandoned.der is None
    assert ledger.faults(house, []) == []  # among much else: it is on the CRL

    row.remedy(house, terminal)
    anew = house.codes_of(terminal) if row.new_codes else codes
    retrieved = house.redemption.redeem(anew, ours.pem, SOURCE)
    assert retrieved.is_new
    assert retrieved.certificate.serial != abandoned.serial
    assert [good.serial for good in _in_state(house, terminal, CertificateState.VALID)] == [retrieved.certificate.serial]
    assert ledger.faults(house, [received_by(0, retrieved)]) == []


@pytest.mark.parametrize("row", [row for row in ROWS if not row.new_codes], ids=str)
def test_after_the_deed_is_undone_another_key_may_come_first(house: House, kind: Kind, row: Row) -> None:
    [(terminal, codes)] = house.new_codes()
    ours, rival = new_request(), new_request()
    interrupted = _interrupted(house, kind, lambda: row.deed(house, terminal))
    assert _told(interrupted, codes, ours.pem) == row.told
    row.remedy(house, terminal)
    retrieved = house.redemption.redeem(codes, rival.pem, SOURCE)
    assert _told(house.redemption, codes, ours.pem) == "codes-spent"
    assert ledger.faults(house, [received_by(1, retrieved)]) == []


def test_a_rival_who_claims_thawed_codes_while_we_sign_gets_them(house: House, kind: Kind) -> None:
    [(terminal, codes)] = house.new_codes()
    ours, rival = new_request(), new_request()

    def deed() -> None:
        _freeze_and_thaw(house, terminal)
        house.redemption.redeem(codes, rival.pem, SOURCE)

    assert _told(_interrupted(house, kind, deed), codes, ours.pem) == "codes-spent"
    again = house.redemption.redeem(codes, rival.pem, SOURCE)
    assert ledger.faults(house, [received_by(1, again)]) == []


def test_the_same_key_that_is_faster_stores_the_certificate_for_both(house: House, kind: Kind) -> None:
    [(_, codes)] = house.new_codes()
    ours = new_request()
    faster = []
    slower = _interrupted(house, kind, lambda: faster.append(house.redemption.redeem(codes, ours.pem, SOURCE)))
    retrieved = slower.redeem(codes, ours.pem, SOURCE)
    assert faster[0].is_new
    assert not retrieved.is_new
    assert retrieved.certificate == faster[0].certificate
    assert ledger.faults(house, [received_by(0, faster[0]), received_by(0, retrieved)]) == []


def test_a_rival_key_is_refused_while_we_sign(house: House, kind: Kind) -> None:
    [(_, codes)] = house.new_codes()
    told = []
    interrupted = _interrupted(house, kind, lambda: told.append(_told(house.redemption, codes, new_request().pem)))
    retrieved = interrupted.redeem(codes, new_request().pem, SOURCE)
    assert told == ["codes-spent"]
    assert retrieved.is_new
    assert ledger.faults(house, [received_by(0, retrieved)]) == []


def test_a_signature_that_took_a_day_finds_its_reservation_made_anew(house: House, kind: Kind, clock: SettableClock) -> None:
    [(terminal, codes)] = house.new_codes()
    ours = new_request()
    faster = []

    def deed() -> None:
        clock.advance(timedelta(hours=25))
        faster.append(house.redemption.redeem(codes, ours.pem, SOURCE))

    retrieved = _interrupted(house, kind, deed).redeem(codes, ours.pem, SOURCE)
    assert retrieved.certificate == faster[0].certificate
    assert len(_in_state(house, terminal, CertificateState.ABANDONED)) == 1
    assert ledger.faults(house, [received_by(0, retrieved)]) == []


def test_what_is_only_reserved_is_told_as_held_and_what_was_abandoned_as_revoked(house: House, kind: Kind) -> None:
    [(terminal, codes)] = house.new_codes()
    seen = []

    def deed() -> None:
        seen.append(_ocsp(house, terminal))
        _freeze(house, terminal)
        seen.append(_ocsp(house, terminal))

    assert _told(_interrupted(house, kind, deed), codes, new_request().pem) == "codes-frozen"
    not_issued = (ocsp.OCSPCertStatus.REVOKED, x509.ReasonFlags.certificate_hold)
    assert seen == [not_issued, (ocsp.OCSPCertStatus.REVOKED, x509.ReasonFlags.cessation_of_operation)]


def _interrupted(house: House, kind: Kind, deed: Callable[[], object]) -> Redemption:
    """Return a redemption whose key does a deed before it signs, the first time."""
    key = BrokenKey(house.issuing.key)
    key.before = once(lambda: _ignore(deed()))
    authority = kind(SigningIssuer(house.issuing.issuer, key), house.profile)
    return Redemption(house.database, house.clock, authority, house.hasher)


def _ignore(_result: object) -> None:
    return


def _told(redemption: Redemption, codes: Codes, request: bytes) -> str:
    try:
        redemption.redeem(codes, request, SOURCE)
    except Refused as refusal:
        return refusal.code
    except Unavailable:
        return "unavailable"
    return "certificate"


def _ocsp(house: House, terminal: str) -> tuple[ocsp.OCSPCertStatus, x509.ReasonFlags | None]:
    with house.database.snapshot() as session:
        [record] = of_subject(session, terminal)
    name, key = house.issuing.issuer.identifier_hashes("sha1")
    builder = ocsp.OCSPRequestBuilder().add_certificate_by_hash(name, key, int(record.serial, 16), hashes.SHA1())  # noqa: S303 (RFC 6960)
    asked = builder.build().public_bytes(Encoding.DER)
    told = ocsp.load_der_ocsp_response(house.responder.answer(asked, house.clock.now()).der)
    return told.certificate_status, told.revocation_reason


def _in_state(house: House, terminal: str, state: CertificateState) -> list[CertificateRecord]:
    with house.database.snapshot() as session:
        return [record for record in of_subject(session, terminal) if record.state is state]
