"""Whatever is asked for: what comes out is either a refusal or a certificate of its profile, signed as it was linted."""

import subprocess
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from hypothesis import given, settings
from hypothesis import strategies as st

from ca import requests
from ca.authority import Authority
from ca.key_policy import END_OF_SHORT_RSA
from ca.profiles import Subject, TerminalProfile
from ca.signing import certify
from kernel.clock import day_end, day_start, tokyo_date
from kernel.errors import Refused
from keys.algorithms import ALGORITHMS, SigningKey
from tests.ca.trial import ADDRESSES, PROFILE, SUBJECT, trial_issuer

ASKING = (
    "p256", "p384", "rsa2048", "rsa3072", "rsa4096", "ed25519",
    "p521", "k256", "rsa1024", "ed448",
)  # fmt: skip


CURVES: dict[str, ec.EllipticCurve] = {
    "p256": ec.SECP256R1(),
    "p384": ec.SECP384R1(),
    "p521": ec.SECP521R1(),
    "k256": ec.SECP256K1(),
}


@cache
def _request(kind: str) -> bytes:
    """Return a request that asks for far more than it may: only its key counts."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Root CA")])
    builder = x509.CertificateSigningRequestBuilder().subject_name(name)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName("*.example.jp")]), critical=False)
    key = _key(kind)
    hashed = None if isinstance(key, ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey) else ALGORITHMS["p256"].hash
    return builder.sign(key, hashed).public_bytes(Encoding.DER)


def _key(kind: str) -> ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey:
    if kind.startswith("rsa"):
        return rsa.generate_private_key(public_exponent=65537, key_size=int(kind.removeprefix("rsa")))
    if kind.startswith("ed"):
        return ed25519.Ed25519PrivateKey.generate() if kind == "ed25519" else ed448.Ed448PrivateKey.generate()
    return ec.generate_private_key(CURVES[kind])


PROFILES = st.builds(
    TerminalProfile,
    st.just(PROFILE.policy_oid),
    st.just(PROFILE.san_prefix),
    st.just(ADDRESSES),
    fixed_end=st.none() | st.dates(date(2026, 12, 1), date(2060, 1, 1)),
    backdating=st.integers(0, 60).map(lambda minutes: timedelta(minutes=minutes)),
    subject_keys=st.lists(st.sampled_from(["p256", "p384", "rsa", "ed25519"]), min_size=1, unique=True).map(tuple),
    rsa_bits=st.sampled_from([(2048, 4096), (3072, 4096), (2048, 3072)]),
)
INSTANTS = st.datetimes(datetime(2026, 11, 22), datetime(2040, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 (hypothesis adds the zone)
NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=64)


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(ASKING), PROFILES, NAMES, INSTANTS, st.integers(-30, 500))
def test_no_request_yields_what_the_profile_forbids(
    kind: str, profile: TerminalProfile, company: str, now: datetime, ahead: int
) -> None:
    signer, start = trial_issuer(), tokyo_date(now) + timedelta(days=ahead)
    try:
        key = requests.read(_request(kind))
        draft = Authority(signer, profile).draft(key, Subject("99999W", "NAC001", company), start, now)
    except Refused:
        return
    certificate = x509.load_der_x509_certificate(certify(draft.tbs, signer))
    _is_of_its_profile(certificate, profile, start, now)
    public_key = certificate.public_key()
    if isinstance(public_key, rsa.RSAPublicKey):
        assert "rsa" in profile.subject_keys
        assert profile.rsa_bits[0] <= public_key.key_size <= profile.rsa_bits[1]
        assert public_key.key_size >= 3072 or certificate.not_valid_after_utc <= END_OF_SHORT_RSA
    else:
        assert kind in profile.subject_keys
    assert [name.value for name in certificate.subject] == ["JP", company, "NAC001", "99999W"]


def _is_of_its_profile(certificate: x509.Certificate, profile: TerminalProfile, start: date, now: datetime) -> None:
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    assert begin >= day_start(start)
    assert begin >= now - profile.backdating - timedelta(seconds=1)
    assert begin < end
    assert end <= (day_end(profile.fixed_end) if profile.fixed_end else now + timedelta(days=367))
    found = {extension.oid: extension.value for extension in certificate.extensions}
    assert len(found) == 8
    assert found[x509.KeyUsage.oid] == profile.key_usage
    assert found[x509.ExtendedKeyUsage.oid] == profile.extended_key_usage
    assert found[x509.SubjectAlternativeName.oid] == profile.alternative_name("99999W")
    assert x509.BasicConstraints.oid not in found


@pytest.mark.parametrize("kind", ["p521", "k256", "rsa1024", "ed448"])
def test_keys_of_no_profile_are_refused(kind: str) -> None:
    with pytest.raises(Refused, match="key-"):
        requests.read(_request(kind))


def _chain(algorithm: str, kind: str) -> tuple[bytes, x509.Certificate]:
    signer = trial_issuer(algorithm)
    profile = TerminalProfile(PROFILE.policy_oid, PROFILE.san_prefix, ADDRESSES, issuer_algorithms=(algorithm,))
    now = datetime.now(UTC)
    draft = Authority(signer, profile).draft(requests.read(_request(kind)), SUBJECT, tokyo_date(now), now)
    der = certify(draft.tbs, signer)
    assert x509.load_der_x509_certificate(der).tbs_certificate_bytes == draft.tbs  # what was linted, to the octet
    return der, signer.issuer.certificate


@pytest.mark.parametrize("kind", ["p256", "p384", "rsa2048", "rsa4096", "ed25519"])
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_each_algorithm_signs_each_kind_of_key(algorithm: str, kind: str, tmp_path: Path) -> None:
    der, root = _chain(algorithm, kind)
    certificate = x509.load_der_x509_certificate(der)
    certificate.verify_directly_issued_by(root)
    if algorithm == "mldsa65":  # OpenSSL 3.0 knows it not
        return
    (tmp_path / "root.pem").write_bytes(root.public_bytes(Encoding.PEM))
    (tmp_path / "own.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
    at = str(int(max(root.not_valid_before_utc, certificate.not_valid_before_utc).timestamp()) + 1)
    command = ["openssl", "verify", "-x509_strict", "-purpose", "sslclient", "-attime", at, "-CAfile", "root.pem", "own.pem"]
    told = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stderr


def test_the_pilot_issues_only_where_it_was_opted_in() -> None:
    with pytest.raises(ValueError, match="mldsa65"):
        Authority(trial_issuer("mldsa65"), PROFILE)


class _Faulty:
    """A device that turns one bit of each signature."""

    def __init__(self, key: SigningKey) -> None:
        self._key = key

    def public_key(self) -> object:
        return self._key.public_key()

    def sign(self, *arguments: object) -> bytes:
        signature: bytes = self._key.sign(*arguments)  # type: ignore[arg-type]
        return signature[:-1] + bytes((signature[-1] ^ 1,))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_broken_signature_of_any_algorithm_does_not_leave(algorithm: str) -> None:
    signer = trial_issuer(algorithm)
    faulty = type(signer)(signer.issuer, _Faulty(signer.key))  # type: ignore[arg-type]
    with pytest.raises(InvalidSignature):
        certify(b"\x30\x00", faulty)
