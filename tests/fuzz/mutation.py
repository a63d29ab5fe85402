"""Making bad inputs out of good ones: octets changed anywhere, DER taken apart and put together wrongly, text of bad pieces."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from random import Random
from typing import NamedTuple

Mutator = Callable[[Random, Sequence[bytes]], bytes]

_SEQUENCE, _BIT_STRING, _OCTET_STRING = 0x30, 0x03, 0x04
_CONSTRUCTED, _LONG_FORM, _HIGH_TAG = 0x20, 0x80, 0x1F
_INTERESTING = (0, 1, 2, 4, 5, 6, 0x30, 0x7F, 0x80, 0x81, 0x82, 0x84, 0xA0, 0xA2, 0xFF)
_TAGS = (
    0x01,
    0x02,
    0x03,
    0x04,
    0x05,
    0x06,
    0x0A,
    0x0C,
    0x13,
    0x14,
    0x16,
    0x17,
    0x18,
    0x1E,
    0x1F,
    0x24,
    0x30,
    0x31,
    0x80,
    0xA0,
    0xA1,
)
_CONTENTS = (
    b"",
    b"\x00",
    b"\x80",
    b"\xff",
    b"\x00\x01",
    b"\xff\xff",
    b"\x7f" + b"\xff" * 30,
    b"\x80" + bytes(20),
    b"\x00" * 200,
    b"\xc3\x28",
    b"99999W\x00",
    b"99991399999999Z",
)


class _Node(NamedTuple):
    """A value inside DER: where its tag, its content and what follows it begin, and which node holds it (-1: none)."""

    begin: int
    content: int
    end: int
    parent: int


def der(chance: Random, seeds: Sequence[bytes]) -> bytes:
    """Change DER: in its structure, so that it is wrong in one place and right around it, or anywhere."""
    whole = chance.choice(seeds)
    match chance.randrange(20):
        case 0:
            return chance.randbytes(chance.randrange(200))
        case 1:
            return spliced(chance, whole, chance.choice(seeds))
        case kind if kind < 11:
            changed = _restructured(chance, whole, seeds)
            return octets(chance, changed) if chance.randrange(4) == 0 else changed
        case _:
            return octets(chance, whole)


def text(*pieces: bytes) -> Mutator:
    """Return what changes text: pieces that matter to its reader are put in, parts taken out, octets exchanged."""

    def mutate(chance: Random, seeds: Sequence[bytes]) -> bytes:
        changed = bytearray(chance.choice(seeds))
        for _ in range(chance.choice((1, 1, 2, 4))):
            at = chance.randrange(len(changed) + 1)
            match chance.randrange(5):
                case 0 | 1:
                    changed[at:at] = chance.choice(pieces)
                case 2:
                    del changed[at : at + chance.randint(1, 30)]
                case 3 if changed:
                    changed[at % len(changed)] = chance.randrange(256)
                case _:
                    changed[at : at + chance.randrange(4)] = chance.choice(pieces)
        return bytes(changed)

    return mutate


def octets(chance: Random, whole: bytes) -> bytes:
    """Flip, exchange, cut, double or insert octets anywhere."""
    changed = bytearray(whole)
    for _ in range(chance.choice((1, 1, 1, 2, 3, 8))):
        at = chance.randrange(len(changed) + 1)
        match chance.randrange(7):
            case 0 if changed:
                changed[at % len(changed)] ^= 1 << chance.randrange(8)
            case 1 if changed:
                changed[at % len(changed)] = chance.choice(_INTERESTING)
            case 2:
                del changed[at : at + chance.randrange(1, 9)]
            case 3:
                changed[at:at] = chance.randbytes(chance.randrange(1, 9))
            case 4:
                changed[at:at] = changed[at : at + chance.randrange(1, 60)]
            case 5:
                del changed[at:]
            case _ if changed:
                changed[at % len(changed)] = (changed[at % len(changed)] + chance.choice((-1, 1))) % 256
    return bytes(changed)


def spliced(chance: Random, one: bytes, other: bytes) -> bytes:
    """Join the beginning of one with the end of another."""
    return one[: chance.randrange(len(one) + 1)] + other[chance.randrange(len(other) + 1) :]


def tlv(tag: int, content: bytes) -> bytes:
    """Return a value in DER."""
    return bytes([tag]) + _length(len(content)) + content


def _restructured(chance: Random, whole: bytes, seeds: Sequence[bytes]) -> bytes:
    """Change one value, and the lengths of all that hold it."""
    known = _nodes(whole)
    if not known:
        return octets(chance, whole)
    at = chance.randrange(len(known))
    return _with(whole, known, at, _changed(chance, whole, known[at], seeds))


def _changed(chance: Random, whole: bytes, node: _Node, seeds: Sequence[bytes]) -> bytes:  # noqa: C901, PLR0911 (one deed a line)
    value, tag, content = whole[node.begin : node.end], whole[node.begin], whole[node.content : node.end]
    match chance.randrange(11):
        case 0:
            return b""
        case 1:
            return value + value
        case 2:
            return tlv(chance.choice(_TAGS), content)
        case 3:
            return tlv(tag, chance.choice(_CONTENTS))
        case 4:
            return tlv(tag, b"")
        case 5:
            return tlv(chance.choice((_SEQUENCE, 0x31, 0xA0, _OCTET_STRING)), value)
        case 6:
            return _nested(value, chance.choice((3, 30, 300, 1_000)))
        case 7:  # X.690 §8.1.3.6 indefinite, §10.1 longer than it must be, or a lie
            length = chance.choice((b"\x80", b"\x81" + bytes([len(content) % 128]), b"\x84" + len(content).to_bytes(4), b"\x7f"))
            return bytes([tag]) + length + content + (b"\x00\x00" if length == b"\x80" else b"")
        case 8:
            other = chance.choice(seeds)
            foreign = _nodes(other)
            return other[(taken := chance.choice(foreign)).begin : taken.end] if foreign else b""
        case 9:
            return tlv(tag, octets(chance, content))
        case _:
            return tlv(tag, content + chance.randbytes(chance.randrange(1, 4)))


def _nested(value: bytes, depth: int) -> bytes:
    """Return a value in as many others: readers that call themselves must stop somewhere."""
    for _ in range(depth):
        value = tlv(_SEQUENCE, value)
    return value


def _with(whole: bytes, known: tuple[_Node, ...], at: int, value: bytes) -> bytes:
    """Return the whole with another value at a node."""
    node = known[at]
    while node.parent >= 0:
        holder = known[node.parent]
        value = tlv(whole[holder.begin], whole[holder.content : node.begin] + value + whole[node.end : holder.end])
        node = holder
    return value


@lru_cache(maxsize=512)
def _nodes(whole: bytes) -> tuple[_Node, ...]:
    """Return all values in DER, also those inside of octet and bit strings; nothing when it is none."""
    found: list[_Node] = []
    try:
        _collect(whole, 0, len(whole), -1, found)
    except (ValueError, RecursionError):
        return ()
    return tuple(found)


def _collect(whole: bytes, at: int, end: int, parent: int, found: list[_Node]) -> None:
    while at < end:
        node = _node(whole, at, end, parent)
        found.append(node)
        tag, own = whole[at], len(found) - 1
        if tag & _CONSTRUCTED:
            _collect(whole, node.content, node.end, own, found)
        elif tag in (_OCTET_STRING, _BIT_STRING):
            known = len(found)
            try:
                _collect(whole, node.content + (tag == _BIT_STRING), node.end, own, found)
            except ValueError:
                del found[known:]
        at = node.end


def _node(whole: bytes, at: int, end: int, parent: int) -> _Node:
    if at + 2 > end or whole[at] & _HIGH_TAG == _HIGH_TAG:
        raise ValueError("no value")
    length, content = whole[at + 1], at + 2
    if length >= _LONG_FORM:
        count = length - _LONG_FORM
        if not 0 < count <= 4:
            raise ValueError("no length")
        length, content = int.from_bytes(whole[content : content + count]), content + count
    if content + length > end:
        raise ValueError("cut off")
    return _Node(at, content, content + length, parent)


def _length(length: int) -> bytes:
    if length < _LONG_FORM:
        return bytes([length])
    octets_of_it = length.to_bytes((length.bit_length() + 7) // 8)
    return bytes([_LONG_FORM | len(octets_of_it)]) + octets_of_it
