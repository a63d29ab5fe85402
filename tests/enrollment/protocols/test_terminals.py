import pytest
from flask.testing import FlaskClient

from ca.revocation import Reason
from enrollment.protocols.terminals import TerminalsDoor, create_app
from tests.support.house import SECURITY, SOURCE, House, new_request

ADDRESS = "/api/v1/logons"


@pytest.fixture
def presented() -> list[bytes]:
    """Return what the TLS connection carries: at most one certificate."""
    return []


@pytest.fixture
def client(house: House, presented: list[bytes]) -> FlaskClient:
    def certificate(_environ: object) -> bytes | None:
        return presented[0] if presented else None

    door = TerminalsDoor(house.logon, certificate, house.renewal, house.reissues, house.own_states)
    return create_app(door).test_client()


@pytest.fixture
def body(house: House, presented: list[bytes]) -> dict[str, str]:
    [(terminal, codes)] = house.new_codes()
    retrieved = house.redemption.redeem(codes, new_request().pem, SOURCE)
    presented.append(retrieved.certificate.der or b"")
    return {"terminal": terminal, "access_key": codes.access_key}


def test_a_good_terminal_is_permitted(client: FlaskClient, body: dict[str, str]) -> None:
    response = client.post(ADDRESS, json=body)
    assert (response.status_code, response.get_json()) == (200, {"permitted": True})
    assert response.headers["Cache-Control"] == "no-store"


def test_a_refusal_carries_the_domains_code(client: FlaskClient, house: House, body: dict[str, str]) -> None:
    house.endings.revoke(body["terminal"], Reason.KEY_COMPROMISE, SECURITY)
    response = client.post(ADDRESS, json=body)
    assert (response.status_code, response.mimetype) == (403, "application/problem+json")
    assert response.get_json()["code"] == "A0036"
    assert "revoked" in response.get_json()["title_en"]


def test_without_a_certificate_the_answer_is_e103(client: FlaskClient, body: dict[str, str], presented: list[bytes]) -> None:
    presented.clear()
    assert client.post(ADDRESS, json=body).get_json()["code"] == "E103"


@pytest.mark.parametrize("terminal", ["\x00", "99999W\x00", "", "あ" * 1000])
def test_a_name_that_cannot_be_is_unknown(client: FlaskClient, body: dict[str, str], terminal: str) -> None:
    response = client.post(ADDRESS, json=body | {"terminal": terminal})
    assert (response.status_code, response.get_json()["code"]) == (403, "A0019")


@pytest.mark.parametrize(
    "content", [b"", b"{}", b'{"terminal": 1, "access_key": "1"}', b'{"terminal": "\\ud800", "access_key": "1"}']
)
def test_a_malformed_body_is_told(client: FlaskClient, body: dict[str, str], content: bytes) -> None:
    del body
    response = client.post(ADDRESS, data=content, content_type="application/json")
    assert (response.status_code, response.get_json()["code"]) == (400, "request-malformed")


def test_wrong_method_type_and_size(client: FlaskClient) -> None:
    assert client.get(ADDRESS).status_code == 405
    assert client.post(ADDRESS, data="x", content_type="text/plain").status_code == 415
    assert client.post(ADDRESS, json={"terminal": "x" * 40_000, "access_key": "1"}).status_code == 413
