from dataclasses import replace
from datetime import date, datetime, timedelta

import pytest
from sqlalchemy import update
from sqlalchemy.exc import IntegrityError

from kernel.database import Base, Database
from kernel.errors import Refused
from registry import terminals
from registry.states import DeviceClass, SystemClass, TerminalEvent, TerminalState
from registry.tables import ApplicationRow, TerminalRow
from registry.terminals import Batch, Takeover, Terminal
from tests.registry.conftest import File
from tests.registry.racing import race
from tests.support.clock import SettableClock

TAKEOVER = Takeover("88888W", "NAC001", SystemClass.AIR, DeviceClass.NET, date(2025, 4, 1))


def batch(receipt_number: str, count: int, device_class: DeviceClass = DeviceClass.NET) -> Batch:
    return Batch(device_class, SystemClass.SEA, count, "NAC001", date(2026, 12, 10), receipt_number)


def step(database: Database, name: str, *events: TerminalEvent, now: datetime) -> Terminal:
    with database.transaction() as session:
        for event in events:
            terminal = terminals.step(session, name, event, now)
        return terminal


def test_a_terminal_that_was_taken_over_keeps_its_name(database: Database, terminal: Terminal) -> None:
    with database.snapshot() as session:
        assert terminals.get(session, "99999W") == terminal
    assert (terminal.state, terminal.package_class, terminal.receipt_number) == (TerminalState.IN_SERVICE, "net", None)


@pytest.mark.usefixtures("terminal")
def test_a_takeover_that_can_not_be_is_refused(database: Database, now: datetime) -> None:
    for takeover, code in (
        (replace(TAKEOVER, name="99999W"), "terminal-exists"),
        (replace(TAKEOVER, name="9999W"), "terminal-name"),
        (replace(TAKEOVER, name="99998w"), "terminal-name"),
        (replace(TAKEOVER, name="９９９９８W"), "terminal-name"),
        (replace(TAKEOVER, office_code="XXX001"), "office-unknown"),
        (replace(TAKEOVER, state=TerminalState.ABOLISHED), "terminal-state"),
    ):
        with pytest.raises(Refused, match=code), database.transaction() as session:
            terminals.register_existing(session, takeover, now=now)


def test_new_names_skip_the_ones_that_exist(database: Database, terminal: Terminal, file: File, now: datetime) -> None:
    number = file()
    existing = Takeover("00002W", terminal.office_code, SystemClass.SEA, DeviceClass.NET, date(2025, 4, 1))
    with database.transaction() as session:
        terminals.register_existing(session, existing, now=now)
        made = terminals.create(session, batch(number, 3), now)
    assert [terminal.name for terminal in made] == ["00001W", "00003W", "00004W"]
    assert {terminal.state for terminal in made} == {TerminalState.PENDING}


@pytest.mark.usefixtures("terminal")
def test_names_that_are_given_at_one_moment_differ(database: Database, file: File, now: datetime) -> None:
    number = file()

    def work(runner: int) -> list[str]:
        name = f"{runner * 3 + 2:05d}W"  # stands in the way of the counter
        with database.transaction() as session:
            takeover = Takeover(name, "NAC001", SystemClass.SEA, DeviceClass.NET, date(2025, 4, 1))
            taken = [] if terminals.get(session, name) else [terminals.register_existing(session, takeover, now=now).name]
        with database.transaction() as session:
            return taken + [terminal.name for terminal in terminals.create(session, batch(number, 4), now)]

    outcomes = race(8, work)
    names = [name for outcome in outcomes if isinstance(outcome, list) for name in outcome]
    assert all(isinstance(outcome, list) or getattr(outcome, "code", "") == "terminal-exists" for outcome in outcomes)
    assert len(set(names)) == len(names) >= 8


def test_suspension_returns_a_terminal_to_where_it_came_from(
    database: Database, terminal: Terminal, clock: SettableClock
) -> None:
    later = clock.advance(timedelta(days=1))
    suspended = step(database, terminal.name, TerminalEvent.SUSPEND, now=later)
    assert (suspended.state, suspended.suspended_from) == (TerminalState.SUSPENDED, TerminalState.IN_SERVICE)
    with database.transaction() as session:
        resumed = terminals.resume(session, terminal.name, later)
    assert (resumed.state, resumed.suspended_from, resumed.changed_at) == (TerminalState.IN_SERVICE, None, later)


@pytest.mark.usefixtures("office")
def test_a_pending_terminal_returns_to_pending(database: Database, now: datetime) -> None:
    with database.transaction() as session:
        terminals.register_existing(session, TAKEOVER, now=now)
        terminals.step(session, "88888W", TerminalEvent.SUSPEND, now)
        with pytest.raises(Refused, match="terminal-state"):
            terminals.step(session, "88888W", TerminalEvent.RESUME_SERVICE, now)
        assert terminals.resume(session, "88888W", now).state is TerminalState.PENDING


def test_a_terminal_that_is_not_suspended_can_not_be_resumed(database: Database, terminal: Terminal, now: datetime) -> None:
    with pytest.raises(Refused, match="terminal-state"), database.transaction() as session:
        terminals.resume(session, terminal.name, now)


def test_abolition_is_for_ever(database: Database, terminal: Terminal, now: datetime) -> None:
    step(database, terminal.name, TerminalEvent.SUSPEND, TerminalEvent.ABOLISH, now=now)
    for event in TerminalEvent:
        with pytest.raises(Refused, match="terminal-state"):
            step(database, terminal.name, event, now=now)
    with pytest.raises(Refused, match="terminal-state"), database.transaction() as session:
        terminals.reclassify(session, terminal.name, SystemClass.AIR, now)
    with database.snapshot() as session:
        assert terminals.ever_had_one(session, "NAC001")
        assert terminals.all_of_office(session, "NAC001") == ()
        assert terminals.of_office(session, "NAC001", abolished=True).total == 1


def test_a_terminal_that_is_not_there_is_unknown(database: Database, now: datetime) -> None:
    for name in ("12345Z", "", "\x00", "\ud800", "９９９９９W"):
        with database.transaction() as session:
            assert terminals.get(session, name) is None
            assert terminals.get(session, name, lock=True) is None
            with pytest.raises(Refused, match="terminal-unknown"):
                terminals.step(session, name, TerminalEvent.ABOLISH, now)
            with pytest.raises(Refused, match="terminal-unknown"):
                terminals.resume(session, name, now)


def test_of_steps_at_one_moment_only_the_first_is_taken(database: Database, terminal: Terminal, now: datetime) -> None:
    outcomes = race(6, lambda _: step(database, terminal.name, TerminalEvent.SUSPEND, now=now))
    assert sum(isinstance(outcome, Terminal) for outcome in outcomes) == 1
    assert {getattr(outcome, "code", None) for outcome in outcomes} == {None, "terminal-state"}


def test_staff_find_terminals_by_the_beginning_of_name_or_office(database: Database, terminal: Terminal, now: datetime) -> None:
    with database.transaction() as session:
        terminals.register_existing(session, TAKEOVER, now=now)
    with database.snapshot() as session:
        assert [found.name for found in terminals.search(session, text="nac001").records] == ["88888W", "99999W"]
        assert terminals.search(session, text="９９９").records == (terminal,)
        assert terminals.search(session, text="%").total == 0
        assert terminals.search(session, text="\x00\ud800", state=TerminalState.PENDING).total == 1


@pytest.mark.usefixtures("terminal")
def test_terminals_are_counted_by_kind(database: Database, now: datetime) -> None:
    with database.transaction() as session:
        terminals.register_existing(session, TAKEOVER, now=now)
    with database.snapshot() as session:
        assert terminals.counts(session, "NAC001") == {
            (DeviceClass.NET, SystemClass.SEA): 1,
            (DeviceClass.NET, SystemClass.AIR): 1,
        }


@pytest.mark.usefixtures("terminal")
def test_a_page_beyond_the_end_is_the_last_page(database: Database, file: File, now: datetime) -> None:
    number = file()
    with database.transaction() as session:
        terminals.create(session, batch(number, 6), now)
    with database.snapshot() as session:
        page = terminals.of_office(session, "NAC001", page=10**30, size=3)
        assert (page.number, page.pages, page.total) == (3, 3, 7)
        assert [terminal.name for terminal in page.records] == ["99999W"]
        assert terminals.of_office(session, "NAC001", page=-1, size=3).number == 1


def refuses(database: Database, table: type[Base], change: dict[str, object]) -> bool:
    try:
        with database.transaction() as session:
            session.execute(update(table).values(**change))
    except IntegrityError:
        return True
    return False


@pytest.mark.usefixtures("terminal")
def test_the_database_itself_refuses_a_terminal_that_can_not_be(database: Database) -> None:
    changes: list[dict[str, object]] = [
        {"state": TerminalState.SUSPENDED},
        {"suspended_from": TerminalState.PENDING},
        {"state": TerminalState.SUSPENDED, "suspended_from": TerminalState.SUSPENDED},
        {"state": TerminalState.ABOLISHED},
        {"name": "9999W"},
        {"name": "99999w"},
        {"name": "9999９W"},
        {"office_code": "XXX999"},
    ]
    assert [change for change in changes if not refuses(database, TerminalRow, change)] == []


@pytest.mark.usefixtures("terminal")
def test_the_database_itself_refuses_an_application_that_can_not_be(database: Database, file: File) -> None:
    file()
    changes: list[dict[str, object]] = [
        {"receipt_number": "26001A"},
        {"receipt_number": "260001a"},
        {"approved_by": "customer:NAC001/hanako", "start_date": date(2026, 12, 10)},
        {"approved_by": "staff:sato"},
    ]
    assert [change for change in changes if not refuses(database, ApplicationRow, change)] == []


@pytest.mark.parametrize("text", ["9", "99", "99999W", "N", "NAC", "NAC001", "Z", "ZZ", "8", "NAB", "A", "999%"])
def test_a_search_finds_names_and_offices_that_begin_with_the_text(database: Database, terminal: Terminal, text: str) -> None:
    with database.snapshot() as session:
        found = terminals.search(session, text=text).records
    assert bool(found) is (terminal.name.startswith(text) or terminal.office_code.startswith(text))
