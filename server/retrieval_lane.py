"""The retrieval door's lane: the usual `POST /api/v1/retrievals`, from a connection's octets to the answer, without sockets.

Usual is HTTP/1.1 with a JSON body of a length that is said, answered in JSON. Whatever else comes, and whoever does not get a new
certificate, is left to the door's app.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from enrollment.protocols.json_bodies import JSON, LARGEST_BODY
from enrollment.protocols.usual_retrievals import STATUS, Sent, UsualRetrievals
from server import lane
from server.lane import END, LONGEST_HEAD, Answer, Asked, Next, remembered
from server.proxies import visitor
from server.settings import Network

_HOST = re.compile(rb"[A-Za-z0-9.:\[\]-]+")
_JSON = re.compile(rb"application/json(?:[ \t]*;[ \t]*charset=utf-8)?", re.IGNORECASE)
_ACCEPTED = (b"", b"*/*", JSON.encode("ascii"))
_ONCE = lane.ONCE | {b"accept", b"x-forwarded-for"}
_MOST_FIELDS = 64  # the door's app is told of no more
_FORWARDED = b"x-forwarded-for"


class Head(NamedTuple):
    """What the head of a usual request says: how many octets follow, whether the connection stays, for whom it was forwarded."""

    length: int
    keep: bool
    forwarded: str


@dataclass(frozen=True)
class RetrievalLane:
    """Reads usual requests and answers them, many at once; `proxies` are those whose word counts about addresses."""

    usual: UsualRetrievals
    proxies: tuple[Network, ...] = ()
    method: str = "POST"
    path: str = "/api/v1/retrievals"
    _heads: dict[bytes, Head | None] = field(default_factory=dict, repr=False)

    def next(self, octets: bytes) -> Asked | Next:
        """Return the request with which a connection's octets begin, or what to do when there is none."""
        end = octets.find(END, 0, LONGEST_HEAD)
        if end < 0:
            # What is no HTTP, or has a longer head, is the app's as well: it refuses by its own rules.
            return Next.WAIT if lane.unfinished(octets) is Next.WAIT else Next.APP
        end += len(END)
        head = remembered(self._heads, octets[:end], self._read)
        if head is None:
            return Next.APP
        if len(octets) < end + head.length:
            return Next.WAIT
        return Asked(octets[end : end + head.length], end + head.length, head.keep, head.forwarded)

    def answer_all(self, asked: Sequence[tuple[Asked, str]]) -> list[Answer | None]:
        """Answer requests, each with its neighbour's address; None for each that the app is to be asked."""
        addresses = [visitor(neighbour, one.forwarded, self.proxies) for one, neighbour in asked]
        sent = [Sent(one.body, address) for (one, _), address in zip(asked, addresses, strict=True)]
        bodies = self.usual.answers(sent)
        return [_answer(body, address) if body else None for body, address in zip(bodies, addresses, strict=True)]

    def _read(self, octets: bytes) -> Head | None:
        """Read a head; None when it is not a usual one."""
        line, _, block = octets.removesuffix(END).partition(b"\r\n")
        if line != f"{self.method} {self.path} HTTP/1.1".encode("ascii") or block.count(b"\r\n") >= _MOST_FIELDS:
            return None
        named = lane.read_fields(block, _ONCE)
        if named is None or not _is_usual(named):
            return None
        return Head(int(named[b"content-length"]), lane.keeps(named) is not False, named.get(_FORWARDED, b"").decode("latin-1"))


def _is_usual(named: dict[bytes, bytes]) -> bool:
    return (
        _HOST.fullmatch(named.get(b"host", b"")) is not None
        and _JSON.fullmatch(named.get(b"content-type", b"")) is not None
        and named.get(b"accept", b"") in _ACCEPTED
        and 0 < int(named.get(b"content-length", b"0")) <= LARGEST_BODY
    )


def _answer(body: bytes, address: str) -> Answer:
    fields = f"Content-Type: {JSON}\r\nContent-Length: {len(body)}\r\nCache-Control: no-store\r\n"
    return Answer(STATUS, fields, body, address)
