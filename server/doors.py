"""One door in one process: a WSGI app under gunicorn, on a socket that is already open.

The app is made in the worker, after the fork: database connections and keys are never shared between processes.
"""

import gc
import os
import socket
import ssl
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from gunicorn.app.base import BaseApplication  # type: ignore[import-untyped]
from gunicorn.arbiter import Arbiter  # type: ignore[import-untyped]
from gunicorn.errors import HaltServer  # type: ignore[import-untyped]

from server.process import Starting, allow_many_files, keep_few_arenas
from server.settings import DoorSettings
from server.tls import CachedContext, Credentials
from server.trouble import Trouble
from server.worker import JsonLogger, PatientWorker

Environ = dict[str, Any]
Wsgi = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]
_DOORS_OF_SCEP = ("retrieval", "plain")
# Seconds that requests under way get when the door is closed.
GRACE = 10
# What a worker hears at once, and the files that it needs beside its connections.
_CONNECTIONS, _OTHER_FILES = 1_000, 100


class PortTaken(Trouble):
    """The door's address can not be had; the text is one sentence for the operator."""


@dataclass(frozen=True)
class Door:
    """What a door is made of: `app` is called in the worker, `credentials` is None for plain HTTP, `worker` serves."""

    name: str
    settings: DoorSettings
    app: Callable[[], Wsgi]
    credentials: Credentials | None
    worker: type[PatientWorker] = PatientWorker


def listen(name: str, settings: DoorSettings) -> socket.socket:
    """Open a door's socket, before anything else is started.

    Raises PortTaken.
    """
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
    except OSError as error:
        listener.close()
        reason = error.strerror or str(error)
        remedy = f"stop what uses it, or choose another with TEGATA_{name.upper()}__BIND"
        raise PortTaken(f"{name}: can not listen at {settings.bind}: {reason}; {remedy}") from error
    listener.listen(512)
    return listener


def serve(door: Door, listener: socket.socket, starting: Starting) -> None:
    """Serve until SIGTERM (or SIGINT), then end the process; `starting` is told when a worker takes requests, or can not."""
    ours = os.getpid()
    keep_few_arenas()
    # What is here before a worker forks is not looked at by its collector, so that its pages stay shared.
    gc.collect()
    gc.freeze()
    try:
        _Application(door, listener, starting).run()
    except SystemExit as end:
        # gunicorn has its own numbers for workers that do not start; a worker passes here, too, and must keep its.
        raise SystemExit(end.code if os.getpid() != ours else 1 if end.code else 0) from None
    except HaltServer:  # a worker that did not start, found while SIGTERM ended the door
        raise SystemExit(1) from None


class _Application(BaseApplication):  # type: ignore[misc]  # gunicorn carries no types
    """gunicorn's view of a door."""

    def __init__(self, door: Door, listener: socket.socket, starting: Starting) -> None:
        self._door = door
        self.deadline = door.settings.deadline
        # gunicorn duplicates the descriptor and closes the one that it was given.
        self._descriptor = listener.detach()
        self._context = CachedContext(door.credentials) if door.credentials else None
        self._starting = starting
        super().__init__()

    def load_config(self) -> None:
        for name, value in self._configuration().items():
            self.cfg.set(name, value)

    def load(self) -> Wsgi:
        try:
            if self._context is not None:
                self._context.current()  # a chain and key that do not fit are told at start
            return self._door.app()
        except Trouble as trouble:
            # The operator's to mend, and said: no traceback, and gunicorn starts no other worker that would fail alike.
            self._starting.failed(str(trouble))
            raise SystemExit(Arbiter.APP_LOAD_ERROR) from None
        except Exception as error:
            self._starting.failed(str(error) or type(error).__name__)
            raise

    def _configuration(self) -> dict[str, Any]:
        settings = self._door.settings
        values: dict[str, Any] = {
            "bind": [f"fd://{self._descriptor}"],
            "proc_name": f"tegata {self._door.name}",
            "workers": settings.workers,
            "threads": settings.threads,
            "worker_class": self._door.worker,
            "logger_class": JsonLogger,
            "worker_connections": min(_CONNECTIONS, max(allow_many_files() - _OTHER_FILES, 2 * settings.threads)),
            "keepalive": 15,
            "timeout": 60,
            "graceful_timeout": GRACE,
            # An OCSP request in a GET (RFC 6960 appendix A.1) is below 4,094 octets; SCEP's (RFC 8894 §4.3) is longer.
            "limit_request_line": 8_190 if self._door.name in _DOORS_OF_SCEP else 4_094,
            "limit_request_fields": 64,
            "limit_request_field_size": 8_190,
            # Forwarded headers are judged in server.proxies, from our own list.
            "forwarded_allow_ips": "",
            "control_socket_disable": True,
            "post_worker_init": self._tell_ready,
        }
        if os.path.isdir("/dev/shm"):  # noqa: PTH112, S108 (the heartbeat file must not wait for a disk)
            values["worker_tmp_dir"] = "/dev/shm"  # noqa: S108
        if self._door.credentials:
            # `is_ssl` follows from these names; the context itself comes from the hook.
            values |= {
                "certfile": str(self._door.credentials.chain),
                "keyfile": str(self._door.credentials.key),
                "ssl_context": self._tls,
            }
        return values

    def _tls(self, _config: object, _default: object) -> ssl.SSLContext:
        if self._context is None:
            raise RuntimeError("a door without credentials was asked for TLS")
        return self._context.current()

    def _tell_ready(self, _worker: object) -> None:
        self._starting.ready()
