"""What all measurements share: CPU time and memory of a deed, the machine's description, results as JSON."""

import json
import os
import platform
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

RESULTS = Path(__file__).parent / "results"


@dataclass
class Run:
    """One run: seconds by the wall and of the CPU (own, or a child's), and the peak of private memory in MB."""

    wall: float = 0.0
    cpu: float = 0.0
    private_mb: float = 0.0


@dataclass
class Series:
    """Several runs of one thing."""

    what: str
    runs: list[Run] = field(default_factory=list)

    @property
    def cpu(self) -> float:
        """The median of CPU seconds."""
        return statistics.median(run.cpu for run in self.runs)

    @property
    def wall(self) -> float:
        """The median of seconds by the wall."""
        return statistics.median(run.wall for run in self.runs)

    def summary(self) -> dict[str, object]:
        """Return medians, and the runs they are of."""
        return {
            "what": self.what,
            "cpu_seconds": round(self.cpu, 4),
            "wall_seconds": round(self.wall, 4),
            "private_mb": round(max(run.private_mb for run in self.runs), 1),
            "runs": [asdict(run) for run in self.runs],
        }


def repeated(what: str, times: int, deed: Callable[[], object], before: Callable[[], object] = lambda: None) -> Series:
    """Measure a deed of this process, several times; `before` is not measured."""
    series = Series(what)
    for _ in range(times):
        before()
        with measured() as run:
            deed()
        series.runs.append(run)
    return series


@contextmanager
def measured() -> Iterator[Run]:
    """Measure what is done in the block, by all of this process's threads."""
    run, peak, is_over = Run(), [_anonymous_kb()], threading.Event()

    def watch() -> None:
        while not is_over.wait(0.01):
            peak[0] = max(peak[0], _anonymous_kb())

    watcher = threading.Thread(target=watch)
    watcher.start()
    wall, cpu = time.perf_counter(), time.process_time()
    try:
        yield run
    finally:
        run.wall, run.cpu = time.perf_counter() - wall, time.process_time() - cpu
        is_over.set()
        watcher.join()
        run.private_mb = max(peak[0], _anonymous_kb()) / 1024


def child(what: str, times: int, *command: str | Path, folder: Path) -> Series:
    """Measure another program; its memory is the peak of what it had resident."""
    series = Series(what)
    for _ in range(times):
        wall = time.perf_counter()
        process = subprocess.Popen([str(part) for part in command], cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        errors = process.stderr.read() if process.stderr else b""
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise RuntimeError(f"{command[0]} ended with {process.returncode}: {errors.decode(errors='replace')}")
        series.runs.append(Run(time.perf_counter() - wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024))
    return series


def write(name: str, facts: Mapping[str, object]) -> None:
    """Write a result, with machine and date, and tell where."""
    RESULTS.mkdir(exist_ok=True)
    file = RESULTS / f"{name}.json"
    described = {"date": datetime.now(UTC).date().isoformat(), "machine": machine(), **facts}
    file.write_text(json.dumps(described, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    sys.stdout.write(f"{file}\n")


def machine() -> dict[str, object]:
    """Return processor, cores and versions."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.processor())
    openssl = subprocess.run(["openssl", "version"], capture_output=True, text=True, check=True).stdout.split()[1]
    return {"processor": model, "cores": os.cpu_count(), "python": platform.python_version(), "openssl": openssl}


def _anonymous_kb() -> int:
    """Return this process's private pages: what is neither a file's nor shared."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("RssAnon"))
    return int(line.split()[1])
