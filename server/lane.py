"""What all express lanes share: the head of a plain request, read from a connection's octets, and what is answered to it.

A lane answers the plain form of one kind of request before any app is asked. Whatever is unusual in a head (chunks, conditions,
a field that stands there twice, what is no HTTP) is for the door's app and its server, which know all of HTTP.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from typing import NamedTuple, Protocol, TypeVar

LONGEST_HEAD = 8_192  # octets of request line and fields
END = b"\r\n\r\n"
# RFC 9112 §5: a name, a colon without space before it, printable octets.
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*((?:[!-~\x80-\xff](?:[ \t!-~\x80-\xff]*[!-~\x80-\xff])?)?)[ \t]*")
_BARE_LINE_FEED = re.compile(rb"(?<!\r)\n")
_LENGTH = re.compile(rb"[0-9]{1,6}")
# What makes a request one for the app: it would change the answer, or how the request is read.
_UNUSUAL = {b"transfer-encoding", b"expect", b"upgrade", b"range", b"te", b"trailer"}
ONCE = frozenset({b"host", b"content-length", b"content-type", b"connection"})
REMEMBERED = 1_000
_Read = TypeVar("_Read")


class Next(Enum):
    """What is to be done with octets that hold no request for the lane."""

    WAIT = "more must come"
    APP = "the app answers"
    REFUSE = "no HTTP"


class Asked(NamedTuple):
    """A request for a lane that answers many at once: its body, where the octets after it begin, and who sent it.

    `forwarded` is what its proxies say of that; `keep` is whether the connection stays open.
    """

    body: bytes
    end: int
    keep: bool
    forwarded: str


class Answer(NamedTuple):
    """What is answered to a request: the fields and the body as they are sent, and what the access log tells."""

    status: str
    fields: str
    body: bytes
    address: str


class Lane(Protocol):
    """A lane that answers many at once."""

    @property
    def method(self) -> str:
        """The method of its requests."""

    @property
    def path(self) -> str:
        """The path of its requests."""

    def next(self, octets: bytes) -> Asked | Next:
        """Return the request with which a connection's octets begin, or what to do when there is none."""

    def answer_all(self, asked: Sequence[tuple[Asked, str]]) -> Sequence[Answer | None]:
        """Answer requests, each with its neighbour's address; None for each that the app is to be asked."""


def read_fields(block: bytes, once: frozenset[bytes] = ONCE) -> dict[bytes, bytes] | None:
    """Return the fields between the request line and the empty line; None when the app shall judge them.

    Of a field that stands there twice, the last one is told; those of `once` may not.
    """
    named: dict[bytes, bytes] = {}
    for line in block.split(b"\r\n") if block else ():
        match = _FIELD.fullmatch(line)
        if match is None:
            return None
        name = match[1].lower()
        if name in _UNUSUAL or name.startswith(b"if-") or (name in once and name in named):
            return None
        named[name] = match[2]
    length = named.get(b"content-length")
    is_usual = named.get(b"connection", b"").lower() in (b"", b"close", b"keep-alive")
    return named if is_usual and (length is None or _LENGTH.fullmatch(length)) else None


def keeps(named: Mapping[bytes, bytes]) -> bool | None:
    """Return whether a connection stays open by its fields; None when they say nothing of it."""
    connection = named.get(b"connection", b"").lower()
    return connection == b"keep-alive" if connection else None


def remembered(memory: dict[bytes, _Read], key: bytes, read: Callable[[bytes], _Read]) -> _Read:
    """Clients repeat themselves: what was read of the same octets is not read again."""
    if key not in memory:
        if len(memory) >= REMEMBERED:
            memory.clear()
        memory[key] = read(key)
    return memory[key]


def unfinished(octets: bytes) -> Next:
    """Judge a head that has not ended."""
    if len(octets) >= LONGEST_HEAD or not octets[:1].isalpha() or _BARE_LINE_FEED.search(octets):
        return Next.REFUSE
    return Next.WAIT
