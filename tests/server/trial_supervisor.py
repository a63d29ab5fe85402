"""A supervisor of trial children, as a process.

Run as `python -m tests.server.trial_supervisor WAY FOLDER KIND…`; WAY is how children begin: `forked` or `program`.
Prints `ready` with the children's pids, then what the supervisor says.
"""

import socket
import sys
from functools import partial
from pathlib import Path

from server.supervisor import Child, StartFailed, Supervisor
from tests.server.trial_child import behave


def main() -> None:
    """Supervise."""
    way, folder, *kinds = sys.argv[1:]
    children = [_child(way, Path(folder), number, kind) for number, kind in enumerate(kinds)]

    def say(line: str) -> None:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()

    def announce() -> None:
        (Path(folder) / "announced").touch()
        say("ready " + " ".join(str(child.process.pid) for child in children if child.process))

    try:
        Supervisor(children, say).run(announce)
    except StartFailed as failure:
        sys.exit(f"failed: {failure}")


def _child(way: str, folder: Path, number: int, kind: str) -> Child:
    return Child(
        f"{kind}-{number}",
        [kind, str(folder)],
        folder / f"{kind}-{number}.log",
        socket.create_server(("127.0.0.1", 0)),
        module="tests.server.trial_child",
        live=partial(behave, kind, folder) if way == "forked" else None,
    )


if __name__ == "__main__":
    main()
