"""Keys that are made on our side, where the policy allows it (RFC 7030 §4.4). By default it does not: a key stays on its PC.

A made key is never stored. It follows from our secret, the codes and the key that signed the request, so that a terminal
that lost the answer and asks again gets the same key and certificate, and codes alone, found later, give nobody the key.
"""

from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from ca.requests import RequestedKey
from enrollment.codes import Codes
from keys.codes import CodeHasher

_CURVE = ec.SECP256R1()
_PURPOSE = "est-server-key"


@dataclass(frozen=True)
class MadeKey:
    """A key in PKCS#8 (DER), and a certification request for it."""

    pkcs8: bytes
    request: bytes


@dataclass(frozen=True)
class ServerKeys:
    """Makes keys."""

    hasher: CodeHasher

    def make(self, codes: Codes, asker: RequestedKey) -> MadeKey:
        """Return the key on P-256 that belongs to these codes and to whoever holds the key of the request."""
        parts = (codes.access_key, codes.auth_code_2, codes.auth_code_3, asker.spki_sha256.hex())
        # FIPS 186-5 appendix A.2.1: 64 bits more than the order has leave no bias.
        seed = b"".join(self.hasher.digest(_PURPOSE, str(number), *parts) for number in range(2))
        key = ec.derive_private_key(int.from_bytes(seed, "big") % (_CURVE.group_order - 1) + 1, _CURVE)
        builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
        return MadeKey(
            key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()),
            builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER),
        )
