"""A gunicorn worker whose main thread answers the express lane by itself and lends threads to everything else.

A connection is heard in the main thread, which never waits for one: until a request is there as a whole it costs no
thread, and what is slow is cut off. A request for the app is handed to gunicorn's threads with the octets that came.
"""

import select
import socket
import time
from contextlib import suppress
from typing import Any

from gunicorn import http  # type: ignore[import-untyped]
from gunicorn.workers import gthread  # type: ignore[import-untyped]

from server import logs
from server.express import Ask, Express, Next
from server.worker import PatientWorker

_AT_ONCE = 8_192  # octets read in one go: enough for a request, and cheap to allocate
_EVENTS = 64  # connections heard in one go
_TURN = 0.02  # seconds that the express lane works on before the worker looks after the rest
_LOOK_EACH = 0.25  # seconds between looks at who is idle or slow, and signs of life to the arbiter
_TELL_EACH = 60.0  # seconds between log lines of the express lane
_REFUSAL = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
_READ, _WRITE = select.EPOLLIN, select.EPOLLOUT


class Caller:
    """A connection in the express lane: what came and is not answered, what is to be sent, when patience ends."""

    __slots__ = ("address", "came", "ends", "expires", "server", "sock", "to_send")

    def __init__(self, sock: socket.socket, address: Any, server: Any, expires: float) -> None:  # noqa: ANN401 (socket's own)
        self.sock, self.address, self.server, self.expires = sock, address, server, expires
        self.came, self.to_send, self.ends = b"", b"", False


class ExpressWorker(PatientWorker):
    """PatientWorker with an express lane in its main thread."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 (gunicorn's own signature)
        super().__init__(*args, **kwargs)
        self._callers: dict[int, Caller] = {}
        self._lane_log = logs.logger("server.express")
        self._answered, self._told_at = 0, time.monotonic()
        self._looked_after_at = self._lived_at = 0.0
        self._is_listening = False

    def run(self) -> None:
        """Serve until the end."""
        self._express: Express = self.wsgi.express
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
                if (caller := self._callers.get(number)) is not None:
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
        for caller in [caller for caller in self._callers.values() if force or caller.expires < now]:
            self._drop(caller)
        if self._answered and now - self._told_at > _TELL_EACH:
            self._lane_log.info("ocsp.answered", requests=self._answered, seconds=round(now - self._told_at))
            self._answered, self._told_at = 0, now

    def _cap_keepalive(self, deadline: float) -> None:
        """Let idle connections go soon: the worker stops."""
        super()._cap_keepalive(deadline)
        for caller in self._callers.values():
            if not caller.came and not caller.to_send:
                caller.expires = min(caller.expires, deadline)

    def _adopt(self, sock: socket.socket, address: Any, server: Any) -> Caller:  # noqa: ANN401 (socket's own)
        sock.setblocking(False)  # noqa: FBT003 (socket's own signature)
        with suppress(OSError):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        caller = Caller(sock, address, server, time.monotonic() + self._keepalive)
        self._callers[sock.fileno()] = caller
        self._events.register(sock.fileno(), _READ)
        return caller

    def _forget(self, caller: Caller) -> None:
        number = caller.sock.fileno()
        del self._callers[number]
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
                self._answer(caller)  # what came with it
            return
        try:
            came = caller.sock.recv(_AT_ONCE)
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
        self._answer(caller)

    def _answer(self, caller: Caller) -> None:
        """Answer all requests that are there, in their order, up to one that is not for us."""
        octets, at, answers, express = caller.came, 0, [], self._express
        found: Ask | Next = Next.WAIT
        while at < len(octets) and not caller.ends:
            found = express.next(octets, at)
            if not isinstance(found, Ask):
                break
            at = found.end
            caller.ends = not (found.keep and self.alive)
            answers.append(express.answer(found.der, keep=not caller.ends))
        self._answered += len(answers)
        caller.came = octets[at:]
        if found is Next.REFUSE:
            answers.append(_REFUSAL)
            caller.ends = True
        if answers:
            # What has begun to come while we answered gets a time of its own.
            caller.expires = time.monotonic() + (self._deadline if caller.came else self._keepalive)
            caller.to_send = answers[0] if len(answers) == 1 else b"".join(answers)
            if not self._send(caller):
                return
        if found is Next.APP:
            self._hand_over(caller)

    def _send(self, caller: Caller) -> bool:
        """Send what can be sent now; return whether that was all and the connection goes on."""
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

    def _hand_over(self, caller: Caller) -> None:
        """Give a connection, and what came on it, to gunicorn's threads."""
        self._forget(caller)
        conn = gthread.TConn(self.cfg, caller.sock, caller.address, caller.server)
        conn.initialized = True
        conn.parser = http.get_parser(self.cfg, caller.sock, caller.address)
        conn.parser.unreader.unread(caller.came)
        self.enqueue_req(conn)
