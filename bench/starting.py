"""P8: what the doors' start costs until their first answers, alone and forked by `tegata serve`, and what libraries take of it.

python -m bench.starting [--times 8]. CPU seconds, the least of the runs: a start has no warm state, so what is more is noise. Of
`tegata serve` the supervisor's CPU is told apart: it loads once what doors share. Memory is private, of arbiter and worker.
"""

import argparse
import os
import ssl
import subprocess
import sys
import tempfile
from pathlib import Path
from urllib.request import urlopen

from bench import measure
from bench.ocsp import DOOR, ROOT, children, cpu, environment, private_mb, running

TARGETS = "0.6 s until a Flask door's first answer, 0.3 s until the status door's"
# In the order in which they are started, with a page of each that its app answers.
PAGES = {
    "portal": "https://localhost:19090/login",
    "retrieval": "https://localhost:19091/readyz",
    "center": "https://localhost:19092/login",
    "terminals": "https://localhost:19093/readyz",
    "status": f"http://localhost:{DOOR}/readyz",
}
LOADED = {
    "Python": "pass",
    "SQLAlchemy with both dialects": "import sqlalchemy.orm, sqlalchemy.dialects.sqlite, sqlalchemy.dialects.postgresql",
    "cryptography": "from cryptography import x509",
    "gunicorn": "import gunicorn.app.base, gunicorn.workers.gthread",
    "pydantic-settings": "import pydantic_settings",
    "Flask": "import flask",
    "all that the door loads": "import server.commands.serve, server.apps.status",
    "the same as the command loads it": (
        "from server import loading; loading.defer(); loading.undisturbed().__enter__(); "
        "import server.commands.serve, server.apps.status"
    ),
    "tegata --help": "from server import cli; cli.tegata.main(['--help'], standalone_mode=False)",
    "tegata terminal": "from server import cli; cli.tegata.main(['terminal', '--help'], standalone_mode=False)",
}


def main() -> None:
    """Measure and write bench/results/starting.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=8)
    chosen = parser.parse_args()
    seconds: dict[str, list[float]] = {}
    weights: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory(prefix="bench-starting-") as folder:
        settings = environment(Path(folder) / "home")
        # As where it is installed: what was compiled once is there the next time.
        settings.pop("PYTHONDONTWRITEBYTECODE", None)
        subprocess.run([sys.executable, "-m", "server", "init"], cwd=ROOT, env=settings, check=True, capture_output=True)
        for _ in range(chosen.times):  # in turn, so that a busy machine is busy for all
            for name in PAGES:
                seconds.setdefault(f"{name} alone, until the first answer", []).append(_started(name, settings))
            _served(settings, seconds, weights)
            for what, code in LOADED.items():
                seconds.setdefault(what, []).append(_loaded(code, settings))
    least = {what: round(min(several), 3) for what, several in seconds.items()}
    facts = {"targets": TARGETS, "cpu_seconds": least, "private_mb": {what: min(several) for what, several in weights.items()}}
    measure.write("starting", facts)


def _started(name: str, settings: dict[str, str]) -> float:
    with running([sys.executable, "-m", "server", "serve", name], lambda: _ask(settings, name), settings) as pid:
        return sum(map(cpu, (pid, *children(pid))))


def _served(settings: dict[str, str], seconds: dict[str, list[float]], weights: dict[str, list[float]]) -> None:
    """Serve all doors, ask each once, and note what each process took and weighs."""
    with running([sys.executable, "-m", "server", "serve"], lambda: _ask(settings, *PAGES), settings) as supervisor:
        for name, pid in zip((*PAGES, "jobs"), children(supervisor), strict=True):
            seconds.setdefault(f"{name} in `tegata serve`", []).append(sum(map(cpu, (pid, *children(pid)))))
            weights.setdefault(name, []).append(round(sum(map(private_mb, (pid, *children(pid)))), 1))
        seconds.setdefault("the supervisor of `tegata serve`", []).append(cpu(supervisor))
        weights.setdefault("supervisor", []).append(round(private_mb(supervisor), 1))


def _ask(settings: dict[str, str], *names: str) -> None:
    """Ask doors for a page each; raises OSError as long as one does not answer well."""
    root = Path(settings["TEGATA_HOME"]) / "ca" / "root.pem"
    for name in names:
        context = ssl.create_default_context(cafile=root) if PAGES[name].startswith("https:") else None
        urlopen(PAGES[name], timeout=60, context=context).close()  # noqa: S310 (addresses of our own)


def _loaded(code: str, settings: dict[str, str]) -> float:
    process = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, env=settings, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{code!r} ended with {process.returncode}")
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    main()
