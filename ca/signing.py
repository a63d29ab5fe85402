"""From a certificate's description to its to-be-signed bytes, and from those to the certificate, in two steps.

pyca's builder makes and signs in one call. We must store exactly what will be signed before the real key touches it,
so the builder signs with a throwaway key of the issuer's algorithm, and only the TBS is kept: the same trick by which
Boulder lints (docs/decisions/0003-store-the-tbs.md).
"""

from functools import lru_cache

from cryptography import x509

from ca.der import BIT_STRING, SEQUENCE, elements, tlv
from ca.issuers import SigningIssuer
from keys.algorithms import ALGORITHMS, SigningKey, VerifyingKey, algorithm_of


@lru_cache
def _throwaway_key(algorithm: str) -> SigningKey:
    return ALGORITHMS[algorithm].generate()


def to_be_signed(builder: x509.CertificateBuilder, issuer_key: VerifyingKey) -> bytes:
    """Return the TBSCertificate that an issuer with this key would sign."""
    algorithm = algorithm_of(issuer_key)
    return builder.sign(_throwaway_key(algorithm.name), algorithm.hash).tbs_certificate_bytes


def assemble(tbs: bytes, signature: bytes) -> bytes:
    """Join a TBSCertificate and its signature (RFC 5280 §4.1); the TBS is not re-encoded."""
    _, _, algorithm_identifier, *_ = elements(tbs)
    return join(tbs, algorithm_identifier, signature)


def join(tbs: bytes, algorithm_identifier: bytes, signature: bytes) -> bytes:
    """Write `SEQUENCE { tbs, signatureAlgorithm, signature }`: a certificate or a CRL (RFC 5280 §4.1, §5.1)."""
    return tlv(SEQUENCE, tbs + algorithm_identifier + tlv(BIT_STRING, b"\x00" + signature))


def certify(tbs: bytes, issuer: SigningIssuer) -> bytes:
    """Sign stored TBS bytes and return the certificate (DER)."""
    return assemble(tbs, issuer.sign(tbs))
