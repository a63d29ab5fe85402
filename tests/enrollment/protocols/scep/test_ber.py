"""BER made definite (X.690 §8)."""

import random

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from pyasn1.codec.ber import encoder as ber_encoder
from pyasn1.codec.der import encoder
from pyasn1.type import univ

from enrollment.protocols.scep import ber
from tests.support.house import new_request

REQUEST = x509.load_pem_x509_csr(new_request().pem).public_bytes(Encoding.DER)


def test_der_stays_as_it_is() -> None:
    for whole in (b"\x05\x00", b"\x30\x00", b"\x04\x81\x80" + bytes(128), REQUEST):
        assert ber.definite(whole) == whole


@pytest.mark.parametrize(
    ("encoded", "expected"),
    [
        ("3080 0500 0000", "3002 0500"),
        ("3081 02 0500", "3002 0500"),
        ("3084 00000002 0500", "3002 0500"),
        ("2480 0401 61 0402 6263 0000", "0403 616263"),
        ("2480 2480 0401 61 0000 0401 62 0000", "0402 6162"),
        ("2480 0000", "0400"),
        ("2380 0302 0061 0302 0462 0000", "0303 046162"),
        ("2c80 0401 61 0000", "0c01 61"),
        ("2c80 0c01 61 0000", "0c01 61"),
        ("2380 0302 0461 0302 0062 0000", None),
        ("2480 0201 61 0000", None),
        ("0480 0000", None),
        ("3080 0500 00", None),
        ("3002 0500 00", None),
        ("3003 0500", None),
        ("30", None),
        ("", None),
        ("1f81 01 00", None),
        ("3080 30 03 0500 0000", None),
    ],
)
def test_lengths_become_definite_and_strings_whole(encoded: str, expected: str | None) -> None:
    if expected is None:
        with pytest.raises(ValueError):  # noqa: PT011 (it has no better name)
            ber.definite(bytes.fromhex(encoded))
    else:
        assert ber.definite(bytes.fromhex(encoded)) == bytes.fromhex(expected)


def test_encrypted_content_in_pieces_becomes_one() -> None:
    """RFC 5652 §6.1: [0] IMPLICIT OCTET STRING, constructed."""
    sent = bytes.fromhex("3080 0603 2a0304 3000 a080 0401 61 0401 62 0000 0000")
    assert ber.definite(sent) == bytes.fromhex("300b 0603 2a0304 3000 8002 6162")


def test_pyasn1_agrees() -> None:
    chance = random.Random(8894)  # noqa: S311 (test material)
    for _ in range(200):
        value = _value(chance, 4)
        sent = ber_encoder.encode(value, defMode=False, maxChunkSize=chance.randrange(1, 9))
        assert ber.definite(sent) == encoder.encode(value)


def _value(chance: random.Random, depth: int) -> univ.Sequence | univ.OctetString | univ.Integer:
    if depth == 0 or chance.randrange(3) == 0:
        return univ.OctetString(chance.randbytes(chance.randrange(20))) if chance.randrange(2) else univ.Integer(depth)
    sequence = univ.Sequence()
    for place in range(chance.randrange(4)):
        sequence.setComponentByPosition(place, _value(chance, depth - 1))
    return sequence


def test_what_is_nested_too_deep_is_refused_at_once() -> None:
    deep = b"\x30\x80" * 16_000
    with pytest.raises(ValueError, match="too deep"):
        ber.definite(deep)
