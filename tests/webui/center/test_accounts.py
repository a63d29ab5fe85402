"""Accounts at the center: those of offices and those of staff, changes of address, mails sent again, split codes."""

import re

import pytest

from enrollment import disclosure
from enrollment.disclosure import Disclosure
from kernel import outbox
from kernel.outbox import DeliveryFailed, Letter, MailState
from tests.webui.conftest import Doors
from tests.webui.mailbox import CENTER, Mailbox
from tests.webui.visitors import PASSWORD, Visitor

NEW = {"mail": "new@example.jp", "mail_again": "new@example.jp"}
TARO = {"login": "taro", "name": "通関　太郎", "mail": "taro@example.jp"}

# What is done to accounts is tried on both databases; the pages look alike whatever lies below.
pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def ito(doors: Doors) -> Visitor:
    """Return the member of staff in charge of security."""
    return doors.staff("ito")


@pytest.fixture
def mailbox(doors: Doors) -> Mailbox:
    return Mailbox(doors.database, doors.clock)


def refuse(letter: Letter) -> None:
    raise DeliveryFailed(f"550 {letter.recipient}", permanent=True)


def waiting(ito: Visitor) -> str:
    """Return the change of address that waits."""
    found = re.search(r"/address-changes/([0-9a-f]{32})/confirm", ito.get("/address-changes/").text)
    assert found is not None
    return found[1]


def test_an_offices_user_is_seen_stopped_and_let_in_again(doors: Doors, ito: Visitor) -> None:
    jiro = doors.customer("jiro")
    assert "jiro@example.jp" in ito.get("/offices/NAC001/users").text
    assert "次の内容を確認してください。" in ito.get("/offices/NAC001/users/jiro/disable").text
    assert ito.post("/offices/NAC001/users/jiro/disable").location == "/offices/NAC001/users/jiro"
    assert jiro.get("/").status_code == 303
    assert "停止中" in ito.get("/offices/NAC001/users/jiro").text
    ito.post("/offices/NAC001/users/jiro/enable")
    assert doors.customer("jiro").get("/").status_code == 200


def test_a_lock_is_lifted(doors: Doors, ito: Visitor) -> None:
    jiro = Visitor(doors.portal)
    for _ in range(5):
        jiro.log_in(office_code="NAC001", user="jiro", password="wrong password")
    assert "誤入力でロック中" in ito.get("/offices/NAC001/users/jiro").text
    ito.get("/offices/NAC001/users/jiro/unlock")
    ito.post("/offices/NAC001/users/jiro/unlock")
    assert "誤入力でロック中" not in ito.get("/offices/NAC001/users/jiro").text
    assert jiro.log_in(office_code="NAC001", user="jiro").status_code == 303


def test_before_the_last_administrator_is_stopped_staff_are_warned_and_can_make_another(
    doors: Doors, ito: Visitor, mailbox: Mailbox
) -> None:
    assert "有効な最後の管理責任者です" in ito.get("/offices/NAC001/users/hanako/disable").text
    assert "有効な最後の管理責任者です" not in ito.get("/offices/NAC001/users/jiro/disable").text
    ito.post("/offices/NAC001/users/hanako/disable")
    assert "有効な管理責任者のユーザーがありません" in ito.get("/offices/NAC001/users").text
    assert 'value="hanako@example.jp"' in ito.get("/offices/NAC001/administrator-account").text
    assert ito.post("/offices/NAC001/administrator-account", {**TARO, "mail": ""}).status_code == 422
    assert ito.post("/offices/NAC001/administrator-account", TARO).location == "/offices/NAC001/users"
    reader = Visitor(doors.portal)
    reader.get("/account/password")
    form = {"code": mailbox.token_of("taro@example.jp"), "new_password": PASSWORD, "new_password_again": PASSWORD}
    assert reader.post("/account/password", form).status_code == 303
    assert doors.person("taro", "NAC001").is_administrator


def test_codes_are_not_split_where_nobody_is_the_administrator(doors: Doors, ito: Visitor) -> None:
    ito.get("/offices/NAC001/users/hanako/disable")
    ito.post("/offices/NAC001/users/hanako/disable")
    page = ito.get("/offices/NAC001/disclosure").text
    assert "有効な管理責任者のユーザーがないため" in page
    assert "<button" not in page.partition("<main")[2]
    ito.post("/offices/NAC001/disclosure", {"disclosure": "split", "step": "do"})
    with doors.database.snapshot() as session:
        assert disclosure.of_office(session, "NAC001") is Disclosure.WHOLE
    ito.get("/offices/NAC001/users/hanako/enable")
    ito.post("/offices/NAC001/users/hanako/enable")
    ito.post("/offices/NAC001/disclosure", {"disclosure": "split", "step": "do"})
    with doors.database.snapshot() as session:
        assert disclosure.of_office(session, "NAC001") is Disclosure.SPLIT


def test_a_colleague_is_invited_given_roles_and_removed(doors: Doors, ito: Visitor, mailbox: Mailbox) -> None:
    ito.get("/staff-invitation")
    assert "役割を1つ以上選択してください。" in ito.arrive("/staff-invitation", TARO).text
    assert ito.post("/staff-invitation", {**TARO, "role": "review"}).location == "/staff"
    address, token = mailbox.link_to("taro@example.jp")
    assert address == f"{CENTER}/account/password"
    reader = Visitor(doors.center)
    reader.get("/account/password")
    reader.post("/account/password", {"code": token, "new_password": PASSWORD, "new_password_again": PASSWORD})
    ito.get("/staff/taro")
    ito.post("/staff/taro/roles", {"role": ["review", "issuing"]})
    assert doors.person("taro").grants == {"review", "issuing"}
    ito.post("/staff/taro/roles", {"role": []})
    assert doors.person("taro").grants == {"review", "issuing"}
    assert ito.post("/staff/taro/remove").location == "/staff"
    assert "taro" not in ito.get("/staff").text.partition("<table")[2]


def test_nobody_in_charge_of_security_changes_their_own_account(doors: Doors, ito: Visitor) -> None:
    assert "checkbox" not in ito.get("/staff/ito").text
    ito.get("/staff/kato")
    ito.post("/staff/ito/roles", {"role": "review"})
    ito.post("/staff/ito/disable")
    assert doors.person("ito").grants == {"security"}
    assert "自分のユーザーは変更できません。" in ito.get("/staff/ito/disable").text


def test_a_change_of_address_is_confirmed_by_staff_who_say_how(doors: Doors, ito: Visitor, mailbox: Mailbox) -> None:
    doors.code("hanako", "NAC001")
    hanako = doors.customer()
    hanako.get("/mail-address")
    hanako.post("/mail-address", NEW)
    mailbox.fetch()
    assert '<p class="big plain">1件</p>' in ito.get("/").text
    confirm = f"/address-changes/{waiting(ito)}/confirm"
    assert "0312345678" in ito.get(confirm).text
    assert ito.post(confirm, {"reason": " "}).status_code == 422
    assert "次の内容を確認してください。" in ito.arrive(confirm, {"reason": "電話で確認した"}).text
    assert ito.post(confirm, {"reason": "電話で確認した", "step": "do"}).location == "/address-changes/"
    assert doors.person("hanako", "NAC001").mail == "new@example.jp"
    assert ito.get(confirm).status_code == 404


def test_a_change_of_address_is_declined(doors: Doors, ito: Visitor) -> None:
    doors.code("hanako", "NAC001")
    hanako = doors.customer()
    hanako.get("/mail-address")
    hanako.post("/mail-address", NEW)
    path = f"/address-changes/{waiting(ito)}/decline"
    ito.get(path)
    assert ito.post(path).location == "/address-changes/"
    assert "確認を待つ連絡先の変更はありません。" in ito.get("/address-changes/").text


def test_a_mail_that_did_not_arrive_is_sent_again_with_a_link_that_staff_never_see(
    doors: Doors, ito: Visitor, mailbox: Mailbox
) -> None:
    ito.get("/offices/NAC001/users/jiro/link")
    ito.post("/offices/NAC001/users/jiro/link")
    mailbox.fetch(refuse)
    sato = doors.staff("sato")
    page = sato.get("/mails/1").text
    assert "1回だけ使えるリンク" in page
    assert "[[link" not in page
    assert "550 jiro@example.jp" in sato.get("/mails/1/again").text
    assert sato.post("/mails/1/again").location == "/mails/1"
    with doors.database.snapshot() as session:
        mail = outbox.get(session, 1)
    assert mail is not None
    assert mail.state is MailState.WAITING
    token = mailbox.token_of("jiro@example.jp")
    assert token not in sato.get("/mails/1").text
    sato.post("/mails/1/again")
    assert "すでに送信されています" in sato.get("/mails/1").text
    assert sato.get("/mails/99/again").status_code == 404
