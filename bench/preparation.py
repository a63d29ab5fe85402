"""P6: preparing 10,000 code sets with sealing and audit, and the whole job of a generation change that does it.

Beside them, in the same run, what the limits take: sealing as many copies under one data key, and inserting as many rows of
the same size by the database's own driver in one transaction; and what a key agreement for each copy would take.
python -m bench.preparation [--count 10000] [--times 5]; the seconds of PostgreSQL's own processes are not counted in its CPU's.
"""

import argparse
import gc
import json
import string
import sys
import tempfile
from datetime import date, timedelta
from pathlib import Path

from sqlalchemy import func, insert, inspect, select

from bench import measure
from ca.tables import CertificateRow
from enrollment.generations.plans import Wave
from enrollment.preparation import CodeSetValues, store_sets
from enrollment.tables import CodeSetRow, CredentialRow
from kernel.audit import AuditEntry
from kernel.clock import tokyo_date
from kernel.database import Base, Database, connect
from keys.codes import DataKey, Sealer
from registry import terminals
from registry.states import DeviceClass, SystemClass
from registry.tables import OfficeRow, TerminalRow
from tests.support.clock import SettableClock
from tests.support.generations import TwoGenerations
from tests.support.house import APPROVER, OFFICE, PREPARER, House, build_house
from tests.support.postgres import private_server
from tests.support.schema import whole_schema

TARGET = 1.0
PER_OFFICE = 10


def main() -> None:
    """Measure on both databases, write bench/results/preparation.json, and end with 1 when the target is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--times", type=int, default=5)
    chosen = parser.parse_args()
    results: dict[str, dict[str, object]] = {}
    with tempfile.TemporaryDirectory(prefix="bench-preparation-") as folder:
        results["sqlite"] = _measure(f"sqlite:///{folder}/bench.db", Path(folder) / "sqlite", chosen.count, chosen.times)
        with private_server() as server:
            server.execute("CREATE DATABASE {}", "bench")
            server.execute("ALTER SYSTEM SET fsync = on")  # the tests' server goes without
            server.execute("SELECT pg_reload_conf()")
            results["postgresql"] = _measure(server.url("bench"), Path(folder) / "postgresql", chosen.count, chosen.times)
    measure.write("preparation", {"code_sets": chosen.count, "target": f"at most {TARGET:.0f} second of CPU", **results})
    for name, result in results.items():
        sys.stdout.write(f"{name}: {result['cpu_seconds']}\n")
    sys.exit(not all(result["within the target"] for result in results.values()))


def _measure(url: str, folder: Path, count: int, times: int) -> dict[str, object]:
    folder.mkdir()
    database, clock = connect(url), SettableClock()
    whole_schema().create_all(database.engine)
    two = TwoGenerations(build_house(database, folder, clock), clock)
    _fill_offices(database, count // PER_OFFICE)
    rounds = [[f"{number:05}{letter}" for number in range(count)] for letter in string.ascii_uppercase[: 2 * times]]
    for number, names in enumerate(rounds):
        _fill(two.house, names, number * count, with_certificate=number < times)
    apart = iter(rounds[times:])
    made: list[CodeSetValues] = []
    gc.collect()
    gc.freeze()  # as the doors and the jobs do: the collector shall not walk through all that is loaded
    series = {
        "code sets": measure.repeated("codes, sealed, stored with audit", times, lambda: _prepare(two.house, next(apart), made)),
        "job": _job(two, count, times),
        "sealing": measure.repeated(
            "sealing alone, under one data key", times, lambda: _seal(two.house.sealer.data_key(), count)
        ),
        "agreements": measure.repeated("a key agreement for each copy", times, lambda: _seal(two.house.sealer, count)),
        "inserts": measure.repeated("the driver's inserts alone", times, lambda: _insert(database, made)),
    }
    with database.snapshot() as session:
        stored = session.scalar(select(func.count()).select_from(CodeSetRow))
    database.dispose()
    if stored != 2 * count * times:
        raise RuntimeError(f"{stored} of {2 * count * times} code sets were stored")
    seconds = {name: one.cpu for name, one in series.items()}
    return {
        "cpu_seconds": {name: round(value, 3) for name, value in seconds.items()},
        "code sets / (sealing + inserts)": round(seconds["code sets"] / (seconds["sealing"] + seconds["inserts"]), 2),
        "wall_seconds": round(series["code sets"].wall, 3),
        "within the target": seconds["code sets"] <= TARGET,
        "series": {name: one.summary() for name, one in series.items()},
    }


def _prepare(house: House, names: list[str], made: list[CodeSetValues]) -> None:
    now = house.clock.now()
    with house.database.snapshot() as session:
        found = list(terminals.named(session, names).values())
    made[:] = house.preparation.make_sets(found, str(APPROVER), PREPARER, now)
    with house.database.transaction() as session:
        store_sets(session, made, PREPARER, now)


def _job(two: TwoGenerations, count: int, times: int) -> measure.Series:
    """Measure the job day by day: members taken in, looked at under lock, codes, one mail and one line of news an office."""
    of_office = PER_OFFICE * times
    quota = -(-count // of_office) * of_office  # offices are taken whole
    two.change(two.plan(Wave(two.first_day, quota), ends_on=two.first_day + timedelta(days=60 + times)))
    two.to_first_day()

    def next_day() -> None:
        two.clock.advance(timedelta(days=1))

    return measure.repeated("the whole job", times, lambda: two.waves.prepare_due(two.clock.now()), before=next_day)


def _seal(sealer: Sealer | DataKey, count: int) -> None:
    plaintext, binding = bytes(150), bytes(60)
    for _ in range(count):
        sealer.seal(plaintext, binding)


def _insert(database: Database, made: list[CodeSetValues]) -> None:
    """Insert what a code set and its audit entry are, by the driver, and take it back."""
    now = made[0]["prepared_at"]
    with database.snapshot() as session:
        entries = [_columns(row) for row in session.scalars(select(AuditEntry).limit(len(made)))]
    sets = [{**values, "prepared_at": str(now), "start_date": str(now.date()), "expires_on": str(now.date())} for values in made]
    with database.transaction() as session:
        cursor = session.connection().connection.cursor()
        for table, rows in ((CodeSetRow, sets), (AuditEntry, entries)):
            names = list(rows[0])
            mark = "?" if database.engine.dialect.name == "sqlite" else "%s"
            columns, marks = ", ".join(names), ", ".join([mark] * len(names))
            like = f"SELECT {columns} FROM {table.__tablename__} WHERE 1 = 0"  # noqa: S608 (names of our own columns)
            cursor.execute(f"CREATE TEMPORARY TABLE bench_rows AS {like}")
            cursor.executemany(
                f"INSERT INTO bench_rows ({columns}) VALUES ({marks})",  # noqa: S608 (names of our own columns)
                [[row[name] for name in names] for row in rows],
            )
            cursor.execute("DROP TABLE bench_rows")


def _columns(row: Base) -> dict[str, object]:
    values = {column.key: getattr(row, column.key) for column in inspect(type(row)).column_attrs}
    texts = {"at": str(values["at"]), "facts": json.dumps(values["facts"])}
    return {name: value for name, value in {**values, **texts}.items() if name != "leaf_index"}


def _fill_offices(database: Database, count: int) -> None:
    with database.transaction() as session:
        office = session.scalars(select(OfficeRow).where(OfficeRow.code == OFFICE)).one()
        values = {column.key: getattr(office, column.key) for column in inspect(OfficeRow).column_attrs}
        session.execute(
            insert(OfficeRow), [values | {"code": f"NAC{number:03}"} for number in range(count) if f"NAC{number:03}" != OFFICE]
        )


def _fill(house: House, names: list[str], first: int, *, with_certificate: bool) -> None:
    now = house.clock.now()
    offices = {name: f"NAC{number // PER_OFFICE:03}" for number, name in enumerate(names)}
    with house.database.transaction() as session:
        session.execute(insert(TerminalRow), [_terminal(name, offices[name], house) for name in names])
        if not with_certificate:
            return
        serials = {name: f"{(1 << 158) + number:x}" for number, name in enumerate(names, first)}
        session.execute(
            insert(CertificateRow),
            [
                {
                    "issuer": "issuing-1",
                    "serial": serials[name],
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
        session.execute(
            insert(CredentialRow),
            [
                {
                    "terminal": name,
                    "office_code": offices[name],
                    "issuer": "issuing-1",
                    "serial": serials[name],
                    "access_key_digest": bytes(32),
                    "since": now,
                    "last_day": tokyo_date(now) + timedelta(days=365),
                }
                for name in names
            ],
        )


def _terminal(name: str, office_code: str, house: House) -> dict[str, object]:
    return {
        "name": name,
        "office_code": office_code,
        "system_class": SystemClass.SEA,
        "device_class": DeviceClass.NET,
        "package_class": "net",
        "state": "in_service",
        "start_date": date(2026, 1, 1),
        "registered_at": house.clock.now(),
        "changed_at": house.clock.now(),
    }


if __name__ == "__main__":
    main()
