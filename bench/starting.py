"""P8: what a status door's start costs until its first answer, and what of it is the loading of which library.

python -m bench.starting [--times 8]. CPU seconds, the least of the runs: a start has no warm state, so what is more is noise.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from bench import measure
from bench.ocsp import DOOR, ROOT, children, cpu, environment, fetched, running

TARGET = 0.3
LOADED = {
    "Python": "pass",
    "SQLAlchemy with both dialects": "import sqlalchemy.orm, sqlalchemy.dialects.sqlite, sqlalchemy.dialects.postgresql",
    "cryptography": "from cryptography import x509",
    "gunicorn": "import gunicorn.app.base, gunicorn.workers.gthread",
    "pydantic-settings": "import pydantic_settings",
    "Flask": "import flask",
    "structlog": "import structlog",
    # A development tool that structlog loads wherever it is installed; a server has none.
    "structlog without rich": "import sys; sys.modules['rich'] = None; import structlog",
    "all that the door loads": "import server.commands.serve, server.apps.status",
    "the same without rich": "import sys; sys.modules['rich'] = None; import server.commands.serve, server.apps.status",
}


def main() -> None:
    """Measure and write bench/results/starting.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=8)
    chosen = parser.parse_args()
    seconds: dict[str, list[float]] = {what: [] for what in ("until the first answer", *LOADED)}
    with tempfile.TemporaryDirectory(prefix="bench-starting-") as folder:
        settings = environment(Path(folder) / "home")
        subprocess.run([sys.executable, "-m", "server", "init"], cwd=ROOT, env=settings, check=True, capture_output=True)
        for _ in range(chosen.times):  # in turn, so that a busy machine is busy for all
            seconds["until the first answer"].append(_started(settings))
            for what, code in LOADED.items():
                seconds[what].append(_loaded(code, settings))
    least = {what: round(min(several), 3) for what, several in seconds.items()}
    measure.write("starting", {"target": f"{TARGET} s until the first answer", "cpu_seconds": least})


def _started(settings: dict[str, str]) -> float:
    with running([sys.executable, "-m", "server", "serve", "status"], fetched(DOOR, "/healthz"), settings) as pid:
        return sum(map(cpu, (pid, *children(pid))))


def _loaded(code: str, settings: dict[str, str]) -> float:
    process = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, env=settings)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{code!r} ended with {process.returncode}")
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    main()
