"""The way to a door, step by step, so that the one that fails can be named: address, proxy, name, connection, TLS.

The first failing step ends it; nothing is tried twice, no certificate is shown and nothing is asked.
"""

import socket
from collections.abc import Callable, Iterator
from urllib.parse import SplitResult

from enrollment.client import connection
from enrollment.client.connection import Server
from enrollment.client.findings import Check, Finding, Verdict, fault, good, told
from kernel.errors import Refused

# OpenSSL's reasons not to trust a certificate (x509_vfy.h).
_NOT_YET_VALID, _EXPIRED, _OTHER_NAME, _OTHER_ADDRESS = 9, 10, 62, 64


def way_to(server: Server) -> list[Finding]:
    """Return a finding for each step, up to the first fault."""
    found: list[Finding] = []
    for finding in _steps(server):
        found.append(finding)
        if finding.verdict is Verdict.FAULT:
            break
    return found


def _steps(server: Server) -> Iterator[Finding]:
    try:
        address = connection.require_address(server.url)
    except Refused as refused:
        yield told(Check.ADDRESS, refused, "E101")
        return
    yield good(Check.ADDRESS, "address", address=server.url)
    try:
        proxy = connection.require_proxy(server.proxy) if server.proxy else None
    except Refused as refused:
        yield told(Check.PROXY, refused, "E102")
        return
    next_host, next_port = _host_of(proxy, 8080) if proxy else _host_of(address, 443)
    yield good(Check.PROXY, "proxy", proxy=f"{next_host}:{next_port}") if proxy else good(Check.PROXY, "no-proxy")
    yield _name(next_host, next_port, by_proxy=proxy is not None)
    yield _connection(next_host, next_port, server.timeout, by_proxy=proxy is not None)
    yield _tls(server)


def _host_of(parts: SplitResult, usual_port: int) -> tuple[str, int]:
    return str(parts.hostname), parts.port or usual_port


def _name(host: str, port: int, *, by_proxy: bool) -> Finding:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError) as error:
        if getattr(error, "errno", None) == socket.EAI_AGAIN:
            return fault(Check.NAME, "name-server-silent", "E111", host=host)
        return fault(Check.NAME, "name-unknown", "E102" if by_proxy else "E101", host=host)
    return good(Check.NAME, "name", host=host, addresses=", ".join(sorted({str(entry[4][0]) for entry in found})))


def _connection(host: str, port: int, timeout: float, *, by_proxy: bool) -> Finding:
    facts: dict[str, object] = {"host": host, "port": port}
    try:
        socket.create_connection((host, port), timeout).close()
    except TimeoutError:
        return fault(Check.CONNECTION, "connection-silent", "E113", **facts)
    except OSError as error:
        return fault(Check.CONNECTION, "connection-refused", "E102" if by_proxy else "E111", detail=error.strerror, **facts)
    return good(Check.CONNECTION, "connection", **facts)


def _tls(server: Server) -> Finding:
    try:
        made = connection.handshake(server)
    except Refused as refused:
        return _BROKEN.get(refused.code, _other)(server, refused)
    return good(Check.TLS, "tls", version=made.version, not_after=made.not_after)


def _untrusted(server: Server, refused: Refused) -> Finding:
    """Tell why the door is not trusted: the clock, the address, or somebody in between."""
    seen = connection.shown(server)
    reason = refused.facts.get("verify_code")
    facts: dict[str, object] = {
        "detail": refused.facts["detail"],
        "issuer": connection.one_line(seen.issuer.rfc4514_string()) if seen else None,
        "not_before": seen.not_valid_before_utc if seen else None,
        "not_after": seen.not_valid_after_utc if seen else None,
        "now": server.clock.now(),
    }
    if reason in (_NOT_YET_VALID, _EXPIRED):
        return fault(Check.TLS, "tls-period", "E111", **facts)
    if reason in (_OTHER_NAME, _OTHER_ADDRESS):
        return fault(Check.TLS, "tls-other-name", "E101", **facts)
    return fault(Check.TLS, "tls-untrusted", "E111", **facts)


def _unreachable(_server: Server, refused: Refused) -> Finding:
    is_late = refused.facts.get("kind") == "timeout"
    return fault(Check.TLS, "tls-silent" if is_late else "tls-broken", "E113" if is_late else "E111", **refused.facts)


def _other(_server: Server, refused: Refused) -> Finding:
    return told(Check.TLS, refused, "E102" if refused.code == "proxy-refused" else "E111")


def _failed(_server: Server, refused: Refused) -> Finding:
    return fault(Check.TLS, "tls-failed", "E111", detail=refused.facts.get("detail"))


_BROKEN: dict[str, Callable[[Server, Refused], Finding]] = {
    "server-not-trusted": _untrusted,
    "unreachable": _unreachable,
    "tls-failed": _failed,
}
