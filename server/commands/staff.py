"""`tegata staff`: accounts of the center's staff."""

import json
import secrets

import click

from kernel import audit
from server.pages import factors_of
from server.settings import Settings
from server.trouble import Trouble
from server.wiring import clock_of, database_of, finished_home
from webui.accounts import Accounts, Door, NewAccount, Role
from webui.factors import totp

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
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
def add(login: str, name: str, mail: str, roles: tuple[str, ...], *, as_json: bool) -> None:
    """Make an account for LOGIN and print its first password and, below, the secret of its authenticator app (TOTP).

    Both are shown only this once. Who is given no secret gets an app or a passkey at the first log-in: see `reset`.
    """
    password, secret = secrets.token_urlsafe(PASSWORD_OCTETS), totp.new_secret()
    account = NewAccount(login=login, name=name, mail=mail, password=password, grants=frozenset(map(Role, roles)))
    chosen, accounts = _opened()
    person = accounts.add(account, audit.operator())
    factors_of(chosen, accounts.database, accounts.clock).provide_totp(person, secret, audit.operator())
    shown = {"login": person.login, "password": password, "totp_secret": secret}
    click.echo(json.dumps(shown) if as_json else f"{password}\n{secret}")


@command.command("reset")
@click.argument("login")
@click.option("--reason", required=True, help="Why, for the audit log.")
def reset(login: str, reason: str) -> None:
    """Remove LOGIN's second factors; the next log-in leads to new ones. For who lost phone, passkeys and recovery codes."""
    chosen, accounts = _opened()
    person = next((who for who in accounts.listed(Door.CENTER) if who.login == login), None)
    if person is None:
        raise Trouble(f"no member of staff logs in as {login}: `tegata staff list` shows them all")
    factors_of(chosen, accounts.database, accounts.clock).reset(person, audit.operator(), reason)


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
def list_staff(*, as_json: bool) -> None:
    """Show who may log in at the center."""
    people = _opened()[1].listed(Door.CENTER)
    if as_json:
        rows = [{"login": who.login, "name": who.name, "mail": who.mail, "roles": sorted(who.grants)} for who in people]
        click.echo(json.dumps(rows, ensure_ascii=False, indent=2))
        return
    for who in people:
        click.echo(f"{who.login:<20} {' '.join(sorted(who.grants)):<26} {who.name}")


def _opened() -> tuple[Settings, Accounts]:
    chosen = finished_home()
    return chosen, Accounts(database_of(chosen), clock_of(chosen))
