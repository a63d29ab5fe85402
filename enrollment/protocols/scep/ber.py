"""BER (X.690 §8) made definite: what old clients write becomes what parsers of DER read.

Lengths become definite and as short as can be, strings that were sent in pieces become whole. What was DER stays
as it was, octet for octet; the order of sets is left alone, because signatures are over what was sent.
"""

from ca.der import SEQUENCE, elements, tlv

# A PKCS#7 message with certificates inside is some twelve deep.
DEEPEST = 32
_CONSTRUCTED, _TAG_NUMBER, _LONG_TAG = 0x20, 0x1F, 0x1F
_INDEFINITE, _LONG_FORM = 0x80, 0x80
_LONGEST_LENGTH = 4  # octets
_END_OF_CONTENTS = b"\x00\x00"
_BIT_STRING, _OCTET_STRING = 0x03, 0x04
_CONTENT = 0xA0  # [0], constructed
_ENCRYPTED_CONTENT = [0x06, SEQUENCE, _CONTENT]
# The string types of X.690 §8.21 and octet strings: constructed, they are pieces of one.
_STRINGS = {_OCTET_STRING, 0x0C, *range(0x12, 0x17), *range(0x19, 0x1D), 0x1E}


def definite(encoded: bytes) -> bytes:
    """Return one element in definite form; raises ValueError for what is no BER, is cut off, nested too deep or not alone."""
    element, end = _element(memoryview(encoded), 0, len(encoded), DEEPEST)
    if end != len(encoded):
        raise ValueError("octets after the end")
    return element


def _element(octets: memoryview, start: int, end: int, depth: int) -> tuple[bytes, int]:
    """Return the element that begins at `start`, and where the next one begins."""
    if depth == 0:
        raise ValueError("nested too deep")
    if end - start < len(_END_OF_CONTENTS):
        raise ValueError("an element is cut off")
    tag = octets[start]
    if tag & _TAG_NUMBER == _LONG_TAG:
        raise ValueError("a tag that no message here has")
    length, content = _length(octets, start + 1, end)
    if not tag & _CONSTRUCTED:
        if length is None:
            raise ValueError("a primitive element without a length")
        return tlv(tag, bytes(octets[content : content + length])), content + length
    parts, after = _parts(octets, content, end if length is None else content + length, depth, is_open=length is None)
    if tag ^ _CONSTRUCTED == _BIT_STRING:
        return tlv(_BIT_STRING, _joined_bits(parts)), after
    if tag ^ _CONSTRUCTED in _STRINGS:
        return tlv(tag ^ _CONSTRUCTED, _joined(parts, tag ^ _CONSTRUCTED)), after
    return tlv(tag, b"".join(_whole(parts) if tag == SEQUENCE else parts)), after


def _whole(parts: list[bytes]) -> list[bytes]:
    """Return the elements of a sequence; where it is an EncryptedContentInfo (RFC 5652 §6.1), with its content in one piece.

    That content is an implicitly tagged octet string, so only its surroundings say that its pieces are strings.
    """
    if [part[0] for part in parts] != _ENCRYPTED_CONTENT:
        return parts
    pieces = list(elements(parts[2]))
    if any(piece[0] != _OCTET_STRING for piece in pieces):
        return parts
    return [*parts[:2], tlv(_CONTENT ^ _CONSTRUCTED, _joined(pieces, _OCTET_STRING))]


def _parts(octets: memoryview, position: int, end: int, depth: int, *, is_open: bool) -> tuple[list[bytes], int]:
    """Return the elements inside one, and where the next one begins after it."""
    parts: list[bytes] = []
    while True:
        if is_open and octets[position : position + 2] == _END_OF_CONTENTS:
            return parts, position + 2
        if not is_open and position == end:
            return parts, position
        part, position = _element(octets, position, end, depth - 1)
        parts.append(part)


def _length(octets: memoryview, position: int, end: int) -> tuple[int | None, int]:
    """Return a length (None: until the end-of-contents octets) and where the content begins."""
    first = octets[position]
    start = position + 1
    if first == _INDEFINITE:
        return None, start
    length = first
    if first & _LONG_FORM:
        count = first ^ _LONG_FORM
        start += count
        if count > _LONGEST_LENGTH or start > end:
            raise ValueError("a length that no message here has")
        length = int.from_bytes(octets[position + 1 : start], "big")
    if length > end - start:
        raise ValueError("an element is cut off")
    return length, start


def _content(part: bytes, tag: int) -> bytes:
    if part[0] != tag:
        raise ValueError("a string with a piece of another type")
    first = part[1]
    return part[2:] if first < _LONG_FORM else part[2 + (first ^ _LONG_FORM) :]


def _joined(parts: list[bytes], tag: int) -> bytes:
    """X.690 §8.7.3.2: pieces of octet strings are octet strings, and so are those of character strings."""
    return b"".join(_content(part, _OCTET_STRING if part[0] == _OCTET_STRING else tag) for part in parts)


def _joined_bits(parts: list[bytes]) -> bytes:
    """X.690 §8.6.4: only the last piece may have unused bits."""
    contents = [_content(part, _BIT_STRING) for part in parts]
    if any(content[:1] != b"\x00" for content in contents[:-1]):
        raise ValueError("unused bits within a bit string")
    return (contents[-1][:1] if contents else b"\x00") + b"".join(content[1:] for content in contents)
