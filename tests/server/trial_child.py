"""A child for tests of supervision. `python -m tests.server.trial_child KIND FOLDER …` with the options of a real one.

KIND: `good` runs until SIGTERM; `stubborn` ignores SIGTERM; `unready` ends at once; `failing` says why it will not start;
`plain` lets signals do what they do to any process; `falls` ends as soon as the supervisor has announced (the file `announced`
in FOLDER) that all are ready.
"""

import argparse
import signal
import sys
import time
from pathlib import Path

from server.process import Starting, follow_parent


def main() -> None:
    """Behave as told, as a program."""
    parser = argparse.ArgumentParser()
    parser.add_argument("kind")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--parent", type=int)
    parser.add_argument("--ready-fd", type=int)
    parser.add_argument("--listen-fd", type=int)
    told = parser.parse_args()
    follow_parent(told.parent)
    behave(told.kind, told.folder, Starting(told.ready_fd))


def behave(kind: str, folder: Path, starting: Starting) -> None:
    """Behave as told."""
    if kind == "unready":
        sys.exit("the key is missing")
    if kind == "failing":
        starting.failed("the key does not fit\nnor does the chain")
        time.sleep(60)
    if kind != "plain":
        signal.signal(signal.SIGTERM, signal.SIG_IGN if kind == "stubborn" else lambda *_: sys.exit(0))
    starting.ready()
    while not (kind == "falls" and (folder / "announced").exists()):
        time.sleep(0.1)
    sys.exit(7)


if __name__ == "__main__":
    main()
