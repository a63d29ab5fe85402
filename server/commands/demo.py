"""`tegata demo`: what only a demo home may do: codes for any number of terminals, and a clock that can be moved."""

import json
import re
import sys
from collections.abc import Callable
from datetime import datetime, timedelta

import click

from kernel.clock import TOKYO, DemoClock, tokyo_date
from registry.calendar import HORIZON
from server import demo_codes, settings
from server.settings import Settings
from server.trouble import Trouble
from server.wiring import clock_of, database_of, home_of
from webui.factors.totp import code_at

# Beyond it lie the ends of the demo's CA, and of what a date can be.
FARTHEST = timedelta(days=3653)
_SHIFT = re.compile(r"([+-]?)([0-9]{1,9})([dhms])")
_UNITS = {"d": "days", "h": "hours", "m": "minutes", "s": "seconds"}


@click.group()
def command() -> None:
    """Trials on a demo home."""


@command.command("codes")
@click.option("--terminals", "count", type=click.IntRange(1, 100_000), required=True, help="How many.")
@click.option("--start", type=click.DateTime(["%Y-%m-%d"]), help="Start date (today unless said).")
@click.option("--json", "as_json", is_flag=True, help="A JSON object on each line, for scripts.")
def codes(count: int, start: datetime | None, *, as_json: bool) -> None:
    """Take terminals through application, approval and preparation, and print their codes."""
    chosen = _demo_home()
    today = tokyo_date(clock_of(chosen).now())
    start_date = start.date() if start else today
    if not today <= start_date <= today + HORIZON:
        raise Trouble(f"{start_date} can be no start date: the first is {today}, the last {today + HORIZON}")
    trial = demo_codes.Trial.of(chosen, database_of(chosen))
    rows = trial.prepare(count, start_date, _progress(count))
    for row in rows:
        facts = row.as_json()
        click.echo(json.dumps(facts) if as_json else " ".join(facts.values()))


@command.command("totp")
@click.argument("user")
def totp(user: str) -> None:
    """Print the code that USER's authenticator app shows now, by the demo's clock. Each is good once."""
    chosen = _demo_home()
    facts = json.loads(home_of(chosen).demo_file.read_text(encoding="utf-8"))
    secrets = {person["user"]: person["totp_secret"] for person in facts["customers"] + facts["staff"] if person["totp_secret"]}
    if user not in secrets:
        raise Trouble(f"the demo gave no app to {user}: those who have one are {', '.join(secrets)}")
    click.echo(code_at(secrets[user], clock_of(chosen).now()))


@command.command("clock", context_settings={"ignore_unknown_options": True, "help_option_names": ["--help"]})
@click.argument("shift")
def clock(shift: str) -> None:
    """Move the demo's clock by SHIFT (+2d, -1h, +30m, +5s), for all doors at once; `show` tells how it stands."""
    moved = DemoClock(home_of(_demo_home()).clock_offset)
    if shift != "show":
        parts = _SHIFT.fullmatch(shift)
        if parts is None:
            raise click.BadParameter("must be like +2d, -1h, +30m, +5s, or show", param_hint="SHIFT")
        by = timedelta(**{_UNITS[parts[3]]: int(f"{parts[1]}{parts[2]}")})
        if abs(moved.offset() + by) > FARTHEST:
            raise Trouble(f"the clock of a demo goes no farther than {FARTHEST.days} days from the machine's")
        moved.shift(by)
        if parts[1] == "-":
            click.echo(
                "Certificates and CRLs made so far may lie in the future now; no CRL is published before its predecessor.",
                err=True,
            )
    click.echo(f"{moved.now().astimezone(TOKYO):%Y-%m-%d %H:%M:%S} Asia/Tokyo, shifted by {moved.offset()}")


def _demo_home() -> Settings:
    chosen = settings.load()
    if not chosen.demo:
        raise Trouble(f"{chosen.home} is not a demo home: `tegata init --demo` makes one")
    return chosen


def _progress(count: int) -> Callable[[int], None]:
    """Count on a terminal, say nothing in a pipe."""

    def show(done: int) -> None:
        if sys.stderr.isatty():
            click.echo(f"\r{done} of {count} terminals", err=True, nl=done == count)

    return show
