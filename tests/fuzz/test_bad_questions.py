"""Questions to the status door that are wrong in one way each: OCSP says malformedRequest, the time stamp names the failure."""

import base64
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from urllib.parse import quote

import pytest
from asn1crypto import core, ocsp, tsp
from flask.testing import FlaskClient

from ca.ocsp_requests import LARGEST_REQUEST, MOST_CERTIFICATES
from ca.publication import Publication, create_app
from ca.timestamp_requests import LARGEST_REQUEST as LARGEST_STAMP
from kernel.database import connect
from tests.fuzz import der
from tests.fuzz.der import (
    NULL,
    algorithm,
    bits,
    boolean,
    explicit,
    extension,
    integer,
    name,
    octets,
    oid,
    seq,
    set_,
    text,
    with_length,
)
from tests.fuzz.mutation import tlv
from tests.support.clock import SettableClock
from tests.support.house import build_house

SHA1, SHA256, SHA512, NONCE = "1.3.14.3.2.26", "2.16.840.1.101.3.4.2.1", "2.16.840.1.101.3.4.2.3", "1.3.6.1.5.5.7.48.1.2"
DIGEST = octets(bytes(32))
HASH = algorithm(SHA1, NULL)
NESTED = seq()
for _ in range(480):
    NESTED = seq(NESTED)


def cert_id(
    hash_: bytes = HASH, name_hash: bytes | None = None, key_hash: bytes | None = None, serial: bytes | None = None
) -> bytes:
    """Return a CertID (RFC 6960 §4.1.1)."""
    return seq(hash_, name_hash or octets(bytes(20)), key_hash or octets(bytes(20)), integer(4711) if serial is None else serial)


def asked(*requests: bytes, before: bytes = b"", after: bytes = b"", signed: bytes = b"") -> bytes:
    """Return an OCSPRequest."""
    return seq(seq(before, seq(*(requests or (seq(cert_id()),))), after), signed)


def extended(*extensions: bytes) -> bytes:
    """Return an OCSPRequest with extensions."""
    return asked(after=explicit(2, seq(*extensions)))


GOOD = asked()
OCSP: dict[str, bytes] = {
    "nothing": b"",
    "NUL": b"\x00",
    "an empty sequence": seq(),
    "an empty request": seq(seq()),
    "no certificate": seq(seq(seq())),
    "trailing octets": GOOD + b"\x00",
    "twice": GOOD + GOOD,
    "cut off": GOOD[:-1],
    "a set": b"\x31" + GOOD[1:],
    "indefinite length": with_length(GOOD, b"\x80") + b"\x00\x00",
    "a length too long by an octet": with_length(GOOD, b"\x81" + GOOD[1:2]),
    "a length of four gigabytes": with_length(GOOD, b"\x84\xff\xff\xff\xff"),
    "too large": GOOD + bytes(LARGEST_REQUEST),
    "too many certificates": asked(*[seq(cert_id())] * (MOST_CERTIFICATES + 1)),
    "values inside of values": asked(NESTED),
    "version 2": asked(before=explicit(0, integer(1))),
    "version minus one": asked(before=explicit(0, integer(-1))),
    "a version without number": asked(before=explicit(0)),
    "a version of two numbers": asked(before=explicit(0, integer(0), integer(0))),
    "fields out of order": asked(before=explicit(1, tlv(0x82, b"example.jp")) + explicit(0, integer(0))),
    "a request without CertID": asked(seq()),
    "a CertID without serial number": asked(seq(cert_id(serial=b""))),
    "an empty serial number": asked(seq(cert_id(serial=b"\x02\x00"))),
    "a serial number with an octet too many": asked(seq(cert_id(serial=b"\x02\x02\x00\x01"))),
    "a serial number of text": asked(seq(cert_id(serial=text("4711")))),
    "a fifth field in a CertID": asked(seq(cert_id(serial=integer(1) + NULL))),
    "a hash without name": asked(seq(cert_id(hash_=seq()))),
    "a hash with an empty name": asked(seq(cert_id(hash_=seq(b"\x06\x00")))),
    "a hash whose name does not end": asked(seq(cert_id(hash_=seq(b"\x06\x02\x2b\x8e")))),
    "a hash with other parameters": asked(seq(cert_id(hash_=algorithm(SHA1, integer(1))))),
    "a hash with a NULL of an octet": asked(seq(cert_id(hash_=algorithm(SHA1, b"\x05\x01\x00")))),
    "bits instead of octets": asked(seq(cert_id(name_hash=bits(bytes(20))))),
    "octets in pieces": asked(seq(cert_id(name_hash=tlv(0x24, octets(bytes(20)))))),
    "extensions without list": asked(after=explicit(2)),
    "two lists of extensions": asked(after=explicit(2, seq()) * 2),
    "an extension without value": extended(seq(oid("1.2.3.4"))),
    "an extension that is critical and unknown": extended(extension("1.2.3.4", NULL, boolean(255))),
    "a boolean that is neither true nor false": extended(extension("1.2.3.4", NULL, boolean(1))),
    "an empty nonce": extended(extension(NONCE, octets(b""))),
    "a nonce of 129 octets": extended(extension(NONCE, octets(bytes(129)))),
    "a nonce that is no octets": extended(extension(NONCE, integer(1))),
    "a bare nonce": extended(extension(NONCE, b"0123456789abcdef")),
    "two nonces": extended(*[extension(NONCE, octets(b"12345678"))] * 2),
    "a critical extension of one certificate": asked(seq(cert_id(), explicit(0, seq(extension("1.2.3.4", NULL, boolean(255)))))),
    "an empty signature": asked(signed=explicit(0)),
    "a signature of one part": asked(signed=explicit(0, seq(seq()))),
    "a signature with more behind it": asked(signed=explicit(0, seq(seq(), bits(b""), explicit(0, seq()), NULL))),
    "a certificate instead of a request": der.signed(seq(name())),
}


def stamp(version: bytes | None = None, imprint: bytes | None = None, rest: bytes = b"") -> bytes:
    """Return a TimeStampReq (RFC 3161 §2.4.1)."""
    return seq(
        integer(1) if version is None else version, seq(algorithm(SHA256, NULL), DIGEST) if imprint is None else imprint, rest
    )


STAMP = stamp()
DATA, REQUEST, ALGORITHM, POLICY, EXTENSIONS = (
    "bad_data_format",
    "bad_request",
    "bad_alg",
    "unaccepted_policy",
    "unaccepted_extensions",
)
STAMPS: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", DATA),
    "an empty sequence": (seq(), DATA),
    "trailing octets": (STAMP + b"\x00", DATA),
    "cut off": (STAMP[:-1], DATA),
    "a set": (b"\x31" + STAMP[1:], DATA),
    "indefinite length": (with_length(STAMP, b"\x80") + b"\x00\x00", DATA),
    "a length too long by an octet": (with_length(STAMP, b"\x81" + STAMP[1:2]), DATA),
    "too large": (STAMP + bytes(LARGEST_STAMP), DATA),
    "version 0": (stamp(version=integer(0)), REQUEST),
    "version 2": (stamp(version=integer(2)), REQUEST),
    "version minus one": (stamp(version=integer(-1)), REQUEST),
    "a huge version": (stamp(version=integer(1 << 4_000)), REQUEST),
    "an empty version": (stamp(version=b"\x02\x00"), DATA),
    "no version": (stamp(version=b""), DATA),
    "no imprint": (stamp(imprint=b""), DATA),
    "an empty imprint": (stamp(imprint=seq()), DATA),
    "an imprint of three parts": (stamp(imprint=seq(algorithm(SHA256), DIGEST, DIGEST)), DATA),
    "a digest of 31 octets": (stamp(imprint=seq(algorithm(SHA256), octets(bytes(31)))), DATA),
    "an empty digest": (stamp(imprint=seq(algorithm(SHA256), octets(b""))), DATA),
    "a digest of another length": (stamp(imprint=seq(algorithm(SHA512), DIGEST)), DATA),
    "a digest of bits": (stamp(imprint=seq(algorithm(SHA256), bits(bytes(32)))), DATA),
    "a digest in pieces": (stamp(imprint=seq(algorithm(SHA256), tlv(0x24, DIGEST))), DATA),
    "SHA-1": (stamp(imprint=seq(algorithm(SHA1), octets(bytes(20)))), ALGORITHM),
    "an unknown digest": (stamp(imprint=seq(algorithm("1.2.3.4"), DIGEST)), ALGORITHM),
    "an algorithm without name": (stamp(imprint=seq(seq(), DIGEST)), DATA),
    "an algorithm with parameters": (stamp(imprint=seq(algorithm(SHA256, integer(1)), DIGEST)), DATA),
    "values inside of values": (stamp(imprint=seq(algorithm(SHA256, NESTED), DIGEST)), DATA),
    "an unknown policy": (stamp(rest=oid("1.2.3.4")), POLICY),
    "a policy whose name does not end": (stamp(rest=b"\x06\x02\x2a\x83"), DATA),
    "an empty nonce": (stamp(rest=b"\x02\x00"), DATA),
    "a nonce with an octet too many": (stamp(rest=b"\x02\x02\x00\x01"), DATA),
    "two nonces": (stamp(rest=integer(1) + integer(2)), DATA),
    "fields out of order": (stamp(rest=boolean(255) + integer(1)), DATA),
    "a boolean that is neither true nor false": (stamp(rest=boolean(1)), DATA),
    "an extension": (stamp(rest=tlv(0xA0, extension("1.2.3.4", NULL))), EXTENSIONS),
    "a critical extension": (stamp(rest=tlv(0xA0, extension("1.2.3.4", NULL, boolean(255)))), EXTENSIONS),
    "an extension without value": (stamp(rest=tlv(0xA0, seq(oid("1.2.3.4")))), DATA),
    "a field that is none": (stamp(rest=tlv(0xA1, b"")), DATA),
    "a set behind it": (stamp(rest=set_()), DATA),
}


@pytest.fixture(scope="module")
def client(
    sqlite_databases: Callable[[], AbstractContextManager[str]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[FlaskClient]:
    """Return a client of one status door for all: nothing here changes it."""
    with sqlite_databases() as url:
        database, clock = connect(url), SettableClock()
        house = build_house(database, tmp_path_factory.mktemp("house"), clock)
        yield create_app(Publication(database, clock, house.responder, house.crl_folder, house.timestamps)).test_client()
        database.dispose()


def ocsp_status(client: FlaskClient, question: bytes) -> set[str]:
    """Return what is said to a question by POST and, where an address can carry it, by GET."""
    answers = [client.post("/ocsp", data=question, content_type="application/ocsp-request")]
    if 0 < len(question) < 2_000:
        answers.append(client.get("/ocsp/" + quote(base64.b64encode(question).decode(), safe="")))
    assert {answer.status_code for answer in answers} == {200}
    return {ocsp.OCSPResponse.load(answer.get_data(), strict=True)["response_status"].native for answer in answers}


@pytest.mark.parametrize("question", OCSP.values(), ids=OCSP)
def test_a_bad_question_about_a_status_is_malformed(client: FlaskClient, question: bytes) -> None:
    assert ocsp_status(client, question) == {"malformed_request"}


def test_the_question_that_they_are_made_of_is_understood(client: FlaskClient) -> None:
    for good in (GOOD, extended(extension(NONCE, octets(b"1"))), asked(before=explicit(0, integer(0)))):
        assert ocsp_status(client, good) == {"unauthorized"}  # about an issuer that is none of ours


@pytest.mark.parametrize(
    "path", ["%", "%zz", "====", "A", "AAA", "あ", "%00", "MAM%0d%0a", "../ocsp", "MAMCAQc", "%ff%fe", "A" * 6_000]
)
def test_a_path_that_is_no_question_is_malformed(client: FlaskClient, path: str) -> None:
    answer = client.get(f"/ocsp/{path}")
    assert answer.status_code in {200, 404}
    if answer.status_code == 200:
        assert ocsp.OCSPResponse.load(answer.get_data(), strict=True)["response_status"].native == "malformed_request"


@pytest.mark.parametrize(("question", "failure"), STAMPS.values(), ids=STAMPS)
def test_a_bad_request_for_a_stamp_is_told_its_failure(client: FlaskClient, question: bytes, failure: str) -> None:
    answer = client.post("/tsa", data=question, content_type="application/timestamp-query")
    assert answer.status_code == 200
    status = tsp.PKIStatusInfo.load(core.Sequence.load(answer.get_data(), strict=True)[0].dump(), strict=True)
    assert (status["status"].native, status["fail_info"].native) == ("rejection", {failure})


def test_the_request_that_they_are_made_of_gets_its_stamp(client: FlaskClient) -> None:
    for good in (STAMP, stamp(rest=integer(7) + boolean(255))):
        answer = client.post("/tsa", data=good, content_type="application/timestamp-query")
        assert tsp.TimeStampResp.load(answer.get_data(), strict=True)["status"]["status"].native == "granted"
