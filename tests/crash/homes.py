"""A real home, founded as `tegata init` founds it, and its retrieval door as a process that can be killed."""

import http.client
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import text

from kernel import audit
from kernel.clock import SystemClock
from kernel.database import Database, connect
from registry.registration import Offices
from server import settings as server_settings
from server.custody import Custody
from server.founding import found, plan_of
from server.issuing import profile_of
from server.settings import Settings
from server.wiring import home_of
from tests.support.house import House, company, contract, office
from tests.support.schema import ROOT, whole_schema

# Seconds within which a door must answer.
OPENS_WITHIN = 60
THREADS = 12
HOST = "localhost"


@dataclass(frozen=True)
class RealHome:
    """A founded home and the house that stands in it."""

    settings: Settings
    house: House

    @property
    def port(self) -> int:
        """The retrieval door's."""
        return self.settings.retrieval.port

    def tls(self) -> ssl.SSLContext:
        """Return what a client trusts: the home's root and nothing else."""
        return ssl.create_default_context(cafile=str(home_of(self.settings).root_bundle))


def found_home(folder: Path, url: str) -> RealHome:
    """Found a home on an empty database; `url` names one with all tables, which are dropped so that migrations make them."""
    _empty(url)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    lines = [f'database_url = "{url}"', "[retrieval]", f'bind = "127.0.0.1:{port}"', f"threads = {THREADS}"]
    (folder / "tegata.toml").write_text("\n".join(lines) + "\n", encoding="utf-8")
    settings = server_settings.load(folder)
    database = connect(url)
    found(settings, database, SystemClock().now(), lambda _step: None)
    Offices(database, SystemClock()).register(company(), office(), contract(), actor=audit.operator())
    return RealHome(settings, _house(settings, database))


def _empty(url: str) -> None:
    database = connect(url)
    whole_schema().drop_all(database.engine)
    with database.transaction() as session:
        session.execute(text("DROP TABLE IF EXISTS alembic_version"))
    database.dispose()


def _house(settings: Settings, database: Database) -> House:
    custody = Custody(settings)
    return House(
        database=database,
        clock=SystemClock(),
        keys=custody.software,
        crl_folder=home_of(settings).published,
        plan=plan_of(settings),
        hasher=custody.hasher(),
        sealer=custody.sealer(),
        opener=custody.opener(),
        profile=profile_of(settings),
    )


@dataclass
class DoorProcess:
    """The retrieval door in a process group of its own; `module` and `arguments` are what Python runs."""

    home: RealHome
    module: str = "server"
    arguments: tuple[str, ...] = ("serve", "retrieval")
    lives: int = 0
    _process: "subprocess.Popen[bytes] | None" = field(default=None, repr=False)

    def open(self) -> None:
        """Start the door and wait until it answers."""
        folder = self.home.settings.home
        environment = {**os.environ, "TEGATA_HOME": str(folder)}
        with (folder / "door.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", self.module, *self.arguments],
                cwd=ROOT,
                env=environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.lives += 1
        self._wait(folder / "door.log")

    def kill(self) -> None:
        """Kill the whole process group, at once and without warning."""
        if self._process is None:
            return
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._process = None

    def _wait(self, log: Path) -> None:
        deadline = time.monotonic() + OPENS_WITHIN
        context = self.home.tls()
        while time.monotonic() < deadline and self._process is not None and self._process.poll() is None:
            connection = http.client.HTTPSConnection(HOST, self.home.port, context=context, timeout=5)
            try:
                connection.request("GET", "/healthz")
                connection.getresponse().read()
            except (OSError, http.client.HTTPException):
                time.sleep(0.02)
            else:
                return
            finally:
                connection.close()
        self.kill()
        raise AssertionError("the door did not open: " + log.read_text(encoding="utf-8", errors="replace")[-2000:])
