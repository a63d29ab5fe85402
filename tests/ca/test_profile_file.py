from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from ca.profile_file import PACKAGED, Defaults, ProfileFault, load
from ca.profiles import TerminalProfile
from tests.ca.trial import ADDRESSES, PROFILE

DEFAULTS = Defaults(PROFILE.policy_oid, PROFILE.san_prefix)
TEXT = PACKAGED.read_text(encoding="utf-8")


def _load(folder: Path, old: str, new: str, defaults: Defaults = DEFAULTS) -> TerminalProfile:
    assert old in TEXT
    file = folder / "profiles.yaml"
    file.write_text(TEXT.replace(old, new, 1), encoding="utf-8")
    return load(file, defaults, ADDRESSES)


def test_what_comes_with_us_is_the_profile_of_the_architecture() -> None:
    assert load(PACKAGED, DEFAULTS, ADDRESSES) == TerminalProfile(PROFILE.policy_oid, PROFILE.san_prefix, ADDRESSES)


def test_the_pilot_is_not_opted_in() -> None:
    assert "mldsa65" not in load(PACKAGED, DEFAULTS, ADDRESSES).issuer_algorithms


def test_the_file_stands_above_the_settings(tmp_path: Path) -> None:
    defaults = Defaults(PROFILE.policy_oid, PROFILE.san_prefix, date(2029, 3, 31))
    assert _load(tmp_path, "# policy: 1.3", "policy: 2.3", defaults).policy_oid == "2.3.6.1.4.1.32473.1.1"
    assert _load(tmp_path, "# validity: 2031", "validity: 2031", defaults).fixed_end == date(2031, 3, 31)
    assert _load(tmp_path, "# validity: one", "validity: one", defaults).fixed_end is None
    assert _load(tmp_path, "terminal", "terminal", defaults).fixed_end == date(2029, 3, 31)


def test_a_changed_profile_says_what_was_written(tmp_path: Path) -> None:
    profile = _load(tmp_path, "[p256, p384, rsa, ed25519]", "[p384]")
    assert profile.subject_keys == ("p384",)
    assert _load(tmp_path, "partition_size: 0", "partition_size: 10000").partition_size == 10_000
    assert _load(tmp_path, "delta: false", "delta: true").delta
    assert _load(tmp_path, "minutes: 10", "minutes: 3").backdating == timedelta(minutes=3)
    assert _load(tmp_path, "ed25519]", "mldsa65]").issuer_algorithms[-1] == "mldsa65"
    assert "1.3.6.1.5.5.7.3.4" in _load(tmp_path, "[clientAuth]", "[clientAuth, emailProtection]").purposes
    now = datetime(2026, 11, 24, 1, tzinfo=UTC)
    later = _load(tmp_path, "minutes: 10", "minutes: 0").validity(date(2026, 11, 24), now)
    assert later.not_before == now


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("smallest: 2048", "smallest: 1024", "terminal.rsa_bits.smallest"),
        ("smallest: 2048", "smallest: 4096, largest: 2048} #", "smallest is larger than largest"),
        ("backdating_minutes: 10", "backdating_minutes: soon", "terminal.backdating_minutes"),
        ("backdating_minutes: 10", "backdating: 10", "terminal.backdating: is nothing that is known here"),
        ("[clientAuth]", "[clientAuth, 1.3.6.1.5.5.7.3.9]", "nothing that a terminal's certificate may be good for"),
        ("[clientAuth]", "[clientAuth, lunch]", "must be one of clientAuth"),
        ("subject_keys: [p256, p384", "subject_keys: [p256, dsa", "terminal.subject_keys.1"),
        ("subject_keys: [p256, p384", "subject_keys: [p256, p256", "names something twice"),
        ("# policy: 1.3", "policy: 7.3", "terminal.policy"),
        ('# name_prefix: "tag', 'name_prefix: "tagliatelle', "terminal.name_prefix"),
        ('# name_prefix: "tag:example', 'name_prefix: "tag:例え', "terminal.name_prefix"),
        ("# validity: one-year", "validity: for-ever", "terminal.validity"),
        ("partition_size: 0", "partition_size: 9999", "terminal.crl.partition_size: must be 0, or 10000 to 100000"),
        ("partition_size: 0", "partition_size: 100001", "terminal.crl.partition_size: must be 0, or 10000 to 100000"),
        ("partition_size: 0", "partition_size: -1", "terminal.crl.partition_size: must be 0, or 10000 to 100000"),
        ("partition_size: 0", "partitions: 0", "terminal.crl.partitions: is nothing that is known here"),
        ("delta: false", "delta: daily", "terminal.crl.delta"),
        ("key_usage: [digitalSignature]", "key_usage: [keyCertSign]", "terminal.key_usage.0"),
        ("  backdating_minutes: 10", "  backdating_minutes: [", "is not YAML"),
        ("  backdating_minutes: 10", "  backdating_minutes: 10\n  rsa_bits: 5", "duplicate key"),
    ],
)  # fmt: skip
def test_a_fault_is_told_with_its_line(old: str, new: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(ProfileFault) as refusal:
        _load(tmp_path, old, new)
    about = TEXT[: TEXT.index(old)].count("\n") + 1
    lines = [int(fault.removeprefix(f"{tmp_path / 'profiles.yaml'}:").partition(":")[0]) for fault in refusal.value.faults]
    assert told in str(refusal.value)
    # What is not YAML is noticed where it can not go on.
    assert about in lines or ("YAML" in str(refusal.value) and about <= lines[0] <= about + 10)


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    file = tmp_path / "profiles.yaml"
    file.write_text(TEXT.replace("minutes: 10", "minutes: 999").replace("[clientAuth]", "[lunch]"), encoding="utf-8")
    with pytest.raises(ProfileFault) as refusal:
        load(file, DEFAULTS, ADDRESSES)
    assert len(refusal.value.faults) == 2


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("[digitalSignature]", "[digitalSignature, keyAgreement]"),
        ("[clientAuth]", "[emailProtection]"),
        ("key_usage: [digital", "key_usage: [contentCommitment] # "),
        ("key_usage: [digital", "key_usage: [] # "),
    ],
)
def test_a_profile_with_which_nobody_could_log_on_is_refused(old: str, new: str, tmp_path: Path) -> None:
    with pytest.raises(ProfileFault):
        _load(tmp_path, old, new)


@pytest.mark.parametrize("content", [b"", b"- 1", b"terminal: 5", b"\xff\xfe\x00", b"terminal: &a [*a]"])
def test_something_else_than_profiles_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "profiles.yaml").write_bytes(content)
    with pytest.raises(ProfileFault):
        load(tmp_path / "profiles.yaml", DEFAULTS, ADDRESSES)


def test_a_file_that_is_not_there_is_a_fault(tmp_path: Path) -> None:
    with pytest.raises(ProfileFault, match="can not be read"):
        load(tmp_path / "profiles.yaml", DEFAULTS, ADDRESSES)
