"""P6: revoking 10,000 terminals' certificates in one deed, with audit entries, news, mails and the CRL after it.

python -m bench.revocation [--count 10000] [--times 3]; the seconds of PostgreSQL's own processes are not counted in its CPU's.
"""

import argparse
import string
import tempfile
from datetime import date, timedelta
from pathlib import Path

from sqlalchemy import func, insert, select

from bench import measure
from ca.revocation import Reason
from ca.tables import CertificateRow, CrlEntryRow
from enrollment.bulk import BulkRevocation
from enrollment.deeds import Ending
from kernel import audit
from kernel.clock import SystemClock
from kernel.database import connect
from registry.states import DeviceClass, SystemClass
from registry.tables import TerminalRow
from tests.support.house import OFFICE, House, build_house
from tests.support.postgres import private_server
from tests.support.schema import whole_schema


def main() -> None:
    """Measure on both databases and write bench/results/revocation.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--times", type=int, default=3)
    chosen = parser.parse_args()
    count, times = chosen.count, chosen.times
    facts: dict[str, object] = {"certificates": count, "target": "at most 5 seconds with the CRL"}
    with tempfile.TemporaryDirectory(prefix="bench-revocation-") as folder:
        facts["sqlite"] = _measure(f"sqlite:///{folder}/bench.db", Path(folder) / "sqlite", count, times)
        with private_server() as server:
            server.execute("CREATE DATABASE {}", "bench")
            server.execute("ALTER SYSTEM SET fsync = on")  # the tests' server goes without
            server.execute("SELECT pg_reload_conf()")
            facts["postgresql"] = _measure(server.url("bench"), Path(folder) / "postgresql", count, times)
    measure.write("revocation", facts)


def _measure(url: str, folder: Path, count: int, times: int) -> dict[str, object]:
    folder.mkdir()
    database = connect(url)
    whole_schema().create_all(database.engine)
    house = build_house(database, folder, SystemClock())
    rounds = [[f"{number:05}{letter}" for number in range(count)] for letter in string.ascii_uppercase[:times]]
    for number, names in enumerate(rounds):
        _fill(house, names, number * count)
    bulk = BulkRevocation(database, house.clock)
    actor, left = audit.operator("bench"), iter(rounds)

    def revoke() -> None:
        bulk.revoke(next(left), lambda now: Ending(Reason.KEY_COMPROMISE, actor, now))
        house.crl.publish_if_due(house.clock.now())

    series = measure.repeated("revoke and publish", times, revoke)
    with database.snapshot() as session:
        listed = session.scalar(select(func.count()).select_from(CrlEntryRow))
        recorded = session.scalar(select(func.count()).where(audit.AuditEntry.action == "certificate.revoke"))
    database.dispose()
    if not listed == recorded == count * times:
        raise RuntimeError(f"{listed} of {count * times} certificates are listed, {recorded} are on record")
    return series.summary()


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
