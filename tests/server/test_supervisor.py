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
PATIENCE = 60.0  # seconds; a busy machine is slow


@pytest.fixture(params=["forked", "program"])
def way(request: pytest.FixtureRequest) -> str:
    """Both ways in which children begin."""
    chosen: str = request.param
    return chosen


@contextmanager
def supervising(way: str, folder: Path, *kinds: str) -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, "-m", "tests.server.trial_supervisor", way, str(folder), *kinds]
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


def descriptors(pid: int) -> dict[int, str]:
    folder = Path(f"/proc/{pid}/fd")
    return {int(entry.name): str(entry.readlink()) for entry in folder.iterdir()}


def wait_for_children(pid: int, but: int = 0) -> list[int]:
    deadline = time.monotonic() + PATIENCE
    while True:
        found = [int(number) for number in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
        if found and but not in found:
            return found
        assert time.monotonic() < deadline, "the child is not started again"
        time.sleep(0.05)


def wait_until_gone(pids: list[int]) -> None:
    deadline = time.monotonic() + PATIENCE
    while any(map(is_alive, pids)):
        assert time.monotonic() < deadline, f"still alive: {[pid for pid in pids if is_alive(pid)]}"
        time.sleep(0.05)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_stop_signal_stops_every_child_and_leaves_none(way: str, tmp_path: Path, number: int) -> None:
    with supervising(way, tmp_path, "good", "good") as process:
        pids = pids_of(process)
        process.send_signal(number)
        assert process.wait(PATIENCE) == 0
        assert not any(map(is_alive, pids))


def test_children_die_with_a_supervisor_that_is_killed(way: str, tmp_path: Path) -> None:
    with supervising(way, tmp_path, "good", "good") as process:
        pids = pids_of(process)
        process.kill()
        wait_until_gone(pids)


def test_a_fallen_child_is_started_again_and_told(way: str, tmp_path: Path) -> None:
    with supervising(way, tmp_path, "good") as process:
        (pid,) = pids_of(process)
        os.kill(pid, signal.SIGKILL)
        assert "good-0 ended with status -9; it is started again in 0.5 s" in output_of(process).readline()
        (again,) = wait_for_children(process.pid)
        assert again != pid
        process.terminate()
        assert process.wait(PATIENCE) == 0


def test_a_child_that_was_started_again_stops_with_the_others(way: str, tmp_path: Path) -> None:
    with supervising(way, tmp_path, "good", "good") as process:
        first, other = pids_of(process)
        os.kill(first, signal.SIGKILL)
        output_of(process).readline()
        pids = wait_for_children(process.pid, but=first)
        assert other in pids
        process.terminate()
        assert process.wait(PATIENCE) == 0
        assert not any(map(is_alive, pids))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGUSR1])
def test_signals_do_to_a_child_what_they_do_to_any_process(tmp_path: Path, number: int) -> None:
    with supervising("forked", tmp_path, "plain", "good") as process:
        pid, other = pids_of(process)
        os.kill(pid, number)
        assert f"plain-0 ended with status -{number}; " in output_of(process).readline()
        assert is_alive(other)


def test_a_forked_child_has_its_own_streams_and_socket_and_none_of_its_siblings(tmp_path: Path) -> None:
    with supervising("forked", tmp_path, "good", "good", "good") as process:
        pids = pids_of(process)
        sockets, shared = [], descriptors(process.pid)
        for number, pid in enumerate(pids):
            own = descriptors(pid)
            assert own[0] == "/dev/null"
            assert own[1] == own[2] == str(tmp_path / f"good-{number}.log")
            sockets.append([target for target in own.values() if target.startswith("socket:")])
            assert os.getpgid(pid) == pid
            # What else a child has of the supervisor are the pipes by which Python's own bookkeeping notices ends.
            assert {target for target in own.values() if target in shared.values()} <= {
                *sockets[number],
                "/dev/null",
                *(target for target in shared.values() if target.startswith("pipe:")),
            }
        assert [len(found) for found in sockets] == [1, 1, 1]
        assert len({found[0] for found in sockets}) == 3


def test_the_waits_grow_while_a_child_keeps_falling(way: str, tmp_path: Path) -> None:
    with supervising(way, tmp_path, "good", "falls") as process:
        pids_of(process)
        waits = [float(output_of(process).readline().split(" in ")[1].split()[0]) for _ in range(3)]
        assert waits == [0.5, 1, 2]
        process.terminate()
        assert process.wait(PATIENCE) == 0


def test_a_child_that_never_gets_ready_ends_the_start_with_its_last_words(way: str, tmp_path: Path) -> None:
    with supervising(way, tmp_path, "good", "unready") as process:
        _output, errors = process.communicate(timeout=PATIENCE)
        assert process.returncode == 1
        assert "failed: unready-1 did not start: the key is missing" in errors


def test_a_child_that_says_why_it_can_not_start_is_quoted(way: str, tmp_path: Path) -> None:
    with supervising(way, tmp_path, "good", "failing") as process:
        _output, errors = process.communicate(timeout=PATIENCE)
        assert "failed: failing-1 did not start: the key does not fit; nor does the chain" in errors


def test_a_second_signal_hastens_the_end_of_a_stubborn_child(way: str, tmp_path: Path) -> None:
    with supervising(way, tmp_path, "stubborn") as process:
        pids = pids_of(process)
        begin = time.monotonic()
        process.terminate()
        time.sleep(1)  # two signals at once would be one
        assert is_alive(pids[0])
        process.terminate()
        assert process.wait(PATIENCE) == 0
        assert time.monotonic() - begin < supervisor.END_WITHIN
        assert not is_alive(pids[0])
