"""`tegata billing` as an operator meets it."""

from pathlib import Path

import pytest
from sqlalchemy import func, select

from kernel import audit
from kernel.clock import SystemClock, day_start, tokyo_date
from kernel.database import Database
from registry.billing import reading
from registry.billing.months import month_of
from registry.billing.tables import UsageRow
from registry.registration import Offices
from server.billing import closing_of
from server.settings import load
from server.trouble import Trouble
from tests.registry.billing.test_usage_files import written
from tests.registry.conftest import COMPANY, CONTRACT, OFFICE
from tests.server.test_office_command import Tegata, database, database_url, tegata

__all__ = ["database", "database_url", "tegata"]


@pytest.fixture
def file(tmp_path: Path, database: Database) -> Path:
    """Register an office and write a file of its use this month."""
    Offices(database, SystemClock()).register(COMPANY, OFFICE, CONTRACT, actor=audit.operator())
    path = tmp_path / "usage.csv"
    month = str(month_of(tokyo_date(SystemClock().now())))
    path.write_bytes(written({"month": month}, {"month": month, "record": "B", "user_code": "", "amount": "655"}))
    return path


def _entered(database: Database) -> int:
    with database.snapshot() as session:
        return session.scalar(select(func.count()).select_from(UsageRow)) or 0


def test_the_headings_can_be_printed(tegata: Tegata) -> None:
    status, out, _ = tegata("billing", "columns")
    assert (status, out.splitlines()[0].split(",")[:3]) == (0, ["record", "month", "office_code"])


def test_a_dry_run_writes_nothing_and_an_import_may_be_repeated(tegata: Tegata, file: Path, database: Database) -> None:
    assert tegata("billing", "import", str(file), "--dry-run")[:2] == (
        0,
        "2 records (13,000 yen) would be entered, 0 are known; nothing was written\n",
    )
    assert _entered(database) == 0
    assert tegata("billing", "import", str(file))[:2] == (0, "2 records (13,000 yen) entered, 0 known before\n")
    assert tegata("billing", "import", str(file))[:2] == (0, "0 records (0 yen) entered, 2 known before\n")
    assert _entered(database) == 2


def test_a_fault_anywhere_keeps_everything_out(tegata: Tegata, file: Path, database: Database) -> None:
    file.write_bytes(written({}, {"record": "B", "amount": "many"}, {"record": "C", "office_code": "XYZ001"}))
    status, _, err = tegata("billing", "import", str(file))
    assert (status, err.splitlines()) == (
        1,
        [
            "tegata: line 3, amount: must be a whole number of digits",
            "tegata: line 4, office_code: there is no such office",
            "tegata: 2 faults; nothing was written",
        ],
    )
    assert _entered(database) == 0


def test_the_job_closes_what_was_imported_by_the_operators_prices(
    tegata: Tegata, file: Path, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tegata("billing", "import", str(file))
    dear = (Path("registry/billing/prices.toml")).read_text(encoding="utf-8").replace("yen = 1000", "yen = 3000")
    (tmp_path / "prices.toml").write_text(dear, encoding="utf-8")
    monkeypatch.setenv("TEGATA_BILLING_PRICES", str(tmp_path / "prices.toml"))
    month = month_of(tokyo_date(SystemClock().now()))
    assert closing_of(load(tmp_path), database).close_due(day_start(month.after.first)) == 1
    with database.snapshot() as session:
        bill = reading.find(session, "NAC001", month)
    assert bill is not None
    assert bill.subtotal == 13_000 + 2 * 3_000


def test_a_file_of_prices_that_is_wrong_is_told(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEGATA_BILLING_PRICES", str(tmp_path / "prices.toml"))
    with pytest.raises(Trouble, match="billing_prices"):
        closing_of(load(tmp_path), database)
    (tmp_path / "prices.toml").write_text("price = 5", encoding="utf-8")
    with pytest.raises(Trouble, match=r"prices\.toml"):
        closing_of(load(tmp_path), database)
