"""What is kept of one-time codes: keyed hashes to find and check them, and a sealed copy to show them.

Sealing needs only the public half, so whoever prepares codes cannot read them afterwards. RFC 9180 HPKE,
DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM, base mode; the binding goes into HPKE's `info`.
"""

import hashlib
import hmac
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

_SUITE = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)


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
class Sealer:
    """Seals to a public key."""

    public_key: X25519PublicKey

    def seal(self, plaintext: bytes, binding: bytes) -> bytes:
        """Return the sealed copy; it opens only with the same binding."""
        return _SUITE.encrypt(plaintext, self.public_key, info=binding)


@dataclass(frozen=True)
class Opener:
    """Opens what was sealed to its public half."""

    private_key: X25519PrivateKey = field(repr=False)

    def open(self, sealed: bytes, binding: bytes) -> bytes:
        """Return the plaintext; raises UnsealingError when key, binding or content do not fit."""
        try:
            return _SUITE.decrypt(sealed, self.private_key, info=binding)
        except (InvalidTag, ValueError):
            raise UnsealingError from None
