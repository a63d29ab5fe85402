"""The sub-request of a reverse proxy, as HTTP."""

import pytest
from flask import Flask
from flask.testing import FlaskClient

from enrollment.gateway import Gateway
from enrollment.protocols import gateway
from enrollment.protocols.json_bodies import timestamp
from tests.support.house import OFFICE, SECURITY, House

AUTHORIZE = "/gateway/authorize"


@pytest.fixture
def presented() -> list[bytes]:
    """Return what the TLS connection carries: at most one certificate."""
    return []


@pytest.fixture
def client(sqlite_house: House, presented: list[bytes]) -> FlaskClient:
    app = Flask("door")
    asked = Gateway(sqlite_house.database, sqlite_house.clock)
    gateway.mount(app, asked, lambda _environ: presented[0] if presented else None)
    return app.test_client()


def test_who_passes_is_named_to_the_application_behind(client: FlaskClient, sqlite_house: House, presented: list[bytes]) -> None:
    retrieved = sqlite_house.issue()
    presented.append(retrieved.certificate.der or b"")
    answer = client.get(AUTHORIZE)
    assert (answer.status_code, answer.data) == (204, b"")
    assert answer.headers["X-Tegata-Terminal"] == retrieved.terminal
    assert answer.headers["X-Tegata-Office"] == OFFICE
    assert answer.headers["X-Tegata-Not-After"] == timestamp(retrieved.certificate.not_after)
    assert answer.headers["Cache-Control"] == "no-store"


def test_who_does_not_pass_is_told_the_code(client: FlaskClient, sqlite_house: House, presented: list[bytes]) -> None:
    answer = client.get(AUTHORIZE)
    assert (answer.status_code, answer.headers["X-Tegata-Reason"]) == (403, "E103 no client certificate")
    retrieved = sqlite_house.issue()
    presented.append(retrieved.certificate.der or b"")
    sqlite_house.endings.suspend(retrieved.terminal, SECURITY)
    answer = client.get(AUTHORIZE)
    assert (answer.status_code, answer.headers["X-Tegata-Reason"]) == (403, "A0014 suspended")
    assert answer.headers["Cache-Control"] == "no-store"
    assert "X-Tegata-Terminal" not in answer.headers


def test_headers_of_the_client_change_nothing(client: FlaskClient) -> None:
    forged = {"X-Tegata-Terminal": "99999W", "X-SSL-Client-Verify": "SUCCESS"}
    assert client.get(AUTHORIZE, headers=forged).status_code == 403


def test_nobody_passes_by_another_method(client: FlaskClient) -> None:
    assert client.post(AUTHORIZE).status_code == 405
