"""Signature algorithms that others may use with us (RFC 9481 §3): of protection, and of proofs of possession.

SHA-1 and weaker are not among them. Whether the key itself is good enough is `ca.key_policy`'s to say.
"""

from collections.abc import Callable, Mapping

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from pyasn1_alt_modules import rfc4055

from enrollment.protocols.cmp.failures import FailInfo, Fault
from enrollment.protocols.cmp.messages import Algorithm, decoded

_SHA2: Mapping[str, hashes.HashAlgorithm] = {
    "2.16.840.1.101.3.4.2.1": hashes.SHA256(),
    "2.16.840.1.101.3.4.2.2": hashes.SHA384(),
    "2.16.840.1.101.3.4.2.3": hashes.SHA512(),
}
_ECDSA: Mapping[str, hashes.HashAlgorithm] = {
    "1.2.840.10045.4.3.2": hashes.SHA256(),
    "1.2.840.10045.4.3.3": hashes.SHA384(),
    "1.2.840.10045.4.3.4": hashes.SHA512(),
}
_RSA: Mapping[str, hashes.HashAlgorithm] = {
    "1.2.840.113549.1.1.11": hashes.SHA256(),
    "1.2.840.113549.1.1.12": hashes.SHA384(),
    "1.2.840.113549.1.1.13": hashes.SHA512(),
}
_RSA_PSS, _MGF1, _ED25519 = "1.2.840.113549.1.1.10", "1.2.840.113549.1.1.8", "1.3.101.112"
_LONGEST_SALT = 64


def verify(key: object, algorithm: Algorithm, signature: bytes, message: bytes) -> None:
    """Raise InvalidSignature unless the signature is the key's; raises Fault for an algorithm that is not for this key."""
    check = _check_of(key, algorithm)
    try:
        check(signature, message)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise InvalidSignature from error


def is_known(algorithm: Algorithm) -> bool:
    """Return whether this is a signature algorithm that is used here, with whatever key."""
    return algorithm.oid in {*_ECDSA, *_RSA, _RSA_PSS, _ED25519}


def hash_of(oid: str) -> hashes.HashAlgorithm:
    """Return a hash by its object identifier; raises Fault for one that is not used here."""
    if oid not in _SHA2:
        raise Fault(FailInfo.BAD_ALG, "the hash algorithm is not supported")
    return _SHA2[oid]


def _check_of(key: object, algorithm: Algorithm) -> Callable[[bytes, bytes], None]:
    oid = algorithm.oid
    if isinstance(key, ec.EllipticCurvePublicKey) and oid in _ECDSA:
        return lambda signature, message: key.verify(signature, message, ec.ECDSA(_ECDSA[oid]))
    if isinstance(key, rsa.RSAPublicKey) and oid in _RSA:
        return lambda signature, message: key.verify(signature, message, padding.PKCS1v15(), _RSA[oid])
    if isinstance(key, rsa.RSAPublicKey) and oid == _RSA_PSS:
        scheme, digest = _pss(algorithm)
        return lambda signature, message: key.verify(signature, message, scheme, digest)
    if isinstance(key, ed25519.Ed25519PublicKey) and oid == _ED25519:
        return key.verify
    raise Fault(FailInfo.BAD_ALG, "the signature algorithm is not supported, or not for a key of this kind")


def _pss(algorithm: Algorithm) -> tuple[padding.PSS, hashes.HashAlgorithm]:
    """Read RFC 4055 §3.1's parameters; one hash for all, as RFC 9481 §3.1 has it."""
    try:
        value = decoded(algorithm.parameters or b"", rfc4055.RSASSA_PSS_params())
        digest, generator = str(value["hashAlgorithm"]["algorithm"]), value["maskGenAlgorithm"]
        masking = decoded(bytes(generator["parameters"]), rfc4055.rfc5280.AlgorithmIdentifier())
        salt, trailer = int(value["saltLength"]), int(value["trailerField"])
    except ValueError as error:
        raise Fault(FailInfo.BAD_ALG, "the RSASSA-PSS parameters can not be read") from error
    is_one_hash = str(generator["algorithm"]) == _MGF1 and str(masking["algorithm"]) == digest
    if not is_one_hash or trailer != 1 or not 0 <= salt <= _LONGEST_SALT:
        raise Fault(FailInfo.BAD_ALG, "the RSASSA-PSS parameters are not supported")
    return padding.PSS(padding.MGF1(hash_of(digest)), salt), hash_of(digest)
