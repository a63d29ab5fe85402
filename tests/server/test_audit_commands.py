"""`tegata audit` as an operator and an auditor use it."""

import json
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from kernel import audit
from server import settings
from server.apps.jobs import all_jobs
from server.commands.audit import command
from server.sealing import sealing
from server.wiring import database_of
from tests.server.test_commands import tegata
from tests.support.clock import MORNING
from tests.support.log_scripts import AUDITOR, OPERATOR, run_lines

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a home for real work whose log is sealed."""
    path = tmp_path_factory.mktemp("home") / "home"
    for arguments in (["init"], ["jobs", "run", "audit-seal"]):
        done = tegata(path, *arguments)
        assert done.returncode == 0, done.stderr
    return path


def test_a_proof_is_checked_away_from_the_house_with_the_verifier_key_alone(home: Path, tmp_path: Path) -> None:
    vkey = tegata(home, "audit", "vkey").stdout.strip()
    assert vkey.startswith("localhost:8080+")
    entry = json.loads(tegata(home, "audit", "export").stdout.splitlines()[1])
    proven = tegata(home, "audit", "proof", str(entry["id"]))
    file = tmp_path / "receipt.json"
    file.write_text(proven.stdout, encoding="utf-8")
    told = tegata(tmp_path / "nowhere", "audit", "verify", "--proof", str(file), "--vkey", vkey)
    assert (told.returncode, told.stderr) == (0, "")
    assert f"did {entry['action']} to {entry['subject']}" in told.stdout
    assert tegata(home, "audit", "verify", "--proof", str(file)).returncode == 0
    file.write_text(proven.stdout.replace(entry["subject"], "service:forged"), encoding="utf-8")
    told = tegata(tmp_path / "nowhere", "audit", "verify", "--proof", str(file), "--vkey", vkey)
    assert (told.returncode, told.stderr) == (1, "tegata: the inclusion proof does not lead to the tree's head\n")


def test_a_proof_and_the_checkpoint_that_it_leads_to_are_a_pair(home: Path, tmp_path: Path) -> None:
    receipt = json.loads(tegata(home, "audit", "proof", "1").stdout)
    kept, file = tmp_path / "checkpoint", tmp_path / "receipt.json"
    kept.write_text(receipt["proof"].split("\n\n", 1)[1], encoding="utf-8")
    file.write_text(tegata(home, "audit", "proof", "1", "--checkpoint", str(kept)).stdout, encoding="utf-8")
    assert tegata(home, "audit", "verify", "--proof", str(file), "--checkpoint", str(kept)).returncode == 0
    told = tegata(home, "audit", "verify", "--checkpoint", str(kept))
    assert (told.returncode, told.stderr) == (0, "")
    kept.write_text(kept.read_text(encoding="utf-8").replace("localhost:8080\n", "localhost:8081\n", 1), encoding="utf-8")
    told = tegata(home, "audit", "verify", "--checkpoint", str(kept))
    assert told.returncode == 1
    assert "an earlier checkpoint cannot be used" in told.stderr


def test_an_auditors_documented_lines_and_those_of_the_operator_who_answers_him(home: Path, tmp_path: Path) -> None:
    kept, grown = tmp_path / "last-year", tmp_path / "grown"
    kept.write_text(newest_of(home), encoding="utf-8")
    size = size_in(newest_of(home))
    write_and_seal(home)
    done = run_lines(OPERATOR, tmp_path, TEGATA_HOME=str(home))
    assert (done.status, done.err) == (0, "")
    assert grown.read_text(encoding="utf-8").startswith(f"old {size}\n")
    assert grown.read_text(encoding="utf-8") == in_process(home, "consistency", kept).output
    vkey = (home / "ca" / "log.vkey").read_text(encoding="utf-8").strip()
    done = run_lines(AUDITOR, tmp_path, TEGATA_HOME=str(tmp_path / "nowhere"), VKEY=vkey)
    assert (done.status, done.err) == (0, "")
    ours, theirs = (line for line in done.out.splitlines() if "entries" in line)
    assert ours.endswith(f", which begin with the {size} of before.")
    assert theirs == f"good: the log localhost:8080 of {size_in(newest_of(home))} entries"


def test_what_no_proof_connects_is_told(home: Path, tmp_path: Path) -> None:
    kept, receipt, grown = (tmp_path / name for name in ("kept", "receipt.json", "grown"))
    kept.write_text(newest_of(home), encoding="utf-8")
    size, newest = size_in(newest_of(home)), home / "checkpoints" / "newest"
    receipt.write_text(in_process(home, "proof", "1").output, encoding="utf-8")
    write_and_seal(home)
    grown.write_text(in_process(home, "consistency", receipt).output, encoding="utf-8")
    vkey = (home / "ca" / "log.vkey").read_text(encoding="utf-8").strip()
    checking = ("verify", "--vkey", vkey, "--proof")
    for files in ((receipt, "--proof", grown), (grown, "--checkpoint", kept), (receipt, "--checkpoint", kept)):
        assert in_process(tmp_path / "nowhere", *checking, *files).exit_code == 0
    for arguments, fault in (
        ((*checking, grown), f"the checkpoint of {size} entries is missing, which a consistency proof starts from"),
        ((*checking, receipt, "--checkpoint", newest), f"leads from the checkpoint of {size} entries to a newer one"),
        (("consistency", newest, kept), "cannot have grown from"),
    ):
        assert fault in str(in_process(home, *arguments).exception)


def newest_of(home: Path) -> str:
    return (home / "checkpoints" / "newest").read_text(encoding="utf-8")


def size_in(note: str) -> int:
    return int(note.split("\n")[1])


def in_process(home: Path, *arguments: str | Path) -> Result:
    return CliRunner().invoke(command, [*map(str, arguments)], env={"TEGATA_HOME": str(home)})


def write_and_seal(home: Path) -> None:
    """Let the log of a home grow by an entry."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TEGATA_HOME", str(home))
        chosen = settings.load()
    database = database_of(chosen)
    with database.transaction() as session:
        audit.record(session, now=MORNING, actor=audit.operator(), action="log.test", subject="log:1")
    sealing(chosen, database)(MORNING)
    database.dispose()


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["proof", "99999"], 1),
        (["verify", "--vkey", "x"], 2),
        (["verify", "--proof", "missing"], 2),
        (["verify", "--proof", __file__], 1),
        (["consistency", __file__], 1),
    ],
)
def test_what_cannot_be_is_said_in_a_line(home: Path, arguments: list[str], status: int) -> None:
    told = tegata(home, "audit", *arguments)
    assert told.returncode == status
    assert "internal fault" not in told.stderr


def test_the_log_is_sealed_and_signed_at_least_each_minute(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEGATA_HOME", str(home))
    chosen = settings.load()
    database = database_of(chosen)
    [sealing] = [job for job in all_jobs(chosen, database) if job.name == "audit-seal"]
    database.dispose()
    assert sealing.every <= timedelta(minutes=1)


def test_the_verifier_key_lies_beside_the_root(home: Path) -> None:
    assert (home / "ca" / "log.vkey").read_text() == tegata(home, "audit", "vkey").stdout
