"""The plain door, its settings, and SCEP's registration authority in a home."""

from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from flask import Flask
from flask.testing import FlaskClient

from ca.ceremony import service_certificate
from ca.plan import SCEP
from ca.renewal import Renewals
from server import settings as server_settings
from server.apps import plain, retrieval
from server.issuing import addresses_of, with_key
from server.registering import RenewedAuthority
from server.settings import Settings, SettingsFault
from server.wiring import Assembled, database_of
from tests.server.test_commands import tegata

CAPABILITIES = "/scep?operation=GetCACaps"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("plain") / "home"
    made = tegata(folder, "init")
    assert made.returncode == 0, made.stderr
    return folder


@pytest.fixture
def chosen(home: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("TEGATA_PLAIN__BIND", "127.0.0.1:8081")
    return server_settings.load(home)


def _client(made: Assembled) -> FlaskClient:
    assert isinstance(made.app, Flask)
    return made.app.test_client()


def test_it_is_not_there_unless_it_has_an_address(home: Path, chosen: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    assert chosen.doors[-1] == "plain"
    assert chosen.door("plain").url == "http://localhost:8081"
    monkeypatch.delenv("TEGATA_PLAIN__BIND")
    without = server_settings.load(home)
    assert "plain" not in without.doors
    with pytest.raises(SettingsFault, match="TEGATA_PLAIN__BIND"):
        without.door("plain")
    told = tegata(home, "serve", "plain")
    assert told.returncode == 1
    assert "TEGATA_PLAIN__BIND" in told.stderr


@pytest.mark.parametrize("bind", ["0.0.0.0:8081", "192.0.2.1:8081", "[::]:8081", "ca.example.jp:8081"])
def test_it_listens_on_the_machines_own_address_only(home: Path, monkeypatch: pytest.MonkeyPatch, bind: str) -> None:
    monkeypatch.setenv("TEGATA_PLAIN__BIND", bind)
    with pytest.raises(SettingsFault, match="loopback"):
        server_settings.load(home)


@pytest.mark.parametrize("bind", ["127.0.0.1:8081", "[::1]:8081", "localhost:8081"])
def test_every_loopback_address_is_one(home: Path, monkeypatch: pytest.MonkeyPatch, bind: str) -> None:
    monkeypatch.setenv("TEGATA_PLAIN__BIND", bind)
    assert server_settings.load(home).door("plain").scheme == "http"


def test_it_speaks_scep_and_cmp_and_nothing_else(chosen: Settings) -> None:
    client = _client(plain.assemble(chosen))
    assert client.get(CAPABILITIES).status_code == 200
    assert client.post("/.well-known/cmp", data=b"no message", content_type="application/pkixcmp").status_code == 400
    for path in ("/.well-known/est/cacerts", "/api/v1/retrievals", "/retrieve", "/"):
        assert client.get(path).status_code == 404


def test_keys_are_made_here_only_where_the_policy_says_so(chosen: Settings) -> None:
    address = "/.well-known/est/serverkeygen"
    assert _client(retrieval.assemble(chosen)).post(address).status_code == 501
    allowed = chosen.model_copy(update={"est_serverkeygen": True})
    assert _client(retrieval.assemble(allowed)).post(address).status_code == 401


def test_a_home_without_a_registration_authority_says_so(chosen: Settings) -> None:
    database = database_of(chosen)
    with database.transaction() as session:
        session.connection().exec_driver_sql("UPDATE ca_certificate SET subject = 'away' WHERE subject = 'scep'")
    try:
        assert _client(plain.assemble(chosen)).get(CAPABILITIES).status_code == 501
    finally:
        with database.transaction() as session:
            session.connection().exec_driver_sql("UPDATE ca_certificate SET subject = 'scep' WHERE subject = 'away'")
        database.dispose()


def test_a_renewed_registration_authority_is_taken_up_without_restart(chosen: Settings) -> None:
    database = database_of(chosen)
    patient, prompt = RenewedAuthority(chosen, database), RenewedAuthority(chosen, database, look_each=0.0)
    first = x509.load_der_x509_certificate(service_certificate(database, SCEP))
    assert patient().certificate == prompt().certificate == first
    later = first.not_valid_after_utc - timedelta(days=100)
    assert Renewals(database, addresses_of(chosen), lambda issuer: with_key(chosen, issuer)).renew_due(later)
    assert patient().certificate == first
    assert prompt().certificate.serial_number != first.serial_number
    database.dispose()
