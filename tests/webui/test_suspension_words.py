"""Staff and customers read since when and by which rule a terminal is suspended, and what follows when that is lifted."""

from datetime import timedelta

import pytest

from enrollment.deadlines.deadlines import Deadlines
from kernel.clock import day_start
from registry.calendar import suspension_day
from tests.webui.conftest import START, Doors


@pytest.fixture
def suspended(doors: Doors) -> str:
    """Return a terminal that did not retrieve within two months, on the day after."""
    _, (name,) = doors.prepared(1)
    doors.clock.instant = day_start(suspension_day(START)) + timedelta(hours=10)
    assert Deadlines(doors.database).suspend_due(doors.clock.now()) == 1
    return name


def test_staff_read_the_rule_and_what_lifting_leads_to(doors: Doors, suspended: str) -> None:
    ito = doors.staff("ito")
    words = "2027/02/16から停止中(利用開始日から2か月間、証明書の取得なし)"
    assert words in ito.get(f"/terminals/{suspended}").text
    page = ito.get(f"/terminals/{suspended}/resume").text
    assert words in page
    assert "新しい証明書の再発行が必要です。" in page
    ito.post(f"/terminals/{suspended}/resume", {"step": "do"})
    assert "停止中(" not in ito.get(f"/terminals/{suspended}").text


def test_customers_read_the_rule_in_the_contract_and_in_the_news(doors: Doors, suspended: str) -> None:
    visitor = doors.customer()
    assert "2027/02/16から停止中(利用開始日から2か月間、証明書の取得なし)" in visitor.get("/contract/netnaccs").text
    assert f"端末{suspended}は、利用開始日から2か月間デジタル証明書が取得されなかったため" in visitor.get("/").text


def test_what_staff_suspended_has_no_rule(doors: Doors) -> None:
    ito = doors.staff("ito")
    ito.get("/terminals/99999W/suspend")
    ito.post("/terminals/99999W/suspend", {"step": "do"})
    page = ito.get("/terminals/99999W").text
    assert "から停止中" in page
    assert "停止中(" not in page
    assert "再発行が必要" not in ito.get("/terminals/99999W/resume").text
