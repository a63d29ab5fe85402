"""Custody in a PKCS#11 token: keys are made there and stay there; a token's key *is* a pyca private key.

What is sent to the token is a digest, never the data (but for Ed25519, which needs all of it), or a key that was encrypted
to us. Backups leave a token only wrapped, by a key that its security officer has marked as trusted, and only for keys that
were made for it.
"""

import base64
import json
import secrets
from dataclasses import dataclass
from typing import Any, NoReturn, Self, cast

import pkcs11
from asn1crypto import algos, core
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.padding import AsymmetricPadding, PKCS1v15
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key
from pkcs11 import Attribute, KeyType, Mechanism, MechanismFlag, ObjectClass
from pkcs11.constants import DEFAULT
from pkcs11.util.ec import decode_ec_public_key, encode_ec_public_key, encode_named_curve_parameters
from pkcs11.util.rsa import encode_rsa_public_key

from keys.algorithms import SigningKey, VerifyingKey, algorithm_of
from keys.custody import KeyAlgorithm, require_half
from keys.tokens import NothingFoundError, Token, Visit
from keys.trouble import CustodyAwayError, KeyTroubleError

Buffer = bytes | bytearray | memoryview
_SIGNS = MechanismFlag.SIGN | MechanismFlag.VERIFY
_CURVES = {KeyAlgorithm.P256: "secp256r1", KeyAlgorithm.P384: "secp384r1"}
_DIGESTS = {"sha256": 32, "sha384": 48, "sha512": 64}
_RSA_SIZES = {KeyAlgorithm.RSA3072: 3072, KeyAlgorithm.RSA4096: 4096}
_ED25519 = core.ObjectIdentifier("1.3.101.112").dump()  # RFC 8410 §3
_ED25519_OCTETS = 32
# RFC 8017 §7.2.1: EM = 0x00 || 0x02 || PS || 0x00 || M, PS of eight octets at least.
_ENCRYPTED, _SHORTEST_PADDING = b"\x00\x02", 8
# python-pkcs11 asks for all capabilities when it unwraps; a private key has not all of them.
_NOT_OF_PRIVATE_KEYS = dict.fromkeys((Attribute.ENCRYPT, Attribute.WRAP, Attribute.VERIFY), DEFAULT)
# Wraps with padding; SoftHSM knows RFC 5649 by the older of the two names only.
_WRAPPINGS = (Mechanism.AES_KEY_WRAP_KWP, Mechanism.AES_KEY_WRAP_PAD)


@dataclass(frozen=True)
class _Place:
    """Where a key is, and its public half, by which it is known again after the token was away."""

    token: Token
    label: str
    public: VerifyingKey

    def sign(self, data: bytes, mechanism: Mechanism) -> bytes:
        """Return the token's signature of the octets."""
        return self.token.ask(lambda visit: bytes(_able(self._private(visit), "sign")(data, mechanism=mechanism)))

    def decrypt(self, data: bytes, mechanism: Mechanism) -> bytes:
        """Return what the token makes of octets that were encrypted to the key."""
        return self.token.ask(lambda visit: bytes(_able(self._private(visit), "decrypt")(data, mechanism=mechanism)))

    def require(self) -> None:
        """Look for the key; raises KeyTroubleError unless it is there."""
        self.token.ask(lambda visit: self._require_same(_pair(visit, self.label)[1]))

    def _private(self, visit: Visit) -> Any:  # noqa: ANN401 (python-pkcs11 types no capabilities)
        if self.label not in visit.pairs:
            visit.pairs[self.label] = _pair(visit, self.label)
        private, public = visit.pairs[self.label]
        self._require_same(public)
        return private

    def _require_same(self, public: VerifyingKey) -> None:
        if public != self.public:
            raise KeyTroubleError(f"token {self.token.label!r} has another key under the label {self.label!r} than before")


class _StaysInToken:
    """What all keys in tokens have in common: they can be asked for signatures, RSA's for decryption, and for nothing else."""

    _place: _Place

    def __init__(self, place: _Place) -> None:
        self._place = place

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._place.label!r} in token {self._place.token.label!r}>"

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, object]) -> Self:
        return self

    def private_bytes(self, *_: object, **__: object) -> NoReturn:
        """Refuse: raises KeyTroubleError."""
        raise self._refusal()

    def private_bytes_raw(self) -> NoReturn:
        """Refuse: raises KeyTroubleError."""
        raise self._refusal()

    def private_numbers(self) -> NoReturn:
        """Refuse: raises KeyTroubleError."""
        raise self._refusal()

    def exchange(self, *_: object) -> NoReturn:
        """Refuse: raises KeyTroubleError."""
        raise self._refusal()

    def require_at_hand(self) -> None:
        """Raise KeyTroubleError unless the token answers and has the key."""
        self._place.require()

    def _refusal(self) -> KeyTroubleError:
        return KeyTroubleError(f"key {self._place.label!r} signs in its token and does not leave it")


class TokenEllipticKey(_StaysInToken, ec.EllipticCurvePrivateKey):
    """An elliptic-curve key in a token."""

    def public_key(self) -> ec.EllipticCurvePublicKey:
        """Return the public half."""
        return cast("ec.EllipticCurvePublicKey", self._place.public)

    @property
    def curve(self) -> ec.EllipticCurve:
        """The curve."""
        return self.public_key().curve

    @property
    def key_size(self) -> int:
        """The order's size in bits."""
        return self.public_key().key_size

    def sign(self, data: Buffer, signature_algorithm: ec.EllipticCurveSignatureAlgorithm) -> bytes:
        """Return an ECDSA signature as DER (RFC 5480 appendix A). Raises KeyTroubleError."""
        if not isinstance(signature_algorithm, ec.ECDSA):
            raise UnsupportedAlgorithm("a token's elliptic-curve key signs with ECDSA")
        digest, _ = _digest(data, signature_algorithm.algorithm)
        raw = self._place.sign(digest, Mechanism.ECDSA)
        # PKCS#11 3.0 §2.3.1: r and s side by side, each as long as the curve's order.
        middle = len(raw) // 2
        return encode_dss_signature(int.from_bytes(raw[:middle], "big"), int.from_bytes(raw[middle:], "big"))


class TokenRsaKey(_StaysInToken, rsa.RSAPrivateKey):
    """An RSA key in a token."""

    def public_key(self) -> rsa.RSAPublicKey:
        """Return the public half."""
        return cast("rsa.RSAPublicKey", self._place.public)

    @property
    def key_size(self) -> int:
        """The modulus's size in bits."""
        return self.public_key().key_size

    def sign(
        self,
        data: Buffer,
        padding: AsymmetricPadding,
        algorithm: Prehashed | hashes.HashAlgorithm | object,
    ) -> bytes:
        """Return a signature by PKCS #1 v1.5, the one padding that certificates here use. Raises KeyTroubleError."""
        if not isinstance(padding, PKCS1v15) or not isinstance(algorithm, Prehashed | hashes.HashAlgorithm):
            raise UnsupportedAlgorithm("a token's RSA key signs with PKCS #1 v1.5")
        digest, name = _digest(data, algorithm, also=("sha1",))  # SCEP's old clients read no other (RFC 8894 §3.5.2)
        # RFC 8017 §9.2: the algorithm's parameters are an explicit NULL.
        described = algos.DigestInfo({"digest_algorithm": {"algorithm": name, "parameters": core.Null()}, "digest": digest})
        return self._place.sign(described.dump(), Mechanism.RSA_PKCS)

    def decrypt(self, ciphertext: Buffer, padding: AsymmetricPadding) -> bytes:
        """Return what was encrypted by PKCS #1 v1.5 (RFC 8017 §7.2.2). Raises ValueError for what was not, KeyTroubleError.

        Who calls must not let senders see which it was. The token does the number only: modules call wrong padding a
        general failure, as they call their own, and each such message would start the module anew.
        """
        if not isinstance(padding, PKCS1v15):
            raise UnsupportedAlgorithm("a token's RSA key decrypts PKCS #1 v1.5")
        octets, modulus = bytes(ciphertext), self.public_key().public_numbers().n
        size = (modulus.bit_length() + 7) // 8
        if len(octets) != size or int.from_bytes(octets, "big") >= modulus:
            raise ValueError("not encrypted to this key")
        encoded = self._place.decrypt(octets, Mechanism.RSA_X_509).rjust(size, b"\0")
        end = encoded.find(0, len(_ENCRYPTED))
        if not (encoded.startswith(_ENCRYPTED) and end >= len(_ENCRYPTED) + _SHORTEST_PADDING):
            raise ValueError("not encrypted to this key")
        return encoded[end + 1 :]


class TokenEd25519Key(_StaysInToken, ed25519.Ed25519PrivateKey):
    """An Ed25519 key in a token that knows EdDSA."""

    def public_key(self) -> ed25519.Ed25519PublicKey:
        """Return the public half."""
        return cast("ed25519.Ed25519PublicKey", self._place.public)

    def sign(self, data: Buffer) -> bytes:
        """Return a signature by RFC 8032. Raises KeyTroubleError."""
        return self._place.sign(bytes(data), Mechanism.EDDSA)


@dataclass(frozen=True)
class Backup:
    """A key as it left its token, wrapped, with its public half."""

    public_key: bytes
    mechanism: str
    wrapped: bytes

    def encode(self) -> bytes:
        """Return what is written into a file."""
        octets = {name: base64.b64encode(getattr(self, name)).decode() for name in ("public_key", "wrapped")}
        return json.dumps({**octets, "mechanism": self.mechanism}, indent=2).encode() + b"\n"

    @classmethod
    def decode(cls, content: bytes) -> "Backup":
        """Read what was written; raises KeyTroubleError."""
        try:
            told = json.loads(content)
            public, wrapped = (base64.b64decode(told[name], validate=True) for name in ("public_key", "wrapped"))
            return cls(public, str(Mechanism[told["mechanism"]].name), wrapped)
        except (ValueError, KeyError, TypeError):
            raise KeyTroubleError("this is no backup of a token's key") from None


@dataclass(frozen=True)
class TokenKeys:
    """Keys in a token, by their labels. `backup_key` is the label of the AES key that wraps backups, where there is one.

    Keys made without it can never leave the token in any form. RSA keys decrypt if they were made with `decrypts`.
    """

    token: Token
    backup_key: str | None = None
    decrypts: bool = False

    def exists(self, name: str) -> bool:
        """Return whether there is such a key; raises KeyTroubleError when there are several, or the token is away."""
        try:
            self.token.ask(lambda visit: visit.only(ObjectClass.PRIVATE_KEY, name))
        except NothingFoundError:
            return False
        return True

    def create(self, name: str, algorithm: KeyAlgorithm) -> SigningKey:
        """Make a key in the token; raises KeyTroubleError when the name is taken, or the token can not make such a key."""

        def deed(visit: Visit) -> VerifyingKey:
            _require_free(visit, name)
            return _public_key(
                _generate(visit, name, algorithm, self._private_template(), self._capabilities(algorithm in _RSA_SIZES))
            )

        self.token.ask(lambda visit: _require_free(visit, name))
        return _as_pyca(_Place(self.token, name, self.token.change(deed)))

    def open(self, name: str) -> SigningKey:
        """Open a key; raises KeyTroubleError unless exactly one has this label, and its halves belong together."""
        key = self._found(name)
        if not _signs(key):
            raise KeyTroubleError(f"what the private key {name!r} signs does not verify with the public key of that label")
        return key

    def open_signing(self, name: str) -> SigningKey:
        """Open a key that signs: here all do."""
        return self.open(name)

    def expect(self, name: str, public: VerifyingKey) -> SigningKey:
        """Open a key whose public half is known; while the token is away, what finds it and looks at it when it signs."""
        try:
            return require_half(name, self.open(name), public)
        except CustodyAwayError:
            return _as_pyca(_Place(self.token, name, public))

    def back_up(self, name: str) -> Backup:
        """Return a key wrapped by the backup key; raises KeyTroubleError for a key that was not made for it."""

        def deed(visit: Visit) -> Backup:
            private, public = _pair(visit, name)
            mechanism, wrapper = _wrapping(visit), self._wrapper(visit)
            if not private[Attribute.EXTRACTABLE]:
                raise KeyTroubleError(f"key {name!r} was made without a backup key and can never leave its token")
            wrapped = _able(wrapper, "wrap_key")(private, mechanism=mechanism)
            spki = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
            return Backup(spki, mechanism.name, wrapped)

        return self.token.ask(deed)

    def restore(self, name: str, backup: Backup) -> SigningKey:
        """Put a key back, into this or another token that has the same backup key.

        Raises KeyTroubleError when the name is taken, or the backup does not hold the key that it tells of.
        """

        def deed(visit: Visit) -> None:
            _require_free(visit, name)
            identifier = secrets.token_bytes(16)
            _able(self._wrapper(visit), "unwrap_key")(
                ObjectClass.PRIVATE_KEY,
                described[Attribute.KEY_TYPE],
                backup.wrapped,
                id=identifier,
                label=name,
                mechanism=Mechanism[backup.mechanism],
                store=True,
                capabilities=self._capabilities(described[Attribute.KEY_TYPE] == KeyType.RSA) & ~MechanismFlag.VERIFY,
                template=_NOT_OF_PRIVATE_KEYS | self._private_template(),
            )
            named = {Attribute.LABEL: name, Attribute.ID: identifier, Attribute.TOKEN: True, Attribute.VERIFY: True}
            visit.session.create_object(described | named)

        described = _description(backup.public_key)
        self.token.ask(lambda visit: _require_free(visit, name))
        self.token.change(deed)
        restored = self._found(name)
        if not _signs(restored):
            self.token.change(lambda visit: _destroy(visit, name))
            raise KeyTroubleError(f"the backup of {name!r} holds another key than it says")
        return restored

    def _found(self, name: str) -> SigningKey:
        return _as_pyca(_Place(self.token, name, self.token.ask(lambda visit: _pair(visit, name)[1])))

    def _capabilities(self, is_rsa: bool) -> MechanismFlag:  # noqa: FBT001 (one argument)
        return _SIGNS | MechanismFlag.DECRYPT if is_rsa and self.decrypts else _SIGNS

    def _private_template(self) -> dict[Attribute, object]:
        # PKCS#11 3.0 §4.9: extractable here means "by wrapping", since a sensitive key is never read out; and only a
        # wrapping key counts that the security officer has marked as trusted, which no user can do.
        return {
            Attribute.PRIVATE: True,
            Attribute.SENSITIVE: True,
            Attribute.EXTRACTABLE: self.backup_key is not None,
            Attribute.WRAP_WITH_TRUSTED: True,
            Attribute.DERIVE: False,
        }

    def _wrapper(self, visit: Visit) -> Any:  # noqa: ANN401 (python-pkcs11 types no capabilities)
        if self.backup_key is None:
            raise KeyTroubleError(f"no backup key is set for token {self.token.label!r}")
        return visit.only(ObjectClass.SECRET_KEY, self.backup_key)


def _digest(
    data: Buffer, algorithm: Prehashed | hashes.HashAlgorithm, also: tuple[str, ...] = ()
) -> tuple[bytes, str]:  # fmt: skip
    """Return the digest and its algorithm's name; what comes as a digest already stays as it is."""
    if isinstance(algorithm, Prehashed):
        known = {size: name for name, size in _DIGESTS.items()}
        if len(data) not in known:
            raise UnsupportedAlgorithm("a token's key signs digests of SHA-2 only")
        return bytes(data), known[len(data)]
    if algorithm.name not in (*_DIGESTS, *also):
        raise UnsupportedAlgorithm(f"a token's key does not sign with {algorithm.name}")
    hasher = hashes.Hash(algorithm)
    hasher.update(data)
    return hasher.finalize(), algorithm.name


def _as_pyca(place: _Place) -> SigningKey:
    if isinstance(place.public, ec.EllipticCurvePublicKey):
        return TokenEllipticKey(place)
    return TokenRsaKey(place) if isinstance(place.public, rsa.RSAPublicKey) else TokenEd25519Key(place)


def _pair(visit: Visit, label: str) -> tuple[Any, VerifyingKey]:
    """Return the one private key with this label and its public half."""
    private = visit.only(ObjectClass.PRIVATE_KEY, label)
    public = visit.only(ObjectClass.PUBLIC_KEY, label)
    if private[Attribute.ID] != public[Attribute.ID]:
        raise KeyTroubleError(f"private and public key with the label {label!r} have different identifiers in the token")
    return private, _public_key(public)


def _public_key(public: pkcs11.Object) -> VerifyingKey:
    """Read a public key object."""
    match public[Attribute.KEY_TYPE]:
        case KeyType.EC:
            key = load_der_public_key(encode_ec_public_key(cast("pkcs11.PublicKey", public)))
        case KeyType.RSA:
            key = load_der_public_key(encode_rsa_public_key(cast("pkcs11.PublicKey", public)))
        case KeyType.EC_EDWARDS if public[Attribute.EC_PARAMS] == _ED25519:
            # With or without the OCTET STRING around it (PKCS#11 3.0 §2.3.5): the key is what stands last.
            return ed25519.Ed25519PublicKey.from_public_bytes(public[Attribute.EC_POINT][-_ED25519_OCTETS:])
        case other:
            raise KeyTroubleError(f"a key of the kind {other!r} is not used here")
    if not isinstance(key, ec.EllipticCurvePublicKey | rsa.RSAPublicKey):
        raise KeyTroubleError("the token's public key is of a kind that is not used here")
    return key


def _require_free(visit: Visit, label: str) -> None:
    for object_class in (ObjectClass.PRIVATE_KEY, ObjectClass.PUBLIC_KEY):
        if visit.objects(object_class, label):
            raise KeyTroubleError(f"key {label!r} exists already in token {visit.token.label!r}")


def _generate(
    visit: Visit, label: str, algorithm: KeyAlgorithm, private: dict[Attribute, object], capabilities: MechanismFlag
) -> pkcs11.PublicKey:
    """Make a key pair in the token and return its public half."""
    named: dict[str, Any] = {
        "id": secrets.token_bytes(16),
        "label": label,
        "store": True,
        "capabilities": capabilities,
        "private_template": private,
    }
    if algorithm in _RSA_SIZES:
        public, _ = visit.session.generate_keypair(KeyType.RSA, _RSA_SIZES[algorithm], **named)
        return public
    if algorithm in _CURVES:
        kind, parameters, mechanism = KeyType.EC, encode_named_curve_parameters(_CURVES[algorithm]), Mechanism.EC_KEY_PAIR_GEN
    elif algorithm == KeyAlgorithm.ED25519:
        kind, parameters, mechanism = KeyType.EC_EDWARDS, _ED25519, Mechanism.EC_EDWARDS_KEY_PAIR_GEN
    else:
        raise KeyTroubleError(f"key {label!r} can not be kept in a token: {algorithm} does not sign")
    domain = visit.session.create_domain_parameters(kind, {Attribute.EC_PARAMS: parameters}, local=True)
    public, _ = domain.generate_keypair(mechanism=mechanism, **named)
    return public


def _wrapping(visit: Visit) -> Mechanism:
    """Return the way to wrap that the token knows."""
    known = visit.token.slot.get_mechanisms()
    for mechanism in _WRAPPINGS:
        if mechanism in known:
            return mechanism
    raise KeyTroubleError(f"token {visit.token.label!r} can not wrap keys")


def _description(public_key: bytes) -> dict[Attribute, object]:
    """Return a public key (DER) as a token stores it; raises KeyTroubleError for a kind that is not used here."""
    key = load_der_public_key(public_key)
    if isinstance(key, ec.EllipticCurvePublicKey):
        return dict(decode_ec_public_key(public_key))
    if isinstance(key, rsa.RSAPublicKey):
        numbers = key.public_numbers()
        return {
            Attribute.CLASS: ObjectClass.PUBLIC_KEY,
            Attribute.KEY_TYPE: KeyType.RSA,
            Attribute.MODULUS: numbers.n.to_bytes(key.key_size // 8, "big"),
            Attribute.PUBLIC_EXPONENT: numbers.e.to_bytes((numbers.e.bit_length() + 7) // 8, "big"),
        }
    if isinstance(key, ed25519.Ed25519PublicKey):
        return {
            Attribute.CLASS: ObjectClass.PUBLIC_KEY,
            Attribute.KEY_TYPE: KeyType.EC_EDWARDS,
            Attribute.EC_PARAMS: _ED25519,
            Attribute.EC_POINT: core.OctetString(key.public_bytes_raw()).dump(),
        }
    raise KeyTroubleError("the backup is of a key of a kind that is not used here")


def _able(held: Any, deed: str) -> Any:  # noqa: ANN401 (python-pkcs11 types no capabilities)
    """Return an object's method; raises KeyTroubleError where its attributes in the token forbid such use."""
    found = getattr(held, deed, None)
    if found is None:
        raise KeyTroubleError(f"{held.label!r} was not made to {deed.replace('_', ' ')} in its token")
    return found


def _signs(key: SigningKey) -> bool:
    """Return whether a key's signature verifies with its own public half."""
    trial = secrets.token_bytes(32)
    try:
        algorithm = algorithm_of(key.public_key())
    except ValueError as error:
        raise KeyTroubleError(str(error)) from None
    try:
        algorithm.verify(key.public_key(), algorithm.sign(key, trial), trial)
    except InvalidSignature:
        return False
    return True


def _destroy(visit: Visit, label: str) -> None:
    for object_class in (ObjectClass.PRIVATE_KEY, ObjectClass.PUBLIC_KEY):
        for found in visit.objects(object_class, label):
            found.destroy()
