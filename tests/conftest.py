"""Fixtures that every room's tests share: databases of both kinds, a settable clock, a browser."""

import asyncio
import gc
import itertools
import os
import shutil
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from datetime import datetime
from pathlib import Path

import hypothesis
import pytest

from kernel.database import Database, connect
from tests.support.browser import Chromium, ChromiumUnavailable, chromium_installed
from tests.support.clock import SettableClock
from tests.support.postgres import PostgresUnavailable, private_server
from tests.support.required import missing
from tests.support.schema import whole_schema
from tests.support.statements import sharing_statements

FreshDatabase = Callable[[], AbstractContextManager[str]]

# Files that take longest, and then folders: begun first, they do not hold up the end of a run by several workers. Who waits
# most comes before who works most.
LONGEST_FILES = (
    "test_kill",
    "test_testssl",
    "test_nu_checker",
    "test_office_isolation",
    "test_ceremony",
    "test_pages_and_files",
    "test_targets",
)
LONGEST = ("journeys", "judges", "server", "crash", "guessing", "interop", "fuzz", "webui", "architecture", "ca")
# Whole folders that `make check` leaves out.
SLOW_FOLDERS = {"judges", "journeys", "crash", "guessing", "interop", "server", "webui"}
# And files of the other folders that take more than four seconds each.
SLOW_FILES = {
    "test_answers_in_every_state",
    "test_ceremony",
    "test_ceremony_file",
    "test_connection",
    "test_crl",
    "test_crl_partitions",
    "test_doctor",
    "test_killed_client",
    "test_guessing_everywhere",
    "test_logon",
    "test_ocsp",
    "test_ocsp_responses",
    "test_operations",
    "test_pkcs11",
    "test_publication",
    "test_refusals",
    "test_renew",
    "test_serials",
    "test_template",
    "test_terminal_command",
    "test_timestamps",
    "test_tokens",
}

# Octets that must be free where the tests' folders shall lie in memory.
ROOM_IN_MEMORY = 4 << 30


def pytest_configure() -> None:
    """Put the tests' folders into memory, where there is room: what is tried are killed processes, not pulled plugs.

    No example of Hypothesis has a time limit: what is slow is the machine.
    """
    hypothesis.settings.register_profile("patient", hypothesis.settings(deadline=None))
    hypothesis.settings.load_profile("patient")
    memory = Path("/dev/shm")  # noqa: S108 (a place of the system's, in which pytest makes a folder of its own)
    if memory.is_dir() and os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > ROOM_IN_MEMORY:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(memory))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs PostgreSQL or the browser and what is slow, so that `make check` can leave it out; longest first."""
    items.sort(key=_rank)
    for item in items:
        fixtures = getattr(item, "fixturenames", ())
        if "postgresql_databases" in fixtures:
            item.add_marker(pytest.mark.postgresql)
        if "chromium" in fixtures:
            item.add_marker(pytest.mark.browser)
        if SLOW_FOLDERS & set(item.path.parts) or item.path.stem in SLOW_FILES:
            item.add_marker(pytest.mark.slow)


def pytest_collection_finish() -> None:
    """Spare the collector what was imported: it stays to the end, and looking through it takes a tenth of the tests' time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def _rank(item: pytest.Item) -> tuple[int, int]:
    file = LONGEST_FILES.index(item.path.stem) if item.path.stem in LONGEST_FILES else len(LONGEST_FILES)
    return file, next((rank for rank, name in enumerate(LONGEST) if name in item.path.parts), len(LONGEST))


@contextmanager
def _without_the_browsers_loop(item: pytest.Item) -> Iterator[None]:
    """Hide the event loop that Playwright leaves running in this thread from tests without a browser: asyncio allows one."""
    running = None if "chromium" in getattr(item, "fixturenames", ()) else asyncio._get_running_loop()  # noqa: SLF001
    if running is None:
        yield
        return
    asyncio._set_running_loop(None)  # noqa: SLF001 (there is no public way)
    try:
        yield
    finally:
        asyncio._set_running_loop(running)  # noqa: SLF001 (there is no public way)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, None, None]:
    """Make what a test needs, apart from the browser's loop."""
    with _without_the_browsers_loop(item):
        yield


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    """Run a test, apart from the browser's loop."""
    with _without_the_browsers_loop(item):
        yield


@pytest.fixture
def clock() -> SettableClock:
    """Return a clock that stands at ten in the morning in Tokyo until the test moves it."""
    return SettableClock()


@pytest.fixture
def now(clock: SettableClock) -> datetime:
    """Return the instant at which the clock stands when the test begins."""
    return clock.now()


@pytest.fixture(scope="session")
def sqlite_databases(tmp_path_factory: pytest.TempPathFactory) -> FreshDatabase:
    """Return what makes databases: `with databases() as url:` gives one with all tables."""
    folder = tmp_path_factory.mktemp("sqlite")
    template = folder / "template.sqlite"
    _fill(f"sqlite:///{template}")
    numbers = itertools.count()

    @contextmanager
    def fresh() -> Iterator[str]:
        path = folder / f"{next(numbers)}.sqlite"
        shutil.copyfile(template, path)
        yield f"sqlite:///{path}"
        for file in folder.glob(f"{path.name}*"):  # with its -wal and -shm
            file.unlink(missing_ok=True)  # a connection that ends just now takes them away itself

    return fresh


@pytest.fixture(scope="session")
def postgresql_databases() -> Iterator[FreshDatabase]:
    """Return what makes databases on a private server: `with databases() as url:` gives one with all tables."""
    with ExitStack() as stack:
        try:
            server = stack.enter_context(private_server())
        except PostgresUnavailable as reason:
            missing(str(reason))
        server.execute("CREATE DATABASE {}", "template_tegata")
        _fill(server.url("template_tegata"))
        numbers = itertools.count()
        idle: list[tuple[str, str]] = []

        @contextmanager
        def fresh() -> Iterator[str]:
            if idle:
                name, shape = idle.pop()
            else:
                name = f"tegata_{next(numbers)}"
                server.execute("CREATE DATABASE {} TEMPLATE {}", name, "template_tegata")
                shape = server.shape(name)
            yield server.url(name)
            if server.shape(name) == shape:
                server.empty(name)
                idle.append((name, shape))
            else:  # the test tried its hand at the tables
                server.execute("DROP DATABASE {} WITH (FORCE)", name)

        yield fresh


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def database_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """Return the address of a fresh database with all tables: the test runs once on SQLite, once on PostgreSQL."""
    fresh: FreshDatabase = request.getfixturevalue(f"{request.param}_databases")
    with fresh() as url:
        yield url


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """Return a fresh database with all tables, as the product connects to it."""
    connected = sharing_statements(connect(database_url))
    yield connected
    connected.dispose()


@pytest.fixture
def postgresql_database(postgresql_databases: FreshDatabase) -> Iterator[Database]:
    """Return a fresh database with all tables, for what only PostgreSQL does."""
    with postgresql_databases() as url:
        connected = sharing_statements(connect(url))
        yield connected
        connected.dispose()


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    """Return a real browser; `chromium.visit(root=…)` opens a page that trusts a demo's root."""
    try:
        program = chromium_installed()
    except ChromiumUnavailable as reason:
        missing(str(reason))
    with Chromium(program, tmp_path_factory.mktemp("chromium"), Path(__file__).parent / "screenshots") as browser:
        yield browser


def _fill(url: str) -> None:
    database = connect(url)
    whole_schema().create_all(database.engine)
    database.dispose()
