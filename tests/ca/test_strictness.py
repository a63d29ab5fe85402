import pytest

from ca.inspection import parsed_tbs
from ca.strictness import parts, require_der
from tests.ca.trial import trial_issuer

CERTIFICATE = trial_issuer().issuer.der


def test_what_others_wrote_in_der_passes() -> None:
    require_der(CERTIFICATE)
    tbs, algorithm, signature = parts(CERTIFICATE)
    assert parsed_tbs(tbs)["signature"].dump() == algorithm
    assert signature[0] == 0x03


@pytest.mark.parametrize(
    "octets",
    [
        "",
        "30",
        "3001",
        "300000",  # octets after the end
        "30800000",  # no length
        "308100",  # a length that could be shorter
        "30820003020100",
        "3002020100",  # an element that is longer than what it stands in
        "010101",
        "01020000",
        "0200",
        "02020001",
        "0202ff80",
        "0a020001",
        "0300",
        "030108",
        "03020101",
        "2403040100",  # a string in pieces
        "1f8101 00",
    ],
)
def test_what_could_be_written_otherwise_does_not(octets: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        require_der(bytes.fromhex(octets))


@pytest.mark.parametrize("octets", ["0101ff", "020100", "02020080", "0201ff", "03020780", "0400", "3000", "a0023000", "8000"])
def test_short_values_in_der_pass(octets: str) -> None:
    require_der(bytes.fromhex(octets))


def test_only_a_whole_constructed_value_has_parts() -> None:
    assert parts(bytes.fromhex("3006020101020102")) == [bytes.fromhex("020101"), bytes.fromhex("020102")]
    for octets in ("0400", "300000", "30040201010201"):
        with pytest.raises(ValueError, match=r"."):
            parts(bytes.fromhex(octets))
