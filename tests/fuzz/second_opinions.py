"""What was taken, read by a second reader: asn1crypto, json, or the rule itself. A disagreement is an AssertionError."""

import json
import unicodedata
from typing import Any

from asn1crypto import algos, core, ocsp
from asn1crypto import x509 as asn1_x509
from flask import Request
from gunicorn.config import Config  # type: ignore[import-untyped]
from gunicorn.http.parser import RequestParser  # type: ignore[import-untyped]
from werkzeug.datastructures import Headers

from ca import ocsp_requests
from ca.certificates import Presented
from ca.ocsp_requests import Asked
from ca.requests import RequestedKey, spki_digest
from ca.strictness import parts
from ca.timestamp_requests import TimestampRequest
from enrollment.codes import LONGEST_INPUT, Codes
from enrollment.protocols import json_bodies
from enrollment.protocols.certificate_answers import FORMS
from enrollment.protocols.json_bodies import JSON, StrictBody
from server import lane
from server.express import Ask, read_fields
from tests.fuzz import samples

_PLAIN = Config()


def proves_a_key(content: bytes, taken: RequestedKey) -> None:
    """See that a seed's key is proven: nobody signs with a key that they have not."""
    del content
    public = taken.public_key
    assert public in [key.public_key() for key in samples.key_of_each_kind()]
    assert taken.spki_sha256 == spki_digest(public)


def as_asn1crypto_asks(content: bytes, taken: Asked) -> None:
    """Compare an OCSP request, CertID by CertID, and its nonce."""
    tbs = ocsp.OCSPRequest.load(content, strict=True)["tbs_request"]
    asked = tuple(
        ocsp_requests.CertId(
            one.dump(),
            name if (name := one["hash_algorithm"]["algorithm"].native) in {"sha1", "sha256"} else None,
            one["issuer_name_hash"].native,
            one["issuer_key_hash"].native,
            one["serial_number"].native,
        )
        for one in (entry["req_cert"] for entry in tbs["request_list"])
    )
    given = [extension for extension in tbs["request_extensions"] or () if extension["extn_id"].native == "nonce"]
    nonce = core.OctetString.load(bytes(given[0]["extn_value"]), strict=True).native if given else None
    assert taken == Asked(asked, nonce)


def as_the_fields_lie(content: bytes, taken: TimestampRequest) -> None:
    """Compare a time-stamp request with what its octets hold, field by field."""
    version, imprint, *rest = parts(content)
    assert core.Integer.load(version).native == 1
    algorithm, digest = parts(imprint)
    assert core.OctetString.load(digest).native == taken.imprint.digest
    assert algos.DigestAlgorithm.load(algorithm)["algorithm"].native == taken.imprint.algorithm
    numbers = [core.Integer.load(value).native for value in rest if value[0] == core.Integer.tag]
    assert numbers == ([] if taken.nonce is None else [taken.nonce])


def names_whom_it_presents(content: bytes, taken: Presented) -> None:
    """Compare a presented certificate's subject and serial number."""
    assert taken.der == content
    tbs = asn1_x509.Certificate.load(content, strict=True)["tbs_certificate"]
    assert int(taken.serial, 16) == tbs["serial_number"].native
    try:
        _ = tbs["subject"].native
    except ValueError:
        return  # a name that asn1crypto does not know how to read, under which no terminal goes
    names = [pair["value"].native for one in tbs["subject"].chosen for pair in one if pair["type"].native == "common_name"]
    assert taken.subject == (names[0] if names else "")


def bounded_by_its_fields(content: bytes, taken: Ask) -> None:
    """See that a request of the express lane ends where its own fields say, by no second length and no other framing."""
    head, _, rest = content.partition(b"\r\n\r\n")
    line, _, block = head.partition(b"\r\n")
    fields = read_fields(block)
    assert fields is not None
    assert b"\n" not in head.replace(b"\r\n", b"")
    assert b"\ntransfer-encoding:" not in head.lower()
    if line.startswith(b"POST"):
        assert head.lower().count(b"\ncontent-length:") == 1
        assert taken.der == rest[: fields.length]
    assert taken.end == len(head) + 4 + (fields.length or 0)


def as_gunicorn_and_flask_read(content: bytes, taken: lane.Asked) -> None:
    """Compare a request of the retrieval door's lane with what the app would have been given: by its own server's parser."""
    request = next(RequestParser(_PLAIN, iter([content]), ("127.0.0.1", 50_000)))
    assert (request.method, request.uri, request.version) == ("POST", "/api/v1/retrievals", (1, 1))
    assert request.body.read() == taken.body == content[taken.end - len(taken.body) : taken.end]
    assert request.should_close() is not taken.keep
    fields = Headers([(name, value) for name, value in request.headers])
    environ = {"CONTENT_TYPE": fields["CONTENT-TYPE"], "HTTP_ACCEPT": fields.get("ACCEPT", "")}
    seen = Request(environ)
    assert seen.mimetype == JSON
    assert json_bodies.accepted(seen, *FORMS) == JSON
    assert ",".join(fields.getlist("X-FORWARDED-FOR")) == taken.forwarded
    assert "EXPECT" not in fields


def as_json_reads(content: bytes, taken: StrictBody) -> None:
    """Compare a body with the fields that JSON has: all text, and no others."""
    assert json.loads(content.decode("utf-8")) == taken.model_dump()
    assert all(isinstance(value, str) for value in taken.model_dump().values())


def as_json_reads_with_a_remark(content: bytes, taken: StrictBody) -> None:
    """Compare a body as above, in which a remark may be missing."""
    assert {"remark": "", **json.loads(content.decode("utf-8"))} == taken.model_dump(mode="json")


def typed_like_this(content: bytes, taken: Codes) -> None:
    """See that codes in normal form are short, printable, and their own normal form."""
    del content
    for value in vars(taken).values():
        assert 0 < len(value) <= LONGEST_INPUT * 20  # NFKC makes one character into 18 at most
        assert value.isprintable()
        assert unicodedata.normalize("NFKC", value) == value


def spelled_in_one_way(content: bytes, taken: Any) -> None:  # noqa: ANN401 (a tile's name)
    """See that a tile has one path."""
    assert taken.path.encode() == content
