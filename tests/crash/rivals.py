"""Two clients with a key each for every code set, over HTTPS, who try again when the door falls, or lose patience."""

import http.client
import json
import queue
import random
import threading
import time
from collections import Counter
from dataclasses import asdict, dataclass, field

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from enrollment.codes import Codes
from tests.crash.homes import RealHome
from tests.crash.ledger import Received
from tests.support.house import Request, new_request

CLIENTS = 10
# Of those whose connection breaks, so many never come back: what they left behind is for their rival, or for later.
GIVE_UP = 0.25
OK = {200, 201}
TRY_AGAIN = 503
HEADERS = {"Content-Type": "application/json"}


@dataclass(frozen=True)
class Try:
    """One of the two who want the same certificate."""

    terminal: str
    codes: Codes
    rival: int
    request: Request

    def body(self) -> str:
        """Return the JSON that it sends."""
        return json.dumps({**asdict(self.codes), "csr": self.request.pem.decode("ascii")})


@dataclass
class Crowd:
    """All clients, and what became of them: `received`, and how often each other outcome."""

    home: RealHome
    tries: "queue.SimpleQueue[Try]"
    seed: int
    received: list[Received] = field(default_factory=list)
    outcomes: Counter[str] = field(default_factory=Counter)
    _stop: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def begin(self) -> None:
        """Let them loose."""
        self._threads = [threading.Thread(target=self._work, args=(self.seed + rank,)) for rank in range(CLIENTS)]
        for thread in self._threads:
            thread.start()

    @property
    def busy(self) -> bool:
        """Whether anybody still wants something."""
        return any(thread.is_alive() for thread in self._threads)

    def end(self) -> None:
        """Call them off and wait until all are gone."""
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _work(self, seed: int) -> None:
        moods, line = random.Random(seed), _Line(self.home)  # noqa: S311 (moods are no secrets)
        while not self._stop.is_set():
            try:
                wanted = self.tries.get_nowait()
            except queue.Empty:
                break
            self.outcomes[self._pursue(wanted, line, moods)] += 1
        line.close()

    def _pursue(self, wanted: Try, line: "_Line", moods: random.Random) -> str:
        """Ask until there is an answer, and return what it was."""
        while not self._stop.is_set():
            if not line.is_open():
                time.sleep(0.02)
                continue
            try:
                status, content = line.post(wanted.body())
            except (OSError, http.client.HTTPException):
                self.outcomes["broken connections"] += 1
                if moods.random() < GIVE_UP:
                    return "gave up"
                continue
            if status in OK:
                der = x509.load_pem_x509_certificate(content["certificate"].encode()).public_bytes(Encoding.DER)
                self.received.append(Received(wanted.terminal, wanted.rival, der))
                return "received"
            if status != TRY_AGAIN:
                return str(content.get("code", status))
            time.sleep(0.02)
        return "called off"


class _Line:
    """A kept-alive connection to the door, made anew after it broke."""

    def __init__(self, home: RealHome) -> None:
        self._home = home
        self._connection: http.client.HTTPConnection | None = None

    def is_open(self) -> bool:
        """Connect where it is needed; a door that is not there is no reason to give up."""
        if self._connection is None:
            connection = self._home.connection(30)
            try:
                connection.connect()
            except OSError:
                connection.close()
                return False
            self._connection = connection
        return True

    def post(self, body: str) -> tuple[int, dict[str, str]]:
        """Send a redemption and return status and answer."""
        if self._connection is None:
            raise ConnectionError
        try:
            self._connection.request("POST", "/api/v1/retrievals", body, HEADERS)
            response = self._connection.getresponse()
            return response.status, json.loads(response.read())
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Hang up."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def pair_off(sets: list[tuple[str, Codes]]) -> tuple["queue.SimpleQueue[Try]", dict[str, list[Request]]]:
    """Return every code set twice in a row, each time with another key, and the keys by terminal."""
    tries: queue.SimpleQueue[Try] = queue.SimpleQueue()
    requests = {terminal: [new_request(), new_request()] for terminal, _ in sets}
    for terminal, codes in sets:
        for rival, request in enumerate(requests[terminal]):
            tries.put(Try(terminal, codes, rival, request))
    return tries, requests
