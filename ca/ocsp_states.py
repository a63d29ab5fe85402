"""What the database says of certificates, read as cheaply as it can be: for the OCSP responder only.

One connection of its own that can not write, a few prepared statements, no ORM. The revision of an issuer rises with every
revocation, hold, release and abandonment, in the same transaction (`ca.revocation`): as long as it stands still, what was
read of a certificate that was given out stays true.
"""

import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

from ca.certificates import CertificateState
from kernel.database import Database
from kernel.errors import Unavailable

# Seconds. A database that hangs may hold up a responder for as long, then it is left alone for a while.
_PATIENCE, _PAUSE = 2, 1.0
_MOST_AT_ONCE = 100


class Status(NamedTuple):
    """What is told of one certificate. `at` and `reason` are those of its revocation, hold or abandonment."""

    state: CertificateState
    at: datetime
    reason: str | None
    der: bytes | None

    @property
    def is_settled(self) -> bool:
        """Whether it can change only together with the issuer's revision."""
        return self.state != CertificateState.RESERVED


@dataclass
class StatusReader:
    """Reads revisions and states; every method raises Unavailable while the database is away. One thread at a time.

    `with_certificates` reads each certificate's octets, too.
    """

    database: Database
    with_certificates: bool = False

    def __post_init__(self) -> None:
        """Prepare the statements; the connection is made at the first use, after any fork."""
        self._connection: Any = None
        self._not_before = 0.0
        self._lock = threading.Lock()
        mark = "?" if self._is_sqlite else "%s"
        marks = ", ".join([mark] * _MOST_AT_ONCE)
        der = "der" if self.with_certificates else "NULL"
        columns = f"SELECT serial, state, revoked_at, reserved_at, reason, {der} FROM ca_certificate"  # noqa: S608 (no values)
        self._one = f"{columns} WHERE issuer = {mark} AND serial = {mark}"
        self._many = f"{columns} WHERE issuer = {mark} AND serial IN ({marks})"
        self._changed = [
            f"SELECT told.revision, one.serial FROM {table} told JOIN ca_certificate one ON one.id = told.certificate_id"  # noqa: S608
            f" WHERE told.issuer = {mark} AND told.revision > {mark} ORDER BY told.revision DESC LIMIT {mark}"
            for table in ("ca_crl_entry", "ca_crl_removal")
        ]
        self._newest = (
            f"SELECT issuer, serial FROM ca_certificate WHERE id > (SELECT max(id) FROM ca_certificate) - {mark}"  # noqa: S608
            " AND state = 'valid' AND kind = 'terminal' ORDER BY id DESC"
        )

    def revisions(self) -> Mapping[str, int]:
        """Return each issuer's revision."""
        return dict(self._rows("SELECT name, revision FROM ca_issuer", ()))

    def statuses(self, issuer: str, serials: Iterable[str]) -> dict[str, Status]:
        """Return what is known of some of an issuer's serial numbers (at most 100), as text."""
        asked = list(dict.fromkeys(serials))
        if not asked:
            return {}
        if len(asked) == 1:
            rows = self._rows(self._one, (issuer, asked[0]))
        else:
            rows = self._rows(self._many, (issuer, *asked, *[asked[0]] * (_MOST_AT_ONCE - len(asked))))
        return {
            serial: Status(CertificateState(state), _instant(revoked_at or reserved_at), reason, der)
            for serial, state, revoked_at, reserved_at, reason, der in rows
        }

    def changed(self, issuer: str, since: int, most: int) -> list[str]:
        """Return the serial numbers that an issuer revoked, held, released or gave up after a revision, the latest first."""
        rows = [row for statement in self._changed for row in self._rows(statement, (issuer, since, most))]
        return [serial for _, serial in sorted(rows, reverse=True)[:most]]

    def newest(self, most: int) -> list[tuple[str, str]]:
        """Return issuer and serial number of those of the last certificates that are terminals' and good, the latest first."""
        return [(issuer, serial) for issuer, serial in self._rows(self._newest, (most,))]

    def close(self) -> None:
        """Give the connection back."""
        with self._lock:
            self._drop()

    @property
    def _is_sqlite(self) -> bool:
        return self.database.engine.dialect.name == "sqlite"

    def _rows(self, statement: str, values: tuple[str | int, ...]) -> list[Any]:
        with self._lock:
            driver = self.database.engine.dialect.loaded_dbapi
            for is_last in (self._connection is None, True):
                try:
                    if self._connection is None:
                        self._connect()
                    rows: list[Any] = self._connection.execute(statement, values).fetchall()
                except driver.Error as error:
                    self._drop()
                    if is_last:  # a connection that was idle may have died of a restart: then a new one is tried first
                        self._not_before = time.monotonic() + _PAUSE
                        raise Unavailable("database is away") from error
                else:
                    return rows
            raise AssertionError  # the last round returns or raises

    def _connect(self) -> None:
        if time.monotonic() < self._not_before:
            raise Unavailable("database is away")
        engine = self.database.engine
        arguments, options = engine.dialect.create_connect_args(engine.url)
        if self._is_sqlite:
            options.update(timeout=_PATIENCE, check_same_thread=False, isolation_level=None)
        else:
            session = f"-c timezone=UTC -c default_transaction_read_only=on -c statement_timeout={_PATIENCE}s"
            options.update(connect_timeout=_PATIENCE, tcp_user_timeout=_PATIENCE * 1_000, options=session)
            # Each statement is prepared at its first use.
            options.update(autocommit=True, prepare_threshold=0)
        self._connection = engine.dialect.connect(*arguments, **options)
        if self._is_sqlite:
            self._connection.execute("PRAGMA query_only=1")

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


def _instant(stored: datetime | str) -> datetime:
    """SQLite keeps instants as text without a zone."""
    if isinstance(stored, str):
        return datetime.fromisoformat(stored).replace(tzinfo=UTC)
    return stored.astimezone(UTC)
