"""The retrieval door over plain HTTP and a house of the tests, as processes: what the tests of its lane knock at.

Run as `python -m tests.server.retrieval_door LISTEN_FD READY_FD DATABASE_URL KEYS_FOLDER [WORKERS [FAULT]]`. FAULT is what goes
wrong with each batch, which is told in the log: "breaks" raises, "stalls" takes five seconds, "off" is a door without a lane.
"""

import socket
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from ipaddress import ip_network
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec

from ca import ceremony, issuers
from ca.authority import Authority
from ca.issuers import SigningIssuer
from ca.profiles import Addresses, TerminalProfile
from enrollment.protocols.retrieval import RetrievalDoor, create_app
from enrollment.protocols.usual_retrievals import Sent, UsualRetrievals
from enrollment.redemption import Redemption
from kernel.clock import SystemClock
from kernel.database import connect
from keys.codes import CodeHasher
from keys.custody import SoftwareKeys
from server import logs
from server.batch_worker import BatchWorker
from server.doors import Door, serve
from server.front import Front, Wsgi
from server.process import Starting
from server.retrieval_lane import RetrievalLane
from server.settings import DoorSettings
from server.worker import PatientWorker
from tests.support.house import HASHING, PASSPHRASE, POLICY_OID, SAN_PREFIX, STATUS_URL

PROXY = "127.0.0.1/32"
DEADLINE = 6


@dataclass(frozen=True)
class Faulty(UsualRetrievals):
    """Batches that have a fault."""

    fault: Callable[[], None] = lambda: None

    def answers(self, sent: Sequence[Sent]) -> list[bytes | None]:
        """Have it, then answer."""
        logs.logger("trial").info("batch.begins", requests=len(sent))
        self.fault()
        return super().answers(sent)


def breaks() -> None:
    """Fail as nobody expects."""
    raise RuntimeError("on purpose")


FAULTS: dict[str, Callable[[], None]] = {
    "none": lambda: None,
    "breaks": breaks,
    "stalls": lambda: time.sleep(2 * DEADLINE),
}


def app(url: str, folder: str, fault: str) -> Wsgi:
    """Put the lane before the real app."""
    database, clock = connect(url), SystemClock()
    key = SoftwareKeys(Path(folder), PASSPHRASE).open(ceremony.ISSUING)
    with database.snapshot() as session:
        issuer = issuers.load(session, ceremony.ISSUING)
    if issuer is None or not isinstance(key, ec.EllipticCurvePrivateKey):
        raise TypeError(ceremony.ISSUING)
    profile = TerminalProfile(POLICY_OID, SAN_PREFIX, Addresses(STATUS_URL))
    redemption = Redemption(database, clock, Authority(SigningIssuer(issuer, key), profile), CodeHasher(HASHING))
    flask = create_app(RetrievalDoor(redemption))
    proxies = (ip_network(PROXY),)
    lane = RetrievalLane(Faulty(redemption, flask.json.dumps, FAULTS.get(fault, FAULTS["none"])), proxies)
    return Front(flask, {}, proxies, strict_transport=True, lane=lane)


def main() -> None:
    """Serve on the inherited socket."""
    listen, ready, url, folder, workers, fault = sys.argv[1:]
    logs.configure("retrieval", "info")
    settings = DoorSettings(scheme="http", bind="127.0.0.1:0", workers=int(workers), threads=4, deadline=DEADLINE)
    worker = PatientWorker if fault == "off" else BatchWorker
    door = Door("retrieval", settings, partial(app, url, folder, fault), None, worker)
    serve(door, socket.socket(fileno=int(listen)), Starting(int(ready)))


if __name__ == "__main__":
    main()
