"""SCEP over HTTP (RFC 8894 §4)."""

import base64
from urllib.parse import quote

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from enrollment.protocols.scep import door as scep
from enrollment.protocols.scep.door import ScepDoor
from enrollment.protocols.scep.operations import Operations
from tests.support.house import House
from tests.support.scep_client import challenge_of, client_key, message, read_answer, request_of
from tests.support.scep_door import operations_of

ELLIPTIC = ec.generate_private_key(ec.SECP256R1())


@pytest.fixture(scope="module")
def operations(shared_house: House) -> Operations:
    return operations_of(shared_house)


def _client(operations: Operations) -> FlaskClient:
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


def test_what_a_client_may_do_is_told_as_lines(operations: Operations) -> None:
    answer = _client(operations).get("/scep?operation=GetCACaps&message=any")
    assert answer.mimetype == "text/plain"
    assert answer.get_data() == b"AES\nDES3\nSHA-1\nSHA-256\nSHA-384\nSHA-512\nPOSTPKIOperation\nSCEPStandard\nRenewal\n"
    assert _client(operations).get("/scep?operation=GetCACert").mimetype == "application/x-x509-ca-ra-cert"
