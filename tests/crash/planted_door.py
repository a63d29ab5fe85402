"""The retrieval door with a planted bug in its redemption, as a process: `python -m tests.crash.planted_door early|burning`."""

import socket
import sys
import threading
from typing import TYPE_CHECKING, cast

from enrollment.protocols.retrieval import RetrievalDoor, create_app
from kernel.clock import SystemClock
from server import settings as server_settings
from server.commands.serve import credentials_of
from server.custody import Custody
from server.front import Front
from server.issuing import authority_of
from server.wiring import database_of
from tests.crash.planted import AnswersBeforeStoring, BurnsFirst
from tests.support.open_doors import serving

if TYPE_CHECKING:
    from enrollment.redemption import Redemption

# Wide enough for a kill to fall into it now and then.
PAUSE = 0.05


def main() -> None:
    """Serve on the address that the settings say, until killed."""
    settings = server_settings.load()
    database = database_of(settings)
    kind = {"early": AnswersBeforeStoring, "burning": BurnsFirst}[sys.argv[1]]
    clock = SystemClock()
    authority = authority_of(settings, database, clock).at(clock.now())
    redemption = kind(database, clock, authority, Custody(settings).hasher(), pause=PAUSE)
    app = Front(create_app(RetrievalDoor(cast("Redemption", redemption))), {})
    listener = socket.create_server((settings.retrieval.host, settings.retrieval.port))
    with serving(app, listener, credentials_of(settings, "retrieval")):
        threading.Event().wait()


main()
