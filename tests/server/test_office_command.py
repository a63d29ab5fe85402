"""`tegata office` as an operator meets it."""

import re
import sys
from collections.abc import Callable, Iterator
from email import message_from_bytes, policy
from pathlib import Path

import pytest
from sqlalchemy import func, select

from kernel import outbox
from kernel.clock import SystemClock
from kernel.database import Database, connect
from registry import offices
from registry.letters import Letters
from server.cli import main
from server.delivering import carrier_of
from server.settings import load
from tests.conftest import FreshDatabase
from tests.registry.test_office_files import written
from tests.webui.mailbox import Mailbox
from tests.webui.visitors import PASSWORD
from webui.accounts import Accounts, Credentials, Door, PasswordLinks, UserLetters
from webui.passwords import Passwords

Tegata = Callable[..., tuple[int, str, str]]


@pytest.fixture
def database_url(sqlite_databases: FreshDatabase) -> Iterator[str]:
    with sqlite_databases() as url:
        yield url


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    connected = connect(database_url)
    yield connected
    connected.dispose()


@pytest.fixture
def tegata(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Tegata:
    """Return what runs the command over a home that is only a database."""
    (tmp_path / "ca").mkdir()
    (tmp_path / "ca" / "root.pem").touch()  # what makes a home a finished one
    monkeypatch.setenv("TEGATA_HOME", str(tmp_path))
    monkeypatch.setenv("TEGATA_DATABASE_URL", database_url)

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["tegata", *arguments])
        status = 0
        try:
            main()
        except SystemExit as end:
            status = int(end.code or 0)
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "offices.csv"
    path.write_text(written({}, {"office.code": "NAC002", "administrator.login": "", "administrator.mail": "jiro@example.jp"}))
    return path


def counted(database: Database) -> tuple[int, int]:
    with database.snapshot() as session:
        return offices.search(session).total, outbox.count(session, outbox.Wanted())


def test_a_dry_run_writes_nothing(tegata: Tegata, file: Path, database: Database) -> None:
    status, out, _ = tegata("office", "import", str(file), "--dry-run")
    assert (status, out) == (0, "offices: 2 would be registered, 0 are registered already; nothing was written\n")
    assert counted(database) == (0, 0)


def test_offices_are_registered_once_and_their_administrators_log_in(tegata: Tegata, file: Path, database: Database) -> None:
    status, out, _ = tegata("office", "import", str(file))
    assert (status, out) == (0, "2 offices registered, 2 administrators invited, 0 known before\n")
    assert counted(database) == (2, 2)
    clock = SystemClock()
    accounts = Accounts(database, clock, Passwords(memory_kib=8, passes=1))
    chosen = PasswordLinks(database, clock, UserLetters(Letters("")), accounts.passwords)
    mailbox = Mailbox(database, clock)
    for mail, code, login in (("hanako@example.jp", "NAC001", "hanako"), ("jiro@example.jp", "NAC002", "admin")):
        chosen.choose(Door.PORTAL, mailbox.token_of(mail), PASSWORD, source="192.0.2.1")
        assert accounts.authenticate(Credentials(Door.PORTAL, code, login, PASSWORD, "192.0.2.1")).is_administrator
    before = counted(database)
    status, out, _ = tegata("office", "import", str(file))
    assert status == 0
    assert out.splitlines() == [
        "line 2: NAC001 is registered already",
        "line 3: NAC002 is registered already",
        "0 offices registered, 0 administrators invited, 2 known before",
    ]
    assert counted(database) == before


def test_the_mails_that_leave_have_their_links(tegata: Tegata, file: Path, database: Database) -> None:
    tegata("office", "import", str(file))
    chosen = load(file.parent)
    assert outbox.deliver(database, carrier_of(chosen, database, SystemClock()), now=SystemClock().now()) == 2
    for left in (chosen.home / "mail" / "new").iterdir():
        body = message_from_bytes(left.read_bytes(), policy=policy.default).get_content()
        assert re.search(r"^https://localhost:8443/account/password#[\w-]{43}\r?$", body, re.MULTILINE)
        assert "[[link:" not in body


def test_with_any_fault_nothing_is_written_and_all_are_told(tegata: Tegata, tmp_path: Path, database: Database) -> None:
    path = tmp_path / "bad.csv"
    path.write_text(
        written({}, {"office.code": "NAC002", "office.phone": "12"}, {"office.code": "NAC003", "administrator.login": "!"})
    )
    status, _, err = tegata("office", "import", str(path))
    assert status == 1
    assert err.splitlines() == [
        "tegata: line 3, office.phone: must begin with 0 and have 10 or 11 digits",
        "tegata: line 4, administrator.login: must be 2 to 40 small letters, digits or . _ -",
        "tegata: 2 faults; nothing was written",
    ]
    assert counted(database) == (0, 0)


def test_an_interrupted_run_is_finished_by_the_next(tegata: Tegata, file: Path, database: Database) -> None:
    tegata("office", "import", str(file))
    with database.transaction() as session:
        session.execute(outbox.OutboxMail.__table__.delete())  # type: ignore[attr-defined]
        assert session.scalar(select(func.count()).select_from(outbox.OutboxMail)) == 0
    text = file.read_text() + written({"office.code": "NAC003"}).splitlines()[1] + "\n"
    file.write_text(text)
    _, out, _ = tegata("office", "import", str(file))
    assert out.splitlines()[-1] == "1 offices registered, 1 administrators invited, 2 known before"


def test_the_headings_are_printed_for_a_new_file(tegata: Tegata) -> None:
    _, out, _ = tegata("office", "columns")
    english, japanese = out.splitlines()
    assert english.startswith("company.abbreviation,company.name,")
    assert japanese.startswith("企業略称,企業名,")
