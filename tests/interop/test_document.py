"""The lines of README.md, executed as they stand there."""

import os
import re
import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from enrollment.codes import Codes
from kernel.clock import tokyo_date
from tests.interop.programs import Outcome, Runner
from tests.support.open_doors import OpenDoors
from tests.support.schema import ROOT

DOCUMENT = ROOT / "README.md"
STEPS = re.findall(r"^```sh\n(.*?)^```$", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


@pytest.fixture
def folder(doors: OpenDoors, tmp_path: Path) -> Path:
    shutil.copy(doors.root, tmp_path / "root.pem")
    return tmp_path


def _run(run: Runner, doors: OpenDoors, folder: Path, codes: Codes, steps: list[str]) -> Outcome:
    variables = {
        "PATH": os.environ["PATH"],
        "RETRIEVAL": doors.retrieval,
        "TERMINALS": doors.terminals,
        "ACCESS_KEY": codes.access_key,
        "CODE_1": codes.auth_code_1,
        "CODE_2": codes.auth_code_2,
        "CODE_3": codes.auth_code_3,
        "OFFICE": codes.office_code,
    }
    return run("sh", "-eu", "-c", "\n".join(steps), folder=folder, environment=variables)


def test_the_document_has_its_six_steps() -> None:
    assert len(STEPS) == 6


def test_the_lines_take_a_terminal_from_its_codes_to_its_logon(doors: OpenDoors, run: Runner, folder: Path) -> None:
    [(_, codes)] = doors.house.new_codes()
    outcome = _run(run, doors, folder, codes, STEPS)
    assert outcome.status == 0, outcome.text
    assert "certificate.pem: OK" in outcome.text
    assert "certificate.pem: good" in outcome.text
    assert '{"permitted":true}' in outcome.text.replace(" ", "")
    assert (folder / "key.pem").stat().st_mode & 0o077 == 0


def test_a_start_date_ahead_is_fine_until_the_logon_which_says_when(doors: OpenDoors, run: Runner, folder: Path) -> None:
    start = tokyo_date(doors.house.clock.now()) + timedelta(days=12)
    [(_, codes)] = doors.house.new_codes(start_date=start)
    outcome = _run(run, doors, folder, codes, STEPS[:5])
    assert outcome.status == 0, outcome.text
    assert "certificate.pem: good" in outcome.text
    outcome = _run(run, doors, folder, codes, STEPS[5:])
    assert outcome.status == 22
    assert '"code":"A0006"' in outcome.text.replace(" ", "")


def test_a_lost_answer_is_fetched_again_by_the_same_lines(doors: OpenDoors, run: Runner, folder: Path) -> None:
    [(_, codes)] = doors.house.new_codes()
    assert _run(run, doors, folder, codes, STEPS[:2]).status == 0
    first = (folder / "answer.pem").read_bytes()
    (folder / "answer.pem").unlink()
    assert _run(run, doors, folder, codes, STEPS[1:4]).status == 0
    assert (folder / "answer.pem").read_bytes() == first


def test_another_key_gets_nothing_and_is_told_why(doors: OpenDoors, run: Runner, folder: Path) -> None:
    [(_, codes)] = doors.house.new_codes()
    assert _run(run, doors, folder, codes, STEPS[:2]).status == 0
    outcome = _run(run, doors, folder, codes, STEPS[:2])
    assert outcome.status == 22
    assert "codes-spent" in (folder / "answer.pem").read_text(encoding="utf-8")
