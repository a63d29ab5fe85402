"""Deadlines of 100,000 terminals in 10,000 offices: the first day, the same day asked again, and everyone's certificate at once.

python -m bench.deadlines [--count 100000]
"""

import argparse
import tempfile
from datetime import date, timedelta
from pathlib import Path

from sqlalchemy import func, insert, select, update

from bench import measure
from ca.tables import CertificateRow
from enrollment.deadlines.deadlines import Deadlines
from enrollment.deadlines.due import DeadlineRow
from enrollment.tables import CodeSetRow, CredentialRow
from kernel.clock import SystemClock, day_end, tokyo_date
from kernel.database import Base, Database, connect
from kernel.outbox import OutboxMail
from registry.states import DeviceClass, SystemClass
from registry.tables import CompanyRow, OfficeRow, TerminalRow
from tests.support.house import OFFICE, House, build_house
from tests.support.postgres import private_server
from tests.support.schema import whole_schema

# Every twentieth terminal has codes only.
WITHOUT_CERTIFICATE = 20
TERMINALS_EACH = 10
AT_ONCE = 5_000


def main() -> None:
    """Measure on both databases and write bench/results/deadlines.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=100_000)
    count: int = parser.parse_args().count
    facts: dict[str, object] = {"terminals": count, "target": "scanned in under a minute"}
    with tempfile.TemporaryDirectory(prefix="bench-deadlines-") as folder:
        facts["sqlite"] = _measure(f"sqlite:///{folder}/bench.db", Path(folder) / "sqlite", count)
        with private_server() as server:
            server.execute("CREATE DATABASE {}", "bench")
            facts["postgresql"] = _measure(server.url("bench"), Path(folder) / "postgresql", count)
    measure.write("deadlines", facts)


def _measure(url: str, folder: Path, count: int) -> list[dict[str, object]]:
    folder.mkdir()
    database = connect(url)
    whole_schema().create_all(database.engine)
    house = build_house(database, folder, SystemClock())
    _fill(house, count)
    jobs, now = Deadlines(database), house.clock.now()

    def both() -> None:
        jobs.tell_due(now)
        jobs.suspend_due(now)

    series = [measure.repeated("the first day: all notices that are due, and suspensions", 1, both)]
    series[0].what += f" ({_counted(database)})"
    series.append(measure.repeated("the same day asked again", 3, both))
    _end_together(database, tokyo_date(now) + timedelta(days=28))
    series.append(measure.repeated("all certificates end on one day: told", 1, lambda: jobs.tell_due(now)))
    series[2].what += f" ({_counted(database)})"
    database.dispose()
    return [one.summary() for one in series]


def _counted(database: Database) -> str:
    with database.snapshot() as session:
        rows = session.scalar(select(func.count()).select_from(DeadlineRow))
        mails = session.scalar(select(func.count()).select_from(OutboxMail))
    return f"{rows} notices, {mails} mails so far"


def _fill(house: House, count: int) -> None:
    """Put terminals into the tables whose last days are spread evenly over a year."""
    today = tokyo_date(house.clock.now())
    codes = [f"NA{'CDEFGHIJKLMNOPQRSTUVWXYZ'[number // 1000]}{number % 1000:03}" for number in range(count // TERMINALS_EACH)]
    with house.database.transaction() as session:
        office, company = session.get_one(OfficeRow, OFFICE), session.get_one(CompanyRow, OFFICE[:3])
        for abbreviation in sorted({code[:3] for code in codes} - {OFFICE[:3]}):
            session.execute(insert(CompanyRow), [_like(company) | {"abbreviation": abbreviation}])
        new = [_like(office) | {"code": code, "company_abbreviation": code[:3]} for code in codes if code != OFFICE]
        session.execute(insert(OfficeRow), new)
    for begin in range(0, count, AT_ONCE):
        whose = {number: codes[number // TERMINALS_EACH] for number in range(begin, min(begin + AT_ONCE, count))}
        days = {number: today + timedelta(days=number % 365) for number in whose if number % WITHOUT_CERTIFICATE}
        rows: dict[type[Base], list[dict[str, object]]] = {
            TerminalRow: [_terminal(house, number, office) for number, office in whose.items()],
            CertificateRow: [_certificate(house, number, day) for number, day in days.items()],
            CredentialRow: [_credential(house, number, whose[number], day) for number, day in days.items()],
            CodeSetRow: [_code_set(house, number, office, today) for number, office in whose.items() if number not in days],
        }
        with house.database.transaction() as session:
            for table, values in rows.items():
                session.execute(insert(table), values)


def _like(row: Base) -> dict[str, object]:
    return {column.name: getattr(row, column.name) for column in type(row).__table__.columns}


def _name(number: int) -> str:
    return f"{number:05}A"


def _serial(number: int) -> str:
    return f"{(1 << 158) + number:x}"


def _terminal(house: House, number: int, office_code: str) -> dict[str, object]:
    return {
        "name": _name(number),
        "office_code": office_code,
        "system_class": SystemClass.SEA,
        "device_class": DeviceClass.NET,
        "package_class": "net",
        "state": "in_service" if number % WITHOUT_CERTIFICATE else "pending",
        "start_date": date(2026, 1, 1),
        "registered_at": house.clock.now(),
        "changed_at": house.clock.now(),
    }


def _certificate(house: House, number: int, last_day: date) -> dict[str, object]:
    now = house.clock.now()
    return {
        "issuer": "issuing-1",
        "serial": _serial(number),
        "kind": "terminal",
        "subject": _name(number),
        "spki_sha256": number.to_bytes(32, "big"),
        "state": "valid",
        "tbs": bytes(700),
        "der": bytes(800),
        "not_before": now - timedelta(days=365),
        "not_after": day_end(last_day),
        "reserved_at": now,
        "issued_at": now,
    }


def _credential(house: House, number: int, office_code: str, last_day: date) -> dict[str, object]:
    return {
        "terminal": _name(number),
        "office_code": office_code,
        "issuer": "issuing-1",
        "serial": _serial(number),
        "last_day": last_day,
        "access_key_digest": bytes(32),
        "since": house.clock.now(),
    }


def _code_set(house: House, number: int, office_code: str, today: date) -> dict[str, object]:
    last_day = today + timedelta(days=number // WITHOUT_CERTIFICATE % 60 - 1)
    return {
        "id": f"{number:032x}",
        "terminal": _name(number),
        "office_code": office_code,
        "approver": "staff:review",
        "preparer": "staff:issuing",
        "state": "prepared",
        "access_key_digest": number.to_bytes(32, "big"),
        "codes_digest": bytes(32),
        "sealed": bytes(200),
        "start_date": last_day - timedelta(days=61),
        "expires_on": last_day,
        "prepared_at": house.clock.now() - timedelta(days=70),
    }


def _end_together(database: Database, last_day: date) -> None:
    """Let everyone's certificate end on one day, as at the end of a system generation."""
    with database.transaction() as session:
        session.execute(update(CredentialRow).values(last_day=last_day))


if __name__ == "__main__":
    main()
