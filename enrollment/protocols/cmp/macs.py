"""Protection by a shared secret: PasswordBasedMac (RFC 9810 §5.1.3.1) and PBMAC1 (RFC 8018 §7.1, RFC 9481 §6.1).

The work that a sender may ask of us is bounded before any is done.
"""

import hashlib
import hmac
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from pyasn1_alt_modules import rfc8018, rfc9810

from ca.der import OCTET_STRING, SEQUENCE, integer, tlv
from enrollment.protocols.cmp.failures import FailInfo, Fault
from enrollment.protocols.cmp.messages import Algorithm, algorithm_of, decoded, optional
from enrollment.protocols.cmp.oids import encoded_oid

# RFC 4211 §4.4 wants 100 at least; each round of PasswordBasedMac is made here, PBKDF2's are OpenSSL's, ten times as fast.
FEWEST_ROUNDS, MOST_ROUNDS, MOST_PBKDF2_ROUNDS = 100, 10_000, 100_000
_SALT = 16
_LONGEST_SALT = 256
_PASSWORD_BASED_MAC, _PBMAC1, _PBKDF2 = "1.2.840.113533.7.66.13", "1.2.840.113549.1.5.14", "1.2.840.113549.1.5.12"
_KEY_LENGTHS = range(16, 129)
_HASHES: Mapping[str, str] = {
    "1.3.14.3.2.26": "sha1",
    "2.16.840.1.101.3.4.2.1": "sha256",
    "2.16.840.1.101.3.4.2.2": "sha384",
    "2.16.840.1.101.3.4.2.3": "sha512",
}
# HMAC-SHA1 for old clients, in the name of RFC 4210 and in PKCS#5's.
_HMACS: Mapping[str, str] = {
    "1.3.6.1.5.5.8.1.2": "sha1",
    "1.2.840.113549.2.7": "sha1",
    "1.2.840.113549.2.9": "sha256",
    "1.2.840.113549.2.10": "sha384",
    "1.2.840.113549.2.11": "sha512",
}
# RFC 8018 appendix A.2's, which DER leaves out.
_DEFAULT_RANDOM = "1.2.840.113549.2.7"


class Mac(Protocol):
    """An algorithm with its parameters."""

    @property
    def identifier(self) -> bytes:
        """The AlgorithmIdentifier in DER."""

    def of(self, secret: bytes, message: bytes) -> bytes:
        """Return the code of a message under a secret."""

    def renewed(self) -> "Mac":
        """Return the same with a salt of ours, for the answer."""


@dataclass(frozen=True)
class PasswordBasedMac:
    """PBMParameter: salt, one-way function, rounds, and HMAC, by their object identifiers."""

    salt: bytes
    one_way: str
    rounds: int
    hmac: str

    @property
    def identifier(self) -> bytes:
        """The AlgorithmIdentifier in DER, as RFC 9810 §5.1.3.1 has it."""
        parameters = tlv(OCTET_STRING, self.salt) + _named(self.one_way) + integer(self.rounds) + _named(self.hmac)
        return tlv(SEQUENCE, encoded_oid(_PASSWORD_BASED_MAC) + tlv(SEQUENCE, parameters))

    def of(self, secret: bytes, message: bytes) -> bytes:
        """Return the code: HMAC under the secret and salt, hashed as many times as the rounds say (RFC 4211 §4.4)."""
        one_way, key = _HASHES[self.one_way], secret + self.salt
        for _ in range(self.rounds):
            key = hashlib.new(one_way, key, usedforsecurity=True).digest()
        return hmac.digest(key, message, _HMACS[self.hmac])

    def renewed(self) -> "PasswordBasedMac":
        """Return the same with a salt of ours."""
        return PasswordBasedMac(secrets.token_bytes(_SALT), self.one_way, self.rounds, self.hmac)


@dataclass(frozen=True)
class Pbmac1:
    """PBMAC1-params: PBKDF2's salt, rounds, length and pseudo-random function, and the HMAC, by object identifiers."""

    salt: bytes
    rounds: int
    length: int
    random: str
    hmac: str

    @property
    def identifier(self) -> bytes:
        """The AlgorithmIdentifier in DER, as RFC 8018 appendix A.5 has it."""
        key = tlv(OCTET_STRING, self.salt) + integer(self.rounds) + integer(self.length)
        if self.random != _DEFAULT_RANDOM:
            key += _with_null(self.random)
        derivation = tlv(SEQUENCE, encoded_oid(_PBKDF2) + tlv(SEQUENCE, key))
        return tlv(SEQUENCE, encoded_oid(_PBMAC1) + tlv(SEQUENCE, derivation + _with_null(self.hmac)))

    def of(self, secret: bytes, message: bytes) -> bytes:
        """Return the code: HMAC under PBKDF2's key."""
        key = hashlib.pbkdf2_hmac(_HMACS[self.random], secret, self.salt, self.rounds, self.length)
        return hmac.digest(key, message, _HMACS[self.hmac])

    def renewed(self) -> "Pbmac1":
        """Return the same with a salt of ours."""
        return Pbmac1(secrets.token_bytes(_SALT), self.rounds, self.length, self.random, self.hmac)


def mac_of(algorithm: Algorithm) -> Mac | None:
    """Return the MAC that an AlgorithmIdentifier names, or None when it names none; raises Fault for its parameters."""
    readers: Mapping[str, Callable[[bytes], Mac]] = {_PASSWORD_BASED_MAC: _password_based, _PBMAC1: _pbmac1}
    reader = readers.get(algorithm.oid)
    if reader is None:
        return None
    try:
        return reader(algorithm.parameters or b"")
    except ValueError as error:
        raise Fault(FailInfo.BAD_ALG, "the parameters of the MAC are not supported") from error


def _password_based(parameters: bytes) -> PasswordBasedMac:
    value = decoded(parameters, rfc9810.PBMParameter())
    return PasswordBasedMac(
        salt=_salt(bytes(value["salt"])),
        one_way=_one_of(_HASHES, algorithm_of(value["owf"])),
        rounds=_rounds(int(value["iterationCount"]), MOST_ROUNDS),
        hmac=_one_of(_HMACS, algorithm_of(value["mac"])),
    )


def _pbmac1(parameters: bytes) -> Pbmac1:
    value = decoded(parameters, rfc8018.PBMAC1_params())
    derivation = algorithm_of(value["keyDerivationFunc"])
    if derivation.oid != _PBKDF2:
        raise ValueError("another derivation than PBKDF2")
    chosen = decoded(derivation.parameters or b"", rfc8018.PBKDF2_params())
    if chosen["salt"].getName() != "specified":
        raise ValueError("a salt of another source")
    scheme = _one_of(_HMACS, algorithm_of(value["messageAuthScheme"]))
    length = optional(chosen, "keyLength")
    octets = hashlib.new(_HMACS[scheme], usedforsecurity=True).digest_size if length is None else int(length)
    if octets not in _KEY_LENGTHS:
        raise ValueError("a key too short or too long")
    return Pbmac1(
        salt=_salt(bytes(chosen["salt"]["specified"])),
        rounds=_rounds(int(chosen["iterationCount"]), MOST_PBKDF2_ROUNDS),
        length=octets,
        random=_one_of(_HMACS, algorithm_of(chosen["prf"])),
        hmac=scheme,
    )


def _rounds(count: int, most: int) -> int:
    if not FEWEST_ROUNDS <= count <= most:
        raise ValueError("too few rounds, or too many")
    return count


def _salt(salt: bytes) -> bytes:
    if len(salt) > _LONGEST_SALT:
        raise ValueError("a salt too long")
    return salt


def _one_of(known: Mapping[str, str], algorithm: Algorithm) -> str:
    if algorithm.oid not in known:
        raise ValueError("an unknown algorithm")
    return algorithm.oid


def _named(oid: str) -> bytes:
    return tlv(SEQUENCE, encoded_oid(oid))


def _with_null(oid: str) -> bytes:
    return tlv(SEQUENCE, encoded_oid(oid) + b"\x05\x00")
