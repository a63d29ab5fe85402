"""A CMP message (RFC 9810 §5.1) as it comes: its header read, its body and what is protected kept octet by octet.

Nothing that somebody signed is encoded again: the protected part is the octets that came. Nesting is refused by its tag
before anything inside is looked at, and pyasn1 goes a hundred levels deep at most.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import IntEnum

from pyasn1.codec.der import decoder
from pyasn1.error import PyAsn1Error
from pyasn1.type.base import Asn1Item
from pyasn1_alt_modules import rfc9810

from ca.der import BIT_STRING, SEQUENCE, content, elements, tlv
from enrollment.protocols.cmp.failures import LARGEST, FailInfo, Fault, NotCmp

# RFC 9483 §3.1: cmp2000, and cmp2021 where its syntax is needed.
VERSIONS = (2, 3)
_EXPLICIT_0, _EXPLICIT_1, _DIRECTORY_NAME = 0xA0, 0xA1, 0xA4
_TAG_NUMBER, _CLASS_AND_FORM = 0x1F, 0xE0
_BODY_KINDS = 27


class Kind(IntEnum):
    """The bodies that an end entity sends, and those that we answer with, by their tags (RFC 9810 §5.1.2)."""

    IR = 0
    IP = 1
    CR = 2
    CP = 3
    P10CR = 4
    KUR = 7
    KUP = 8
    RR = 11
    RP = 12
    PKICONF = 19
    NESTED = 20
    GENM = 21
    GENP = 22
    ERROR = 23
    CERT_CONF = 24
    POLL_REQ = 25
    POLL_REP = 26


REQUESTS_OF_CERTIFICATES = {Kind.IR: Kind.IP, Kind.CR: Kind.CP, Kind.P10CR: Kind.CP, Kind.KUR: Kind.KUP}
FROM_END_ENTITIES = {*REQUESTS_OF_CERTIFICATES, Kind.RR, Kind.GENM, Kind.ERROR, Kind.CERT_CONF, Kind.POLL_REQ}


@dataclass(frozen=True)
class Algorithm:
    """An AlgorithmIdentifier: its object identifier, and its parameters in DER (None: absent)."""

    oid: str
    parameters: bytes | None


@dataclass(frozen=True)
class Information:
    """An InfoTypeAndValue; `value` in DER, None where it is absent or NULL."""

    oid: str
    value: bytes | None


@dataclass(frozen=True)
class Header:
    """A PKIHeader (RFC 9810 §5.1.1). `sender` is a GeneralName in DER."""

    version: int
    sender: bytes
    time: datetime | None
    algorithm: Algorithm | None
    sender_key: bytes | None = field(repr=False)
    transaction: bytes | None
    sender_nonce: bytes | None
    recipient_nonce: bytes | None
    general: tuple[Information, ...]


@dataclass(frozen=True)
class Message:
    """A message. `body` is what stands inside its tag; `protected_part` is what protection covers (RFC 9810 §5.1.3)."""

    header: Header
    tag: int
    body: bytes = field(repr=False)
    protected_part: bytes = field(repr=False)
    protection: bytes | None = field(repr=False)
    extra_certificates: tuple[bytes, ...] = field(repr=False)

    @property
    def kind(self) -> Kind:
        """What it asks for; raises Fault for what no end entity asks."""
        if self.tag == Kind.NESTED:
            raise Fault(FailInfo.BAD_REQUEST, "nested messages are not accepted")
        if self.tag not in FROM_END_ENTITIES:
            raise Fault(FailInfo.BAD_REQUEST, "messages of this kind are not accepted")
        return Kind(self.tag)


def read(octets: bytes) -> Message:
    """Read a message as far as every kind is alike; raises NotCmp."""
    if len(octets) > LARGEST:
        raise NotCmp("too long")
    try:
        header, body, *rest = elements(octets)
        if octets[0] != SEQUENCE or header[0] != SEQUENCE:
            raise NotCmp("not a PKIMessage")
        if body[0] & _CLASS_AND_FORM != _EXPLICIT_0 or body[0] & _TAG_NUMBER >= _BODY_KINDS:
            raise NotCmp("not a PKIBody")
        protection, certificates = _after_the_body(rest)
        return Message(
            header=_header(header),
            tag=body[0] & _TAG_NUMBER,
            body=content(body),
            protected_part=tlv(SEQUENCE, header + body),
            protection=protection,
            extra_certificates=certificates,
        )
    except (ValueError, IndexError) as error:
        raise NotCmp("not a PKIMessage") from error


def decoded(octets: bytes, specification: Asn1Item) -> Asn1Item:
    """Return a value by its specification; raises ValueError for what is not exactly that."""
    try:
        value, rest = decoder.decode(octets, asn1Spec=specification)
    except (PyAsn1Error, ValueError, IndexError, KeyError, OverflowError, TypeError) as error:
        raise ValueError("not of this form") from error
    if rest:
        raise ValueError("octets follow")
    return value


def general_name(name: bytes) -> bytes:
    """Return the GeneralName of a distinguished name (RFC 5280 §4.2.1.6: explicit, for Name is a CHOICE)."""
    return tlv(_DIRECTORY_NAME, name)


def optional(value: Asn1Item, name: str) -> Asn1Item | None:
    """Return a component, or None where it is absent."""
    # Not `value[name]`: that makes an absent one, and one whose parts are all optional would then be there.
    return value.getComponentByName(name, None, False)  # noqa: FBT003 (pyasn1's own parameters)


def algorithm_of(value: Asn1Item) -> Algorithm:
    """Return an AlgorithmIdentifier as a value of ours."""
    parameters = optional(value, "parameters")
    return Algorithm(str(value["algorithm"]), None if parameters is None else bytes(parameters))


def instant_of(time: Asn1Item) -> datetime:
    """Return a UTCTime or GeneralizedTime as an aware instant; raises ValueError."""
    try:
        instant: datetime = time.asDateTime
    except (PyAsn1Error, OverflowError, TypeError) as error:
        raise ValueError("not a time") from error
    return instant.replace(tzinfo=instant.tzinfo or UTC)


def information(value: Asn1Item) -> tuple[Information, ...]:
    """Return a list of InfoTypeAndValue. OpenSSL writes NULL where a value is to be absent."""
    found = ((str(one["infoType"]), optional(one, "infoValue")) for one in value)
    values = ((oid, None if any_ is None else bytes(any_)) for oid, any_ in found)
    return tuple(Information(oid, None if octets == b"\x05\x00" else octets) for oid, octets in values)


def _header(octets: bytes) -> Header:
    value = decoded(octets, rfc9810.PKIHeader())
    _, sender, *_ = elements(octets)
    algorithm, general, time = (optional(value, name) for name in ("protectionAlg", "generalInfo", "messageTime"))
    return Header(
        version=int(value["pvno"]),
        sender=sender,
        time=None if time is None else instant_of(time),
        algorithm=None if algorithm is None else algorithm_of(algorithm),
        sender_key=_octets(value, "senderKID"),
        transaction=_octets(value, "transactionID"),
        sender_nonce=_octets(value, "senderNonce"),
        recipient_nonce=_octets(value, "recipNonce"),
        general=() if general is None else information(general),
    )


def _octets(value: Asn1Item, name: str) -> bytes | None:
    component = optional(value, name)
    return None if component is None else bytes(component)


def _after_the_body(rest: list[bytes]) -> tuple[bytes | None, tuple[bytes, ...]]:
    protection: bytes | None = None
    certificates: tuple[bytes, ...] = ()
    if rest and rest[0][0] == _EXPLICIT_0:
        protection = _bits(content(rest.pop(0)))
    if rest and rest[0][0] == _EXPLICIT_1:
        certificates = tuple(elements(content(rest.pop(0))))
    if rest:
        raise NotCmp("more follows than a PKIMessage has")
    return protection, certificates


def _bits(octets: bytes) -> bytes:
    """Return the content of a BIT STRING of whole octets."""
    bits = content(octets)
    if octets[0] != BIT_STRING or bits[:1] != b"\x00":
        raise ValueError("not a BIT STRING of whole octets")
    return bits[1:]
