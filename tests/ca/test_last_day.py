"""Nothing outlives its issuing CA: towards its end certificates end with its last whole day in Tokyo (ADR 29)."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from ca import lint, profiles
from ca.authority import Authority, Draft
from ca.issuers import Issuer, SigningIssuer
from ca.lint import Expectation, LintError
from ca.profiles import Validity
from ca.requests import RequestedKey, spki_digest
from ca.signing import to_be_signed
from ca.terminal_rules import TerminalRules
from ca.terms import last_day
from kernel.clock import day_end
from kernel.errors import Refused, Unavailable
from keys.algorithms import ALGORITHMS
from tests.ca.trial import ADDRESSES, NOW, PROFILE, SUBJECT, TODAY

PUBLIC = ec.generate_private_key(ec.SECP256R1()).public_key()
KEY = RequestedKey(PUBLIC, spki_digest(PUBLIC))


def issuer_until(end: datetime) -> SigningIssuer:
    """Return an issuing CA whose certificate ends at an instant."""
    key = ALGORITHMS["p256"].generate()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Trial CA towards its end")])
    builder = profiles.authority_builder(name, key.public_key(), Validity(NOW - timedelta(days=1), end), None, ADDRESSES)
    return SigningIssuer(Issuer("trial", "trial", builder.sign(key, ALGORITHMS["p256"].hash)), key)


def draft(end: datetime, start: date = TODAY, now: datetime = NOW) -> Draft:
    """Return a draft under an issuing CA that ends at an instant."""
    return Authority(issuer_until(end), PROFILE).draft(KEY, SUBJECT, start, now)


@pytest.mark.parametrize(
    ("end", "day"),
    [
        (datetime(2027, 3, 31, 14, 59, 59, tzinfo=UTC), date(2027, 3, 31)),  # a day's last second in Tokyo
        (datetime(2027, 3, 31, 14, 59, 58, tzinfo=UTC), date(2027, 3, 30)),
        (datetime(2027, 3, 31, 15, 0, 0, tzinfo=UTC), date(2027, 3, 31)),
        (datetime(2027, 3, 31, 1, 0, 0, tzinfo=UTC), date(2027, 3, 30)),
    ],
)
def test_the_last_day_is_the_last_that_is_whole_in_tokyo(end: datetime, day: date) -> None:
    assert last_day(issuer_until(end).issuer) == day
    assert draft(end).not_after == day_end(day)


def test_an_issuing_ca_that_lives_long_enough_cuts_nothing_short() -> None:
    assert draft(NOW + timedelta(days=366)).not_after == PROFILE.validity(TODAY, NOW).not_after
    assert draft(NOW + timedelta(days=364)).not_after < PROFILE.validity(TODAY, NOW).not_after


def test_what_is_cut_short_is_to_the_octet_what_pyca_builds() -> None:
    end = datetime(2027, 3, 31, 1, 0, tzinfo=UTC)
    authority = Authority(issuer_until(end), PROFILE)
    made = authority.draft(KEY, SUBJECT, TODAY, NOW)
    validity = Validity(PROFILE.validity(TODAY, NOW).not_before, day_end(date(2027, 3, 30)))
    issuer = authority.signer.issuer
    builder = PROFILE.builder(issuer, PUBLIC, SUBJECT, int(made.serial, 16), validity)
    assert made.tbs == to_be_signed(builder, issuer.public_key)
    parsed = asn1_x509.TbsCertificate.load(made.tbs)
    assert parsed["validity"]["not_after"].native == made.not_after < issuer.certificate.not_valid_after_utc


@pytest.mark.parametrize(("start", "now"), [(TODAY, NOW), (TODAY + timedelta(days=2), NOW)])
def test_an_issuing_ca_without_a_day_left_asks_for_patience_and_blames_nobody(start: date, now: datetime) -> None:
    with pytest.raises(Unavailable, match="issuer trial ends before"):
        draft(NOW + timedelta(hours=8), start, now)


def test_a_start_date_beyond_the_profiles_own_end_is_still_refused() -> None:
    with pytest.raises(Refused, match="start-date-too-far"):
        draft(NOW + timedelta(days=900), TODAY + timedelta(days=800))


def test_lint_and_checker_find_a_certificate_that_outlives_its_issuer() -> None:
    issuer, wished = issuer_until(NOW + timedelta(days=90)).issuer, PROFILE.validity(TODAY, NOW)
    tbs = to_be_signed(PROFILE.builder(issuer, PUBLIC, SUBJECT, profiles.new_serial(), wished), issuer.public_key)
    with pytest.raises(LintError) as caught:
        lint.check(tbs, Expectation(issuer, PROFILE, SUBJECT, wished, KEY.spki_sha256))
    assert caught.value.findings == ["it would outlive its issuing CA"]
    rules = TerminalRules(PROFILE, issuer)
    assert ("profile", "it outlives its issuing CA") in list(rules.findings(tbs, SUBJECT.terminal, SUBJECT.office_code))
    short = replace(wished, not_after=day_end(last_day(issuer)))
    tbs = to_be_signed(PROFILE.builder(issuer, PUBLIC, SUBJECT, profiles.new_serial(), short), issuer.public_key)
    lint.check(tbs, Expectation(issuer, PROFILE, SUBJECT, short, KEY.spki_sha256))
    assert list(rules.findings(tbs, SUBJECT.terminal, SUBJECT.office_code)) == []
