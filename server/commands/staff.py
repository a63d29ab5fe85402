"""`tegata staff`: accounts of the center's staff."""

import json
import secrets

import click

from kernel import audit
from server.wiring import clock_of, database_of, finished_home
from webui.accounts import Accounts, Door, NewAccount, Role

PASSWORD_OCTETS = 15


@click.group()
def command() -> None:
    """Make and list the center's staff."""


@command.command("add")
@click.argument("login")
@click.option("--name", required=True, help="Name as the pages show it.")
@click.option("--mail", required=True, help="Mail address.")
@click.option(
    "--role", "roles", multiple=True, required=True, type=click.Choice([role.value for role in Role]), help="May be repeated."
)
def add(login: str, name: str, mail: str, roles: tuple[str, ...]) -> None:
    """Make an account for LOGIN and print its first password, which is shown only this once."""
    password = secrets.token_urlsafe(PASSWORD_OCTETS)
    account = NewAccount(login=login, name=name, mail=mail, password=password, grants=frozenset(map(Role, roles)))
    _accounts().add(account, audit.operator())
    click.echo(password)


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
def list_staff(*, as_json: bool) -> None:
    """Show who may log in at the center."""
    people = _accounts().listed(Door.CENTER)
    if as_json:
        rows = [{"login": who.login, "name": who.name, "mail": who.mail, "roles": sorted(who.grants)} for who in people]
        click.echo(json.dumps(rows, ensure_ascii=False, indent=2))
        return
    for who in people:
        click.echo(f"{who.login:<20} {' '.join(sorted(who.grants)):<26} {who.name}")


def _accounts() -> Accounts:
    chosen = finished_home()
    return Accounts(database_of(chosen), clock_of(chosen))
