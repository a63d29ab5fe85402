"""The parts that several processes share: database, clock, custody of keys. What each door is made of stands in `server.apps`."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sqlalchemy import text

from kernel.clock import Clock, DemoClock, SystemClock
from kernel.database import Database, connect
from server.front import Checks, Wsgi
from server.home import Home
from server.settings import Settings, load
from server.trouble import Trouble

if TYPE_CHECKING:
    from server.express import Express
    from server.lane import Lane


@dataclass(frozen=True)
class Assembled:
    """A door's app, what `/readyz` asks, and what of the door is answered before any app (`server.express`, `server.lane`).

    `beside` is the work that goes on beside its requests, from when it is served: each starts a thread of its own and returns.
    """

    app: Wsgi
    checks: Checks = field(default_factory=dict)
    express: "Express | None" = None
    lane: "Lane | None" = None
    beside: tuple[Callable[[], None], ...] = ()


Assemble = Callable[[Settings], Assembled]


def home_of(settings: Settings) -> Home:
    """Return where things lie."""
    return Home(settings.home)


def finished_home() -> Settings:
    """Load the settings of a home that was made to its end; raise Trouble when it was not."""
    chosen = load()
    if not home_of(chosen).is_founded:
        raise Trouble(
            f"{chosen.home} is not a finished home of tegata: run `tegata init` (or `tegata init --demo` for a trial) first"
        )
    return chosen


def clock_of(settings: Settings) -> Clock:
    """Return the machine's clock, or the one that a demo home may shift."""
    return DemoClock(home_of(settings).clock_offset) if settings.demo else SystemClock()


def database_of(settings: Settings, *, connections: int = 10) -> Database:
    """Connect to the database: in each process for itself, after every fork."""
    return connect(settings.database_address, connections=connections)


def database_check(database: Database) -> Callable[[], None]:
    """Return what raises Unavailable while the database does not answer."""

    def check() -> None:
        with database.snapshot() as session:
            session.execute(text("SELECT 1"))

    return check
