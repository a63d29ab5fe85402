"""Which node runs a job: a row per job, held for a while by one process, with a fencing number that only rises.

Leases run on the machine's clock, never on a demo's shifted one. They spare work, they do not protect: every job may be
repeated, and locks what it changes.
"""

import os
import socket
import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import BigInteger, Integer, String, Text, select, update
from sqlalchemy.orm import Mapped, mapped_column

from kernel.clock import Clock
from kernel.database import Base, Database, UtcDateTime, insert_if_absent

# How long a silent holder keeps a job from the others; renewed when half of it is over, and while the job runs.
LEASE = timedelta(seconds=60)
KEEP_EACH = LEASE / 3


class JobLease(Base):
    """Who runs a job, and how it went the last time."""

    __tablename__ = "server_job_lease"

    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    holder: Mapped[str] = mapped_column(String(100))
    fence: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"))
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)
    ran_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    failure: Mapped[str | None] = mapped_column(Text)


@dataclass(frozen=True)
class JobStanding:
    """What is known of a job: its holder, when it ran last, and why it failed then (None: it did not)."""

    name: str
    holder: str
    fence: int
    expires_at: datetime
    ran_at: datetime | None
    failure: str | None


@dataclass
class Lease:
    """One process's claim to one job."""

    database: Database
    clock: Clock
    name: str
    holder: str
    fence: int | None = None
    # By the monotonic clock: until when nobody else can have taken the job.
    _safe_until: float = field(default=0.0, repr=False)

    def hold(self) -> bool:
        """Take the job or keep it; return whether it is ours now. Writes only when half of the lease has passed."""
        if self.fence is not None and self._safe_until - time.monotonic() > LEASE.total_seconds() / 2:
            return True
        asked_at = time.monotonic()
        if not self._renew() and not self._take():
            self.fence = None
            return False
        self._safe_until = asked_at + LEASE.total_seconds()
        return True

    def keep(self) -> bool:
        """Renew the lease of a job that runs for long; return whether it is still ours."""
        asked_at = time.monotonic()
        if not self._renew():
            return False
        self._safe_until = asked_at + LEASE.total_seconds()
        return True

    def note(self, failure: str | None) -> None:
        """Write down how a run went, unless the job is another's by now."""
        with self.database.transaction() as session:
            session.execute(
                update(JobLease)
                .where(JobLease.name == self.name, JobLease.fence == self.fence)
                .values(ran_at=self.clock.now(), failure=failure)
            )

    def release(self) -> None:
        """Let another node have the job at once."""
        if self.fence is None:
            return
        with self.database.transaction() as session:
            mine = (JobLease.name == self.name) & (JobLease.fence == self.fence)
            session.execute(update(JobLease).where(mine).values(expires_at=self.clock.now()))
        self.fence = None

    def _renew(self) -> bool:
        if self.fence is None:
            return False
        mine = (JobLease.name == self.name) & (JobLease.holder == self.holder) & (JobLease.fence == self.fence)
        with self.database.transaction() as session:
            changed = session.execute(update(JobLease).where(mine).values(expires_at=self.clock.now() + LEASE))
            return bool(changed.rowcount)  # type: ignore[attr-defined]

    def _take(self) -> bool:
        now = self.clock.now()
        with self.database.snapshot() as session:  # while another node has it, asking is no write
            row = session.get(JobLease, self.name)
            if row is not None and not self._is_free(row, now):
                return False
        with self.database.transaction() as session:
            insert_if_absent(session, JobLease, {"name": self.name, "holder": "", "fence": 0, "expires_at": now})
            row = session.scalars(select(JobLease).where(JobLease.name == self.name).with_for_update()).one()
            if not self._is_free(row, now):
                return False
            row.holder, row.fence, row.expires_at = self.holder, row.fence + 1, now + LEASE
            self.fence = row.fence
            return True

    def _is_free(self, row: JobLease, now: datetime) -> bool:
        return row.expires_at <= now or row.holder == self.holder or _has_died(row.holder)


def this_process() -> str:
    """Return how this process is named as a holder: `HOST/PID`."""
    return f"{socket.gethostname()}/{os.getpid()}"


def _has_died(holder: str) -> bool:
    """Return whether a holder is a process of this machine that is gone: its successor need not wait for the lease's end."""
    host, _, pid = holder.rpartition("/")
    if host != socket.gethostname() or not pid.isdigit():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


def standings(database: Database) -> dict[str, JobStanding]:
    """Return what is known of every job that ever ran, by name."""
    with database.snapshot() as session:
        return {
            row.name: JobStanding(row.name, row.holder, row.fence, row.expires_at, row.ran_at, row.failure)
            for row in session.scalars(select(JobLease))
        }
