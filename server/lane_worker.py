"""A gunicorn worker whose main thread hears all connections itself and lends threads only to what is no lane's.

A connection is heard in the main thread, which never waits for one: until a request is there as a whole it costs no
thread, and what is slow is cut off. A request for the app is handed to gunicorn's threads with the octets that came.
"""

import select
import socket
import time
from abc import ABC, abstractmethod
from contextlib import suppress
from typing import Any

from gunicorn import http  # type: ignore[import-untyped]
from gunicorn.workers import gthread  # type: ignore[import-untyped]

from server import logs
from server.worker import PatientWorker

_EVENTS = 64  # connections heard in one go
_TURN = 0.02  # seconds that the lane works on before the worker looks after the rest
_LOOK_EACH = 0.25  # seconds between looks at who is idle or slow, and signs of life to the arbiter
_READ, _WRITE = select.EPOLLIN, select.EPOLLOUT


class Caller:
    """A connection in a lane: what came and is not answered, what is to be sent, when patience ends.

    `asked` is a request that waits for its answer, and since when; meanwhile nothing more is heard.
    """

    __slots__ = ("address", "asked", "came", "ends", "expires", "is_heard", "server", "since", "sock", "to_send")

    def __init__(self, sock: socket.socket, address: Any, server: Any, expires: float) -> None:  # noqa: ANN401 (socket's own)
        self.sock, self.address, self.server, self.expires = sock, address, server, expires
        self.came, self.to_send, self.ends = b"", b"", False
        self.asked: Any = None
        self.since, self.is_heard = 0.0, True


class LaneWorker(PatientWorker, ABC):
    """PatientWorker with a lane in its main thread."""

    at_once = 8_192  # octets read in one go: enough for a usual request, and cheap to allocate

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 (gunicorn's own signature)
        super().__init__(*args, **kwargs)
        self.callers: dict[int, Caller] = {}
        self.lane_log = logs.logger("server.lane")
        self._looked_after_at = self._lived_at = 0.0
        self._is_listening = False

    @abstractmethod
    def answer(self, caller: Caller) -> None:
        """Answer what came of a caller, as far as it is for the lane, or hand it over."""

    def look_after(self, now: float) -> None:
        """Do what is to be done now and then."""

    def run(self) -> None:
        """Serve until the end."""
        self._keepalive, self._deadline = self.cfg.keepalive, self.app.deadline
        self._events = select.epoll()
        self._events.register(self.poller.fileno(), _READ)
        self._listeners = {listener.fileno(): listener for listener in self.sockets}
        super().run()

    def set_accept_enabled(self, enabled: bool) -> None:  # noqa: FBT001 (gunicorn's own signature)
        """Listen, or stop listening, for connections."""
        if enabled is self._is_listening:
            return
        for number, listener in self._listeners.items():
            if enabled:
                listener.setblocking(False)  # noqa: FBT003 (socket's own signature)
                self._events.register(number, _READ)
            else:
                self._events.unregister(number)
        self._accepting = self._is_listening = enabled  # the first name is gunicorn's

    def wait_for_and_dispatch_events(self, timeout: float) -> None:
        """Serve whoever can be served, for a turn; gunicorn's own poller is one of them."""
        end = 0.0
        while events := self._events.poll(timeout, _EVENTS):
            timeout = 0
            for number, event in events:
                if (caller := self.callers.get(number)) is not None:
                    self._hear_or_send(caller, event)
                elif (listener := self._listeners.get(number)) is not None:
                    self.accept(listener)
                else:
                    super().wait_for_and_dispatch_events(timeout=0)
            now = time.monotonic()
            end = end or now + _TURN
            if now > end:
                break

    def accept(self, listener: socket.socket) -> None:
        """Take a connection that waits; what came with it is answered at once."""
        if self.nr_conns >= self.worker_connections:
            return
        try:
            sock, address = listener.accept()
        except OSError:  # another worker took it, or whoever it was has gone
            return
        self.nr_conns += 1
        self._hear_or_send(self._adopt(sock, address, listener.getsockname()), _READ)

    def finish_request(self, conn: gthread.TConn, fs: Any) -> None:  # noqa: ANN401 (gunicorn's own signature)
        """Take a connection back that the app has answered and that stays open."""
        self._busy.pop(conn, None)
        stays = self.alive and not fs.cancelled() and fs.exception() is None and fs.result() is True
        if stays and not conn.parser.unreader.buf.getvalue():
            self._adopt(conn.sock, conn.client, conn.server)
        else:
            super().finish_request(conn, fs)

    def notify(self) -> None:
        """Tell the arbiter that we live, now and then: this is called each time that something came."""
        if time.monotonic() - self._lived_at > _LOOK_EACH:
            super().notify()
            self._lived_at = time.monotonic()

    def murder_keepalived(self, force: bool = False) -> None:  # noqa: FBT001, FBT002 (gunicorn's own signature)
        """Cut off who is idle or slow for too long."""
        super().murder_keepalived(force=force)
        now = time.monotonic()
        if not force and now - self._looked_after_at < _LOOK_EACH:
            return
        self._looked_after_at = now
        for caller in [caller for caller in self.callers.values() if force or caller.expires < now]:
            self._drop(caller)
        self.look_after(now)

    def _cap_keepalive(self, deadline: float) -> None:
        """Let idle connections go soon: the worker stops."""
        super()._cap_keepalive(deadline)
        for caller in self.callers.values():
            if not caller.came and not caller.to_send:
                caller.expires = min(caller.expires, deadline)

    def answered(self, caller: Caller, octets: bytes) -> bool:
        """Send answers; return whether that was all and the connection goes on."""
        # What has begun to come while we answered gets a time of its own.
        caller.expires = time.monotonic() + (self._deadline if caller.came else self._keepalive)
        caller.to_send = octets
        return self._send(caller)

    def hold(self, caller: Caller) -> None:
        """Hear nothing more of a caller for a while."""
        self._events.unregister(caller.sock.fileno())
        caller.is_heard = False

    def hear_again(self, caller: Caller) -> None:
        """Hear whoever was held."""
        self._events.register(caller.sock.fileno(), _READ)
        caller.is_heard = True

    def hand_over(self, caller: Caller) -> None:
        """Give a connection, and what came on it, to gunicorn's threads."""
        self._forget(caller)
        conn = gthread.TConn(self.cfg, caller.sock, caller.address, caller.server)
        conn.initialized = True
        conn.parser = http.get_parser(self.cfg, caller.sock, caller.address)
        conn.parser.unreader.unread(caller.came)
        self.enqueue_req(conn)

    def _adopt(self, sock: socket.socket, address: Any, server: Any) -> Caller:  # noqa: ANN401 (socket's own)
        sock.setblocking(False)  # noqa: FBT003 (socket's own signature)
        with suppress(OSError):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        caller = Caller(sock, address, server, time.monotonic() + self._keepalive)
        self.callers[sock.fileno()] = caller
        self._events.register(sock.fileno(), _READ)
        return caller

    def _forget(self, caller: Caller) -> None:
        number = caller.sock.fileno()
        del self.callers[number]
        caller.asked = None
        if caller.is_heard:
            self._events.unregister(number)

    def _drop(self, caller: Caller) -> None:
        self._forget(caller)
        self.nr_conns -= 1
        with suppress(OSError):
            caller.sock.close()

    def _hear_or_send(self, caller: Caller, event: int) -> None:
        if event & _WRITE or caller.to_send:
            if self._send(caller):
                self._events.modify(caller.sock.fileno(), _READ)
                if caller.came:
                    self.answer(caller)
            return
        try:
            came = caller.sock.recv(self.at_once)
        except BlockingIOError:
            return
        except OSError:
            came = b""
        if not came:
            self._drop(caller)
            return
        if not caller.came:
            caller.expires = time.monotonic() + self._deadline
        caller.came += came
        self.answer(caller)

    def _send(self, caller: Caller) -> bool:
        try:
            sent = caller.sock.send(caller.to_send)
        except BlockingIOError:
            sent = 0
        except OSError:
            self._drop(caller)
            return False
        if sent < len(caller.to_send):
            # While anything is left, nothing more is read.
            caller.to_send = caller.to_send[sent:]
            self._events.modify(caller.sock.fileno(), _WRITE)
            return False
        caller.to_send = b""
        if caller.ends:
            self._drop(caller)
            return False
        return True
