"""A million serial numbers. The bounds lie eight standard deviations out (a probability below 10^-14), so only a fault fails."""

import math
import random
import secrets
from collections.abc import Callable, Iterable

import pytest

from ca.profiles import new_serial

COUNT, BITS, SIGMAS = 1_000_000, 158, 8


def _faults(serials: Iterable[int]) -> list[str]:
    """Return what is wrong with numbers whose lower BITS are meant to be random."""
    ones, octets, seen, count = [0] * BITS, [[0] * 256 for _ in range(BITS // 8)], set(), 0
    packed = 0
    for serial in serials:
        seen.add(serial)
        count += 1
        for place, counts in enumerate(octets):
            counts[serial >> 8 * place & 0xFF] += 1
        packed += serial.bit_count()
    for place, counts in enumerate(octets):
        for bit in range(8):
            ones[8 * place + bit] = sum(counts[value] for value in range(256) if value >> bit & 1)
    faults = ["a number came twice"] if len(seen) < count else []
    deviation = SIGMAS * math.sqrt(count) / 2
    tested = 8 * len(octets)
    faults += [f"bit {bit} is one in {ones[bit]} of {count}" for bit in range(tested) if abs(ones[bit] - count / 2) > deviation]
    expected = count / 256
    for place, counts in enumerate(octets):
        chi_square = sum((had - expected) ** 2 / expected for had in counts)
        if abs(chi_square - 255) > SIGMAS * math.sqrt(2 * 255) * 1.5:  # the tail is heavier than a normal one's
            faults.append(f"octet {place} is unevenly spread: chi-square {chi_square:.0f}")
    # Monobit over all: one bit (the fixed one) of each number is no random one.
    if abs(packed - count - count * BITS / 2) > SIGMAS * math.sqrt(count * BITS) / 2:
        faults.append(f"{packed} ones altogether")
    return faults


def test_a_million_serials_look_random() -> None:
    assert _faults(new_serial() for _ in range(COUNT)) == []


def _counter() -> Callable[[], int]:
    numbers = iter(range(1 << 157, 1 << 158))
    return lambda: (1 << 158) | next(numbers)


def _biased() -> int:
    """Return a number one bit of which is one in 52 of 100."""
    return (1 << 158) | secrets.randbits(158) & ~(1 << 77) | ((secrets.randbelow(100) < 52) << 77)


def _of_few() -> Callable[[], int]:
    seeded = random.Random(2008)  # noqa: S311 (the fault of Debian's OpenSSL: few states)
    few = [seeded.getrandbits(158) for _ in range(32_768)]
    return lambda: (1 << 158) | secrets.choice(few)


@pytest.mark.parametrize("generator", [_counter(), _biased, _of_few()], ids=["counter", "biased", "of few"])
def test_a_bad_generator_is_found(generator: Callable[[], int]) -> None:
    assert _faults(generator() for _ in range(200_000))


def test_every_serial_is_positive_and_fits() -> None:
    for _ in range(10_000):
        serial = new_serial()
        assert serial > 0
        assert len(serial.to_bytes(serial.bit_length() // 8 + 1, "big")) == 20
