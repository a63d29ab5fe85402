"""A child for tests of supervision. `python -m tests.server.trial_child KIND FOLDER …` with the options of a real one.

KIND: `good` runs until SIGTERM; `stubborn` ignores SIGTERM; `unready` ends at once; `failing` says why it will not start;
`falls` ends as soon as the supervisor has announced (the file `announced` in FOLDER) that all are ready.
"""

import argparse
import signal
import sys
import time
from pathlib import Path

from server.process import Starting, follow_parent


def main() -> None:
    """Behave as told."""
    parser = argparse.ArgumentParser()
    parser.add_argument("kind")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--parent", type=int)
    parser.add_argument("--ready-fd", type=int)
    parser.add_argument("--listen-fd", type=int)
    told = parser.parse_args()
    follow_parent(told.parent)
    if told.kind == "unready":
        sys.exit("the key is missing")
    if told.kind == "failing":
        Starting(told.ready_fd).failed("the key does not fit\nnor does the chain")
        time.sleep(60)
    signal.signal(signal.SIGTERM, signal.SIG_IGN if told.kind == "stubborn" else lambda *_: sys.exit(0))
    Starting(told.ready_fd).ready()
    while not (told.kind == "falls" and (told.folder / "announced").exists()):
        time.sleep(0.1)
    sys.exit(7)


main()
