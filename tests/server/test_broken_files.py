"""Files that an operator wrote wrongly: told on standard error with file, line and reason, and with no traceback."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ca.profile_file import PACKAGED
from tests.server.test_commands import tegata
from tests.support import warm

pytestmark = pytest.mark.slow
PORTS_OF_THEIR_OWN = {f"TEGATA_{door}__BIND": "127.0.0.1:0" for door in ("PORTAL", "RETRIEVAL", "CENTER", "TERMINALS", "STATUS")}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a home whose profiles have two faults."""
    path = tmp_path_factory.mktemp("home") / "home"
    assert tegata(path, "init").returncode == 0
    written = PACKAGED.read_text(encoding="utf-8")
    broken = written.replace("backdating_minutes: 10", "backdating_minutes: 600").replace("smallest: 2048", "smallest: 1024")
    assert broken.count("600") == broken.count("1024") == 1
    (path / "profiles.yaml").write_text(broken, encoding="utf-8")
    return path


def _lines(home: Path) -> list[str]:
    """Return the faults as they are to be told."""
    numbered = list(enumerate((home / "profiles.yaml").read_text(encoding="utf-8").splitlines(), 1))
    period, bits = (next(number for number, line in numbered if text in line) for text in ("600", "1024"))
    return [
        f"{home}/profiles.yaml:{period}: terminal.backdating_minutes: Input should be less than or equal to 60",
        f"{home}/profiles.yaml:{bits}: terminal.rsa_bits.smallest: Input should be greater than or equal to 2048",
    ]


@pytest.mark.parametrize("part", ["retrieval", "terminals"])
def test_a_door_that_is_served_alone_tells_each_fault_of_the_profiles_on_a_line(home: Path, part: str) -> None:
    told = tegata(home, "serve", part, **PORTS_OF_THEIR_OWN)
    assert told.returncode == 1
    assert [line for line in told.stderr.splitlines() if line.startswith("tegata: ")] == [
        f"tegata: {line}" for line in _lines(home)
    ]
    assert "Traceback" not in told.stderr
    assert "exception" not in told.stderr


@pytest.mark.parametrize("part", ["jobs", "retrieval"])
def test_whichever_of_them_finds_it_first_tells_the_supervisor_all_of_it(home: Path, part: str) -> None:
    reader, writer = os.pipe()
    command = [sys.executable, "-m", "server", "serve", part, "--ready-fd", str(writer)]
    environment = warm.environment_of_users() | {"TEGATA_HOME": str(home)} | PORTS_OF_THEIR_OWN
    with os.fdopen(reader, encoding="utf-8") as heard:
        done = subprocess.run(command, env=environment, pass_fds=[writer], capture_output=True, text=True, check=False)
        os.close(writer)
        assert (done.returncode != 0, heard.read()) == (True, "; ".join(_lines(home)))


def test_all_doors_tell_it_in_one_line_and_the_log_has_no_traceback(home: Path) -> None:
    told = tegata(home, "serve", **PORTS_OF_THEIR_OWN)
    assert told.returncode == 1
    [line] = told.stderr.splitlines()
    assert f"did not start: {'; '.join(_lines(home))}"[:300] in line
    assert not [log for log in (home / "logs").glob("*.log") if "Traceback" in log.read_text(encoding="utf-8")]


def test_a_ceremony_needs_the_profiles_and_tells_the_same(home: Path) -> None:
    told = tegata(home, "ceremony", str(home / "ceremony.yaml"))
    assert (told.returncode, told.stderr.splitlines()) == (1, [f"tegata: {line}" for line in _lines(home)])


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"organization: [\n", "2: is not YAML: "),
        (b"\xff\xfe\n", "1: can not be read: "),
        (b"", "1: Input should be a valid dictionary"),
        (b"organization: x\norganization: y\nauthorities: []\n", "2: is not YAML: found duplicate key"),
    ],
)
def test_a_ceremony_file_that_is_none_is_told_by_its_line(home: Path, tmp_path: Path, content: bytes, told: str) -> None:
    file = tmp_path / "plan.yaml"
    file.write_bytes(content)
    outcome = tegata(home, "ceremony", str(file))
    assert outcome.returncode == 1
    [line] = outcome.stderr.splitlines()
    assert line.startswith(f"tegata: {file}:{told}")
