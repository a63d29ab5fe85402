"""The two scripts of docs/ that check the audit log with no code of ours, and the lines of docs/audit-log.md that use them."""

import io
import os
import re
import runpy
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

from tests.support.schema import ROOT

VERIFY = ROOT / "docs" / "verify_receipt.py"
FROM_TILES = ROOT / "docs" / "consistency_from_tiles.py"
_DOCUMENT = (ROOT / "docs" / "audit-log.md").read_text(encoding="utf-8")
CUSTOMER, KEEPING, THIRD_PARTY, OPERATOR, AUDITOR = re.findall(r"^```sh\n(.*?)^```$", _DOCUMENT, re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class Told:
    """How a script ended and what it said."""

    status: int
    out: str
    err: str


def told(script: Path, *arguments: str | Path) -> Told:
    """Run a script as its users do, but in this process; what it raises ends it as it would end a process."""
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


def run_lines(lines: str, folder: Path, **variables: str) -> Told:
    """Run lines of the document in a folder that has the scripts and nothing of ours beside them."""
    for script in (VERIFY, FROM_TILES):
        shutil.copy(script, folder)
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["sh", "-eu", "-c", lines],
        cwd=folder,
        env={"PATH": programs, "LANG": "C.UTF-8", **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    return Told(done.returncode, done.stdout, done.stderr)


@contextmanager
def _process_of_its_own() -> Iterator[None]:
    argv, hook = sys.argv, sys.excepthook
    try:
        yield
    finally:
        sys.argv, sys.excepthook = argv, hook
