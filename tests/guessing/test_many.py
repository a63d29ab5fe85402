"""An hour's guesses by all ways at every door, on both databases, from one address and from many (`make guess`: 100,000 each)."""

from datetime import timedelta
from pathlib import Path

from kernel.database import Database
from tests.guessing.run import Regulars, harmed, password_looks, run
from tests.guessing.siege import Siege, besieged
from tests.guessing.ways import CODES_MOST, WAYS, Way
from tests.support.clock import SettableClock
from webui.accounts import sources

# By each way: enough to lock whatever a stranger can lock by a few tries.
EACH = 12
LOG_INS = [way for way in WAYS if way.name == "log-in"]


def test_by_all_ways_together_few_guesses_are_looked_at_and_nobody_else_is_harmed(
    database: Database, tmp_path: Path, clock: SettableClock
) -> None:
    with besieged(database, tmp_path, clock, attacked=8) as siege:
        regulars = Regulars.of(siege)
        for addresses in (1, 1_000):
            before = _log_in_looks(siege)
            report = run(siege, EACH * len(WAYS), addresses)
            print({f"{way.door}: {way.name}": dict(told) for way, told in report.answers.items()})  # noqa: T201 (shown when it fails)
            assert list(report.faults()) == []
            # Who is told to wait was not looked at.
            assert [now - then for now, then in zip(_log_in_looks(siege), before, strict=True)] == [
                report.answers[way]["wrong"] for way in LOG_INS
            ]
            assert all(told["kept"] for way, told in report.answers.items() if _is_locked_by_few(way, addresses))
            assert list(harmed(siege)) == []
            assert list(regulars.shut_out()) == []
            clock.advance(timedelta(days=2))  # no lock is longer


def test_an_account_that_is_guessed_at_from_everywhere_is_locked_but_for_the_browsers_that_it_is_known_from(
    database: Database, tmp_path: Path, clock: SettableClock
) -> None:
    with besieged(database, tmp_path, clock) as siege:
        regulars = Regulars.of(siege)
        report = run(siege, 2 * (sources.PER_ACCOUNT.failures + 5), 1_000, LOG_INS, within=timedelta(minutes=10))
        assert [dict(told) for told in report.answers.values()] == [{"wrong": 50, "kept": 5}] * 2
        assert list(report.faults()) == []
        assert list(regulars.shut_out()) == []


def _is_locked_by_few(way: Way, addresses: int) -> bool:
    """Tell whether a few tries lock what is tried: from everywhere not the accounts, which strangers could lock so."""
    return way.most is not None and (addresses == 1 or way.most <= CODES_MOST)


def _log_in_looks(siege: Siege) -> list[int]:
    return [password_looks(siege, "hanako", "NAC001"), password_looks(siege, "sato")]
