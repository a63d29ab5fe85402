"""Whatever is asked for: what comes out is either a refusal or a certificate of its profile, signed as it was linted."""

import subprocess
from dataclasses import dataclass, fields, replace
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

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
from ca.profiles import Addresses, Subject, TerminalProfile
from ca.signing import certify
from ca.terminal_rules import TerminalRules
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


def _some(*names: str, always: tuple[str, ...] = ()) -> st.SearchStrategy[tuple[str, ...]]:
    return st.lists(st.sampled_from(names), min_size=0 if always else 1, unique=True).map(lambda some: (*always, *some))


ELLIPTIC = {"p256", "p384"}
# What each key of a profile may say (ca/profiles.yaml).
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "policy_oid": st.from_regex(r"1\.3\.6\.1\.4\.1\.32473(\.(0|[1-9][0-9]{0,9})){1,3}", fullmatch=True),
    "san_prefix": st.from_regex(r"tag:[a-z]{1,20}\.jp,20[0-9]{2}(-0[1-9]){0,2}:[A-Za-z0-9._~/-]{0,40}:", fullmatch=True),
    "addresses": st.from_regex(r"http://[a-z]{1,30}\.example\.jp(:[1-9][0-9]{3})?", fullmatch=True).map(Addresses),
    "fixed_end": st.none() | st.dates(date(2026, 12, 1), date(2060, 1, 1)),
    "backdating": st.integers(0, 60).map(lambda minutes: timedelta(minutes=minutes)),
    "usages": _some("content_commitment", "key_agreement", always=("digital_signature",)),
    "purposes": _some("1.3.6.1.5.5.7.3.4", "1.3.6.1.4.1.311.20.2.2", always=("1.3.6.1.5.5.7.3.2",)),
    "issuer_algorithms": _some(*ALGORITHMS),
    "subject_keys": _some(*ELLIPTIC, "rsa", "ed25519"),
    "rsa_bits": st.sampled_from([(2048, 4096), (3072, 4096), (2048, 3072), (3072, 3072)]),
    "partition_size": st.sampled_from([0, 10_000, 100_000]),
    "delta": st.booleans(),
}
PROFILES = st.builds(TerminalProfile, **FIELDS)
INSTANTS = st.datetimes(datetime(2026, 11, 22), datetime(2040, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 (hypothesis adds the zone)
NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=64)


def test_every_key_of_a_profile_is_tried() -> None:
    assert set(FIELDS) == {field.name for field in fields(TerminalProfile)}


@dataclass(frozen=True)
class _Asked:
    """The circumstances of a request. Where it `is_welcome`, the profile allows issuer and key.

    `torn` tells which of its octets was turned into another, if any.
    """

    company: str
    now: datetime
    ahead: int
    partition: int
    is_welcome: bool
    torn: tuple[int, int] | None

    @property
    def start(self) -> date:
        """The terminal's start date."""
        return tokyo_date(self.now) + timedelta(days=self.ahead)

    def request(self, kind: str) -> bytes:
        """Return the request as it arrives."""
        der = bytearray(_request(kind))
        if self.torn:
            der[self.torn[0] % len(der)] ^= self.torn[1]
        return bytes(der)


ASKED = st.builds(
    _Asked,
    company=NAMES,
    now=INSTANTS,
    ahead=st.integers(-30, 500),
    partition=st.integers(1, 10**6),
    is_welcome=st.booleans(),
    torn=st.none() | st.none() | st.tuples(st.integers(0, 2_000), st.integers(1, 255)),
)


def _allowing(profile: TerminalProfile, algorithm: str, kind: str) -> TerminalProfile:
    """Return a profile that has nothing against an issuer and a kind of key, so that not all is refused at once."""
    algorithms, kinds = {*profile.issuer_algorithms, algorithm}, {*profile.subject_keys, "rsa" if kind[:3] == "rsa" else kind}
    return replace(profile, issuer_algorithms=tuple(sorted(algorithms)), subject_keys=tuple(sorted(kinds)))


@pytest.mark.parametrize("kind", ASKING)
@pytest.mark.parametrize("algorithm", ALGORITHMS)
@settings(max_examples=25, deadline=None)
@given(profile=PROFILES, asked=ASKED)
def test_no_request_yields_what_the_profile_forbids(algorithm: str, kind: str, profile: TerminalProfile, asked: _Asked) -> None:
    profile = _allowing(profile, algorithm, kind) if asked.is_welcome else profile
    if "key_agreement" in profile.usages and not ELLIPTIC.issuperset(profile.subject_keys):
        profile = replace(profile, usages=("digital_signature",))  # no file may say both
    signer, partition = trial_issuer(algorithm), asked.partition if profile.partition_size else 0
    try:
        authority = Authority(signer, profile)
    except ValueError:
        assert algorithm not in profile.issuer_algorithms
        return
    assert algorithm in profile.issuer_algorithms
    try:
        key = requests.read(asked.request(kind))
        draft = authority.draft(key, Subject("99999W", "NAC001", asked.company), asked.start, asked.now, partition=partition)
    except Refused:
        return
    certificate = x509.load_der_x509_certificate(certify(draft.tbs, signer))
    certificate.verify_directly_issued_by(signer.issuer.certificate)
    _is_of_its_profile(certificate, profile, asked)
    _names_its_lists(certificate, profile, partition)
    rules = TerminalRules(profile, signer.issuer)
    assert list(rules.findings(draft.tbs, "99999W", "NAC001")) == []  # by the checker's parser and its own words
    _is_a_key_of_the_profile(certificate, profile, kind)
    assert [name.value for name in certificate.subject] == ["JP", asked.company, "NAC001", "99999W"]


def _is_a_key_of_the_profile(certificate: x509.Certificate, profile: TerminalProfile, kind: str) -> None:
    public_key = certificate.public_key()
    if isinstance(public_key, rsa.RSAPublicKey):
        assert "rsa" in profile.subject_keys
        assert profile.rsa_bits[0] <= public_key.key_size <= profile.rsa_bits[1]
        assert public_key.key_size >= 3072 or certificate.not_valid_after_utc <= END_OF_SHORT_RSA
    else:
        assert kind in profile.subject_keys


def _is_of_its_profile(certificate: x509.Certificate, profile: TerminalProfile, asked: _Asked) -> None:
    begin, end, now = certificate.not_valid_before_utc, certificate.not_valid_after_utc, asked.now
    assert begin >= day_start(asked.start)
    assert begin >= now - profile.backdating - timedelta(seconds=1)
    assert begin < end
    assert end <= (day_end(profile.fixed_end) if profile.fixed_end else now + timedelta(days=367))
    found = {extension.oid: extension.value for extension in certificate.extensions}
    assert len(found) == 8 + profile.delta
    assert [extension.oid for extension in certificate.extensions if extension.critical] == [x509.KeyUsage.oid]
    assert found[x509.KeyUsage.oid] == profile.key_usage
    assert [purpose.dotted_string for purpose in found[x509.ExtendedKeyUsage.oid]] == list(profile.purposes)
    [policy] = found[x509.CertificatePolicies.oid]
    assert (policy.policy_identifier.dotted_string, policy.policy_qualifiers) == (profile.policy_oid, None)
    uris = found[x509.SubjectAlternativeName.oid].get_values_for_type(x509.UniformResourceIdentifier)
    assert uris == [f"{profile.san_prefix}99999W"]
    access = {one.access_method: one.access_location.value for one in found[x509.AuthorityInformationAccess.oid]}
    assert list(access.values()) == [f"{profile.addresses.status_url}/ocsp", f"{profile.addresses.status_url}/ca/trial.cer"]
    assert x509.BasicConstraints.oid not in found


def _names_its_lists(certificate: x509.Certificate, profile: TerminalProfile, partition: int) -> None:
    named = {}
    for kind in (x509.CRLDistributionPoints, x509.FreshestCRL):
        for extension in certificate.extensions:
            if isinstance(extension.value, kind):
                [point] = extension.value
                assert (point.reasons, point.crl_issuer, point.relative_name) == (None, None, None)
                named[kind] = [name.value for name in point.full_name or ()]
    beginning = f"{profile.addresses.status_url}/crl/trial{f'.{partition}' if partition else ''}"
    assert named[x509.CRLDistributionPoints] == [f"{beginning}.crl"]
    assert named.get(x509.FreshestCRL) == ([f"{beginning}.delta.crl"] if profile.delta else None)


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
