"""What REST's retrieval refuses, each case from a section of the RFCs; what the domain refuses is told elsewhere."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import func, select
from werkzeug.test import TestResponse

from enrollment.codes import Codes
from enrollment.protocols.json_bodies import LARGEST_BODY
from enrollment.protocols.retrieval import RetrievalDoor, create_app
from tests.support.house import House, new_request
from tests.support.schema import whole_schema

ADDRESS = "/api/v1/retrievals"
INPUTS = ["access_key", "auth_code_1", "auth_code_2", "auth_code_3", "office_code"]
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


@pytest.mark.usefixtures("nothing_left")
@pytest.mark.parametrize("accept", ["text/html", "application/xml, image/*", "application/json;q=0"])
def test_a_form_that_is_not_made_is_refused_before_the_codes_are_touched(client: FlaskClient, body: Body, accept: str) -> None:
    """RFC 9110 §12.5.1, RFC 9110 §15.5.7."""
    assert told(client.post(ADDRESS, json=body, headers={"Accept": accept})) == (406, "not-acceptable")


@pytest.mark.usefixtures("nothing_left")
def test_what_is_no_such_json_is_malformed(client: FlaskClient) -> None:
    """RFC 8259 §2, RFC 8259 §8.1, RFC 8259 §9 (a parser may limit the depth)."""
    assert {told(post(client, content)) for content in MALFORMED} == {(400, "request-malformed")}


@pytest.mark.usefixtures("nothing_left")
def test_every_field_must_be_text(client: FlaskClient, body: Body) -> None:
    """RFC 8259 §7: strings, and nothing that could be taken for one."""
    values = [None, 1, 1.5, True, [], ["1"], {}, {"a": 1}]
    answers = {told(client.post(ADDRESS, json=body | {name: value})) for name in [*INPUTS, "csr"] for value in values}
    assert answers == {(400, "request-malformed")}


@pytest.mark.usefixtures("nothing_left")
def test_every_field_must_be_there_and_no_other(client: FlaskClient, body: Body) -> None:
    """RFC 9110 §15.5.1."""
    short = [{key: value for key, value in body.items() if key != name} for name in body]
    answers = {told(client.post(ADDRESS, json=each)) for each in [*short, body | {"is_admin": True}]}
    assert answers == {(400, "request-malformed")}


@pytest.mark.usefixtures("nothing_left")
def test_text_that_nobody_types_is_refused(client: FlaskClient, body: Body) -> None:
    """RFC 8259 §8.2: what a string of JSON can hold and text can not."""
    for text in ("\\u0000", "\\ud800", "\\u001b[2J", "", "   ", "1" * 65):
        contents = [json.dumps(body | {name: "?"}).replace('"?"', f'"{text}"') for name in INPUTS]
        answers = {told(post(client, content)) for content in contents}
        assert answers <= {(400, "input-invalid"), (400, "request-malformed")}


@pytest.mark.usefixtures("nothing_left")
def test_a_request_that_is_none_is_refused_behind_the_codes(client: FlaskClient, body: Body) -> None:
    """RFC 2986 §4.2, RFC 7468 §7; RFC 9110 §15.5.21."""
    none = ["", "no request", "-----BEGIN CERTIFICATE REQUEST-----", "\u0000", "あ" * 3000, "A" * 20_000]
    assert {told(client.post(ADDRESS, json=body | {"csr": csr})) for csr in none} == {(422, "csr-malformed")}


@pytest.mark.usefixtures("nothing_left")
def test_only_json_is_read(client: FlaskClient, body: Body) -> None:
    """RFC 9110 §8.3, RFC 9110 §15.5.16."""
    others = ["text/plain", "", "application/x-www-form-urlencoded", "multipart/form-data"]
    assert {told(post(client, json.dumps(body), each)) for each in others} == {(415, "media-type")}


@pytest.mark.usefixtures("nothing_left")
def test_what_is_too_large_is_not_read(client: FlaskClient, body: Body) -> None:
    """RFC 9110 §15.5.14."""
    assert told(client.post(ADDRESS, json=body | {"csr": "A" * LARGEST_BODY})) == (413, "too-large")


@pytest.mark.usefixtures("nothing_left")
def test_only_post_is_allowed(client: FlaskClient) -> None:
    """RFC 9110 §15.5.6: with what is allowed."""
    for method in ("GET", "PUT", "DELETE", "PATCH"):
        response = client.open(ADDRESS, method=method)
        assert told(response) == (405, "method-not-allowed")
        assert "POST" in response.headers["Allow"]


def test_wrong_codes_get_one_answer_whatever_is_wrong(client: FlaskClient, body: Body) -> None:
    """RFC 9110 §15.5.2."""
    wrong = [body | {"auth_code_2": "WRONG2"}, body | {"access_key": "0000000000000"}, body | {"office_code": "NAC002"}]
    answers = {(response.status_code, response.get_data()) for response in (client.post(ADDRESS, json=each) for each in wrong)}
    assert [status for status, _ in answers] == [401]


def test_the_limit_is_told_with_its_time(client: FlaskClient, body: Body) -> None:
    """RFC 6585 §4."""
    wrong = body | {"auth_code_2": "WRONG2"}
    answers = [client.post(ADDRESS, json=wrong) for _ in range(6)]
    assert [answer.status_code for answer in answers] == [401] * 5 + [429]
    assert answers[-1].headers["Retry-After"] == "1800"


def test_spent_codes_are_a_conflict(client: FlaskClient, body: Body) -> None:
    """RFC 9110 §15.5.10."""
    client.post(ADDRESS, json=body)
    response = client.post(ADDRESS, json=body | {"csr": new_request().pem.decode()})
    assert told(response) == (409, "codes-spent")
