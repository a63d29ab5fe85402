import hashlib
from datetime import timedelta
from typing import Any

import pytest
from asn1crypto import algos, cms, core, tsp
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st

from ca.ceremony import TIMESTAMP, service_certificate
from ca.profiles import Validity, timestamp_builder
from ca.publication import Publication, create_app
from ca.signing import certify, to_be_signed
from ca.timestamp_requests import LARGEST_REQUEST, Imprint
from ca.timestamps import TimestampUnit
from tests.ca.trial import ADDRESSES, NOW, trial_issuer
from tests.support.house import TIMESTAMP_POLICY_OID, House

TYPE = "application/timestamp-query"
CONTENT = "手形".encode()


def _unit() -> TimestampUnit:
    """Return a unit without database, under the trial issuer."""
    issuer, key = trial_issuer(), ec.generate_private_key(ec.SECP256R1())
    validity = Validity(NOW - timedelta(minutes=10), NOW + timedelta(days=730))
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Trial time stamps")])
    builder = timestamp_builder(issuer.issuer, name, key.public_key(), validity, ADDRESSES)
    der = certify(to_be_signed(builder, issuer.issuer.public_key), issuer)
    certificate = x509.load_der_x509_certificate(der)
    return TimestampUnit(certificate, (issuer.issuer.certificate,), key, TIMESTAMP_POLICY_OID)


UNIT = _unit()


def asked(algorithm: str = "sha256", **fields: Any) -> bytes:  # noqa: ANN401 (asn1crypto's own values)
    """Return a request; `fields` are those of RFC 3161 §2.4.1 and win."""
    digest = hashlib.new(algorithm, CONTENT).digest()
    imprint = tsp.MessageImprint({"hash_algorithm": algos.DigestAlgorithm({"algorithm": algorithm}), "hashed_message": digest})
    encoded: bytes = tsp.TimeStampReq({"version": "v1", "message_imprint": imprint} | fields).dump()
    return encoded


class Granted:
    """A token, its signature and its signing certificate checked."""

    def __init__(self, response: bytes, unit: TimestampUnit = UNIT) -> None:
        parsed = tsp.TimeStampResp.load(response, strict=True)
        assert parsed["status"].native == {"status": "granted", "status_string": None, "fail_info": None}
        self.signed: cms.SignedData = parsed["time_stamp_token"]["content"]
        content = self.signed["encap_content_info"]["content"]
        self.info: tsp.TSTInfo = tsp.TSTInfo.load(bytes(content), strict=True)
        self.facts = self.info.native
        [signer] = self.signed["signer_infos"]
        attributes = {one["type"].native: one["values"][0] for one in signer["signed_attrs"]}
        assert attributes["content_type"].native == "tst_info"
        assert attributes["message_digest"].native == hashlib.sha256(bytes(content)).digest()
        [named] = attributes["signing_certificate_v2"]["certs"]
        own = unit.certificate
        assert named["cert_hash"].native == own.fingerprint(hashes.SHA256())
        assert named["issuer_serial"]["serial_number"].native == own.serial_number
        public_key = own.public_key()
        assert isinstance(public_key, ec.EllipticCurvePublicKey)
        public_key.verify(signer["signature"].native, signer["signed_attrs"].untag().dump(), ec.ECDSA(hashes.SHA256()))
        self.certificates = [one.chosen for one in self.signed["certificates"] or ()]


def failure(response: bytes) -> set[str]:
    """Return the failures of a refusal; openssl and asn1crypto differ about a missing token, so it is read by hand."""
    status = tsp.PKIStatusInfo.load(core.Sequence.load(response, strict=True)[0].dump(), strict=True)
    assert status["status"].native == "rejection"
    assert status["status_string"].native
    found: set[str] = status["fail_info"].native
    return found


@pytest.mark.parametrize("algorithm", ["sha256", "sha384", "sha512"])
@pytest.mark.parametrize("has_null", [True, False])
def test_a_token_says_what_was_asked(algorithm: str, has_null: bool) -> None:  # noqa: FBT001 (a parameter of the test)
    digest = hashlib.new(algorithm, CONTENT).digest()
    imprint = Imprint(algorithm, digest, has_null).encoded()
    granted = Granted(UNIT.answer(asked(message_imprint=imprint, nonce=2**70 + 1), NOW + timedelta(microseconds=123_456)))
    assert granted.info["message_imprint"].dump() == imprint.dump()
    assert granted.facts["nonce"] == 2**70 + 1
    assert granted.facts["policy"] == TIMESTAMP_POLICY_OID
    assert granted.facts["gen_time"] == NOW + timedelta(milliseconds=123)
    assert granted.facts["accuracy"] == {"seconds": 1, "millis": None, "micros": None}
    assert granted.facts["ordering"] is False
    assert granted.facts["extensions"] is None


def test_certificates_come_when_they_are_asked_for() -> None:
    assert Granted(UNIT.answer(asked(), NOW)).certificates == []
    wanted = Granted(UNIT.answer(asked(cert_req=True), NOW)).certificates
    own = asn1_x509.Certificate.load(UNIT.certificate.public_bytes(Encoding.DER))
    assert own.dump() in [one.dump() for one in wanted]
    assert len(wanted) == 2


def test_a_nonce_that_was_not_sent_is_not_answered() -> None:
    assert Granted(UNIT.answer(asked(), NOW)).facts["nonce"] is None


def test_the_policy_may_be_named() -> None:
    assert Granted(UNIT.answer(asked(req_policy=TIMESTAMP_POLICY_OID), NOW)).facts["policy"] == TIMESTAMP_POLICY_OID
    assert failure(UNIT.answer(asked(req_policy="1.2.3.4"), NOW)) == {"unaccepted_policy"}


def test_no_two_tokens_share_a_number() -> None:
    numbers = {Granted(UNIT.answer(asked(), NOW)).facts["serial_number"] for _ in range(200)}
    assert len(numbers) == 200
    assert all(0 < number < 2**160 for number in numbers)


@pytest.mark.parametrize("algorithm", ["md5", "sha1", "sha224"])
def test_weak_digests_are_refused(algorithm: str) -> None:
    assert failure(UNIT.answer(asked(algorithm), NOW)) == {"bad_alg"}


def _with_digest(digest: bytes, algorithm: str = "sha256") -> bytes:
    named = algos.DigestAlgorithm({"algorithm": algorithm})
    return asked(message_imprint=tsp.MessageImprint({"hash_algorithm": named, "hashed_message": digest}))


EXTENSION = {"extn_id": "1.2.3.4", "critical": False, "extn_value": b"\x05\x00"}
WHOLE = asked(nonce=7, cert_req=True)


@pytest.mark.parametrize(
    ("request_der", "wanted"),
    [
        (b"", "bad_data_format"),
        (b"\x30\x00", "bad_data_format"),
        (b"GET / HTTP/1.1", "bad_data_format"),
        (WHOLE[:-1], "bad_data_format"),
        (WHOLE + b"\x00", "bad_data_format"),
        (b"\x30\x3f" + WHOLE[2:] + b"\x09\x01\xff", "bad_data_format"),
        (b"\x30\x3f" + WHOLE[2:] + b"\x02\x01\x01", "bad_data_format"),
        (bytes(LARGEST_REQUEST + 1), "bad_data_format"),
        (asked(version="v2"), "bad_request"),
        (asked(version=77), "bad_request"),
        (_with_digest(b""), "bad_data_format"),
        (_with_digest(b"x" * 31), "bad_data_format"),
        (_with_digest(b"x" * 64), "bad_data_format"),
        (_with_digest(b"x" * 32, algorithm="1.2.3.4"), "bad_alg"),
        (WHOLE.replace(b"\x05\x00", b"\x04\x00"), "bad_data_format"),
        (asked(extensions=[EXTENSION]), "unaccepted_extensions"),
        (asked(extensions=[EXTENSION | {"critical": True}]), "unaccepted_extensions"),
    ],
)
def test_what_can_not_be_granted_is_refused_with_its_reason(request_der: bytes, wanted: str) -> None:
    assert failure(UNIT.answer(request_der, NOW)) == {wanted}


@pytest.mark.parametrize("away", [timedelta(days=-1), timedelta(days=800)])
def test_a_clock_outside_of_the_certificate_gives_no_time(away: timedelta) -> None:
    assert failure(UNIT.answer(WHOLE, NOW + away)) == {"time_not_available"}


def test_a_unit_with_another_key_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="does not match"):
        TimestampUnit(UNIT.certificate, UNIT.chain, ec.generate_private_key(ec.SECP256R1()), TIMESTAMP_POLICY_OID)


@given(st.binary(max_size=300))
def test_random_octets_are_refused(octets: bytes) -> None:
    assert failure(UNIT.answer(octets, NOW)) == {"bad_data_format"}


def test_our_own_documents_are_stamped_in_process(house: House) -> None:
    unit = house.timestamps
    token = unit.stamp(Imprint.of(CONTENT), house.clock.now())
    response = tsp.TimeStampResp({"status": {"status": "granted"}, "time_stamp_token": cms.ContentInfo.load(token)})
    granted = Granted(response.dump(), unit)
    assert granted.facts["message_imprint"]["hashed_message"] == hashlib.sha256(CONTENT).digest()
    assert len(granted.certificates) == 2


def test_no_stamp_is_made_inside_a_transaction(house: House) -> None:
    with house.database.transaction(), pytest.raises(RuntimeError):
        house.timestamps.stamp(Imprint.of(CONTENT), house.clock.now())


def test_the_certificate_is_good_for_time_stamps_only(house: House) -> None:
    certificate = x509.load_der_x509_certificate(service_certificate(house.database, TIMESTAMP))
    usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage)
    assert usage.critical
    assert list(usage.value) == [ExtendedKeyUsageOID.TIME_STAMPING]


def _door(house: House) -> FlaskClient:
    app = create_app(Publication(house.database, house.clock, house.responder, house.crl_folder, house.timestamps))
    return app.test_client()


def test_the_door_answers_post(house: House) -> None:
    response = _door(house).post("/tsa", data=asked(nonce=1), content_type=TYPE)
    assert (response.status_code, response.mimetype) == (200, "application/timestamp-reply")
    assert response.headers["Cache-Control"] == "no-store"
    assert Granted(response.data, house.timestamps).facts["nonce"] == 1


def test_the_door_refuses_in_the_protocols_own_form(house: House) -> None:
    door = _door(house)
    assert failure(door.post("/tsa", data=b"x", content_type=TYPE).data) == {"bad_data_format"}
    assert failure(door.post("/tsa", data=bytes(100_000), content_type=TYPE).data) == {"bad_data_format"}
    assert door.post("/tsa", data=b"x", content_type="text/plain").status_code == 415
    assert door.get("/tsa").status_code == 405
