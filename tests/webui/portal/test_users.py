"""The page ユーザー: inviting, rights, and what is done to users."""

from datetime import timedelta

import pytest

from kernel.outbox import DeliveryFailed, Letter
from tests.webui.conftest import Doors
from tests.webui.mailbox import Mailbox
from tests.webui.visitors import PASSWORD, Visitor
from webui.accounts import Accounts, NewAccount, Right
from webui.csrf import FIELD

# What is done to accounts is tried on both databases; the pages look alike whatever lies below.
pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def hanako(doors: Doors) -> Visitor:
    """Return the administrator, logged in with a second factor."""
    doors.code("hanako", "NAC001")
    return doors.customer()


@pytest.fixture
def mailbox(doors: Doors) -> Mailbox:
    return Mailbox(doors.database, doors.clock)


def invited(visitor: Visitor, login: str = "saburo", **typed: str | list[str]) -> Visitor:
    visitor.get("/invitation")
    form: dict[str, str | list[str]] = {"login": login, "name": "通関　三郎", "mail": f"{login}@example.jp", "right": ["apply"]}
    assert visitor.post("/invitation", {**form, **typed}).location == "/users"
    return visitor


def test_whoever_is_invited_opens_the_link_and_logs_in(doors: Doors, hanako: Visitor, mailbox: Mailbox) -> None:
    page = invited(hanako).get("/users").text
    assert "saburo@example.jpへ招待のメールを送りました。" in page
    assert "招待中" in page
    saburo = Visitor(doors.portal, "192.0.2.9")
    assert "確認コード" in saburo.get("/account/password").text
    token = mailbox.token_of("saburo@example.jp")
    wrong = {"code": "x" * 43, "new_password": PASSWORD, "new_password_again": PASSWORD}
    assert "このリンクは使えません。" in saburo.post("/account/password", wrong).text
    differing = {"code": token, "new_password": PASSWORD, "new_password_again": "other"}
    page = saburo.post("/account/password", differing).text
    assert token in page
    assert PASSWORD not in page
    assert saburo.post("/account/password", {**wrong, "code": token}).location == "/account/password/chosen"
    assert "パスワードを設定しました" in saburo.get("/account/password/chosen").text
    assert saburo.log_in(office_code="NAC001", user="saburo").location == "/"
    assert saburo.post("/account/password", {**wrong, "code": token, FIELD: saburo.token}).status_code == 400
    assert "利用可" in hanako.get("/users/saburo").text


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ({"login": ""}, "入力してください。"),
        ({"login": "jiro"}, "すでに使われているか"),
        ({"login": "三郎"}, "半角の英小文字"),
        ({"mail": "nobody"}, "メールアドレスの形式"),
        ({"name": "長" * 81}, "80文字以内"),
    ],
)
def test_what_is_wrong_is_told_beside_the_field_and_stays(hanako: Visitor, typed: dict[str, str], told: str) -> None:
    hanako.get("/invitation")
    form = {"login": "saburo", "name": "通関　三郎", "mail": "saburo@example.jp", **typed}
    response = hanako.post("/invitation", form)
    assert response.status_code == 422
    assert told in response.text
    assert all(f'value="{value}"' in response.text for value in form.values() if value)


def test_all_that_is_wrong_is_told_at_once(hanako: Visitor) -> None:
    hanako.get("/invitation")
    page = hanako.post("/invitation", {"login": "三郎", "name": "長" * 81, "mail": "nobody"}).text
    for told in ("半角の英小文字", "80文字以内", "メールアドレスの形式"):
        assert told in page


def test_rights_are_changed_and_count_at_once(doors: Doors, hanako: Visitor) -> None:
    jiro = doors.customer("jiro")
    assert jiro.get("/users").status_code == 403
    page = hanako.get("/users/jiro").text
    assert page.count('type="checkbox"') == len(Right)
    assert hanako.post("/users/jiro/rights", {"right": ["users", "apply"]}).location == "/users/jiro"
    assert "権限を変更しました。" in hanako.get("/users/jiro").text
    page = jiro.get("/users/hanako").text
    assert "管理責任者のユーザーは、管理責任者だけが変更できます。" in page
    assert "checkbox" not in page
    assert 'value="codes" disabled' in jiro.get("/invitation").text


def test_what_a_manager_does_not_hold_stays_as_it_is(doors: Doors, accounts: Accounts, hanako: Visitor) -> None:
    hanako.get("/users/jiro")
    hanako.post("/users/jiro/rights", {"right": ["users", "apply"]})
    account = NewAccount("shiro", "四郎", "shiro@example.jp", PASSWORD, frozenset({Right.CODES}), "NAC001")
    accounts.add(account, doors.person("hanako", "NAC001").actor)
    doors.code("jiro", "NAC001")
    jiro = doors.customer("jiro")
    jiro.get("/users/shiro")
    jiro.post("/users/shiro/rights", {"right": ["apply", "billing"]})
    assert "自分が持っていない権限は" in jiro.get("/users/shiro").text
    jiro.post("/users/shiro/rights", {"right": ["apply"]})
    assert doors.person("shiro", "NAC001").grants == {"codes", "apply"}


def test_a_deed_is_explained_first_and_done_once(doors: Doors, hanako: Visitor) -> None:
    jiro = doors.customer("jiro")
    assert "すぐにログアウトされ" in hanako.get("/users/jiro/disable").text
    assert jiro.get("/").status_code == 200
    assert hanako.post("/users/jiro/disable").location == "/users/jiro"
    assert jiro.get("/").status_code == 303
    hanako.post("/users/jiro/disable")
    page = hanako.get("/users/jiro").text
    assert "ユーザーの状態が変わったため" in page
    assert "/users/jiro/enable" in page
    hanako.post("/users/jiro/enable")
    assert hanako.post("/users/jiro/remove").location == "/users"
    assert hanako.get("/users/jiro").status_code == 404


@pytest.mark.parametrize("deed", ["disable", "remove", "link"])
def test_nothing_is_done_to_oneself(hanako: Visitor, deed: str) -> None:
    assert "自分のユーザーは変更できません。" in hanako.get(f"/users/hanako/{deed}").text
    hanako.post(f"/users/hanako/{deed}")
    assert "自分のユーザーは変更できません。" in hanako.get("/users").text
    hanako.get("/users/jiro")
    hanako.post("/users/hanako/rights", {"right": ["apply"]})
    assert hanako.get("/users").status_code == 200


def test_another_offices_users_are_nobodys(hanako: Visitor) -> None:
    hanako.get("/users")
    for path in ("/users/saburo", "/users/saburo/disable", "/users/nobody", "/users/jiro/nonsense"):
        assert hanako.get(path).status_code == 404
    assert "saburo" not in hanako.get("/users").text


def test_without_a_fresh_second_factor_nobody_is_invited(doors: Doors) -> None:
    visitor = doors.customer()
    doors.clock.advance(timedelta(minutes=15))
    visitor.get("/invitation")
    form = {"login": "saburo", "name": "通関　三郎", "mail": "saburo@example.jp"}
    assert visitor.post("/invitation", form).location is None
    assert "saburo" not in visitor.get("/users").text


def test_an_address_that_nothing_reaches_is_told_to_who_manages_users(doors: Doors, hanako: Visitor, mailbox: Mailbox) -> None:
    def refuse(letter: Letter) -> None:
        raise DeliveryFailed(f"550 {letter.recipient}", permanent=True)

    told = "メールを届けられないアドレスがあります"
    invited(hanako)
    assert told not in hanako.get("/users").text
    mailbox.fetch(refuse)
    for path in ("/users", "/"):
        page = hanako.get(path).text
        assert told in page
        assert "<li>saburo@example.jp" in page
    assert told not in doors.customer("jiro").get("/").text
    hanako.post("/users/saburo/link")
    mailbox.fetch()
    assert told not in hanako.get("/").text
