from datetime import datetime, timedelta

import pytest

from kernel.database import Database
from registry import news
from registry.news import NewsKind
from registry.offices import Office


@pytest.fixture
def _twelve(database: Database, office: Office, now: datetime) -> None:
    del office  # it need only be registered
    with database.transaction() as session:
        for number in range(1, 13):
            news.publish(
                session,
                now=now + timedelta(minutes=number),
                office_code="NAC001",
                kind=NewsKind.CERTIFICATE if number % 2 else NewsKind.APPLICATION,
                code="codes-prepared",
                target=f"id_notice:26{number:04d}A",
                terminals=number,
            )


@pytest.mark.usefixtures("_twelve")
def test_the_menu_shows_the_latest_ten_newest_first(database: Database, now: datetime) -> None:
    with database.snapshot() as session:
        shown = news.latest(session, "NAC001")
    assert [line.receipt_number for line in shown] == [f"26{number:04d}A" for number in range(12, 2, -1)]
    assert shown[0].at == now + timedelta(minutes=12)
    assert shown[0].facts == {"terminals": 12}
    assert (shown[0].code, shown[0].target) == ("codes-prepared", "id_notice:260012A")


@pytest.mark.usefixtures("_twelve")
def test_older_lines_are_found_by_page_kind_and_number(database: Database) -> None:
    with database.snapshot() as session:
        assert news.search(session, "NAC001", size=5).pages == 3
        assert len(news.search(session, "NAC001", page=3, size=5).records) == 2
        assert news.search(session, "NAC001", kind=NewsKind.CERTIFICATE).total == 6
        assert [line.id for line in news.search(session, "NAC001", receipt_number="260003a").records] == [3]


@pytest.mark.usefixtures("_twelve")
def test_an_office_sees_no_others_news(database: Database) -> None:
    with database.snapshot() as session:
        assert news.latest(session, "NAC002") == ()
        assert news.search(session, "NAC002").total == 0


@pytest.mark.usefixtures("office")
def test_a_line_whose_target_names_no_receipt_number_has_none(database: Database, now: datetime) -> None:
    with database.transaction() as session:
        news.publish(session, now=now, office_code="NAC001", kind=NewsKind.CERTIFICATE, code="x", target="terminal:99999W")
        news.publish(session, now=now, office_code="NAC001", kind=NewsKind.CERTIFICATE, code="x")
    with database.snapshot() as session:
        assert [line.receipt_number for line in news.latest(session, "NAC001")] == [None, None]


def test_many_terminals_get_their_line_at_once(database: Database, office: Office, now: datetime) -> None:
    with database.transaction() as session:
        lines = [(office.code, {"terminal": f"0000{number}A"}) for number in range(3)]
        news.publish_all(session, lines, now=now, kind=NewsKind.CERTIFICATE, code="certificate-revoked")
        news.publish_all(session, [], now=now, kind=NewsKind.CERTIFICATE, code="certificate-revoked")
    with database.snapshot() as session:
        shown = news.latest(session, office.code)
    assert [line.facts["terminal"] for line in shown] == ["00002A", "00001A", "00000A"]
    assert {(line.code, line.kind, line.at, line.receipt_number, line.target) for line in shown} == {
        ("certificate-revoked", NewsKind.CERTIFICATE, now, None, None)
    }
