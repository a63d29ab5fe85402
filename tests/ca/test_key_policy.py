"""Weak keys are made here on purpose, then offered."""

import math
import random
from datetime import UTC, datetime
from functools import cache

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa, x448, x25519

from ca import key_policy
from kernel.errors import Refused

RANDOM = random.Random(20261124)  # noqa: S311 (test material, the same at every run)
AFTER_2030 = datetime(2030, 12, 31, 23, 59, 59, tzinfo=UTC)


@cache
def _rsa(bits: int, exponent: int = 65537) -> rsa.RSAPublicKey:
    return rsa.generate_private_key(exponent, bits).public_key()


def _modulus(modulus: int) -> rsa.RSAPublicKey:
    return rsa.RSAPublicNumbers(65537, modulus).public_key()


def _is_prime(number: int) -> bool:
    """Miller and Rabin with ten bases: enough for numbers that nobody chose against us."""
    odd, twos = number - 1, 0
    while odd % 2 == 0:
        odd, twos = odd // 2, twos + 1
    for base in (2, 3, 5, 7, 11, 13, 17, 19, 23, 29):
        power = pow(base, odd, number)
        if power in (1, number - 1):
            continue
        for _ in range(twos - 1):
            power = power * power % number
            if power == number - 1:
                break
        else:
            return False
    return True


def _prime_from(number: int) -> int:
    number |= 1
    while not (all(number % prime for prime in (3, 5, 7, 11, 13, 17, 19)) and _is_prime(number)):
        number += 2
    return number


def _roca_prime(bits: int) -> int:
    """Return a prime of Infineon's form k·M + (65537^a mod M) for their 2048-bit keys: M is the product of 126 primes."""
    primes = [number for number in range(2, 702) if all(number % divisor for divisor in range(2, math.isqrt(number) + 1))]
    product = math.prod(primes)
    while True:
        number = RANDOM.getrandbits(bits - product.bit_length()) | 3 << (bits - product.bit_length() - 2)
        candidate = number * product + pow(65537, RANDOM.getrandbits(256), product)
        if candidate.bit_length() == bits and _is_prime(candidate):
            return candidate


@pytest.mark.parametrize("curve", [ec.SECP256R1(), ec.SECP384R1()])
def test_p256_and_p384_are_accepted(curve: ec.EllipticCurve) -> None:
    key = ec.generate_private_key(curve).public_key()
    assert key_policy.accept(key) is key


def test_ed25519_is_accepted() -> None:
    key = ed25519.Ed25519PrivateKey.generate().public_key()
    assert key_policy.accept(key) is key


@pytest.mark.parametrize("bits", [2048, 3072, 4096])
def test_rsa_of_usual_sizes_is_accepted(bits: int) -> None:
    key = _rsa(bits)
    assert key_policy.accept(key) is key


@pytest.mark.parametrize(
    "curve",
    [
        ec.SECP521R1(),
        ec.SECP256K1(),
        ec.SECP224R1(),
        ec.SECP192R1(),
        ec.BrainpoolP256R1(),
        ec.BrainpoolP384R1(),
        ec.BrainpoolP512R1(),
    ],
    ids=lambda curve: curve.name,
)
def test_other_curves_are_refused_by_name(curve: ec.EllipticCurve) -> None:
    with pytest.raises(Refused, match="key-unsupported") as caught:
        key_policy.accept(ec.generate_private_key(curve).public_key())
    assert caught.value.facts == {"algorithm": curve.name}


@pytest.mark.parametrize(
    "key",
    [
        dsa.generate_private_key(2048).public_key(),
        x25519.X25519PrivateKey.generate().public_key(),
        x448.X448PrivateKey.generate().public_key(),
        ed448.Ed448PrivateKey.generate().public_key(),
        None,
        "ssh-rsa",
    ],
    ids=lambda key: type(key).__name__,
)
def test_keys_of_other_kinds_are_refused(key: object) -> None:
    with pytest.raises(Refused, match="key-unsupported"):
        key_policy.accept(key)


@pytest.mark.parametrize("bits", [1024, 2047, 4097, 5120])
def test_rsa_of_other_sizes_is_refused(bits: int) -> None:
    with pytest.raises(Refused, match="key-weak") as caught:
        key_policy.accept(_modulus(RANDOM.getrandbits(bits) | 1 << (bits - 1) | 1))
    assert caught.value.facts == {"weakness": "size", "bits": bits}


@pytest.mark.parametrize("exponent", [3, 17, 65539])
def test_another_exponent_is_refused(exponent: int) -> None:
    key = rsa.RSAPublicNumbers(exponent, _rsa(2048).public_numbers().n).public_key()
    with pytest.raises(Refused, match="weakness=exponent"):
        key_policy.accept(key)


@pytest.mark.parametrize("factor", [3, 5, 97, 751])
def test_a_small_factor_is_refused(factor: int) -> None:
    modulus = factor * (RANDOM.getrandbits(2048 - factor.bit_length()) | 1 << (2048 - factor.bit_length()) | 1)
    with pytest.raises(Refused, match="weakness=small factor"):
        key_policy.accept(_modulus(modulus))


def test_an_even_modulus_is_refused() -> None:
    modulus = _rsa(2048).public_numbers().n - 1
    with pytest.raises((Refused, ValueError), match=r"small factor|odd"):
        key_policy.accept(_modulus(modulus))


def test_close_primes_are_refused() -> None:
    first = _prime_from(RANDOM.getrandbits(1024) | 3 << 1022)
    second = _prime_from(first + (1 << 500))  # far below the fourth root of n
    with pytest.raises(Refused, match="weakness=close primes"):
        key_policy.accept(_modulus(first * second))


def test_a_squared_prime_is_refused() -> None:
    prime = _prime_from(RANDOM.getrandbits(1024) | 3 << 1022)
    with pytest.raises(Refused, match="weakness=close primes"):
        key_policy.accept(_modulus(prime * prime))


def test_a_modulus_of_infineons_form_is_refused() -> None:
    modulus = _roca_prime(1024) * _roca_prime(1024)
    assert key_policy.is_roca(modulus)
    with pytest.raises(Refused, match="weakness=ROCA"):
        key_policy.accept(_modulus(modulus))


def test_honest_moduli_are_not_taken_for_infineons_or_close_primes() -> None:
    for _ in range(200):
        modulus = RANDOM.getrandbits(2048) | 1 << 2047 | 1
        assert not key_policy.is_roca(modulus)
        assert not key_policy.has_close_primes(modulus)


def test_rsa_2048_may_not_last_beyond_2030() -> None:
    key_policy.accept_until(_rsa(2048), AFTER_2030)
    with pytest.raises(Refused, match="key-too-short-for-period") as caught:
        key_policy.accept_until(_rsa(2048), AFTER_2030.replace(year=2031))
    assert caught.value.facts == {"bits": 2048, "last_year": 2030}


def test_longer_rsa_and_other_kinds_may() -> None:
    later = AFTER_2030.replace(year=2060)
    key_policy.accept_until(_rsa(3072), later)
    key_policy.accept_until(ec.generate_private_key(ec.SECP256R1()).public_key(), later)
    key_policy.accept_until(ed25519.Ed25519PrivateKey.generate().public_key(), later)
