"""`tegata check`: looking afterwards whether everything is as it must be."""

import dataclasses
import json
import sys
from datetime import datetime, timedelta

import click

from ca.inspection import Period
from kernel.clock import day_start
from server import list_checking, settings
from server.checking import asker_of, check_of
from server.expiries import approaching
from server.issuing import addresses_of
from server.trouble import Trouble
from server.wiring import clock_of, database_of, finished_home

DAY = click.DateTime(["%Y-%m-%d"])


@click.group()
def command() -> None:
    """Check what was done, by another path than the one that did it. Nothing is changed."""


@command.command("certificates")
@click.option("--since", type=DAY, help="Only certificates that were begun on this day (in Tokyo) or later.")
@click.option("--until", type=DAY, help="Only those that were begun on this day or earlier.")
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
def certificates(since: datetime | None, until: datetime | None, *, as_json: bool) -> None:
    """Read certificates again and compare them with records, audit log, lists and responder; one line for each finding.

    The status door is asked about each certificate; while it is not open, its responder in this process.
    """
    chosen = settings.load()
    database, clock = database_of(chosen), clock_of(chosen)
    check = check_of(chosen, database, asker_of(chosen, database, clock))
    period = Period(
        since=day_start(since.date()) if since else None,
        until=day_start(until.date() + timedelta(days=1)) if until else None,
    )
    read, found = check.run(clock.now(), period, _show)
    if as_json:
        click.echo(
            json.dumps({"read": read, "findings": [dataclasses.asdict(one) for one in found]}, ensure_ascii=False, indent=2)
        )
    else:
        for finding in found:
            click.echo(str(finding))
    if found:
        raise Trouble(f"{read} certificates read, {len(found)} findings")
    if not as_json:
        click.echo(f"{read} certificates read, no findings.")


@command.command("crl")
def crl() -> None:
    """Fetch every list from the address that certificates name; one line for each that is absent, stale or wrong."""
    chosen = settings.load()
    lists, faults = list_checking.check(database_of(chosen), addresses_of(chosen), clock_of(chosen).now())
    for fault in faults:
        click.echo(str(fault))
    if faults:
        raise Trouble(f"{lists} lists fetched, {len(faults)} faults")
    click.echo(f"{lists} lists fetched, no faults.")


@command.command("expiry")
def expiry() -> None:
    """Tell what comes to its end and is renewed by nobody but people: a line each, with what to do."""
    chosen = finished_home()
    found = approaching(database_of(chosen), clock_of(chosen).now())
    for one in found:
        click.echo(f"{'URGENT ' if one.is_urgent else ''}{one}")
    if found:
        raise Trouble(f"{len(found)} things come to their end")
    click.echo("Nothing comes to its end that does not renew itself.")


def _show(done: int, everything: int) -> None:
    """Show progress on a terminal, none in a pipe."""
    if sys.stderr.isatty():
        click.echo(f"\r… {done} of {everything}", err=True, nl=done >= everything)
