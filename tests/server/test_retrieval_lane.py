"""The retrieval door's lane without sockets: which requests it takes, and which it leaves to the app, wherever they are cut."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import ip_network
from pathlib import Path

import pytest

from enrollment.protocols.usual_retrievals import Sent, UsualRetrievals
from kernel.database import Database
from server.lane import LONGEST_HEAD, Answer, Asked, Next
from server.retrieval_lane import RetrievalLane
from tests.support.clock import SettableClock
from tests.support.house import build_house, new_request

BODY = b'{"access_key": "1"}'
LINE = b"POST /api/v1/retrievals HTTP/1.1"
WHOLE = (
    LINE + b"\r\nHost: retrieval.example.jp\r\nX-Forwarded-For: 192.0.2.7\r\nContent-Type: application/json\r\n"
    b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY
)
HOST, LENGTH = b"Host: retrieval.example.jp\r\n", b"Content-Length: %d\r\n" % len(BODY)
PROXIES = (ip_network("10.0.0.0/8"),)


@dataclass(frozen=True)
class _Noting(UsualRetrievals):
    """Answers nobody, and keeps where they came from."""

    sources: list[str] = field(default_factory=list)

    def answers(self, sent: Sequence[Sent]) -> list[bytes | None]:
        self.sources.extend(one.source for one in sent)
        return [None] * len(sent)


@pytest.fixture
def lane() -> RetrievalLane:
    """Return a lane that only reads: it has nobody to redeem for."""
    return RetrievalLane(UsualRetrievals(None, json.dumps))  # type: ignore[arg-type]


def test_a_usual_request_is_taken_alone_and_before_others(lane: RetrievalLane) -> None:
    for rest in (b"", WHOLE, b"GET /retrieve HTTP/1.1\r\n\r\n"):
        assert lane.next(WHOLE + rest) == Asked(BODY, len(WHOLE), keep=True, forwarded="192.0.2.7")


def test_every_beginning_of_a_request_waits_for_the_rest(lane: RetrievalLane) -> None:
    assert {lane.next(WHOLE[:length]) for length in range(1, len(WHOLE))} == {Next.WAIT}


@pytest.mark.parametrize(
    ("said", "keep"), [(b"", True), (b"Connection: close\r\n", False), (b"connection: Keep-Alive\r\n", True)]
)
def test_a_connection_stays_as_http_says(lane: RetrievalLane, said: bytes, keep: object) -> None:
    found = lane.next(WHOLE.replace(HOST, HOST + said))
    assert isinstance(found, Asked)
    assert found.keep is keep


@pytest.mark.parametrize(
    "said",
    [
        b"Accept: */*\r\n",
        b"Accept: application/json\r\n",
        b"User-Agent: curl/8\r\nAccept-Encoding: gzip\r\nAccept-Language: ja\r\n",
        b"X-Forwarded-Proto: https\r\nX-Real-IP: 192.0.2.7\r\nX-Forwarded-Host: x\r\nForwarded: for=192.0.2.7\r\n",
        b"Cookie: a=b\r\nCookie: c=d\r\n",
    ],
)
def test_fields_that_change_nothing_may_be_there(lane: RetrievalLane, said: bytes) -> None:
    assert isinstance(lane.next(WHOLE.replace(HOST, HOST + said)), Asked)


def test_json_may_say_its_charset(lane: RetrievalLane) -> None:
    for media in (b"application/json; charset=utf-8", b"Application/JSON;charset=UTF-8"):
        assert isinstance(lane.next(WHOLE.replace(b"application/json", media)), Asked)


@pytest.mark.parametrize(
    "whole",
    [
        b"GET /retrieve HTTP/1.1\r\n\r\n",
        WHOLE.replace(b"POST", b"PUT"),
        WHOLE.replace(b"POST", b"post"),
        WHOLE.replace(b"HTTP/1.1", b"HTTP/1.0"),
        WHOLE.replace(b"HTTP/1.1", b"HTTP/1.10"),
        WHOLE.replace(b"/retrievals", b"/retrievals/"),
        WHOLE.replace(b"/retrievals", b"/retrievals?x=1"),
        WHOLE.replace(b"/retrievals", b"/%72etrievals"),
        WHOLE.replace(b"/api", b"http://retrieval.example.jp/api"),
        WHOLE.replace(b"application/json", b"application/json; charset=shift_jis"),
        WHOLE.replace(b"application/json", b"text/plain"),
        WHOLE.replace(b"Content-Type: application/json\r\n", b""),
        WHOLE.replace(HOST, b""),
        WHOLE.replace(HOST, HOST + HOST),
        WHOLE.replace(b"retrieval.example.jp", b"a b"),
        WHOLE.replace(HOST, HOST + b"Accept: application/x-pem-file\r\n"),
        WHOLE.replace(HOST, HOST + b"Accept: application/json;q=0\r\n"),
        WHOLE.replace(HOST, HOST + b"Accept: */*\r\nAccept: text/html\r\n"),
        WHOLE.replace(HOST, HOST + b"X-Forwarded-For: 192.0.2.8\r\n"),
        WHOLE.replace(HOST, HOST + b"Expect: 100-continue\r\n"),
        WHOLE.replace(HOST, HOST + b"Upgrade: h2c\r\n"),
        WHOLE.replace(HOST, HOST + b"If-None-Match: x\r\n"),
        WHOLE.replace(HOST, HOST + b"Connection: close, x\r\n"),
        WHOLE.replace(HOST, HOST + b"X: y\r\n folded\r\n"),
        WHOLE.replace(HOST, HOST + b"X : y\r\n"),
        WHOLE.replace(HOST, HOST + b"X: \x00\r\n"),
        WHOLE.replace(HOST, HOST + b"no colon\r\n"),
        WHOLE.replace(HOST, HOST + b"X: y\r\n" * 64),
        WHOLE.replace(LENGTH, b"Transfer-Encoding: chunked\r\n"),
        WHOLE.replace(LENGTH, LENGTH + b"Transfer-Encoding: chunked\r\n"),
        WHOLE.replace(LENGTH, LENGTH + LENGTH),
        WHOLE.replace(LENGTH, b""),
        WHOLE.replace(LENGTH, b"Content-Length: 0\r\n"),
        WHOLE.replace(LENGTH, b"Content-Length: -1\r\n"),
        WHOLE.replace(LENGTH, b"Content-Length: +19\r\n"),
        WHOLE.replace(LENGTH, b"Content-Length: 32769\r\n"),
        WHOLE.replace(LENGTH, b"Content-Length: 9999999\r\n"),
        b"\x16\x03\x01\x02\x00",
        b"GET / HTTP/1.1\nHost: x\n\n",
        b"\r\n" + WHOLE,
        b"G" + b"E" * LONGEST_HEAD,
        WHOLE.replace(HOST, HOST + b"X: " + b"y" * LONGEST_HEAD + b"\r\n"),
    ],
)
def test_whatever_is_unusual_is_left_to_the_app(lane: RetrievalLane, whole: bytes) -> None:
    for _ in range(2):  # read, then remembered
        assert lane.next(whole) is Next.APP


def test_memories_are_bounded(lane: RetrievalLane) -> None:
    for number in range(2_500):
        lane.next(WHOLE.replace(HOST, HOST + b"X: %d\r\n" % number))
    assert 0 < len(lane._heads) <= 1_000  # noqa: SLF001 (what no answer shows)


def test_the_usual_are_answered_and_the_address_is_the_visitors(database: Database, tmp_path: Path, clock: SettableClock) -> None:
    house = build_house(database, tmp_path, clock)
    lane = RetrievalLane(UsualRetrievals(house.redemption, json.dumps), PROXIES)
    [(terminal, codes), (_, other)] = house.new_codes(2)
    good, wrong, long = (
        json.dumps({**vars(given), **typed, "csr": new_request().pem.decode()}).encode()
        for given, typed in ((codes, {}), (other, {"auth_code_2": "A"}), (other, {"access_key": "1" * 90}))
    )
    bodies = [good, wrong, long, b"{", b"\xff", b"null", b'{"access_key": "\\ud800"}']
    found = lane.answer_all(
        [(Asked(body, 0, keep=True, forwarded="198.51.100.1, 192.0.2.9, 10.1.1.1"), "10.0.0.1") for body in bodies]
    )
    assert isinstance(found[0], Answer)
    assert (found[0].status, found[0].address) == ("201 CREATED", "192.0.2.9")
    assert json.loads(found[0].body)["terminal"] == terminal
    assert found[1:] == [None] * 6


@pytest.mark.parametrize(
    ("neighbour", "forwarded", "address"),
    [
        ("192.0.2.1", "198.51.100.1", "192.0.2.1"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "198.51.100.1, 10.0.0.2", "198.51.100.1"),
        ("10.0.0.1", "nonsense", "nonsense"),
        ("10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3"),
    ],
)
def test_a_forwarded_address_counts_from_a_proxy_of_ours_only(neighbour: str, forwarded: str, address: str) -> None:
    usual = _Noting(None, json.dumps)  # type: ignore[arg-type]  # nobody is redeemed for
    assert RetrievalLane(usual, PROXIES).answer_all([(Asked(b"{}", 0, keep=True, forwarded=forwarded), neighbour)]) == [None]
    assert usual.sources == [address]
