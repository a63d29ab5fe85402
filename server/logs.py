"""Logging: JSON lines on standard error, from structlog and from every library. Secrets have no place in them."""

import logging
import sys
from typing import Any, cast

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

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


def configure(process: str, level: str) -> None:
    """Send everything that this process logs to standard error, one JSON object a line."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _named(process),
        _without_secrets,
    ]
    # The renderer's output goes straight to the root handler: ProcessorFormatter renders both worlds alike.
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(ensure_ascii=False),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    logging.captureWarnings(capture=True)


def logger(name: str) -> structlog.stdlib.BoundLogger:
    """Return the logger of a module; events are `noun.verb`, facts are keywords."""
    return cast("structlog.stdlib.BoundLogger", structlog.get_logger(name))


def _named(process: str) -> Processor:
    def add(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        event["process"] = process
        return event

    return add


def _without_secrets(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    for name, value in list(event.items()):
        if name in SECRET_NAMES:
            event[name] = "(not logged)"
        elif isinstance(value, str):
            event[name] = without_values(value)
    return cast("dict[str, Any]", event)
