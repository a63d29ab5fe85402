"""A house with open doors whose terminals have their certificates since a year: renewal is possible now.

Other people's programs look at the machine's clock, so it is the past that is made up, not the present.
"""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from flask import Flask

from enrollment.protocols.scep import door as scep
from kernel.clock import SystemClock
from kernel.database import Database
from tests.support.clock import SettableClock
from tests.support.house import SOURCE, House, Request
from tests.support.open_doors import OpenDoors, open_house, serving
from tests.support.scep_door import scep_door_of

# A certificate that was made so long ago ends within the window in which it can be renewed.
AGE = timedelta(days=350)


@contextmanager
def aged_house(database: Database, folder: Path, requests: list[Request]) -> Iterator[tuple[OpenDoors, list[bytes]]]:
    """Open a house, and give each request a certificate (DER) of a terminal of its own, made `AGE` ago."""
    present = SystemClock().now()
    clock = SettableClock(present - AGE)
    with open_house(database, folder, clock) as doors:
        codes = [codes for _, codes in doors.house.new_codes(len(requests))]
        issued = [
            doors.house.redemption.redeem(one, request.pem, SOURCE).certificate.der or b""
            for one, request in zip(codes, requests, strict=True)
        ]
        clock.instant = present
        doors.house.crl.publish_if_due(present)
        yield doors, issued


@contextmanager
def plain_scep_door(house: House) -> Iterator[str]:
    """Serve SCEP without TLS, for clients that trust no roots but the system's; return its address."""
    app, listener = Flask("plain", static_folder=None), socket.create_server(("127.0.0.1", 0))
    scep.mount(app, scep_door_of(house))
    with serving(app, listener):
        yield f"http://localhost:{listener.getsockname()[1]}/scep"
