"""Statements that are compiled once in a process: each test has an engine of its own, with the same statements each time.

SQLAlchemy keeps what it compiled by the dialect that it compiled for, and each engine makes its own; compiling is a quarter
of what most tests cost.
"""

from sqlalchemy import Dialect
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
