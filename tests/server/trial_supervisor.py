"""A supervisor of trial children, as a process.

Run as `python -m tests.server.trial_supervisor FOLDER KIND…`.
Prints `ready` with the children's pids, then what the supervisor says.
"""

import sys
from pathlib import Path

from server.supervisor import Child, StartFailed, Supervisor


def main() -> None:
    """Supervise."""
    folder, *kinds = sys.argv[1:]
    children = [
        Child(f"{kind}-{number}", [kind, folder], Path(folder) / f"{kind}-{number}.log", module="tests.server.trial_child")
        for number, kind in enumerate(kinds)
    ]

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


main()
