"""Offices as staff read them."""

from tests.webui.center.conftest import file_application
from tests.webui.conftest import Doors
from tests.webui.visitors import Visitor


def test_offices_are_found_by_code_and_name(sato: Visitor) -> None:
    page = sato.get("/offices/").text
    assert "NAC001" in page
    assert "NAC002" in page
    for typed in ("NAC002", "nac002", "大阪"):
        page = sato.get(f"/offices/?q={typed}").text
        assert "大阪営業所" in page
        assert "東京営業所" not in page
    assert "条件に合う事業所はありません。" in sato.get("/offices/?q=%25").text


def test_an_offices_page_shows_contract_terminals_and_applications(doors: Doors, sato: Visitor) -> None:
    number = file_application(doors)
    page = sato.get("/offices/NAC001").text
    for text in ("ナックス商事株式会社", "NAC Trading Co., Ltd.", "通関　太郎", "東京税関", "論理端末 (1)", "申込 (1)"):
        assert text in page, text
    assert "99999W" in sato.get("/offices/NAC001?tab=terminals").text
    assert number in sato.get("/offices/NAC001?tab=applications").text
    assert "この事業所の申込はありません。" in sato.get("/offices/NAC002?tab=applications").text
    assert "この事業所の論理端末はありません。" in sato.get("/offices/NAC002?tab=terminals").text
    assert "契約者名" in sato.get("/offices/NAC001?tab=nonsense").text
    assert sato.get("/offices/XXX999").status_code == 404


def test_long_lists_of_an_office_are_paged(doors: Doors, sato: Visitor) -> None:
    numbers = [file_application(doors) for _ in range(31)]
    first = sato.get("/offices/NAC001?tab=applications").text
    assert numbers[30] in first  # newest first
    assert numbers[0] not in first
    assert 'href="/offices/NAC001?tab=applications&amp;page=2"' in first
    assert numbers[0] in sato.get("/offices/NAC001?tab=applications&page=2").text
