"""Certification requests (PKCS#10, RFC 2986): read, check proof of possession, take the public key and nothing else.

Other formats of requests have readers of their own, which check possession their way and make the same `RequestedKey`.
"""

import hashlib
from dataclasses import dataclass, field

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import PublicKeyAlgorithmOID

from ca import key_policy
from ca.strictness import require_der
from kernel.errors import Refused

# The largest honest request carries RSA-4096 and a few attributes: well below this many octets.
LARGEST = 16_384


@dataclass(frozen=True)
class RequestedKey:
    """A public key whose owner proved to hold the private one, and SHA-256 over its SubjectPublicKeyInfo."""

    public_key: key_policy.PublicKey
    spki_sha256: bytes
    known_spki: bytes | None = field(default=None, repr=False, compare=False)

    @property
    def spki(self) -> bytes:
        """The SubjectPublicKeyInfo in DER."""
        return self.known_spki or self.public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def read(request: bytes | RequestedKey) -> RequestedKey:
    """Read a request in PEM or DER; one that another reader has read passes as it is.

    Raises Refused("csr-malformed"), Refused("csr-signature") when possession is not proven, and what
    `key_policy.accept` raises.
    """
    if isinstance(request, RequestedKey):
        return request
    if len(request) > LARGEST:
        raise Refused("csr-malformed")
    try:
        csr = x509.load_pem_x509_csr(request) if request.lstrip().startswith(b"-----") else x509.load_der_x509_csr(request)
        public_key = csr.public_key()
        _require_well_written(csr)
        proven = csr.is_signature_valid
    except UnsupportedAlgorithm:
        raise Refused("key-unsupported", algorithm="unknown") from None
    except (ValueError, TypeError, x509.InvalidVersion):
        raise Refused("csr-malformed") from None
    if csr.public_key_algorithm_oid == PublicKeyAlgorithmOID.RSASSA_PSS:  # type: ignore[attr-defined]  # not in the stub yet
        # The certificate would say rsaEncryption, and the key's owner could not use it: TLS libraries tell the two apart.
        raise Refused("key-unsupported", algorithm="RSASSA-PSS")
    if not proven:
        raise Refused("csr-signature")
    return of_proven(public_key)


def of_proven(public_key: object) -> RequestedKey:
    """Return a key whose owner has proven to hold the private one; raises what `key_policy.accept` raises."""
    accepted = key_policy.accept(public_key)
    spki = accepted.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return RequestedKey(accepted, hashlib.sha256(spki).digest(), spki)


def _require_well_written(csr: x509.CertificateSigningRequest) -> None:
    """Raise ValueError or TypeError for what pyca passes over as long as nobody asks: DER in every part, a readable subject.

    Nothing of it gets into a certificate; but whoever writes so is mistaken or tries us.
    """
    require_der(csr.public_bytes(Encoding.DER))
    _ = csr.subject


def spki_digest(public_key: object) -> bytes:
    """Return SHA-256 over a public key's SubjectPublicKeyInfo: what one key is recognised by."""
    encoded: bytes = public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)  # type: ignore[attr-defined]
    return hashlib.sha256(encoded).digest()
