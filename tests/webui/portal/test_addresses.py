"""Changing addresses in the portal: asked for by a form, confirmed by the links in the mails."""

import pytest

from registry import offices
from tests.webui.conftest import APPLICANT, Doors
from tests.webui.mailbox import PORTAL, Mailbox
from tests.webui.visitors import Visitor

NEW = {"mail": "new@example.jp", "mail_again": "new@example.jp"}

# What is done to accounts is tried on both databases; the pages look alike whatever lies below.
pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def hanako(doors: Doors) -> Visitor:
    doors.code("hanako", "NAC001")
    return doors.customer()


@pytest.fixture
def mailbox(doors: Doors) -> Mailbox:
    return Mailbox(doors.database, doors.clock)


def confirm(doors: Doors, token: str) -> str:
    """Open a link as its reader does, and return the last page."""
    reader = Visitor(doors.portal, "192.0.2.7")
    reader.get("/account/mail")
    assert "この変更を承認する" in reader.post("/account/mail", {"code": token}).text
    return reader.post("/account/mail", {"code": token, "step": "do"}).text


def test_ones_own_mail_address(doors: Doors, hanako: Visitor, mailbox: Mailbox) -> None:
    assert "hanako@example.jp" in hanako.get("/mail-address").text
    assert hanako.post("/mail-address", NEW).location == "/"
    assert "承認待ち" in hanako.get("/users").text
    address, token = mailbox.link_to("new@example.jp")
    assert address == f"{PORTAL}/account/mail"
    assert "もう一方のアドレスでも承認されると" in confirm(doors, token)
    assert "承認済み" in hanako.get("/users").text
    assert "変更が完了しました。" in confirm(doors, mailbox.token_of("hanako@example.jp"))
    assert "new@example.jp" in hanako.get("/mail-address").text


@pytest.mark.parametrize(
    "typed",
    [{"mail": "x", "mail_again": "x"}, {"mail": "new@example.jp", "mail_again": ""}, dict.fromkeys(NEW, "hanako@example.jp")],
)
def test_what_is_no_other_address_is_told(hanako: Visitor, typed: dict[str, str]) -> None:
    hanako.get("/mail-address")
    response = hanako.post("/mail-address", typed)
    assert response.status_code == 422
    assert 'aria-invalid="true"' in response.text


def test_an_applicants_mail_address(doors: Doors, hanako: Visitor, mailbox: Mailbox) -> None:
    number = doors.applied()
    path = f"/applications/{number}/applicant-mail"
    assert APPLICANT.mail in hanako.get(path).text
    assert hanako.post(path, NEW).location == f"/applications/{number}"
    for recipient in (APPLICANT.mail, "new@example.jp"):
        confirm(doors, mailbox.token_of(recipient))
    assert "new@example.jp" in hanako.get(path).text
    saburo = doors.customer("saburo", office_code="NAC002")
    assert saburo.get(path).status_code == 404
    saburo.get("/")
    assert saburo.post(path, NEW).status_code == 404


def test_the_offices_administrator(doors: Doors, hanako: Visitor, mailbox: Mailbox) -> None:
    assert 'value="花子"' in hanako.get("/administrator").text
    kyoko = {
        "family_name": "税関",
        "given_name": "京子",
        "family_kana": "ゼイカン",
        "given_kana": "キョウコ",
        "phone": "0398765432",
        "mail": "kyoko@example.jp",
        "mail_again": "kyoko@example.jp",
    }
    assert "全角カタカナで入力してください。" in hanako.post("/administrator", {**kyoko, "family_kana": "ぜいかん"}).text
    assert hanako.post("/administrator", kyoko).location == "/"
    for recipient in ("hanako@example.jp", "kyoko@example.jp"):
        confirm(doors, mailbox.token_of(recipient))
    with doors.database.snapshot() as session:
        office = offices.get(session, "NAC001")
    assert office is not None
    assert office.administrator.full_name == "税関　京子"


def test_a_change_is_taken_back(doors: Doors, hanako: Visitor, mailbox: Mailbox) -> None:
    hanako.get("/mail-address")
    hanako.post("/mail-address", NEW)
    token = mailbox.token_of("new@example.jp")
    page = hanako.get("/users").text
    change = page.split('name="change" value="')[1].split('"')[0]
    saburo = doors.customer("saburo", office_code="NAC002")
    saburo.get("/")
    assert saburo.post("/address-changes/withdraw", {"change": change}).status_code == 404
    assert hanako.post("/address-changes/withdraw", {"change": change}).location == "/users"
    reader = Visitor(doors.portal)
    reader.get("/account/mail")
    assert reader.post("/account/mail", {"code": token}).status_code == 422
    assert "このリンクは使えません。" in reader.post("/account/mail", {"code": token, "step": "do"}).text
