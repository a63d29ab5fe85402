import email.utils
import json
import socket
import ssl
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from enrollment.client import connection
from enrollment.client.connection import Server
from kernel.errors import Refused
from server.tls import Credentials
from tests.enrollment.client.scripted import Proxy, Reply, ScriptedDoor, problem, raw_tls, scripted
from tests.server.pki import TrialCa
from tests.support.open_doors import OpenDoors
from tests.support.ports import free_port

Reach = Callable[..., Server]
AWAY = problem("503 Service Unavailable", "unavailable", ("Retry-After", "5"))


def _post(server: Server) -> connection.Answer:
    return connection.post(server, "/somewhere", {"a": "1"})


def _refusal(server: Server) -> Refused:
    with pytest.raises(Refused) as caught:
        _post(server)
    return caught.value


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost", "localhost:8444", "https://", "https://localhost:99999", "https://localhost:0", "", "https://[::1",
        "https://user@localhost", "https://localhost/?a=b", "https://localhost/#a", "ftp://localhost",
    ],
)  # fmt: skip
def test_what_is_no_https_address_is_refused_before_anything_is_sent(reach: Reach, url: str) -> None:
    assert _refusal(reach(url)).code == "address-invalid"


def test_an_answer_of_success_is_returned(reach: Reach, credentials: Credentials) -> None:
    door = ScriptedDoor([Reply("201 Created", b'{"b": "2"}')])
    with scripted(door, credentials) as url:
        assert _post(reach(url + "/")) == connection.Answer(201, {"b": "2"})
    assert door.seen == [{"a": "1"}]


@pytest.mark.parametrize("bundle", ["missing", "empty", "other"])
def test_only_the_roots_that_were_given_are_trusted(
    reach: Reach, credentials: Credentials, tmp_path: Path, bundle: str
) -> None:  # fmt: skip
    file = tmp_path / "roots.pem"
    if bundle == "empty":
        file.write_text("nothing", encoding="ascii")
    if bundle == "other":
        file = TrialCa(tmp_path, "other").certificate
    door = ScriptedDoor([])
    with scripted(door, credentials) as url:
        assert _refusal(reach(url, file)).code == ("server-not-trusted" if bundle == "other" else "trust-unreadable")
    assert door.seen == []


def test_the_servers_name_is_verified(reach: Reach, credentials: Credentials, waits: list[float]) -> None:
    door = ScriptedDoor([])
    with scripted(door, credentials) as url:
        refusal = _refusal(reach(url.replace("localhost", "127.0.0.1")))
    assert refusal.code == "server-not-trusted"
    assert (door.seen, waits) == ([], [])


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1:DeprecationWarning")
def test_tls_below_1_2_is_not_spoken(reach: Reach, credentials: Credentials) -> None:
    with raw_tls(credentials, lambda _: None, most=ssl.TLSVersion.TLSv1_1) as url:
        assert _refusal(reach(url)).code == "tls-failed"


def test_a_door_that_is_away_is_waited_for(reach: Reach, credentials: Credentials, waits: list[float]) -> None:
    door = ScriptedDoor([AWAY, problem("502 Bad Gateway", "x"), Reply("504 Gateway Timeout", b"<html>"), Reply()])
    with scripted(door, credentials) as url:
        assert _post(reach(url)).status == 200
    assert len(door.seen) == 4
    assert 5 <= waits[0] <= 6.25
    assert 2 <= waits[1] <= 2.5
    assert 4 <= waits[2] <= 5


def test_patience_has_an_end_and_the_doors_own_words_are_told(reach: Reach, credentials: Credentials, waits: list[float]) -> None:
    with scripted(ScriptedDoor([AWAY] * 100), credentials) as url:
        refusal = _refusal(reach(url, patience=60))
    assert (refusal.code, refusal.facts["status"], refusal.facts["retry_after"]) == ("unavailable", 503, 5)
    assert refusal.facts["title_en"] == "about unavailable"
    assert sum(waits) <= 60


def test_a_wait_beyond_patience_is_told_at_once(reach: Reach, credentials: Credentials, waits: list[float]) -> None:
    with scripted(ScriptedDoor([problem("429 Too Many Requests", "throttled", ("Retry-After", "1800"))]), credentials) as url:
        refusal = _refusal(reach(url))
    assert (refusal.code, refusal.facts["retry_after"], waits) == ("throttled", 1800, [])


def test_retry_after_may_be_a_date(reach: Reach, doors: OpenDoors, credentials: Credentials, waits: list[float]) -> None:
    at = email.utils.format_datetime(doors.house.clock.now() + timedelta(seconds=40), usegmt=True)
    with scripted(ScriptedDoor([problem("503 X", "unavailable", ("Retry-After", at)), Reply()]), credentials) as url:
        _post(reach(url))
    assert 37 <= waits[0] <= 51


@pytest.mark.parametrize("value", ["soon", "-5", "1.5", "9" * 400, "Tue, 99 Foo 2026"])
def test_a_senseless_retry_after_breaks_nothing(reach: Reach, credentials: Credentials, value: str) -> None:
    with scripted(ScriptedDoor([problem("503 X", "unavailable", ("Retry-After", value))] * 20), credentials) as url:
        assert _refusal(reach(url)).code == "unavailable"


@pytest.mark.parametrize("status", [400, 401, 403, 409, 413, 415, 422, 500])
def test_a_refusal_is_not_repeated(reach: Reach, credentials: Credentials, waits: list[float], status: int) -> None:
    door = ScriptedDoor([problem(f"{status} X", "codes-wrong")])
    with scripted(door, credentials) as url:
        refusal = _refusal(reach(url))
    assert (refusal.code, refusal.facts["status"], waits, len(door.seen)) == ("codes-wrong", status, [], 1)


@pytest.mark.parametrize(
    "reply",
    [
        Reply("200 OK", b"<html>welcome</html>"),
        Reply("200 OK", b"[1]"),
        Reply("200 OK", b'{"a":"' + b"x" * (1 << 20) + b'"}'),
        Reply("200 OK", b"[" * 100_000),
        Reply("302 Found", b"", (("Location", "https://elsewhere.example.jp/"),)),
        Reply("403 Forbidden", b"<html>proxy says no</html>"),
        Reply("403 Forbidden", b'{"code": 5}'),
        Reply("403 Forbidden", b'{"code": "\\u001b[31m"}'),
        Reply("204 No Content", b""),
    ],
    ids=["html", "list", "huge", "deep", "redirection", "html refusal", "code number", "code escape", "empty"],
)
def test_what_no_door_of_ours_says_is_unexpected(reach: Reach, credentials: Credentials, reply: Reply) -> None:
    with scripted(ScriptedDoor([reply]), credentials) as url:
        refusal = _refusal(reach(url))
    assert refusal.code == "answer-unexpected"
    assert refusal.facts == {"status": int(reply.status[:3])}


def test_sentences_from_outside_cannot_play_tricks_on_the_screen(reach: Reach, credentials: Credentials) -> None:
    body = json.dumps({"code": "x", "title": "a\x1b[2J\r\nb\u202e" + "c" * 1_000, "title_en": ["no", "text"]}).encode()
    with scripted(ScriptedDoor([Reply("403 X", body)]), credentials) as url:
        title = str(_refusal(reach(url)).facts["title"])
    assert title.startswith("a [2J b")
    assert title.isprintable()
    assert len(title) == 300


def test_a_broken_connection_is_tried_again(reach: Reach, credentials: Credentials, waits: list[float]) -> None:
    def talk(wrapped: ssl.SSLSocket) -> None:
        wrapped.recv(1_000)
        if len(waits) == 1:
            wrapped.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
        if len(waits) == 2:
            wrapped.sendall(b"nonsense\r\n\r\n")
        if len(waits) == 3:
            wrapped.recv(1_000)
            wrapped.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

    with raw_tls(credentials, talk) as url:
        assert _post(reach(url)).status == 200
    assert len(waits) == 3


def test_where_nobody_listens_is_unreachable(reach: Reach, waits: list[float]) -> None:
    assert _refusal(reach(f"https://localhost:{free_port()}")).code == "unreachable"
    assert sum(waits) <= 120


def test_a_name_that_does_not_exist_is_told_at_once(reach: Reach) -> None:
    assert _refusal(reach("https://nobody.invalid", patience=0)).code == "unreachable"


def test_who_never_answers_is_given_up(reach: Reach) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        assert _refusal(reach(f"https://localhost:{port}", timeout=0.2, patience=0)).code == "unreachable"


def test_a_proxy_is_gone_through_with_its_login(reach: Reach, credentials: Credentials) -> None:
    proxy = Proxy()
    with scripted(ScriptedDoor([Reply()]), credentials) as url, proxy.open() as address:
        assert _post(reach(url, proxy=f"http://user:p%40ss@{address}")).status == 200
        assert proxy.greeted[0].startswith(f"CONNECT {url.removeprefix('https://')} HTTP/1.")
    assert "Proxy-Authorization: Basic dXNlcjpwQHNz" in proxy.greeted[0]


def test_the_proxys_refusal_is_told(reach: Reach, waits: list[float]) -> None:
    with Proxy(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n").open() as address:
        refusal = _refusal(reach("https://localhost:1", proxy=f"http://{address}"))
    assert (refusal.code, waits) == ("proxy-refused", [])
    assert "407" in str(refusal.facts["detail"])


@pytest.mark.parametrize("proxy", ["proxy:8080", "https://proxy:8080", "http://", "http://proxy:99999", "socks5://proxy"])
def test_another_kind_of_proxy_is_refused(reach: Reach, proxy: str) -> None:
    assert _refusal(reach("https://localhost:1", proxy=proxy)).code == "proxy-invalid"


def test_the_proxys_password_stays_out_of_repr(reach: Reach) -> None:
    assert "geheim" not in repr(reach("https://localhost", proxy="http://user:geheim@proxy"))
