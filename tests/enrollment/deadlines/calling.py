"""What the tests of deadlines ask of a house."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from enrollment.deadlines.deadlines import Deadlines
from kernel import outbox
from kernel.clock import day_start, tokyo_date
from registry import news, terminals
from registry.terminals import Terminal
from tests.support.clock import SettableClock
from tests.support.house import OFFICE, House

DAY = timedelta(days=1)


@dataclass(frozen=True)
class Told:
    """A mail, as far as the tests compare it."""

    recipient: str
    subject: str
    body: str


def deadlines(house: House) -> Deadlines:
    """Return the jobs of a house."""
    return Deadlines(house.database)


def go_to(clock: SettableClock, day: date, *, hour: int = 3) -> None:
    """Move the clock to a day in Tokyo."""
    clock.instant = day_start(day) + timedelta(hours=hour)


def run(house: House) -> tuple[int, int]:
    """Run both jobs and return what they did: told, suspended."""
    now = house.clock.now()
    return deadlines(house).tell_due(now), deadlines(house).suspend_due(now)


def days(house: House, clock: SettableClock, first: date, last: date, *, step: int = 1) -> Iterator[tuple[date, int, int]]:
    """Run both jobs on each day and yield the days on which something came of that, with what."""
    day = first
    while day <= last:
        go_to(clock, day)
        told, suspended = run(house)
        if told or suspended:
            yield day, told, suspended
        day += step * DAY


def mails(house: House, *, mentioning: str = "") -> list[Told]:
    """Return all mails, oldest first."""
    with house.database.snapshot() as session:
        found = outbox.search(session, outbox.Wanted(mentioning=mentioning), most=500)
    return [Told(mail.recipient, mail.subject, mail.body) for mail in reversed(found)]


def lines(house: House) -> list[tuple[str, dict[str, object]]]:
    """Return the office's news, oldest first."""
    with house.database.snapshot() as session:
        return [(line.code, dict(line.facts)) for line in reversed(news.latest(session, OFFICE, most=100))]


def terminal(house: House, name: str) -> Terminal:
    """Return a terminal as it stands."""
    with house.database.snapshot() as session:
        found = terminals.get(session, name)
    assert found
    return found


def today(house: House) -> date:
    """Return the day in Tokyo."""
    return tokyo_date(house.clock.now())
