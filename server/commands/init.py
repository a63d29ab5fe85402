"""`tegata init`: a home, with or without the demo in it."""

import secrets
import sys
from datetime import datetime

import click

from kernel import audit
from kernel.database import Database
from server import demo, settings
from server.commands.staff import PASSWORD_OCTETS
from server.founding import found
from server.settings import Settings
from server.trouble import Trouble
from server.wiring import clock_of, database_of, home_of
from webui.accounts import Accounts, Door, NewAccount, Role

FIRST_LOGIN = "admin"


@click.command()
@click.option("--demo", "with_demo", is_flag=True, help="With the reference's company, office, terminal and people, for trials.")
def command(*, with_demo: bool) -> None:
    """Make a home: folders, database, keys, certificate authority, first staff account.

    What an interrupted run has left undone is done by the next one.
    """
    chosen = settings.load()
    home = home_of(chosen)
    if home.is_founded and with_demo and not demo.has_begun(home):
        raise Trouble(f"{home.path} is a home for real work: no demo is put into it. Choose another $TEGATA_HOME for trials")
    if not with_demo and demo.has_begun(home):
        raise Trouble(f"{home.path} is a demo home: `tegata init --demo` finishes it. Choose another $TEGATA_HOME for real work")
    home.make()
    if with_demo:
        demo.begin(home)
    database = database_of(chosen)
    now = clock_of(chosen).now()
    held = found(chosen, database, now, _say)
    for ending in held.awaiting:
        click.echo(str(ending), err=True)
    if with_demo:
        demo.make(chosen, database, _say)
        click.echo(f"The demo home {home.path} is ready. `tegata serve` opens its doors; log-ins: {home.demo_file}")
    else:
        _found_staff(chosen, database, now)


def _found_staff(chosen: Settings, database: Database, now: datetime) -> None:
    """Make the account that makes all others, and show its password once."""
    accounts = Accounts(database, clock_of(chosen))
    if accounts.listed(Door.CENTER):
        click.echo(f"{chosen.home} is complete.")
        return
    password = secrets.token_urlsafe(PASSWORD_OCTETS)
    mail = chosen.mail_from
    first = NewAccount(FIRST_LOGIN, "管理者", mail, password, frozenset({Role.SECURITY}))
    accounts.add(first, audit.operator("init"))
    click.echo(f"{chosen.home} is ready ({now:%Y-%m-%d}). First log-in at {chosen.center.url}: {FIRST_LOGIN} / {password}")
    click.echo("The first log-in asks for an authenticator app or a passkey. The password is shown only this once.")
    click.echo("`tegata staff add` makes the accounts for review and issuing.")


def _say(step: str) -> None:
    """Show progress on a terminal, none in a pipe."""
    if sys.stderr.isatty():
        click.echo(f"… {step}", err=True)
