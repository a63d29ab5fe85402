"""What the house itself must read again and a stolen database must not tell: sealed under a secret that is a file.

Unlike the sealed copies of one-time codes (`keys.codes`) whoever seals here also opens: a second factor's secret is needed at
each log-in, by the door that made it. AES-256-GCM (NIST SP 800-38D) under a key of HKDF-SHA-256 (RFC 5869), a random nonce of
96 bits before the ciphertext, the binding as associated data.
"""

import secrets
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from keys.codes import UnsealingError

_NONCE, _KEY = 12, 32


@dataclass(frozen=True)
class Vault:
    """Seals and opens for one purpose; vaults of one secret and different purposes do not open each other's."""

    secret: bytes = field(repr=False)
    purpose: str

    def seal(self, plaintext: bytes, binding: bytes) -> bytes:
        """Return the sealed copy; it opens only with the same binding."""
        nonce = secrets.token_bytes(_NONCE)
        return nonce + self._cipher().encrypt(nonce, plaintext, binding)

    def open(self, sealed: bytes, binding: bytes) -> bytes:
        """Return the plaintext; raises keys.codes.UnsealingError when secret, binding or content do not fit."""
        try:
            return self._cipher().decrypt(sealed[:_NONCE], sealed[_NONCE:], binding)
        except (InvalidTag, ValueError):
            raise UnsealingError from None

    def _cipher(self) -> AESGCM:
        derived = HKDF(SHA256(), _KEY, salt=None, info=self.purpose.encode()).derive(self.secret)
        return AESGCM(derived)
