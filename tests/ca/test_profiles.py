from datetime import UTC, date, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import example, given
from hypothesis import strategies as st

from ca.profiles import BACKDATING, TerminalProfile, new_serial, one_year_from
from kernel.clock import TOKYO, day_end, day_start, tokyo_date
from kernel.errors import Refused
from tests.ca.trial import ADDRESSES, NOW, PROFILE, SUBJECT, TODAY, trial_issuer

DAYS = st.dates(date(2026, 1, 1), date(2036, 12, 31))
INSTANTS = st.datetimes(datetime(2026, 1, 1), datetime(2036, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001 (hypothesis wants them naive)


def _fixed(end: date) -> TerminalProfile:
    return TerminalProfile(PROFILE.policy_oid, PROFILE.san_prefix, ADDRESSES, end)


@given(DAYS)
@example(date(2028, 2, 29))
@example(date(2027, 3, 1))
@example(date(2028, 2, 28))
def test_one_year_ends_on_the_day_before_its_return(day: date) -> None:
    last = one_year_from(day)
    if (day.month, day.day) == (2, 29):
        assert last == date(day.year + 1, 2, 28)
    else:
        following = last + timedelta(days=1)
        assert (following.year, following.month, following.day) == (day.year + 1, day.month, day.day)
    assert (last - day).days in (364, 365)


@pytest.mark.parametrize(
    ("first", "last"),
    [
        (date(2026, 11, 24), date(2027, 11, 23)),
        (date(2026, 1, 1), date(2026, 12, 31)),
        (date(2028, 2, 29), date(2029, 2, 28)),
        (date(2027, 3, 1), date(2028, 2, 29)),
        (date(2028, 3, 1), date(2029, 2, 28)),
    ],
)
def test_the_rule_of_one_year_by_example(first: date, last: date) -> None:
    assert one_year_from(first) == last


@given(INSTANTS, st.integers(-400, 300))
def test_no_certificate_begins_before_its_start_date_or_ends_off_midnight(now: datetime, ahead: int) -> None:
    start = tokyo_date(now) + timedelta(days=ahead)
    validity = PROFILE.validity(start, now)
    assert validity.not_before >= day_start(start)
    assert validity.not_before in (day_start(start), (now - BACKDATING).replace(microsecond=0))
    assert validity.not_before < validity.not_after
    assert validity.not_after == day_end(one_year_from(tokyo_date(now)))
    assert validity.not_after.astimezone(TOKYO).strftime("%H:%M:%S") == "23:59:59"
    assert validity.not_before.microsecond == validity.not_after.microsecond == 0


def test_a_certificate_of_today_is_backdated_for_slow_clocks() -> None:
    assert PROFILE.validity(date(2026, 11, 1), NOW).not_before == NOW - timedelta(minutes=10)


def test_backdating_stops_at_the_start_dates_midnight() -> None:
    just_after_midnight = day_start(TODAY) + timedelta(minutes=3)
    assert PROFILE.validity(TODAY, just_after_midnight).not_before == day_start(TODAY)


def test_the_day_is_tokyos_and_not_greenwichs() -> None:
    evening_in_greenwich = datetime(2026, 11, 23, 16, 0, tzinfo=UTC)
    assert PROFILE.validity(TODAY, evening_in_greenwich).not_after == day_end(date(2027, 11, 23))


@given(INSTANTS)
def test_a_fixed_end_is_the_end_whatever_the_day(now: datetime) -> None:
    assert _fixed(date(2037, 3, 31)).validity(tokyo_date(now), now).not_after == day_end(date(2037, 3, 31))


@pytest.mark.parametrize("start", [date(2027, 11, 24), date(2028, 6, 1)])
def test_a_start_date_that_leaves_nothing_is_refused(start: date) -> None:
    with pytest.raises(Refused, match="start-date-too-far"):
        PROFILE.validity(start, NOW)


def test_the_last_possible_start_date_leaves_one_day() -> None:
    validity = PROFILE.validity(date(2027, 11, 23), NOW)
    assert validity.not_after - validity.not_before == timedelta(days=1) - timedelta(seconds=1)


def test_a_generation_that_is_over_issues_no_more() -> None:
    with pytest.raises(Refused, match="start-date-too-far"):
        _fixed(date(2026, 11, 23)).validity(TODAY, NOW)


def test_serials_are_positive_short_and_random() -> None:
    serials = [new_serial() for _ in range(2_000)]
    assert len(set(serials)) == len(serials)
    for serial in serials:
        assert serial > 0
        # What DER needs for a positive number: RFC 5280 §4.1.2.2 allows 20 octets.
        assert serial.bit_length() // 8 + 1 == 20
    # Every one of the 158 lower bits is now 0, now 1: more than 128 random bits.
    random_bits = sum(0.4 < sum(serial >> bit & 1 for serial in serials) / len(serials) < 0.6 for bit in range(160))
    assert random_bits == 158


def test_the_addresses_in_a_certificate_are_the_status_doors() -> None:
    assert ADDRESSES.crl("issuing-1") == "http://status.example.jp/crl/issuing-1.crl"
    assert ADDRESSES.certificate("issuing-1") == "http://status.example.jp/ca/issuing-1.cer"
    assert ADDRESSES.ocsp() == "http://status.example.jp/ocsp"


def test_the_subject_is_most_general_first() -> None:
    assert SUBJECT.name().rfc4514_string() == "CN=99999W,OU=NAC001,O=NAC Trading Co.\\, Ltd.,C=JP"


def test_from_the_request_only_the_key_is_taken() -> None:
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    issuer = trial_issuer()
    builder = PROFILE.builder(issuer.issuer, key, SUBJECT, new_serial(), PROFILE.validity(TODAY, NOW))
    certificate = builder.sign(issuer.key, issuer.hash)
    assert certificate.public_key() == key
    assert certificate.subject == SUBJECT.name()
    assert [extension.oid.dotted_string for extension in certificate.extensions] == [
        "2.5.29.35", "2.5.29.14", "2.5.29.15", "2.5.29.37", "2.5.29.32", "2.5.29.17", "2.5.29.31", "1.3.6.1.5.5.7.1.1",
    ]  # fmt: skip
