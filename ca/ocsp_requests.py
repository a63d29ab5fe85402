"""Reading OCSP requests (RFC 6960 §4.1) from the network, strictly: DER only, no octet unaccounted for.

Our own reader because it is asked tens of thousands of times a second and must keep each CertID's octets, which the
answer repeats as they came. It builds nothing it does not need; tests compare it with asn1crypto over mutated requests.
"""

from typing import NamedTuple

LARGEST_REQUEST = 16_384  # octets; one CertID takes about 80
MOST_CERTIFICATES = 100
LONGEST_NONCE = 128  # RFC 9654 §2.1
LONGEST_SERIAL = 20  # RFC 5280 §4.1.2.2
NONCE = bytes.fromhex("2b0601050507300102")  # the object identifier's octets

_INTEGER, _OCTET_STRING, _NULL, _OID, _BOOLEAN, _SEQUENCE = 0x02, 0x04, 0x05, 0x06, 0x01, 0x30
_CONTEXT_0, _CONTEXT_1, _CONTEXT_2 = 0xA0, 0xA1, 0xA2
_SHORT_FORM, _MOST_LENGTH_OCTETS = 0x80, 2  # X.690 §8.1.3; LARGEST_REQUEST needs no more
_TRUE = b"\xff"  # X.690 §11.1
_ALGORITHMS = {bytes.fromhex("2b0e03021a"): "sha1", bytes.fromhex("608648016503040201"): "sha256"}
# We answer with a basic response, which every client that may list what it accepts must list (RFC 6960 §4.4.3).
_ACCEPTABLE_RESPONSES = bytes.fromhex("2b0601050507300104")


class Malformed(Exception):
    """What came is no request that could be answered (RFC 6960 §2.3)."""


class CertId(NamedTuple):
    """The name of one certificate: `der` as it came, the hash algorithm (None: not one of ours), the serial number."""

    der: bytes
    algorithm: str | None
    name_hash: bytes
    key_hash: bytes
    serial: int


class Asked(NamedTuple):
    """A request: what it asks for, and its nonce's octets."""

    cert_ids: tuple[CertId, ...]
    nonce: bytes | None


class _Reader:
    """Walks the elements of one constructed value."""

    __slots__ = ("_at", "_end", "_octets")

    def __init__(self, octets: bytes, at: int, end: int) -> None:
        self._octets, self._at, self._end = octets, at, end

    def next_is(self, tag: int) -> bool:
        """Return whether another element follows, with this tag."""
        return self._at < self._end and self._octets[self._at] == tag

    @property
    def more(self) -> bool:
        """Whether anything follows."""
        return self._at < self._end

    def value(self, tag: int) -> bytes:
        """Take the next element's content."""
        begin, end = self._take(tag)
        return self._octets[begin:end]

    def inside(self, tag: int) -> "_Reader":
        """Take the next element and return a reader of what is in it."""
        begin, end = self._take(tag)
        return _Reader(self._octets, begin, end)

    def whole(self, tag: int) -> tuple[bytes, "_Reader"]:
        """Take the next element; return its octets with tag and length, and a reader of what is in it."""
        first = self._at
        begin, end = self._take(tag)
        return self._octets[first:end], _Reader(self._octets, begin, end)

    def finish(self) -> None:
        """Raise Malformed when anything is left."""
        if self._at != self._end:
            raise Malformed("octets left over")

    def _take(self, tag: int) -> tuple[int, int]:
        octets, at, end = self._octets, self._at, self._end
        if at + 2 > end or octets[at] != tag:
            raise Malformed(f"no element with tag {tag:#04x} where one must be")
        length = octets[at + 1]
        at += 2
        if length >= _SHORT_FORM:
            count = length - _SHORT_FORM
            length = int.from_bytes(octets[at : at + count])
            at += count
            # X.690 §10.1: definite, and as short as possible.
            if not 0 < count <= _MOST_LENGTH_OCTETS or length < (_SHORT_FORM if count == 1 else 0x100):
                raise Malformed("length")
        if at + length > end:
            raise Malformed("shorter than it says")
        self._at = at + length
        return at, at + length


def read(request: bytes) -> Asked:
    """Return what a request asks for; raises Malformed and nothing else."""
    if not 0 < len(request) <= LARGEST_REQUEST:
        raise Malformed("size")
    outer = _Reader(request, 0, len(request))
    message = outer.inside(_SEQUENCE)
    outer.finish()
    tbs = message.inside(_SEQUENCE)
    if message.next_is(_CONTEXT_0):
        _signature(message.inside(_CONTEXT_0))
    message.finish()
    return _tbs_request(tbs)


def _tbs_request(tbs: _Reader) -> Asked:
    if tbs.next_is(_CONTEXT_0):
        version = tbs.inside(_CONTEXT_0)
        if version.value(_INTEGER) != b"\x00":
            raise Malformed("version")
        version.finish()
    if tbs.next_is(_CONTEXT_1):
        tbs.value(_CONTEXT_1)  # requestorName: whoever asks gets the same answer
    requests = tbs.inside(_SEQUENCE)
    cert_ids = []
    while requests.more:
        cert_ids.append(_request(requests.inside(_SEQUENCE)))
        if len(cert_ids) > MOST_CERTIFICATES:
            raise Malformed("too many certificates")
    if not cert_ids:
        raise Malformed("no certificate")
    nonce = _extensions(tbs.inside(_CONTEXT_2)) if tbs.next_is(_CONTEXT_2) else None
    tbs.finish()
    return Asked(tuple(cert_ids), nonce)


def _request(request: _Reader) -> CertId:
    der, fields = request.whole(_SEQUENCE)
    algorithm = fields.inside(_SEQUENCE)
    oid = algorithm.value(_OID)
    if not _is_oid(oid):
        raise Malformed("object identifier")
    if algorithm.more and algorithm.value(_NULL):
        raise Malformed("parameters")
    algorithm.finish()
    name_hash, key_hash = fields.value(_OCTET_STRING), fields.value(_OCTET_STRING)
    serial = fields.value(_INTEGER)
    fields.finish()
    if not serial or (len(serial) > 1 and serial[:1] in b"\x00\xff" and (serial[0] ^ serial[1]) < _SHORT_FORM):
        raise Malformed("serial number")  # X.690 §8.3.2: nine equal leading bits are one octet too many
    if request.next_is(_CONTEXT_0):
        _extensions(request.inside(_CONTEXT_0))
    request.finish()
    return CertId(der, _ALGORITHMS.get(oid), name_hash, key_hash, int.from_bytes(serial, signed=True))


def _extensions(explicit: _Reader) -> bytes | None:
    """Return the nonce; any other extension may be there unless it is critical."""
    extensions = explicit.inside(_SEQUENCE)
    explicit.finish()
    nonce = None
    while extensions.more:
        extension = extensions.inside(_SEQUENCE)
        oid = extension.value(_OID)
        critical = extension.next_is(_BOOLEAN) and extension.value(_BOOLEAN)
        value = extension.value(_OCTET_STRING)
        extension.finish()
        if critical not in (False, _TRUE, b"\x00") or not _is_oid(oid):
            raise Malformed("extension")
        if oid == NONCE:
            if nonce is not None:
                raise Malformed("two nonces")
            nonce = _nonce(value)
        elif critical == _TRUE and oid != _ACCEPTABLE_RESPONSES:
            raise Malformed("unknown critical extension")
    return nonce


def _nonce(value: bytes) -> bytes:
    """RFC 9654 §2.1: an OCTET STRING of 1 to 128 octets."""
    reader = _Reader(value, 0, len(value))
    nonce = reader.value(_OCTET_STRING)
    reader.finish()
    if not 0 < len(nonce) <= LONGEST_NONCE:
        raise Malformed("nonce length")
    return nonce


def _signature(explicit: _Reader) -> None:
    """Pass over a requestor's signature: it changes nothing, but it must be one."""
    signature = explicit.inside(_SEQUENCE)
    explicit.finish()
    signature.value(_SEQUENCE)
    signature.value(0x03)
    if signature.next_is(_CONTEXT_0):
        signature.value(_CONTEXT_0)
    signature.finish()


def _is_oid(content: bytes) -> bool:
    """X.690 §8.19: the last octet ends an arc, and no arc begins with padding."""
    if not content or content[-1] >= _SHORT_FORM or content[0] == _SHORT_FORM:
        return False
    return not any(
        octet == _SHORT_FORM and content[at] < _SHORT_FORM for at, octet in enumerate(content[1:])
    )  # fmt: skip
