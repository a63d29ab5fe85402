"""SCEP over HTTP (RFC 8894 §4)."""

import base64
from urllib.parse import quote

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from ca.authority import Authority
from ca.issuers import SigningIssuer
from enrollment.protocols.scep import door as scep
from enrollment.protocols.scep.door import ScepDoor
from enrollment.protocols.scep.operations import Operations, RegistrationAuthority
from enrollment.redemption import Redemption
from keys.trouble import CustodyAwayError
from tests.crash.faults import BrokenKey
from tests.support.house import House
from tests.support.scep_client import challenge_of, client_key, message, read_answer, request_of
from tests.support.scep_door import operations_of

ELLIPTIC = ec.generate_private_key(ec.SECP256R1())


@pytest.fixture(scope="module")
def operations(shared_house: House) -> Operations:
    return operations_of(shared_house)


def _client(operations: Operations | None) -> FlaskClient:
    app = Flask("scep", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = 32_768
    scep.mount(app, ScepDoor(operations))
    return app.test_client()


@pytest.fixture
def encoded(operations: Operations, shared_house: House) -> bytes:
    [(_, codes)] = shared_house.new_codes()
    return message(request_of(client_key(), challenge_of(codes)), operations.registration().certificate).der()


def test_a_message_comes_by_post_and_by_get_in_every_spelling(operations: Operations, shared_house: House) -> None:
    [(_, codes)] = shared_house.new_codes()
    authority = operations.registration().certificate
    one = message(request_of(ELLIPTIC, challenge_of(codes)), authority).der()
    for answer in _sent_in_every_way(_client(operations), one):
        assert (answer.status_code, answer.mimetype) == (200, "application/x-pki-message")
        assert answer.headers["Cache-Control"] == "no-store"
        assert read_answer(answer.get_data(), authority, client_key()).status == "0"


def _sent_in_every_way(client: FlaskClient, one: bytes) -> list[TestResponse]:
    path, text = "/scep?operation=PKIOperation", base64.b64encode(one).decode()
    return [
        client.post(path, data=one),
        client.post(path, data=one, content_type="application/x-pki-message"),
        client.post(path, data=one, content_type="application/x-www-form-urlencoded"),
        client.get(f"{path}&message={quote(text, safe='')}"),
        client.get(f"{path}&message={text}"),
        client.get(f"{path}&message={quote(base64.encodebytes(one), safe='')}"),
    ]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/scep", 400),
        ("GET", "/scep?operation=", 400),
        ("GET", "/scep?operation=getcacaps", 400),
        ("GET", "/scep?operation=GetCACertChain", 400),
        ("POST", "/scep?operation=GetCACaps", 405),
        ("POST", "/scep?operation=GetCACert", 405),
        ("PUT", "/scep?operation=PKIOperation", 405),
        ("GET", "/scep?operation=PKIOperation", 400),
        ("GET", "/scep?operation=PKIOperation&message=", 400),
        ("GET", "/scep?operation=PKIOperation&message=***", 400),
        ("GET", "/scep?operation=PKIOperation&message=%E3%81%82", 400),
        ("POST", "/scep?operation=PKIOperation", 400),
        ("GET", "/scep?operation=GetNextCACert", 404),
    ],
)
def test_what_is_no_such_question_is_told(operations: Operations, method: str, path: str, status: int) -> None:
    """RFC 8894 §4.1 to §4.7."""
    answer = _client(operations).open(path, method=method)
    assert answer.status_code == status
    if method != "PUT":
        assert answer.mimetype == "text/plain"


def test_what_is_too_large_is_not_read(operations: Operations) -> None:
    answer = _client(operations).post("/scep?operation=PKIOperation", data=b"0" * 32_769)
    assert (answer.status_code, answer.mimetype) == (413, "text/plain")


def test_what_a_client_may_do_is_told_as_lines(operations: Operations) -> None:
    answer = _client(operations).get("/scep?operation=GetCACaps&message=any")
    assert answer.mimetype == "text/plain"
    assert answer.get_data() == b"AES\nDES3\nSHA-1\nSHA-256\nSHA-384\nSHA-512\nPOSTPKIOperation\nSCEPStandard\nRenewal\n"
    assert _client(operations).get("/scep?operation=GetCACert").mimetype == "application/x-x509-ca-ra-cert"


def test_without_a_registration_authority_it_says_so() -> None:
    answer = _client(None).get("/scep?operation=GetCACaps")
    assert (answer.status_code, answer.mimetype) == (501, "text/plain")
    assert "ceremony" in answer.get_data(as_text=True)


def test_a_signer_that_is_away_is_told_and_nothing_is_lost(
    operations: Operations, shared_house: House, encoded: bytes
) -> None:  # fmt: skip
    key = BrokenKey(shared_house.issuing.key)
    key.before = _away
    authority = Authority(SigningIssuer(shared_house.issuing.issuer, key), shared_house.profile)
    redemption = Redemption(shared_house.database, shared_house.clock, authority, shared_house.hasher)
    broken = Operations(
        shared_house.database, redemption, operations.renewal, operations.registration, operations.crl_folder
    )  # fmt: skip
    answer = _client(broken).post("/scep?operation=PKIOperation", data=encoded)
    assert (answer.status_code, answer.mimetype) == (503, "text/plain")
    assert int(answer.headers["Retry-After"]) > 0
    again = _client(operations).post("/scep?operation=PKIOperation", data=encoded)
    assert read_answer(again.get_data(), operations.registration().certificate, client_key()).status == "0"


def test_a_fault_of_ours_tells_nothing(operations: Operations, encoded: bytes) -> None:
    broken = Operations(operations.database, operations.redemption, operations.renewal, _broken, operations.crl_folder)
    answer = _client(broken).post("/scep?operation=PKIOperation", data=encoded)
    assert (answer.status_code, answer.mimetype) == (500, "text/plain")
    assert "of ours" not in answer.get_data(as_text=True)


def _away() -> None:
    raise CustodyAwayError("token is away")


def _broken() -> RegistrationAuthority:
    raise ZeroDivisionError("of ours")
