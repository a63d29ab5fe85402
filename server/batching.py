"""Batches of requests that offices have confirmed, worked off beside the retrieval door, which may sign and open codes anyway."""

import threading
from datetime import timedelta

from enrollment.batches.redeeming import BatchRedemption
from enrollment.redemption import Redemption
from keys.codes import Opener
from server.jobs import Job, Schedule

EACH = timedelta(seconds=2)


def schedule_of(redemption: Redemption, opener: Opener) -> Schedule:
    """Return what works batches off; of all the door's processes and nodes one does at a time."""
    work = BatchRedemption(redemption, opener).work_off
    job = Job("batch-retrieval", EACH, work, "redeems the requests of confirmed batches")
    return Schedule(redemption.database, redemption.clock, [job])


def keep_working(redemption: Redemption, opener: Opener) -> None:
    """Work batches off as long as the process lives."""
    schedule = schedule_of(redemption, opener)
    threading.Thread(target=schedule.run, args=(threading.Event(),), name="batches", daemon=True).start()
