"""Slowing down those who guess: counters in the database, shared by all nodes.

Two rooms guess-proof something (codes in enrollment, passwords in webui); the rule is the same, so it stands here.
A key is whatever the caller counts by, already hashed when it is a secret or a person's.
"""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import String, delete, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from kernel.database import Base, UtcDateTime, among, insert_if_absent, many
from kernel.errors import Refused

# Far beyond any `longest`, and within what a timedelta can hold: a guesser of many weeks must not overflow it.
MOST_DOUBLINGS = 20


class ThrottleCounter(Base):
    """Failures of one key inside a window, and the lock that too many of them caused."""

    __tablename__ = "kernel_throttle"

    key: Mapped[str] = mapped_column(String(100), primary_key=True)
    failures: Mapped[int] = mapped_column(default=0)
    window_start: Mapped[datetime] = mapped_column(UtcDateTime)
    locks: Mapped[int] = mapped_column(default=0)
    locked_until: Mapped[datetime | None] = mapped_column(UtcDateTime)


_COUNTERS = select(
    ThrottleCounter.key, ThrottleCounter.failures, ThrottleCounter.window_start, ThrottleCounter.locked_until
).where(among(ThrottleCounter.key))
_HELD_COUNTERS = _COUNTERS.order_by(ThrottleCounter.key).with_for_update()


@dataclass(frozen=True)
class Limit:
    """So many failures inside `window` lock for `lock`; each further lock lasts twice as long, up to `longest`."""

    failures: int = 5
    window: timedelta = timedelta(minutes=30)
    lock: timedelta = timedelta(minutes=30)
    longest: timedelta = timedelta(hours=24)


@dataclass(frozen=True)
class Standing:
    """What is known of a key: failures in the current window, and the seconds for which it is still locked (0: not)."""

    failures: int
    locked_for: int


def standing(session: Session, key: str, now: datetime, *, window: timedelta = Limit.window, lock_row: bool = False) -> Standing:
    """Tell how a key stands, whose limit has this window; `lock_row` holds its row until the transaction ends."""
    query = select(ThrottleCounter).where(ThrottleCounter.key == key)
    counter = session.scalar(query.with_for_update() if lock_row else query)
    if counter is None:
        return Standing(0, 0)
    return _standing(counter.failures if now - counter.window_start < window else 0, counter.locked_until, now)


def _standing(failures: int, locked_until: datetime | None, now: datetime) -> Standing:
    left = (locked_until - now).total_seconds() if locked_until else 0
    return Standing(failures, max(0, math.ceil(left)))


def standings(session: Session, windows: Mapping[str, timedelta], now: datetime) -> dict[str, Standing]:
    """Tell how many keys stand, each with the window of its limit."""
    found = dict.fromkeys(windows, Standing(0, 0))
    for key, failures, begin, until in session.connection().execute(_COUNTERS, many(windows)):
        found[key] = _standing(failures if now - begin < windows[key] else 0, until, now)
    return found


def require_unlocked(session: Session, key: str, now: datetime, *, lock_row: bool = False) -> None:
    """Raise Refused("throttled", retry_after=seconds) while a key is locked."""
    locked_for = standing(session, key, now, lock_row=lock_row).locked_for
    if locked_for:
        raise Refused("throttled", retry_after=locked_for)


def locked_among(session: Session, keys: Collection[str], now: datetime) -> set[str]:
    """Return those of some keys that are locked; the rows of all of them are held until the transaction ends."""
    found = session.connection().execute(_HELD_COUNTERS, many(keys))
    return {row.key for row in found if row.locked_until is not None and row.locked_until > now}


def locked_keys(session: Session, prefix: str, now: datetime, *, most: int = 1000) -> tuple[str, ...]:
    """Return the keys with a prefix that are locked at this moment, the longest lock first."""
    query = select(ThrottleCounter.key).where(
        ThrottleCounter.locked_until > now, ThrottleCounter.key.startswith(prefix, autoescape=True)
    )
    return tuple(session.scalars(query.order_by(ThrottleCounter.locked_until.desc(), ThrottleCounter.key).limit(most)))


def hold(session: Session, key: str, now: datetime) -> Standing:
    """Hold a key's row until the transaction ends, whether it had one or not, and tell how the key stands."""
    _held(session, key, now)
    return standing(session, key, now)


def count_failure(session: Session, key: str, limit: Limit, now: datetime) -> Standing:
    """Count one failure and return the standing after it."""
    counter = _held(session, key, now)
    if counter.locked_until is None or counter.locked_until <= now:
        if now - counter.window_start >= limit.window:
            counter.failures, counter.window_start = 0, now
        counter.failures += 1
        if counter.failures >= limit.failures:
            doublings = min(counter.locks, MOST_DOUBLINGS)
            counter.locked_until = now + min(limit.lock * 2**doublings, limit.longest)
            counter.locks += 1
            # The next window begins when the lock ends: a locked key is not counted again for the same guesses.
            counter.failures, counter.window_start = 0, counter.locked_until
    session.flush()
    return standing(session, key, now, window=limit.window)


def _held(session: Session, key: str, now: datetime) -> ThrottleCounter:
    insert_if_absent(session, ThrottleCounter, {"key": key, "failures": 0, "window_start": now, "locks": 0})
    return session.scalars(select(ThrottleCounter).where(ThrottleCounter.key == key).with_for_update()).one()


def forgive(session: Session, key: str) -> None:
    """Forget a key's failures and lift its lock: after success, or by staff."""
    session.execute(delete(ThrottleCounter).where(ThrottleCounter.key == key))


def purge(session: Session, now: datetime, *, idle: timedelta = timedelta(days=7)) -> int:
    """Delete counters that have been quiet for long. A job."""
    result = session.execute(delete(ThrottleCounter).where(ThrottleCounter.window_start < now - idle))
    return int(result.rowcount)  # type: ignore[attr-defined]
