import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest

from server import supervisor

ROOT = Path(__file__).resolve().parents[2]


@contextmanager
def supervising(folder: Path, *kinds: str) -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, "-m", "tests.server.trial_supervisor", str(folder), *kinds]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def output_of(process: "subprocess.Popen[str]") -> IO[str]:
    assert process.stdout is not None
    return process.stdout


def pids_of(process: "subprocess.Popen[str]") -> list[int]:
    word, *pids = output_of(process).readline().split()
    assert word == "ready"
    return [int(pid) for pid in pids]


def is_alive(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


def wait_until_gone(pids: list[int], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while any(map(is_alive, pids)):
        assert time.monotonic() < deadline, f"still alive: {[pid for pid in pids if is_alive(pid)]}"
        time.sleep(0.05)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_stop_signal_stops_every_child_and_leaves_none(tmp_path: Path, number: int) -> None:
    with supervising(tmp_path, "good", "good") as process:
        pids = pids_of(process)
        process.send_signal(number)
        assert process.wait(10) == 0
        assert not any(map(is_alive, pids))


def test_children_die_with_a_supervisor_that_is_killed(tmp_path: Path) -> None:
    with supervising(tmp_path, "good", "good") as process:
        pids = pids_of(process)
        process.kill()
        wait_until_gone(pids)


def test_a_fallen_child_is_started_again_and_told(tmp_path: Path) -> None:
    with supervising(tmp_path, "good") as process:
        (pid,) = pids_of(process)
        os.kill(pid, signal.SIGKILL)
        assert "good-0 ended with status -9; it is started again in 0.5 s" in output_of(process).readline()
        time.sleep(2)
        process.terminate()
        assert process.wait(10) == 0


def test_the_waits_grow_while_a_child_keeps_falling(tmp_path: Path) -> None:
    with supervising(tmp_path, "good", "falls") as process:
        pids_of(process)
        waits = [float(output_of(process).readline().split(" in ")[1].split()[0]) for _ in range(3)]
        assert waits == [0.5, 1, 2]
        process.terminate()
        assert process.wait(10) == 0


def test_a_child_that_never_gets_ready_ends_the_start_with_its_last_words(tmp_path: Path) -> None:
    with supervising(tmp_path, "good", "unready") as process:
        _output, errors = process.communicate(timeout=20)
        assert process.returncode == 1
        assert "failed: unready-1 did not start: the key is missing" in errors


def test_a_child_that_says_why_it_can_not_start_is_quoted(tmp_path: Path) -> None:
    with supervising(tmp_path, "good", "failing") as process:
        _output, errors = process.communicate(timeout=20)
        assert "failed: failing-1 did not start: the key does not fit; nor does the chain" in errors


def test_a_second_signal_hastens_the_end_of_a_stubborn_child(tmp_path: Path) -> None:
    assert supervisor.END_WITHIN > 5
    with supervising(tmp_path, "stubborn") as process:
        pids = pids_of(process)
        begin = time.monotonic()
        process.terminate()
        time.sleep(0.5)
        assert is_alive(pids[0])
        process.terminate()
        assert process.wait(5) == 0
        assert time.monotonic() - begin < 5
        assert not is_alive(pids[0])
