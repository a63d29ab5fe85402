"""What is kept of one-time codes: keyed hashes to find and check them, and a sealed copy to show them.

Sealing needs only the public half, so whoever prepares codes cannot read them afterwards. Copies that are made together
share a random data key: each is AES-256-GCM under it with a random nonce, the binding as associated data. The data key
stands before each of them, sealed by RFC 9180 HPKE, DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM, base mode: so a
copy needs nothing but itself and the private key, and is gone when it is deleted.
"""

import hashlib
import hmac
import secrets
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

_SUITE = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
# What HPKE seals here, for its `info`: nothing else that is sealed to this key can pass for a data key.
_PURPOSE = b"tegata data key"
# Octets: of a data key, of its sealed form (HPKE's encapsulated key, the key, a tag), of AES-GCM's nonce.
_DATA_KEY, _SEALED_KEY, _NONCE = 32, 80, 12


class UnsealingError(Exception):
    """The sealed copy was made for another key or another row, or was changed."""


@dataclass(frozen=True)
class CodeHasher:
    """HMAC-SHA-256 under a key that never leaves the house; each purpose has a hash space of its own."""

    secret: bytes = field(repr=False)

    def digest(self, purpose: str, *parts: str) -> bytes:
        """Return 32 octets that identify the parts without telling them."""
        encoded = [part.encode() for part in (purpose, *parts)]
        # With its length before each part no two different lists look the same.
        message = b"".join(len(part).to_bytes(4, "big") + part for part in encoded)
        return hmac.new(self.secret, message, hashlib.sha256).digest()


def digests_match(left: bytes, right: bytes) -> bool:
    """Compare in constant time."""
    return hmac.compare_digest(left, right)


@dataclass(frozen=True)
class DataKey:
    """Seals copies that are made together. Whoever has it could open all of them, so it is never kept.

    Nonces are random, so a data key is for thousands of copies, not for billions (NIST SP 800-38D §8.3).
    """

    sealed_key: bytes
    cipher: AESGCM = field(repr=False)

    def seal(self, plaintext: bytes, binding: bytes) -> bytes:
        """Return the sealed copy; it opens only with the same binding."""
        nonce = secrets.token_bytes(_NONCE)
        return self.sealed_key + nonce + self.cipher.encrypt(nonce, plaintext, binding)


@dataclass(frozen=True)
class Sealer:
    """Seals to a public key."""

    public_key: X25519PublicKey

    def data_key(self) -> DataKey:
        """Return a new key for copies that are made together: a key agreement costs more than a hundred of them."""
        key = secrets.token_bytes(_DATA_KEY)
        return DataKey(_SUITE.encrypt(key, self.public_key, info=_PURPOSE), AESGCM(key))

    def seal(self, plaintext: bytes, binding: bytes) -> bytes:
        """Return one sealed copy, under a data key of its own."""
        return self.data_key().seal(plaintext, binding)


@dataclass(frozen=True)
class Opener:
    """Opens what was sealed to its public half."""

    private_key: X25519PrivateKey = field(repr=False)

    def open(self, sealed: bytes, binding: bytes) -> bytes:
        """Return the plaintext; raises UnsealingError when key, binding or content do not fit."""
        nonce_end = _SEALED_KEY + _NONCE
        try:
            key = _SUITE.decrypt(sealed[:_SEALED_KEY], self.private_key, info=_PURPOSE)
            return AESGCM(key).decrypt(sealed[_SEALED_KEY:nonce_end], sealed[nonce_end:], binding)
        except (InvalidTag, ValueError):
            raise UnsealingError from None
