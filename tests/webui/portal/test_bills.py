"""請求金額の参照 at both doors: months, lines, files; whose they are, and who may see them."""

import csv
import io
from datetime import date

import pytest

from kernel.clock import day_start
from registry.billing import usage
from registry.billing.bills import Facts, Usage
from registry.billing.closing import Closing, enter
from registry.billing.months import Month
from registry.billing.prices import read_prices
from registry.news import latest
from registry.states import PricePlan
from tests.webui.conftest import OPERATOR, Doors
from tests.webui.visitors import PASSWORD
from webui.accounts import NewAccount, Right

# What the pages say does not depend on what lies below.
pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
PRICES = read_prices()
OCTOBER, MARCH = Month(2026, 10), Month(2025, 3)
HOSTILE = '=HYPERLINK("https://example.jp")<b>'


@pytest.fixture
def billed(issuing_doors: Doors) -> Doors:
    """Close two months of the office, in two years, and one of another office."""
    doors = issuing_doors
    used = (
        Usage("1", "NAC001", Month(2026, 9), "NAC01", HOSTILE, 3, "件", -340),
        Usage("2", "NAC001", OCTOBER, "", "電文", 1_234, "KB", 5_678),
    )
    full = Facts(OCTOBER, PricePlan.A, ("88888W", "99999W"), ("NAC01",), (), used)
    with doors.database.transaction() as session:
        enter(session, "NAC001", full, PRICES, day_start(date(2026, 11, 1)))
        enter(session, "NAC001", Facts(MARCH, PricePlan.B), PRICES, day_start(date(2025, 4, 1)))
        enter(session, "NAC002", Facts(MARCH, PricePlan.A, ("77777W",)), PRICES, day_start(date(2025, 4, 1)))
    return doors


def test_months_are_shown_by_year_newest_first(billed: Doors) -> None:
    hanako = billed.customer()
    page = hanako.get("/bills/").text
    assert "2026年10月" in page
    assert "17,971円" in page  # 16,338 with ten per cent, less than a yen dropped
    assert "2025年3月" not in page
    assert 'href="/bills/?year=2025"' in page
    older = hanako.get("/bills/?year=2025").text
    assert "2025年3月" in older
    assert "2026年10月" not in older
    assert "2026年10月" in hanako.get("/bills/?year=1999").text
    assert hanako.get("/bills/?year=x").status_code == 200


def test_a_month_shows_its_lines_and_sums(billed: Doors) -> None:
    page = billed.customer().get("/bills/2026-10").text
    for text in ("論理端末 基本料", "2端末", "5,000円", "10,000円", "-340円", "1,234KB", "16,338円", "1,633円", "17,971円"):
        assert text in page, text
    assert "&lt;b&gt;" in page
    assert "88888W 99999W" in page
    assert "この月のご利用料金はありません。" in billed.customer().get("/bills/2025-03").text


def test_the_file_for_spreadsheets_computes_nothing_and_keeps_numbers(billed: Doors) -> None:
    answer = billed.customer().get("/bills/2026-10/bill.csv")
    assert answer.mimetype == "text/csv"
    assert answer.data.startswith(b"\xef\xbb\xbf")
    assert answer.headers["Content-Disposition"] == "attachment; filename=bill-NAC001-2026-10.csv"
    rows = list(csv.reader(io.StringIO(answer.data.decode("utf-8-sig"))))
    assert rows[0][2:] == ["項目", "内訳", "利用月", "数量", "単位", "単価", "税抜金額"]
    assert [row[2:] for row in rows[1:4]] == [
        ["論理端末 基本料(料金プランA)", "88888W 99999W", "2026-10", "2", "論理端末", "5000", "10000"],
        ["管理統計資料(有料分)", "NAC01", "2026-10", "1", "利用者コード", "1000", "1000"],
        [f"'{HOSTILE}", "NAC01", "2026-09", "3", "件", "", "-340"],
    ]
    assert [row[-1] for row in rows[5:]] == ["16338", "1633", "17971"]


def test_the_pdf_is_the_same_each_time(billed: Doors) -> None:
    hanako = billed.customer()
    first = hanako.get("/bills/2026-10/bill.pdf")
    assert (first.status_code, first.mimetype) == (200, "application/pdf")
    assert first.headers["Content-Disposition"] == "attachment; filename=bill-NAC001-2026-10.pdf"
    assert hanako.get("/bills/2026-10/bill.pdf").data == first.data


@pytest.mark.parametrize("month", ["2026-09", "2026-11", "2026-13", "0000-00", "2026/10", "２０２６-10", "202610", "abcdefg"])
def test_a_month_that_is_not_closed_is_not_found(billed: Doors, month: str) -> None:
    hanako = billed.customer()
    for rest in ("", "/bill.csv", "/bill.pdf"):
        assert hanako.get(f"/bills/{month}{rest}").status_code == 404


def test_only_those_with_the_right_see_the_offices_own_bills(billed: Doors) -> None:
    for login, grants, status in (("kei", {Right.BILLING}, 200), ("mari", {Right.APPLY, Right.CODES, Right.USERS}, 403)):
        mail = f"{login}@example.jp"
        billed.accounts.add(NewAccount(login, login, mail, PASSWORD, frozenset(grants), "NAC001"), OPERATOR)
        visitor = billed.customer(login)
        for path in ("/bills/", "/bills/2026-10", "/bills/2026-10/bill.csv", "/bills/2026-10/bill.pdf"):
            assert visitor.get(path).status_code == status, path
        assert ('href="/bills/"' in visitor.get("/").text) is (status == 200)
    page = billed.customer().get("/bills/2025-03").text
    assert "77777W" not in page


def test_a_closed_month_is_news_that_leads_to_the_bill(issuing_doors: Doors) -> None:
    with issuing_doors.database.transaction() as session:
        used = Usage("1", "NAC001", Month(2026, 11), "", "電文", 1, "KB", 10)
        usage.enter(session, [used], issuing_doors.clock.now())
    assert Closing(issuing_doors.database, PRICES).close_due(day_start(date(2026, 12, 1)))
    with issuing_doors.database.snapshot() as session:
        line = next(one for one in latest(session, "NAC001") if one.code == "bill-closed")
    for user, where in (("hanako", "/bills/2026-11"), ("jiro", "/contract/billing")):
        visitor = issuing_doors.customer(user)
        assert "2026年11月分の請求額が確定しました。" in visitor.get("/").text
        assert visitor.post(f"/news/{line.id}").location == where
        assert visitor.get(where).status_code == 200
    visitor.post("/language", {"language": "en"})
    assert "The bill of 2026-11 is closed." in visitor.get("/").text


def test_an_office_without_bills_is_told_when_the_first_comes(issuing_doors: Doors) -> None:
    assert "確定した請求はまだありません" in issuing_doors.customer().get("/bills/").text
    assert Closing(issuing_doors.database, PRICES).close_due(issuing_doors.clock.now()) == 0


def test_staff_see_an_offices_bills_and_the_same_files(billed: Doors) -> None:
    sato, hanako = billed.staff("sato"), billed.customer()
    assert "/offices/NAC001/bills/" in sato.get("/offices/NAC001").text
    assert "/offices/NAC001/bills/2026-10" in sato.get("/offices/NAC001/bills/").text
    assert "17,971円" in sato.get("/offices/NAC001/bills/2026-10").text
    for file in ("bill.csv", "bill.pdf"):
        assert sato.get(f"/offices/NAC001/bills/2026-10/{file}").data == hanako.get(f"/bills/2026-10/{file}").data
    for path in ("/offices/XXX001/bills/", "/offices/NAC001/bills/2026-09", "/offices/NAC001/bills/2026-09/bill.pdf"):
        assert sato.get(path).status_code == 404
