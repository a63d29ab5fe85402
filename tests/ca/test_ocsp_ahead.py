"""What is signed ahead: nobody waits for a slow key, and nothing that was signed ahead outlives what it says."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from ca import revocation
from ca.certificates import CertificateRecord
from ca.ocsp import Responder
from ca.ocsp_ahead import SignerAhead
from ca.ocsp_answer import Answer
from ca.ocsp_kept import KEPT_FOR
from ca.ocsp_responses import Delegate
from ca.ocsp_states import StatusReader
from ca.revocation import Reason
from keys.trouble import KeyTroubleError
from tests.ca.issuance import complete, issue, reserve
from tests.ca.ocsp_requests import Told, cert_id, error, nonce, request
from tests.support.clock import SettableClock
from tests.support.house import House

NEARLY = KEPT_FOR * 5 / 6  # an answer of this age is soon to be made anew


class Key:
    """The responder's key: it counts, may be away, and lets a test do something while it signs."""

    def __init__(self, house: House) -> None:
        self._key = house.responder.delegates[0].key
        self.signatures, self.is_away = 0, False
        self.meanwhile: Callable[[], object] | None = None

    def public_key(self) -> object:
        """Return the certificate's."""
        return self._key.public_key()

    def sign(self, *arguments: object) -> bytes:
        """Sign."""
        if self.is_away:
            raise KeyTroubleError("pulled out")
        self.signatures += 1
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile:
            meanwhile()
        signature: bytes = self._key.sign(*arguments)  # type: ignore[arg-type]
        return signature


class Door:
    """A responder whose key is watched, and what signs ahead for it."""

    def __init__(self, house: House, keep: int = 100) -> None:
        self.house, self.key = house, Key(house)
        own = house.responder.delegates[0]
        delegate = Delegate(own.issuer, own.certificate, self.key)  # type: ignore[arg-type]
        self.responder = Responder(house.database, [delegate], keep=keep)
        self.reader = StatusReader(house.database)
        self.ahead = SignerAhead(self.responder, self.reader)

    def answer(self, asked: bytes) -> Answer:
        """Ask."""
        return self.responder.answer(asked, self.house.clock.now())

    def status(self, asked: bytes) -> str:
        """Ask, and return what is told of a certificate."""
        return Told(self.answer(asked).der, self.house.issuing.issuer).statuses[0]

    def status_without_key(self, asked: bytes) -> str:
        """Ask while the key is away."""
        self.key.is_away = True
        try:
            return self.status(asked)
        finally:
            self.key.is_away = False

    def sign_ahead(self) -> int:
        """Sign all that there is to sign ahead; return the number of signatures."""
        before = self.key.signatures
        while self.ahead.step(self.house.clock.now()):
            pass
        return self.key.signatures - before


@pytest.fixture
def door(house: House) -> Door:
    return Door(house)


def _asked(house: House, certificate: CertificateRecord, algorithm: str = "sha1") -> bytes:
    return request(cert_id(house.issuing.issuer, certificate.serial, algorithm))


def _revoke(house: House, one: CertificateRecord) -> None:
    with house.database.transaction() as session:
        revocation.revoke(session, one.issuer, one.serial, reason=Reason.SUPERSEDED, now=house.clock.now())


def _hold(house: House, one: CertificateRecord) -> None:
    with house.database.transaction() as session:
        revocation.hold(session, one.issuer, one.serial, now=house.clock.now())


def _release(house: House, one: CertificateRecord) -> None:
    with house.database.transaction() as session:
        revocation.release(session, one.issuer, one.serial)


def test_a_question_of_the_next_period_waits_for_no_signature(house: House, clock: SettableClock, door: Door) -> None:
    asked = _asked(house, issue(house), "sha256")
    assert door.status(asked) == "good"
    assert door.sign_ahead() == 1  # the form in which others may ask for what is new
    made = set()
    for _ in range(40):
        clock.advance(KEPT_FOR / 8)
        door.sign_ahead()
        assert door.status_without_key(asked) == "good"
        made.add(door.answer(asked).this_update)
    assert 5 <= len(made) <= 8


def test_several_certificates_in_a_request_are_signed_ahead_too(house: House, clock: SettableClock, door: Door) -> None:
    one, other = issue(house), issue(house)
    asked = request(*(cert_id(house.issuing.issuer, serial) for serial in (one.serial, other.serial)))
    door.answer(asked)
    clock.advance(NEARLY)
    door.sign_ahead()
    clock.advance(KEPT_FOR - NEARLY)
    assert door.status_without_key(asked) == "good"


def test_what_nobody_wanted_for_ten_minutes_is_signed_no_more_until_it_is_asked_for(
    house: House, clock: SettableClock, door: Door
) -> None:  # fmt: skip
    asked = _asked(house, issue(house))
    door.answer(asked)
    counts = [door.sign_ahead()]
    for _ in range(12):
        clock.advance(NEARLY)
        counts.append(door.sign_ahead())
    assert counts == [0] + [1] * 5 + [0] * 7
    assert door.status(asked) == "good"
    clock.advance(NEARLY)
    assert door.sign_ahead() == 1


@pytest.mark.parametrize("jump", [KEPT_FOR, timedelta(days=2), -timedelta(minutes=1), -timedelta(days=2)])
def test_what_could_not_be_signed_in_time_is_left_to_who_asks(house: House, clock: SettableClock, jump: timedelta) -> None:
    door, asked = Door(house), _asked(house, issue(house))
    door.answer(asked)
    assert door.sign_ahead() == 0
    clock.advance(jump)
    assert door.sign_ahead() == 0
    assert door.status(asked) == "good"
    clock.advance(NEARLY)
    assert door.sign_ahead() == 1


@pytest.mark.parametrize("deed", [_revoke, _hold])
def test_a_change_is_signed_ahead_in_every_form_that_was_asked(
    house: House, door: Door, deed: Callable[[House, CertificateRecord], None]
) -> None:
    one = issue(house)
    forms = [_asked(house, one), _asked(house, one, "sha256")]
    assert [door.status(asked) for asked in forms] == ["good", "good"]
    door.sign_ahead()
    deed(house, one)
    assert door.sign_ahead() == len(forms)
    assert [door.status_without_key(asked) for asked in forms] == ["revoked", "revoked"]


def test_a_release_is_signed_ahead(house: House, door: Door) -> None:
    one = issue(house)
    _hold(house, one)
    assert door.status(_asked(house, one)) == "revoked"
    door.sign_ahead()
    _release(house, one)
    door.sign_ahead()
    assert door.status_without_key(_asked(house, one)) == "good"


def test_what_was_never_asked_for_is_signed_ahead_when_it_changes(house: House, door: Door) -> None:
    many = [issue(house) for _ in range(4)]
    door.sign_ahead()
    for one in many[:2]:
        _revoke(house, one)
    assert door.sign_ahead() == 2
    assert [door.status_without_key(_asked(house, one)) for one in many] == ["revoked", "revoked", "good", "good"]


def test_a_new_certificate_is_signed_ahead_once_it_was_given_out(house: House, door: Door) -> None:
    promise = reserve(house)
    assert door.sign_ahead() == 0
    assert door.status(_asked(house, promise)) == "revoked"
    complete(house, promise)
    assert door.sign_ahead() == 1
    # However the question is written around the CertID.
    other_form = request(cert_id(house.issuing.issuer, promise.serial), extensions=[nonce(b"1")])
    assert door.status_without_key(_asked(house, promise)) == "good"
    assert error(_without_key(door, other_form)) == "try_later"  # a nonce can be signed by nobody ahead


def _without_key(door: Door, asked: bytes) -> bytes:
    door.key.is_away = True
    der = door.answer(asked).der
    door.key.is_away = False
    return der


def test_a_revocation_right_after_shows_at_the_next_request(house: House, door: Door) -> None:
    one = issue(house)
    asked = _asked(house, one)
    door.sign_ahead()
    assert door.status(asked) == "good"
    _revoke(house, one)
    assert door.status(asked) == "revoked"


def test_an_answer_that_was_overtaken_while_it_was_signed_is_not_kept(house: House, clock: SettableClock, door: Door) -> None:
    one = issue(house)
    asked = _asked(house, one)
    door.answer(asked)
    door.sign_ahead()
    clock.advance(NEARLY)
    told = []

    def overtake() -> None:
        _revoke(house, one)
        told.append(door.status(asked))

    door.key.meanwhile = overtake
    door.ahead.step(clock.now())
    assert told == ["revoked"]
    assert door.status_without_key(asked) == "revoked"


def test_whoever_asks_first_while_it_is_signed_has_the_next_answers_signed_ahead(
    house: House, clock: SettableClock, door: Door
) -> None:  # fmt: skip
    asked = _asked(house, issue(house))
    told = []
    door.key.meanwhile = lambda: told.append(door.status(asked))
    door.ahead.step(clock.now())
    assert told == ["good"]
    clock.advance(NEARLY)
    assert door.sign_ahead() == 1
    clock.advance(timedelta(minutes=1))
    assert door.status_without_key(asked) == "good"


def test_an_answer_during_whose_signature_a_revocation_is_committed_is_never_given_out(
    house: House, clock: SettableClock, door: Door
) -> None:  # fmt: skip
    one = issue(house)
    asked = _asked(house, one)
    door.answer(asked)
    door.sign_ahead()
    clock.advance(NEARLY)
    door.key.meanwhile = lambda: _revoke(house, one)
    door.ahead.step(clock.now())
    assert door.status(asked) == "revoked"


def test_an_answer_of_a_delegate_that_was_followed_meanwhile_is_not_kept(house: House, clock: SettableClock, door: Door) -> None:
    asked = _asked(house, issue(house))
    door.answer(asked)
    door.sign_ahead()
    clock.advance(NEARLY)
    delegates = door.responder.delegates
    door.key.meanwhile = lambda: door.responder.take_over(delegates)
    door.ahead.step(clock.now())
    assert error(_without_key(door, asked)) == "try_later"
    assert door.status(asked) == "good"


def test_while_a_key_hangs_what_is_kept_is_given_out(house: House, clock: SettableClock, door: Door) -> None:
    asked = _asked(house, issue(house))
    door.answer(asked)
    door.sign_ahead()
    clock.advance(NEARLY)
    hangs, goes_on = threading.Event(), threading.Event()

    def hang() -> None:
        hangs.set()
        goes_on.wait(60)

    door.key.meanwhile = hang
    with ThreadPoolExecutor(1) as other:
        step = other.submit(door.ahead.step, clock.now())
        try:
            assert hangs.wait(60)
            assert door.status_without_key(asked) == "good"
        finally:
            goes_on.set()
        assert step.result()
    assert door.answer(asked).this_update == clock.now()


def test_trouble_with_the_key_leaves_the_answer_to_who_asks(house: House, clock: SettableClock, door: Door) -> None:
    asked = _asked(house, issue(house))
    door.answer(asked)
    door.sign_ahead()
    clock.advance(NEARLY)
    door.key.is_away = True
    with pytest.raises(KeyTroubleError):
        door.sign_ahead()
    assert door.status(asked) == "good"  # the one that is kept
    clock.advance(KEPT_FOR)
    assert error(door.answer(asked).der) == "try_later"
    door.key.is_away = False
    assert door.status(asked) == "good"


def test_no_more_is_kept_ahead_than_there_is_room_for(house: House) -> None:
    door = Door(house, keep=3)
    wanted = [_asked(house, issue(house)) for _ in range(3)]
    for asked in wanted:
        door.answer(asked)
    more = [issue(house) for _ in range(4)]
    assert door.sign_ahead() == 0
    for one in more:
        _revoke(house, one)
    assert door.sign_ahead() == 0
    assert [door.status_without_key(asked) for asked in wanted] == ["good"] * 3


def test_what_nobody_ever_asked_for_makes_room_in_the_end(house: House, clock: SettableClock) -> None:
    door = Door(house, keep=3)
    for _ in range(5):
        issue(house)
    assert door.sign_ahead() == 3
    for _ in range(12):
        clock.advance(NEARLY)
        door.sign_ahead()
    late = issue(house)
    assert door.sign_ahead() == 1
    assert door.status_without_key(_asked(house, late)) == "good"
