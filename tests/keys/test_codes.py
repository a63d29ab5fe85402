import hashlib
import hmac

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from keys.codes import CodeHasher, Opener, Sealer, UnsealingError, digests_match

PARTS = st.lists(st.text(max_size=8), max_size=4)
KEY = X25519PrivateKey.generate()
SEALER, OPENER = Sealer(KEY.public_key()), Opener(KEY)


@given(st.binary(max_size=300), st.binary(max_size=60))
def test_what_was_sealed_opens_with_the_same_binding(plaintext: bytes, binding: bytes) -> None:
    assert OPENER.open(SEALER.seal(plaintext, binding), binding) == plaintext


def test_sealing_twice_shows_no_likeness() -> None:
    assert SEALER.seal(b"codes", b"row") != SEALER.seal(b"codes", b"row")


def test_another_binding_opens_nothing() -> None:
    with pytest.raises(UnsealingError):
        OPENER.open(SEALER.seal(b"codes", b"row 1"), b"row 2")


def test_another_key_opens_nothing() -> None:
    with pytest.raises(UnsealingError):
        Opener(X25519PrivateKey.generate()).open(SEALER.seal(b"codes", b"row"), b"row")


def test_every_flipped_bit_is_found() -> None:
    sealed = SEALER.seal(b"the codes", b"row")
    for position in range(len(sealed) * 8):
        changed = bytearray(sealed)
        changed[position // 8] ^= 1 << position % 8
        with pytest.raises(UnsealingError):
            OPENER.open(bytes(changed), b"row")


@given(st.binary(max_size=100))
def test_whatever_was_never_sealed_is_refused_and_nothing_else(content: bytes) -> None:
    with pytest.raises(UnsealingError):
        OPENER.open(content, b"row")


def test_every_shortened_copy_is_refused() -> None:
    sealed = SEALER.seal(b"the codes", b"row")
    for length in range(len(sealed)):
        with pytest.raises(UnsealingError):
            OPENER.open(sealed[:length], b"row")


def test_secrets_stay_out_of_repr() -> None:
    assert "hush" not in repr(CodeHasher(b"hush"))
    assert "object" not in repr(OPENER)


def test_the_digest_is_hmac_sha256_over_parts_with_their_lengths() -> None:
    message = b"\x00\x00\x00\x07purpose" + b"\x00\x00\x00\x01a" + b"\x00\x00\x00\x00"
    assert CodeHasher(b"k").digest("purpose", "a", "") == hmac.new(b"k", message, hashlib.sha256).digest()


@given(PARTS, PARTS)
def test_different_parts_never_look_the_same(left: list[str], right: list[str]) -> None:
    hasher = CodeHasher(b"key")
    assert (hasher.digest("p", *left) == hasher.digest("p", *right)) == (left == right)


def test_purposes_and_keys_have_hash_spaces_of_their_own() -> None:
    hasher = CodeHasher(b"key")
    digests = {hasher.digest("a", "x"), hasher.digest("b", "x"), CodeHasher(b"other").digest("a", "x"), hasher.digest("a", "y")}
    assert len(digests) == 4


def test_digests_match_only_themselves() -> None:
    digest = CodeHasher(b"key").digest("p", "x")
    assert digests_match(digest, bytes(digest))
    assert not digests_match(digest, bytes(32))
    assert not digests_match(digest, digest[:-1])
