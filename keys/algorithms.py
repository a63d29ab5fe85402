"""The algorithms that sign here, in one table: how a key is made, how it signs, and how the signature is named in DER.

A key's kind decides its algorithm, so nobody chooses hashes elsewhere: RFC 5480 §4 (ECDSA), RFC 8017 §8.2 (RSA, PKCS#1
v1.5), RFC 8410 (Ed25519), RFC 9881 (ML-DSA). A key may be a token's: only `public_key` and `sign` are used.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

SigningKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey | mldsa.MLDSA65PrivateKey
VerifyingKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey | ed25519.Ed25519PublicKey | mldsa.MLDSA65PublicKey
SignatureHash = hashes.SHA256 | hashes.SHA384


def is_at_hand(key: SigningKey) -> bool:
    """Return whether a key signs within a fraction of a millisecond: pyca's own, in this process's memory, and not RSA.

    What only behaves as pyca's key may be far away.
    """
    return type(key).__module__.startswith("cryptography.") and not isinstance(key, rsa.RSAPrivateKey)


@dataclass(frozen=True)
class SignatureAlgorithm:
    """One row of the table. `identifier` is the DER of its AlgorithmIdentifier (RFC 5280 §4.1.1.2).

    `hash` is what pyca's builders want beside the key: None for algorithms that hash by themselves.
    """

    name: str
    identifier: bytes
    hash: SignatureHash | None
    generate: Callable[[], SigningKey]
    # What pyca's `sign` and `verify` want after the octets.
    arguments: tuple[object, ...] = ()

    def sign(self, key: SigningKey, message: bytes | memoryview) -> bytes:
        """Sign; raises what the key's holder raises."""
        signer: Any = key
        signature: bytes = signer.sign(message, *self.arguments)
        return signature

    def sign_digest(self, key: SigningKey, digest: bytes) -> bytes:
        """Sign what `hash` made of a message, as `sign` signs the message; only where there is such a hash."""
        signer: Any = key
        signature: bytes = signer.sign(digest, *map(_prehashed, self.arguments))
        return signature

    def verify_digest(self, key: VerifyingKey, signature: bytes, digest: bytes) -> None:
        """Raise InvalidSignature unless the signature is this key's over the message with this digest."""
        verifier: Any = key
        verifier.verify(signature, digest, *map(_prehashed, self.arguments))

    def verify(self, key: VerifyingKey, signature: bytes, message: bytes | memoryview) -> None:
        """Raise InvalidSignature unless the signature is this key's over the message."""
        verifier: Any = key
        verifier.verify(signature, message, *self.arguments)


def _prehashed(argument: object) -> object:
    if isinstance(argument, ec.ECDSA):
        return ec.ECDSA(_prehashed(argument.algorithm))  # type: ignore[arg-type]  # a hash becomes one that was made already
    return Prehashed(argument) if isinstance(argument, hashes.HashAlgorithm) else argument


def _ecdsa(name: str, curve: ec.EllipticCurve, digest: SignatureHash, identifier: str) -> SignatureAlgorithm:
    return SignatureAlgorithm(
        name, bytes.fromhex(identifier), digest, lambda: ec.generate_private_key(curve), (ec.ECDSA(digest),)
    )


def _rsa(bits: int, digest: SignatureHash, identifier: str) -> SignatureAlgorithm:
    return SignatureAlgorithm(
        f"rsa{bits}",
        bytes.fromhex(identifier),
        digest,
        lambda: rsa.generate_private_key(public_exponent=65537, key_size=bits),
        (padding.PKCS1v15(), digest),
    )


ALGORITHMS = {
    algorithm.name: algorithm
    for algorithm in (
        _ecdsa("p256", ec.SECP256R1(), hashes.SHA256(), "300a06082a8648ce3d040302"),
        _ecdsa("p384", ec.SECP384R1(), hashes.SHA384(), "300a06082a8648ce3d040303"),
        _rsa(3072, hashes.SHA256(), "300d06092a864886f70d01010b0500"),
        _rsa(4096, hashes.SHA384(), "300d06092a864886f70d01010c0500"),
        SignatureAlgorithm("ed25519", bytes.fromhex("300506032b6570"), None, ed25519.Ed25519PrivateKey.generate),
        SignatureAlgorithm("mldsa65", bytes.fromhex("300b0609608648016503040312"), None, mldsa.MLDSA65PrivateKey.generate),
    )
}
_CURVES = {"secp256r1": "p256", "secp384r1": "p384"}


def algorithm_of(key: object) -> SignatureAlgorithm:
    """Return the algorithm that a public key's owner signs with; raises ValueError for a kind that is not used here."""
    name = None
    if isinstance(key, ec.EllipticCurvePublicKey):
        name = _CURVES.get(key.curve.name)
    elif isinstance(key, rsa.RSAPublicKey):
        name = f"rsa{key.key_size}"
    elif isinstance(key, ed25519.Ed25519PublicKey):
        name = "ed25519"
    elif isinstance(key, mldsa.MLDSA65PublicKey):
        name = "mldsa65"
    if name not in ALGORITHMS:
        message = f"keys of this kind do not sign here: {name or type(key).__name__}"
        raise ValueError(message)
    return ALGORITHMS[name]
