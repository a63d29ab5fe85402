"""The log of a home: its name, its copies outside of the database, and going on after a backup was restored."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import delete

from kernel import audit
from kernel.audit import AuditCheckpoint, AuditEntry, LogForkedError
from kernel.audit.sealing import AuditTree
from kernel.audit.tiles import AuditTile
from kernel.database import Database
from server import sealing, settings
from server.commands.audit import command
from server.settings import Settings
from server.trouble import Trouble
from server.wiring import clock_of, database_of
from tests.server.test_commands import tegata

pytestmark = pytest.mark.slow
REASON = "the disk died; backup of 21 November"


@dataclass
class Home:
    """A home for real work that a test may break."""

    path: Path
    copies: Path
    databases: list[Database]

    @property
    def chosen(self) -> Settings:
        return settings.load(self.path)

    @property
    def database(self) -> Database:
        self.databases.append(database_of(self.chosen))
        return self.databases[-1]

    def write(self, *names: str) -> None:
        """Write entries and seal them, as the job does."""
        chosen, database = self.chosen, self.database
        now = clock_of(chosen).now()
        with database.transaction() as session:
            for name in names:
                audit.record(session, now=now, actor=audit.staff("sato"), action="a.do", subject=f"a:{name}")
        sealing.sealing(chosen, database)(now)

    def back_up(self) -> None:
        """Copy the database away."""
        self.close()
        shutil.copy(self.path / "tegata.db", self.path.parent / "backup.db")

    def restore(self) -> None:
        """Bring the copy back."""
        self.close()
        for file in self.path.glob("tegata.db*"):
            file.unlink()
        shutil.copy(self.path.parent / "backup.db", self.path / "tegata.db")

    def close(self) -> None:
        """Let the database go."""
        while self.databases:
            self.databases.pop().dispose()

    def audit(self, *arguments: str) -> Result:
        """Run `tegata audit`."""
        return CliRunner().invoke(command, arguments, env={"TEGATA_HOME": str(self.path)})

    @property
    def vkey(self) -> str:
        return (self.path / "ca" / "log.vkey").read_text(encoding="ascii").strip()


@pytest.fixture(scope="module")
def founded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a home once."""
    path = tmp_path_factory.mktemp("founded") / "home"
    done = tegata(path, "init")
    assert done.returncode == 0, done.stderr
    return path


@pytest.fixture
def home(founded: Path, tmp_path: Path) -> Iterator[Home]:
    """Return a home of the test's own, whose heads are copied to a folder that could be another machine's."""
    shutil.copytree(founded, tmp_path / "home", symlinks=True)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "home" / "tegata.toml").write_text(f'audit_copies = ["{tmp_path / "elsewhere"}"]\n', encoding="utf-8")
    made = Home(tmp_path / "home", tmp_path / "elsewhere", [])
    made.write("first")
    yield made
    made.close()


def test_each_signed_head_is_copied_and_the_first_of_each_day_stays(home: Home) -> None:
    first = (home.copies / "newest").read_text(encoding="utf-8")
    home.write("second")
    with home.database.snapshot() as session:
        newest = audit.latest_checkpoint(session)
    assert newest is not None
    for folder in (home.copies, home.path / "checkpoints"):
        assert (folder / "newest").read_text(encoding="utf-8") == newest.note != first
        [of_the_day] = [file for file in folder.iterdir() if file.name != "newest"]
        assert of_the_day.read_text(encoding="utf-8") == first
    assert f"tree, tiles, signed checkpoints and {4} kept outside of them agree" in home.audit("verify").output


def test_a_folder_that_is_away_is_told_each_time_and_stops_no_sealing(home: Home) -> None:
    home.copies.rename(home.copies.with_name("unmounted"))
    for name in ("second", "third"):
        with pytest.raises(Trouble, match=f"can not be copied .audit_copies.: {home.copies}"):
            home.write(name)
    home.copies.with_name("unmounted").rename(home.copies)
    home.write()
    assert (home.copies / "newest").read_text() == (home.path / "checkpoints" / "newest").read_text()


def test_a_restored_backup_stops_the_sealing_until_an_operator_lets_the_log_go_on(home: Home) -> None:
    home.back_up()
    home.write("lost", "lost too")
    before, kept = home.vkey, (home.copies / "newest").read_text(encoding="utf-8")
    home.restore()
    with pytest.raises(LogForkedError):
        home.write("new")
    told = home.audit("verify")
    assert told.exit_code == 1
    assert "covers leaves that are gone" in str(told.exception)
    asked = home.audit("recover", "--reason", REASON)
    assert "stand as they were signed for" in asked.output
    assert asked.output.endswith("Nothing was done: say --yes.\n")
    done = home.audit("recover", "--reason", REASON, "--yes")
    assert done.exit_code == 0, done.exception
    assert f"reason: {REASON}\n" in done.output
    assert home.vkey != before
    assert home.vkey.startswith("localhost:8080/2+")
    assert home.audit("vkey").output.strip() == home.vkey
    home.write("afterwards")
    told = home.audit("verify")
    assert told.exit_code == 0, told.exception
    assert "the log localhost:8080 goes on as localhost:8080/2" in told.output
    assert f'"reason": "{REASON}"' in home.audit("export").output
    file = home.path.parent / "kept"
    file.write_text(kept, encoding="utf-8")
    assert home.audit("verify", "--checkpoint", str(file)).exit_code == 0  # stated to be lost


def test_a_log_that_is_whole_is_left_alone(home: Home) -> None:
    told = home.audit("recover", "--reason", REASON, "--yes")
    assert "Everything that was signed for as localhost:8080 is here" in told.output
    assert home.vkey.startswith("localhost:8080+")


def test_a_tail_that_was_cut_with_this_machines_own_copies_is_found_by_the_other_ones(home: Home) -> None:
    home.back_up()
    home.write("cut")
    home.restore()
    shutil.rmtree(home.path / "checkpoints")
    for names in ((), ("new",)):  # noticed before there is anything to sign
        with pytest.raises(LogForkedError):
            home.write(*names)
    assert home.audit("verify").exit_code == 1


def test_the_log_keeps_its_name_when_the_door_moves(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    before = home.vkey
    monkeypatch.setenv("TEGATA_STATUS__PUBLIC_URL", "http://status.example.jp")
    home.write("moved")
    assert home.audit("vkey").output.strip() == before
    with home.database.snapshot() as session:
        newest = audit.latest_checkpoint(session)
    assert newest is not None
    assert newest.note.startswith("localhost:8080\n")
    assert home.audit("verify").exit_code == 0


def test_a_copy_that_somebody_wrote_over_is_no_reason_to_stop(home: Home) -> None:
    (home.copies / "newest").write_text("not a checkpoint", encoding="utf-8")
    home.write("second")
    assert (home.copies / "newest").read_text() == (home.path / "checkpoints" / "newest").read_text()


def test_a_proof_needs_the_key_of_the_name_that_it_was_made_under(home: Home, tmp_path: Path) -> None:
    old, file = home.vkey, tmp_path / "receipt.json"
    home.back_up()
    home.write("lost")
    home.restore()
    file.write_text(home.audit("proof", "1").output, encoding="utf-8")
    home.audit("recover", "--reason", REASON, "--yes")
    assert home.audit("verify", "--proof", str(file)).exit_code == 1
    assert home.audit("verify", "--proof", str(file), "--vkey", old).exit_code == 0
    file.write_text(home.audit("proof", "1").output, encoding="utf-8")
    assert home.audit("verify", "--proof", str(file)).exit_code == 0
    assert json.loads(file.read_text(encoding="utf-8"))["proof"].split("\n\n", 1)[1].startswith("localhost:8080/2\n")


def test_a_database_that_comes_back_empty_is_noticed(home: Home) -> None:
    chosen, database = home.chosen, home.database
    with database.transaction() as session:
        for table in (AuditTree, AuditCheckpoint, AuditTile, AuditEntry):
            session.execute(delete(table))
    with pytest.raises(LogForkedError):
        sealing.sealing(chosen, database)(clock_of(chosen).now())


def test_the_copies_in_the_home_are_the_owners_alone(home: Home) -> None:
    assert (home.path / "checkpoints").stat().st_mode & 0o077 == 0
