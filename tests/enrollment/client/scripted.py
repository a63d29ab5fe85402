"""A door that answers by script, for what a real one does only on a bad day; and a proxy."""

import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from server.front import Environ, StartResponse, Wsgi
from server.tls import Credentials
from tests.support.open_doors import listener_url, serving


@dataclass(frozen=True)
class Reply:
    """One answer of the script; with `through` the real app is asked first, and its answer is lost on the way."""

    status: str = "200 OK"
    body: bytes = b"{}"
    headers: tuple[tuple[str, str], ...] = (("Content-Type", "application/json"),)
    through: bool = False


# The real app's answer, in the middle of a script.
REAL = Reply("as the real one")


@dataclass
class ScriptedDoor:
    """Answers one reply after the other, then as `real`. `seen` are the bodies that came."""

    script: list[Reply]
    real: Wsgi | None = None
    seen: list[dict[str, str]] = field(default_factory=list)
    on_request: Callable[[], None] = lambda: None

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer."""
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        self.seen.append(json.loads(body or b"{}"))
        self.on_request()
        reply = self.script.pop(0) if self.script else None
        if reply is None or reply is REAL:
            return self._ask(environ, body, start_response)
        if reply.through:
            self._ask(environ, body, _swallow)
        start_response(reply.status, list(reply.headers))
        return [reply.body]

    def _ask(self, environ: Environ, body: bytes, start_response: StartResponse) -> Iterable[bytes]:
        if self.real is None:
            raise LookupError("the script is over")
        return list(self.real(environ | {"wsgi.input": _Body(body)}, start_response))


def problem(status: str, code: str, *headers: tuple[str, str]) -> Reply:
    """Return a problem document."""
    content = {"code": code, "title": f"{code} の説明", "title_en": f"about {code}"}
    return Reply(status, json.dumps(content).encode(), (("Content-Type", "application/problem+json"), *headers))


@contextmanager
def scripted(door: Wsgi, credentials: Credentials) -> Iterator[str]:
    """Serve a door over TLS and give its address."""
    listener = socket.create_server(("127.0.0.1", 0))
    url = listener_url(listener)
    with serving(door, listener, credentials):
        yield url


@contextmanager
def raw_tls(
    credentials: Credentials, talk: Callable[[ssl.SSLSocket], None], *, most: ssl.TLSVersion | None = None
) -> Iterator[str]:
    """Serve connections that `talk` spoils as it likes."""
    listener = socket.create_server(("127.0.0.1", 0))
    url = listener_url(listener)
    context = credentials.context()
    if most is not None:
        context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
        context.maximum_version = most
        context.set_ciphers("ALL:@SECLEVEL=0")

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            try:
                with context.wrap_socket(connection, server_side=True) as wrapped:
                    talk(wrapped)
            except OSError:
                connection.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield url
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


@dataclass
class Proxy:
    """An HTTP proxy that knows CONNECT. `greeted` are the request heads that came."""

    answer: bytes = b"HTTP/1.1 200 OK\r\n\r\n"
    greeted: list[str] = field(default_factory=list)

    @contextmanager
    def open(self) -> Iterator[str]:
        """Serve on loopback and give host and port."""
        listener = socket.create_server(("127.0.0.1", 0))
        thread = threading.Thread(target=self._serve, args=(listener,), daemon=True)
        thread.start()
        try:
            yield f"127.0.0.1:{listener.getsockname()[1]}"
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()
            thread.join()

    def _serve(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._tunnel, args=(client,), daemon=True).start()

    def _tunnel(self, client: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            if not (piece := client.recv(4096)):
                client.close()
                return
            head += piece
        self.greeted.append(head.decode("ascii"))
        client.sendall(self.answer)
        if not self.answer.startswith(b"HTTP/1.1 200"):
            client.close()
            return
        host, _, port = head.split()[1].decode("ascii").rpartition(":")
        server = socket.create_connection((host, int(port)))
        back = threading.Thread(target=_pipe, args=(server, client), daemon=True)
        back.start()
        _pipe(client, server)
        back.join()


def _pipe(source: socket.socket, target: socket.socket) -> None:
    try:
        while piece := source.recv(65_536):
            target.sendall(piece)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        target.close()


def _swallow(*_arguments: Any) -> None:  # noqa: ANN401 (WSGI's start_response)
    """Lose a response's head."""


class _Body:
    """A WSGI input that was read once already."""

    def __init__(self, content: bytes) -> None:
        self._left = content

    def read(self, size: int = -1) -> bytes:
        """Return what is left, at most `size` octets."""
        size = len(self._left) if size < 0 else size
        piece, self._left = self._left[:size], self._left[size:]
        return piece
