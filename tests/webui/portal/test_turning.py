"""Long lists in the application's pages: turned, searched, narrowed, and never lost, in a form that needs no script."""

import re
from datetime import date

import pytest
from sqlalchemy import insert

from registry.applicants import contact_form
from registry.drafts import Customer, Section
from registry.paging import SIZE
from registry.states import DeviceClass, SystemClass, TerminalState
from registry.tables import LineRow, TerminalRow, UserCodeRow
from tests.webui.conftest import APPLICANT, HANAKO, SATO, START, TERMINAL, Doors
from tests.webui.portal.test_item_pages import begun, confirm
from tests.webui.visitors import Visitor

# The pages look alike whatever lies below.
pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
BEGAN = date(2025, 4, 1)
Form = dict[str, str | list[str]]


def many_terminals(doors: Doors, count: int) -> None:
    """Give NAC001 terminals 00001W, 00002W and so on, at sea."""
    row = {
        "office_code": "NAC001",
        "system_class": SystemClass.SEA,
        "device_class": DeviceClass.NET,
        "package_class": "net",
        "state": TerminalState.IN_SERVICE,
        "start_date": BEGAN,
        "registered_at": doors.clock.now(),
        "changed_at": doors.clock.now(),
    }
    with doors.database.transaction() as session:
        session.execute(insert(TerminalRow), [{**row, "name": f"{number:05}W"} for number in range(1, count + 1)])


def many_codes(doors: Doors, count: int) -> None:
    """Give NAC001 user codes 1A001, 1A002 and so on."""
    row = {
        "office_code": "NAC001",
        "system_class": SystemClass.SEA,
        "business": "通関業",
        "processing": "会話型",
        "id_number": "001",
        "start_date": BEGAN,
        **dict.fromkeys(("paid_statistics", "free_statistics", "storage", "shared"), False),
    }
    with doors.database.transaction() as session:
        session.execute(insert(UserCodeRow), [{**row, "user_code": f"1A{number:03}"} for number in range(1, count + 1)])


@pytest.fixture
def hanako(doors: Doors) -> Visitor:
    """Return hanako on the terminals' page, of an office with 121 terminals."""
    many_terminals(doors, 120)
    return begun(doors.customer(), "terminals")


def fields(page: str) -> Form:
    """Return what a browser would send of the long list's form."""
    form = page.partition('action="/apply/')[2].partition("</form>")[0]
    found: dict[str, list[str]] = {}
    for tag in re.findall(r"<input[^>]*>", form):
        asked = dict(re.findall(r'(\w+)="([^"]*)"', tag))
        if asked.get("type") not in {"radio", "checkbox"} or " checked" in tag:
            found.setdefault(asked.get("name", ""), []).append(asked.get("value", ""))
    for name, options in re.findall(r'<select id="[^"]*" name="([^"]*)".*?>(.*?)</select>', form, re.DOTALL):
        chosen = re.findall(r'value="([^"]*)" selected', options)
        found[name] = chosen or [""]
    return {**found}


def press(visitor: Visitor, path: str, then: str, over: Form | None = None) -> str:
    """Send the page at a path with something typed over; return where that leads."""
    page = visitor.get(path).text
    action = re.findall(r'action="(/apply/(?:terminals|items/\w+)[^"]*)"', page)[0].replace("&amp;", "&")
    pressed: Form = {"then": then} if then else {}
    return visitor.post(action, {**fields(page), **(over or {}), **pressed}).location


def rows(page: str) -> list[str]:
    return [ref for ref in re.findall(r'<input type="hidden" name="shown" value="([^"]*)">', page) if ref]


def typed(doors: Doors, section: str = Section.TERMINALS) -> dict[str, list[str]]:
    draft = doors.drafts.load(HANAKO)
    assert draft
    return {name: values for name, values in draft.section(section).items() if any(values) and not name.startswith("new")}


def test_a_list_of_one_page_is_as_it_was(doors: Doors) -> None:
    many_terminals(doors, SIZE - 1)
    page = begun(doors.customer(), "terminals").get("/apply/terminals").text
    assert page.count('name="abolish"') == SIZE
    for sign in ('name="shown"', 'name="q"', 'value="enter"', "変更した行だけ", 'aria-label="ページ送り"', 'id="row.'):
        assert sign not in page


def test_a_page_shows_fifty_rows_and_says_so(hanako: Visitor) -> None:
    page = hanako.get("/apply/terminals").text
    assert rows(page) == [f"{number:05}W" for number in range(1, SIZE + 1)]
    assert page.count('name="abolish"') == SIZE
    assert "全121件(1～50件目を表示)" in page
    assert rows(hanako.get("/apply/terminals?page=3").text)[-1] == TERMINAL
    for beyond in ("0", "99", "-1", "x", "９", "1" * 5000):
        assert rows(hanako.get(f"/apply/terminals?page={beyond}").text)


def test_rows_of_several_pages_are_sent_together(doors: Doors, hanako: Visitor) -> None:
    assert press(hanako, "/apply/terminals", "page.2", {"class.00003W": "air"}) == "/apply/terminals?page=2#rows"
    page = hanako.get("/apply/terminals?page=2").text
    assert "変更・廃止する端末 1台" in page
    assert 'value="row.00003W"' in page
    assert 'id="faults"' not in page
    assert press(hanako, "/apply/terminals?page=2", "", {"abolish": ["00060W"], "add.net.sea": "1"}) == "/apply/confirm"
    assert typed(doors) == {"add.net.sea": ["1"], "class.00003W": ["air"], "abolish": ["00060W"]}
    confirmation = hanako.get("/apply/confirm").text
    assert "00003W" in confirmation
    assert "00060W" in confirmation
    assert "ほかの119台は変更しません。" in confirmation
    number = confirm(hanako).rpartition("/")[2]
    shown = hanako.get(f"/applications/{number}").text
    assert "00003W" in shown
    assert "00060W" in shown


def test_what_was_typed_is_taken_back_where_it_is_shown_only(doors: Doors, hanako: Visitor) -> None:
    press(hanako, "/apply/terminals", "page.2", {"abolish": ["00001W"]})
    press(hanako, "/apply/terminals?page=2", "page.1", {"abolish": ["00051W"]})
    assert 'value="00001W" checked' in hanako.get("/apply/terminals").text
    assert press(hanako, "/apply/terminals", "", {"abolish": []}) == "/apply/confirm"
    assert typed(doors) == {"abolish": ["00051W"]}


def test_turning_pages_of_an_untouched_list_reproaches_nobody(hanako: Visitor) -> None:
    hanako.get(press(hanako, "/apply/terminals", "page.2"))
    assert 'id="faults"' not in hanako.get("/apply/terminals?page=2").text
    assert press(hanako, "/apply/terminals?page=2", "") == "/apply/terminals#faults"
    assert "追加する台数、または端末の変更・廃止を入力してください。" in hanako.get("/apply/terminals").text


def test_a_search_keeps_what_was_typed_and_finds_any_row(doors: Doors, hanako: Visitor) -> None:
    location = press(hanako, "/apply/terminals", "find", {"q": "１１９ｗ", "class.00001W": "shared"})
    assert location == "/apply/terminals?q=119w#rows"
    page = hanako.get(location).text
    assert rows(page) == ["00119W"]
    assert "全121件のうち1件" in page
    assert press(hanako, location, "", {"abolish": ["00119W"]}) == "/apply/confirm"
    assert typed(doors) == {"class.00001W": ["shared"], "abolish": ["00119W"]}
    assert "条件に合う行はありません。" in hanako.get("/apply/terminals?q=nothing").text
    assert press(hanako, "/apply/terminals?q=nothing", "") == "/apply/confirm"
    assert typed(doors) == {"class.00001W": ["shared"], "abolish": ["00119W"]}
    assert press(hanako, location, "all") == "/apply/terminals?page=1#rows"
    assert len(rows(hanako.get("/apply/terminals?q=海上").text)) == SIZE


def test_enter_searches_for_another_word_and_otherwise_goes_on(hanako: Visitor) -> None:
    page = hanako.get("/apply/terminals").text
    form = page.partition('action="/apply/terminals')[2]
    assert re.findall(r'<button[^>]*value="([^"]*)"', form)[0] == "enter"
    assert press(hanako, "/apply/terminals", "enter", {"q": "00119"}) == "/apply/terminals?q=00119#rows"
    assert press(hanako, "/apply/terminals?q=00119", "enter", {"add.net.sea": "1"}) == "/apply/confirm"
    assert press(hanako, "/apply/terminals", "enter", {"add.net.sea": "1"}) == "/apply/confirm"
    assert press(hanako, "/apply/terminals?q=00119", "enter", {"q": ""}) == "/apply/terminals?page=1#rows"
    assert press(hanako, "/apply/terminals", "", {"q": "not pressed"}) == "/apply/confirm"


def test_changed_rows_are_counted_named_and_can_be_shown_alone(hanako: Visitor) -> None:
    several = [f"{number:05}W" for number in range(1, 13)]
    assert press(hanako, "/apply/terminals", "changed", {"abolish": several}) == "/apply/terminals?only=changed#rows"
    page = hanako.get("/apply/terminals?only=changed").text
    assert rows(page) == several
    assert "変更・廃止する端末 12台" in page
    assert page.count('value="row.') == 10
    assert "ほか2件" in page
    assert press(hanako, "/apply/terminals?page=3", "row.00002W") == "/apply/terminals?row=00002W#row.00002W"
    page = hanako.get("/apply/terminals?row=00119W").text
    assert "00119W" in rows(page)
    assert 'id="row.00119W"' in page
    assert rows(hanako.get("/apply/terminals?row=unknown").text)[0] == "00001W"


def test_a_fault_of_another_page_leads_there(hanako: Visitor) -> None:
    press(hanako, "/apply/terminals?page=2", "page.1", {"class.00060W": "air", "abolish": ["00060W"]})
    page = hanako.get("/apply/terminals?page=1").text
    assert "入力内容に1件の誤りがあります" in page
    assert "このうち1件は、この画面に表示していない行にあります。" in page
    assert 'value="row.00060W"' in page.partition('id="faults"')[2].partition("</div>")[0]
    assert press(hanako, "/apply/terminals?page=1", "") == "/apply/terminals#faults"
    page = hanako.get("/apply/terminals").text
    assert "00060W" in rows(page)
    assert 'href="#class.00060W"' in page
    assert "この画面に表示していない行" not in page
    assert hanako.get("/apply/confirm").location == "/apply/terminals"


def test_two_tabs_on_two_pages_lose_nothing(doors: Doors, hanako: Visitor) -> None:
    first, second = (fields(hanako.get(f"/apply/terminals?page={number}").text) for number in (1, 2))
    hanako.post("/apply/terminals?page=2", {**second, "abolish": ["00100W"], "then": "page.3"})
    hanako.post("/apply/terminals?page=1", {**first, "abolish": ["00001W"], "then": "page.3"})
    assert typed(doors) == {"abolish": ["00100W", "00001W"]}


def test_a_row_that_came_or_went_meanwhile_is_no_change(doors: Doors, hanako: Visitor) -> None:
    form = fields(hanako.get("/apply/terminals").text)
    many = {**form, "abolish": ["00001W"], "shown": ["", "00001W", "12345X"]}
    assert hanako.post("/apply/terminals?page=1", many).location == "/apply/confirm"
    assert typed(doors) == {"abolish": ["00001W"]}


def test_a_terminal_that_became_busy_on_another_page_is_told_and_can_be_given_up(doors: Doors, hanako: Visitor) -> None:
    press(hanako, "/apply/terminals?page=2", "page.1", {"abolish": ["00060W", "00061W"]})
    number = filed(doors, "00060W")
    page = hanako.get("/apply/terminals").text
    assert f"端末00060Wは、申込{number}で変更の手続き中です。" in page
    assert "00060W" in rows(page)
    assert press(hanako, "/apply/terminals", "") == "/apply/confirm"
    assert typed(doors) == {"abolish": ["00061W"]}


def filed(doors: Doors, terminal: str) -> str:
    """File another user's application that abolishes a terminal of the office."""
    other = Customer("NAC001", "jiro")
    draft = doors.drafts.begin(other)
    pages = {
        Section.CHOICE: {"items": ["terminals"], "wished_start": [START.isoformat()]},
        Section.APPLICANT: contact_form(APPLICANT),
        Section.TERMINALS: {"abolish": [terminal]},
    }
    for section, sent in pages.items():
        draft = doors.drafts.save(other, draft.id, section, sent)
    return doors.applications.submit(other, draft.id, version=draft.version)


def test_the_page_stays_small_with_two_thousand_terminals(doors: Doors) -> None:
    many_terminals(doors, 2_000)
    visitor = begun(doors.customer(), "terminals")
    page = visitor.get("/apply/terminals")
    assert len(page.data) < 100_000
    for number in (41, 20):
        press(visitor, f"/apply/terminals?page={number}", "page.1")
    press(visitor, "/apply/terminals", "page.2", {"class.00002W": "air"})
    assert typed(doors) == {"class.00002W": ["air"]}


def test_user_codes_are_edited_deleted_and_added_over_several_pages(doors: Doors) -> None:
    many_codes(doors, 130)
    visitor, path = begun(doors.customer(), "user_codes"), "/apply/items/user_codes"
    assert press(visitor, path, "page.2", {"1A001.processing": "ウェブ型", "new1.user_code": "2ANAC"}) == f"{path}?page=2#rows"
    page = visitor.get(f"{path}?page=2").text
    assert rows(page) == [f"1A{number:03}" for number in range(21, 41)]
    assert "変更・削除する登録 1件" in page
    assert 'value="2ANAC"' in page
    assert press(visitor, f"{path}?page=2", "more", {"1A021.delete": "yes"}) == f"{path}?more=1&page=2#new2.user_code"
    assert press(visitor, f"{path}?page=2", "") == f"{path}#faults"  # the new row is half empty
    page = visitor.get(path).text
    assert rows(page)[0] == "1A001"
    assert 'id="new1.id_number-fault"' in page
    new: Form = {"new1.id_number": "001", "new1.system_class": "sea", "new1.business": "通関業", "new1.processing": "会話型"}
    assert press(visitor, f"{path}?page=3", "", new) == "/apply/confirm"
    confirmation = visitor.get("/apply/confirm").text
    for code in ("1A001", "1A021", "2ANAC"):
        assert code in confirmation
    assert typed(doors, "user_codes") == {"1A001.processing": ["ウェブ型"], "1A021.delete": ["yes"]}


def test_a_faulty_row_of_an_item_is_found_from_anywhere(doors: Doors) -> None:
    many_codes(doors, 130)
    visitor, path = begun(doors.customer(), "user_codes"), "/apply/items/user_codes"
    press(visitor, f"{path}?page=3", "page.4", {"1A060.business": "unknown"})
    page = visitor.get(f"{path}?page=4").text
    assert 'value="row.1A060">1A060: 選択肢から選んでください。' in page
    assert press(visitor, f"{path}?page=4", "") == f"{path}#faults"
    assert "1A060" in rows(visitor.get(path).text)
    assert rows(visitor.get(f"{path}?q=1a13").text) == ["1A130"]


def test_many_codes_are_suggested_instead_of_listed_in_each_row(doors: Doors) -> None:
    many_codes(doors, 130)
    visitor, path = begun(doors.customer(), "id_numbers"), "/apply/items/id_numbers"
    page = visitor.get(path).text
    assert page.count("<option>1A130</option>") == 1
    assert re.search(r'<input class="s" id="new1\.user_code"[^>]* list="own-user_codes"', page)
    assert press(visitor, path, "", {"new1.user_code": "9ZZZZ", "new1.id_number": "002"}) == f"{path}#faults"
    assert "選択肢から選んでください。" in visitor.get(path).text
    assert press(visitor, path, "", {"new1.user_code": "１ａ１３０", "new1.id_number": "002"}) == "/apply/confirm"
    assert "1A130" in visitor.get("/apply/confirm").text


def test_lines_of_general_terminals_are_suggested_where_there_are_many(doors: Doors) -> None:
    row = {"office_code": "NAC001", "postal_code": "1350064", "place": "東京都", "kind": "shared", "start_date": BEGAN}
    with doors.database.transaction() as session:
        session.execute(insert(LineRow), [{**row, "number": f"L{number:06}"} for number in range(1, 81)])
    page = begun(doors.customer(), "general_terminals").get("/apply/items/general_terminals").text
    assert 'list="own-lines"' in page
    assert page.count("<option>L000080</option>") == 1


def test_a_long_confirmation_is_shown_in_parts_and_keeps_what_was_typed(doors: Doors, hanako: Visitor) -> None:
    several = [f"{number:05}W" for number in range(1, SIZE + 1)]
    press(hanako, "/apply/terminals", "page.2", {"abolish": several})
    press(hanako, "/apply/terminals?page=2", "", {"abolish": [f"{number:05}W" for number in range(51, 61)]})
    page = hanako.get("/apply/confirm").text
    assert "00051W" not in page
    assert 'value="part.net.2"' in page
    hidden = {name: re.findall(rf'name="{name}" value="([^"]*)"', page)[0] for name in ("draft", "shown")}
    turned = hanako.post("/apply/confirm", {**hidden, "remarks": "よろしく", "then": "part.net.2"})
    assert turned.location == "/apply/confirm?net=2#part-net"
    page = hanako.get(turned.location).text
    assert "00051W" in page
    assert "よろしく" in page
    number = hanako.post("/apply/confirm", {**hidden, "remarks": "よろしく"}).location.rpartition("/")[2]
    for visitor, path in ((hanako, f"/applications/{number}"), (doors.staff("sato"), f"/applications/{number}")):
        assert "00051W" not in visitor.get(path).text
        assert "00051W" in visitor.get(f"{path}?net=2").text
    hostile = hanako.get(f"/applications/{number}?_scheme=javascript&_external=1&net=1").text
    assert "javascript:" not in hostile


def test_staff_see_a_long_item_in_parts(doors: Doors) -> None:
    many_codes(doors, 130)
    visitor, path = begun(doors.customer(), "user_codes"), "/apply/items/user_codes"
    for page in (1, 2, 3):
        over: Form = {f"{ref}.processing": "ウェブ型" for ref in rows(visitor.get(f"{path}?page={page}").text)}
        press(visitor, f"{path}?page={page}", "page.1" if page < 3 else "", over)
    number = confirm(visitor).rpartition("/")[2]
    doors.review.approve(number, START, approver=SATO)
    staff = doors.staff("sato")
    for address in (f"/applications/{number}", f"/applications/{number}/items/user_codes"):
        assert "1A051" not in staff.get(address).text
        assert "1A051" in staff.get(f"{address}?user_codes=2").text


def test_the_contracts_own_lists_are_shown_in_parts(doors: Doors) -> None:
    many_codes(doors, 130)
    visitor = doors.customer()
    page = visitor.get("/contract/user-codes").text
    assert "1A050" in page
    assert "1A051" not in page
    assert 'href="/contract/user-codes?codes=2#part-codes"' in page
    assert "1A130" in visitor.get("/contract/user-codes?codes=99").text
    assert "ページ送り" not in visitor.get("/contract/lines").text
