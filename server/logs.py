"""Logging: JSON lines on standard error, ours and those of every library. Secrets have no place in them."""

import json
import logging
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from types import TracebackType

from server.redaction import without_values

# Facts under these names are never written, whoever logs them.
SECRET_NAMES = frozenset(
    {
        "password",
        "passphrase",
        "access_key",
        "auth_code_1",
        "auth_code_2",
        "auth_code_3",
        "csr",
        "cookie",
        "authorization",
        "secret",
    }
)
# What went wrong: an exception, its three parts, or True for the one that is being dealt with.
Fault = BaseException | tuple[type[BaseException], BaseException, TracebackType | None] | bool | None


class Log:
    """Writes down what happened: events are `noun.verb`, facts are keywords."""

    def __init__(self, name: str, **facts: object) -> None:
        self._logger = logging.getLogger(name)
        self._facts = facts

    def bind(self, **facts: object) -> "Log":
        """Return a log that says these facts in each of its lines, too."""
        return Log(self._logger.name, **self._facts, **facts)

    def debug(self, event: str, /, *, exc_info: Fault = None, **facts: object) -> None:
        """Write a detail."""
        self._write(logging.DEBUG, event, facts, exc_info)

    def info(self, event: str, /, *, exc_info: Fault = None, **facts: object) -> None:
        """Write what was done."""
        self._write(logging.INFO, event, facts, exc_info)

    def warning(self, event: str, /, *, exc_info: Fault = None, **facts: object) -> None:
        """Write an oddity."""
        self._write(logging.WARNING, event, facts, exc_info)

    def error(self, event: str, /, *, exc_info: Fault = None, **facts: object) -> None:
        """Write a fault."""
        self._write(logging.ERROR, event, facts, exc_info)

    def exception(self, event: str, /, *, exc_info: Fault = True, **facts: object) -> None:
        """Write a fault with the traceback of the exception that is being dealt with."""
        self._write(logging.ERROR, event, facts, exc_info)

    def critical(self, event: str, /, *, exc_info: Fault = None, **facts: object) -> None:
        """Write what ends the process."""
        self._write(logging.CRITICAL, event, facts, exc_info)

    def _write(self, level: int, event: str, facts: Mapping[str, object], fault: Fault) -> None:
        if self._logger.isEnabledFor(level):
            # The caller's line is not looked for: an event's name says enough, and each request writes one.
            record = logging.LogRecord(self._logger.name, level, "", 0, event, None, _parts(fault))
            record.facts = {**self._facts, **facts}
            self._logger.handle(record)


class JsonLines(logging.Formatter):
    """A line of JSON for each record: its facts, event, level, instant, traceback, and which process wrote it."""

    def __init__(self, process: str) -> None:
        super().__init__()
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, without its end."""
        line: dict[str, object] = {
            **getattr(record, "facts", {}),
            "event": record.getMessage(),
            "level": record.levelname.lower(),
            "timestamp": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z"),
        }
        if record.exc_info and record.exc_info[0]:
            line["exception"] = self.formatException(record.exc_info)
        line["process"] = self._process
        return json.dumps({name: _without_secrets(name, value) for name, value in line.items()}, ensure_ascii=False, default=repr)


def configure(process: str, level: str) -> None:
    """Send everything that this process logs to standard error, one JSON object a line."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines(process))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    logging.captureWarnings(capture=True)


def logger(name: str) -> Log:
    """Return the log of a module."""
    return Log(name)


def _parts(fault: Fault) -> tuple[type[BaseException], BaseException, TracebackType | None] | None:
    if isinstance(fault, BaseException):
        return type(fault), fault, fault.__traceback__
    if isinstance(fault, tuple):
        return fault
    current = sys.exception() if fault else None
    return (type(current), current, current.__traceback__) if current else None


def _without_secrets(name: str, value: object) -> object:
    if name in SECRET_NAMES:
        return "(not logged)"
    return without_values(value) if isinstance(value, str) else value
