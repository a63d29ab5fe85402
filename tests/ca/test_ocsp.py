from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from asn1crypto import core, ocsp
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import load_der_x509_certificate
from cryptography.x509 import ocsp as pyca_ocsp
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ca import revocation
from ca.ocsp import Responder
from ca.ocsp_kept import ANSWER_LIFETIME
from ca.ocsp_requests import LARGEST_REQUEST, MOST_CERTIFICATES
from ca.revocation import Reason
from tests.ca.issuance import issue, reserve
from tests.ca.ocsp_requests import Told, cert_id, error, nonce, request
from tests.ca.trial import trial_issuer
from tests.support.clock import SettableClock
from tests.support.house import House

once_per_test = partial(settings, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


def _ask(house: House, *serials: str, algorithm: str = "sha1") -> Told:
    asked = [cert_id(house.issuing.issuer, serial, algorithm) for serial in serials]
    return Told(house.responder.answer(request(*asked), house.clock.now()).der, house.issuing.issuer)


@pytest.mark.parametrize("algorithm", ["sha1", "sha256"])
def test_a_good_certificate_is_good(house: House, algorithm: str) -> None:
    told = _ask(house, issue(house).serial, algorithm=algorithm)
    assert told.statuses == ["good"]
    single = told.data["responses"][0]
    assert single["this_update"].native == house.clock.now()
    assert single["next_update"].native == house.clock.now() + ANSWER_LIFETIME
    assert told.data["produced_at"].native == house.clock.now()


@pytest.mark.parametrize("reason", Reason)
def test_a_revoked_certificate_tells_time_and_reason(house: House, reason: Reason) -> None:
    certificate = issue(house)
    with house.database.transaction() as session:
        revocation.revoke(session, certificate.issuer, certificate.serial, reason=reason, now=house.clock.now())
    told = _ask(house, certificate.serial)
    assert told.statuses == ["revoked"]
    at, named = told.revoked()
    assert at == house.clock.now()
    expected = None if reason is Reason.UNSPECIFIED else ocsp.CRLReason(_snake(reason.value)).native
    assert named == expected


def _snake(name: str) -> str:
    if name.startswith(("cA", "aA")):
        return f"{name[0]}a_{name[2:].lower()}"
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)


def test_a_held_certificate_is_revoked_for_the_time_being(house: House) -> None:
    certificate = issue(house)
    with house.database.transaction() as session:
        revocation.hold(session, certificate.issuer, certificate.serial, now=house.clock.now())
    assert _ask(house, certificate.serial).revoked() == (house.clock.now(), "certificate_hold")
    with house.database.transaction() as session:
        revocation.release(session, certificate.issuer, certificate.serial)
    assert _ask(house, certificate.serial).statuses == ["good"]


def test_a_promised_certificate_answers_as_never_issued(house: House) -> None:
    told = _ask(house, reserve(house).serial)
    assert told.revoked() == (datetime(1970, 1, 1, tzinfo=UTC), "certificate_hold")
    assert told.extended_revoke


def test_an_abandoned_certificate_is_revoked(house: House) -> None:
    promise = reserve(house)
    with house.database.transaction() as session:
        revocation.abandon(session, promise.issuer, promise.serial, now=house.clock.now())
    assert _ask(house, promise.serial).revoked() == (house.clock.now(), "cessation_of_operation")


@pytest.mark.parametrize("serial", ["1", "0", "-5", "f" * 40, "f" * 4_000])
def test_what_was_never_issued_is_unknown(house: House, serial: str) -> None:
    assert _ask(house, serial).statuses == ["unknown"]


def test_our_services_certificates_are_answered_for_as_well(house: House) -> None:
    assert _ask(house, f"{house.responder.delegates[0].certificate.serial_number:x}").statuses == ["good"]


def test_many_certificates_are_told_in_the_order_asked(house: House) -> None:
    good, promised = issue(house), reserve(house)
    asked = [
        cert_id(house.issuing.issuer, "77"),
        cert_id(house.issuing.issuer, good.serial, "sha256"),
        cert_id(trial_issuer().issuer, good.serial),  # somebody else's certificate of the same number
        cert_id(house.issuing.issuer, promised.serial),
        cert_id(house.issuing.issuer, good.serial),
    ]
    told = Told(house.responder.answer(request(*asked), house.clock.now()).der, house.issuing.issuer)
    assert told.statuses == ["unknown", "good", "unknown", "revoked", "good"]
    assert [single["cert_id"].dump() for single in told.data["responses"]] == [one.dump() for one in asked]


def test_pyca_reads_and_makes_the_same(house: House) -> None:
    certificate = issue(house)
    builder = pyca_ocsp.OCSPRequestBuilder().add_certificate(
        load_der_x509_certificate(certificate.der or b""), house.issuing.issuer.certificate, hashes.SHA256()
    )
    answer = house.responder.answer(builder.build().public_bytes(Encoding.DER), house.clock.now())
    response = pyca_ocsp.load_der_ocsp_response(answer.der)
    assert response.certificate_status == pyca_ocsp.OCSPCertStatus.GOOD
    assert response.serial_number == int(certificate.serial, 16)


@pytest.mark.parametrize("length", [1, 16, 32, 128])
def test_a_nonce_comes_back_and_its_answer_is_not_cached(house: House, length: int) -> None:
    asked = request(cert_id(house.issuing.issuer, "77"), extensions=[nonce(bytes(range(length)))])
    answer = house.responder.answer(asked, house.clock.now())
    assert Told(answer.der, house.issuing.issuer).nonce == bytes(range(length))
    assert answer.next_update is None


@pytest.mark.parametrize("length", [0, 129, 1_000])
def test_a_nonce_of_a_forbidden_length_is_malformed(house: House, length: int) -> None:
    asked = request(cert_id(house.issuing.issuer, "77"), extensions=[nonce(bytes(length))])
    assert error(house.responder.answer(asked, house.clock.now()).der) == "malformed_request"


def test_a_nonce_that_is_no_octet_string_is_malformed(house: House) -> None:
    asked = request(cert_id(house.issuing.issuer, "77"), extensions=[nonce(b"\x05")])
    asked = asked.replace(b"\x04\x03\x04\x01\x05", b"\x04\x03\x02\x01\x05")
    assert error(house.responder.answer(asked, house.clock.now()).der) == "malformed_request"


def test_without_a_nonce_none_is_made_up_and_the_answer_may_be_cached(house: House) -> None:
    answer = house.responder.answer(request(cert_id(house.issuing.issuer, issue(house).serial)), house.clock.now())
    assert Told(answer.der, house.issuing.issuer).nonce is None
    assert (answer.this_update, answer.next_update) == (house.clock.now(), house.clock.now() + ANSWER_LIFETIME)


def test_what_may_become_good_without_a_revocation_is_kept_by_no_cache(house: House) -> None:
    for serial in (reserve(house).serial, "77"):
        answer = house.responder.answer(request(cert_id(house.issuing.issuer, serial)), house.clock.now())
        assert Told(answer.der, house.issuing.issuer).nonce is None
        assert ("Cache-Control", "no-store") in answer.fields


def test_an_unknown_extension_is_passed_over_unless_it_is_critical(house: House) -> None:
    extension: dict[str, object] = {"extn_id": "1.2.3.4", "critical": False, "extn_value": core.ParsableOctetString(b"\x05\x00")}
    asked = cert_id(house.issuing.issuer, "77")
    answer = house.responder.answer(request(asked, extensions=[extension]), house.clock.now())
    assert Told(answer.der, house.issuing.issuer).statuses == ["unknown"]
    answer = house.responder.answer(request(asked, extensions=[extension | {"critical": True}]), house.clock.now())
    assert error(answer.der) == "malformed_request"


def test_for_others_certificates_we_do_not_speak(house: House) -> None:
    answer = house.responder.answer(request(cert_id(trial_issuer().issuer, "77")), house.clock.now())
    assert error(answer.der) == "unauthorized"
    assert answer.next_update is None
    answer = house.responder.answer(request(cert_id(house.root, "77")), house.clock.now())
    assert error(answer.der) == "unauthorized"


def test_an_issuer_named_by_an_unknown_hash_is_not_ours(house: House) -> None:
    asked = cert_id(house.issuing.issuer, "77")
    asked["hash_algorithm"] = {"algorithm": "sha512"}
    assert error(house.responder.answer(request(asked), house.clock.now()).der) == "unauthorized"


@pytest.mark.parametrize(
    "content", [b"", b"\x30", b"\x30\x00", b"\x05\x00", b"hello", b"\x30\x80\x00\x00", bytes(LARGEST_REQUEST + 1)]
)
def test_what_is_no_request_is_malformed(house: House, content: bytes) -> None:
    assert error(house.responder.answer(content, house.clock.now()).der) == "malformed_request"


def test_too_many_or_no_certificates_are_malformed(house: House) -> None:
    asked = [cert_id(house.issuing.issuer, f"{number:x}") for number in range(1, MOST_CERTIFICATES + 2)]
    assert error(house.responder.answer(request(*asked), house.clock.now()).der) == "malformed_request"
    assert error(house.responder.answer(request(), house.clock.now()).der) == "malformed_request"
    told = Told(house.responder.answer(request(*asked[:-1]), house.clock.now()).der, house.issuing.issuer)
    assert told.statuses == ["unknown"] * MOST_CERTIFICATES


def _answers(responder: Responder, content: bytes, now: datetime) -> bool:
    """Return whether an answer came, of whatever kind; an exception fails the test."""
    return ocsp.OCSPResponse.load(responder.answer(content, now).der, strict=True)["response_status"].native is not None


def test_every_flipped_bit_is_answered(house: House) -> None:
    whole = request(cert_id(house.issuing.issuer, issue(house).serial), extensions=[nonce(b"0123456789abcdef")])
    responder = house.responder
    for position in range(len(whole) * 8):
        changed = bytearray(whole)
        changed[position // 8] ^= 1 << position % 8
        assert _answers(responder, bytes(changed), house.clock.now())


@once_per_test(max_examples=150)
@given(content=st.binary(max_size=300))
def test_octets_at_random_are_answered(house: House, content: bytes) -> None:
    assert _answers(house.responder, content, house.clock.now())


@once_per_test(max_examples=150)
@given(data=st.data())
def test_a_request_with_pieces_exchanged_is_answered(house: House, data: st.DataObject) -> None:
    whole = request(cert_id(house.issuing.issuer, "1234"), extensions=[nonce(b"0123456789abcdef")])
    begin = data.draw(st.integers(0, len(whole)))
    end = data.draw(st.integers(begin, len(whole)))
    changed = whole[:begin] + data.draw(st.binary(max_size=40)) + whole[end:]
    assert _answers(house.responder, changed, house.clock.now())


def test_times_are_whole_seconds(house: House, clock: SettableClock) -> None:
    certificate = issue(house)
    clock.advance(timedelta(microseconds=123_456))
    told = _ask(house, certificate.serial)
    assert told.data["produced_at"].native.microsecond == 0
