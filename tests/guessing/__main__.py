"""`make guess`: 100,000 guesses in an hour, by all ways at every door in turn, from one address and from 1,000; as a table.

python -m tests.guessing [--tries 100000] [--addresses 1 1000] [--postgresql]
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import click

from kernel.database import Database, connect
from tests.guessing.run import Regulars, Report, harmed, run
from tests.guessing.siege import besieged
from tests.support.clock import SettableClock
from tests.support.postgres import private_server
from tests.support.schema import whole_schema


def main() -> int:
    """Guess, and tell what came of it; 1 when somebody was harmed or too much was looked at."""
    arguments = _arguments()
    open_database = _postgresql if arguments.postgresql else _sqlite
    return max([_siege(arguments.tries, addresses, open_database) for addresses in arguments.addresses])


@contextmanager
def _sqlite() -> Iterator[Database]:
    with tempfile.TemporaryDirectory() as name:
        yield connect(f"sqlite:///{name}/guessing.sqlite")


@contextmanager
def _postgresql() -> Iterator[Database]:
    with private_server() as server:
        server.execute("CREATE DATABASE {}", "guessing")
        yield connect(server.url("guessing"))


def _siege(tries: int, addresses: int, open_database: Callable[[], AbstractContextManager[Database]]) -> int:
    with open_database() as database, tempfile.TemporaryDirectory() as name:
        whole_schema().create_all(database.engine)
        with besieged(database, Path(name), SettableClock()) as siege:
            regulars, begin = Regulars.of(siege), time.process_time()
            report = run(siege, tries, addresses)
            seconds = time.process_time() - begin
            found = [*report.faults(), *harmed(siege), *regulars.shut_out()]
        database.dispose()
    _tell(report, f"{tries:,} guesses from {addresses:,} addresses ({database.engine.dialect.name}, {seconds:.0f} s)")
    for fault in found:
        click.echo(f"FAULT: {fault}")
    return int(bool(found))


def _tell(report: Report, title: str) -> None:
    click.echo(f"\n{title}; the codes of one access key were looked at {report.most_codes} times at most\n")
    click.echo("| door | way | guesses | told wrong | told to wait |\n|---|---|---|---|---|")
    for way, told in report.answers.items():
        click.echo(f"| {way.door} | {way.name} | {told.total():,} | {told['wrong']:,} | {told['kept']:,} |")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.guessing", description=__doc__.partition("\n")[0])
    parser.add_argument("--tries", type=int, default=100_000)
    parser.add_argument("--addresses", type=int, nargs="+", default=[1, 1_000])
    parser.add_argument("--postgresql", action="store_true", help="on a private PostgreSQL; else on SQLite")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
