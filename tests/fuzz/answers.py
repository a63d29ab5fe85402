"""The readers of what a terminal is told: by a door, and by whoever brings it the codes in a file."""

import base64
import http.client
import io
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from functools import cache
from random import Random
from typing import Any, cast

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from enrollment import codes
from enrollment.client import chain, connection, inputs, report
from enrollment.client.issued import certificates_of
from enrollment.client.report import Report
from enrollment.codes import Codes
from kernel.errors import Refused
from tests.ca.trial import NOW, trial_issuer
from tests.fuzz import mutation, samples
from tests.fuzz.trial import NotTaken, Read, Target, trusting_the_text

JSON = (
    *(
        b"{",
        b"}",
        b"[",
        b"]",
        b'"',
        b"\\",
        b",",
        b":",
        b"null",
        b"true",
        b"1e999",
        b"NaN",
        b"9" * 30,
        b"-1",
        b"\\u0000",
        b"\\ud800",
    ),
    *(b"\x00", b"\xff", b"[" * 3_000, b'"entry": 1,', b'"salt": "zz",', b'"proof": [],', b"\n\n"),
)
_HEAD = b"HTTP/1.1 %s\r\nContent-Type: application/json\r\nDate: Tue, 24 Nov 2026 01:00:00 GMT\r\n%s\r\n"


@cache
def _answers() -> Sequence[bytes]:
    """Return answers of doors: certificates, refusals, pleas to come again; whole, in pieces and to the end of the stream."""
    pem = [x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM).decode() for der in samples.certificates()]
    given = json.dumps({"certificate": pem[1], "chain": pem[0]}).encode()
    return [
        _HEAD % (b"201 Created", b"Content-Length: %d\r\n" % len(given)) + given,
        _HEAD % (b"200 OK", b"Transfer-Encoding: chunked\r\n") + b"%x\r\n%s\r\n0\r\n\r\n" % (len(given), given),
        _HEAD % (b"200 OK", b"Connection: close\r\n") + given,
    ]


@cache
def _refusals() -> Sequence[bytes]:
    """Return what doors answer that give no certificate: why not, or when to come again."""
    refused = json.dumps({"code": "A0018", "title": "確認", "title_en": "Check", "detail": "x"}, ensure_ascii=False).encode()
    return [
        _HEAD % (b"403 Forbidden", b"Content-Length: %d\r\n" % len(refused)) + refused,
        _HEAD % (b"503 Service Unavailable", b"Retry-After: Tue, 24 Nov 2026 01:00:30 GMT\r\nContent-Length: 0\r\n"),
    ]


def _spoilt_answer(chance: Random, seeds: Sequence[bytes]) -> bytes:
    """Change an answer or a refusal; in half of the answers the certificate as it was sent."""
    if chance.randrange(2):
        return mutation.text(*_REPLY)(chance, (*seeds, *_refusals()))
    leaf, above = (samples.certificates()[at] for at in (1, 0))
    pem = [base64.encodebytes(mutation.der(chance, [der])).decode() for der in (leaf, above)]
    kept = [base64.encodebytes(der).decode() for der in (leaf, above)]
    pem[chance.randrange(2)] = kept[chance.randrange(2)]
    first, second = (f"-----BEGIN CERTIFICATE-----\n{one}-----END CERTIFICATE-----\n" for one in pem)
    content = json.dumps({"certificate": first, "chain": second}).encode()
    return _HEAD % (b"201 Created", b"Content-Length: %d\r\n" % len(content)) + content


_REPLY = (
    *(b"\r\n", b"\n", b"\r\n\r\n", b": ", b"HTTP/1.1 ", b"HTTP/2", b"200", b"-1", b"Content-Length: 99999999999999999999\r\n"),
    *(
        b"Transfer-Encoding: chunked\r\n",
        b"Retry-After: -5\r\n",
        b"Retry-After: \xd9\xa1\r\n",
        b"Date: x\r\n",
        b"ffffffffffffffff",
    ),
    *(
        b"Retry-After: Sun, 31 Dec 9999 23:59:59 -2359\r\n",
        b"Date: 1 Jan 1 0:0 +9999\r\n",
        b"X: " + b"y" * 70_000,
        b"A: b\r\n" * 110,
    ),
    *JSON,
)


class _Stream:
    """What http.client reads from, instead of a connection."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def makefile(self, _mode: str) -> io.BytesIO:
        """Return what comes."""
        return io.BytesIO(self._content)


def _told(refused: Refused) -> NotTaken:
    """Return a refusal whose code may be anything, as `texts` has words for those that it does not know; its words may not."""
    assert refused.code.isascii()
    assert all(str(refused.facts[name]).isprintable() for name in ("title", "title_en") if name in refused.facts)
    return NotTaken(refused.code)


def _answered(content: bytes) -> x509.Certificate:
    """Read an answer as a terminal does that asks for its certificate."""
    try:
        with connection._translated():  # noqa: SLF001 (what stands around the reading of a connection)
            response = http.client.HTTPResponse(cast("Any", _Stream(content)), method="POST")
            response.begin()
            raw = response.read(connection.LARGEST_ANSWER + 1)
            answer = connection._read(response, raw, NOW)  # noqa: SLF001 (the same)
        certificate, above = certificates_of(answer)
        chain.require_own_key(certificate, cast("Any", samples.key_of_each_kind()[0]))
        chain.require_chain(certificate, above, [trial_issuer().issuer.certificate], NOW)
    except Refused as refused:
        raise _told(refused) from refused
    assert chain.common_name(certificate).isprintable()
    return certificate


def is_ours(_content: bytes, taken: x509.Certificate) -> None:
    """See that nothing is taken that the authority has not signed."""
    assert taken.public_bytes(Encoding.DER) in samples.certificates()


def _any_certificate(read: Read) -> Read:
    """Plant a fault: a certificate that nobody signed is as good as another."""

    def careless(content: bytes) -> Any:  # noqa: ANN401
        try:
            return read(content)
        except NotTaken as refused:
            if str(refused) != "chain-broken":
                raise
            return trial_issuer("p384").issuer.certificate

    return careless


_AWAY = connection._AwayError  # noqa: SLF001 (what the client catches itself)


def _reported(content: bytes) -> Report:
    """Read what a door tells a terminal of itself."""
    found = connection._json(content)  # noqa: SLF001 (what `get` makes of an answer's octets)
    if found is None:
        raise NotTaken
    try:
        return report.read(connection.Answer(200, found))
    except Refused as refused:
        raise NotTaken from refused


def can_be_shown(_content: bytes, taken: Report) -> None:
    """See that what stands on a terminal's screen is plain, and that instants can be compared with the clock."""
    for word in (taken.terminal, taken.office_code, taken.state, taken.certificate_state):
        assert word.isascii()
        assert word.isprintable()
    assert isinstance(taken.not_after - NOW, timedelta)
    assert isinstance(taken.answered_at - NOW, timedelta)


def _of_any_words(read: Read) -> Read:
    """Plant a fault: words of the door may hold anything."""

    def careless(content: bytes) -> Any:  # noqa: ANN401
        try:
            return read(content)
        except NotTaken:
            taken = read(_REPORT)
            found = connection._json(content)  # noqa: SLF001 (as above)
            return replace(taken, state=str((found or {}).get("state", "in_service")))

    return careless


def _given(content: bytes) -> Codes:
    """Read the inputs of a file that a terminal's operator was sent."""
    try:
        return inputs.parse(content.decode("utf-8", "replace"))
    except Refused as refused:
        raise NotTaken(refused.code) from refused


def are_codes(_content: bytes, taken: Codes) -> None:
    """See that a key that is taken has its digits and the right one at their end, and that all is in its normal form."""
    key = taken.access_key
    assert codes.check_digit(key[:-1]) == key[-1]
    assert codes.typed(**vars(taken)) == taken


def _with_any_key(read: Read) -> Read:
    """Plant a fault: a mistyped access key is sent to the door."""

    def careless(content: bytes) -> Any:  # noqa: ANN401
        try:
            return read(content)
        except NotTaken as refused:
            if str(refused) == "access-key-mistyped":
                return replace(read(_INPUTS[0]), access_key="1234567890120")
            raise

    return careless


_REPORT = json.dumps(
    {
        "answered_at": "2026-11-24T01:00:00Z",
        "terminal": "99999W",
        "office_code": "NAC001",
        "state": "in_service",
        "suspension": {"since": "2026-11-01", "rule": 3},
        "start_date": "2026-12-01",
        "certificate": {"serial": "12ab", "state": "valid", "not_after": "2027-11-30T14:59:59Z"},
        "renewal": {
            "first_day": "2027-10-01",
            "last_day": "2027-11-30",
            "suggested": "2027-10-05T01:00:00Z",
            "possible_now": True,
            "blocked_by_reissue": False,
        },
        "reissue": {"state": "requested", "reason": "pc-replaced", "ready_on": "2026-12-08"},
    }
).encode()
_INPUTS = (
    json.dumps(
        {
            "access_key": f"123456789012{codes.check_digit('123456789012')}",
            "auth_code_1": "NAC999W",
            "auth_code_2": "ABC-DEF",
            "auth_code_3": "ABCDE",
            "office_code": "NAC001",
        }
    ).encode(),
    (
        f"端末アクセスキー：123456789012{codes.check_digit('123456789012')}\n認証コード1: nac999w\n認証コード2 = ABCDEF\n"
        "authentication code 3: ABCDE\n事業所コード：ＮＡＣ００１\n"
    ).encode(),
)

TARGETS = (
    Target(
        "answer to a terminal",
        _answers,
        lambda: _answered,
        (NotTaken, _AWAY),
        is_ours,
        _spoilt_answer,
        (trusting_the_text, _any_certificate),
    ),
    Target(
        "report to a terminal",
        lambda: [_REPORT],
        lambda: _reported,
        (NotTaken,),
        can_be_shown,
        mutation.text(*JSON, b"2026-13-01", b"9999-12-31T23:59:59-23:59", b"0001-01-01T00:00:00+23:59", b"Infinity"),
        (trusting_the_text, _of_any_words),
    ),
    Target(
        "file of inputs",
        lambda: _INPUTS,
        lambda: _given,
        (NotTaken,),
        are_codes,
        mutation.text(*JSON, "：".encode(), "認証コード1".encode(), b"=", b"\n", b"0", "１".encode()),
        (trusting_the_text, _with_any_key),
    ),
)
