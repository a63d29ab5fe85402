"""The express lane of the status door: OCSP over HTTP/1.1, from a connection's octets to the answer's, without sockets.

It takes the plain form of a request, which is what OCSP clients send. Everything else (other paths, conditional requests,
chunked bodies, unusual or broken HTTP) is left to the door's app and its server, which is slower and knows all of HTTP.
"""

import re
import time
from base64 import b64decode
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from ca.ocsp import Responder
from ca.ocsp_answer import http_date
from ca.ocsp_requests import LARGEST_REQUEST, NONCE
from kernel.clock import Clock
from server import lane
from server.lane import END, LONGEST_HEAD, REMEMBERED, Next, remembered

_GET = re.compile(rb"GET /ocsp/([A-Za-z0-9+/=%]+) HTTP/1\.([01])")
_POST = re.compile(rb"POST /ocsp HTTP/1\.([01])")
_REMEMBERED_WHOLE = 20_000
# A look at the clock is shared for so long; the responder has a limit of its own for what it knows of the database.
_GLANCE = 0.003
_CLOSING = b"Connection: close\r\n"


class Fields(NamedTuple):
    """What a request's fields say; `length` is None when there is no body, `keep` when nothing is said of it."""

    length: int | None
    is_ocsp: bool
    keep: bool | None


class Ask(NamedTuple):
    """An OCSP request, where the octets after it begin, and whether the connection stays open."""

    der: bytes
    end: int
    keep: bool


class Post(NamedTuple):
    """What the head of a POST says: how many octets follow, and whether the connection stays open."""

    length: int
    keep: bool


@dataclass
class Express:
    """Reads requests off a connection's octets and answers them. For one thread."""

    responder: Responder
    clock: Clock

    def __post_init__(self) -> None:
        """Begin without memories."""
        self._fields: dict[bytes, Fields | None] = {}
        self._targets: dict[bytes, bytes] = {}
        self._posts: dict[bytes, Post] = {}
        self._seen: dict[bytes, Ask] = {}
        self._looked_at = float("-inf")

    def next(self, octets: bytes, at: int) -> Ask | Next:
        """Return the request that begins at a position, or what to do when there is none."""
        if not at and (seen := self._seen.get(octets)) is not None:
            return seen
        found = self._read(octets, at)
        # Who sends a nonce never sends the same octets twice.
        if isinstance(found, Ask) and not at and found.end == len(octets) and NONCE not in octets:
            if len(self._seen) >= _REMEMBERED_WHOLE:
                self._seen.clear()
            self._seen[octets] = found
        return found

    def _read(self, octets: bytes, at: int) -> Ask | Next:
        end = octets.find(END, at, at + LONGEST_HEAD)
        if end < 0:
            return lane.unfinished(octets[at : at + LONGEST_HEAD])
        end += len(END)
        head = octets[at:end]
        post = self._posts.get(head)
        if post is None:
            found = self._judged(head)
            if not isinstance(found, Post):
                return found if isinstance(found, Next) else found._replace(end=end)
            if len(self._posts) >= REMEMBERED:
                self._posts.clear()
            post = self._posts[head] = found
        if len(octets) < end + post.length:
            return Next.WAIT
        return Ask(octets[end : end + post.length], end + post.length, post.keep)

    def _judged(self, head: bytes) -> Ask | Post | Next:
        line, _, block = head.removesuffix(END).partition(b"\r\n")
        fields = remembered(self._fields, block, read_fields)
        if fields is None:
            return Next.APP
        if match := _GET.fullmatch(line):
            if fields.length is not None:
                return Next.APP
            return Ask(remembered(self._targets, match[1], decoded), 0, _keeps(fields, match[2]))
        match = _POST.fullmatch(line)
        if match is None or not fields.is_ocsp or fields.length is None or fields.length > LARGEST_REQUEST:
            return Next.APP
        return Post(fields.length, _keeps(fields, match[1]))

    def answer(self, der: bytes, *, keep: bool) -> bytes:
        """Return the whole HTTP response; it says when the connection does not stay open."""
        begin = time.monotonic()
        if begin - self._looked_at > _GLANCE:
            self._now, self._looked_at = self.clock.now(), begin
            self._head = f"HTTP/1.1 200 OK\r\nDate: {http_date(self._now)}\r\n".encode("ascii")
        message = self.responder.answer(der, self._now).message
        return self._head + message if keep else self._head + _CLOSING + message


def read_fields(block: bytes) -> Fields | None:
    """Read the lines between the request line and the empty line; None when the app shall judge them."""
    named = lane.read_fields(block)
    if named is None:
        return None
    length = named.get(b"content-length")
    return Fields(
        None if length is None else int(length),
        named.get(b"content-type", b"").lower() == b"application/ocsp-request",
        lane.keeps(named),
    )


def decoded(target: bytes) -> bytes:
    """Return the request that stands in the path of a GET (RFC 6960 appendix A.1); empty when none does."""
    try:
        return b64decode(unquote_to_bytes(target), validate=True)
    except ValueError:
        return b""


def _keeps(fields: Fields, minor: bytes) -> bool:
    """RFC 9112 §9.3: HTTP/1.1 stays unless told otherwise, HTTP/1.0 ends."""
    return minor == b"1" if fields.keep is None else fields.keep
