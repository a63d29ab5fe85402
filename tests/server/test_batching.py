"""Confirmed batches are worked off beside the retrieval door, without anybody asking."""

import threading
import time
from pathlib import Path

from enrollment.batches import records
from enrollment.batches.deeds import Batches
from kernel import audit
from kernel.database import Database, connect
from server import batching
from server import settings as server_settings
from server.leases import standings
from tests.enrollment.test_batches import csr
from tests.support.clock import SettableClock
from tests.support.demo import found_demo
from tests.support.house import OFFICE, SOURCE, build_house

HANAKO = audit.customer(OFFICE, "hanako")
PATIENCE = 60.0  # seconds; a busy machine is slow


def test_a_confirmed_batch_is_worked_off(database: Database, clock: SettableClock, tmp_path: Path) -> None:
    house = build_house(database, tmp_path, clock)
    batches = Batches(database, clock)
    names = [name for name, _ in house.new_codes(2)]
    batch_id = batches.upload(OFFICE, [(f"{name}.csr", csr(name)) for name in names], HANAKO)
    batches.confirm(batch_id, OFFICE, HANAKO, source=SOURCE)
    stop = threading.Event()
    working = threading.Thread(target=batching.schedule_of(house.redemption, house.opener).run, args=(stop,))
    working.start()
    try:
        deadline = time.monotonic() + PATIENCE
        while not _is_finished(database, batch_id) and time.monotonic() < deadline:
            time.sleep(0.05)
    finally:
        stop.set()
        working.join()
    assert _is_finished(database, batch_id)
    assert {row.state for name in names for row in house.code_set_rows(name)} == {"redeemed"}


def test_the_served_retrieval_door_looks_for_batches(tmp_path: Path) -> None:
    demo = found_demo(tmp_path)
    with demo.served():
        database = connect(server_settings.load(demo.home).database_address)
        deadline = time.monotonic() + PATIENCE
        while "batch-retrieval" not in standings(database) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert "batch-retrieval" in standings(database)
        database.dispose()


def _is_finished(database: Database, batch_id: str) -> bool:
    with database.snapshot() as session:
        found = records.find(session, batch_id, OFFICE)
    return found is not None and found.is_finished
