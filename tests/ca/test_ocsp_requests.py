"""The reader of requests; `tests/fuzz` compares it with asn1crypto over mutated ones."""

import pytest

from ca.ocsp_requests import LARGEST_REQUEST, MOST_CERTIFICATES, Malformed, read
from tests.ca.ocsp_requests import cert_id, nonce, request
from tests.ca.trial import trial_issuer


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"\x02\x02\x00\x80", b"\x02\x03\x00\x00\x80"),  # an integer with an octet too many
        (b"\x30\x0d\x06\x09", b"\x30\x81\x0d\x06\x09"),  # a length that could be shorter
    ],
)
def test_what_is_no_der_is_malformed(before: bytes, after: bytes) -> None:
    whole = request(cert_id(trial_issuer().issuer, "80", "sha256"))
    assert before in whole
    with pytest.raises(Malformed):
        read(whole.replace(before, after))


def test_sizes_have_limits() -> None:
    issuer = trial_issuer().issuer
    many = [cert_id(issuer, f"{number:x}") for number in range(1, MOST_CERTIFICATES + 1)]
    assert len(read(request(*many)).cert_ids) == MOST_CERTIFICATES
    for content in (request(*many, many[0]), request(), bytes(LARGEST_REQUEST + 1)):
        with pytest.raises(Malformed):
            read(content)


def test_two_nonces_are_malformed() -> None:
    asked = cert_id(trial_issuer().issuer, "77")
    with pytest.raises(Malformed):
        read(request(asked, extensions=[nonce(b"1"), nonce(b"2")]))
