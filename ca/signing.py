"""From a certificate's description to its to-be-signed bytes, and from those to the certificate, in two steps.

pyca's builder makes and signs in one call. We must store exactly what will be signed before the real key touches it,
so the builder signs with a throwaway key of the issuer's algorithm, and only the TBS is kept: the same trick by which
Boulder lints (docs/decisions/0003-store-the-tbs.md).
"""

from functools import lru_cache

from asn1crypto import x509 as asn1_x509
from cryptography import x509

from ca.issuers import SigningIssuer
from keys.algorithms import ALGORITHMS, SigningKey, VerifyingKey, algorithm_of

_BIT_STRING, _SEQUENCE = 0x03, 0x30


@lru_cache
def _throwaway_key(algorithm: str) -> SigningKey:
    return ALGORITHMS[algorithm].generate()


def to_be_signed(builder: x509.CertificateBuilder, issuer_key: VerifyingKey) -> bytes:
    """Return the TBSCertificate that an issuer with this key would sign."""
    algorithm = algorithm_of(issuer_key)
    return builder.sign(_throwaway_key(algorithm.name), algorithm.hash).tbs_certificate_bytes


def assemble(tbs: bytes, signature: bytes) -> bytes:
    """Join a TBSCertificate and its signature (RFC 5280 §4.1); the TBS is not re-encoded."""
    return join(tbs, asn1_x509.TbsCertificate.load(tbs)["signature"].dump(), signature)


def join(tbs: bytes, algorithm_identifier: bytes, signature: bytes) -> bytes:
    """Write `SEQUENCE { tbs, signatureAlgorithm, signature }`: a certificate or a CRL (RFC 5280 §4.1, §5.1)."""
    return tlv(_SEQUENCE, tbs + algorithm_identifier + tlv(_BIT_STRING, b"\x00" + signature))


def certify(tbs: bytes, issuer: SigningIssuer) -> bytes:
    """Sign stored TBS bytes and return the certificate (DER)."""
    return assemble(tbs, issuer.sign(tbs))


def tlv(tag: int, content: bytes) -> bytes:
    """Write tag, length and content in DER (X.690 §8.1.3, §10.1)."""
    length = len(content)
    if length < 0x80:  # noqa: PLR2004 (X.690 §8.1.3.4: the short form)
        return bytes((tag, length)) + content
    octets = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(octets))) + octets + content
