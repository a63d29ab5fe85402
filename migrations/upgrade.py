"""Bringing a database to the newest revision: `tegata init`, `tegata db upgrade` and the tests do it here."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

from kernel.database import Database

# Any number that nobody else takes: nodes that upgrade at the same time wait for each other.
TURN = 0x7E6A7A


def upgrade(database: Database, revision: str = "head") -> None:
    """Run all revisions that are still missing, in one transaction: either all of them stand afterwards or none.

    Raises Unavailable when the database is away, and Alembic's CommandError when its revision is not one of ours
    (the database is newer than the program).
    """
    configuration = _configuration()
    with database.transaction() as session:
        connection = session.connection()
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:turn)"), {"turn": TURN})
        configuration.attributes["connection"] = connection
        command.upgrade(configuration, revision)


def revision_of(database: Database) -> str | None:
    """Return the revision that a database has; None when it has none yet."""
    with database.snapshot() as session:
        return MigrationContext.configure(session.connection()).get_current_revision()


def newest_revision() -> str | None:
    """Return the revision that this program needs."""
    return ScriptDirectory.from_config(_configuration()).get_current_head()


def _configuration() -> Config:
    configuration = Config()
    # Alembic expands % in its options; a folder's name may hold one.
    configuration.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    return configuration
