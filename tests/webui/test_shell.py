"""What every page of both doors has: headers, error pages, languages, static files."""

import io
import logging
from dataclasses import replace

import flask
import pytest

from kernel.database import OutcomeUnknown, connect
from kernel.errors import Refused, Unavailable
from tests.webui.conftest import Doors
from tests.webui.visitors import Visitor
from webui import doorway, entrance, guard, shell

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)

trouble = flask.Blueprint("menu", __name__)


@trouble.get("/")
@guard.public
def show() -> str:
    """Stand in for the home page."""
    return "home"


@trouble.get("/trouble/<kind>")
@guard.public
def make_trouble(kind: str) -> str:
    """Fail in each way that a view can."""
    failures = {
        "refused": Refused("throttled", retry_after=90),
        "unknown": Refused("never-heard-of"),
        "away": Unavailable("database away", retry_after=7),
        "unknown-outcome": OutcomeUnknown("connection lost while committing"),
        "fault": RuntimeError("the secret inside"),
    }
    raise failures[kind]


@pytest.fixture
def troubled(doors: Doors) -> Visitor:
    parts = doors.portal.extensions["webui"].parts
    furnishing: doorway.Furnishing = doors.portal.extensions["webui"].furnishing
    return Visitor(shell.make_app("trouble", parts, replace(furnishing, navigation=()), entrance.blueprint, trouble))


@pytest.mark.parametrize("path", ["/", "/login", "/nowhere"])
def test_every_answer_carries_the_security_headers(doors: Doors, path: str) -> None:
    for visitor in (Visitor(doors.portal), Visitor(doors.center), doors.customer(), doors.staff()):
        headers = visitor.get(path).headers
        assert headers["Content-Security-Policy"] == POLICY
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
        assert headers["Cache-Control"] == "no-store"
        assert "Strict-Transport-Security" not in headers


@pytest.mark.parametrize(
    ("kind", "status", "retry_after", "words"),
    [
        ("refused", 429, "90", "2分ほど"),
        ("unknown", 409, None, "never-heard-of"),
        ("away", 503, "7", "登録されていません"),
        ("unknown-outcome", 503, "5", "確認できませんでした"),
        ("fault", 500, None, "ご不便"),
    ],
)
def test_failures_become_pages(troubled: Visitor, kind: str, status: int, retry_after: str | None, words: str) -> None:
    response = troubled.get(f"/trouble/{kind}")
    assert response.status_code == status
    assert response.headers.get("Retry-After") == retry_after
    assert words in response.text
    assert "<nav" not in response.text
    assert response.headers["Content-Security-Policy"] == POLICY


def test_a_fault_of_ours_is_logged_and_not_shown(troubled: Visitor, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        assert "secret" not in troubled.get("/trouble/fault").text
    assert "the secret inside" in caplog.text


def test_without_database_pages_say_so(doors: Doors) -> None:
    visitor = doors.customer()
    visitor.get("/")
    away = connect("sqlite:////nowhere/at/all.sqlite")
    surroundings = doors.portal.extensions["webui"]
    doors.portal.extensions["webui"] = replace(
        surroundings, parts=replace(surroundings.parts, database=away), sessions=replace(surroundings.sessions, database=away)
    )
    response = visitor.get("/")
    assert response.status_code == 503
    assert response.headers["Retry-After"] == "5"
    assert visitor.get("/static/0/style.css").status_code == 200


def test_wrong_addresses_methods_sizes_and_letters_get_a_page(doors: Doors) -> None:
    visitor = Visitor(doors.portal)
    assert visitor.get("/nowhere").status_code == 404
    wrong = visitor.get("/logout")
    assert (wrong.status_code, set(wrong.headers["Allow"].split(", "))) == (405, {"OPTIONS", "POST"})
    visitor.get("/login")
    large = visitor.post("/login", {"user": "x" * shell.LARGEST_REQUEST})
    assert (large.status_code, "入力する量を減らして" in large.text) == (413, True)
    file = (io.BytesIO(b"x" * shell.LARGEST_REQUEST), "notice.pdf")
    sent = visitor.client.post("/login", base_url="https://localhost", data={"file": file})
    assert (sent.status_code, "ファイルを合わせて512KBまでです" in sent.text) == (413, True)
    assert visitor.post("/login", {"user": "nul\x00"}).status_code == 400
    assert visitor.get("/login?next=%00").status_code == 400


def test_the_language_is_switched_and_the_page_kept(doors: Doors) -> None:
    visitor = Visitor(doors.portal)
    page = visitor.get("/login?next=/password").text
    assert '<html lang="ja">' in page
    assert 'value="/login?next=/password"' in page
    assert visitor.post("/language", {"language": "en", "next": "/login?next=/password"}).location == "/login?next=/password"
    response = visitor.get("/login")
    assert '<html lang="en">' in response.text
    assert response.headers["Content-Language"] == "en"
    assert "Office code" in response.text
    assert "Page not found" in visitor.get("/nowhere").text
    visitor.post("/language", {"language": "klingon", "next": "//example.jp"})
    assert '<html lang="en">' in visitor.get("/login").text


def test_static_files_last_for_ever_under_their_hash(doors: Doors) -> None:
    visitor = Visitor(doors.portal)
    with doors.portal.test_request_context():
        address = shell.asset_url("style.css")
    response = visitor.get(address)
    assert response.headers["Content-Type"] == "text/css; charset=utf-8"
    assert response.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert visitor.get("/static/old/style.css").headers["Cache-Control"] == "no-cache"
    assert visitor.get(address, **{"If-None-Match": response.headers["ETag"]}).status_code == 304
    assert visitor.get("/static/old/nothing.css").status_code == 404


def test_pages_have_no_inline_style_or_script(doors: Doors) -> None:
    for visitor in (doors.customer(), doors.staff()):
        page = visitor.get("/").text
        assert " style=" not in page
        assert "<script" not in page
