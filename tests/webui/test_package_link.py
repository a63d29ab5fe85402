"""The network's own software for terminals: where it is had is told where an operator has set it, and nowhere else."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.webui.conftest import Doors

# What the pages say does not depend on what lies below.
pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
ADDRESS = "https://software.example.jp/manuals?kind=net"
LINK = 'href="https://software.example.jp/manuals?kind=net"'
NAME, NAME_EN = "パッケージソフトと初期導入手順書", "Package software and its installation manual"


def _set(doors: Doors, **chosen: str) -> None:
    app = doors.portal
    found = app.extensions["webui"]
    settings = replace(found.parts.settings, **chosen)
    app.extensions["webui"] = replace(found, parts=replace(found.parts, settings=settings))


def _pages(doors: Doors) -> Iterator[str]:
    number, _ = doors.prepared()
    visitor = doors.customer()
    for path in ("/", f"/applications/{number}/id-notice", "/bulletin/", "/bulletin/manuals/retrieval"):
        yield visitor.get(path).text


def test_nothing_is_told_of_it_unless_it_is_set(doors: Doors) -> None:
    for page in _pages(doors):
        assert "パッケージソフトを" not in page
        assert NAME not in page


def test_menu_notice_bulletin_and_manual_lead_to_it_in_the_readers_language(doors: Doors) -> None:
    _set(doors, package_url=ADDRESS)
    for page in _pages(doors):
        assert page.count(LINK) == 1
        assert NAME in page
    english = doors.customer().get("/bulletin/en/").text
    assert (english.count(LINK), NAME_EN in english) == (1, True)
    for other in ("trust", "renewal"):
        assert LINK not in doors.customer().get(f"/bulletin/manuals/{other}").text


def test_the_link_has_the_name_that_was_set(doors: Doors) -> None:
    _set(doors, package_url=ADDRESS, package_name="端末用ソフト & 手引き 100%", service_name="<認証> 50%")
    for page in _pages(doors):
        assert "端末用ソフト &amp; 手引き 100%</a>" in page
        assert "&lt;認証&gt; 50%</title>" in page
        assert NAME not in page
