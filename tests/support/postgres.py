"""A private PostgreSQL: started by the tests in a folder of its own, reached through a socket in it, stopped by its pid."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

# Seconds that starting and stopping may take on a busy machine.
PATIENCE = 60
SETTINGS = {
    "listen_addresses": "''",  # the socket only: no port to guess or to collide with
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "shared_buffers": "32MB",
    # A killed server loses nothing by it (the system keeps what was written); a test that pulls the plug would need another one.
    "fsync": "off",
    # Rows come back as they were written, and nothing happens that no test did.
    "autovacuum": "off",
    "lc_messages": "'C'",
}

# Octets from which on a table gets a new file; deleting the rows of a smaller one costs half of that.
LARGE = 1 << 17
_BACK_TO_THE_START = """
SELECT setval(format('%I.%I', schemaname, sequencename)::regclass, start_value, false) FROM pg_sequences
    WHERE schemaname = 'public' AND last_value IS NOT NULL
"""
_SHAPE = """
SELECT md5(concat(
    (SELECT string_agg(oid::text, ',' ORDER BY oid) FROM pg_class WHERE relnamespace = 'public'::regnamespace),
    (SELECT string_agg(oid::text, ',' ORDER BY oid) FROM pg_constraint WHERE connamespace = 'public'::regnamespace),
    (SELECT string_agg(concat(attrelid, attname, attnotnull, atthasdef), ',' ORDER BY attrelid, attnum) FROM pg_attribute
        JOIN pg_class ON pg_class.oid = attrelid WHERE relnamespace = 'public'::regnamespace)))
"""


class PostgresUnavailable(Exception):
    """No server could be started here; the message says why."""


@dataclass(frozen=True)
class Account:
    """Who runs the server: it refuses root, so root lends it the account of Debian's package or `nobody`."""

    uid: int
    gid: int

    @classmethod
    def present(cls) -> "Account":
        """Return the caller's own account, or an unprivileged one when the caller is root."""
        if os.geteuid() != 0:
            return cls(os.geteuid(), os.getegid())
        for name in ("postgres", "nobody"):
            try:
                entry = pwd.getpwnam(name)
            except KeyError:
                continue
            return cls(entry.pw_uid, entry.pw_gid)
        message = "root may not run PostgreSQL, and there is neither an account `postgres` nor `nobody`"
        raise PostgresUnavailable(message)

    def start(self, command: list[str], cwd: Path, log: Path) -> "subprocess.Popen[bytes]":
        """Start a program under this account, its output in a file."""
        ids = {"user": self.uid, "group": self.gid, "extra_groups": []} if os.geteuid() == 0 else {}
        with log.open("ab") as output:
            return subprocess.Popen(command, cwd=cwd, stdout=output, stderr=output, env={"LC_ALL": "C"}, **ids)  # type: ignore[call-overload,no-any-return]


@dataclass
class PostgresServer:
    """A running server; `folder` is its socket's."""

    folder: Path
    _start: "Callable[[], subprocess.Popen[bytes]]" = field(repr=False)
    _process: "subprocess.Popen[bytes] | None" = field(default=None, repr=False)

    def start(self) -> None:
        """Start it, and wait until it answers."""
        self._process = self._start()
        _wait_until_ready(self._process, self.folder)

    def stop(self) -> None:
        """End every session and close the cluster cleanly ("fast shutdown"); what was committed is there at the next start."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(PATIENCE)
            self._process = None

    def revive(self) -> None:
        """Wait until it answers after a crash; start it again if it has given up."""
        if self._process is None or self._process.poll() is not None:
            self._process = self._start()
        _wait_until_ready(self._process, self.folder)

    def url(self, name: str) -> str:
        """Return the SQLAlchemy address of one of its databases."""
        return f"postgresql+psycopg://tegata@/{name}?host={self.folder}"

    def execute(self, statement: str, *names: str) -> None:
        """Run one statement outside of a transaction; `{}` are filled with quoted names."""
        with self._connected("postgres") as connection:
            connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))

    def shape(self, database: str) -> str:
        """Return what tells whether a database still has the very tables, columns, indexes and rules that it was made with."""
        with self._connected(database) as connection:
            row = connection.execute(_SHAPE).fetchone()
        return str(row[0]) if row else ""

    def empty(self, database: str) -> None:
        """End every session in a database and delete all rows; numbering begins anew. Much faster than making it anew."""
        with self._connected(database) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()",
                (database,),
            )
            tables = [row[0] for row in connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")]
            asked = sql.SQL(" UNION ALL ").join(
                sql.SQL("SELECT {}, pg_relation_size({}) > {} WHERE EXISTS (SELECT FROM {})").format(
                    table, table, LARGE, sql.Identifier(table)
                )
                for table in tables
            )
            filled = [(sql.Identifier(name), is_large) for name, is_large in connection.execute(asked)]
            if large := [name for name, is_large in filled if is_large]:
                connection.execute(sql.SQL("TRUNCATE {} CASCADE").format(sql.SQL(", ").join(large)))
            connection.execute("SET session_replication_role = replica")  # no rule between tables is asked: all become empty
            small = [name for name, is_large in filled if not is_large]
            deletions = [sql.SQL("DELETE FROM {}").format(name) for name in small]
            connection.execute(sql.SQL("; ").join([*deletions, sql.SQL(_BACK_TO_THE_START)]))
            if small:  # so that the next test's rows come back in the order in which they were written
                connection.execute(sql.SQL("VACUUM {}").format(sql.SQL(", ").join(small)))

    def _connected(self, database: str) -> "psycopg.Connection[tuple[Any, ...]]":
        return psycopg.connect(host=str(self.folder), user="tegata", dbname=database, autocommit=True)


@contextmanager
def private_server(volume: Callable[[Path], AbstractContextManager[object]] = nullcontext) -> Iterator[PostgresServer]:
    """Start a server with an empty cluster; at the end it is stopped and its folder removed.

    `volume` may put something below the folder, before anything is written there. Raises PostgresUnavailable.
    """
    programs = _programs()
    account = Account.present()
    folder = Path(tempfile.mkdtemp(prefix="tegata-postgres-"))  # short: a socket's path has at most 107 octets
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        stack.enter_context(volume(folder))
        folder.chmod(0o700)
        os.chown(folder, account.uid, account.gid)
        _make_cluster(programs, account, folder)
        command = [str(programs / "postgres"), "-D", "cluster", "-k", str(folder)]
        server = PostgresServer(folder, lambda: account.start(command, folder, folder / "log"))
        try:
            server.start()
            yield server
        finally:
            server.stop()


@contextmanager
def small_volume(folder: Path, *, size: int = 160 << 20) -> Iterator[None]:
    """Mount a file system of so many octets on a folder, in memory; raises PostgresUnavailable where nobody lets us."""
    mount, umount = shutil.which("mount"), shutil.which("umount")
    if mount is None or umount is None:
        raise PostgresUnavailable("mount, for a small volume")
    mounted = subprocess.run([mount, "-t", "tmpfs", "-o", f"size={size}", "tegata", folder], capture_output=True, check=False)
    if mounted.returncode != 0:
        raise PostgresUnavailable("the right to mount a small volume: " + mounted.stderr.decode(errors="replace").strip())
    try:
        yield
    finally:
        subprocess.run([umount, "-l", folder], capture_output=True, check=True)


def _programs() -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda program: int(program.parts[-3]))
    if found:
        return found[-1].parent
    on_path = shutil.which("initdb")
    if on_path is None:
        message = "PostgreSQL's initdb (Debian's package: postgresql)"
        raise PostgresUnavailable(message)
    return Path(on_path).resolve().parent


def _make_cluster(programs: Path, account: Account, folder: Path) -> None:
    log = folder / "log"
    arguments = ["-D", "cluster", "-U", "tegata", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync"]
    if account.start([str(programs / "initdb"), *arguments], folder, log).wait(PATIENCE) != 0:
        raise PostgresUnavailable("PostgreSQL's initdb failed: " + log.read_text(errors="replace")[-500:])
    settings = "".join(f"{name} = {value}\n" for name, value in SETTINGS.items())
    with (folder / "cluster" / "postgresql.conf").open("a") as configuration:
        configuration.write(settings)


def _wait_until_ready(server: "subprocess.Popen[bytes]", folder: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and server.poll() is None:
        try:
            psycopg.connect(host=str(folder), user="tegata", dbname="postgres").close()
        except psycopg.OperationalError:
            time.sleep(0.05)
        else:
            return
    raise PostgresUnavailable("PostgreSQL did not start: " + (folder / "log").read_text(errors="replace")[-500:])
