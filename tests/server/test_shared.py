"""What the doors share when they are forked: code, and nothing that knows or could do anything."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.server.test_capabilities import MAY_OPEN
from tests.server.test_commands import tegata
from tests.support.schema import ROOT

pytestmark = pytest.mark.slow

# Loads what is shared; tells what it did meanwhile and what it is then.
SHARING = """
import json, os, sys, threading
deeds = set()
KINDS = ("socket.connect", "sqlite3.connect", "subprocess.Popen", "os.fork", "_thread.start_new_thread", "os.putenv")
def note(event, arguments):
    if event in KINDS or event == "open" and str(arguments[0]).startswith(sys.argv[1]):
        deeds.add(f"{event} {arguments[0]}")
sys.addaudithook(note)
from server import shared
from server.forking import may_fork
from server.commands import serve
shared.load(sys.argv[2])
maps = {line.split()[-1].rpartition("/")[2] for line in open("/proc/self/maps")}
opened = [os.readlink(path) for path in map("/proc/self/fd/{}".format, range(3, 100)) if os.path.lexists(path)]
print(json.dumps({
    "deeds": sorted(deeds), "may_fork": may_fork(), "modules": sorted(sys.modules),
    "tokens": sorted(name for name in maps if "p11" in name or "hsm" in name), "sockets": [to for to in opened if "socket" in to],
}))
"""
# A copy for each part assembles it; tells which keys and secrets that one opened.
ASSEMBLING = """
import importlib, json, os, sys
from pathlib import Path
from server import settings, shared
from server.commands import serve
home = Path(sys.argv[1])
chosen = settings.load(home)
shared.load(chosen.database_url)
opened = set()
def note(event, arguments):
    if event == "open" and isinstance(arguments[0], (str, os.PathLike)):
        path = Path(arguments[0])
        if path.parent in (home / "keys", home / "secrets"):
            opened.add(path.name)
sys.addaudithook(note)
for part in sys.argv[2:]:
    sys.stdout.flush()
    if os.fork() == 0:
        module = importlib.import_module("server.apps." + part)
        if part == "jobs":
            module.all_jobs(chosen, module.database_of(chosen))
        else:
            module.assemble(chosen)
        print(json.dumps([part, sorted(opened)]), flush=True)
        os._exit(0)
    os.wait()
"""
THREADED = """
import threading, time
from server.forking import may_fork
alone, stop = may_fork(), threading.Event()
thread = threading.Thread(target=stop.wait)
thread.start()
print(alone, may_fork())
stop.set()
thread.join()
# Python has done with the thread a moment before the kernel has.
deadline = time.monotonic() + 30
while not may_fork() and time.monotonic() < deadline:
    time.sleep(0.01)
print(may_fork())
"""


def told_by(code: str, *arguments: str | Path) -> str:
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("url", ["sqlite:///{}/tegata.db", "postgresql+psycopg://nobody@127.0.0.1:1/nothing"])
def test_what_doors_share_is_code_that_knows_nothing(tmp_path: Path, url: str) -> None:
    told = json.loads(told_by(SHARING, tmp_path, url.format(tmp_path)))
    assert told["deeds"] == []
    assert told["tokens"] == []
    assert told["sockets"] == []
    assert told["may_fork"]
    assert list(tmp_path.iterdir()) == []
    modules = set(told["modules"])
    assert ("psycopg" in modules) == url.startswith("postgresql")
    # The linter, what signs and sets documents, and what founds are for the jobs, for children and for commands.
    assert not modules & {"server.apps.jobs", "pkilint", "typst", "ca.ceremony", "server.founding", "migrations"}


def test_a_process_that_was_forked_opens_only_the_keys_that_are_its(tmp_path: Path) -> None:
    home = tmp_path / "home"
    assert tegata(home, "init").returncode == 0
    told = dict(map(json.loads, told_by(ASSEMBLING, home, *sorted(MAY_OPEN)).splitlines()))
    assert {part: set(opened) for part, opened in told.items()} == MAY_OPEN


def test_a_process_with_another_thread_is_not_copied() -> None:
    assert told_by(THREADED).splitlines() == ["True False", "True"]
