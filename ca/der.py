"""The few DER rules (X.690) that the measured hot paths write by hand, and a reader of one level."""

from collections.abc import Iterator
from datetime import datetime

BOOLEAN, INTEGER, BIT_STRING, OCTET_STRING, OBJECT_IDENTIFIER = 0x01, 0x02, 0x03, 0x04, 0x06
UTF8_STRING, PRINTABLE_STRING, UTC_TIME, GENERALIZED_TIME, SEQUENCE, SET = 0x0C, 0x13, 0x17, 0x18, 0x30, 0x31
LAST_UTC_YEAR = 2049  # RFC 5280 §4.1.2.5: later dates are GeneralizedTime
_LONG_FORM = 0x80


def tlv(tag: int, content: bytes) -> bytes:
    """Write tag, length and content (§8.1.3, §10.1)."""
    length = len(content)
    if length < _LONG_FORM:
        return bytes((tag, length)) + content
    octets = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes((tag, _LONG_FORM | len(octets))) + octets + content


def integer(number: int) -> bytes:
    """Write a non-negative INTEGER (§8.3): a leading zero octet where the first bit would say minus."""
    return tlv(INTEGER, number.to_bytes(number.bit_length() // 8 + 1, "big"))


def oid(dotted: str) -> bytes:
    """Write an OBJECT IDENTIFIER (§8.19): the first two arcs are one number, and each number has seven bits to an octet."""
    first, second, *rest = map(int, dotted.split("."))
    return tlv(OBJECT_IDENTIFIER, b"".join(map(_base_128, (40 * first + second, *rest))))


def time(instant: datetime) -> bytes:
    """Write a Time (RFC 5280 §4.1.2.5) of an aware UTC instant, to the second."""
    if instant.year > LAST_UTC_YEAR:
        return tlv(GENERALIZED_TIME, instant.strftime("%Y%m%d%H%M%SZ").encode())
    return tlv(UTC_TIME, instant.strftime("%y%m%d%H%M%SZ").encode())


def elements(encoded: bytes) -> Iterator[bytes]:
    """Yield the elements inside a constructed one, each with its tag and length; raises ValueError where octets are amiss."""
    position, end = _content(encoded, 0)
    if end != len(encoded):
        raise ValueError("octets after the end")
    while position < end:
        _, after = _content(encoded, position)
        if after > end:
            raise ValueError("an element is longer than what it stands in")
        yield encoded[position:after]
        position = after


def content(encoded: bytes) -> bytes:
    """Return an element's content; raises ValueError where octets are amiss."""
    start, end = _content(encoded, 0)
    if end != len(encoded):
        raise ValueError("octets after the end")
    return encoded[start:end]


def _content(encoded: bytes, position: int) -> tuple[int, int]:
    """Return where the content of the element at `position` begins and ends. Tags of one octet are all that X.509 has."""
    try:
        length = encoded[position + 1]
    except IndexError:
        raise ValueError("an element is cut off") from None
    start = position + 2
    if length >= _LONG_FORM:
        start += length - _LONG_FORM
        length = int.from_bytes(encoded[position + 2 : start], "big")
    if start + length > len(encoded):
        raise ValueError("an element is cut off")
    return start, start + length


def _base_128(number: int) -> bytes:
    octets = [number & 0x7F]
    while number := number >> 7:
        octets.append(number & 0x7F | 0x80)
    return bytes(reversed(octets))
