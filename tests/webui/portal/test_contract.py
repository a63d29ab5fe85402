"""The contract's tabs."""

from datetime import timedelta

import pytest

from kernel.clock import day_start
from tests.support.house import SOURCE, House, new_request
from tests.webui.conftest import START, TERMINAL, Doors


def test_each_tab_shows_what_is_registered(doors: Doors) -> None:
    visitor = doors.customer()
    for tab, words in {
        "": ["ナックス商事株式会社", "東京営業所", "NAC001", "東京税関", "通関　花子"],
        "/user-codes": ["登録されている利用者コードはありません"],
        "/general-naccs": ["登録されている一般NACCS端末はありません", "メールボックス数"],
        "/lines": ["登録されている回線はありません"],
        "/netnaccs": ["99999W", "利用中", "2025/04/01", "未取得"],
        "/billing": ["1234567", "経理部"],
    }.items():
        page = visitor.get(f"/contract{tab}").text
        assert [word for word in words if word not in page] == []
        assert "契約情報を変更する" in page


@pytest.mark.parametrize("tab", ["nonsense", "office", "../x"])
def test_there_are_no_other_tabs(doors: Doors, tab: str) -> None:
    assert doors.customer().get(f"/contract/{tab}").status_code in {404, 308}


def test_another_office_sees_its_own_contract(doors: Doors) -> None:
    page = doors.customer("saburo", office_code="NAC002").get("/contract/netnaccs").text
    assert "大阪営業所" in page
    assert "99999W" not in page


def test_a_terminals_certificate_is_shown_with_its_dates(issuing_doors: Doors, house: House) -> None:
    number, (name, *_) = issuing_doors.prepared()
    codes = house.codes_of(name)
    house.redemption.redeem(codes, new_request().pem, SOURCE)
    visitor = issuing_doors.customer()
    page = visitor.get("/contract/netnaccs").text
    assert "開始前" in page
    assert "2026/12/15 00:00</time>から" in page
    assert "2027/11/23 23:59</time>まで" in page
    assert "取得済み" in visitor.get(f"/applications/{number}/id-notice").text
    assert f"端末{name}のデジタル証明書が取得されました。" in visitor.get("/").text


def test_a_terminal_that_has_its_certificate_is_not_in_service_before_its_start_date(issuing_doors: Doors, house: House) -> None:
    doors = issuing_doors
    number, (name, *_) = doors.prepared()
    house.redemption.redeem(house.codes_of(name), new_request().pem, SOURCE)
    portal = ("/contract/netnaccs", f"/applications/{number}", f"/terminals/{name}/reissue")
    center = (f"/terminals/?q={name}", f"/terminals/{name}")

    def states() -> list[tuple[bool, bool]]:
        visits = ((doors.customer(), portal), (doors.staff(), center))
        pages = [visitor.get(path).text.replace(">利用中</option>", "") for visitor, paths in visits for path in paths]
        return [(">利用開始前<" in page, page.count(">利用中<") > (TERMINAL in page)) for page in pages]

    doors.clock.instant = day_start(START) - timedelta(seconds=1)
    assert states() == [(True, False)] * 5
    doors.clock.instant = day_start(START)
    assert states() == [(False, True)] * 5
