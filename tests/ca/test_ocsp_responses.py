"""Responses as asn1crypto would write them, octet for octet, and what they say beyond good and revoked."""

import hashlib
import random
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import pytest
from asn1crypto import algos, core, ocsp
from asn1crypto import x509 as asn1_x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding

from ca import revocation
from ca.certificates import CertificateState
from ca.ocsp import Responder
from ca.ocsp_delegations import delegations
from ca.ocsp_responses import Delegate, ResponseWriter, time_der, valid_der
from ca.ocsp_states import Status
from ca.revocation import Reason
from keys.algorithms import ALGORITHMS, SigningKey
from tests.ca.issuance import issue
from tests.ca.ocsp_requests import Told, cert_id, error, request
from tests.ca.trial import trial_issuer
from tests.support.house import House

CHANCE = random.Random(20261122)  # noqa: S311 (test material)
NULL = core.ParsableOctetString(b"\x05\x00")
REASONS = {reason.value: "".join(f"_{c.lower()}" if c.isupper() else c for c in reason.value) for reason in Reason} | {
    "cACompromise": "ca_compromise",
    "aACompromise": "aa_compromise",
    "certificateHold": "certificate_hold",
}


def _delegate() -> Delegate:
    signer = trial_issuer()
    return Delegate(signer.issuer, signer.issuer.certificate, signer.key)


def _random_status() -> Status | None:
    if CHANCE.random() < 0.2:
        return None
    at = datetime(2000, 1, 1, tzinfo=UTC) + timedelta(seconds=CHANCE.randrange(2**31), microseconds=CHANCE.randrange(10**6))
    der = CHANCE.randbytes(30) if CHANCE.random() < 0.5 else None
    return Status(CHANCE.choice(list(CertificateState)), at, CHANCE.choice([None, *REASONS]), der)


def _status_by_asn1crypto(status: Status | None) -> ocsp.CertStatus:
    if status is None:
        return ocsp.CertStatus("unknown", core.Null())
    if status.state == CertificateState.VALID:
        return ocsp.CertStatus("good", core.Null())
    at, reason = status.at.replace(microsecond=0), REASONS.get(status.reason or "unspecified")
    if status.state == CertificateState.RESERVED:
        at, reason = datetime(1970, 1, 1, tzinfo=UTC), "certificate_hold"
    revoked: dict[str, object] = {"revocation_time": at}
    if reason != "unspecified":
        revoked["revocation_reason"] = reason
    return ocsp.CertStatus("revoked", ocsp.RevokedInfo(revoked))


def _extension(oid: str, value: core.Asn1Value) -> dict[str, object]:
    return {"extn_id": oid, "critical": False, "extn_value": core.ParsableOctetString(value.dump())}


class _CertHash(core.Sequence):  # type: ignore[misc]  # asn1crypto carries no types
    _fields: ClassVar = [("algorithm", algos.DigestAlgorithm), ("digest", core.OctetString)]


def _single_by_asn1crypto(cert: ocsp.CertId, status: Status | None, now: datetime, since: datetime) -> ocsp.SingleResponse:
    single: dict[str, object] = {
        "cert_id": cert,
        "cert_status": _status_by_asn1crypto(status),
        "this_update": now,
        "next_update": now + timedelta(minutes=5),
    }
    if status is not None:
        extensions = [_extension("1.3.6.1.5.5.7.48.1.6", core.GeneralizedTime(since))]
        if status.der is not None:
            algorithm = {"algorithm": "sha256", "parameters": core.Null()}
            value = _CertHash({"algorithm": algorithm, "digest": hashlib.sha256(status.der).digest()})
            extensions.append(_extension("1.3.36.8.3.13", value))
        single["single_extensions"] = extensions
    return ocsp.SingleResponse(single)


def _tbs_by_asn1crypto(delegate: Delegate, singles: list[ocsp.SingleResponse], nonce: bytes | None, now: datetime) -> bytes:
    extensions = [{"extn_id": "1.3.6.1.5.5.7.48.1.9", "critical": False, "extn_value": NULL}]
    if nonce is not None:
        extensions.append(_extension("nonce", core.OctetString(nonce)))
    key = asn1_x509.Certificate.load(delegate.certificate.public_bytes(Encoding.DER)).public_key
    encoded: bytes = ocsp.ResponseData(
        {
            "responder_id": ocsp.ResponderId("by_key", core.OctetString(key.sha1)),
            "produced_at": now,
            "responses": singles,
            "response_extensions": extensions,
        }
    ).dump()
    return encoded


def test_a_thousand_responses_are_what_asn1crypto_writes() -> None:
    delegate = _delegate()
    writer = ResponseWriter(delegate)
    since = delegate.certificate.not_valid_before_utc
    for _ in range(1_000):
        now = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=CHANCE.randrange(10**9))
        nonce = CHANCE.randbytes(CHANCE.randint(1, 128)) if CHANCE.random() < 0.5 else None
        count = CHANCE.choice((1, 1, 2, 5, 60))
        certs = [
            cert_id(delegate.issuer, f"{CHANCE.randrange(2**159):x}", CHANCE.choice(("sha1", "sha256"))) for _ in range(count)
        ]
        statuses = [_random_status() for _ in certs]
        valid = valid_der(now, now + timedelta(minutes=5))
        singles = b"".join(writer.single(cert.dump(), status, valid) for cert, status in zip(certs, statuses, strict=True))
        der = writer.response(singles, nonce, time_der(now))
        expected = [_single_by_asn1crypto(cert, status, now, since) for cert, status in zip(certs, statuses, strict=True)]
        parsed = ocsp.OCSPResponse.load(der, strict=True)
        basic = parsed["response_bytes"]["response"].parsed
        assert basic["tbs_response_data"].dump() == _tbs_by_asn1crypto(delegate, expected, nonce, now)
        assert parsed.copy().dump(force=True) == der
        assert basic["certs"][0].dump() == delegate.certificate.public_bytes(Encoding.DER)


@pytest.mark.parametrize("name", sorted(ALGORITHMS))
def test_every_algorithm_that_signs_signs_responses(name: str) -> None:
    signer = trial_issuer(name)
    delegate = Delegate(signer.issuer, signer.issuer.certificate, signer.key)
    writer = ResponseWriter(delegate)
    now = datetime(2026, 11, 24, tzinfo=UTC)
    single = writer.single(cert_id(signer.issuer, "1").dump(), None, valid_der(now, now))
    parsed = ocsp.OCSPResponse.load(writer.response(single, None, time_der(now)))
    basic = ocsp.BasicOCSPResponse.load(bytes(parsed["response_bytes"]["response"]))
    signer.issuer.algorithm.verify(signer.issuer.public_key, basic["signature"].native, basic["tbs_response_data"].dump())


class Faulty:
    """A key of a device that signs well until it is told to break, and then spoils so many signatures."""

    def __init__(self, key: SigningKey) -> None:
        self.key, self.faults = key, 0

    def public_key(self) -> object:
        """Return the real one."""
        return self.key.public_key()

    def sign(self, message: bytes, *arguments: Any) -> bytes:  # noqa: ANN401 (pyca's own signature)
        """Sign, and change a bit of the signature."""
        signature: bytes = self.key.sign(message, *arguments)
        if not self.faults:
            return signature
        self.faults -= 1
        return signature[:-1] + bytes((signature[-1] ^ 1,))


def _faulty(name: str) -> tuple[Faulty, ResponseWriter]:
    signer = trial_issuer(name)
    key = Faulty(signer.key)
    return key, ResponseWriter(Delegate(signer.issuer, signer.issuer.certificate, key))  # type: ignore[arg-type]  # it acts as one


NOW = time_der(datetime(2026, 11, 24, tzinfo=UTC))


@pytest.mark.parametrize("name", sorted(ALGORITHMS))
def test_a_faulty_signature_is_never_kept(name: str) -> None:
    key, writer = _faulty(name)
    key.faults = 2
    for _ in range(2):
        with pytest.raises(InvalidSignature):
            writer.response(b"", None, NOW)
    assert writer.response(b"", None, NOW)


@pytest.mark.parametrize("name", ["ed25519", "mldsa65", "rsa3072"])
def test_where_a_fault_could_give_the_key_away_no_faulty_signature_leaves(name: str) -> None:
    key, writer = _faulty(name)
    for _ in range(20):
        key.faults = 1
        with pytest.raises(InvalidSignature):
            writer.response(b"", b"nonce", NOW, once=True)


def test_with_ecdsa_a_lasting_fault_is_found_and_from_then_on_none_leaves() -> None:
    key, writer = _faulty("p256")
    key.faults = 1_000
    left = 0
    with pytest.raises(InvalidSignature):
        while True:
            writer.response(b"", b"nonce", NOW, once=True)
            left += 1
    assert left < 32
    for _ in range(40):
        with pytest.raises(InvalidSignature):
            writer.response(b"", b"nonce", NOW, once=True)
    key.faults = 0
    assert writer.response(b"", b"nonce", NOW, once=True)
    key.faults = 1  # it was faulty once, so it is never trusted again
    with pytest.raises(InvalidSignature):
        writer.response(b"", b"nonce", NOW, once=True)


def test_a_fault_in_signing_is_told_as_try_later_until_it_is_over(house: House) -> None:
    [delegate] = house.responder.delegates
    key = Faulty(delegate.key)
    responder = Responder(house.database, [Delegate(delegate.issuer, delegate.certificate, key)])  # type: ignore[arg-type]
    asked = request(cert_id(house.issuing.issuer, issue(house).serial))
    key.faults = 1
    broken, whole = (responder.answer(asked, house.clock.now()) for _ in range(2))
    assert (error(broken.der), broken.retry_after) == ("try_later", 5)
    assert Told(whole.der, house.issuing.issuer).statuses == ["good"]


def test_a_key_of_another_certificate_is_no_delegates() -> None:
    signer = trial_issuer()
    with pytest.raises(ValueError, match="does not match"):
        Delegate(signer.issuer, signer.issuer.certificate, ALGORITHMS["p256"].generate())


def test_the_hash_of_what_was_given_out_is_told_where_it_is_set(house: House) -> None:
    certificate = issue(house)
    asked = request(cert_id(house.issuing.issuer, certificate.serial))
    telling = Responder(house.database, house.responder.delegates, cert_hash=True)
    for responder, expected in ((telling, 1), (house.responder, 0)):
        told = Told(responder.answer(asked, house.clock.now()).der, house.issuing.issuer)
        values = [
            bytes(extension["extn_value"])
            for extension in told.data["responses"][0]["single_extensions"]
            if extension["extn_id"].dotted == "1.3.36.8.3.13"
        ]
        assert len(values) == expected
        assert all(hashlib.sha256(certificate.der or b"").digest() in value for value in values)


def test_the_archive_reaches_back_to_the_issuers_beginning(house: House) -> None:
    asked = request(cert_id(house.issuing.issuer, issue(house).serial))
    told = Told(house.responder.answer(asked, house.clock.now()).der, house.issuing.issuer)
    extension = told.data["responses"][0]["single_extensions"][0]
    assert extension["extn_id"].native == "archive_cutoff"
    value = core.GeneralizedTime.load(bytes(extension["extn_value"])).native
    assert value == house.issuing.issuer.certificate.not_valid_before_utc


def test_the_delegation_in_force_is_found_with_its_keys_name(house: House) -> None:
    with house.database.snapshot() as session:
        found = delegations(session, house.clock.now())
        assert delegations(session, house.clock.now() + timedelta(days=365 * 3)) == []
    assert [one.issuer.name for one in found] == ["issuing-1"]
    assert found[0].certificate == house.responder.delegates[0].certificate


def test_a_revoked_responder_is_no_delegate(house: House) -> None:
    serial = f"{house.responder.delegates[0].certificate.serial_number:x}"
    with house.database.transaction() as session:
        revocation.revoke(session, "issuing-1", serial, reason=Reason.KEY_COMPROMISE, now=house.clock.now())
    with house.database.snapshot() as session:
        assert delegations(session, house.clock.now()) == []
