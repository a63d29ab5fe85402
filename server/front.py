"""What stands before every door's app: whose address counts, and the two health pages.

`/healthz` says that the process answers; `/readyz` asks what the door needs and says what is missing.
"""

import string
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from server import client_certificates, logs
from server.proxies import is_among, visitor
from server.settings import Network

if TYPE_CHECKING:
    from server.express import Express
    from server.lane import Lane

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
Wsgi = Callable[[Environ, StartResponse], Iterable[bytes]]
STRICT_TRANSPORT = ("Strict-Transport-Security", "max-age=31536000")
# A check raises when something is wrong; what it raises is logged, and only its name is shown.
Checks = Mapping[str, Callable[[], object]]


@dataclass(frozen=True)
class Front:
    """A WSGI app before another one; `proxies` are the reverse proxies whose word we take about addresses.

    With `strict_transport` each answer tells browsers to come by https only, for a year (RFC 6797): this host, and no other
    below it.

    `certificate_proxies` are those whose word we take about client certificates: they have ended the terminals' TLS.

    `express` and `lane` are not used here: the worker of a door that has one answers through it what never comes here.
    """

    app: Wsgi
    checks: Checks
    proxies: tuple[Network, ...] = ()
    express: "Express | None" = None
    certificate_proxies: tuple[Network, ...] = ()
    strict_transport: bool = False
    lane: "Lane | None" = None
    _log: Any = field(default_factory=lambda: logs.logger("server.front"), repr=False)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer the health pages, pass on the rest. How much may be sent is each app's to say, in its own form."""
        match environ.get("PATH_INFO"):
            case "/healthz":
                return _plain(start_response, "200 OK", "ok\n")
            case "/readyz":
                return self._readiness(start_response)
        self._believe_proxy(environ)
        _escape_query(environ)
        return self.app(environ, _strictly(start_response) if self.strict_transport else start_response)

    def _believe_proxy(self, environ: Environ) -> None:
        """Take the visitor's address, scheme and certificate from a trusted proxy's headers; nobody else's copies count."""
        forwarded = environ.pop("HTTP_X_FORWARDED_FOR", "")
        scheme = environ.pop("HTTP_X_FORWARDED_PROTO", "")
        for name in (
            "HTTP_FORWARDED",
            "HTTP_X_FORWARDED_HOST",
            "HTTP_X_FORWARDED_PORT",
            "HTTP_X_FORWARDED_PREFIX",
            "HTTP_X_REAL_IP",
        ):
            environ.pop(name, None)
        certificate = tuple(environ.pop(name, "") for name in client_certificates.HEADERS)
        environ.pop(client_certificates.BY_PROXY, None)
        neighbour = environ.get("REMOTE_ADDR", "")
        if is_among(neighbour, self.certificate_proxies):
            environ[client_certificates.BY_PROXY] = certificate
        if not is_among(neighbour, self.proxies):
            return
        if scheme in {"http", "https"}:
            environ["wsgi.url_scheme"] = scheme
        environ["REMOTE_ADDR"] = visitor(neighbour, forwarded, self.proxies)

    def _readiness(self, start_response: StartResponse) -> Iterable[bytes]:
        missing = []
        for name, check in self.checks.items():
            try:
                check()
            except Exception as error:  # noqa: BLE001 (whatever it is, the door is not ready)
                self._log.warning("door.not-ready", check=name, reason=f"{type(error).__name__}: {error}")
                missing.append(name)
        if missing:
            return _plain(start_response, "503 Service Unavailable", "".join(f"{name}: not ready\n" for name in missing))
        return _plain(start_response, "200 OK", "".join(f"{name}: ready\n" for name in self.checks))


def _strictly(start_response: StartResponse) -> StartResponse:
    def start(status: str, headers: list[tuple[str, str]], *fault: object) -> object:
        return start_response(status, [*headers, STRICT_TRANSPORT], *fault)

    return start


def _escape_query(environ: Environ) -> None:
    """Escape octets of a query that no URI has (RFC 3986 §2) and some clients send: the apps would take them for UTF-8."""
    query = environ.get("QUERY_STRING", "")
    if not query.isascii():
        environ["QUERY_STRING"] = quote(query.encode("latin-1"), safe=string.printable)


def _plain(start_response: StartResponse, status: str, text: str) -> Iterable[bytes]:
    body = text.encode()
    headers = [
        ("Content-Type", "text/plain; charset=utf-8"),
        ("Content-Length", str(len(body))),
        ("Cache-Control", "no-store"),
        ("X-Content-Type-Options", "nosniff"),
    ]
    start_response(status, headers)
    return [body]
