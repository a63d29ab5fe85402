"""What is kept is right: across revocations, holds, issuance, clocks that jump, issuers that come, databases that go."""

from datetime import timedelta
from functools import partial

import pytest
from asn1crypto import core
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from sqlalchemy import text

from ca import profiles, revocation
from ca.issuers import Issuer, SigningIssuer
from ca.ocsp import Responder
from ca.ocsp_answer import CACHE_SECONDS
from ca.ocsp_kept import ANSWER_LIFETIME
from ca.ocsp_responses import Delegate
from ca.ocsp_states import StatusReader
from ca.profiles import Addresses, Validity
from ca.revocation import Reason
from kernel.database import connect
from keys.algorithms import ALGORITHMS, SigningKey
from tests.ca.issuance import complete, issue, reserve
from tests.ca.ocsp_requests import Told, cert_id, error, nonce, request
from tests.support.clock import SettableClock
from tests.support.house import House

NULL = core.ParsableOctetString(b"\x05\x00")


def _told(house: House, asked: bytes) -> Told:
    return Told(house.responder.answer(asked, house.clock.now()).der, house.issuing.issuer)


def test_the_same_question_gets_the_same_octets_whatever_form_it_has(house: House) -> None:
    one = cert_id(house.issuing.issuer, issue(house).serial)
    other_form = request(one, extensions=[{"extn_id": "1.2.3.4", "critical": False, "extn_value": NULL}])
    first = house.responder.answer(request(one), house.clock.now())
    assert house.responder.answer(request(one), house.clock.now()) is first
    assert house.responder.answer(other_form, house.clock.now()) is first


def test_a_revocation_shows_at_once_and_others_keep_their_answers(house: House) -> None:
    gone, stays = issue(house), issue(house)
    asked_gone, asked_stays = (request(cert_id(house.issuing.issuer, one.serial)) for one in (gone, stays))
    assert _told(house, asked_gone).statuses == ["good"]
    before = house.responder.answer(asked_stays, house.clock.now())
    for deed, word in (("hold", "revoked"), ("release", "good"), ("revoke", "revoked")):
        with house.database.transaction() as session:
            if deed == "hold":
                revocation.hold(session, gone.issuer, gone.serial, now=house.clock.now())
            elif deed == "release":
                revocation.release(session, gone.issuer, gone.serial)
            else:
                reason = Reason.KEY_COMPROMISE
                revocation.revoke(session, gone.issuer, gone.serial, reason=reason, now=house.clock.now())
        assert _told(house, asked_gone).statuses == [word]
        assert house.responder.answer(asked_stays, house.clock.now()) is before


def test_what_is_issued_shows_at_once(house: House) -> None:
    promise = reserve(house)
    asked = request(cert_id(house.issuing.issuer, promise.serial))
    with_nonce = [request(cert_id(house.issuing.issuer, promise.serial), extensions=[nonce(b"%016d" % n)]) for n in range(4)]
    for whole in (asked, asked, *with_nonce[:2]):
        assert _told(house, whole).statuses == ["revoked"]
    complete(house, promise)
    for whole in (asked, asked, *with_nonce[2:]):
        assert _told(house, whole).statuses == ["good"]


@pytest.mark.parametrize("length", [1, 16, 128])
def test_questions_that_differ_in_their_nonce_only_get_their_own(house: House, length: int) -> None:
    one = cert_id(house.issuing.issuer, issue(house).serial)
    for number in (1, 2, 255):
        octets = bytes([number]) * length
        assert _told(house, request(one, extensions=[nonce(octets)])).nonce == octets
    whole = request(one, extensions=[nonce(bytes([7]) * length)])
    for content in (whole[:-1], whole + b"\x00"):
        assert error(house.responder.answer(content, house.clock.now()).der) == "malformed_request"


@pytest.mark.parametrize("jump", [timedelta(minutes=4), ANSWER_LIFETIME, timedelta(days=400), -timedelta(minutes=1)])
def test_an_answer_is_made_anew_when_the_clock_moves(house: House, clock: SettableClock, jump: timedelta) -> None:
    asked = request(cert_id(house.issuing.issuer, issue(house).serial))
    house.responder.answer(asked, clock.now())
    now = clock.advance(jump)
    answer = house.responder.answer(asked, now)
    assert (answer.this_update, answer.next_update) == (now, now + ANSWER_LIFETIME)


def test_an_answer_is_always_good_for_longer_than_caches_keep_it(house: House, clock: SettableClock) -> None:
    asked = request(cert_id(house.issuing.issuer, issue(house).serial))
    made = set()
    for _ in range(100):
        now = clock.advance(timedelta(seconds=7))
        answer = house.responder.answer(asked, now)
        made.add(answer.der)
        assert answer.this_update is not None
        assert answer.next_update is not None
        assert answer.this_update <= now
        assert answer.next_update - now >= timedelta(seconds=CACHE_SECONDS)
    assert len(made) < 10


def test_no_more_is_kept_than_was_said(house: House) -> None:
    responder = Responder(house.database, house.responder.delegates, keep=3)
    serials = [issue(house).serial for _ in range(8)]
    for _ in range(2):
        for serial in serials:
            answer = responder.answer(request(cert_id(house.issuing.issuer, serial)), house.clock.now())
            assert Told(answer.der, house.issuing.issuer).statuses == ["good"]
    assert len(responder._by_octets) <= 3  # noqa: SLF001 (what no answer shows)
    assert len(responder._by_ids) <= 3  # noqa: SLF001


def _second_issuer(house: House) -> tuple[SigningIssuer, SigningKey, x509.Certificate]:
    """Return an issuing CA of the next generation and its responder's key and certificate."""
    key, own = ALGORITHMS["p384"].generate(), ALGORITHMS["p256"].generate()
    now = house.clock.now()
    validity = Validity(now, now + timedelta(days=3_650))
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Issuing CA 2")])
    addresses = Addresses("http://localhost:8080")
    certificate = profiles.authority_builder(name, key.public_key(), validity, None, addresses).sign(key, ALGORITHMS["p384"].hash)
    issuer = Issuer("issuing-1", "issuing-2", certificate)  # its certificates are recorded under the first one's name
    responder = profiles.responder_builder(issuer, name, own.public_key(), profiles.new_serial(), validity)
    return SigningIssuer(issuer, key), own, responder.sign(key, ALGORITHMS["p384"].hash)


def test_every_generation_of_issuers_is_answered_for_by_its_own_delegate(house: House) -> None:
    serial = issue(house).serial
    next_issuer, key, certificate = _second_issuer(house)
    responder = Responder(
        house.database, [*house.responder.delegates, Delegate(next_issuer.issuer, certificate, key)]
    )  # fmt: skip
    own, theirs = cert_id(house.issuing.issuer, serial), cert_id(next_issuer.issuer, serial)
    answered = partial(responder.answer, now=house.clock.now())
    assert Told(answered(request(own)).der, house.issuing.issuer).statuses == ["good"]
    der = answered(request(theirs)).der
    assert b"Issuing CA 2" in der
    # One request for both is signed by the delegate of the first, who knows nothing of the other's.
    told = Told(answered(request(own, theirs)).der, house.issuing.issuer)
    assert told.statuses == ["good", "unknown"]


def test_a_renewed_delegate_takes_over(house: House) -> None:
    serial = issue(house).serial
    asked = request(cert_id(house.issuing.issuer, serial))
    before = house.responder.answer(asked, house.clock.now())
    key = ALGORITHMS["p256"].generate()
    now = house.clock.now()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "OCSP responder 2")])
    validity = Validity(now, now + timedelta(days=365))
    builder = profiles.responder_builder(house.issuing.issuer, name, key.public_key(), profiles.new_serial(), validity)
    certificate = builder.sign(house.issuing.key, house.issuing.hash)
    house.responder.take_over([Delegate(house.issuing.issuer, certificate, key)])
    after = house.responder.answer(asked, now)
    assert after is not before
    assert b"OCSP responder 2" in after.der
    assert Told(after.der, house.issuing.issuer).statuses == ["good"]


def test_a_database_that_is_away_is_told_as_try_later_and_found_again(house: House, database_url: str) -> None:
    asked = request(cert_id(house.issuing.issuer, issue(house).serial))
    away = "sqlite:////nowhere/at/all.db" if database_url.startswith("sqlite") else "postgresql+psycopg://x@127.0.0.1:9/x"
    responder = Responder(connect(away), house.responder.delegates)
    answer = responder.answer(asked, house.clock.now())
    assert error(answer.der) == "try_later"
    assert ("Retry-After", "5") in answer.fields
    assert ("Cache-Control", "no-store") in answer.fields


def test_a_lost_connection_is_made_again(house: House, database_url: str) -> None:
    asked = request(cert_id(house.issuing.issuer, issue(house).serial), extensions=[nonce(b"1")])
    assert _told(house, asked).statuses == ["good"]
    if not database_url.startswith("sqlite"):
        with house.database.transaction() as session:
            others = "pid <> pg_backend_pid() AND datname = current_database()"
            session.execute(text(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}"))  # noqa: S608
    assert _told(house, asked).statuses == ["good"]


def test_the_reader_can_not_write(house: House) -> None:
    reader = StatusReader(house.database)
    assert reader.revisions()["issuing-1"] >= 0
    with pytest.raises(Exception, match=r"(?i)read-?only"):
        reader._connection.execute("UPDATE ca_issuer SET revision = 0")  # noqa: SLF001 (the connection itself is judged)
    reader.close()


def test_a_fault_of_ours_is_told_as_try_later(house: House) -> None:
    class Broken:
        """A key whose token fails."""

        def public_key(self) -> object:
            """Return the certificate's own."""
            return house.responder.delegates[0].certificate.public_key()

        def sign(self, *_arguments: object) -> bytes:
            """Fail."""
            raise RuntimeError("on purpose")

    own = house.responder.delegates[0]
    responder = Responder(house.database, [Delegate(own.issuer, own.certificate, Broken())])  # type: ignore[arg-type]
    answer = responder.answer(request(cert_id(house.issuing.issuer, issue(house).serial)), house.clock.now())
    assert error(answer.der) == "try_later"


def test_the_responders_own_certificate_is_in_the_answer_and_needs_no_check(house: House) -> None:
    own = house.responder.delegates[0].certificate
    assert own.extensions.get_extension_for_class(x509.OCSPNoCheck).critical is False
    asked = request(cert_id(house.issuing.issuer, issue(house).serial))
    assert own.public_bytes(Encoding.DER) in house.responder.answer(asked, house.clock.now()).der
