"""A walk through DER (X.690 §10, §11) that lets nothing pass that could be written in another way."""

_BOOLEAN, _INTEGER, _BIT_STRING, _NULL, _OID, _ENUMERATED, _UTF8 = 0x01, 0x02, 0x03, 0x05, 0x06, 0x0A, 0x0C
_CONSTRUCTED, _LONG_FORM, _HIGH_TAG = 0x20, 0x80, 0x1F
_UNIVERSAL_STRUCTURES = (0x30, 0x31)
# A certificate goes to eleven; without a limit, 16 KiB of nothing but lengths would go to thousands.
DEEPEST = 40


def require_der(octets: bytes) -> None:
    """Raise ValueError unless this is one value in DER: lengths, booleans, integers, unused bits."""
    if _walked(octets, 0, len(octets)) != len(octets):
        raise ValueError("octets follow the value")


def parts(octets: bytes) -> list[bytes]:
    """Return the values inside one constructed value; raises ValueError for what is not exactly that."""
    begin, end = _bounds(octets, 0, len(octets))
    if end != len(octets) or not octets[0] & _CONSTRUCTED:
        raise ValueError("it is not one constructed value")
    found = []
    while begin < end:
        _, after = _bounds(octets, begin, end)
        found.append(octets[begin:after])
        begin = after
    return found


def _walked(octets: bytes, at: int, limit: int, depth: int = 0) -> int:
    """Check the value that begins at `at`, and all inside it; return where it ends."""
    if depth > DEEPEST:
        raise ValueError("values inside of values without end")
    begin, end = _bounds(octets, at, limit)
    tag = octets[at]
    if tag & _CONSTRUCTED:
        if not tag & 0xC0 and tag not in _UNIVERSAL_STRUCTURES:
            raise ValueError("a string in pieces (§10.2)")
        while begin < end:
            begin = _walked(octets, begin, end, depth + 1)
        return end
    _require_content(tag, octets[begin:end])
    return end


def _require_content(tag: int, content: bytes) -> None:
    if tag == _BOOLEAN and content not in (b"\x00", b"\xff"):
        raise ValueError("a boolean that is neither 00 nor FF (§11.1)")
    if tag in (_INTEGER, _ENUMERATED):
        padded = len(content) > 1 and (content[0] == 0) == (content[1] < _LONG_FORM) and content[0] in (0, 0xFF)
        if not content or padded:
            raise ValueError("an integer that could be shorter (§8.3.2)")
    if tag == _BIT_STRING and (not content or content[0] >= 8 or (content[0] and content[-1] & ((1 << content[0]) - 1))):  # noqa: PLR2004 (bits in an octet)
        raise ValueError("a bit string whose unused bits are not zero (§11.2.1)")
    if tag == _NULL and content:
        raise ValueError("a null that is something (§8.8.2)")
    if tag == _OID and (not content or content[-1] >= _LONG_FORM or content[0] == _LONG_FORM):
        raise ValueError("an object identifier that does not end, or begins with nothing (§8.19.2)")
    if tag == _UTF8:
        content.decode("utf-8")  # UnicodeDecodeError is a ValueError


def _bounds(octets: bytes, at: int, limit: int) -> tuple[int, int]:
    """Return where a value's content begins and ends."""
    if at + 2 > limit or octets[at] & _HIGH_TAG == _HIGH_TAG:
        raise ValueError("a value is cut off, or has a tag that X.509 has not")
    length, begin = octets[at + 1], at + 2
    if length >= _LONG_FORM:
        count = length - _LONG_FORM
        length, begin = int.from_bytes(octets[begin : begin + count], "big"), begin + count
        if count == 0 or length < _LONG_FORM or length.bit_length() <= 8 * (count - 1):
            raise ValueError("a length that could be shorter (§10.1)")
    if begin + length > limit:
        raise ValueError("a value is cut off")
    return begin, begin + length
