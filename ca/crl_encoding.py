"""The DER of certificate revocation lists (RFC 5280 §5): entries that are encoded once, and the frame around them.

An entry is made when its certificate is revoked. A list is its frame with the stored entries in between, to the octet
what pyca's builder would make; nothing that was encoded is encoded again.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache

from cryptography import x509

from ca.der import BIT_STRING, BOOLEAN, GENERALIZED_TIME, OCTET_STRING, SEQUENCE, integer, oid, time, tlv
from ca.issuers import Issuer

# What `list_name` makes.
LIST_NAME = re.compile(r"(?P<issuer>[A-Za-z0-9_-]+)(\.(?P<partition>[1-9][0-9]{0,8}))?(?P<delta>\.delta)?")
REMOVE_FROM_CRL = "removeFromCRL"
# RFC 5280 §5.3.1. `unspecified` is left out rather than written.
_REASON_NUMBERS = {
    "keyCompromise": 1,
    "cACompromise": 2,
    "affiliationChanged": 3,
    "superseded": 4,
    "cessationOfOperation": 5,
    "certificateHold": 6,
    REMOVE_FROM_CRL: 8,
    "privilegeWithdrawn": 9,
    "aACompromise": 10,
}
_ENUMERATED, _EXTENSIONS = 0x0A, 0xA0
_TRUE = tlv(BOOLEAN, b"\xff")
_VERSION_2 = integer(1)

Extension = tuple[x509.ExtensionType, bool]


def list_name(issuer: str, partition: int = 0, *, delta: bool = False) -> str:
    """Return how a list is called in files and addresses: `issuing-1`, `issuing-1.7`, `issuing-1.7.delta`."""
    return issuer + (f".{partition}" if partition else "") + (".delta" if delta else "")


def entry(serial: int, at: datetime, reason: str | None, invalid_since: datetime | None = None) -> bytes:
    """Return the DER of one entry; `reason` is RFC 5280's name, `invalid_since` becomes invalidityDate (§5.3.2)."""
    extensions = b""
    if reason is not None and reason != "unspecified":
        extensions += _extension(x509.CRLReason.oid, tlv(_ENUMERATED, bytes((_REASON_NUMBERS[reason],))))
    if invalid_since is not None:
        extensions += _extension(
            x509.InvalidityDate.oid, tlv(GENERALIZED_TIME, f"{invalid_since.astimezone(UTC):%Y%m%d%H%M%SZ}".encode("ascii"))
        )
    return tlv(SEQUENCE, integer(serial) + time(at.astimezone(UTC)) + (tlv(SEQUENCE, extensions) if extensions else b""))


@dataclass(frozen=True)
class Frame:
    """What stands around the entries of a TBSCertList: the fields before them, the extensions after them."""

    before: bytes
    after: bytes

    def head(self, entries_length: int) -> bytes:
        """Return all octets before the first entry; the field of entries is absent when there is none (§5.1.2.6)."""
        entries_header = header(SEQUENCE, entries_length) if entries_length else b""
        length = len(self.before) + len(entries_header) + entries_length + len(self.after)
        return header(SEQUENCE, length) + self.before + entries_header


# Around entries that are only to be read.
_ECDSA = bytes.fromhex("300a06082a8648ce3d040302")
_EXCERPT = Frame(_VERSION_2 + _ECDSA + tlv(SEQUENCE, b"") + time(datetime(2026, 1, 1, tzinfo=UTC)), b"")
_UNSIGNED = _ECDSA + tlv(BIT_STRING, b"\x00")


def frame(issuer: Issuer, this_update: datetime, next_update: datetime, extensions: Iterable[Extension]) -> Frame:
    """Return the frame of a list; an extension comes with whether it is critical."""
    before = _VERSION_2 + issuer.algorithm.identifier + issuer.subject_der + time(this_update) + time(next_update)
    encoded = b"".join(_extension(value.oid, value.public_bytes(), critical=critical) for value, critical in extensions)
    return Frame(before, tlv(_EXTENSIONS, tlv(SEQUENCE, encoded)))


def require_entries(octets: bytes | memoryview, count: int) -> None:
    """Read entries with pyca's parser, as those of a small list of their own; raises ValueError unless they are `count`."""
    head = _EXCERPT.head(len(octets))
    excerpt = b"".join((header(SEQUENCE, len(head) + len(octets) + len(_UNSIGNED)), head, octets, _UNSIGNED))
    read = len(x509.load_der_x509_crl(excerpt))
    if read != count:
        message = f"{read} entries stand where {count} were meant"
        raise ValueError(message)


def header(tag: int, length: int) -> bytes:
    """Return tag and length of a value that is written elsewhere (X.690 §10.1)."""
    if length < 0x80:  # noqa: PLR2004 (X.690 §8.1.3.4: the short form)
        return bytes((tag, length))
    octets = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(octets))) + octets


def _extension(oid: x509.ObjectIdentifier, value: bytes, *, critical: bool = False) -> bytes:
    return tlv(SEQUENCE, _oid(oid.dotted_string) + (_TRUE if critical else b"") + tlv(OCTET_STRING, value))


@cache
def _oid(dotted: str) -> bytes:
    return oid(dotted)
