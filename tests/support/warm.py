"""The command `tegata` without its start: a process that has loaded every command forks for each that is called.

Loading takes a second or two of processor time, most commands a tenth of that. What is forked is a process of its own,
with the environment, the folder and the streams of its caller, and ends as the command ends.
`python -m tests.support.warm DESCRIPTOR` is that process; it ends when its caller does.
"""

import atexit
import functools
import gc
import importlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from server import cli

ROOT = Path(__file__).resolve().parents[2]
LONGEST_CALL = 1 << 17
# Seconds for a command, unless the caller says; a busy machine takes its time.
PATIENCE = 90.0

_one_at_a_time = threading.Lock()


def tegata(
    arguments: Sequence[str | Path], environment: Mapping[str, str], *, stdin: str = "", patience: float = PATIENCE
) -> subprocess.CompletedProcess[str]:
    """Run `tegata` with exactly this environment; raises TimeoutExpired after killing what took longer."""
    words = [str(argument) for argument in arguments]
    with tempfile.TemporaryFile() as typed, tempfile.TemporaryFile() as said, tempfile.TemporaryFile() as warned:
        typed.write(stdin.encode())
        typed.seek(0)
        streams = [stream.fileno() for stream in (typed, said, warned)]
        with _one_at_a_time:
            status = _called(json.dumps([words, dict(environment)]).encode(), streams, patience)
        said.seek(0)
        warned.seek(0)
        if status is None:
            raise subprocess.TimeoutExpired(words, patience, said.read(), warned.read())
        return subprocess.CompletedProcess(words, status, said.read().decode(), warned.read().decode())


def environment_of_users() -> dict[str, str]:
    """Return this process's environment without settings of tegata, and without what forbids to keep compiled modules."""
    without = ("TEGATA_", "PYTHONDONTWRITEBYTECODE")
    return {name: value for name, value in os.environ.items() if not name.startswith(without)}


def _called(call: bytes, streams: Sequence[int], patience: float) -> int | None:
    """Have a command run; return its exit status, negative for a signal, or None for one that was killed as too slow."""
    line = _line()
    line.settimeout(PATIENCE)
    socket.send_fds(line, [call], streams)
    process = int(line.recv(64))
    line.settimeout(patience)
    try:
        return int(line.recv(64))
    except TimeoutError:
        os.kill(process, signal.SIGKILL)
        line.settimeout(PATIENCE)
        line.recv(64)
        return None


@functools.cache
def _line() -> socket.socket:
    """Start the warm process; return the line to it, which ends with this process."""
    ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    command = [sys.executable, "-m", "tests.support.warm", str(its.fileno())]
    with its:
        process = subprocess.Popen(command, cwd=ROOT, env=environment_of_users(), pass_fds=[its.fileno()])
    atexit.register(_end, ours, process)
    return ours


def _end(line: socket.socket, process: "subprocess.Popen[bytes]") -> None:
    line.close()
    process.wait()


def _serve(line: socket.socket) -> list[str] | None:
    """Fork for each call; return its words in the process that shall run it, and None in this one when the caller is gone."""
    while True:
        call, streams, _, _ = socket.recv_fds(line, LONGEST_CALL, 3)
        if not call:
            return None
        process = os.fork()
        if process == 0:
            line.close()
            return _become(call, streams)
        for stream in streams:
            os.close(stream)
        line.send(str(process).encode())
        line.send(str(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])).encode())


def _become(call: bytes, streams: Sequence[int]) -> list[str]:
    """Take over the caller's streams and environment; return the words."""
    words, environment = json.loads(call)
    for place, stream in enumerate(streams):
        os.dup2(stream, place)
        os.close(stream)
    os.environ.clear()
    os.environ.update(environment)
    result: list[str] = words
    return result


def _main() -> None:
    for module in (*map(cli.module_of, cli.COMMANDS), "server.settings"):
        importlib.import_module(module)
    gc.freeze()
    words = _serve(socket.socket(fileno=int(sys.argv[1])))
    if words is not None:
        sys.argv = ["tegata", *words]
        cli.main()


if __name__ == "__main__":
    _main()
