"""The readers that the network reaches. A new protocol's reader is one more entry: its name, good inputs, what opens it.

Target("cmp", samples.cmp_messages, lambda: messages.read)
"""

import json
from collections.abc import Callable
from functools import partial
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from weakref import finalize

from flask import Request

from ca import certificates, ocsp_requests, requests, timestamp_requests
from ca.ocsp_requests import Asked, Malformed
from ca.tables import IssuerRow
from ca.timestamp_requests import TimestampRefused
from enrollment import codes
from enrollment.protocols import json_bodies, retrieval, terminals
from enrollment.protocols.json_bodies import StrictBody
from enrollment.protocols.usual_retrievals import UsualRetrievals
from kernel.audit import TileName
from kernel.database import connect
from kernel.errors import Refused
from server import lane as lanes
from server.express import Ask, Express
from server.lane import Next
from server.retrieval_lane import RetrievalLane
from tests.ca.trial import trial_issuer
from tests.fuzz import (
    answers,
    est_and_scep,
    evidence,
    factors,
    fetched,
    forms,
    mutation,
    notifications,
    protocols,
    queries,
    samples,
    second_opinions,
    uploads,
    visits,
)
from tests.fuzz.trial import Read, Target, trusting_a_length, trusting_the_text
from tests.support.schema import whole_schema

_JSON = (
    b"{",
    b"}",
    b"[",
    b'"',
    b"\\",
    b",",
    b":",
    b"null",
    b"true",
    b"1e999",
    b"\\u0000",
    b"\\ud800",
    b"\\udc00",
    b"\x00",
    b"\xff",
)
_PEM = (
    b"-----BEGIN CERTIFICATE REQUEST-----\n",
    b"-----END",
    b"-----",
    b"\n",
    b"\r",
    b"=",
    b" ",
    b"\x00",
    b"Proc-Type: 4,ENCRYPTED\n\n",
)
_HTTP = (
    *samples.HTTP,
    b"\r\n",
    b"\n",
    b"Content-Length: 7\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b": ",
    b"\x00",
    b"HTTP/1.1",
    b"%",
    b"%zz",
)
_TYPED = (
    b"\n",
    b" ",
    b"-",
    b"\x00",
    b"\xc3",
    "﷽".encode(),
    "\u202e".encode(),
    "Ａ".encode(),
    "￣".encode(),
    "ŉ".encode(),
    b"A" * 70,
    b"\x1b[2J",
    "\ud800".encode("utf-8", "surrogatepass"),
)
_TILE = (b"/", b"x", b"000", b".p/", b"256", b"0", b"00", b"-1", "１".encode(), b"\n", b"../")


class _NotTaken(Exception):
    """The reader has no exception of its own for what it does not take."""


def _presented() -> Read:
    """Return what reads a certificate from a TLS connection, over a database that knows the trial issuer."""
    folder = TemporaryDirectory()
    database = connect(f"sqlite:///{Path(folder.name) / 'trial.sqlite'}")
    whole_schema().create_all(database.engine)
    issuer = trial_issuer().issuer
    with database.transaction() as session:
        session.add(IssuerRow(name=issuer.name, key_name="trial", certificate=issuer.der))
    snapshot = database.snapshot()
    read = partial(certificates.identify, snapshot.__enter__())

    def close() -> None:
        snapshot.__exit__(None, None, None)
        database.dispose()
        folder.cleanup()

    finalize(read, close)
    return read


def _lane() -> Read:
    """Return the express lane's reader of whole requests."""
    lane = Express(None, None)  # type: ignore[arg-type]  # it only reads: it has nobody to answer

    def read(content: bytes) -> Ask:
        found = lane.next(content, 0)
        if isinstance(found, Next):
            raise _NotTaken(found)
        return found

    return read


def _retrieval_lane() -> Read:
    """Return the retrieval door's reader of whole requests."""
    lane = RetrievalLane(UsualRetrievals(None, json.dumps))  # type: ignore[arg-type]  # it only reads, and redeems for nobody

    def read(content: bytes) -> lanes.Asked:
        found = lane.next(content)
        if isinstance(found, Next):
            raise _NotTaken(found)
        return found

    return read


def _body(model: type[StrictBody]) -> Callable[[], Read]:
    """Return what opens a reader of JSON bodies, as Flask brings them."""

    def read(content: bytes) -> StrictBody:
        environ = {
            "REQUEST_METHOD": "POST",
            "CONTENT_TYPE": "application/json",
            "CONTENT_LENGTH": str(len(content)),
            "wsgi.input": BytesIO(content),
        }
        return json_bodies.read(Request(environ), model)

    return lambda: read


def _typed(content: bytes) -> codes.Codes:
    """Read five inputs, one a line; what is no text or too few lines never reaches the reader."""
    try:
        access_key, first, second, third, office = content.decode("utf-8", "surrogatepass").split("\n")
    except ValueError as error:
        raise _NotTaken from error
    return codes.typed(access_key=access_key, auth_code_1=first, auth_code_2=second, auth_code_3=third, office_code=office)


def _tile(content: bytes) -> TileName:
    name = TileName.parse(content.decode("utf-8", "replace"))
    if name is None:
        raise _NotTaken
    return name


def _with_octets_after_the_end(read: Read) -> Read:
    """Plant a fault: what stands after the request is passed over."""

    def careless(content: bytes) -> Any:  # noqa: ANN401 (what a reader returns)
        try:
            return read(content)
        except (Malformed, TimestampRefused):
            return read(content[:-1])

    return careless


def _with_another_serial(read: Read) -> Read:
    """Plant a fault: one serial number in a thousand is read wrongly."""

    def careless(content: bytes) -> Asked:
        asked: Asked = read(content)
        first = asked.cert_ids[0]
        if first.serial % 1_000 == 1:
            return asked._replace(cert_ids=(first._replace(serial=first.serial + 1), *asked.cert_ids[1:]))
        return asked

    return careless


def _with_any_head(read: Read) -> Read:
    """Plant a fault: a head that ends is a head, whatever it says."""

    def careless(content: bytes) -> lanes.Asked:
        try:
            taken: lanes.Asked = read(content)
        except _NotTaken:
            _, end, rest = content.partition(b"\r\n\r\n")
            if end and content.startswith(samples.RETRIEVAL_HTTP[0][:30]):
                return lanes.Asked(rest, len(content), keep=True, forwarded="")
            raise
        return taken

    return careless


def _with_a_body_too_short(read: Read) -> Read:
    """Plant a fault: of two lengths the last one counts, and bodies may be shorter than they say."""

    def careless(content: bytes) -> Ask:
        try:
            taken: Ask = read(content)
        except _NotTaken:
            _, end, rest = content.partition(b"\r\n\r\n")
            if end and content.startswith(b"POST"):
                return Ask(rest, len(content), keep=True)
            raise
        return taken

    return careless


def _with_any_json(read: Read) -> Read:
    """Plant a fault: of what the fields are, nothing is asked."""

    def careless(content: bytes) -> Any:  # noqa: ANN401
        try:
            return read(content)
        except Refused:
            fields = json.loads(content)
            return retrieval.RetrievalRequest.model_construct(**fields)

    return careless


PROTOCOLS = (
    Target("request", samples.requests, lambda: requests.read, agree=second_opinions.proves_a_key),
    Target(
        "request in PEM",
        samples.pem_requests,
        lambda: requests.read,
        agree=second_opinions.proves_a_key,
        mutate=mutation.text(*_PEM),
        planted=(trusting_the_text,),
    ),
    Target("certificate presented", samples.certificates, _presented, agree=second_opinions.names_whom_it_presents),
    Target(
        "OCSP request",
        samples.ocsp_requests,
        lambda: ocsp_requests.read,
        (Malformed,),
        second_opinions.as_asn1crypto_asks,
        planted=(trusting_a_length, _with_octets_after_the_end, _with_another_serial),
    ),
    Target(
        "time-stamp request",
        samples.timestamp_requests,
        lambda: timestamp_requests.read,
        (TimestampRefused,),
        second_opinions.as_the_fields_lie,
        planted=(trusting_a_length, _with_octets_after_the_end),
    ),
    Target(
        "OCSP over HTTP",
        lambda: samples.HTTP,
        _lane,
        (_NotTaken,),
        second_opinions.bounded_by_its_fields,
        mutation.text(*_HTTP),
        (trusting_the_text, _with_a_body_too_short),
    ),
    Target(
        "retrieval over HTTP",
        lambda: samples.RETRIEVAL_HTTP,
        _retrieval_lane,
        (_NotTaken,),
        second_opinions.as_gunicorn_and_flask_read,
        mutation.text(
            *_HTTP, *samples.RETRIEVAL_HTTP, b"Accept: text/html\r\n", b"x-forwarded-for: 1\r\n", b"Content-Type: a/b\r\n"
        ),
        (trusting_the_text, _with_any_head),
    ),
    Target(
        "retrieval in JSON",
        lambda: samples.bodies(samples.RETRIEVAL),
        _body(retrieval.RetrievalRequest),
        agree=second_opinions.as_json_reads,
        mutate=mutation.text(*_JSON),
        planted=(trusting_the_text, _with_any_json),
    ),
    Target(
        "logon in JSON",
        lambda: samples.bodies(samples.LOGON),
        _body(terminals.LogonRequest),
        agree=second_opinions.as_json_reads,
        mutate=mutation.text(*_JSON),
        planted=(trusting_the_text,),
    ),
    Target(
        "renewal in JSON",
        lambda: samples.bodies({"csr": samples.RETRIEVAL["csr"]}),
        _body(terminals.RenewalRequest),
        agree=second_opinions.as_json_reads,
        mutate=mutation.text(*_JSON),
        planted=(trusting_the_text,),
    ),
    Target(
        "reissue in JSON",
        lambda: samples.bodies(samples.REISSUE),
        _body(terminals.ReissueRequest),
        agree=second_opinions.as_json_reads_with_a_remark,
        mutate=mutation.text(*_JSON),
        planted=(trusting_the_text,),
    ),
    Target(
        "codes as typed",
        lambda: samples.TYPED,
        lambda: _typed,
        (Refused, _NotTaken),
        second_opinions.typed_like_this,
        mutation.text(*_TYPED),
        (trusting_the_text,),
    ),
    Target(
        "tile of the log",
        lambda: samples.TILES,
        lambda: _tile,
        (_NotTaken,),
        second_opinions.spelled_in_one_way,
        mutation.text(*_TILE),
        (trusting_the_text,),
    ),
    *est_and_scep.TARGETS,
    *protocols.TARGETS,
)
PAGES_AND_FILES = (
    *uploads.TARGETS,
    *fetched.TARGETS,
    *evidence.TARGETS,
    *answers.TARGETS,
    *notifications.TARGETS,
    *visits.TARGETS,
    *factors.TARGETS,
    *queries.TARGETS,
    *forms.TARGETS,
)
TARGETS = (*PROTOCOLS, *PAGES_AND_FILES)
