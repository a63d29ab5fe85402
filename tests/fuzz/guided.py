"""One reader under atheris, which keeps inputs that reach new code and changes those further. A process of its own.

    python -m tests.fuzz.guided NAME SECONDS SEED FOLDER

atheris is no dependency: who wants it installs it (`pip install atheris`).
"""

import importlib
import sys
from random import Random
from typing import Any


def main() -> None:
    """Fuzz until the seconds are over; atheris ends the process, with 77 and a file `NAME-…` when it finds something."""
    name, seconds, seed, folder = sys.argv[1:]
    atheris: Any = importlib.import_module("atheris")
    with atheris.instrument_imports(include=["ca", "enrollment", "kernel", "registry", "server", "webui"]):
        targets = importlib.import_module("tests.fuzz.__main__").TARGETS
    [target] = [one for one in targets if one.name == name]
    read, seeds = target.open(), list(target.seeds())

    def one(content: bytes) -> None:
        target.judge(read, content)

    def mutate(content: bytes, largest: int, number: int) -> bytes:
        # Half of the time from what has come so far, so that one fault stands upon the other.
        chance = Random(number)  # noqa: S311 (test material)
        changed: bytes = target.mutate(chance, [content] if content and number % 2 else seeds)
        return changed[:largest]

    options = [
        f"-max_total_time={seconds}",
        f"-seed={seed}",
        "-max_len=20000",
        f"-artifact_prefix={folder}/{name.replace(' ', '-')}-",
    ]
    atheris.Setup([sys.argv[0], *options], one, custom_mutator=mutate)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
