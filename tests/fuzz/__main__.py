"""`make fuzz`: minutes of inputs for every reader, with new seeds. Each finding is an input in a folder, to be tried again.

python -m tests.fuzz --minutes 5 [--target NAME] [--seed N]
python -m tests.fuzz --again FILE...
"""

import argparse
import hashlib
import importlib.util
import secrets
import subprocess
import sys
import time
from pathlib import Path

import click

from tests.fuzz import documents
from tests.fuzz.targets import TARGETS as QUICK
from tests.fuzz.trial import Difference, Target

TARGETS = (*QUICK, documents.TARGET)
FOUND = Path(__file__).resolve().parents[2] / "fuzz-found"
CHECK_EVERY = 500
# Seconds of this process's own time that no input may take.
PATIENCE = 2


def main() -> int:
    """Fuzz, or try inputs again; 1 when something was found."""
    arguments = _arguments()
    chosen = [target for target in TARGETS if arguments.target in (None, target.name)]
    if not chosen:
        click.echo(f"no target {arguments.target}; there are {', '.join(target.name for target in TARGETS)}", err=True)
        return 2
    if arguments.again:
        return max(_again(file) for file in arguments.again)
    FOUND.mkdir(exist_ok=True)
    seconds = arguments.minutes * 60 / len(chosen)
    seed = arguments.seed if arguments.seed is not None else secrets.randbits(32)
    return max([fuzz(target, seconds, seed) for target in chosen])


def fuzz(target: Target, seconds: float, seed: int) -> int:
    """Try one reader for some seconds, half of them led by coverage where atheris is installed; 1 when it found something."""
    guided = importlib.util.find_spec("atheris") is not None
    found = _mutated(target, seconds / 2 if guided else seconds, seed)
    if guided:
        command = [sys.executable, "-m", "tests.fuzz.guided", target.name, str(int(seconds / 2) or 1), str(seed), str(FOUND)]
        found |= _led(target, command, seconds + 60)
    return int(found)


def _led(target: Target, command: list[str], patience: float) -> bool:
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=patience, text=True, check=False)
    except subprocess.TimeoutExpired:
        click.echo(f"{target.name}: led by coverage: an input takes longer than {patience:.0f} seconds")
        return True
    told = [line for line in done.stdout.splitlines() if any(word in line for word in ("DONE", "Difference", "Error"))]
    click.echo(f"{target.name}: led by coverage: {told[-1] if told else f'ended with {done.returncode}'}")
    return done.returncode != 0


def _mutated(target: Target, seconds: float, seed: int) -> bool:
    read, end, tried, taken = target.open(), time.monotonic() + seconds, 0, 0
    different: set[str] = set()
    for content in target.inputs(seed):
        begun = time.process_time()
        try:
            taken += target.judge(read, content)
            if time.process_time() - begun > PATIENCE:
                raise Difference(f"takes longer than {PATIENCE} seconds", content)  # noqa: TRY301 (as any other finding)
        except Difference as difference:
            _keep(target, difference, different)
        tried += 1
        if tried % CHECK_EVERY == 0 and time.monotonic() > end:
            break
    click.echo(f"{target.name}: {tried} inputs of seed {seed}, {taken} taken, {len(different)} findings")
    return bool(different)


def _keep(target: Target, difference: Difference, different: set[str]) -> None:
    """Keep the first input of each kind of finding."""
    kind = str(difference).rpartition(": ")[0]
    if kind in different:
        return
    different.add(kind)
    file = FOUND / f"{target.name.replace(' ', '-')}-{hashlib.sha256(difference.content).hexdigest()[:12]}"
    file.write_bytes(difference.content)
    click.echo(f"{target.name}: {kind}\n  python -m tests.fuzz --again {file}")


def _again(file: Path) -> int:
    [target] = [one for one in TARGETS if file.name.rpartition("-")[0] == one.name.replace(" ", "-")]
    try:
        taken = target.judge(target.open(), file.read_bytes())
    except Difference as difference:
        click.echo(f"{file}: {difference}")
        return 1
    click.echo(f"{file}: {'taken' if taken else 'refused'}, as it must be")
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--target", help="one reader only")
    parser.add_argument("--seed", type=int, help="inputs of an earlier run")
    parser.add_argument("--again", nargs="+", type=Path, metavar="FILE", help="kept inputs")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
