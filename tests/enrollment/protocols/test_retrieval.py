import json
import logging
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import pkcs7
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select
from werkzeug.test import TestResponse

from ca.authority import Authority
from ca.issuers import SigningIssuer
from enrollment.codes import Codes
from enrollment.protocols.certificate_answers import PEM, PKCS7
from enrollment.protocols.json_bodies import LARGEST_BODY
from enrollment.protocols.retrieval import RetrievalDoor, create_app
from enrollment.redemption import Redemption
from tests.crash.faults import BrokenKey, fail
from tests.support.house import House, new_request
from tests.support.schema import whole_schema

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


def told(response: TestResponse) -> tuple[int, str]:
    return response.status_code, str(response.get_json()["code"])


def rows(house: House) -> dict[str, int]:
    with house.database.snapshot() as session:
        tables = whole_schema().sorted_tables
        return {table.name: session.scalar(select(func.count()).select_from(table)) or 0 for table in tables}


@pytest.fixture
def nothing_left(house: House, codes: Codes) -> Iterator[None]:
    """Hold a test to leave every table as it was."""
    del codes
    before = rows(house)
    yield
    assert rows(house) == before


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


@pytest.mark.usefixtures("nothing_left")
@pytest.mark.parametrize("accept", ["text/html", "application/xml, image/*", "application/json;q=0"])
def test_a_form_that_is_not_made_is_refused_before_the_codes_are_touched(client: FlaskClient, body: Body, accept: str) -> None:
    assert told(client.post(ADDRESS, json=body, headers={"Accept": accept})) == (406, "not-acceptable")


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


MALFORMED = [
    b"",
    b"null",
    b"[]",
    b"{",
    b"\xff\xfe{}",
    b'{"access_key": "\xc3("}',
    b"{}" * 3,
    b"[" * 20_000,
    json.dumps({"access_key": "1"}).encode(),
]
INPUTS = ["access_key", "auth_code_1", "auth_code_2", "auth_code_3", "office_code"]


@pytest.mark.usefixtures("nothing_left")
def test_what_is_no_such_json_is_malformed(client: FlaskClient) -> None:
    assert {told(post(client, content)) for content in MALFORMED} == {(400, "request-malformed")}


@pytest.mark.usefixtures("nothing_left")
def test_every_field_must_be_text(client: FlaskClient, body: Body) -> None:
    values = [None, 1, 1.5, True, [], ["1"], {}, {"a": 1}]
    answers = {told(client.post(ADDRESS, json=body | {name: value})) for name in [*INPUTS, "csr"] for value in values}
    assert answers == {(400, "request-malformed")}


@pytest.mark.usefixtures("nothing_left")
def test_every_field_must_be_there_and_no_other(client: FlaskClient, body: Body) -> None:
    short = [{key: value for key, value in body.items() if key != name} for name in body]
    answers = {told(client.post(ADDRESS, json=each)) for each in [*short, body | {"is_admin": True}]}
    assert answers == {(400, "request-malformed")}


@pytest.mark.usefixtures("nothing_left")
def test_text_that_nobody_types_is_refused(client: FlaskClient, body: Body) -> None:
    for text in ("\\u0000", "\\ud800", "\\u001b[2J", "", "   ", "1" * 65):
        contents = [json.dumps(body | {name: "?"}).replace('"?"', f'"{text}"') for name in INPUTS]
        answers = {told(post(client, content)) for content in contents}
        assert answers <= {(400, "input-invalid"), (400, "request-malformed")}


@pytest.mark.usefixtures("nothing_left")
def test_a_request_that_is_none_is_refused_behind_the_codes(client: FlaskClient, body: Body) -> None:
    none = ["", "no request", "-----BEGIN CERTIFICATE REQUEST-----", "\u0000", "あ" * 3000, "A" * 20_000]
    assert {told(client.post(ADDRESS, json=body | {"csr": csr})) for csr in none} == {(422, "csr-malformed")}


@pytest.mark.usefixtures("nothing_left")
def test_only_json_is_read(client: FlaskClient, body: Body) -> None:
    others = ["text/plain", "", "application/x-www-form-urlencoded", "multipart/form-data"]
    assert {told(post(client, json.dumps(body), each)) for each in others} == {(415, "media-type")}


@pytest.mark.usefixtures("nothing_left")
def test_what_is_too_large_is_not_read(client: FlaskClient, body: Body) -> None:
    assert told(client.post(ADDRESS, json=body | {"csr": "A" * LARGEST_BODY})) == (413, "too-large")


@pytest.mark.usefixtures("nothing_left")
def test_only_post_is_allowed(client: FlaskClient) -> None:
    for method in ("GET", "PUT", "DELETE", "PATCH"):
        response = client.open(ADDRESS, method=method)
        assert told(response) == (405, "method-not-allowed")
        assert "POST" in response.headers["Allow"]


def test_wrong_codes_get_one_answer_whatever_is_wrong(client: FlaskClient, body: Body) -> None:
    wrong = [body | {"auth_code_2": "WRONG2"}, body | {"access_key": "0000000000000"}, body | {"office_code": "NAC002"}]
    answers = {(response.status_code, response.get_data()) for response in (client.post(ADDRESS, json=each) for each in wrong)}
    assert [status for status, _ in answers] == [401]


def test_the_limit_is_told_with_its_time(client: FlaskClient, body: Body) -> None:
    wrong = body | {"auth_code_2": "WRONG2"}
    answers = [client.post(ADDRESS, json=wrong) for _ in range(6)]
    assert [answer.status_code for answer in answers] == [401] * 5 + [429]
    assert answers[-1].headers["Retry-After"] == "1800"


def test_spent_codes_are_a_conflict(client: FlaskClient, body: Body) -> None:
    client.post(ADDRESS, json=body)
    response = client.post(ADDRESS, json=body | {"csr": new_request().pem.decode()})
    assert told(response) == (409, "codes-spent")


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
