import hashlib
import hmac

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite
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


def test_copies_made_together_open_each_by_itself() -> None:
    data_key = SEALER.data_key()
    copies = {number: data_key.seal(b"codes %d" % number, b"row %d" % number) for number in range(200)}
    assert all(OPENER.open(copy, b"row %d" % number) == b"codes %d" % number for number, copy in copies.items())
    assert len({copy[80:92] for copy in copies.values()}) == 200  # no nonce twice
    for number, copy in copies.items():
        with pytest.raises(UnsealingError):
            OPENER.open(copy, b"row %d" % (number + 1))


def test_each_round_has_a_data_key_of_its_own() -> None:
    one, other = (SEALER.data_key().seal(b"codes", b"row") for _ in range(2))
    with pytest.raises(UnsealingError):
        OPENER.open(one[:80] + other[80:], b"row")


def test_what_was_sealed_to_the_same_key_for_another_purpose_is_no_data_key() -> None:
    suite = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
    key, nonce = bytes(32), bytes(12)
    copy = suite.encrypt(key, KEY.public_key(), info=b"something else") + nonce + AESGCM(key).encrypt(nonce, b"codes", b"row")
    with pytest.raises(UnsealingError):
        OPENER.open(copy, b"row")


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
    assert "object" not in repr(SEALER.data_key())


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
