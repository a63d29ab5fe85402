"""The positive list's files, as the status door serves them."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from flask.testing import FlaskClient

from ca import publication
from ca.publication import Publication
from enrollment.gateway_list import GatewayList
from kernel.audit import CheckpointSigner
from tests.support.house import House

KEY = Ed25519PrivateKey.generate()
SIGNER = CheckpointSigner("status.example.jp/gateway", KEY.public_key().public_bytes_raw(), KEY.sign)


@pytest.fixture
def client(sqlite_house: House) -> FlaskClient:
    house = sqlite_house
    served = Publication(house.database, house.clock, house.responder, house.crl_folder, house.timestamps)
    return publication.create_app(served).test_client()


def test_the_head_is_asked_for_each_time_and_what_has_a_number_is_kept(client: FlaskClient, sqlite_house: House) -> None:
    house = sqlite_house
    house.issue()
    jobs = GatewayList(house.database, SIGNER, house.crl_folder / publication.GATEWAY_FOLDER)
    number = jobs.publish_if_due(house.clock.now())
    head, whole = client.get("/gateway/head"), client.get(f"/gateway/{number}.list")
    assert f"snapshot {number}\n" in head.text
    assert head.headers["Cache-Control"] == "no-cache"
    assert "immutable" in whole.headers["Cache-Control"]
    assert whole.data.count(b"\n") == 1
    assert client.get(f"/gateway/{number}.delta").status_code == 404


@pytest.mark.parametrize(
    "name", ["0.list", "01.list", "1.crl", "..%2froot.crl", ".head.1a2b", "head.", "1.list.", "1" * 19 + ".list"]
)
def test_nothing_else_of_the_folder_is_served(client: FlaskClient, name: str) -> None:
    assert client.get(f"/gateway/{name}").status_code == 404


def test_before_the_first_list_the_door_says_that_it_is_not_there_yet(client: FlaskClient) -> None:
    assert client.get("/gateway/head").status_code == 503
