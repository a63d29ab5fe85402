import json
import socket
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, update

from ca.tables import CertificateRow
from kernel.audit import AuditEntry
from kernel.clock import SystemClock
from kernel.database import Database
from kernel.errors import Unavailable
from server import settings
from server.apps import status
from server.checking import ACTION, is_silent, nightly
from server.settings import Settings
from server.wiring import database_of
from tests.server.test_commands import tegata
from tests.support.open_doors import serving
from tests.support.ports import free_port

pytestmark = pytest.mark.slow


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Make a home for real work, whose status door will be on a free port."""
    port = free_port()
    path = tmp_path / "home"
    path.mkdir(mode=0o700)
    (path / "tegata.toml").write_text(f'[status]\nbind = "127.0.0.1:{port}"\n')
    made = tegata(path, "init")
    assert made.returncode == 0, made.stderr
    return path


@pytest.fixture
def chosen(home: Path) -> Settings:
    """Return the home's settings."""
    return settings.load(home)


@pytest.fixture
def database(chosen: Settings) -> Iterator[Database]:
    """Return the home's database."""
    connected = database_of(chosen)
    yield connected
    connected.dispose()


def _spoil(database: Database) -> None:
    """Revoke the portal's certificate behind the product's back."""
    now = SystemClock().now()
    with database.transaction() as session:
        row = update(CertificateRow).where(CertificateRow.subject == "tls-portal")
        session.execute(row.values(state="revoked", reason="superseded", revoked_at=now))


def test_a_new_home_is_clean(home: Path) -> None:
    told = tegata(home, "check", "certificates")
    assert (told.returncode, told.stderr) == (0, "")
    assert "no findings" in told.stdout


def test_each_finding_is_a_line_and_the_command_fails(home: Path, database: Database) -> None:
    _spoil(database)
    told = tegata(home, "check", "certificates")
    assert told.returncode == 1
    assert told.stdout.startswith("audit-differs tls-portal ")
    assert told.stderr.count("\n") == 1
    as_json = tegata(home, "check", "certificates", "--json")
    assert as_json.returncode == 1
    assert {"audit-differs"} <= {finding["code"] for finding in json.loads(as_json.stdout)["findings"]}


def test_days_choose_the_period(home: Path, database: Database) -> None:
    _spoil(database)
    told = tegata(home, "check", "certificates", "--until", "2020-01-01", "--json")
    assert (told.returncode, json.loads(told.stdout)) == (0, {"read": 0, "findings": []})
    assert tegata(home, "check", "certificates", "--since", "yesterday").returncode == 2


def _deeds(database: Database) -> list[dict[str, object]]:
    with database.snapshot() as session:
        return [dict(entry.facts) for entry in session.scalars(select(AuditEntry).where(AuditEntry.action == ACTION))]


def test_the_nightly_check_asks_the_open_door_and_is_on_record_once_a_night(chosen: Settings, database: Database) -> None:
    _spoil(database)
    run, now = nightly(chosen, database), SystemClock().now()
    assert is_silent(chosen.status.url)
    with pytest.raises(Unavailable):
        run(now)
    assert _deeds(database) == []
    listener = socket.create_server(("127.0.0.1", chosen.status.port))
    with serving(status.assemble(chosen).app, listener):
        assert not is_silent(chosen.status.url)
        read = run(now)
        assert run(now + timedelta(minutes=5)) == 0
    [deed] = _deeds(database)
    assert deed["read"] == read > 0
    assert deed["findings"] == 1
    assert deed["codes"] == "audit-differs"
