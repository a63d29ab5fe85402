"""A client that dies: each order on standard input is one run in a forked process, killed before its nth touch of the folder.

Whatever changes a file of the folder, or asks for a connection, is a touch. Python's audit events tell of it beforehand, so
the client is not patched, and the process ends as by SIGKILL: no `finally` runs. An order is a line of JSON; so is the answer:
how many touches there were, and how the run ended: `killed`, `done` or a refusal's code.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any, NoReturn

from enrollment.client.connection import Server
from enrollment.client.folder import Form
from enrollment.client.inputs import from_values
from enrollment.client.renewal import renew
from enrollment.client.retrieval import retrieve
from kernel.clock import SystemClock
from kernel.errors import Refused

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
CHANGES = {"os.rename", "os.link", "os.remove", "os.mkdir", "os.rmdir"}
KILLED = 137


def main() -> None:
    """Obey until standard input ends."""
    for line in sys.stdin:
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reading)
            _live(json.loads(line), writing)
        os.close(writing)
        with os.fdopen(reading) as pipe:
            told = pipe.read()
        os.waitpid(child, 0)
        print(told, flush=True)  # noqa: T201 (the answer)


def _live(order: dict[str, Any], writing: int) -> NoReturn:
    folder, count = str(order["folder"]), 0

    def tell(ending: str) -> NoReturn:
        os.write(writing, json.dumps({"touches": count, "ending": ending}).encode())
        os._exit(KILLED)

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal count
        if _is_touch(event, arguments, folder):
            if count == order["killed_before"]:
                tell("killed")
            count += 1

    sys.addaudithook(watch)
    server = Server(order["url"], Path(order["ca"]), SystemClock(), patience=0)
    try:
        if order["run"] == "renew":
            renew(Path(folder), server, passphrase=_passphrase(order))
        else:
            retrieve(from_values(order["codes"]), server, Path(folder), form=Form(order["form"]), passphrase=_passphrase(order))
    except Refused as refused:
        tell(refused.code)
    tell("done")


def _passphrase(order: dict[str, Any]) -> bytes | None:
    return order["passphrase"].encode() if order["passphrase"] else None


def _is_touch(event: str, arguments: tuple[Any, ...], folder: str) -> bool:
    if event == "socket.connect":
        return True
    if event not in CHANGES and not (event == "open" and arguments[2] & WRITING):
        return False
    return any(isinstance(argument, str | os.PathLike) and str(argument).startswith(folder) for argument in arguments)


if __name__ == "__main__":
    main()
