"""Which public keys may get a certificate. Pure: takes keys, refuses weak ones, asks no database.

Sources: NIST SP 800-57 part 1 (sizes, end of RSA-2048), Nemec et al. 2017 (ROCA), Fermat's factoring (close primes).
"""

import math
from collections.abc import Callable, Container
from datetime import UTC, datetime

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from kernel.errors import Refused
from keys.algorithms import algorithm_of

PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey | ed25519.Ed25519PublicKey

CURVES = ("secp256r1", "secp384r1")
RSA_SIZES = (2048, 4096)  # smallest and largest, in bits
RSA_EXPONENT = 65537
SHORT_RSA = 3072  # below it, no certificate may last beyond END_OF_SHORT_RSA
END_OF_SHORT_RSA = datetime(2030, 12, 31, 23, 59, 59, tzinfo=UTC)
# Fermat's method finds primes that differ by little more than the fourth root of n within a few steps.
FERMAT_ROUNDS = 100

_SMALL_PRIMES = tuple(p for p in range(3, 752) if all(p % d for d in range(2, math.isqrt(p) + 1)))
_SMALL_PRODUCT = math.prod(_SMALL_PRIMES)
# Infineon's generator made primes of the form k·M + 65537^a mod M, where M is a product of small primes: modulo each
# of them, the modulus is a power of 65537. All 38 at once is no accident.
_ROCA_PRIMES = _SMALL_PRIMES[:38]


def _powers_of_exponent(prime: int) -> frozenset[int]:
    powers, power = set(), 1
    while power not in powers:
        powers.add(power)
        power = power * RSA_EXPONENT % prime
    return frozenset(powers)


_ROCA_RESIDUES = {prime: _powers_of_exponent(prime) for prime in _ROCA_PRIMES}


def accept(key: object) -> PublicKey:
    """Return the key when it is good enough; raises Refused("key-unsupported") or Refused("key-weak", weakness=…)."""
    if isinstance(key, ed25519.Ed25519PublicKey):
        return key
    if isinstance(key, ec.EllipticCurvePublicKey):
        if key.curve.name not in CURVES:
            raise Refused("key-unsupported", algorithm=key.curve.name)
        return key
    if isinstance(key, rsa.RSAPublicKey):
        _accept_rsa(key)
        return key
    raise Refused("key-unsupported", algorithm=type(key).__name__)


def accept_by_profile(key: PublicKey, kinds: Container[str], rsa_bits: tuple[int, int]) -> None:
    """Raise Refused unless a profile takes keys like this: `kinds` are p256, p384, rsa, ed25519."""
    kind = "rsa" if isinstance(key, rsa.RSAPublicKey) else algorithm_of(key).name
    if kind not in kinds:
        raise Refused("key-unsupported", algorithm=kind)
    smallest, largest = rsa_bits
    if isinstance(key, rsa.RSAPublicKey) and not smallest <= key.key_size <= largest:
        raise Refused("key-weak", weakness="size", bits=key.key_size)


def accept_unblocked(spki_sha256: bytes, is_blocked: Callable[[bytes], bool]) -> None:
    """Raise Refused("key-blocked") for a key that was compromised, as `is_blocked` knows."""
    if is_blocked(spki_sha256):
        raise Refused("key-blocked")


def accept_unpublished(key: PublicKey, published: Container[object]) -> None:
    """Raise Refused("key-weak") for a key whose private half is known to the world."""
    if key in published:
        raise Refused("key-weak", weakness="published")


def accept_until(key: PublicKey, not_after: datetime) -> None:
    """Raise Refused("key-too-short-for-period") for a short RSA key in a certificate that ends after 2030."""
    if isinstance(key, rsa.RSAPublicKey) and key.key_size < SHORT_RSA and not_after > END_OF_SHORT_RSA:
        raise Refused("key-too-short-for-period", bits=key.key_size, last_year=END_OF_SHORT_RSA.year)


def _accept_rsa(key: rsa.RSAPublicKey) -> None:
    numbers = key.public_numbers()
    smallest, largest = RSA_SIZES
    if not smallest <= key.key_size <= largest:
        raise Refused("key-weak", weakness="size", bits=key.key_size)
    if numbers.e != RSA_EXPONENT:
        raise Refused("key-weak", weakness="exponent")
    if numbers.n % 2 == 0 or math.gcd(numbers.n, _SMALL_PRODUCT) != 1:
        raise Refused("key-weak", weakness="small factor")
    if is_roca(numbers.n):
        raise Refused("key-weak", weakness="ROCA")
    if has_close_primes(numbers.n):
        raise Refused("key-weak", weakness="close primes")


def is_roca(modulus: int) -> bool:
    """Return whether a modulus carries the fingerprint of CVE-2017-15361."""
    return all(modulus % prime in residues for prime, residues in _ROCA_RESIDUES.items())


def has_close_primes(modulus: int) -> bool:
    """Return whether Fermat's method factors the modulus within FERMAT_ROUNDS steps."""
    middle = math.isqrt(modulus)
    if middle * middle < modulus:
        middle += 1
    for candidate in range(middle, middle + FERMAT_ROUNDS):
        rest = candidate * candidate - modulus
        if math.isqrt(rest) ** 2 == rest:
            return True
    return False
