"""Terminals that renew over real TLS, each with a rival who has the same certificate and another key, until all is settled.

Their certificates end in some weeks although the doors' clock is the machine's: what made them in this process had another
policy.
"""

import http.client
import queue
import random
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from ca.ceremony import service_certificate
from ca.plan import CMP, SCEP
from kernel.clock import tokyo_date
from tests.crash.homes import HOST, RealHome
from tests.crash.ledger import Received
from tests.support.house import SOURCE, House, Request, new_request
from tests.support.interfaces import PEER, RENEWALS, Holder, Outcome, Reply, Told, World

CLIENTS = 6
# Days that are left of the certificates; seconds for which a client comes again that is told so, or told nothing.
LEFT, STUBBORN = timedelta(days=20), 90


@dataclass(frozen=True)
class Wish:
    """One of the two who want to renew the same certificate."""

    holder: Holder
    rival: int
    request: Request


def renewables(house: House, by_rsa: Sequence[bool]) -> list[Holder]:
    """Take terminals to certificates that may be renewed today; whose key is of RSA may do it by SCEP."""
    ending = replace(house, profile=replace(house.profile, fixed_end=tokyo_date(house.clock.now()) + LEFT))
    holders = []
    for (terminal, codes), is_rsa in zip(ending.new_codes(len(by_rsa)), by_rsa, strict=True):
        request = new_request(rsa.generate_private_key(65537, 2048) if is_rsa else None)
        der = ending.redemption.redeem(codes, request.pem, SOURCE).certificate.der or b""
        holders.append(Holder(terminal, codes, request, der))
    return holders


@dataclass(frozen=True)
class Lines:
    """New connections to the doors: with a certificate's header, to a terminals door by that certificate in TLS."""

    home: RealHome
    terminals: int
    retrieval: int | None
    contexts: Mapping[bytes, ssl.SSLContext]

    def send(self, method: str, path: str, headers: Mapping[str, str], body: bytes, _source: str) -> Reply:
        """Send."""
        peer = headers.get(PEER)
        context = self.home.tls() if peer is None else self.contexts[bytes.fromhex(peer)]
        port = self.retrieval if peer is None else self.terminals
        shown = {name: value for name, value in headers.items() if name != PEER}
        with closing(http.client.HTTPSConnection(HOST, port, context=context, timeout=30)) as connection:
            connection.request(method, path, body, shown)
            answer = connection.getresponse()
            return Reply(answer.status, dict(answer.headers), answer.read())

    def world(self) -> World:
        """Return the doors as a client sees them."""
        named = [service_certificate(self.home.house.database, name) for name in (SCEP, CMP)]
        scep, cmp = map(x509.load_der_x509_certificate, named)
        return World(self.send, scep, cmp)


def contexts_of(home: RealHome, holders: Sequence[Holder], folder: Path) -> dict[bytes, ssl.SSLContext]:
    """Return how each terminal speaks TLS with its certificate."""
    made = {}
    for holder in holders:
        file = folder / f"{holder.terminal}.pem"
        key = holder.request.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        file.write_bytes(key + holder.certificate.public_bytes(Encoding.PEM))
        context = made[holder.der] = home.tls()
        context.load_cert_chain(file)
    return made


@dataclass
class Renewers:
    """All clients: each asks by another way and another node each time.

    `outcomes` counts what they were told, `asked` by which ways.
    """

    worlds: Sequence[World]
    ways: Callable[[Holder], Sequence[str]]
    wishes: "queue.SimpleQueue[Wish]" = field(default_factory=queue.SimpleQueue)
    received: list[Received] = field(default_factory=list)
    outcomes: Counter[str] = field(default_factory=Counter)
    asked: Counter[str] = field(default_factory=Counter)
    _threads: list[threading.Thread] = field(default_factory=list)

    def begin(self, holders: Sequence[Holder]) -> None:
        """Let them loose, two for each terminal."""
        for holder in holders:
            for rival in range(2):
                key = rsa.generate_private_key(65537, 2048) if rival and "SCEP" in self.ways(holder) else None
                self.wishes.put(Wish(holder, rival, new_request(key)))
        self._threads = [threading.Thread(target=self._work, args=(rank,)) for rank in range(CLIENTS)]
        for thread in self._threads:
            thread.start()

    @property
    def busy(self) -> bool:
        """Whether anybody still wants something."""
        return any(thread.is_alive() for thread in self._threads)

    def end(self) -> None:
        """Wait until all are served."""
        for thread in self._threads:
            thread.join()

    def _work(self, rank: int) -> None:
        moods = random.Random(rank)  # noqa: S311 (moods are no secrets)
        while True:
            try:
                wish = self.wishes.get_nowait()
            except queue.Empty:
                return
            self.outcomes[self._pursue(wish, moods)] += 1

    def _pursue(self, wish: Wish, moods: random.Random) -> str:
        deadline = time.monotonic() + STUBBORN
        while time.monotonic() < deadline:
            way = moods.choice(self.ways(wish.holder))
            self.asked[way] += 1
            told = self._told(way, wish, moods)
            if told is None or told.outcome is Outcome.AWAY:
                self.outcomes["no answer" if told is None else Outcome.AWAY.value] += 1
                time.sleep(0.05)
            elif told.certificate:
                self.received.append(Received(wish.holder.terminal, wish.rival, told.certificate))
                return "received"
            else:
                return "spent" if _is_spent(told.words) else f"{way}: {told.words}"
        return "gave up"

    def _told(self, way: str, wish: Wish, moods: random.Random) -> Told | None:
        try:
            return RENEWALS[way](moods.choice(self.worlds), wish.holder, wish.request)
        except (OSError, http.client.HTTPException):
            return None


def _is_spent(words: str) -> bool:
    return "renewal-spent" in words or "was renewed with another key" in words or "another key" in words
