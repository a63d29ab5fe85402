"""`tegata billing`: metered use from a file."""

import csv
import io
from collections.abc import Mapping
from pathlib import Path

import click

from kernel import audit
from kernel.clock import tokyo_date
from registry.billing import usage, usage_files
from registry.billing.months import month_of
from server import file_faults
from server.wiring import clock_of, database_of, finished_home

SENTENCES: Mapping[str, str] = {
    **file_faults.SENTENCES,
    "month": "must be a month such as 2026-11",
    "month-future": "is a month that has not begun",
    "number": "must be a whole number of digits",
    "number-most": "must lie between %(least)s and %(most)s",
    "office-code": "must be the company's abbreviation and three digits, such as NAC001",
    "office-unknown": "there is no such office",
    "record": "must be capitals, digits or . _ / - (40 at most)",
    "record-differs": "this record was imported before with another content: a correction needs a number of its own",
    "record-twice": "stands in line %(first)s already",
    "user-code": "must be 5 to 8 capitals and digits",
    "user-code-unknown": "this office has no such user code",
}


@click.group()
def command() -> None:
    """Enter what is billed by metering."""


@command.command("columns")
def columns() -> None:
    """Print the headings of a file to import, English and below Japanese: either line may head it."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([list(usage_files.COLUMNS), list(usage_files.COLUMNS.values())])
    click.echo(text.getvalue(), nl=False)


@command.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--dry-run", is_flag=True, help="Check everything and write nothing.")
def import_file(file: Path, *, dry_run: bool) -> None:
    """Enter the records of metered use in the CSV file FILE.

    Everything is checked first; with any fault nothing is written. A record that is known is left as it is, so a file may be
    imported again. Records of a month that is closed go into the next bill. Columns: docs/billing.md.
    """
    chosen = finished_home()
    database, now = database_of(chosen), clock_of(chosen).now()
    sheet = usage_files.read(file.read_bytes(), month_of(tokyo_date(now)))
    with database.snapshot() as session:
        sheet = usage_files.judge(session, sheet)
    if sheet.faults:
        raise file_faults.trouble(sheet.faults, SENTENCES)
    records = [line.usage for line in sheet.lines if not line.is_known]
    known, yen = len(sheet.lines) - len(records), sum(one.amount for one in records)
    if dry_run:
        click.echo(f"{len(records)} records ({yen:,} yen) would be entered, {known} are known; nothing was written")
        return
    with database.transaction() as session:
        entered = usage.enter(session, records, now)
        audit.record(session, now=now, actor=audit.operator(), action="usage.import", subject="usage", records=entered, yen=yen)
    click.echo(f"{entered} records ({yen:,} yen) entered, {known} known before")
