"""The template against its reference, pyca's builder, to the octet."""

from datetime import UTC, date, datetime, timedelta
from functools import cache

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from ca.der import content, elements, integer, tlv
from ca.key_policy import PublicKey
from ca.profiles import Addresses, Subject, TerminalProfile, Validity
from ca.signing import to_be_signed
from ca.template import template_of
from keys.algorithms import ALGORITHMS
from tests.ca.trial import ADDRESSES, PROFILE, SUBJECT, TODAY, trial_issuer

INSTANTS = st.datetimes(datetime(1990, 1, 1), datetime(2110, 1, 1), timezones=st.just(UTC)).map(  # noqa: DTZ001 (hypothesis adds the zone)
    lambda instant: instant.replace(microsecond=0)
)
VALIDITIES = st.builds(
    lambda begin, seconds: Validity(begin, begin + timedelta(seconds=seconds)), INSTANTS, st.integers(0, 10**9)
)
TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=64)
SUBJECTS = st.builds(
    Subject, st.from_regex(r"[0-9]{5}[A-Z]", fullmatch=True), st.from_regex(r"[A-Z]{3}[0-9]{3}", fullmatch=True), TEXTS
)
PROFILES = st.builds(
    TerminalProfile,
    st.from_regex(r"1\.3\.6\.1\.4\.1\.(0|[1-9][0-9]{0,8})(\.(0|[1-9][0-9]{0,8})){0,3}", fullmatch=True),
    st.from_regex(r"tag:[a-z]{1,40}\.jp,20[0-9]{2}:[a-z]{1,80}:", fullmatch=True),
    st.builds(Addresses, st.from_regex(r"http://[a-z]{1,60}\.example\.jp(:[1-9][0-9]{3})?", fullmatch=True)),
    usages=st.sampled_from([("digital_signature",), ("digital_signature", "content_commitment"), ("key_agreement",)]),
    purposes=st.lists(st.sampled_from(["1.3.6.1.5.5.7.3.2", "1.3.6.1.5.5.7.3.4"]), min_size=1, unique=True).map(tuple),
    delta=st.booleans(),
)


@cache
def _keys() -> tuple[PublicKey, ...]:
    sizes = (2048, 2056, 3072, 4096)
    return (
        *(ec.generate_private_key(curve()).public_key() for curve in (ec.SECP256R1, ec.SECP384R1) for _ in range(4)),
        *(rsa.generate_private_key(public_exponent=65537, key_size=size).public_key() for size in sizes),
        *(ed25519.Ed25519PrivateKey.generate().public_key() for _ in range(4)),
    )


def _spki(key: PublicKey) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


@settings(max_examples=3_000, deadline=None)
@given(st.integers(1, (1 << 159) - 1), VALIDITIES, SUBJECTS, st.integers(0, 15), PROFILES, st.integers(0, 10**6))
def test_the_template_writes_what_pyca_builds(
    serial: int, validity: Validity, subject: Subject, key: int, profile: TerminalProfile, partition: int
) -> None:
    issuer, public_key = trial_issuer().issuer, _keys()[key]
    builder = profile.builder(issuer, public_key, subject, serial, validity, partition=partition)
    written = template_of(issuer, profile).tbs(serial, validity, subject, _spki(public_key), partition)
    assert written == to_be_signed(builder, issuer.public_key)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_it_does_so_under_issuers_of_every_algorithm(algorithm: str) -> None:
    issuer, template = trial_issuer(algorithm).issuer, template_of(trial_issuer(algorithm).issuer, PROFILE)
    validity = PROFILE.validity(TODAY, datetime(2026, 11, 24, tzinfo=UTC))
    for key in _keys():
        written = template.tbs(12345, validity, SUBJECT, _spki(key))
        assert written == to_be_signed(PROFILE.builder(issuer, key, SUBJECT, 12345, validity), issuer.public_key)


@pytest.mark.parametrize("year", [2049, 2050])
def test_the_turn_from_two_digits_of_a_year_to_four(year: int) -> None:
    issuer = trial_issuer().issuer
    profile = TerminalProfile(PROFILE.policy_oid, PROFILE.san_prefix, ADDRESSES, date(year, 12, 31))
    validity = profile.validity(TODAY, datetime(2026, 11, 24, tzinfo=UTC))
    written = template_of(issuer, profile).tbs(1, validity, SUBJECT, _spki(_keys()[0]))
    assert written == to_be_signed(profile.builder(issuer, _keys()[0], SUBJECT, 1, validity), issuer.public_key)


@given(st.integers(0, 1 << 200))
def test_integers_are_read_back(number: int) -> None:
    assert int.from_bytes(content(integer(number)), "big", signed=True) == number


@given(st.lists(st.binary(max_size=300)))
def test_elements_are_read_back(contents: list[bytes]) -> None:
    encoded = tlv(0x30, b"".join(tlv(0x04, octets) for octets in contents))
    assert [content(element) for element in elements(encoded)] == contents


@given(st.binary(max_size=60))
def test_the_reader_takes_any_octets_or_says_that_they_are_amiss(octets: bytes) -> None:
    try:
        parts = b"".join(elements(octets))
    except ValueError:
        return
    assert octets.endswith(parts)


def test_pyca_reads_what_the_template_writes() -> None:
    issuer = trial_issuer()
    validity = PROFILE.validity(TODAY, datetime(2026, 11, 24, tzinfo=UTC))
    tbs = template_of(issuer.issuer, PROFILE).tbs(7, validity, SUBJECT, _spki(_keys()[0]), 3)
    builder = PROFILE.builder(issuer.issuer, _keys()[0], SUBJECT, 7, validity, partition=3)
    point = builder.sign(issuer.key, issuer.hash).extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    assert ADDRESSES.crl("trial", 3) == "http://status.example.jp/crl/trial.3.crl"
    assert point[0].full_name == [x509.UniformResourceIdentifier(ADDRESSES.crl("trial", 3))]
    assert ADDRESSES.crl("trial", 3).encode() in tbs
