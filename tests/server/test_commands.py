import base64
import json
import subprocess
import sys
from pathlib import Path

import click
import pytest

from server import cli
from tests.support import warm

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[2]


def tegata(home: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return warm.tegata(arguments, warm.environment_of_users() | {"TEGATA_HOME": str(home)} | environment)


def started(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the installed command itself, as everybody does."""
    command = [str(Path(sys.executable).with_name("tegata")), *arguments]
    environment = warm.environment_of_users() | {"TEGATA_HOME": str(home)}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=200)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a home for real work."""
    path = tmp_path_factory.mktemp("home") / "home"
    made = tegata(path, "init")
    assert made.returncode == 0, made.stderr
    (path.parent / "first-login").write_text(made.stdout)
    return path


def test_help_names_every_command(tmp_path: Path) -> None:
    told = started(tmp_path, "--help")
    assert told.returncode == 0
    words = " ".join(told.stdout.split())
    assert [purpose for purpose in cli.COMMANDS.values() if purpose not in words] == []
    for name in (
        "audit",
        "check",
        "ceremony",
        "crl",
        "db",
        "demo",
        "init",
        "jobs",
        "office",
        "root",
        "revoke",
        "serve",
        "staff",
        "suspend",
        "terminal",
    ):
        assert f"\n  {name} " in told.stdout


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_the_help_says_of_a_command_what_that_says_of_itself(name: str) -> None:
    command = cli.tegata.get_command(click.Context(cli.tegata), name)
    assert command is not None
    assert " ".join((command.help or "").partition("\n\n")[0].split()) == cli.COMMANDS[name]


@pytest.mark.parametrize("arguments", [["nonsense"], ["serve", "nowhere"], ["demo", "codes"], ["terminal", "retrieve"]])
def test_wrong_usage_ends_with_2(tmp_path: Path, arguments: list[str]) -> None:
    assert tegata(tmp_path, *arguments).returncode == 2


def test_a_terminals_certificate_is_not_revoked_for_the_compromise_of_a_ca(tmp_path: Path) -> None:
    told = tegata(tmp_path, "revoke", "99999W", "--reason", "cACompromise", "--yes")
    assert told.returncode == 2
    assert "cACompromise" in told.stderr
    assert not (tmp_path / "tegata.db").exists()


@pytest.mark.parametrize(
    "command", ["serve", "jobs list", "jobs run mail", "crl publish", "staff list", "audit verify", "audit export", "db upgrade"]
)
def test_without_a_home_every_command_says_what_to_do(tmp_path: Path, command: str) -> None:
    told = tegata(tmp_path / "nowhere", *command.split())
    assert told.returncode == 1
    assert "tegata init" in told.stderr
    assert told.stderr.count("\n") == 1


def test_a_home_that_can_not_be_made_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    told = tegata(tmp_path / "file" / "home", "init")
    assert (told.returncode, told.stderr) == (1, f"tegata: {tmp_path / 'file' / 'home'}: Not a directory\n")


def test_a_settings_file_that_is_no_text_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "tegata.toml").write_bytes(b"\xff\xfe")
    told = tegata(tmp_path, "serve")
    assert told.returncode == 1
    assert "is not TOML" in told.stderr
    assert told.stderr.count("\n") == 1


def test_faulty_settings_are_told_all_together(tmp_path: Path) -> None:
    told = tegata(tmp_path, "serve", TEGATA_PORTAL__BIND="x", TEGATA_STATUS__BIND="y", TEGATA_TYPO="z")
    assert told.returncode == 1
    for name in ("TEGATA_PORTAL__BIND", "TEGATA_STATUS__BIND", "TEGATA_TYPO"):
        assert name in told.stderr


def test_a_home_for_real_work_has_one_staff_account_whose_password_is_shown_once(home: Path) -> None:
    first = (home.parent / "first-login").read_text()
    assert "admin / " in first
    again = tegata(home, "init")
    assert again.returncode == 0
    assert "admin / " not in again.stdout
    assert [row["login"] for row in json.loads(tegata(home, "staff", "list", "--json").stdout)] == ["admin"]


def test_staff_are_added_once(home: Path) -> None:
    arguments = ["staff", "add", "kato", "--name", "加藤", "--mail", "kato@example.jp", "--role", "review"]
    added, again = tegata(home, *arguments), tegata(home, *arguments)
    password, secret = added.stdout.split()
    assert len(password) >= 16
    assert len(base64.b32decode(secret)) == 20
    assert (again.returncode, again.stderr) == (1, "tegata: refused: account-exists login=kato\n")


def test_second_factors_of_staff_are_removed_with_a_reason_and_once(home: Path) -> None:
    arguments = ["staff", "add", "mori", "--name", "森", "--mail", "mori@example.jp", "--role", "review", "--json"]
    assert set(json.loads(tegata(home, *arguments).stdout)) == {"login", "password", "totp_secret"}
    assert tegata(home, "staff", "reset", "mori").returncode == 2
    reset = ["staff", "reset", "mori", "--reason", "電話を紛失した"]
    assert tegata(home, *reset).returncode == 0
    again = tegata(home, *reset)
    assert (again.returncode, again.stderr) == (1, "tegata: refused: factor-none\n")
    assert "tegata staff list" in tegata(home, "staff", "reset", "nobody", "--reason", "x").stderr


@pytest.mark.parametrize("arguments", [["demo", "codes", "--terminals", "1"], ["demo", "clock", "+1d"], ["init", "--demo"]])
def test_a_home_for_real_work_refuses_what_is_for_demos(home: Path, arguments: list[str]) -> None:
    told = tegata(home, *arguments)
    assert told.returncode == 1
    assert "demo" in told.stderr
    assert not (home / "clock-offset").exists()


def test_the_database_is_at_the_newest_revision(home: Path) -> None:
    assert "already" in tegata(home, "db", "upgrade").stdout


def test_a_pipe_that_is_closed_early_is_no_fault(home: Path) -> None:
    command = f"{sys.executable} -m server audit export | head -n 1"
    environment = warm.environment_of_users() | {"TEGATA_HOME": str(home)}
    told = subprocess.run(["bash", "-c", command], cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    assert json.loads(told.stdout)["id"] == 1
    assert told.stderr == ""
