"""Custody: what every keeper of keys can do, and the keeper in software.

There each key is an encrypted PKCS#8 file of its own, readable by its owner only; `keys.pkcs11` keeps them in a token.
"""

import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Protocol, runtime_checkable

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import rsa, x25519
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from keys.algorithms import ALGORITHMS, SigningKey, VerifyingKey
from keys.trouble import KeyTroubleError

CustodyKey = SigningKey | x25519.X25519PrivateKey


class KeyAlgorithm(StrEnum):
    """What kinds of keys are made here."""

    P256 = "p256"
    P384 = "p384"
    RSA3072 = "rsa3072"
    RSA4096 = "rsa4096"
    ED25519 = "ed25519"
    MLDSA65 = "mldsa65"
    X25519 = "x25519"


class KeyStore(Protocol):
    """Keeps keys by name. Whatever holds them, what it opens is a pyca private key.

    Raises KeyTroubleError for what is wrong with a key, its subclass CustodyAwayError while the keeper does not answer;
    keys from a token may raise both whenever they sign.
    """

    def exists(self, name: str) -> bool:
        """Return whether there is such a key."""

    def create(self, name: str, algorithm: KeyAlgorithm) -> CustodyKey:
        """Make a key and keep it; a name that is taken is refused: keys are never overwritten."""

    def open(self, name: str) -> CustodyKey:
        """Open a key."""

    def open_signing(self, name: str) -> SigningKey:
        """Open a key that signs; one that does not is refused."""

    def expect(self, name: str, public: VerifyingKey) -> SigningKey:
        """Open a key that signs and whose public half is known; while its keeper is away, what it will sign by later."""


_GENERATORS: dict[KeyAlgorithm, Callable[[], CustodyKey]] = {
    KeyAlgorithm.X25519: x25519.X25519PrivateKey.generate,
    **{KeyAlgorithm(name): algorithm.generate for name, algorithm in ALGORITHMS.items()},
}


@dataclass(frozen=True)
class SoftwareKeys:
    """Keys in a folder; `passphrase` encrypts every one of them."""

    folder: Path
    passphrase: bytes = field(repr=False)

    def path(self, name: str) -> Path:
        """Return the file of a key, whether it exists or not."""
        return self.folder / f"{name}.key"

    def exists(self, name: str) -> bool:
        """Return whether there is such a key."""
        return self.path(name).exists()

    def create(self, name: str, algorithm: KeyAlgorithm) -> CustodyKey:
        """Make a key and keep it; raises KeyTroubleError when the name is taken: keys are never overwritten."""
        key = _GENERATORS[algorithm]()
        self.keep(name, key)
        return key

    def keep(self, name: str, key: CustodyKey) -> None:
        """Keep a key that was made before; raises KeyTroubleError when the name is taken."""
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(self.passphrase))
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write_new(self.path(name), pem)

    def open(self, name: str) -> CustodyKey:
        """Open a key; raises KeyTroubleError when it is missing or the passphrase does not fit."""
        try:
            pem = self.path(name).read_bytes()
        except FileNotFoundError:
            message = f"there is no key {name!r}"
            raise KeyTroubleError(message) from None
        try:
            # OpenSSL would look whether an RSA key's primes are primes, for a tenth of a second; ours are, and `_require_whole`
            # finds what became of the file since.
            key = load_pem_private_key(pem, self.passphrase, unsafe_skip_rsa_key_validation=True)
            _require_whole(key)
        except (ValueError, TypeError, UnsupportedAlgorithm):  # TypeError: it is not encrypted, so it is none of ours
            message = f"key {name!r} can not be opened with this passphrase"
            raise KeyTroubleError(message) from None
        if not isinstance(key, CustodyKey):
            message = f"key {name!r} is of a kind that is not used here"
            raise KeyTroubleError(message)
        return key

    def open_signing(self, name: str) -> SigningKey:
        """Open a key that signs; raises KeyTroubleError for one that does not."""
        key = self.open(name)
        if isinstance(key, x25519.X25519PrivateKey):
            message = f"key {name!r} does not sign"
            raise KeyTroubleError(message)
        return key

    def expect(self, name: str, public: VerifyingKey) -> SigningKey:
        """Open a key that signs: a folder is never away for a while. Raises KeyTroubleError for another key."""
        return require_half(name, self.open_signing(name), public)

    def open_sealing(self, name: str) -> x25519.X25519PrivateKey:
        """Open a key that unseals; raises KeyTroubleError for another kind."""
        key = self.open(name)
        if not isinstance(key, x25519.X25519PrivateKey):
            message = f"key {name!r} does not unseal"
            raise KeyTroubleError(message)
        return key


@dataclass(frozen=True)
class AssignedKeys:
    """Each key in the custody that was chosen for it: `choose` returns the store and the key's name in it."""

    choose: Callable[[str], tuple[KeyStore, str]]

    def exists(self, name: str) -> bool:
        """Return whether there is such a key."""
        store, label = self.choose(name)
        return store.exists(label)

    def create(self, name: str, algorithm: KeyAlgorithm) -> CustodyKey:
        """Make a key where it belongs."""
        store, label = self.choose(name)
        return store.create(label, algorithm)

    def open(self, name: str) -> CustodyKey:
        """Open a key."""
        store, label = self.choose(name)
        return store.open(label)

    def open_signing(self, name: str) -> SigningKey:
        """Open a key that signs."""
        store, label = self.choose(name)
        return store.open_signing(label)

    def expect(self, name: str, public: VerifyingKey) -> SigningKey:
        """Open a key that signs, or what it will sign by later."""
        store, label = self.choose(name)
        return store.expect(label, public)


def _require_whole(key: object) -> None:
    """Raise ValueError unless an RSA key's parts fit each other: a signature by wrong ones would give the key away.

    It is a signature that was checked, the pairwise test of FIPS 140-3 (IG 10.3.A).
    """
    if isinstance(key, rsa.RSAPrivateKey):
        try:
            key.public_key().verify(key.sign(b"", PKCS1v15(), SHA256()), b"", PKCS1v15(), SHA256())
        except InvalidSignature:
            raise ValueError("the key's parts do not fit each other") from None


@runtime_checkable
class _MayBeAway(Protocol):
    """A key whose keeper may not answer."""

    def require_at_hand(self) -> None:
        """Raise KeyTroubleError unless the key could sign now."""


def require_at_hand(key: object) -> None:
    """Raise KeyTroubleError unless the key could sign now; one in software always can."""
    if isinstance(key, _MayBeAway):
        key.require_at_hand()


def require_half(name: str, key: SigningKey, public: VerifyingKey) -> SigningKey:
    """Return the key; raises KeyTroubleError unless this is its public half."""
    if key.public_key() != public:
        message = f"key {name!r} is not the one whose public half is certified or known"
        raise KeyTroubleError(message)
    return key


def _write_new(path: Path, content: bytes) -> None:
    """Write a file whole or not at all, and never over another one."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.link(draft, path)  # unlike a rename, a link fails when the name is taken
    except FileExistsError:
        message = f"key {path.stem!r} exists already"
        raise KeyTroubleError(message) from None
    finally:
        draft.unlink()
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)  # a key whose certificate was signed must not be gone after a power failure
    finally:
        os.close(folder)
