"""Terminals on a PC whose certificates were made most of a year ago, and a terminals door that knows them."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from ca import certificates
from ca.certificates import CertificateRecord
from enrollment.client.connection import Server
from enrollment.client.folder import Form
from enrollment.client.retrieval import retrieve
from enrollment.codes import Codes
from enrollment.protocols import terminals
from enrollment.protocols.terminals import TerminalsDoor
from kernel.clock import tokyo_date
from server.front import Wsgi
from server.tls import Credentials
from tests.enrollment.client.scripted import Reply, ScriptedDoor
from tests.support.aged_house import AGE
from tests.support.clock import SettableClock
from tests.support.house import PASSPHRASE, House
from tests.support.open_doors import OpenDoors, client_certificate


@dataclass(frozen=True)
class Terminal:
    """A terminal's name, codes and folder."""

    name: str
    codes: Codes
    folder: Path


@dataclass
class Aged:
    """Open doors whose clock can be set; TLS goes by the machine's. `waits` is how long the client waited."""

    doors: OpenDoors
    clock: SettableClock
    present: datetime
    waits: list[float] = field(default_factory=list)

    @property
    def house(self) -> House:
        """The house behind the doors."""
        return self.doors.house

    def server(self, url: str | None = None, ca_bundle: Path | None = None, *, patience: float = 120) -> Server:
        """Return how the terminals door, or another one, is reached; waiting takes no time."""
        return Server(
            url or self.doors.terminals,
            ca_bundle or self.doors.root,
            self.clock,
            timeout=30,  # a busy machine is slow
            patience=patience,
            pause=self.waits.append,
        )

    def terminal(
        self, folder: Path, *, form: Form = Form.PEM, passphrase: bytes | None = None, starts_in: timedelta = timedelta()
    ) -> Terminal:
        """Retrieve a certificate: so long ago that it may be renewed now, or today for a start date ahead."""
        now, self.clock.instant = self.clock.instant, self.present - (timedelta() if starts_in else AGE)
        [(name, codes)] = self.house.new_codes(start_date=tokyo_date(self.clock.instant + starts_in))
        reach = Server(self.doors.retrieval, self.doors.root, self.clock)
        retrieve(codes, reach, folder, form=form, passphrase=passphrase)
        self.clock.instant = now
        return Terminal(name, codes, folder)

    def scripted(self, *script: Reply) -> ScriptedDoor:
        """Return a terminals door that first answers by script."""
        return ScriptedDoor(list(script), self._app())

    def credentials(self) -> Credentials:
        """Return the terminals door's own certificate, and whom it asks for theirs."""
        folder, keys = self.doors.root.parent, self.house.keys
        return Credentials(
            folder / "tls-terminals.pem", keys.path("tls-terminals"), lambda: PASSPHRASE, folder / "clients.pem"
        )  # fmt: skip

    def certificates(self, terminal: str) -> list[CertificateRecord]:
        """Return all certificates of a terminal, newest first."""
        with self.house.database.snapshot() as session:
            return certificates.of_subject(session, terminal)

    def set_to(self, terminal: str, *, days_left: int) -> None:
        """Set the clock to ten in the morning, so many days before the last day of a terminal's newest certificate."""
        self.clock.instant = self.certificates(terminal)[0].not_after - timedelta(days=days_left, hours=14)

    def _app(self) -> Wsgi:
        house = self.house
        door = TerminalsDoor(house.logon, client_certificate, house.renewal, house.reissues, house.own_states)
        return terminals.create_app(door)
