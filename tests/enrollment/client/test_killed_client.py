"""The client killed before each of its deeds: the same command again ends well, with one key and one certificate."""

import itertools
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from enrollment.client.changeover import OLD, STAGED
from enrollment.client.folder import CERTIFICATE, CHAIN, KEY, MOVING, PENDING, PKCS12, Folder, Form
from enrollment.client.lock import LOCK
from enrollment.client.logon import logon
from tests.enrollment.client.aged import Aged, Terminal
from tests.support.schema import ROOT

FILES = {Form.PEM: {KEY, CERTIFICATE, CHAIN}, Form.PKCS12: {PKCS12}}
# A safe number: nothing takes so many deeds.
NEVER = 1_000
Order = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def mortal() -> Iterator[Order]:
    """Return what runs a client in a process of its own that may die."""
    command = [sys.executable, "-m", "tests.enrollment.client.mortal"]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        orders, answers = process.stdin, process.stdout

        def order(**values: object) -> dict[str, Any]:
            orders.write(json.dumps(values, default=str) + "\n")
            orders.flush()
            answer: dict[str, Any] = json.loads(answers.readline())
            return answer

        yield order


def _renew(mortal: Order, aged: Aged, terminal: Terminal, killed_before: int, passphrase: str | None = None) -> dict[str, Any]:
    return mortal(
        run="renew", folder=terminal.folder, url=aged.doors.terminals, ca=aged.doors.root, killed_before=killed_before,
        passphrase=passphrase,
    )  # fmt: skip


def _require_renewed(aged: Aged, terminal: Terminal, form: Form, passphrase: bytes | None = None) -> None:
    """Require one new certificate, its pair in place, nothing left over, and a logon."""
    assert {file.name for file in terminal.folder.iterdir()} == FILES[form] | {LOCK}
    [new, old] = aged.certificates(terminal.name)
    held = Folder(terminal.folder, passphrase).holding()
    assert held is not None
    assert held.key_matches
    assert f"{held.certificate.serial_number:x}" == new.serial.lstrip("0") != old.serial.lstrip("0")
    assert logon(terminal.folder, aged.server(), terminal.codes.access_key, passphrase=passphrase).permitted


def _is_whole(folder: Path, passphrase: bytes | None) -> bool:
    """Return whether a pair can be read, whichever it is."""
    held = Folder(folder, passphrase).holding()
    return held is not None and held.key_matches is True


def test_a_renewal_that_is_killed_before_any_of_its_deeds_is_finished_by_the_next(
    aged: Aged, tmp_path: Path, mortal: Order
) -> None:  # fmt: skip
    step, ending = 0, {"ending": "killed"}
    while ending["ending"] == "killed":
        terminal = aged.terminal(tmp_path / f"pc-{step}")
        ending = _renew(mortal, aged, terminal, step)
        assert _is_whole(terminal.folder, None), f"killed before touch {step}"
        # Killed after the exchange, there is nothing more to do than to see that the new pair serves.
        assert ending["ending"] == "done" or _renew(mortal, aged, terminal, NEVER)["ending"] == "done"
        _require_renewed(aged, terminal, Form.PEM)
        step += 1
    assert step > 25


def test_a_renewal_of_pkcs12_that_is_killed_while_it_writes_is_finished_by_the_next(
    aged: Aged, tmp_path: Path, mortal: Order
) -> None:
    terminals = (aged.terminal(tmp_path / f"pc-{number}", form=Form.PKCS12, passphrase=b"secret") for number in itertools.count())
    touches = _renew(mortal, aged, next(terminals), NEVER, "secret")["touches"]
    for step in range(touches - 7, touches, 4):
        terminal = next(terminals)
        assert _renew(mortal, aged, terminal, step, "secret")["ending"] == "killed"
        assert _renew(mortal, aged, terminal, NEVER, "secret")["ending"] == "done"
        _require_renewed(aged, terminal, Form.PKCS12, b"secret")


def test_a_renewal_that_is_killed_again_and_again_comes_to_its_end(aged: Aged, tmp_path: Path, mortal: Order) -> None:
    terminal = aged.terminal(tmp_path / "pc")
    # Each run gets a little further than the one before it.
    endings = []
    for further in range(40):
        endings.append(_renew(mortal, aged, terminal, further)["ending"])
        assert _is_whole(terminal.folder, None)
        if endings[-1] == "done":
            break
    assert endings[-1] == "done"
    assert set(endings[:-1]) == {"killed"}
    _require_renewed(aged, terminal, Form.PEM)


def test_a_retrieval_that_is_killed_before_any_of_its_deeds_keeps_its_key(aged: Aged, tmp_path: Path, mortal: Order) -> None:
    step, ending = 0, {"ending": "killed"}
    while ending["ending"] == "killed":
        folder = tmp_path / f"pc-{step}"
        [(name, codes)] = aged.house.new_codes()
        order = {
            "run": "retrieve", "folder": folder, "url": aged.doors.retrieval, "ca": aged.doors.root, "form": "pem",
            "codes": asdict(codes), "passphrase": None,
        }  # fmt: skip
        ending = mortal(**order, killed_before=step)
        # When all was written but for the cleaning up, nothing is overwritten.
        assert ending["ending"] == "done" or mortal(**order, killed_before=NEVER)["ending"] in ("done", "files-exist")
        assert _is_whole(folder, None), f"killed before touch {step}"
        assert len(aged.certificates(name)) == 1
        assert FILES[Form.PEM] <= {file.name for file in folder.iterdir()}
        assert not Folder(folder).is_pending()
        step += 1
    assert step > 8


def test_what_a_killed_run_leaves_is_closed_to_others(aged: Aged, tmp_path: Path, mortal: Order) -> None:
    template = aged.terminal(tmp_path / "template")
    step, seen = 0, set()
    while True:
        folder = tmp_path / f"pc-{step}"
        shutil.copytree(template.folder, folder)
        ending = _renew(mortal, aged, Terminal(template.name, template.codes, folder), step)
        for file in (file for file in folder.rglob("*") if file.is_file()):
            assert file.stat().st_mode & 0o077 == 0, f"{file} before touch {step}"
            seen.add(file.relative_to(folder).as_posix())
        if ending["ending"] != "killed" or f"{STAGED}/{KEY}" in seen:
            break
        step += 1
    assert f"{STAGED}/{PENDING}" in seen
    assert not any(name.startswith((MOVING, OLD)) for name in seen)
