"""A demo home, served as an operator would: `tegata init --demo`, then `tegata serve` as a process of its own."""

import atexit
import json
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import pyotp

from kernel.clock import DemoClock
from tests.support.ports import free_ports
from tests.support.warm import PATIENCE, environment_of_users, tegata

Outcome = subprocess.CompletedProcess[str]

DOORS = ("portal", "retrieval", "center", "terminals", "status")


@dataclass(frozen=True)
class Demo:
    """A demo home on ports of its own."""

    home: Path
    environment: dict[str, str]
    # The next time step of each person's app that was not used yet.
    _steps: dict[str, int] = field(default_factory=dict, repr=False)

    def run(self, *arguments: str | Path, stdin: str = "", check: bool = True, patience: float = PATIENCE) -> Outcome:
        """Run `tegata` for this home; raises TimeoutExpired after killing what took longer."""
        outcome = tegata(arguments, self.environment, stdin=stdin, patience=patience)
        if check:
            outcome.check_returncode()
        return outcome

    @cached_property
    def facts(self) -> dict[str, Any]:
        """What `demo.json` says."""
        content: dict[str, Any] = json.loads((self.home / "demo.json").read_text(encoding="utf-8"))
        return content

    def code(self, person: Mapping[str, str]) -> str:
        """Return what somebody's authenticator app shows, by the demo's clock; where that was used, what it shows next."""
        clock = DemoClock(self.home / "clock-offset")
        while (step := max(int(clock.now().timestamp()) // 30, self._steps.get(person["user"], 0))) > _latest(clock):
            time.sleep(1)
        self._steps[person["user"]] = step + 1
        return pyotp.TOTP(person["totp_secret"]).generate_otp(step)

    @property
    def root(self) -> Path:
        """The root certificate, as PEM."""
        return Path(self.facts["ca_bundle"])

    @contextmanager
    def served(self) -> Iterator[None]:
        """Serve all doors while the block runs; afterwards every process of it has ended."""
        with (self.home.parent / "serve.log").open("ab") as log:
            server = subprocess.Popen([_tegata(), "serve"], env=self.environment, stdout=log, stderr=log)
            try:
                self._wait_until_ready(server)
                yield
            finally:
                server.send_signal(signal.SIGTERM)
                server.wait(PATIENCE)

    def _wait_until_ready(self, server: "subprocess.Popen[bytes]") -> None:
        deadline = time.monotonic() + PATIENCE
        for door in DOORS:
            host, _, port = self.environment[f"TEGATA_{door.upper()}__BIND"].rpartition(":")
            while True:
                try:
                    socket.create_connection((host, int(port)), timeout=1).close()
                    break
                except OSError:
                    if server.poll() is not None or time.monotonic() > deadline:
                        raise
                    time.sleep(0.1)


def found_demo(folder: Path, *, database_url: str | None = None, settings: Mapping[str, str] | None = None) -> Demo:
    """Make a demo home below a folder, in SQLite unless an (empty) database is named; `settings` are more of them.

    A home of which nothing special is asked is a copy of one that this process founded before, with the same ports.
    """
    home = folder / "home"
    if database_url is None and not settings and not home.exists():
        return _copied(_usual(), home)
    demo = Demo(home, environment_on_free_ports(home) | dict(settings or {}))
    if database_url is not None:
        demo.environment["TEGATA_DATABASE_URL"] = database_url
    demo.run("init", "--demo")
    return demo


def environment_on_free_ports(home: Path) -> dict[str, str]:
    """Return the environment of a home whose doors have ports of their own."""
    environment = environment_of_users() | {"TEGATA_HOME": str(home)}
    for door, port in zip(DOORS, free_ports(len(DOORS)), strict=True):
        environment[f"TEGATA_{door.upper()}__BIND"] = f"127.0.0.1:{port}"
    return environment


@cache
def _usual() -> Demo:
    """Return a home to copy, which is never served."""
    folder = tempfile.TemporaryDirectory(prefix="tegata-demo-")
    atexit.register(folder.cleanup)
    home = Path(folder.name) / "home"
    demo = Demo(home, environment_on_free_ports(home))
    demo.run("init", "--demo")
    return demo


def _copied(founded: Demo, home: Path) -> Demo:
    """Copy a home that is not served. Only demo.json says where it lies; its certificates name its ports."""
    shutil.copytree(founded.home, home)
    facts = home / "demo.json"
    facts.write_text(facts.read_text(encoding="utf-8").replace(str(founded.home), str(home)), encoding="utf-8")
    return Demo(home, founded.environment | {"TEGATA_HOME": str(home)})


def _latest(clock: DemoClock) -> int:
    """Return the last time step whose code the doors accept now: one step of drift is allowed."""
    return int(clock.now().timestamp()) // 30 + 1


def _tegata() -> str:
    return str(Path(sys.executable).with_name("tegata"))
