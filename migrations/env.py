"""Alembic's entry: runs revisions over the connection that `migrations/upgrade.py` lends.

Writing a new revision needs the command line, with a database to compare with:
`alembic -x url=sqlite:///var/tegata.sqlite revision --autogenerate -m "what changes"`.
"""

from typing import Literal

from alembic import context
from sqlalchemy import Connection

from kernel.database import UtcDateTime, connect
from migrations.schema import SCHEMA


def _render(kind: str, item: object, _context: object) -> str | Literal[False]:
    """Write our own type as the plain one that it is stored as: a revision must not change when our code does."""
    return "sa.DateTime(timezone=True)" if kind == "type" and isinstance(item, UtcDateTime) else False


def _run(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=SCHEMA,
        render_as_batch=connection.dialect.name == "sqlite",  # SQLite alters a table by copying it
        transactional_ddl=True,  # on SQLite, too: kernel.database begins its transactions itself
        compare_server_default=True,
        render_item=_render,
    )
    with context.begin_transaction():
        context.run_migrations()


lent = context.config.attributes.get("connection")
if lent is not None:
    _run(lent)
else:
    with connect(context.get_x_argument(as_dictionary=True)["url"]).transaction() as session:
        _run(session.connection())
