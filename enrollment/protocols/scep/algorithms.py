"""The algorithms of SCEP messages (RFC 8894 §2.9, §3.5.2): what is read, and what is told as badAlg."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass

from asn1crypto import algos, core
from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers import Cipher, CipherAlgorithm
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC

Digest = hashes.SHA1 | hashes.SHA256 | hashes.SHA384 | hashes.SHA512
# RFC 3370 §2.1, RFC 5754 §2. SHA-1 is for old clients: what it protects here is signed anew for each request.
DIGESTS: Mapping[str, Digest] = {
    "sha1": hashes.SHA1(),  # noqa: S303
    "sha256": hashes.SHA256(),
    "sha384": hashes.SHA384(),
    "sha512": hashes.SHA512(),
}


@dataclass(frozen=True)
class ContentCipher:
    """A block cipher in CBC mode (RFC 3565, RFC 3370 §5.1). `key_size` and `block` are octets."""

    oid: str
    key_size: int
    block: int
    algorithm: type[AES] | type[TripleDES]

    def decrypt(self, key: bytes, vector: bytes, content: bytes) -> bytes:
        """Return the plain text with its padding; key, vector and content have the lengths that they must have."""
        decryptor = Cipher(self._keyed(key), CBC(vector)).decryptor()
        return decryptor.update(content) + decryptor.finalize()

    def encrypt(self, key: bytes, content: bytes) -> tuple[bytes, bytes]:
        """Pad (RFC 5652 §6.3) and encrypt; return the initialisation vector and the encrypted content."""
        vector, missing = secrets.token_bytes(self.block), self.block - len(content) % self.block
        encryptor = Cipher(self._keyed(key), CBC(vector)).encryptor()
        return vector, encryptor.update(content + bytes([missing]) * missing) + encryptor.finalize()

    def identifier(self, vector: bytes) -> algos.EncryptionAlgorithm:
        """Return the AlgorithmIdentifier."""
        return algos.EncryptionAlgorithm({"algorithm": self.oid, "parameters": core.OctetString(vector)})

    def _keyed(self, key: bytes) -> CipherAlgorithm:
        return self.algorithm(key)


# Single DES is none of them: RFC 8894 §2.9 has not known it for long, and a day breaks it.
CIPHERS: Mapping[str, ContentCipher] = {
    cipher.oid: cipher
    for cipher in (
        ContentCipher("2.16.840.1.101.3.4.1.2", 16, 16, AES),
        ContentCipher("2.16.840.1.101.3.4.1.22", 24, 16, AES),
        ContentCipher("2.16.840.1.101.3.4.1.42", 32, 16, AES),
        ContentCipher("1.2.840.113549.3.7", 24, 8, TripleDES),
    )
}
AES_128 = CIPHERS["2.16.840.1.101.3.4.1.2"]
