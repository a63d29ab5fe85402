"""`tegata terminal` as a person or a script calls it."""

import json
import os
import pty
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from enrollment.client.folder import PENDING, PKCS12, Folder, Form
from server.commands.terminal import command
from server.trouble import Trouble
from tests.enrollment.client.aged import Aged, Terminal
from tests.server.pki import TrialCa
from tests.support.schema import ROOT

HEAVY = {"sqlalchemy", "alembic", "pydantic", "pydantic_settings", "flask", "jinja2", "asn1crypto", "asyncio"}
ROOMS_OF_THE_SERVER = {"ca", "registry", "webui", "migrations"}


@pytest.fixture
def terminal(aged: Aged, tmp_path: Path) -> Terminal:
    return aged.terminal(tmp_path / "pc")


def _run(name: str, folder: Path, *more: str | Path, **stdin: str) -> Result:
    return CliRunner().invoke(command, [name, "--folder", str(folder), *map(str, more)], input=stdin.get("stdin"))


def _door(aged: Aged, url: str | None = None) -> tuple[str | Path, ...]:
    return ("--server", url or aged.doors.terminals, "--ca", aged.doors.root)


def _shown(result: Result) -> Any:  # noqa: ANN401 (JSON)
    return json.loads(result.stdout)


def _trouble(result: Result) -> str:
    assert isinstance(result.exception, Trouble), result.output
    return str(result.exception)


def test_renew_says_what_it_did_and_the_next_day_that_there_is_nothing_to_do(aged: Aged, terminal: Terminal) -> None:
    first = _run("renew", terminal.folder, *_door(aged), "--json")
    assert (first.exit_code, _shown(first)["renewed"], _shown(first)["proven"]) == (0, True, True)
    again = _run("renew", terminal.folder, *_door(aged), "--lang", "en")
    assert (again.exit_code, again.stdout.count("\n")) == (0, 1)
    assert "nothing to renew now" in again.stdout
    told = _shown(_run("renew", terminal.folder, *_door(aged), "--json"))
    assert set(told) == {"renewed", "terminal", "first_day", "last_day", "suggested", "code"}
    assert "renewal-closed" in _trouble(_run("renew", terminal.folder, *_door(aged), "--force"))


def test_the_language_is_chosen_by_option_or_locale(aged: Aged, terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "ja_JP.UTF-8")
    assert "論理端末名" in _run("status", terminal.folder).stdout
    assert "window for renewal" in _run("status", terminal.folder, "--lang", "en").stdout
    assert "正常" in _run("doctor", terminal.folder, *_door(aged)).stdout


def test_status_tells_what_the_door_says_too(aged: Aged, terminal: Terminal) -> None:
    alone = _shown(_run("status", terminal.folder, "--json"))
    assert (alone["phase"], alone["door"], alone["door_error"], alone["renewing"]) == ("valid", None, None, False)
    asked = _shown(_run("status", terminal.folder, *_door(aged), "--json"))
    assert (asked["door"]["state"], asked["door"]["renewal_possible_now"]) == ("in_service", True)
    assert (asked["first_day"], asked["last_day"]) == (asked["door"]["first_day"], asked["door"]["last_day"])
    assert "in service" in _run("status", terminal.folder, *_door(aged), "--lang", "en").stdout


def test_status_needs_no_door_to_answer(aged: Aged, terminal: Terminal) -> None:
    away = _run("status", terminal.folder, *_door(aged, "https://localhost:1"), "--json")
    assert (away.exit_code, _shown(away)["phase"], _shown(away)["door_error"]) == (0, "valid", "unreachable")
    assert _run("status", terminal.folder, "--server", "https://localhost:1").exit_code == 2


def test_doctor_ends_with_one_when_something_is_wrong(aged: Aged, terminal: Terminal, tmp_path: Path) -> None:
    key = tmp_path / "access-key"
    key.write_text(terminal.codes.access_key + "\n")
    sound = _run("doctor", terminal.folder, *_door(aged), "--access-key-file", key, "--json")
    assert (sound.exit_code, _shown(sound)["sound"]) == (0, True)
    assert {"check", "verdict", "topic", "code", "cause", "remedy"} == set(_shown(sound)["findings"][0])
    ill = _run("doctor", tmp_path / "nowhere", *_door(aged), "--lang", "en")
    assert _trouble(ill) == "To be mended: certificate (E103)"
    assert "-> Is it the right folder?" in ill.stdout


def test_the_proxy_of_the_environment_is_taken(aged: Aged, terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "localhost:1")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    assert "(E102)" in _trouble(_run("doctor", terminal.folder, *_door(aged), "--lang", "en"))
    monkeypatch.setenv("NO_PROXY", "localhost")
    assert _run("doctor", terminal.folder, *_door(aged), "--lang", "en").exit_code == 0


@pytest.mark.parametrize(("option", "code"), [("--ca", "trust-unreadable"), ("--server", "address-invalid")])
def test_nobody_types_codes_for_a_door_that_can_not_be_reached(aged: Aged, tmp_path: Path, option: str, code: str) -> None:
    values = {"--ca": str(aged.doors.root), "--server": aged.doors.retrieval} | {option: "nowhere"}
    result = _run("retrieve", tmp_path / "pc", *(part for pair in values.items() for part in pair), stdin="typed in vain\n")
    assert code in _trouble(result)
    assert result.output == ""
    assert not (tmp_path / "pc").exists()


def test_a_second_retrieval_after_a_lost_answer_uses_the_key_that_lies_there(aged: Aged, tmp_path: Path) -> None:
    [(_, codes)] = aged.house.new_codes()
    other, folder = TrialCa(tmp_path, "other"), tmp_path / "pc"
    lost = ("--server", aged.doors.retrieval, "--ca", other.certificate, "--inputs", "-")
    assert "server-not-trusted" in _trouble(_run("retrieve", folder, *lost, stdin=json.dumps(asdict(codes))))
    pending = (folder / PENDING).read_bytes()
    door = ("--server", aged.doors.retrieval, "--ca", aged.doors.root, "--inputs", "-")
    assert _run("retrieve", folder, *door, stdin=json.dumps(asdict(codes))).exit_code == 0
    assert (folder / "key.pem").read_bytes() == pending


@pytest.mark.parametrize(
    ("content", "code"), [(None, "passphrase-unreadable"), (b"\n", "passphrase-empty"), (b"\xff", "passphrase")]
)
def test_a_passphrase_file_that_holds_none_is_told(tmp_path: Path, content: bytes | None, code: str) -> None:
    file = tmp_path / "passphrase"
    if content is not None:
        file.write_bytes(content)
    assert code in _trouble(_run("status", tmp_path, "--passphrase-file", file))


@pytest.mark.parametrize("form", [Form.PKCS12, Form.PKCS12_3DES])
def test_the_form_is_chosen_by_its_name(aged: Aged, tmp_path: Path, form: Form) -> None:
    [(_, codes)] = aged.house.new_codes()
    passphrase, door = tmp_path / "passphrase", ("--server", aged.doors.retrieval, "--ca", aged.doors.root)
    passphrase.write_text("correct horse\n", encoding="utf-8")
    typed = json.dumps(asdict(codes))
    done = _run("retrieve", tmp_path / "pc", *door, f"--{form}", "--passphrase-file", passphrase, "--inputs", "-", stdin=typed)
    assert done.exit_code == 0, done.output
    assert Folder(tmp_path / "pc").form is form


def test_a_passphrase_is_asked_for_twice_and_not_shown(aged: Aged, tmp_path: Path) -> None:
    [(_, codes)] = aged.house.new_codes()
    (tmp_path / "codes.json").write_text(json.dumps(asdict(codes)))
    command_line = [
        str(Path(sys.executable).with_name("tegata")), "terminal", "retrieve", "--server", aged.doors.retrieval,
        "--ca", str(aged.doors.root), "--folder", str(tmp_path / "pc"), "--p12", "--inputs", str(tmp_path / "codes.json"),
    ]  # fmt: skip
    child, screen = pty.fork()
    if child == 0:
        os.execve(command_line[0], command_line, os.environ | {"LC_ALL": "C.UTF-8"})  # noqa: S606 (our own)
    seen = _type(screen, ["correct horse", "correct horse"])
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0, seen
    assert "correct horse" not in seen
    held = Folder(tmp_path / "pc", b"correct horse").holding()
    assert held is not None
    assert [file.name for file in held.files] == [PKCS12]


def _type(screen: int, answers: list[str]) -> str:
    """Answer each prompt and return all that was seen."""
    seen, answered = "", 0
    while True:
        try:
            piece = os.read(screen, 1_024)
        except OSError:  # the other side is closed
            break
        if not piece:
            break
        seen += piece.decode("utf-8", "replace")
        if answered < len(answers) and seen.count(": ") > answered:
            os.write(screen, (answers[answered] + "\n").encode())
            answered += 1
    os.close(screen)
    return seen


def test_the_client_starts_without_the_servers_libraries() -> None:
    program = "import sys, server.cli, server.commands.terminal; print(*{name.split('.')[0] for name in sys.modules})"
    loaded = subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True, capture_output=True, text=True).stdout.split()
    assert set(loaded) & (HEAVY | ROOMS_OF_THE_SERVER) == set()
