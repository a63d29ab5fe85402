"""The ID notice: hidden until asked for, each showing on record, frozen by the office itself."""

import re
from datetime import date, timedelta

import segno
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import select

from enrollment.codes import Codes
from enrollment.disclosure import Disclosure, Disclosures
from enrollment.id_notices import IdNotices
from enrollment.receipts import Receipts
from enrollment.tables import ReissueRow
from kernel import outbox
from kernel.audit import CheckpointSigner, Receipt, customer, seal
from registry.states import DeviceClass, SystemClass
from registry.terminals import Takeover, register_existing
from tests.support.house import SOURCE, House, new_request
from tests.webui.conftest import KATO, OPERATOR, SATO, Doors
from tests.webui.visitors import PASSWORD, Visitor
from webui.accounts import NewAccount, Right
from webui.portal.id_notice import SHOWN_FOR
from webui.tables import AccountRow


def secrets_of(page: str) -> list[str]:
    return re.findall(r'<span id="(?:access_key|auth_code_[23])-[^"]*">([^<]+)</span>', page)


def notices(doors: Doors) -> IdNotices:
    found: IdNotices = doors.portal.extensions["webui-portal"].notices
    return found


def shown_times(doors: Doors, number: str) -> list[int]:
    notice = notices(doors).notice(number, "NAC001")
    assert notice
    return [len(line.showings) for line in notice.terminals]


def codes_of(doors: Doors, number: str, terminal: str) -> Codes:
    return notices(doors).show(number, "NAC001", terminal, customer("NAC001", "test"))


def test_the_head_shows_what_the_reference_shows(doors: Doors) -> None:
    number, names = doors.prepared()
    page = doors.customer().get(f"/applications/{number}/id-notice").text
    for words in ("2026/12/15", "NAC001", "********", "海上", "東京税関", "1234567", *names, "2027/02/15"):
        assert words in page
    assert f"NAC{names[0][-4:]}" in page
    assert "https://localhost:8444" in page


def test_it_says_how_to_retrieve_and_leads_to_the_page_without_a_code(doors: Doors) -> None:
    number, names = doors.prepared()
    page = doors.customer().get(f"/applications/{number}/id-notice").text
    assert f"tegata terminal retrieve --server https://localhost:8444 --ca root.pem --folder {names[0]}" in page
    assert 'href="/bulletin/manuals/retrieval#openssl"' in page
    assert "POST https://localhost:8444/api/v1/retrievals" in page
    assert re.findall(r'href="(https://localhost:8444[^"]*)"', page) == ["https://localhost:8444/retrieve?office_code=NAC001"]


def test_the_picture_is_the_address_of_the_page_in_any_of_the_eight_ways_to_draw_it(doors: Doors) -> None:
    number, _ = doors.prepared()
    page = doors.customer().get(f"/applications/{number}/id-notice").text
    address = "https://localhost:8444/retrieve?office_code=NAC001"
    codes = [segno.make(address, error="m", micro=False, mask=mask) for mask in range(8)]
    assert any(code.svg_inline(omitsize=True, border=2) in page for code in codes)


def test_where_nothing_can_be_retrieved_it_does_not_say_how(doors: Doors) -> None:
    number, names = doors.prepared()
    for name in names:
        notices(doors).freeze(number, "NAC001", name, customer("NAC001", "test"))
    page = doors.customer().get(f"/applications/{number}/id-notice").text
    assert "tegata terminal retrieve" not in page
    assert "<svg" not in page


def test_nothing_is_shown_and_nothing_recorded_before_it_is_asked_for(doors: Doors) -> None:
    number, _ = doors.prepared()
    response = doors.customer().get(f"/applications/{number}/id-notice")
    assert response.headers["Cache-Control"] == "no-store"
    assert secrets_of(response.text) == []
    assert response.text.count("まだ表示されていません") == 2


def test_asked_for_one_terminals_codes_are_shown_on_record(doors: Doors) -> None:
    number, (first, second) = doors.prepared()
    visitor = doors.customer()
    visitor.get(f"/applications/{number}/id-notice")
    response = visitor.arrive(f"/applications/{number}/id-notice", {"terminal": first})
    assert response.headers["Cache-Control"] == "no-store"
    assert "2026/11/24 10:00</time> JST hanako" in response.text
    shown = secrets_of(response.text)
    assert secrets_of(visitor.get(f"/applications/{number}/id-notice").text) == []
    codes = codes_of(doors, number, first)
    assert shown == [codes.access_key, codes.auth_code_2, codes.auth_code_3]
    assert codes_of(doors, number, second).access_key not in response.text


def test_all_codes_can_be_asked_for_at_once(doors: Doors) -> None:
    number, names = doors.prepared()
    visitor = doors.customer()
    assert "すべての端末のコードを表示する" in visitor.get(f"/applications/{number}/id-notice").text
    response = visitor.arrive(f"/applications/{number}/id-notice", {"terminal": [*names, "99999W"]})
    assert len(secrets_of(response.text)) == 6
    assert response.text.count("hanako</li>") == 2


def test_shown_codes_have_an_address_that_shows_and_records_anew_for_a_short_while(doors: Doors) -> None:
    number, (first, _) = doors.prepared()
    notice = f"/applications/{number}/id-notice"
    visitor = doors.customer()
    visitor.get(notice)
    sent = visitor.post(notice, {"terminal": first})
    assert (sent.status_code, sent.location.partition("?view=")[0]) == (303, notice)
    codes = codes_of(doors, number, first)
    assert not [code for code in (codes.access_key, codes.auth_code_2, codes.auth_code_3) if code in sent.text + sent.location]
    for times in (1, 2):
        page = visitor.get(sent.location)
        assert secrets_of(page.text) == [codes.access_key, codes.auth_code_2, codes.auth_code_3]
        assert page.headers["Cache-Control"] == "no-store"
        assert page.text.count("hanako</li>") == times
    assert secrets_of(visitor.get(notice).text) == []
    doors.clock.advance(SHOWN_FOR + timedelta(seconds=1))
    assert visitor.get(sent.location).location == notice
    assert shown_times(doors, number) == [3, 0]  # with the one of `codes_of`


def test_the_address_of_shown_codes_is_worth_nothing_to_others_and_for_other_notices(doors: Doors) -> None:
    number, (first, _) = doors.prepared()
    notice = f"/applications/{number}/id-notice"
    visitor = doors.customer()
    visitor.get(notice)
    address = visitor.post(notice, {"terminal": first}).location
    assert doors.customer("jiro").get(address).location == notice
    assert doors.customer("saburo", office_code="NAC002").get(address).location == notice
    assert doors.customer("saburo", office_code="NAC002").get(notice).status_code == 303  # to an application that is not there
    view = address.partition("?")[2]
    assert visitor.get(f"/id-notice?{view}").location == "/id-notice"
    assert visitor.get(f"{notice}?view=other").location == notice
    again = visitor.post(notice, {"terminal": first}).location
    assert visitor.get(address).location == notice  # the later asking counts
    with doors.database.transaction() as session:
        session.scalars(select(AccountRow).where(AccountRow.login == "hanako")).one().grants = [Right.APPLY.value]
    assert visitor.get(again).location == notice
    assert shown_times(doors, number) == [0, 0]


def test_shown_codes_do_not_outlive_the_second_factor(doors: Doors) -> None:
    number, (first, _) = doors.prepared()
    notice = f"/applications/{number}/id-notice"
    visitor = doors.customer()
    visitor.get(notice)
    doors.clock.advance(timedelta(minutes=9))
    address = visitor.post(notice, {"terminal": first}).location
    assert len(secrets_of(visitor.get(address).text)) == 3
    doors.clock.advance(timedelta(minutes=2))
    assert visitor.get(address).location == notice
    assert shown_times(doors, number) == [1, 0]


def test_who_may_not_see_codes_gets_none(doors: Doors) -> None:
    number, (first, _) = doors.prepared()
    visitor = doors.customer("jiro")
    assert "表示する</" not in visitor.get(f"/applications/{number}/id-notice").text
    assert visitor.post(f"/applications/{number}/id-notice", {"terminal": first}).status_code == 403


def split(doors: Doors, *administrators: str) -> None:
    """Let the office's codes be split; jiro and taro may see codes, too, and these are administrators."""
    assert Disclosures(doors.database, doors.clock).choose("NAC001", Disclosure.SPLIT, SATO)
    rights = {
        login: {Right.CODES, Right.APPLY} | ({Right.ADMINISTRATOR} if login in administrators else set()) for login in PEOPLE
    }
    for login, held in rights.items():
        account = NewAccount(login, "通関 太郎", f"{login}@example.jp", PASSWORD, frozenset(held), "NAC001")
        doors.accounts.add(account, OPERATOR)
        doors.code(login, "NAC001")


PEOPLE = ("kanri", "taro")


def test_the_page_shows_each_their_half_and_whose_the_other_is(doors: Doors) -> None:
    number, (first, _) = doors.prepared()
    split(doors)
    path = f"/applications/{number}/id-notice"
    hanako, taro = doors.customer(), doors.customer("taro")
    hanako.get(path)
    upper = hanako.arrive(path, {"terminal": first}).text
    taro.get(path)
    lower = taro.arrive(path, {"terminal": first}).text
    assert [len(code) for code in secrets_of(upper)] == [13, 6]
    assert [len(code) for code in secrets_of(lower)] == [5]
    assert "管理責任者以外の方に表示します" in upper
    assert "管理責任者に表示します" in lower
    assert "hanako 管理責任者の分" in lower
    assert "taro 申込者の分" in lower
    assert "分けて表示します" in upper


def test_whoever_has_neither_half_gets_nothing(doors: Doors) -> None:
    number, (first, _) = doors.prepared()
    split(doors, "kanri")
    with doors.database.transaction() as session:
        hanako = session.scalars(select(AccountRow).where(AccountRow.login == "hanako")).one()
        hanako.grants = [Right.CODES.value]
    path = f"/applications/{number}/id-notice"
    taro = doors.customer("taro")
    page = taro.get(path).text
    assert "申込者(hanako)に表示します" in page
    assert "表示する<span" not in page
    assert secrets_of(taro.arrive(path, {"terminal": first}).text) == []
    assert [len(code) for code in secrets_of(_shown(doors.customer(), path, first))] == [5]
    assert [len(code) for code in secrets_of(_shown(doors.customer("kanri"), path, first))] == [13, 6]


def _shown(visitor: Visitor, path: str, terminal: str) -> str:
    visitor.get(path)
    return visitor.arrive(path, {"terminal": terminal}).text


def test_a_while_after_the_log_in_the_second_factor_is_asked_for_again(doors: Doors) -> None:
    number, (first, _) = doors.prepared()
    path = f"/applications/{number}/id-notice"
    visitor = doors.customer()
    visitor.get(path)
    doors.clock.advance(timedelta(minutes=11))
    question = visitor.post(path, {"terminal": first})
    assert question.status_code == 200
    assert "確認コード" in question.text
    assert f'name="terminal" value="{first}"' in question.text
    assert secrets_of(question.text) == []
    wrong = visitor.post(path, {"terminal": first, "factor_code": "000 000"})
    assert wrong.status_code == 422
    assert "確認コードが違います" in wrong.text
    code = doors.code("hanako", "NAC001")
    shown = visitor.arrive(path, {"terminal": first, "factor_code": code}).text
    assert len(secrets_of(shown)) == 3
    assert code not in shown
    assert len(secrets_of(visitor.arrive(path, {"terminal": first}).text)) == 3
    doors.clock.advance(timedelta(minutes=11))
    assert secrets_of(visitor.arrive(path, {"terminal": first}).text) == []
    notice = notices(doors).notice(number, "NAC001")
    assert notice
    assert [len(line.showings) for line in notice.terminals] == [2, 0]


def test_guessing_the_second_factor_of_an_open_session_is_slowed(doors: Doors) -> None:
    number, (first, _) = doors.prepared()
    path = f"/applications/{number}/id-notice"
    visitor = doors.customer()
    visitor.get(path)
    doors.clock.advance(timedelta(minutes=11))
    for _ in range(5):
        visitor.post(path, {"terminal": first, "factor_code": "000000"})
    right = {"terminal": first, "factor_code": doors.code("hanako", "NAC001")}
    assert "しばらくの間受け付けません" in visitor.post(path, right).text


def test_anyone_of_the_office_freezes_all_codes_by_the_link_of_the_mail(doors: Doors) -> None:
    number, names = doors.prepared()
    with doors.database.snapshot() as session:
        bodies = [mail.body for mail in outbox.search(session, outbox.Wanted(office_code="NAC001"))]
    found = re.search(r"https://localhost:8443(/applications/\w+/id-notice/freeze)$", "\n".join(bodies), re.MULTILINE)
    assert found
    stranger = Visitor(doors.portal)
    assert stranger.get(found[1]).location == f"/login?next={found[1]}"
    jiro = doors.customer("jiro")
    page = jiro.get(found[1]).text
    assert all(name in page for name in names)
    assert jiro.post(found[1]).location == f"/applications/{number}/id-notice"
    assert "凍結できるコードはありません。" in jiro.get(found[1]).text
    notice = notices(doors).notice(number, "NAC001")
    assert notice
    assert {line.freeze.frozen_by for line in notice.terminals if line.freeze} == {"customer:NAC001/jiro"}


def test_the_administrator_consents_and_staff_confirm(doors: Doors) -> None:
    number, (first, _) = doors.prepared()
    path = f"/applications/{number}/id-notice/{first}"
    jiro, hanako = doors.customer("jiro"), doors.customer()
    jiro.get(f"{path}/freeze")
    jiro.post(f"{path}/freeze")
    assert "凍結の解除に同意する" not in jiro.get(f"/applications/{number}/id-notice").text
    assert jiro.get(f"{path}/consent").status_code == 403
    assert jiro.post(f"{path}/consent").status_code == 403
    assert "凍結の解除に同意する" in hanako.get(f"/applications/{number}/id-notice").text
    assert "jiroさん" in hanako.get(f"{path}/consent").text
    done = hanako.post(f"{path}/consent")
    assert "センターが確認すると、凍結が解除されます。" in hanako.get(done.location).text
    assert doors.preparation.thaw(first, KATO)
    assert hanako.get(f"{path}/consent").status_code == 404
    assert hanako.post(f"{path}/consent").status_code == 409
    assert len(secrets_of(_shown(hanako, f"/applications/{number}/id-notice", first))) == 3


def test_lost_codes_are_asked_for_anew_with_a_reason(doors: Doors) -> None:
    number, (first, _) = doors.prepared()
    path = f"/terminals/{first}/reissue"
    visitor = doors.customer()
    assert f'href="{path}">コードが届かない' in visitor.get(f"/applications/{number}/id-notice").text
    assert "コードが届かない、またはわからなくなったときは" in visitor.get(path).text
    done = visitor.post(path, {"reason": "unusable", "remark": "コードが届きません。", "step": "do"})
    assert "再発行の申込を受け付けました" in visitor.get(done.location).text
    with doors.database.snapshot() as session:
        row = session.scalars(select(ReissueRow)).one()
    assert (row.terminal, row.requester, row.remark) == (first, "customer:NAC001/hanako", "コードが届きません。")
    assert doors.customer("jiro").get(path).status_code == 403


def test_the_receipt_of_a_retrieval_is_the_offices_own(issuing_doors: Doors, house: House) -> None:
    doors = issuing_doors
    number, (first, _) = doors.prepared()
    house.redemption.redeem(house.codes_of(first), new_request().pem, SOURCE)
    key = Ed25519PrivateKey.generate()
    seal(doors.database, CheckpointSigner("example.jp/log", key.public_key().public_bytes_raw(), key.sign), now=doors.clock.now())
    assert Receipts(doors.database, key.public_key().verify).settle_due(doors.clock.now()) == 1
    visitor = doors.customer("jiro")
    [address] = re.findall(r'href="(/receipts/[^"]*)"', visitor.get(f"/applications/{number}/id-notice").text)
    response = visitor.get(address)
    assert response.mimetype == "application/json"
    assert f"receipt-{first}-" in response.headers["Content-Disposition"]
    assert Receipt.read(response.text).content.subject == f"terminal:{first}"
    stranger = doors.customer("saburo", office_code="NAC002")
    assert stranger.get(address).status_code == 404
    assert stranger.get("/receipts/99999W/00").status_code == 404


def test_the_pages_of_another_office_are_not_there(doors: Doors) -> None:
    number, (first, _) = doors.prepared()
    stranger = doors.customer("saburo", office_code="NAC002")
    stranger.get("/")
    notice = f"/applications/{number}/id-notice"
    for path in (f"{notice}/freeze", f"{notice}/{first}/freeze", f"{notice}/{first}/consent"):
        assert stranger.get(path).status_code == 404, path
        assert stranger.post(path, {"reason": "lost"}).status_code == 404, path
    found = notices(doors).notice(number, "NAC001")
    assert found
    assert all(line.showable for line in found.terminals)


def test_the_picture_leads_to_the_retrieval_page_without_a_secret(doors: Doors) -> None:
    number, (first, _) = doors.prepared()
    page = _shown(doors.customer(), f"/applications/{number}/id-notice", first)
    assert '<div class="qr" role="img"' in page
    assert "<svg" in page
    assert "style=" not in page
    assert "表示・印刷した方: 通関 花子 (hanako) 2026/11/24 10:00 JST" in page


def test_another_office_can_show_and_freeze_nothing(doors: Doors) -> None:
    number, (first, _) = doors.prepared()
    stranger = doors.customer("saburo", office_code="NAC002")
    stranger.get("/")
    assert stranger.post(f"/applications/{number}/id-notice", {"terminal": first}).status_code == 404
    assert stranger.post(f"/applications/{number}/id-notice/{first}/freeze").status_code == 404
    notice = notices(doors).notice(number, "NAC001")
    assert notice
    assert all(line.showable and not line.showings for line in notice.terminals)


def test_an_office_freezes_codes_itself(doors: Doors) -> None:
    number, (first, second) = doors.prepared()
    visitor = doors.customer()
    assert first in visitor.get(f"/applications/{number}/id-notice/{first}/freeze").text
    assert visitor.post(f"/applications/{number}/id-notice/{first}/freeze").location == f"/applications/{number}/id-notice"
    page = visitor.get(f"/applications/{number}/id-notice").text
    assert "凍結しました" in page
    assert "凍結中" in page
    response = visitor.arrive(f"/applications/{number}/id-notice", {"terminal": [first, second]})
    assert len(secrets_of(response.text)) == 3
    assert visitor.post(f"/applications/{number}/id-notice/{first}/freeze").status_code == 409
    assert visitor.get(f"/applications/{number}/id-notice/{first}/freeze").status_code == 404


def test_terminals_that_were_taken_over_have_a_notice_without_number(doors: Doors) -> None:
    visitor = doors.customer()
    assert visitor.get("/id-notice").status_code == 404
    with doors.database.transaction() as session:
        takeover = Takeover("88888W", "NAC001", SystemClass.AIR, DeviceClass.NET, date(2026, 11, 1))
        register_existing(session, takeover, now=doors.clock.now())
    doors.preparation.prepare_existing("88888W", SATO, KATO)
    doors.preparation.replace("88888W", KATO)  # makes a line of news
    assert 'href="/id-notice"' in visitor.get("/").text
    assert 'href="/id-notice"' in visitor.get("/contract/netnaccs").text
    assert secrets_of(visitor.get("/id-notice").text) == []
    assert len(secrets_of(visitor.arrive("/id-notice", {"terminal": "88888W"}).text)) == 3
    assert "88888W" in visitor.get("/id-notice/88888W/freeze").text
    assert visitor.post("/id-notice/88888W/freeze").location == "/id-notice"
    assert "凍結中" in visitor.get("/id-notice").text
    assert doors.customer("saburo", office_code="NAC002").get("/id-notice").status_code == 404


def test_without_codes_there_is_no_notice(doors: Doors) -> None:
    number = doors.applied()
    visitor = doors.customer()
    visitor.get("/")
    assert visitor.get(f"/applications/{number}/id-notice").location == f"/applications/{number}"
    assert visitor.post(f"/applications/{number}/id-notice", {"terminal": "00001W"}).status_code == 404
    assert f"/applications/{number}/id-notice" not in visitor.get(f"/applications/{number}").text
