"""gunicorn's threaded worker, hardened against slow clients, and its logger, which speaks our JSON and tells no secrets.

As shipped the worker lends a thread to every new connection, whether it says something or not, and waits without end
for the rest of a handshake or a request; and when it ends a connection, its main thread waits for the client's end of it,
for two seconds each. Here a connection costs a thread only once it has spoken, each request has a deadline, and nobody
waits for an end: so a few clients that are mute, drip, or keep their end open can not close a door.
"""

import socket
import time
from contextlib import suppress
from datetime import timedelta
from functools import partial
from typing import Any

from gunicorn import glogging  # type: ignore[import-untyped]
from gunicorn.workers import gthread  # type: ignore[import-untyped]

from server import logs
from server.redaction import without_values

# An end that lingers (RFC 9112 §9.6): closed while octets of the client come in, it could cost him the answer. It ends with the
# client's, after so many seconds, or so many octets.
_LINGERS, _DRAINED, _AT_ONCE = 2.0, 65_536, 16_384


class _End:
    """A connection on which nothing more is said: until when it lingers, and how much has still come."""

    __slots__ = ("came", "expires")

    def __init__(self) -> None:
        self.came, self.expires = 0, time.monotonic() + _LINGERS


class PatientWorker(gthread.ThreadWorker):  # type: ignore[misc]  # gunicorn carries no types
    """Threads for those who speak, and not for ever: `app.deadline` is in seconds, from the first octet to the answer's end."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 (gunicorn's own signature)
        super().__init__(*args, **kwargs)
        self._busy: dict[gthread.TConn, float] = {}
        self._ends: dict[gthread.TConn, _End] = {}
        self._looked_at = 0.0

    def enqueue_req(self, conn: gthread.TConn) -> None:
        """Let a new connection wait in the poller until its first octet; give every other one a thread."""
        if conn.initialized or conn.data_ready:
            super().enqueue_req(conn)
            return
        conn.sock.settimeout(0)
        conn.timeout = time.monotonic() + self.cfg.keepalive
        self.pending_conns.append(conn)
        self.poller.register(conn.sock, gthread.selectors.EVENT_READ, partial(self.on_pending_socket_readable, conn))

    def handle(self, conn: gthread.TConn) -> object:
        """Serve a request, in a thread; its time begins now, and not when it was queued behind others."""
        self._busy[conn] = time.monotonic()
        return super().handle(conn)

    def finish_request(self, conn: gthread.TConn, fs: Any) -> None:  # noqa: ANN401 (gunicorn's own signature)
        """Forget the deadline: the connection is idle again, or ends."""
        self._busy.pop(conn, None)
        if not fs.cancelled() and (fs.exception() is not None or fs.result()):
            super().finish_request(conn, fs)
            return
        try:
            conn.sock.settimeout(0)
            conn.sock.shutdown(socket.SHUT_WR)  # of TLS, too: what still comes is thrown away as it is
            self.poller.register(conn.sock, gthread.selectors.EVENT_READ, partial(self._drain, conn))
        except (OSError, ValueError):  # it is over
            self.nr_conns -= 1
            conn.close()
        else:
            self._ends[conn] = _End()

    def murder_pending(self) -> None:
        """Close who was mute for too long, and whose end lingers for too long."""
        super().murder_pending()
        now = time.monotonic()
        for conn in [conn for conn, end in self._ends.items() if end.expires < now]:
            self._close(conn)

    def _drain(self, conn: gthread.TConn, sock: socket.socket) -> None:
        """Throw away what comes after the end."""
        try:
            came = len(sock.recv(_AT_ONCE))
        except BlockingIOError:
            return
        except OSError:
            came = 0
        self._ends[conn].came += came
        if not came or self._ends[conn].came > _DRAINED:
            self._close(conn)

    def _close(self, conn: gthread.TConn) -> None:
        del self._ends[conn]
        self.poller.unregister(conn.sock)
        self.nr_conns -= 1
        conn.close()

    def notify(self) -> None:
        """Tell the arbiter that we live, and each second cut off whoever exceeded the deadline."""
        super().notify()
        now = time.monotonic()
        if now - self._looked_at < 1:
            return
        self._looked_at = now
        for conn, since in list(self._busy.items()):
            if now - since > self.app.deadline:
                self._busy.pop(conn, None)
                # The plain socket's own shutdown: it wakes the thread that waits on it, TLS or not.
                with suppress(OSError):
                    socket.socket.shutdown(conn.sock, socket.SHUT_RDWR)


class JsonLogger(glogging.Logger):  # type: ignore[misc]  # gunicorn carries no types
    """gunicorn's logger over ours; an access line names the path without its query, and no header but the length."""

    def setup(self, cfg: Any) -> None:  # noqa: ANN401 (gunicorn's own signature)
        """Take the place of gunicorn's own handlers."""
        self.cfg = cfg
        self._access_log_enabled = True
        self._log = logs.logger("server.door")

    def critical(self, msg: str, *args: object, **kwargs: Any) -> None:  # noqa: ANN401 (logging's own signature)
        """Log what stops the door."""
        self._write("critical", msg, args, kwargs)

    def error(self, msg: str, *args: object, **kwargs: Any) -> None:  # noqa: ANN401
        """Log a fault."""
        self._write("error", msg, args, kwargs)

    def warning(self, msg: str, *args: object, **kwargs: Any) -> None:  # noqa: ANN401
        """Log an oddity. Of a request that gunicorn itself refuses, only the address: its text may hold anything."""
        if msg.startswith("Invalid request from ip="):
            msg = msg.partition(": ")[0]
        self._write("warning", msg, args, kwargs)

    def info(self, msg: str, *args: object, **kwargs: Any) -> None:  # noqa: ANN401
        """Log the door's life; of little interest beside the supervisor's own lines."""
        self._write("debug", msg, args, kwargs)

    def debug(self, msg: str, *args: object, **kwargs: Any) -> None:  # noqa: ANN401
        """Log details."""
        self._write("debug", msg, args, kwargs)

    def exception(self, msg: str, *args: object, **kwargs: Any) -> None:  # noqa: ANN401
        """Log a fault with its traceback."""
        self._write("error", msg, args, kwargs | {"exc_info": True})

    def log(self, lvl: object, msg: str, *args: object, **kwargs: Any) -> None:  # noqa: ANN401
        """Log at a level that is known only then."""
        self._write(str(lvl).lower() if isinstance(lvl, str) else "info", msg, args, kwargs)

    def access(self, resp: Any, req: Any, environ: dict[str, Any], request_time: timedelta) -> None:  # noqa: ANN401
        """Log one request."""
        del req
        self.answered(
            method=environ.get("REQUEST_METHOD"),
            path=environ.get("PATH_INFO"),
            status=str(resp.status),
            octets=resp.sent,
            seconds=request_time.total_seconds(),
            address=environ.get("REMOTE_ADDR"),
        )

    def answered(
        self, *, method: str | None, path: str | None, status: str, octets: int, seconds: float, address: str | None
    ) -> None:
        """Log one request, whoever answered it: a lane, or the app."""
        self._log.info(
            "door.request",
            method=method,
            path=path,
            status=int(status.split(maxsplit=1)[0]),
            octets=octets,
            milliseconds=round(seconds * 1000, 1),
            address=address,
        )

    def reopen_files(self) -> None:
        """Do nothing: there are no files."""

    def close_on_exec(self) -> None:
        """Do nothing: there are no files."""

    def _write(self, level: str, msg: str, args: tuple[object, ...], kwargs: dict[str, Any]) -> None:
        text = msg % args if args else msg
        getattr(self._log, level)("door.server", text=without_values(text), exc_info=kwargs.get("exc_info", False))
