"""The real retrieval door, killed with SIGKILL at random moments among redemptions in which every code set has two rivals.

TEGATA_TEST_KILL_CODES says how many code sets (default 2,000), TEGATA_TEST_KILL_SECONDS after how long it ends in any
case (40), TEGATA_TEST_KILL_SEED repeats the moments and moods of a run.
"""

import os
import random
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from ca.tables import CertificateRow
from enrollment.code_sets import CodeSetState
from enrollment.codes import Codes
from enrollment.tables import CodeSetRow
from kernel.errors import Refused, Unavailable
from tests.crash import ledger
from tests.crash.bulk import prepare_many
from tests.crash.homes import DoorProcess, RealHome, found_home
from tests.crash.rivals import Crowd, pair_off
from tests.support.house import OFFICE, PREPARER, SECURITY, Request

CODES = int(os.environ.get("TEGATA_TEST_KILL_CODES", "2000"))
SECONDS = float(os.environ.get("TEGATA_TEST_KILL_SECONDS", "40"))
SEED = int(os.environ.get("TEGATA_TEST_KILL_SEED", str(random.SystemRandom().randrange(1 << 32))))
# How long a door lives, in seconds.
LIFE = (0.1, 3.0)
# How many of them there are at least, and how many certificates are handed out, however slow the machine is; and after how many
# seconds it is too slow.
LIVES, RECEIVED = 4, 20
AT_MOST = 120
EXPECTED = {"received", "codes-spent", "codes-frozen", "gave up", "called off", "broken connections"}


@dataclass
class Aftermath:
    """What there is to look at when the dust has settled; `requests` are the two rivals' by terminal."""

    crowd: Crowd
    requests: dict[str, list[Request]]
    sets: dict[str, Codes]
    door: DoorProcess

    def faults(self) -> list[str]:
        """Return what the checks of every crash test say."""
        return ledger.faults(self.crowd.home.house, self.crowd.received)

    def burnt(self, *, at_most: int) -> list[str]:
        """Return the code sets that nobody can redeem any more, looking at claimed and burnt ones first."""
        house = self.crowd.home.house
        with house.database.snapshot() as session:
            untouched = set(session.scalars(select(CodeSetRow.terminal).where(CodeSetRow.state == CodeSetState.PREPARED)))
        served = {received.terminal for received in self.crowd.received}
        unserved = sorted(self.sets.keys() - served, key=lambda terminal: terminal in untouched)
        return ledger.burnt(house.redemption, [(name, self.sets[name]) for name in unserved[:at_most]], self.requests)

    def taken_up(self) -> int:
        """Return how many certificates were signed for good long after they were reserved: in a later life of the door."""
        soon = timedelta(milliseconds=500)
        with self.crowd.home.house.database.snapshot() as session:
            rows = session.scalars(select(CertificateRow).where(CertificateRow.issued_at.is_not(None))).all()
        return sum(row.issued_at is not None and row.issued_at - row.reserved_at > soon for row in rows)


@pytest.fixture
def home(database_url: str, tmp_path: Path) -> Iterator[RealHome]:
    made = found_home(tmp_path, database_url)
    yield made
    made.house.database.dispose()


def test_a_killed_door_yields_no_code_twice_and_burns_none(home: RealHome) -> None:
    sets = dict(prepare_many(home.house, CODES))
    staff = _Staff(home, list(sets))
    aftermath = _let_loose(home, sets, DoorProcess(home), seconds=SECONDS, staff=staff)
    outcomes = aftermath.crowd.outcomes
    taken_up = aftermath.taken_up()
    print(f"seed {SEED}: {aftermath.door.lives} doors, {staff.deeds} freezes, {taken_up} taken up, {dict(outcomes)}")  # noqa: T201 (shown when it fails)
    assert aftermath.faults() == []
    assert aftermath.burnt(at_most=200) == []
    assert aftermath.faults() == []
    assert set(outcomes) <= EXPECTED
    assert aftermath.door.lives > 2
    assert outcomes["received"] > 10


def test_a_door_with_a_lane_that_is_killed_yields_no_code_twice_and_burns_none(database_url: str, tmp_path: Path) -> None:
    home = found_home(tmp_path, database_url, retrieval="http")
    try:
        aftermath = _let_loose(home, dict(prepare_many(home.house, 400)), DoorProcess(home), seconds=30)
        outcomes = aftermath.crowd.outcomes
        print(f"seed {SEED}: {aftermath.door.lives} doors, {dict(outcomes)}")  # noqa: T201 (shown when it fails)
        assert aftermath.faults() == []
        assert aftermath.burnt(at_most=50) == []
        assert set(outcomes) <= EXPECTED
        assert outcomes["received"] > 10
    finally:
        home.house.database.dispose()


def test_the_killed_door_shows_who_answers_before_storing(home: RealHome) -> None:
    door = DoorProcess(home, "tests.crash.planted_door", ("early",))
    aftermath = _let_loose(home, dict(prepare_many(home.house, 400)), door, seconds=6)
    found = aftermath.faults()
    assert any("keys got a certificate" in fault for fault in found)
    assert any("holds a certificate that is not stored" in fault for fault in found)


def test_the_killed_door_shows_who_burns_the_code_first(home: RealHome) -> None:
    door = DoorProcess(home, "tests.crash.planted_door", ("burning",))
    aftermath = _let_loose(home, dict(prepare_many(home.house, 400)), door, seconds=6)
    assert any("its certificate is not" in fault for fault in aftermath.faults())
    assert any("are burnt" in fault for fault in aftermath.burnt(at_most=50))


class _Staff:
    """Somebody who freezes codes now and then, in the middle of everything, and thaws them again."""

    def __init__(self, home: RealHome, terminals: list[str]) -> None:
        self._home = home
        self._terminals = terminals
        self._moods = random.Random(SEED)  # noqa: S311
        self.deeds = 0

    def meddle(self) -> None:
        """Freeze and thaw one terminal's codes, whatever state they are in."""
        terminal = self._moods.choice(self._terminals)
        try:
            self._home.house.notices.freeze(None, OFFICE, terminal, SECURITY)
            self._home.house.preparation.thaw(terminal, PREPARER)
        except (Refused, Unavailable):
            return
        self.deeds += 1


def _let_loose(
    home: RealHome, sets: dict[str, Codes], door: DoorProcess, *, seconds: float, staff: _Staff | None = None
) -> Aftermath:
    tries, requests = pair_off(list(sets.items()))
    crowd = Crowd(home, tries, SEED)
    moments = random.Random(SEED)  # noqa: S311
    begin = time.monotonic()

    def goes_on() -> bool:
        passed, was_enough = time.monotonic() - begin, door.lives >= LIVES and len(crowd.received) >= RECEIVED
        return crowd.busy and passed < (seconds if was_enough else max(seconds, AT_MOST))

    door.open()
    crowd.begin()
    pause = threading.Event()
    try:
        while goes_on():
            ends = time.monotonic() + moments.uniform(*LIFE)
            while (left := ends - time.monotonic()) > 0:
                if staff:
                    staff.meddle()
                pause.wait(min(left, 0.05))
            door.kill()
            door.open()
    finally:
        crowd.end()
        door.kill()
    return Aftermath(crowd, requests, sets, door)
