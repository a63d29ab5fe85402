"""P6: revoking 10,000 terminals' certificates in one deed, with audit entries, news, mails and the CRL after it.

Beside it, in the same run and on the same database, the limit: the same certificates changed and as many rows of the same size
inserted by the database's own driver in one transaction with the same durability, the list's entries encoded, the list signed
once and its file flushed. python -m bench.revocation [--count 10000] [--times 5]; PostgreSQL's own processes count, too, and
are told apart.
"""

import argparse
import json
import os
import statistics
import string
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import func, insert, select, text

from bench import measure
from bench.ocsp import children, cpu
from ca.crl_encoding import entry
from ca.revocation import Reason
from ca.tables import BlockedKeyRow, CertificateRow, CrlEntryRow
from enrollment.bulk import BulkRevocation
from enrollment.deeds import Ending
from kernel import audit
from kernel.clock import SystemClock
from kernel.database import connect
from registry.states import DeviceClass, SystemClass
from registry.tables import NewsRow, TerminalRow
from tests.support.house import OFFICE, House, build_house
from tests.support.postgres import private_server
from tests.support.schema import whole_schema

REASON = Reason.KEY_COMPROMISE
# What a revocation inserts, and how many rows of it: its entry in the list, the news, the blocked key, and two audit entries.
INSERTED = {
    CrlEntryRow.__tablename__: 1,
    NewsRow.__tablename__: 1,
    BlockedKeyRow.__tablename__: 1,
    audit.AuditEntry.__tablename__: 2,
}


def main() -> None:
    """Measure on both databases and write bench/results/revocation.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--times", type=int, default=5)
    chosen = parser.parse_args()
    count, times = chosen.count, chosen.times
    facts: dict[str, object] = {"certificates": count, "target": "at most 5 seconds with the CRL"}
    with tempfile.TemporaryDirectory(prefix="bench-revocation-") as folder:
        facts["sqlite"] = _measure(f"sqlite:///{folder}/bench.db", Path(folder) / "sqlite", count, times, list)
        with private_server() as server:
            server.execute("CREATE DATABASE {}", "bench")
            server.execute("ALTER SYSTEM SET fsync = on")  # the tests' server goes without
            server.execute("SELECT pg_reload_conf()")
            master = int((server.folder / "cluster" / "postmaster.pid").read_text(encoding="ascii").splitlines()[0])
            folders = Path(folder) / "postgresql"
            facts["postgresql"] = _measure(server.url("bench"), folders, count, times, lambda: [master, *children(master)])
    measure.write("revocation", facts)


def _measure(
    url: str, folder: Path, count: int, times: int, servers: Callable[[], Sequence[int]]
) -> dict[str, object]:  # fmt: skip
    folder.mkdir()
    database = connect(url)
    whole_schema().create_all(database.engine)
    house = build_house(database, folder, SystemClock())
    rounds = [[f"{number:05}{letter}" for number in range(count)] for letter in string.ascii_uppercase[:times]]
    for number, names in enumerate(rounds):
        _fill(house, names, number * count)
    if database.engine.dialect.name == "postgresql":  # which does so by itself, a little later; SQLite never does
        with database.transaction() as session:
            session.execute(text("ANALYZE"))
    bulk = BulkRevocation(database, house.clock)
    actor, left = audit.operator("bench"), iter(rounds)

    def revoke() -> None:
        bulk.revoke(next(left), lambda now: Ending(REASON, actor, now))
        house.crl.publish_if_due(house.clock.now())

    begin = measure.repeated("nothing", 1, lambda: None).runs[0].private_mb
    deed = _served("revoke and publish", times, revoke, servers)
    with database.snapshot() as session:
        listed = session.scalar(select(func.count()).select_from(CrlEntryRow))
        recorded = session.scalar(select(func.count()).where(audit.AuditEntry.action == "certificate.revoke"))
    if not listed == recorded == count * times:
        raise RuntimeError(f"{listed} of {count * times} certificates are listed, {recorded} are on record")
    limit = _Limit(house, count)
    alone = _served("the driver's changes and inserts, entries, one signature", times, limit.write, servers, limit.prepare)
    database.dispose()
    ratios = {name: deed[name] / alone[name] for name in ("cpu_seconds_with_server", "wall_seconds")}
    return {
        "private_mb_before": round(begin, 1),
        "ours": deed,
        "limit": alone,
        "ours / limit": {name: round(ratio, 2) for name, ratio in ratios.items()},
    }


def _served(
    what: str,
    times: int,
    deed: Callable[[], object],
    servers: Callable[[], Sequence[int]],
    before: Callable[[], object] = lambda: None,
) -> dict[str, Any]:
    """Measure a deed; the database's own processes are those that live before and after it, as connections are kept."""
    taken: list[float] = []

    def both() -> None:
        start = {pid: cpu(pid) for pid in servers()}
        deed()
        taken.append(sum(cpu(pid) - start.get(pid, 0.0) for pid in servers()))

    series = measure.repeated(what, times, both, before)
    own = statistics.median(run.cpu + server for run, server in zip(series.runs, taken, strict=True))
    served = [round(server, 2) for server in taken]
    return {"cpu_seconds_with_server": round(own, 3), "server_cpu_seconds": served, **series.summary()}


@dataclass
class _Limit:
    """The least that a deed of so many revocations writes, by the driver alone; what it writes is dropped again."""

    house: House
    count: int

    def __post_init__(self) -> None:
        """Read certificates as they are changed and rows as they are inserted, by the driver, so that nothing is to convert."""
        self._is_sqlite = self.house.database.engine.dialect.name == "sqlite"
        with self.house.database.snapshot() as session:
            cursor = session.connection().connection.cursor()
            cursor.execute(f"SELECT revoked_at, id, serial FROM ca_certificate WHERE reason IS NOT NULL LIMIT {self.count}")  # noqa: S608
            self._ended = cursor.fetchall()
            self._rows: dict[str, list[list[object]]] = {}
            for table, each in INSERTED.items():
                which = " WHERE action IN ('certificate.revoke', 'key.block')" if table == audit.AuditEntry.__tablename__ else ""
                cursor.execute(f"SELECT * FROM {table}{which} LIMIT {each * self.count}")  # noqa: S608
                self._rows[table] = [
                    [json.dumps(one) if isinstance(one, dict) else one for one in row] for row in cursor.fetchall()
                ]
        for table, rows in self._rows.items():
            if len(rows) != INSERTED[table] * self.count:
                raise RuntimeError(f"{table} has {len(rows)} rows")

    def prepare(self) -> None:
        """Make tables of the same columns without indexes."""
        with self.house.database.transaction() as session:
            for table in self._rows:
                session.execute(text(f"DROP TABLE IF EXISTS bench_{table}"))
                session.execute(text(f"CREATE TABLE bench_{table} AS SELECT * FROM {table} WHERE 1 = 0"))  # noqa: S608

    def write(self) -> None:
        """Change, insert and commit once; encode each entry; sign and flush the list."""
        now, mark = self.house.clock.now(), "?" if self._is_sqlite else "%s"
        entries = [entry(int(serial, 16), now, REASON.value) for _, _, serial in self._ended]
        with self.house.database.transaction() as session:
            cursor = session.connection().connection.cursor()
            change = (
                f"UPDATE ca_certificate SET state = 'revoked', revoked_at = {mark}, reason = '{REASON.value}' WHERE id = {mark}"  # noqa: S608
            )
            cursor.executemany(change, [(at, row_id) for at, row_id, _ in self._ended])
            for table, rows in self._rows.items():
                marks = ", ".join([mark] * len(rows[0]))
                cursor.executemany(f"INSERT INTO bench_{table} VALUES ({marks})", rows)  # noqa: S608 (a table of ours)
        listed = b"".join(entries)
        with (self.house.crl_folder / "bench.crl").open("wb") as file:
            file.write(listed + self.house.issuing.sign(listed))
            file.flush()
            os.fsync(file.fileno())


def _fill(house: House, names: list[str], first: int) -> None:
    now = house.clock.now()
    with house.database.transaction() as session:
        session.execute(
            insert(TerminalRow),
            [
                {
                    "name": name,
                    "office_code": OFFICE,
                    "system_class": SystemClass.SEA,
                    "device_class": DeviceClass.NET,
                    "package_class": "net",
                    "state": "in_service",
                    "start_date": date(2026, 1, 1),
                    "registered_at": now,
                    "changed_at": now,
                }
                for name in names
            ],
        )
        session.execute(
            insert(CertificateRow),
            [
                {
                    "issuer": "issuing-1",
                    "serial": f"{(1 << 158) + number:x}",
                    "kind": "terminal",
                    "subject": name,
                    "spki_sha256": number.to_bytes(32, "big"),
                    "state": "valid",
                    "tbs": bytes(700),
                    "der": bytes(800),
                    "not_before": now,
                    "not_after": now + timedelta(days=365),
                    "reserved_at": now,
                    "issued_at": now,
                }
                for number, name in enumerate(names, first)
            ],
        )


if __name__ == "__main__":
    main()
