"""Statements that are sent; and that they are compiled once in a process, though each test has an engine of its own.

SQLAlchemy keeps what it compiled by the dialect that it compiled for, and each engine makes its own; compiling is a quarter
of what most tests cost.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Dialect, event
from sqlalchemy.util import LRUCache

from kernel.database import Database

MOST = 2_000

# By the name of the kind of database.
_KEPT: dict[str, tuple[Dialect, LRUCache[object, object]]] = {}


def sharing_statements(database: Database) -> Database:
    """Let a database, before its first use, share the compiled statements of all others of its kind; return it."""
    engine = database.engine
    kind = engine.dialect.name
    if kind not in _KEPT:
        engine.connect().close()  # the dialect learns with whom it speaks
        _KEPT[kind] = engine.dialect, LRUCache(MOST)
    engine.dialect, kept = _KEPT[kind]
    engine.update_execution_options(compiled_cache=kept)
    return database


@contextmanager
def statements_of(database: Database) -> Iterator[list[str]]:
    """Note each statement that is sent to a database, without its values."""
    sent: list[str] = []

    def note(_connection: Connection, _cursor: object, statement: str, *_context: object) -> None:
        sent.append(statement)

    event.listen(database.engine, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        event.remove(database.engine, "before_cursor_execute", note)
