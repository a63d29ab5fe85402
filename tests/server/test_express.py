"""The express lane without sockets: what it takes, what it leaves, what it refuses, however the octets are cut."""

import base64
import random
from urllib.parse import quote

import pytest

from server.express import Ask, Express
from server.lane import LONGEST_HEAD, Next

DER = b"\x30\x03\x02\x01\x07"
POST = (
    b"POST /ocsp HTTP/1.1\r\nHost: status.example.jp\r\nContent-Type: application/ocsp-request\r\n"
    b"Content-Length: 5\r\n\r\n" + DER
)  # fmt: skip
GET = b"GET /ocsp/MAMCAQc%3D HTTP/1.1\r\nHost: status.example.jp\r\n\r\n"


@pytest.fixture
def lane() -> Express:
    """Return a lane that only reads: it has nobody to answer."""
    return Express(None, None)  # type: ignore[arg-type]


@pytest.mark.parametrize("whole", [POST, GET])
def test_a_plain_request_is_taken_alone_and_in_a_row(lane: Express, whole: bytes) -> None:
    for _ in range(2):  # read, then remembered
        assert lane.next(whole, 0) == Ask(DER, len(whole), keep=True)
    assert lane.next(POST + whole + b"rest", len(POST)) == Ask(DER, len(POST + whole), keep=True)


@pytest.mark.parametrize("whole", [POST, GET])
def test_every_beginning_of_a_request_waits_for_the_rest(lane: Express, whole: bytes) -> None:
    assert [lane.next(whole[:length], 0) for length in range(1, len(whole))] == [Next.WAIT] * (len(whole) - 1)


@pytest.mark.parametrize(
    ("line", "field", "keep"),
    [
        (b"HTTP/1.1", b"", True),
        (b"HTTP/1.1", b"Connection: close\r\n", False),
        (b"HTTP/1.1", b"connection: Keep-Alive\r\n", True),
        (b"HTTP/1.0", b"", False),
        (b"HTTP/1.0", b"Connection: keep-alive\r\n", True),
    ],
)
def test_a_connection_stays_as_http_says(lane: Express, line: bytes, field: bytes, keep: object) -> None:
    for whole in (POST, GET):
        found = lane.next(whole.replace(b"HTTP/1.1", line).replace(b"Host:", field + b"Host:"), 0)
        assert isinstance(found, Ask)
        assert found.keep is keep


@pytest.mark.parametrize(
    "whole",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\n\r\n",
        b"HEAD /ocsp/MAMCAQc%3D HTTP/1.1\r\n\r\n",
        b"GET /ocsp/MAMCAQc%3D?x HTTP/1.1\r\n\r\n",
        b"GET /ocsp/MAMCAQc%3D HTTP/2.0\r\n\r\n",
        b"GET /ocsp/MAMCAQc%3D\r\n\r\n",
        b"GET http://status.example.jp/ocsp/MAMCAQc%3D HTTP/1.1\r\n\r\n",
        GET.replace(b"Host:", b"If-None-Match: x\r\nHost:"),
        GET.replace(b"Host:", b"Content-Length: 5\r\nHost:"),
        GET.replace(b"Host:", b"Expect: 100-continue\r\nHost:"),
        GET.replace(b"Host:", b"Upgrade: h2c\r\nHost:"),
        GET.replace(b"Host:", b"Connection: close, x\r\nHost:"),
        GET.replace(b"Host:", b"Host: two\r\nHost:"),
        GET.replace(b"Host:", b"Host :"),
        GET.replace(b"Host:", b"X: y\r\n folded\r\nHost:"),
        GET.replace(b"Host:", b"X: \x00\r\nHost:"),
        GET.replace(b"Host:", b"no colon\r\nHost:"),
        POST.replace(b"Content-Length: 5", b"Transfer-Encoding: chunked"),
        POST.replace(b"Content-Length: 5", b"Transfer-Encoding: chunked\r\nContent-Length: 5"),
        POST.replace(b"Content-Length: 5", b"Content-Length: 5\r\nContent-Length: 6"),
        POST.replace(b"Content-Length: 5", b"Content-Length: -5"),
        POST.replace(b"Content-Length: 5", b"Content-Length: +5"),
        POST.replace(b"Content-Length: 5", b"Content-Length: 0x5"),
        POST.replace(b"Content-Length: 5", b"Content-Length: 5, 5"),
        POST.replace(b"Content-Length: 5", b"Content-Length: \xd9\xa5"),
        POST.replace(b"Content-Length: 5", b"Content-Length: 16385"),
        POST.replace(b"Content-Length: 5", b"Content-Length: 99999999999999"),
        POST.replace(b"Content-Length: 5\r\n", b""),
        POST.replace(b"application/ocsp-request", b"text/plain"),
        b"\r\n" + GET,
    ],
)
def test_what_is_not_plain_is_left_to_the_app(lane: Express, whole: bytes) -> None:
    assert lane.next(whole, 0) is Next.APP
    assert lane.next(whole, 0) is Next.APP


@pytest.mark.parametrize(
    "octets", [b"\x16\x03\x01\x02\x00", b"GET / HTTP/1.1\nHost: x\n\n", b"G" + b"E" * LONGEST_HEAD, b"\x00", b" GET /"]
)
def test_what_is_no_http_is_refused_at_once(lane: Express, octets: bytes) -> None:
    assert lane.next(octets, 0) is Next.REFUSE


def test_a_get_may_be_escaped_or_not(lane: Express) -> None:
    chance = random.Random(1)  # noqa: S311 (test material)
    for length in range(1, 200):
        der = chance.randbytes(length)
        encoded = base64.b64encode(der).decode("ascii")
        for path in (quote(encoded, safe=""), quote(encoded, safe="/+="), encoded):
            found = lane.next(f"GET /ocsp/{path} HTTP/1.1\r\nHost: x\r\n\r\n".encode("ascii"), 0)
            assert isinstance(found, Ask)
            assert found.der == der


def test_a_get_that_is_no_base64_asks_nothing(lane: Express) -> None:
    for path in (b"AAA", b"A", b"%%%", b"====", b"A=A=", b"%ff%ff%ff%ff"):
        found = lane.next(b"GET /ocsp/" + path + b" HTTP/1.1\r\n\r\n", 0)
        assert isinstance(found, Ask)
        assert found.der == b""


def test_memories_are_bounded(lane: Express) -> None:
    for number in range(45_000):
        lane.next(b"GET /ocsp/AA%d HTTP/1.1\r\nX: %d\r\n\r\n" % (number, number), 0)
        if number < 3_000:
            lane.next(POST.replace(b"Host: ", b"X: %d\r\nHost: " % number), 0)
    assert len(lane._seen) <= 20_000  # noqa: SLF001 (what no answer shows)
    assert len(lane._fields) <= 1_000
    assert len(lane._targets) <= 1_000  # noqa: SLF001
    assert 0 < len(lane._posts) <= 1_000  # noqa: SLF001
