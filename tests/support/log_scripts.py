"""The two scripts of docs/ that check the audit log with no code of ours, run as their users run them but in this process."""

import io
import runpy
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

from tests.support.schema import ROOT

VERIFY = ROOT / "docs" / "verify_receipt.py"
FROM_TILES = ROOT / "docs" / "consistency_from_tiles.py"


@dataclass(frozen=True)
class Told:
    """How a script ended and what it said."""

    status: int
    out: str
    err: str


def told(script: Path, *arguments: str | Path) -> Told:
    """Run a script; what it raises ends it as it would end a process."""
    out, err = io.StringIO(), io.StringIO()
    with _process_of_its_own(), redirect_stdout(out), redirect_stderr(err):
        sys.argv = [str(script), *map(str, arguments)]
        try:
            runpy.run_path(str(script), run_name="__main__")
        except SystemExit as end:
            return Told(1 if end.code else 0, out.getvalue(), f"{err.getvalue()}{end.code or ''}\n")
        except Exception as fault:  # noqa: BLE001 (whatever it is, the script's own hook is asked, as the interpreter does)
            sys.excepthook(type(fault), fault, fault.__traceback__)
            return Told(1, out.getvalue(), err.getvalue())
    return Told(0, out.getvalue(), err.getvalue())


@contextmanager
def _process_of_its_own() -> Iterator[None]:
    argv, hook = sys.argv, sys.excepthook
    try:
        yield
    finally:
        sys.argv, sys.excepthook = argv, hook
