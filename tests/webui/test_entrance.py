"""Log-in and one's own password, as pages."""

import pytest

from kernel.errors import Refused
from registry.letters import Letters
from tests.webui.conftest import Doors
from tests.webui.mailbox import Mailbox
from tests.webui.visitors import PASSWORD, Visitor
from webui.accounts import Door, Forgotten, PasswordLinks, UserLetters

USER = {"office_code": "NAC001", "user": "hanako"}


def test_what_is_missing_is_said_beside_the_field_and_what_was_typed_stays(doors: Doors) -> None:
    visitor = Visitor(doors.portal)
    response = visitor.log_in(office_code="NAC001", user="", password="")
    assert response.status_code == 422
    assert 'value="NAC001"' in response.text
    assert 'href="#user"' in response.text
    assert 'aria-describedby="user-fault" aria-invalid="true"' in response.text


def test_wrong_log_ins_read_the_same_and_send_no_password_back(doors: Doors) -> None:
    pages = []
    for user in ("hanako", "nobody"):
        response = Visitor(doors.portal).log_in(office_code="NAC001", user=user, password="himitsu-no-kotoba")
        assert response.status_code == 422
        assert "himitsu" not in response.text
        pages.append(response.text.replace(user, "USER"))
    normal = [page.partition("<main")[2].partition('name="form_token"')[0] for page in pages]
    assert normal[0] == normal[1]


def test_a_locked_log_in_says_how_long(doors: Doors) -> None:
    visitor = Visitor(doors.portal)
    for _ in range(5):
        assert visitor.log_in(**USER, password="wrong password").status_code == 422
    response = visitor.log_in(**USER)
    assert response.status_code == 429
    assert int(response.headers["Retry-After"]) > 1700
    assert "30分ほど" in response.text or "31分ほど" in response.text
    doors.customer(address="192.0.2.99")


def test_the_header_shows_who_is_logged_in_since_when(doors: Doors) -> None:
    page = doors.customer().get("/").text
    assert "東京営業所" in page
    assert "通関 花子" in page
    assert "2026/11/24 10:00からログイン中" in page


def test_the_log_in_page_lets_the_logged_in_pass(doors: Doors) -> None:
    assert doors.customer().get("/login?next=/password").location == "/password"


@pytest.mark.parametrize(
    ("form", "field"),
    [
        ({}, "current_password"),
        ({"current_password": "wrong password", "new_password": "n" * 12, "new_password_again": "n" * 12}, "current_password"),
        ({"current_password": PASSWORD, "new_password": "short", "new_password_again": "short"}, "new_password"),
        ({"current_password": PASSWORD, "new_password": "atarashii", "new_password_again": "other"}, "new_password_again"),
    ],
)
def test_a_refused_new_password_is_explained_at_its_field(doors: Doors, form: dict[str, str], field: str) -> None:
    visitor = doors.customer()
    visitor.get("/password")
    response = visitor.post("/password", form)
    assert response.status_code == 422
    assert f'id="{field}-fault"' in response.text


@pytest.mark.parametrize(
    "password",
    ["ナックス商事-2026年", "nac trading 2026", "東京営業所2026東京営業所", "サポートシステム20261124", "Support System 2026"],
)
def test_what_office_company_and_service_are_called_is_no_password(doors: Doors, password: str) -> None:
    visitor = doors.customer()
    visitor.get("/password")
    form = {"current_password": PASSWORD, "new_password": password, "new_password_again": password}
    response = visitor.post("/password", form)
    assert response.status_code == 422
    assert 'id="new_password-fault"' in response.text
    assert "推測されやすい" in response.text


def test_a_password_chosen_by_link_is_held_against_the_same_names(doors: Doors) -> None:
    letters = UserLetters(Letters("https://localhost:8443", "横浜地区認証室", "横浜地区認証室"))
    links, mailbox = PasswordLinks(doors.database, doors.clock, letters), Mailbox(doors.database, doors.clock)
    links.ask(Forgotten("NAC001", "jiro", doors.person("jiro", "NAC001").mail, "192.0.2.1"))
    links.answer_due(doors.clock.now())
    token = mailbox.token_of("jiro@example.jp")
    for password in ("ナックス商事-2026年", "横浜地区認証室-20261124"):
        with pytest.raises(Refused, match="password-too-common"):
            links.choose(Door.PORTAL, token, password, source="192.0.2.1")
    assert links.choose(Door.PORTAL, token, "korewa-betsuno-aikotoba", source="192.0.2.1").login == "jiro"
