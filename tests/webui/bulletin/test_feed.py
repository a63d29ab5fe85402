"""The feed, read by somebody else's parser and held against RFC 4287's "must"."""

import dataclasses
import re
from datetime import datetime, timedelta
from urllib.parse import urlsplit

import pytest
from lxml import etree  # type: ignore[import-untyped]

from tests.webui.bulletin.conftest import MAINTENANCE, SATO, Board

ATOM = "{http://www.w3.org/2005/Atom}"
RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
ONCE_IN_FEED = ("id", "title", "updated")
ONCE_IN_ENTRY = ("id", "title", "updated")

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def read(board: Board, path: str = "/bulletin/feed.atom") -> etree._Element:
    response = board.reader().get(path)
    assert response.headers["Content-Type"] == "application/atom+xml; charset=utf-8"
    return etree.fromstring(response.data)


def entries(feed: etree._Element) -> dict[str, etree._Element]:
    return {entry.findtext(f"{ATOM}title", ""): entry for entry in feed.findall(f"{ATOM}entry")}


@pytest.mark.parametrize("path", ["/bulletin/feed.atom", "/bulletin/en/feed.atom"])
def test_the_feed_has_what_the_rfc_demands(board: Board, path: str) -> None:
    feed = read(board, path)
    assert feed.tag == f"{ATOM}feed"
    for name in ONCE_IN_FEED:  # §4.1.1
        assert len(feed.findall(f"{ATOM}{name}")) == 1, name
    assert feed.find(f"{ATOM}author/{ATOM}name") is not None  # §4.2.1: of all entries that name none
    own = [link.get("href") for link in feed.findall(f"{ATOM}link") if link.get("rel") == "self"]
    assert own == [f"https://localhost:8443{path}"]
    found = feed.findall(f"{ATOM}entry")
    assert len(found) == 3
    for entry in found:
        for name in ONCE_IN_ENTRY:  # §4.1.2
            assert len(entry.findall(f"{ATOM}{name}")) == 1, name
        alternates = [link for link in entry.findall(f"{ATOM}link") if link.get("rel") == "alternate"]
        assert len(alternates) == 1
        assert urlsplit(alternates[0].get("href", "")).netloc == "localhost:8443"
        assert entry.find(f"{ATOM}category").get("term")
    ids = [element.text for element in feed.iter(f"{ATOM}id")]
    assert len(set(ids)) == len(ids)
    for instant in [*feed.iter(f"{ATOM}updated"), *feed.iter(f"{ATOM}published")]:
        assert RFC3339.fullmatch(instant.text or "")  # §3.3
    assert all(element.get("type") in {None, "text", "html"} for element in feed.iter(f"{ATOM}content"))


def test_bodies_are_html_with_absolute_addresses_and_without_scripts(board: Board) -> None:
    body = entries(read(board))["定期メンテナンスのお知らせ"].findtext(f"{ATOM}content", "")
    assert '<a href="https://localhost:8443/bulletin/manuals/renewal">期間内</a>' in body
    assert "&lt;script&gt;" in body
    english = entries(read(board, "/bulletin/en/feed.atom"))["Planned maintenance"].findtext(f"{ATOM}content", "")
    assert 'href="https://localhost:8443/bulletin/en/manuals/renewal"' in english


def test_an_entry_keeps_its_name_and_tells_its_correction(board: Board) -> None:
    before = entries(read(board))["定期メンテナンスのお知らせ"]
    board.doors.clock.advance(timedelta(days=1))
    board.desk.change(board.maintenance, 2, dataclasses.replace(MAINTENANCE, title_ja="訂正版"), SATO)
    after = entries(read(board))["訂正版"]
    assert after.findtext(f"{ATOM}id") == before.findtext(f"{ATOM}id")
    assert after.findtext(f"{ATOM}published") == before.findtext(f"{ATOM}published")
    assert after.findtext(f"{ATOM}updated") > before.findtext(f"{ATOM}updated")


def test_readers_that_ask_by_date_or_tag_get_304_until_something_changes(board: Board) -> None:
    first = board.reader().get("/bulletin/feed.atom")
    asked = {"If-Modified-Since": first.headers["Last-Modified"]}
    assert board.reader().get("/bulletin/feed.atom", **asked).status_code == 304
    assert board.reader().get("/bulletin/feed.atom", **{"If-None-Match": first.headers["ETag"]}).status_code == 304
    board.doors.clock.advance(timedelta(minutes=5))
    board.desk.withdraw(board.maintenance, 2, SATO, reason="終わり")
    assert board.reader().get("/bulletin/feed.atom", **asked).status_code == 200


def test_a_feed_without_entries_is_valid(doors_without_notices: Board) -> None:
    feed = read(doors_without_notices)
    assert feed.findall(f"{ATOM}entry") == []
    assert datetime.fromisoformat(feed.findtext(f"{ATOM}updated", "")).tzinfo is not None


@pytest.fixture
def doors_without_notices(board: Board) -> Board:
    """Return a bulletin whose notices are all gone."""
    for number in (board.maintenance, board.incident, board.pinned):
        board.desk.withdraw(number, 2, SATO, reason="")
    return board
