"""The database: declarative base, transactions, snapshots, and the only `commit` of the house.

A use case opens `with database.transaction() as session:`; a function that takes `session` first joins its caller's
transaction and never commits. Reading pages use `with database.snapshot() as session:`, which cannot write.

SQLite is embedded: WAL, synchronous FULL, BEGIN IMMEDIATE. PostgreSQL: READ COMMITTED with row locks for
transactions, REPEATABLE READ READ ONLY for snapshots.
"""

import select
import sqlite3
import threading
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache, cached_property, partial
from typing import Any

from sqlalchemy import (
    ARRAY,
    BindParameter,
    ColumnElement,
    DateTime,
    Dialect,
    Engine,
    Insert,
    MetaData,
    Select,
    TextClause,
    any_,
    bindparam,
    create_engine,
    event,
    insert,
    inspect,
    literal,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError, InvalidatePoolError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import DeclarativeBase, InstrumentedAttribute, Session
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeDecorator

from kernel.errors import Unavailable

# How long a writer waits for its turn before the answer is "try again", in seconds.
PATIENCE = 15
# Seconds for which a connection is taken to stand while its server says nothing; one that ends says so.
FRESH = 1.0
# Statements that a connection to SQLite keeps prepared: each text, and those of `many` have one for each power of two.
STATEMENTS = 512
# From so many rows on PostgreSQL is sent one stream of them (COPY): that costs it and us half of what a statement each does.
STREAM = 16
# What a connection to SQLite keeps of the file, in kibibytes: each thread has one, and 2,000, SQLite's own choice, were a fifth
# of a door's weight, while the system has the same pages. What a transaction writes stays in memory up to 2,000, as it did.
KEPT, SPILLED = "cache_size=-500", "cache_spill=-2000"
# To SQLite a mistake in our own statements is "operational", too; these are the results that the world causes.
SQLITE_AWAY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL, sqlite3.SQLITE_CANTOPEN}


# The values that a statement asks for at once, where it is written once and asked often: `among(column)`.
_MANY: BindParameter[Any] = bindparam("many", expanding=True)


class among(FunctionElement[bool]):  # noqa: N801 (it stands in statements as a function does)
    """Whether a column is one of `many(…)` values, which are said when the statement is asked; at most once in each.

    PostgreSQL's server and driver get them as one array: for each number of values there would be another text to read.
    """

    # Without a type: of a truth value SQLite would be asked whether it is 1, and look into no index for that.
    inherit_cache = True


@compiles(among)
def _among(element: among, compiler: SQLCompiler, **options: Any) -> str:  # noqa: ANN401 (as it is handed on)
    [column] = element.clauses
    return compiler.process(column.in_(_MANY), **options)


@compiles(among, "postgresql")
def _among_in_postgresql(element: among, compiler: SQLCompiler, **options: Any) -> str:  # noqa: ANN401
    [column] = element.clauses
    return compiler.process(column == any_(bindparam("many", type_=ARRAY(column.type))), **options)


def many(values: Iterable[object]) -> dict[str, list[object]]:
    """Return the parameter for `among`: the values, and the last one again up to a power of two.

    So a statement has few texts, and SQLite knows each of them after a while.
    """
    given = list(values)
    return {"many": given + given[-1:] * ((1 << (len(given) - 1).bit_length()) - len(given))} if given else {"many": given}


class Base(DeclarativeBase):
    """Every room's tables hang here; a room imports only its own.

    Constraints have the same names on every database, so that migrations can speak of them; checks are named by hand.
    """

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(column_0_label)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class UtcDateTime(TypeDecorator[datetime]):
    """An aware instant in UTC; SQLite keeps it without zone, so the zone is put back on reading."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse naive values (they would be read back as another instant) and store UTC."""
        del dialect
        if value is None:
            return None
        if value.tzinfo is None:
            message = "an instant without time zone"
            raise ValueError(message)
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return an aware value in UTC from either database."""
        del dialect
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class OutcomeUnknown(Unavailable):
    """The connection broke during COMMIT: the rows may stand or not. Read before you act."""


class _Reading(Session):
    """The session of a snapshot: nothing waits in it to be written, so whoever asks for columns is answered past the ORM.

    That takes half as long. Objects are the ORM's as ever.
    """

    def execute(self, statement: Any, params: Any = None, **options: Any) -> Any:  # noqa: ANN401 (SQLAlchemy's own overloads)
        """Ask, as any session does."""
        if options or _asks_for_objects(statement):
            return super().execute(statement, params, **options)
        return self.connection().execute(statement, params)

    def scalar(self, statement: Any, params: Any = None, **options: Any) -> Any:  # noqa: ANN401 (SQLAlchemy's own overloads)
        """Return the first value of the first row."""
        return self.execute(statement, params, **options).scalar()

    def scalars(self, statement: Any, params: Any = None, **options: Any) -> Any:  # noqa: ANN401 (SQLAlchemy's own overloads)
        """Return the first value of each row."""
        return self.execute(statement, params, **options).scalars()


def _asks_for_objects(statement: Any) -> bool:  # noqa: ANN401 (whatever can be executed)
    """Return whether the ORM has to make objects of what is found, or knows more of the statement than its text."""
    if not isinstance(statement, Select):
        return not isinstance(statement, TextClause)
    # There is no public way to see this that does not prepare half of the statement.
    return any(
        "parententity" in column._annotations and not isinstance(column, ColumnElement)  # noqa: SLF001
        for column in statement._raw_columns  # noqa: SLF001
    )


_in_transaction = threading.local()


def forbid_open_transaction() -> None:
    """Raise RuntimeError when the calling thread holds a transaction: keys sign and mail is sent outside of one."""
    if getattr(_in_transaction, "open", False):
        message = "a transaction is open where none may be"
        raise RuntimeError(message)


@dataclass(frozen=True)
class Database:
    """One database, reached through one engine. Make it after a fork, never before."""

    engine: Engine
    # SQLite has one writer: threads of this process queue here, fairly, instead of in its busy handler.
    _writer: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """Open the transaction of a use case; it commits when the block ends and rolls back when it raises.

        Raises Unavailable when the database is away or the writer's queue too long, OutcomeUnknown when the
        connection broke while committing.
        """
        forbid_open_transaction()
        with self._turn(), _translated(), Session(self.engine, expire_on_commit=False) as session:
            _in_transaction.open = True
            try:
                yield session
                session.flush()
                _commit(session)
            finally:
                _in_transaction.open = False

    @contextmanager
    def snapshot(self) -> Iterator[Session]:
        """Open a read-only view of one instant. Writing in it fails in the database."""
        with _translated(), _Reading(self._reading, expire_on_commit=False) as session:
            yield session

    @cached_property
    def _reading(self) -> Engine:
        """The same engine, whose transactions can not write."""
        options: dict[str, Any] = {"read_only": True}
        if self.engine.dialect.name == "postgresql":
            options |= {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        return self.engine.execution_options(**options)

    def dispose(self) -> None:
        """Close all connections."""
        self.engine.dispose()

    @contextmanager
    def _turn(self) -> Iterator[None]:
        if self.engine.dialect.name != "sqlite":
            yield
            return
        if not self._writer.acquire(timeout=PATIENCE):
            raise Unavailable("database is busy")
        try:
            yield
        finally:
            self._writer.release()


def connect(url: str, *, connections: int = 10) -> Database:
    """Open a database by its SQLAlchemy address; nothing is sent to it before the first use."""
    if url.startswith("sqlite"):
        engine = create_engine(
            url,
            pool_size=connections,
            max_overflow=20,
            pool_use_lifo=True,  # who was used last has read the pages and knows the statements
            hide_parameters=True,
            connect_args={"timeout": PATIENCE, "cached_statements": STATEMENTS},
        )
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    else:
        engine = create_engine(
            url,
            pool_size=connections,
            max_overflow=20,
            pool_timeout=PATIENCE,
            pool_use_lifo=True,  # who was used last knows the statements, and those in excess are left alone
            hide_parameters=True,  # an error's text goes into logs, and may not carry mails, digests or password hashes there
            isolation_level="READ COMMITTED",
            connect_args={"connect_timeout": PATIENCE, "options": "-c timezone=UTC -c lock_timeout=15s"},
        )
        event.listen(engine, "connect", _note_time)
        event.listen(engine, "checkin", _note_time)
        event.listen(engine, "checkout", partial(_require_alive, engine.dialect))
        event.listen(engine, "do_executemany", _stream)
        event.listen(engine, "rollback", partial(_end_look, engine.dialect))
    return Database(engine)


def insert_if_absent(session: Session, table: type[Base], values: Mapping[str, object]) -> bool:
    """Insert a row unless one with the same key stands already; return whether it was inserted.

    Unlike an insert that fails, this leaves PostgreSQL's transaction usable.
    """
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    # A count of rows is not known on PostgreSQL, where SQLAlchemy asks for the key in the same statement; a row returned is.
    statement = insert(table).values(**values).on_conflict_do_nothing().returning(literal(1))
    return session.scalar(statement) is not None


def insert_all(session: Session, table: type[Base], rows: Sequence[Mapping[str, object]]) -> None:
    """Insert rows, which all name the same columns, in their order. What waits in the ORM's unit of work is not written first."""
    if rows:
        session.connection().execute(_inserting(table), [dict(row) for row in rows], execution_options={_STREAMS: True})


def put_all(session: Session, table: type[Base], rows: Sequence[Mapping[str, object]], changes: Collection[str]) -> None:
    """Insert rows as `insert_all` does; where one with the same key stands already, change these columns of it instead."""
    if rows:
        statement = _putting(session.get_bind().dialect.name, table, tuple(changes))
        session.connection().execute(statement, [dict(row) for row in rows])


def insert_all_if_absent(session: Session, table: type[Base], rows: Sequence[Mapping[str, object]]) -> None:
    """Insert rows, in their order, but for those whose key stands already."""
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    if rows:
        session.execute(insert(table).on_conflict_do_nothing(), [dict(row) for row in rows])


def insert_new(
    session: Session, table: type[Base], rows: Sequence[Mapping[str, object]], key: InstrumentedAttribute[Any]
) -> list[Any]:  # fmt: skip
    """Insert rows, in their order, but for those whose key stands already; return a column of those that were new.

    Of two who insert the same at one moment one waits for the other, and each row is new to one of them only.
    """
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    if not rows:
        return []
    statement = insert(table).on_conflict_do_nothing().returning(key)
    return list(session.scalars(statement, [dict(row) for row in rows]))


_STREAMS = "rows_may_be_streamed"


@cache
def _inserting(table: type[Base]) -> Insert:
    return insert(table)


@cache
def _putting(dialect: str, table: type[Base], changes: tuple[str, ...]) -> Insert:
    statement = (postgresql.insert if dialect == "postgresql" else sqlite.insert)(table)
    key = [column.name for column in inspect(table).primary_key]
    return statement.on_conflict_do_update(index_elements=key, set_={name: statement.excluded[name] for name in changes})


def _stream(cursor: Any, _statement: str, rows: Sequence[Mapping[str, object]], context: Any) -> bool:  # noqa: ANN401 (the driver's own types)
    """Send the rows of `insert_all` to PostgreSQL as one stream; return whether it was done. The driver's errors are as ever."""
    if len(rows) < STREAM or not context.execution_options.get(_STREAMS):
        return False
    columns = ", ".join(f'"{name}"' for name in rows[0])
    with cursor.copy(f'COPY "{context.compiled.statement.table.name}" ({columns}) FROM STDIN') as stream:
        for row in rows:
            stream.write_row(tuple(row.values()))
    return True


def _commit(session: Session) -> None:
    try:
        session.commit()
    except BaseException as error:
        # SQLite keeps a transaction open whose COMMIT it refused (disk full): nobody may inherit such a connection.
        session.invalidate()
        if isinstance(error, DBAPIError) and error.connection_invalidated:
            raise OutcomeUnknown("connection lost while committing") from error
        raise


@contextmanager
def _translated() -> Iterator[None]:
    """Turn "the database is away, busy or broke a deadlock" into Unavailable; constraint violations pass."""
    try:
        yield
    except PoolTimeout as error:
        raise Unavailable("database has no connection left") from error
    except DBAPIError as error:
        if isinstance(error, OperationalError) and _is_away(error):
            raise Unavailable("database is away or busy") from error
        if error.connection_invalidated:
            raise Unavailable("database connection lost") from error
        raise


def _is_away(error: OperationalError) -> bool:
    result = getattr(error.orig, "sqlite_errorcode", None)
    return result is None or (result & 0xFF) in SQLITE_AWAY


def _note_time(_connection: object, record: Any) -> None:  # noqa: ANN401 (the pool's own type)
    record.info["since"] = time.monotonic()


def _require_alive(dialect: Dialect, connection: Any, record: Any, _proxy: object) -> None:  # noqa: ANN401 (the pool's own types)
    """Ask whether a connection stands that was idle, or whose server said something; if not, the pool opens new ones."""
    is_fresh = time.monotonic() - record.info["since"] < FRESH
    ear = select.poll()
    ear.register(connection, select.POLLIN)
    if is_fresh and not ear.poll(0):
        return
    try:
        dialect.do_ping(connection)
    except dialect.loaded_dbapi.Error as error:
        raise InvalidatePoolError from error


def _end_look(dialect: Dialect, connection: Any) -> None:  # noqa: ANN401 (the event's own type)
    """End a snapshot as a success: a connection that rolls back forgets the statements that it prepared."""
    if connection.get_execution_options().get("read_only", False) and not connection.invalidated:
        with suppress(dialect.loaded_dbapi.Error):  # what was asked for has come; the rollback, which follows, is as ever then
            connection.connection.driver_connection.commit()


def _prepare_sqlite(connection: Any, _record: object) -> None:  # noqa: ANN401 (the driver's own type)
    # The driver's own implicit BEGIN would start deferred transactions, which fail instead of waiting.
    connection.isolation_level = None
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", KEPT, SPILLED):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Any) -> None:  # noqa: ANN401 (SQLAlchemy's event passes several types)
    if connection.get_execution_options().get("read_only", False):
        # Neither waits for anybody nor fails, so there is nothing to translate: the driver by itself does this ten times as fast.
        driver = connection.connection.driver_connection
        driver.execute("PRAGMA query_only=1")
        driver.execute("BEGIN")
        return
    connection.exec_driver_sql("PRAGMA query_only=0")
    connection.exec_driver_sql("BEGIN IMMEDIATE")
