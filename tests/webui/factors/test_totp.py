"""Codes by time, against RFC 6238's own values."""

import base64
from datetime import UTC, datetime, timedelta

import pytest

from webui.factors import recovery, totp

# RFC 6238 appendix B: the secret of SHA-1, and the last six of the eight digits that are given there.
SECRET = base64.b32encode(b"12345678901234567890").decode()
VECTORS = [(59, "287082"), (1111111109, "081804"), (1111111111, "050471"), (1234567890, "005924"), (2000000000, "279037")]
NOW = datetime(2026, 11, 24, 1, 0, tzinfo=UTC)


@pytest.mark.parametrize(("seconds", "code"), VECTORS)
def test_the_codes_are_those_of_the_rfc(seconds: int, code: str) -> None:
    now = datetime.fromtimestamp(seconds, UTC)
    assert totp.accepted_step(SECRET, code, now, after=-1) == seconds // 30


@pytest.mark.parametrize(("steps", "is_accepted"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)])
def test_a_phone_may_be_off_by_one_step(steps: int, is_accepted: bool) -> None:  # noqa: FBT001 (a test's case)
    shown = datetime.fromtimestamp(1234567890, UTC)
    now = shown - timedelta(seconds=30 * steps)
    assert (totp.accepted_step(SECRET, "005924", now, after=-1) is not None) is is_accepted


def test_a_step_that_was_used_and_those_before_it_do_not_count() -> None:
    now = datetime.fromtimestamp(1234567890, UTC)
    step = totp.step_of(now)
    assert totp.accepted_step(SECRET, "005924", now, after=step - 1) == step
    assert totp.accepted_step(SECRET, "005924", now, after=step) is None
    assert totp.accepted_step(SECRET, "005924", now, after=step + 1) is None


@pytest.mark.parametrize("typed", ["005 924", "００５９２４", " 005924\n", "005\u3000924"])
def test_width_and_blanks_do_not_matter(typed: str) -> None:
    assert totp.accepted_step(SECRET, typed, datetime.fromtimestamp(1234567890, UTC), after=-1)


@pytest.mark.parametrize("typed", ["", "5924", "0005924", "認証コード", "005924x", "\ud800"])
def test_what_is_no_code_is_none(typed: str) -> None:
    assert totp.accepted_step(SECRET, typed, datetime.fromtimestamp(1234567890, UTC), after=-1) is None


def test_secrets_are_random_and_as_long_as_the_rfc_recommends() -> None:
    made = {totp.new_secret() for _ in range(50)}
    assert len(made) == 50
    assert {len(base64.b32decode(secret)) for secret in made} == {20}


def test_the_address_for_the_app_names_service_and_account() -> None:
    address = totp.address_of(SECRET, account="NAC001/hanako", service="利用者認証センター")
    assert address.startswith("otpauth://totp/")
    assert f"secret={SECRET}" in address
    assert "NAC001" in address


def test_recovery_codes_are_read_in_any_case_width_and_grouping() -> None:
    codes = recovery.new_codes()
    assert len(set(codes)) == 10
    assert all(len(code) == 19 and code.count("-") == 3 for code in codes)
    kept = recovery.digest(7, codes[0])
    for typed in (codes[0].lower(), codes[0].replace("-", ""), codes[0].replace("-", " "), codes[0].replace("-", "－")):
        assert recovery.digest(7, typed) == kept
    assert recovery.digest(8, codes[0]) != kept
    assert recovery.digest(7, codes[1]) != kept
