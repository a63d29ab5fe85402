"""A real home, founded as `tegata init` founds it, and its doors as processes that can be killed."""

import http.client
import os
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Mapping
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
from tests.support.ports import free_port
from tests.support.schema import ROOT, whole_schema

# Seconds within which a door must answer.
OPENS_WITHIN = 60
THREADS = 12
HOST = "localhost"
DOORS = ("retrieval", "terminals")


@dataclass(frozen=True)
class RealHome:
    """A founded home and the house that stands in it."""

    settings: Settings
    house: House

    @property
    def port(self) -> int:
        """The retrieval door's."""
        return self.settings.retrieval.port

    def url(self, door: str) -> str:
        """Return a door's address."""
        return f"{self.settings.door(door).scheme}://{HOST}:{self.settings.door(door).port}"

    def connection(
        self, timeout: float, door: str = "retrieval", *, port: int | None = None, scheme: str | None = None
    ) -> http.client.HTTPConnection:
        """Return a connection to a door, at another port and by another scheme if said."""
        settings = self.settings.door(door)
        if (scheme or settings.scheme) == "http":
            return http.client.HTTPConnection(HOST, port or settings.port, timeout=timeout)
        return http.client.HTTPSConnection(HOST, port or settings.port, context=self.tls(), timeout=timeout)

    def tls(self) -> ssl.SSLContext:
        """Return what a client trusts: the home's root and nothing else."""
        return ssl.create_default_context(cafile=str(home_of(self.settings).root_bundle))


def found_home(folder: Path, url: str, *, retrieval: str = "https") -> RealHome:
    """Found a home on an empty database; `url` names one with all tables, which are dropped so that migrations make them.

    `retrieval` is the scheme of the retrieval door.
    """
    _empty(url)
    lines = [f'database_url = "{url}"']
    for door in DOORS:
        lines += [f"[{door}]", f'bind = "127.0.0.1:{free_port()}"', f"threads = {THREADS}"]
        lines += [f'scheme = "{retrieval}"'] if door == "retrieval" else []
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
    """A door in a process group of its own; `module` and `arguments` are what Python runs, `environment` is added to ours."""

    home: RealHome
    module: str = "server"
    arguments: tuple[str, ...] = ()
    door: str = "retrieval"
    environment: Mapping[str, str] = field(default_factory=dict)
    lives: int = 0
    _process: "subprocess.Popen[bytes] | None" = field(default=None, repr=False)

    @property
    def port(self) -> int:
        """Where it listens."""
        own = self.environment.get(f"TEGATA_{self.door.upper()}__BIND", "")
        return int(own.rpartition(":")[2]) if own else self.home.settings.door(self.door).port

    @property
    def scheme(self) -> str:
        """How it speaks."""
        return self.environment.get(f"TEGATA_{self.door.upper()}__SCHEME") or self.home.settings.door(self.door).scheme

    def open(self) -> None:
        """Start the door and wait until it answers."""
        folder = self.home.settings.home
        environment = {**os.environ, "TEGATA_HOME": str(folder), **self.environment}
        with (folder / "door.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", self.module, *(self.arguments or ("serve", self.door))],
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
        while time.monotonic() < deadline and self._process is not None and self._process.poll() is None:
            connection = self.home.connection(5, self.door, port=self.port, scheme=self.scheme)
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
