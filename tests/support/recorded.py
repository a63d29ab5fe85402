"""A ceremony that was held once is taken over into the next fresh database: its rows, its keys, its published files.

Most tests need a CA and few look at how it came to be. Taking it over costs a tenth of holding it.
"""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Integer, Table, exists, func, select, text

from kernel.database import Base, Database


@dataclass(frozen=True)
class Recording:
    """Rows by table, in the order in which they may be inserted, and each folder's files with their modes."""

    rows: dict[str, list[dict[str, Any]]]
    files: tuple[dict[str, tuple[bytes, int]], ...]


_RECORDINGS: dict[Hashable, Recording] = {}


def recorded(what: Hashable, database: Database, folders: Sequence[Path], deed: Callable[[], object]) -> None:
    """Do a deed that fills a database and folders; where this process did it before, lay down what it left instead.

    Where there is something already, nothing is recorded and nothing laid down. Every deed leaves audit entries, so a
    database without any is a fresh one.
    """
    with database.engine.connect() as connection:
        has_rows = connection.scalar(select(exists(select(Base.metadata.tables["kernel_audit_entry"]))))
    if has_rows or any(folder.exists() for folder in folders):
        deed()
    elif what in _RECORDINGS:
        _lay_down(_RECORDINGS[what], database, folders)
    else:
        deed()
        _RECORDINGS[what] = Recording(_rows(database), tuple(_files(folder) for folder in folders))


def _rows(database: Database) -> dict[str, list[dict[str, Any]]]:
    with database.engine.connect() as connection:
        found = {table.name: connection.execute(select(table)).mappings().all() for table in Base.metadata.sorted_tables}
    return {name: [dict(row) for row in rows] for name, rows in found.items() if rows}


def _files(folder: Path) -> dict[str, tuple[bytes, int]]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mode) for path in files}


def _lay_down(recording: Recording, database: Database, folders: Sequence[Path]) -> None:
    with database.engine.begin() as connection:
        for name, rows in recording.rows.items():
            table = Base.metadata.tables[name]
            connection.execute(table.insert(), rows)
            if database.engine.dialect.name == "postgresql":
                _move_numbering(connection, table)
    for folder, files in zip(folders, recording.files, strict=True):
        folder.mkdir(mode=0o700, parents=True)
        for name, (content, mode) in files.items():
            path = folder / name
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.write_bytes(content)
            path.chmod(mode)


def _move_numbering(connection: Connection, table: Table) -> None:
    """Let a table's numbering go on behind the rows that brought their numbers along."""
    column = table.autoincrement_column
    if column is None or not isinstance(column.type, Integer):
        return
    sequence = connection.scalar(
        text("SELECT pg_get_serial_sequence(:table, :column)"), {"table": table.name, "column": column.name}
    )
    if sequence is not None:
        connection.execute(select(func.setval(sequence, connection.scalar(select(func.max(column))))))
