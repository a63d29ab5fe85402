from datetime import date, timedelta

import pytest
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given, settings
from hypothesis import strategies as st

from ca.issuers import Issuer, SigningIssuer
from ca.profiles import Subject, new_serial
from ca.signing import assemble, certify, to_be_signed
from keys.algorithms import ALGORITHMS
from tests.ca.trial import NOW, PROFILE, SUBJECT, TODAY, trial_issuer


def _builder(issuer: Issuer, subject: Subject = SUBJECT, start: date = TODAY) -> x509.CertificateBuilder:
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    return PROFILE.builder(issuer, key, subject, new_serial(), PROFILE.validity(start, NOW))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_what_we_assemble_is_what_pyca_builds_to_the_octet(algorithm: str) -> None:
    signer = trial_issuer(algorithm)
    by_pyca = _builder(signer.issuer).sign(signer.key, signer.hash)
    assert assemble(by_pyca.tbs_certificate_bytes, by_pyca.signature) == by_pyca.public_bytes(Encoding.DER)


@settings(max_examples=40, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=64), st.integers(0, 300))
def test_that_holds_for_every_subject_and_date(organization: str, ahead: int) -> None:
    signer = trial_issuer()
    subject = Subject("12345A", "ABC001", organization)
    builder = _builder(signer.issuer, subject, TODAY + timedelta(days=ahead))
    by_pyca = builder.sign(signer.key, signer.hash)
    assert to_be_signed(builder, signer.issuer.public_key) == by_pyca.tbs_certificate_bytes
    assert assemble(by_pyca.tbs_certificate_bytes, by_pyca.signature) == by_pyca.public_bytes(Encoding.DER)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_throwaway_key_leaves_no_trace(algorithm: str) -> None:
    signer = trial_issuer(algorithm)
    builder = _builder(signer.issuer)
    tbs = to_be_signed(builder, signer.issuer.public_key)
    certificate = x509.load_der_x509_certificate(certify(tbs, signer))
    certificate.verify_directly_issued_by(signer.issuer.certificate)
    assert certificate.tbs_certificate_bytes == tbs
    assert builder.sign(signer.key, signer.hash).tbs_certificate_bytes == tbs


@pytest.mark.parametrize("length", [0, 1, 125, 126, 127, 128, 253, 254, 255, 256, 65_533, 65_535, 65_536])
def test_lengths_are_written_by_der(length: int) -> None:
    signer = trial_issuer()
    tbs = to_be_signed(_builder(signer.issuer), signer.issuer.public_key)
    parsed = asn1_x509.Certificate.load(assemble(tbs, bytes(length)), strict=True)
    assert parsed["signature_value"].native == bytes(length)
    assert parsed["tbs_certificate"].dump() == tbs
    assert parsed.dump(force=True) == assemble(tbs, bytes(length))


def test_a_key_and_a_certificate_of_different_issuers_make_no_signer() -> None:
    with pytest.raises(ValueError, match="does not match"):
        SigningIssuer(trial_issuer().issuer, ec.generate_private_key(ec.SECP256R1()))


class _FaultyKey:
    """A device whose key says that it is the right one and signs rubbish."""

    def __init__(self, key: ec.EllipticCurvePrivateKey) -> None:
        self._key, self.curve = key, key.curve

    def public_key(self) -> ec.EllipticCurvePublicKey:
        return self._key.public_key()

    def sign(self, message: bytes, algorithm: ec.EllipticCurveSignatureAlgorithm) -> bytes:
        return self._key.sign(message + b"!", algorithm)


def test_a_signature_that_does_not_verify_is_not_given_out() -> None:
    signer = trial_issuer()
    faulty = SigningIssuer(signer.issuer, _FaultyKey(signer.key))  # type: ignore[arg-type]
    with pytest.raises(InvalidSignature):
        certify(to_be_signed(_builder(signer.issuer), signer.issuer.public_key), faulty)
