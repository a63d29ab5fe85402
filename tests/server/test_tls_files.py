"""Doors' TLS files of several nodes on one database: whoever renews, each door has its new certificate and key."""

import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
from cryptography import x509

from ca.ceremony import server_key_name, service_certificate
from ca.renewal import Renewals
from kernel.database import Database
from server import settings as server_settings
from server.commands.serve import credentials_of
from server.issuing import addresses_of, with_key
from server.settings import Settings
from server.tls_files import write_at_start, write_tls_files
from server.trouble import Trouble
from server.wiring import database_of
from tests.server.test_commands import ROOT, tegata

pytestmark = pytest.mark.slow
# What a door's process does beside serving.
KEEPS = """
import sys
from pathlib import Path
from server import settings
from server.tls_files import keep_written
keep_written(settings.load(Path(sys.argv[1])), "portal", look_each=0.05)
sys.stdin.read()
"""


@dataclass(frozen=True)
class Nodes:
    """Two homes on one database; `settings` are the second one's."""

    home: Path
    settings: Settings
    database: Database

    def renew(self, now: datetime) -> None:
        """Renew as the job of the first node does."""
        Renewals(self.database, addresses_of(self.settings), partial(with_key, self.settings)).renew_due(now)

    def chain(self, door: str) -> x509.Certificate:
        """Return the certificate that the second node's door shows."""
        return x509.load_pem_x509_certificates((self.settings.home / "tls" / f"{door}.pem").read_bytes())[0]

    def newest(self, door: str) -> x509.Certificate:
        """Return the certificate that is on record."""
        return x509.load_der_x509_certificate(service_certificate(self.database, server_key_name(door)))


@pytest.fixture
def nodes(tmp_path: Path, first_home: Path) -> Iterator[Nodes]:
    """Return a home and its copy."""
    one, other = tmp_path / "one", tmp_path / "other"
    for copy in (one, other):
        shutil.copytree(first_home, copy, symlinks=True)
    (other / "tegata.db").unlink()
    (other / "tegata.toml").write_text(f'database_url = "sqlite:///{one}/tegata.db"\n', encoding="utf-8")
    chosen = server_settings.load(other)
    database = database_of(chosen)
    yield Nodes(one, chosen, database)
    database.dispose()


@pytest.fixture(scope="module")
def first_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a home for real work."""
    path = tmp_path_factory.mktemp("home") / "home"
    made = tegata(path, "init")
    assert made.returncode == 0, made.stderr
    return path


def test_a_door_finds_what_another_node_renewed_while_it_runs(nodes: Nodes) -> None:
    before = nodes.chain("portal")
    command = [sys.executable, "-c", KEEPS, str(nodes.settings.home)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE) as door:
        nodes.renew(before.not_valid_after_utc - timedelta(days=30))
        deadline = time.monotonic() + 60
        while nodes.chain("portal") == before and time.monotonic() < deadline:
            time.sleep(0.05)
        door.communicate()
    assert nodes.chain("portal") == nodes.newest("portal") != before
    credentials_of(nodes.settings, "portal").context()  # type: ignore[union-attr]  # it speaks TLS


def test_a_door_opens_with_what_is_on_record(nodes: Nodes) -> None:
    before = nodes.chain("terminals")
    nodes.renew(before.not_valid_after_utc - timedelta(days=30))
    shutil.rmtree(nodes.settings.home / "tls")
    (nodes.settings.home / "tls").mkdir()
    write_at_start(nodes.settings, "terminals")
    assert nodes.chain("terminals") == nodes.newest("terminals") != before
    assert (nodes.settings.home / "tls" / "clients.pem").exists()
    credentials_of(nodes.settings, "terminals").context()  # type: ignore[union-attr]


def test_a_new_key_by_the_ceremony_is_the_doors(nodes: Nodes) -> None:
    file = nodes.home / "ceremony.yaml"
    written = file.read_text(encoding="utf-8")
    file.write_text(written.replace("- name: tls-portal\n", "- name: tls-portal\n    key: 2\n"), encoding="utf-8")
    old = nodes.chain("portal")
    held = tegata(nodes.home, "ceremony", str(file))
    assert held.returncode == 0, held.stderr
    assert (nodes.home / "tls" / "portal.key").readlink() == Path("../keys/tls-portal.2.key")
    chosen = server_settings.load(nodes.home)
    credentials_of(chosen, "portal").context()  # type: ignore[union-attr]  # chain and key fit
    assert nodes.newest("portal").public_key() != old.public_key()
    again = tegata(nodes.home, "ceremony", str(file))
    assert again.stdout == "Everything stood already; nothing was changed.\n"


def test_what_says_the_same_is_not_written_anew(nodes: Nodes) -> None:
    files = sorted((nodes.settings.home / "tls").iterdir())
    before = [file.lstat().st_mtime_ns for file in files]
    write_tls_files(nodes.settings, nodes.database)
    assert [file.lstat().st_mtime_ns for file in files] == before


def test_without_a_database_a_door_keeps_what_it_has_and_without_a_ceremony_it_says_so(nodes: Nodes, tmp_path: Path) -> None:
    away = nodes.settings.model_copy(update={"database_url": "postgresql+psycopg://tegata@127.0.0.1:9/tegata"})
    before = nodes.chain("portal")
    write_at_start(away, "portal")
    assert nodes.chain("portal") == before
    empty = nodes.settings.model_copy(update={"database_url": f"sqlite:///{tmp_path}/empty.db"})
    assert tegata(nodes.home, "db", "upgrade", TEGATA_DATABASE_URL=empty.database_url).returncode == 0
    with pytest.raises(Trouble, match="the ceremony was not held; `tegata init` holds it"):
        write_at_start(empty, "portal")
