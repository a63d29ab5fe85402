import ipaddress
from typing import Any

import pytest

from server.front import STRICT_TRANSPORT, Environ, Front, StartResponse

PROXIES = (ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("::1"))


def seen_through(headers: dict[str, Any]) -> Environ:
    seen: Environ = {}

    def app(environ: Environ, start_response: StartResponse) -> list[bytes]:
        seen.update(environ)
        start_response("200 OK", [])
        return []

    environ = {"PATH_INFO": "/", "wsgi.url_scheme": "http", **headers}
    Front(app, {}, PROXIES)(environ, lambda _status, _headers: None)
    return seen


def readiness(checks: dict[str, Any]) -> tuple[str, str]:
    told: list[str] = []
    body = Front(lambda _environ, _start: [], checks)({"PATH_INFO": "/readyz"}, lambda status, _headers: told.append(status))
    return told[0], b"".join(body).decode()


@pytest.mark.parametrize(
    ("remote", "forwarded", "address"),
    [
        ("192.0.2.1", "198.51.100.9", "192.0.2.1"),  # a visitor's own header
        ("10.0.0.1", "198.51.100.9", "198.51.100.9"),
        ("10.0.0.1", "203.0.113.5, 198.51.100.9, 10.0.0.2", "198.51.100.9"),  # what the visitor put first does not count
        ("::1", "", "::1"),
    ],
)
def test_only_a_trusted_proxy_is_believed_about_the_address(remote: str, forwarded: str, address: str) -> None:
    seen = seen_through({"REMOTE_ADDR": remote, "HTTP_X_FORWARDED_FOR": forwarded})
    assert seen["REMOTE_ADDR"] == address
    assert "HTTP_X_FORWARDED_FOR" not in seen


def test_only_a_trusted_proxy_is_believed_about_the_scheme() -> None:
    headers = {"HTTP_X_FORWARDED_PROTO": "https", "HTTP_X_FORWARDED_HOST": "evil.example.jp"}
    assert seen_through({"REMOTE_ADDR": "10.0.0.1", **headers})["wsgi.url_scheme"] == "https"
    stranger = seen_through({"REMOTE_ADDR": "192.0.2.1", **headers})
    assert stranger["wsgi.url_scheme"] == "http"
    assert "HTTP_X_FORWARDED_HOST" not in stranger


def test_readiness_names_what_is_missing_and_nothing_more() -> None:
    def broken() -> None:
        raise RuntimeError("the inner reason")

    status, text = readiness({"database": lambda: None, "key": broken})
    assert (status, text) == ("503 Service Unavailable", "key: not ready\n")
    assert readiness({"database": lambda: None}) == ("200 OK", "database: ready\n")


@pytest.mark.parametrize("is_strict", [True, False])
def test_browsers_are_told_to_come_by_https_only_where_that_is_so(is_strict: bool) -> None:  # noqa: FBT001
    told: list[tuple[str, str]] = []

    def app(_environ: Environ, start_response: StartResponse) -> list[bytes]:
        start_response("302 Found", [("Location", "/login")])
        return []

    Front(app, {}, strict_transport=is_strict)({"PATH_INFO": "/"}, lambda _status, headers: told.extend(headers))
    assert told == [("Location", "/login"), *([STRICT_TRANSPORT] if is_strict else [])]
