import json
import logging
from dataclasses import asdict
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import pkcs7
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from werkzeug.test import TestResponse

from ca.authority import Authority
from ca.issuers import SigningIssuer
from enrollment.codes import Codes
from enrollment.protocols.certificate_answers import PEM, PKCS7
from enrollment.protocols.retrieval import RetrievalDoor, create_app
from enrollment.redemption import Redemption
from tests.crash.faults import BrokenKey, fail
from tests.support.house import House, new_request

ADDRESS = "/api/v1/retrievals"
Body = dict[str, Any]


@pytest.fixture
def client(house: House) -> FlaskClient:
    return create_app(RetrievalDoor(house.redemption)).test_client()


@pytest.fixture
def codes(house: House) -> Codes:
    [(_, codes)] = house.new_codes()
    return codes


@pytest.fixture
def body(codes: Codes) -> Body:
    return {**asdict(codes), "csr": new_request().pem.decode()}


def post(client: FlaskClient, content: bytes | str, content_type: str = "application/json") -> TestResponse:
    return client.post(ADDRESS, data=content, content_type=content_type)


def test_codes_and_a_request_give_a_certificate_then_the_same_again(client: FlaskClient, house: House, body: Body) -> None:
    first, again = client.post(ADDRESS, json=body), client.post(ADDRESS, json=body)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.get_json() == again.get_json()
    assert first.headers["Cache-Control"] == "no-store"
    answer = first.get_json()
    assert set(answer) == {"terminal", "serial", "not_before", "not_after", "certificate", "chain"}
    certificate = x509.load_pem_x509_certificate(answer["certificate"].encode())
    assert f"{certificate.serial_number:x}" == answer["serial"]
    assert answer["not_after"] == certificate.not_valid_after_utc.strftime("%Y-%m-%dT%H:%M:%SZ")
    [issuing] = x509.load_pem_x509_certificates(answer["chain"].encode())
    assert issuing == house.issuing.issuer.certificate


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        ("application/x-pem-file", PEM),
        ("application/pkcs7-mime", PKCS7),
        ("application/json", "application/json"),
        ("*/*", "application/json"),
        ("text/html, */*;q=0.1", "application/json"),
        ("application/x-pem-file;q=0.5, application/pkcs7-mime", PKCS7),
    ],
)
def test_the_client_chooses_the_form(client: FlaskClient, house: House, body: Body, accept: str, form: str) -> None:
    response = client.post(ADDRESS, json=body, headers={"Accept": accept})
    assert (response.status_code, response.mimetype) == (201, form)
    found = certificates_in(response)
    assert len(found) == 2
    assert house.issuing.issuer.certificate in found


def certificates_in(response: TestResponse) -> list[x509.Certificate]:
    if response.mimetype == PKCS7:
        return pkcs7.load_der_pkcs7_certificates(response.get_data())
    if response.mimetype == PEM:
        return x509.load_pem_x509_certificates(response.get_data())
    answer = response.get_json()
    return x509.load_pem_x509_certificates((answer["certificate"] + answer["chain"]).encode())


def test_the_codes_may_be_typed_in_any_way(client: FlaskClient, body: Body) -> None:
    body |= {
        "access_key": " ".join(body["access_key"]),
        "auth_code_2": body["auth_code_2"].lower(),
        "office_code": "ｎａｃ－００１",
    }
    assert client.post(ADDRESS, json=body).status_code == 201


def test_secrets_are_in_no_answer_and_no_log(
    client: FlaskClient, house: House, body: Body, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    key = BrokenKey(house.issuing.key)
    key.before = fail
    authority = Authority(SigningIssuer(house.issuing.issuer, key), house.profile)
    broken = create_app(RetrievalDoor(Redemption(house.database, house.clock, authority, house.hasher))).test_client()
    answers = [
        broken.post(ADDRESS, json=body),
        client.post(ADDRESS, json=body | {"auth_code_1": "NAC000X"}),
        client.post(ADDRESS, json=body | {"csr": 5}),
        client.post(ADDRESS, json=body | {"csr": body["access_key"]}),
        client.post(ADDRESS, json=body | {body["auth_code_2"]: body["access_key"]}),
        client.post(ADDRESS, json=body),
    ]
    assert [answer.status_code for answer in answers] == [500, 401, 400, 422, 400, 201]
    written = caplog.text + "".join(answer.get_data(as_text=True) + str(answer.headers) for answer in answers)
    assert "internal error" in caplog.text
    assert not [secret for secret in (body["access_key"], body["auth_code_2"], body["auth_code_3"]) if secret in written]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    content=st.binary(max_size=300) | st.recursive(st.none() | st.booleans() | st.floats() | st.text(), st.lists).map(json.dumps)
)
def test_any_body_is_answered_as_a_problem(client: FlaskClient, content: bytes | str) -> None:
    response = post(client, content)
    assert response.status_code == 400
    assert response.mimetype == "application/problem+json"
