"""One's own log-ins, as pages: those that are open, and those that were tried."""

import re
from datetime import timedelta

from sqlalchemy import func, select

from tests.webui.conftest import Doors
from tests.webui.visitors import PASSWORD, Visitor
from webui import sessions
from webui.factors import log_ins
from webui.factors.log_ins import Origin
from webui.factors.tables import LogInRow
from webui.sessions import Limits

WINDOWS = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36"
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 Version/18.5 Mobile/15E148 Safari/604.1"
END = re.compile(r'action="(/sessions/[0-9a-f]{32}/end)"')


def test_devices_are_told_in_plain_words() -> None:
    assert Origin.of("192.0.2.1", WINDOWS) == Origin("192.0.2.1", "Chrome / Windows")
    assert Origin.of("2001:db8::1", IPHONE).device == "Safari / iPhone"
    assert Origin.of("192.0.2.1", WINDOWS + " Edg/142.0").device == "Edge / Windows"
    assert Origin.of(None, "<script>") == Origin("", "")


def test_one_sees_all_ones_log_ins_and_ends_another(doors: Doors) -> None:
    here, there = doors.customer(), doors.customer(address="198.51.100.7")
    doors.customer("saburo", office_code="NAC002", address="203.0.113.5")
    page = here.get("/sessions").text
    assert "198.51.100.7" in page
    assert "203.0.113.5" not in page
    [end] = END.findall(page)
    assert here.post(end).location == "/sessions"
    assert there.get("/").location == "/login"
    assert "すでに終了しています" not in here.get("/sessions").text
    here.post(end)
    assert "すでに終了しています" in here.get("/sessions").text


def test_nobody_ends_the_log_ins_of_others(doors: Doors) -> None:
    hanako, saburo = doors.customer(), doors.customer("saburo", office_code="NAC002")
    doors.customer("saburo", office_code="NAC002")
    [end] = END.findall(saburo.get("/sessions").text)
    hanako.get("/sessions")
    hanako.post(end)
    assert END.findall(saburo.get("/sessions").text) == [end]


def test_all_others_end_at_once_and_then_everything(doors: Doors) -> None:
    here, others = doors.customer(), [doors.customer() for _ in range(3)]
    here.get("/sessions")
    here.post("/sessions/end-others")
    assert [other.get("/").status_code for other in others] == [303] * 3
    assert here.get("/sessions").status_code == 200
    other = doors.customer()
    assert here.post("/sessions/end-all").location == "/login?notice=out"
    assert (here.get("/").status_code, other.get("/").status_code) == (303, 303)


def test_the_history_shows_successes_and_failures_of_ones_own(doors: Doors) -> None:
    stranger = Visitor(doors.portal, "203.0.113.66")
    stranger.log_in(office_code="NAC001", user="hanako", password="wrong password")
    stranger.log_in(office_code="NAC001", user="nobody", password=PASSWORD)
    page = doors.customer().get("/log-ins").text
    assert page.count("203.0.113.66") == 1
    assert "失敗(パスワードの誤り)" in page
    assert "ログイン(認証アプリ)" in page
    assert "203.0.113.66" not in doors.customer("saburo", office_code="NAC002").get("/log-ins").text


def test_the_history_goes_on_over_pages_and_ends_after_ninety_days(doors: Doors) -> None:
    visitor = Visitor(doors.portal)
    for _ in range(3):
        visitor.log_in(office_code="NAC001", user="hanako", password="wrong password")
    doors.clock.advance(timedelta(days=89))
    for _ in range(31):
        doors.customer()
    page = doors.customer().get("/log-ins?page=2").text
    assert 'rel="prev"' in page
    assert page.count("失敗") >= 3
    doors.clock.advance(timedelta(days=2))
    with doors.database.transaction() as session:
        assert log_ins.purge(session, doors.clock.now()) == 3
        assert session.scalar(select(func.count()).select_from(LogInRow)) == 32


def test_unknown_names_are_not_kept(doors: Doors) -> None:
    Visitor(doors.portal).log_in(office_code="NAC001", user="himitsu-password")
    with doors.database.snapshot() as session:
        [row] = session.scalars(select(LogInRow))
        assert row.account_id is None
        assert "himitsu" not in repr(vars(row))


def test_the_limits_are_the_operators(doors: Doors) -> None:
    short = Limits(idle=timedelta(minutes=5), absolute=timedelta(hours=1))
    doors.customer()
    doors.clock.advance(timedelta(minutes=6))
    assert sessions.purge(doors.database, now=doors.clock.now()) == 0
    assert sessions.purge(doors.database, now=doors.clock.now(), limits=short) == 1
