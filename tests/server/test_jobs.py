import socket
import subprocess
import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta

from kernel.database import Database
from kernel.errors import Unavailable
from server.jobs import Job, Schedule
from server.leases import LEASE, JobLease, Lease, standings, this_process
from tests.support.clock import SettableClock

OFTEN = timedelta(milliseconds=20)
PATIENCE = 60.0  # seconds; a busy machine is slow


def run_for(seconds: float, *schedules: Schedule, until: Callable[[], bool] = lambda: True) -> None:
    """Run schedules for so long, and longer until something holds that they bring about."""
    stop = threading.Event()
    threads = [threading.Thread(target=schedule.run, args=(stop,)) for schedule in schedules]
    for thread in threads:
        thread.start()
    time.sleep(seconds)
    deadline = time.monotonic() + PATIENCE
    while not until() and time.monotonic() < deadline:
        time.sleep(0.05)
    stop.set()
    for thread in threads:
        thread.join()


def _have_run(database: Database, *names: str) -> bool:
    return {name for name, one in standings(database).items() if one.ran_at} == set(names)


def test_a_job_that_fails_stops_neither_itself_nor_the_others(database: Database, clock: SettableClock) -> None:
    runs: list[datetime] = []

    def good(now: datetime) -> int:
        runs.append(now)
        return 0

    def bad(_now: datetime) -> int:
        raise RuntimeError("on purpose")

    def away(_now: datetime) -> int:
        raise Unavailable("the mail server")

    jobs = [Job("good", OFTEN, good, ""), Job("bad", OFTEN, bad, ""), Job("away", OFTEN, away, "")]
    run_for(1, Schedule(database, clock, jobs), until=lambda: len(runs) > 5 and _have_run(database, "good", "bad", "away"))
    assert len(runs) > 5
    assert set(runs) == {clock.now()}
    known = standings(database)
    assert known["good"].failure is None
    assert known["bad"].failure == "RuntimeError: on purpose"
    assert known["away"].failure == "unavailable: the mail server"


def test_a_fault_in_keeping_leases_ends_no_schedule(database: Database, clock: SettableClock) -> None:
    leases = JobLease.metadata.tables[JobLease.__tablename__]
    ran, stop = threading.Event(), threading.Event()

    def unsettle(_now: datetime) -> int:
        leases.drop(database.engine)
        time.sleep(0.3)
        leases.create(database.engine)
        ran.set()
        return 0

    jobs = [Job("unsettling", timedelta(minutes=1), unsettle, "")]
    schedule = threading.Thread(target=Schedule(database, clock, jobs, keep_each=OFTEN).run, args=(stop,))
    schedule.start()
    assert ran.wait(30)
    assert schedule.is_alive()
    stop.set()
    schedule.join()


def test_a_lease_is_one_holders_and_its_number_rises_with_each_taking(database: Database, clock: SettableClock) -> None:
    ours, theirs = (Lease(database, clock, "crl", holder) for holder in ("node-1", "node-2"))
    assert ours.hold()
    assert not theirs.hold()
    assert ours.hold()
    clock.advance(LEASE)
    assert theirs.hold()
    assert (ours.fence, theirs.fence) == (1, 2)


def test_a_job_that_runs_for_long_stays_its_nodes(database: Database, clock: SettableClock) -> None:
    ours, theirs = (Lease(database, clock, "check", holder) for holder in ("node-1", "node-2"))
    assert not ours.keep()  # nobody keeps what they do not hold
    assert ours.hold()
    for _ in range(3):
        clock.advance(LEASE * 0.9)
        assert ours.keep()
    assert not theirs.hold()
    clock.advance(LEASE)
    assert theirs.hold()
    assert not ours.keep()


def test_leases_are_kept_while_jobs_run_and_not_between(database: Database, clock: SettableClock) -> None:
    ends: list[datetime] = []

    def long(_now: datetime) -> int:
        deadline = time.monotonic() + PATIENCE
        while len(set(ends)) <= 2 and time.monotonic() < deadline:
            ends.append(standings(database)["long"].expires_at)
            time.sleep(0.1)
        return 0

    jobs = [Job("long", timedelta(minutes=1), long, ""), Job("short", timedelta(minutes=1), lambda _: 0, "")]
    run_for(1.2, Schedule(database, clock, jobs, keep_each=OFTEN), until=lambda: _have_run(database, "long", "short"))
    assert ends == sorted(ends)
    assert len(set(ends)) > 2
    assert standings(database)["short"].fence == 1


def test_a_released_job_is_free_at_once(database: Database, clock: SettableClock) -> None:
    ours, theirs = (Lease(database, clock, "crl", holder) for holder in ("node-1", "node-2"))
    assert ours.hold()
    ours.release()
    assert theirs.hold()


def test_who_lost_a_lease_writes_nothing_about_the_job(database: Database, clock: SettableClock) -> None:
    ours, theirs = (Lease(database, clock, "crl", holder) for holder in ("node-1", "node-2"))
    assert ours.hold()
    clock.advance(LEASE)
    assert theirs.hold()
    ours.note("a late failure")
    assert standings(database)["crl"].failure is None
    late = Lease(database, clock, "crl", "node-1", fence=ours.fence)  # as if half of its time were over
    assert not late.hold()


def test_two_nodes_never_run_one_job_together(database: Database, clock: SettableClock) -> None:
    running, together, by_node = threading.Lock(), [], {1: 0, 2: 0}

    def job_of(node: int) -> Job:
        def run(_now: datetime) -> int:
            if not running.acquire(blocking=False):
                together.append(node)
                return 0
            by_node[node] += 1
            time.sleep(0.01)
            running.release()
            return 1

        return Job("crl", OFTEN, run, "")

    schedules = (Schedule(database, clock, [job_of(node)], node=f"node-{node}") for node in (1, 2))
    run_for(1, *schedules, until=lambda: max(by_node.values()) > 5)
    assert together == []
    idle, busy = sorted(by_node.values())
    assert idle == 0
    assert busy > 5


def test_the_successor_of_a_dead_process_need_not_wait(database: Database, clock: SettableClock) -> None:
    child = subprocess.Popen(["true"])
    child.wait()
    fallen = Lease(database, clock, "crl", f"{socket.gethostname()}/{child.pid}")
    living = Lease(database, clock, "mail", this_process())
    assert fallen.hold()
    assert living.hold()
    assert Lease(database, clock, "crl", "successor").hold()
    assert not Lease(database, clock, "mail", "successor").hold()
