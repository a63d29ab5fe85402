"""Redemptions beside everything else that locks the same rows: nobody waits in a circle, and what must hold does.

On PostgreSQL, where locks are rows; on SQLite writers stand in one queue.
"""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import event
from sqlalchemy.engine import ExceptionContext

from ca.revocation import Reason
from enrollment import id_notices
from enrollment.codes import typed
from kernel.database import Database
from kernel.errors import Refused, Unavailable
from tests.crash import ledger
from tests.crash.ledger import Received, received_by
from tests.support.clock import SettableClock
from tests.support.house import APPROVER, OFFICE, PREPARER, SECURITY, SOURCE, House, Request, build_house, new_request

# How long the deeds meet each other at least, and at most when the machine is too busy for enough of them.
SECONDS = 8
AT_MOST = 120
TERMINALS = 6
REDEEMED = ("redeem", "redeem too")
OTHERS = ("freeze", "thaw", "replace", "suspend", "resume", "revoke", "publish")


@pytest.fixture
def house(postgresql_database: Database, tmp_path: Path, clock: SettableClock) -> House:
    return build_house(postgresql_database, tmp_path, clock)


@dataclass
class Turmoil:
    """Threads that do one kind of deed each on random terminals until enough was done; what they meet is counted."""

    house: House
    terminals: list[str]
    met: Counter[str] = field(default_factory=Counter)
    received: list[Received] = field(default_factory=list)
    deadlocks: list[str] = field(default_factory=list)
    crashes: list[BaseException] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def run(self, deeds: dict[str, Callable[[str], object]]) -> None:
        """Let every deed run in a thread of its own."""
        started = time.monotonic()
        threads = [
            threading.Thread(target=self._repeat, args=(name, deed, rank)) for rank, (name, deed) in enumerate(deeds.items())
        ]
        with self._watching():
            for thread in threads:
                thread.start()
            while not self.over.wait(0.1):
                passed = time.monotonic() - started
                if self.crashes or passed > AT_MOST or (passed > SECONDS and self.was_enough()):
                    self.over.set()
            for thread in threads:
                thread.join()

    def was_enough(self) -> bool:
        """Say whether each deed that matters was done, and redemptions several times."""
        redeemed = sum(self.met[f"{name}: done"] for name in REDEEMED)
        return redeemed > 5 and all(self.met[f"{name}: done"] for name in OTHERS)

    def redeem(self, requests: dict[str, Request], terminal: str) -> None:
        """Redeem a terminal's open codes with a key that belongs to them."""
        codes = self.house.codes_of(terminal)
        request = requests.setdefault(codes.access_key, new_request())
        self.received.append(received_by(0, self.house.redemption.redeem(codes, request.pem, SOURCE)))

    def guess(self, terminal: str) -> None:
        """Try wrong codes with the right access key."""
        codes = self.house.codes_of(terminal)
        wrong = typed(
            access_key=codes.access_key,
            auth_code_1=codes.auth_code_1,
            auth_code_2="222222",
            auth_code_3="22222",
            office_code=codes.office_code,
        )
        self.house.redemption.redeem(wrong, new_request().pem, SOURCE)

    def _repeat(self, name: str, deed: Callable[[str], object], seed: int) -> None:
        choice = random.Random(seed)  # noqa: S311
        while not self.over.is_set():
            try:
                deed(choice.choice(self.terminals))
            except Refused as refusal:
                self.met[f"{name}: {refusal.code}"] += 1
            except Unavailable:
                self.met[f"{name}: unavailable"] += 1
            except LookupError:
                self.met[f"{name}: no codes"] += 1
            except BaseException as crash:  # noqa: BLE001 (shown by the test)
                self.crashes.append(crash)
            else:
                self.met[f"{name}: done"] += 1

    @contextmanager
    def _watching(self) -> Iterator[None]:
        """Note every deadlock that the database had to break, also those that became a polite "try again"."""

        def note(context: ExceptionContext) -> None:
            if isinstance(context.original_exception, psycopg.errors.DeadlockDetected):
                self.deadlocks.append(str(context.statement))

        engine = self.house.database.engine
        event.listen(engine, "handle_error", note)
        yield
        event.remove(engine, "handle_error", note)


def test_deeds_on_the_same_terminals_never_wait_in_a_circle(house: House) -> None:
    terminals = [terminal for terminal, _ in house.new_codes(TERMINALS)]
    turmoil = Turmoil(house, terminals)
    requests: dict[str, Request] = {}
    turmoil.run(
        {
            "redeem": partial(turmoil.redeem, requests),
            "redeem too": partial(turmoil.redeem, requests),
            "guess": turmoil.guess,
            "unlock": lambda name: house.preparation.unlock(name, PREPARER),
            "freeze": lambda name: house.notices.freeze(None, OFFICE, name, SECURITY),
            "thaw": lambda name: house.preparation.thaw(name, PREPARER),
            "replace": lambda name: house.preparation.replace(name, PREPARER),
            "prepare": lambda name: house.preparation.prepare_existing(name, APPROVER, PREPARER),
            "suspend": lambda name: house.endings.suspend(name, SECURITY),
            "resume": lambda name: house.endings.resume(name, SECURITY),
            "resume too": lambda name: house.endings.resume(name, SECURITY),
            "revoke": lambda name: house.endings.revoke(name, Reason.UNSPECIFIED, SECURITY),
            "expire": lambda _name: id_notices.expire_due(house.database, house.clock.now()),
            "publish": lambda _name: house.crl.publish(house.clock.now()),
        }
    )
    assert turmoil.crashes == []
    assert turmoil.deadlocks == []
    assert turmoil.was_enough(), turmoil.met
    assert _without_several_sets(ledger.faults(house, turmoil.received)) == []


def _without_several_sets(faults: list[str]) -> list[str]:
    """Leave out what is no fault here: a terminal that retrieved several times, each time with new codes."""
    return [fault for fault in faults if "yielded" not in fault]
