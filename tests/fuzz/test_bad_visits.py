"""What fuzzing found in requests and in answers that we fetch, each by its name."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from werkzeug.exceptions import BadRequest

from enrollment import gateway_head
from enrollment.gateway_follower import Follower
from enrollment.gateway_head import Head, ListRefused
from kernel.audit import ProofError, Receipt
from kernel.errors import Refused
from server import list_checking
from server.following import KeptFetch, fetching
from tests.ca.trial import NOW
from tests.fuzz import evidence, fetched, visits
from webui.accounts.persons import require_well_formed

# Answers that are cut off, endless in their heads, or no HTTP.
ANSWERS = (
    b"",
    b"garbage\r\n\r\n",
    b"HTTP/9.9 200 OK\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
    b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 200 + b"\r\n",
    b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70_000 + b"\r\n\r\n",
    b"HTTP/1.1 302 Found\r\nLocation: http://[\r\n\r\n",
)


@contextmanager
def _answering(answer: bytes) -> Iterator[str]:
    """Answer one connection with these octets."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def once() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65_536)
                connection.sendall(answer)

        thread = threading.Thread(target=once)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            thread.join()


@pytest.mark.parametrize("answer", ANSWERS, ids=range(len(ANSWERS)))
def test_an_answer_that_is_none_is_an_oserror_to_whoever_follows(answer: bytes) -> None:
    for fetch in (lambda address: fetching(address)("head"), KeptFetch(), list_checking.fetch):
        with _answering(answer) as address, pytest.raises(OSError):  # noqa: PT011 (what is not caught would be no OSError)
            fetch(address)


def test_a_head_that_would_live_for_ever_is_refused_before_a_proxy_is_told_of_each_of_its_minutes() -> None:
    files = _long_lived()
    follower = Follower(fetched.SIGNER.verifier, fetched.KEY.public_key().verify)
    with pytest.raises(ListRefused, match="live too long"):
        follower.take(files.__getitem__, None, NOW)


def _long_lived() -> dict[str, bytes]:
    """Return a signed list that is good until the year 9999."""
    content = gateway_head.listing([gateway_head.line_of(b"certificate")])
    head = Head(5, NOW, NOW.replace(year=9999), 5, 1, gateway_head.digest(content), 5)
    return {"head": head.note(fetched.SIGNER).encode(), "5.list": content}


def test_a_part_of_a_form_without_a_name_is_refused() -> None:
    body = b"--b\r\nContent-Disposition: form-data\r\n\r\nx\r\n--b--\r\n"
    head = b"POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=b\r\n\r\n"
    with pytest.raises(BadRequest):
        visits.looked_at(head % b"/login" + body)
    # Of those who are to log in first nothing is carried along.
    assert visits.looked_at(head % b"/batches/upload" + body).location == "/login"


def test_octets_that_no_address_has_are_escaped() -> None:
    asked = b"GET /login?next=\xff\xe8\xa8\xbc HTTP/1.1\r\nHost: localhost\r\n\r\n"
    assert visits.looked_at(asked).environ["QUERY_STRING"] == "next=%FF%E8%A8%BC"


@pytest.mark.parametrize("mail", ["a\x1b[2Jb@example.jp", "花子@example.jp", "a\u200b@example.jp", "a@\u202eexample.jp"])
def test_an_address_of_mail_that_nobody_can_see_is_none(mail: str) -> None:
    with pytest.raises(Refused, match="mail-malformed"):
        require_well_formed(login="hanako", name="花子", mail=mail)


@pytest.mark.parametrize("spoilt", ["\\ud800", "[" * 5_000])
def test_a_receipt_of_half_characters_or_without_end_is_none(spoilt: str) -> None:
    text = evidence.receipt().replace('"staff:sato"', f'"{spoilt}"' if spoilt[0] == "\\" else spoilt)
    with pytest.raises(ProofError):
        Receipt.read(text)
