"""`tegata db`: the database's schema."""

import click
from alembic.util import CommandError

from migrations.upgrade import newest_revision, revision_of, upgrade
from server.trouble import Trouble
from server.wiring import database_of, finished_home


@click.group()
def command() -> None:
    """Look after the database."""


@command.command("upgrade")
def upgrade_database() -> None:
    """Bring the database to the newest revision, in one transaction."""
    database = database_of(finished_home())
    before = revision_of(database)
    try:
        upgrade(database)
    except CommandError as error:
        raise Trouble(
            f"the database is of a revision that this program does not know ({error}): install the newer tegata"
        ) from error
    after = newest_revision()
    click.echo(
        f"The database is at revision {after} already." if before == after else f"The database is at revision {after} now."
    )
