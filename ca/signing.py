"""From a certificate's description to its to-be-signed bytes, and from those to the certificate, in two steps.

pyca's builder makes and signs in one call. We must store exactly what will be signed before the real key touches it,
so the builder signs with a throwaway key of the issuer's algorithm, and only the TBS is kept: the same trick by which
Boulder lints (docs/decisions/0003-store-the-tbs.md).
"""

from functools import lru_cache

from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from ca.issuers import CURVE_HASHES, SigningIssuer

_BIT_STRING, _SEQUENCE = 0x03, 0x30


@lru_cache
def _throwaway_key(curve: str) -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key({"secp256r1": ec.SECP256R1, "secp384r1": ec.SECP384R1}[curve]())


def to_be_signed(builder: x509.CertificateBuilder, issuer_key: ec.EllipticCurvePublicKey) -> bytes:
    """Return the TBSCertificate that an issuer with this key would sign."""
    curve = issuer_key.curve.name
    return builder.sign(_throwaway_key(curve), CURVE_HASHES[curve]()).tbs_certificate_bytes


def assemble(tbs: bytes, signature: bytes) -> bytes:
    """Join stored TBS bytes and their signature (RFC 5280 §4.1); the TBS is not re-encoded."""
    algorithm: bytes = asn1_x509.TbsCertificate.load(tbs)["signature"].dump()
    return _tlv(_SEQUENCE, tbs + algorithm + _tlv(_BIT_STRING, b"\x00" + signature))


def certify(tbs: bytes, issuer: SigningIssuer) -> bytes:
    """Sign stored TBS bytes and return the certificate (DER)."""
    return assemble(tbs, issuer.sign(tbs))


def _tlv(tag: int, content: bytes) -> bytes:
    length = len(content)
    if length < 0x80:  # noqa: PLR2004 (X.690 §8.1.3.4: the short form)
        return bytes((tag, length)) + content
    octets = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(octets))) + octets + content
