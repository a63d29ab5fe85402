"""The public pages: open to everyone, the same for everyone, in the language of their address."""

import dataclasses
import re
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from kernel.clock import tokyo_date
from tests.webui.bulletin.conftest import INCIDENT, MAINTENANCE, SATO, Board
from webui.bulletin.shelf import CODES, MANUALS

JAPANESE = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff]")
LISTS = ("", "notices", "notices?category=incident", "notices?month=2026-11", "notices?q=証明", "codes", "codes?code=none")
PAGES = (*LISTS, *(f"manuals/{name}" for name in MANUALS), *(f"codes/{name}" for name in CODES))


def test_the_top_shows_what_is_pinned_and_what_is_new(board: Board) -> None:
    page = board.reader().get("/bulletin/").text
    assert page.index("新しい発行局") < page.index("定期メンテナンスのお知らせ")
    assert page.count("新しい発行局") == 1
    assert "下書き" not in page
    assert "あしたの話" not in page
    assert "誤報" not in page


def test_every_page_points_at_what_is_urgent(board: Board) -> None:
    for path in ("", "notices", "codes/E111", "manuals/renewal", f"notices/{board.maintenance}"):
        assert "接続しにくい状態について" in board.reader().get(f"/bulletin/{path}").text, path
    own = board.reader().get(f"/bulletin/notices/{board.incident}").text
    assert "緊急のお知らせ" not in own


def test_a_notice_shows_its_body_and_nothing_that_was_smuggled_in(board: Board) -> None:
    page = board.reader().get(f"/bulletin/notices/{board.maintenance}").text
    assert "<h2>停止する業務</h2>" in page
    assert '<a href="/bulletin/manuals/renewal">期間内</a>' in page
    assert "<script" not in page
    english = board.reader().get(f"/bulletin/en/notices/{board.maintenance}").text
    assert '<a href="/bulletin/en/manuals/renewal">Renew</a>' in english


def test_what_was_corrected_says_when(board: Board) -> None:
    board.doors.clock.advance(timedelta(hours=2))
    board.desk.change(board.maintenance, 2, MAINTENANCE, SATO)
    assert "訂正 <time" in board.reader().get(f"/bulletin/notices/{board.maintenance}").text
    assert "2026/11/24 12:00訂正" in board.reader().get("/bulletin/notices").text


def test_what_is_gone_says_so_and_what_never_was_is_not_found(board: Board) -> None:
    reader = board.reader()
    assert reader.get(f"/bulletin/notices/{board.withdrawn}").status_code == 410
    assert "誤報" not in reader.get(f"/bulletin/notices/{board.withdrawn}").text
    for number in (board.draft, board.planned, 999, 2**40):
        assert reader.get(f"/bulletin/notices/{number}").status_code == 404
    assert reader.get("/bulletin/manuals/nothing").status_code == 404
    assert reader.get("/bulletin/en/codes/E999").status_code == 404


def test_notices_are_found_by_words_category_and_month(board: Board) -> None:
    def found(query: str) -> list[str]:
        main = board.reader().get(f"/bulletin/notices?{query}").text.partition("<main")[2]
        return re.findall(r'href="/bulletin/notices/(\d+)"', main)

    assert found("q=ﾒﾝﾃﾅﾝｽ") == [str(board.maintenance)]
    assert found("category=authority") == [str(board.pinned)]
    assert found("month=2026-12") == []
    assert len(found("month=2026-13&category=x&page=99999999")) == 3
    assert found("q=%00%25") == []


def test_long_lists_have_pages_that_keep_what_was_asked_for(board: Board) -> None:
    for number in range(21):
        board.publish(dataclasses.replace(INCIDENT, title_ja=f"続報{number}", is_urgent=False))
    first = board.reader().get("/bulletin/en/notices?category=incident&q=続報").text
    assert "Page 1 of 2" in first
    after = re.search(r'rel="next" href="([^"]+)"', first)
    assert after is not None
    second = board.reader().get(after[1].replace("&amp;", "&")).text
    assert len(re.findall(r'class="what"', second)) == 1
    assert "Page 2 of 2" in second


def test_a_code_that_is_typed_leads_to_its_page(board: Board) -> None:
    response = board.reader().get("/bulletin/en/codes?code=+e111+")
    assert (response.status_code, response.location) == (303, "/bulletin/en/codes/E111")
    assert "no such code" in board.reader().get("/bulletin/en/codes?code=E999").text


def test_pages_set_no_cookie_and_may_be_kept_by_anyone(board: Board) -> None:
    for path in (
        "",
        "notices",
        f"notices/{board.maintenance}",
        "codes",
        "codes/A0014",
        "manuals/trust",
        "feed.atom",
        "root.pem",
        "en/root.pem",
    ):
        response = board.reader().get(f"/bulletin/{path}")
        assert "Set-Cookie" not in response.headers, path
        assert "Vary" not in response.headers, path
        assert response.headers["Cache-Control"].startswith("public, max-age="), path
        assert "default-src 'none'" in response.headers["Content-Security-Policy"]
        again = board.reader().get(f"/bulletin/{path}", **{"If-None-Match": response.headers["ETag"]})
        assert (again.status_code, again.data) == (304, b""), path
    assert "form_token" not in board.reader().get("/bulletin/").text


def test_a_page_that_is_kept_is_asked_for_anew_when_something_changed(board: Board) -> None:
    tag = board.reader().get("/bulletin/").headers["ETag"]
    board.publish(MAINTENANCE)
    assert board.reader().get("/bulletin/", **{"If-None-Match": tag}).status_code == 200


def test_a_page_that_is_not_there_is_never_answered_with_304(board: Board) -> None:
    assert board.reader().get("/bulletin/notices/999", **{"If-None-Match": "*"}).status_code == 404


def test_the_language_is_the_addresss_and_not_the_cookies(board: Board) -> None:
    reader = board.reader()
    reader.get("/login")
    reader.post("/language", {"language": "en"})
    assert '<html lang="ja">' in reader.get("/bulletin/").text
    page = reader.get(f"/bulletin/en/notices/{board.maintenance}")
    assert page.headers["Content-Language"] == "en"
    assert f'<a href="/bulletin/notices/{board.maintenance}" lang="ja"' in page.text


def test_both_languages_lead_to_each_other_with_what_was_asked_for(board: Board) -> None:
    page = board.reader().get("/bulletin/notices?category=incident&q=x").text
    assert 'href="/bulletin/en/notices?category=incident&amp;q=x"' in page


def test_every_page_is_there_in_english(board: Board) -> None:
    reader = board.reader()
    for path in PAGES:
        if "q=" in path:
            continue
        page = reader.get(f"/bulletin/en/{path}")
        assert page.status_code == 200, path
        left = set(JAPANESE.findall(page.text.replace("日本語", "").replace("【NSS】", "")))
        assert not left, f"{path}: {left}"


def test_pages_are_light(board: Board) -> None:
    for path in PAGES:
        assert len(board.reader().get(f"/bulletin/{path}").data) < 20_000, path


def test_every_link_inside_of_the_pages_leads_somewhere(board: Board) -> None:
    reader, seen, waiting = board.reader(), set[str](), ["/bulletin/", "/bulletin/en/"]
    while waiting:
        path = waiting.pop()
        page = reader.get(path)
        assert page.status_code == 200, path
        links = re.findall(r'href="(/bulletin/[^"#]*)', page.text)
        fresh = {link.replace("&amp;", "&") for link in links} - seen
        seen |= fresh
        waiting += fresh
        anchors = set(re.findall(r'id="([^"]+)"', page.text))
        assert set(re.findall(r'href="#([^"]+)"', page.text)) <= anchors, path
    assert {f"/bulletin/codes/{name}" for name in CODES} <= seen


def test_the_root_is_shown_with_its_fingerprint_and_given(trusted_board: Board, tmp_path: Path) -> None:
    page = trusted_board.reader().get("/bulletin/manuals/trust").text
    shown = re.search(r"<dt>SHA-256フィンガープリント</dt><dd><code class=\"fingerprint\">([0-9A-F:]{95})</code>", page)
    assert shown is not None
    root = x509.load_pem_x509_certificate((tmp_path / "localhost-root.pem").read_bytes())
    assert bytes.fromhex(shown[1].replace(":", "")) == root.fingerprint(hashes.SHA256())
    given = trusted_board.reader().get("/bulletin/root.pem")
    assert given.text.startswith("-----BEGIN CERTIFICATE-----")
    assert given.mimetype == "application/x-pem-file"


def test_a_notice_leaves_at_the_end_of_its_last_day(board: Board) -> None:
    today = tokyo_date(board.doors.clock.now())
    number = board.publish(dataclasses.replace(MAINTENANCE, publish_until=today))
    assert board.reader().get(f"/bulletin/notices/{number}").status_code == 200
    board.doors.clock.advance(timedelta(days=1))
    assert board.reader().get(f"/bulletin/notices/{number}").status_code == 410


# The pages look alike whatever lies below; what reads rows is tested on both, in tests/registry/test_bulletin.py.
pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def test_the_search_finds_manuals_and_codes_beside_notices(board: Board) -> None:
    page = board.reader().get("/bulletin/notices?q=更新").text
    assert 'href="/bulletin/manuals/renewal"' in page
    assert 'href="/bulletin/codes/renewal-too-early"' in page
    assert page.index("/bulletin/manuals/renewal") < page.index("/bulletin/manuals/retrieval")  # its title has the word
    assert 'href="/bulletin/en/manuals/renewal"' in board.reader().get("/bulletin/en/notices?q=RENEWAL").text
    for elsewhere in ("q=更新&page=2", "q=更新&category=incident", "q=xyzzy", "q=%20", ""):
        assert "手順とエラーコード" not in board.reader().get(f"/bulletin/notices?{elsewhere}").text, elsewhere


def test_the_way_to_the_verification_of_notices_is_public(board: Board) -> None:
    for path in ("/bulletin/", "/login"):
        assert 'href="/verify"' in board.reader().get(path).text, path


def test_the_manual_tells_how_to_retrieve_with_openssl_and_curl(board: Board) -> None:
    page = board.reader().get("/bulletin/manuals/retrieval").text
    assert 'id="openssl"' in page
    for field in ("access_key", "auth_code_1", "auth_code_2", "auth_code_3", "office_code", "csr", "/api/v1/retrievals"):
        assert field in page
