"""What was done once is taken over into the next database that stands as the first one did: its rows, its files.

Most tests need a CA, offices and people, and few look at how they came to be. Taking them over costs a tenth of doing it.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, Engine, Integer, RowMapping, Table, bindparam, event, func, literal, select

from kernel.database import Base, Database

Result = TypeVar("Result")
Row = dict[str, Any]
Rows = Mapping[str, Mapping[tuple[Any, ...], Row]]
# The number and the salt of a log's last entry; None where there is none. No two entries share a salt.
End = tuple[int, bytes] | None


@dataclass(frozen=True)
class Recording:
    """What a deed returned and left: rows by table, those that are new first, and each folder's files with their modes."""

    result: object
    new: dict[str, list[Row]]
    changed: dict[str, list[Row]]
    gone: dict[str, list[Row]]
    files: tuple[dict[str, tuple[bytes, int]], ...]


_RECORDINGS: dict[tuple[Hashable, End], Recording] = {}
# Whose database stands as a recorded deed left it, by the end of its log: nothing was committed since.
_STANDING: WeakKeyDictionary[Engine, End] = WeakKeyDictionary()


def recorded(what: Hashable, database: Database, folders: Sequence[Path], deed: Callable[[], Result]) -> Result:
    """Do a deed that fills a database and folders; where this process did it before, lay down what it left instead.

    It is recorded on a fresh database, or right after another recorded deed of the same connections. Every deed leaves audit
    entries, so a log tells by its end what was done. `what` names all else on which the rows depend; what is returned may not
    change later.
    """
    begin = _end(database)
    is_known = begin is None or _STANDING.get(database.engine) == begin
    if not is_known or any(folder.exists() for folder in folders):
        return deed()
    if (what, begin) not in _RECORDINGS:
        before = _rows(database)
        result = deed()
        _RECORDINGS[what, begin] = _recording(result, before, _rows(database), tuple(map(_files, folders)))
    else:
        _lay_down(_RECORDINGS[what, begin], database, folders)
    _watch(database)
    return _RECORDINGS[what, begin].result  # type: ignore[return-value]  # of this very deed


def _watch(database: Database) -> None:
    """Note how a database stands, until something is committed."""
    if database.engine not in _STANDING:
        event.listen(database.engine, "commit", _forget)
    _STANDING[database.engine] = _end(database)


def _forget(connection: Connection) -> None:
    if connection.engine in _STANDING:
        _STANDING[connection.engine] = None


def _end(database: Database) -> End:
    entries = Base.metadata.tables["kernel_audit_entry"].columns
    with database.engine.connect() as connection:
        last = connection.execute(select(entries.id, entries.salt).order_by(entries.id.desc()).limit(1)).first()
    return None if last is None else (last.id, last.salt)


def _rows(database: Database) -> Rows:
    with database.engine.connect() as connection:
        found = {table: connection.execute(select(table)).mappings().all() for table in Base.metadata.sorted_tables}
    return {table.name: {_key(table, row): dict(row) for row in rows} for table, rows in found.items() if rows}


def _key(table: Table, row: RowMapping | Row) -> tuple[Any, ...]:
    return tuple(row[column.name] for column in table.primary_key)


def _recording(result: object, before: Rows, after: Rows, files: tuple[dict[str, tuple[bytes, int]], ...]) -> Recording:
    recording = Recording(result, {}, {}, {}, files)
    for table in Base.metadata.sorted_tables:
        old, present = before.get(table.name, {}), after.get(table.name, {})
        for part, rows in (
            (recording.new, [row for key, row in present.items() if key not in old]),
            (recording.changed, [row for key, row in present.items() if key in old and old[key] != row]),
            (recording.gone, [row for key, row in old.items() if key not in present]),
        ):
            if rows:
                part[table.name] = rows
    return recording


def _files(folder: Path) -> dict[str, tuple[bytes, int]]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mode) for path in files}


def _lay_down(recording: Recording, database: Database, folders: Sequence[Path]) -> None:
    tables = Base.metadata.tables
    with database.engine.begin() as connection:
        for name, rows in recording.new.items():
            connection.execute(tables[name].insert(), rows)
        for name, rows in recording.changed.items():
            connection.execute(tables[name].update().where(*_named(tables[name])), [_by_key(tables[name], row) for row in rows])
        for name, rows in reversed(recording.gone.items()):
            connection.execute(tables[name].delete().where(*_named(tables[name])), [_by_key(tables[name], row) for row in rows])
        if database.engine.dialect.name == "postgresql":
            _move_numberings(connection, recording.new)
    for folder, files in zip(folders, recording.files, strict=True):
        folder.mkdir(mode=0o700, parents=True)
        for name, (content, mode) in files.items():
            path = folder / name
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.write_bytes(content)
            path.chmod(mode)


def _named(table: Table) -> list[Any]:
    return [column == bindparam(f"the_{column.name}") for column in table.primary_key]


def _by_key(table: Table, row: Row) -> Row:
    return row | {f"the_{column.name}": row[column.name] for column in table.primary_key}


def _move_numberings(connection: Connection, new: Mapping[str, Sequence[Row]]) -> None:
    """Let the tables' numberings go on behind the rows that brought their numbers along."""
    moves = []
    for name, rows in new.items():
        column = Base.metadata.tables[name].autoincrement_column
        if column is not None and isinstance(column.type, Integer):
            sequence = func.pg_get_serial_sequence(literal(name), literal(column.name))
            moves.append(func.setval(sequence, max(row[column.name] for row in rows)))  # of no sequence, nothing
    if moves:
        connection.execute(select(*moves))
