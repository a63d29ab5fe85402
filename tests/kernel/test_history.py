from datetime import datetime, timedelta

from kernel import audit
from kernel.database import Database


def test_the_history_of_one_thing_is_told_newest_first(database: Database, now: datetime) -> None:
    with database.transaction() as session:
        for minutes, subject in enumerate(("terminal:1", "terminal:2", "terminal:1")):
            at = now + timedelta(minutes=minutes)
            audit.record(session, now=at, actor=audit.staff("sato"), action="terminal.suspend", subject=subject, number=minutes)
    with database.snapshot() as session:
        latest, first = audit.history(session, "terminal:1")
        assert audit.history(session, "terminal:1", most=1) == (latest,)
        assert audit.history(session, "terminal") == ()
    assert (latest.at, latest.facts) == (now + timedelta(minutes=2), {"number": 2})
    assert (first.actor, first.action, first.at) == ("staff:sato", "terminal.suspend", now)
