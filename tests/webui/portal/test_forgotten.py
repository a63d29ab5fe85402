"""A forgotten password, from the log-in page to the new one."""

import pytest

from registry.letters import Letters
from tests.webui.conftest import Doors
from tests.webui.mailbox import PORTAL, Mailbox
from tests.webui.visitors import PASSWORD, Visitor
from webui.accounts import PasswordLinks, UserLetters

NEW_PASSWORD = "atarashii-aikotoba"
HANAKO = {"office_code": "nac001", "user": "hanako", "mail": "hanako@example.jp"}

# What is done to accounts is tried on both databases; the pages look alike whatever lies below.
pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def visitor(doors: Doors) -> Visitor:
    return Visitor(doors.portal)


def answered(doors: Doors) -> Mailbox:
    """Let the job answer."""
    links = PasswordLinks(doors.database, doors.clock, UserLetters(Letters(PORTAL)), doors.accounts.passwords)
    links.answer_due(doors.clock.now())
    return Mailbox(doors.database, doors.clock)


def test_whoever_forgot_the_password_gets_another_by_mail(doors: Doors, visitor: Visitor) -> None:
    elsewhere = doors.customer()
    assert 'href="/forgotten"' in visitor.get("/login").text
    visitor.get("/forgotten")
    assert visitor.post("/forgotten", HANAKO).location == "/forgotten/asked"
    assert "受け付けました" in visitor.get("/forgotten/asked").text
    address, token = answered(doors).link_to("hanako@example.jp")
    assert address == f"{PORTAL}/account/password"
    visitor.get("/account/password")
    form = {"code": token, "new_password": NEW_PASSWORD, "new_password_again": NEW_PASSWORD}
    assert visitor.post("/account/password", form).location == "/account/password/chosen"
    assert elsewhere.get("/").status_code == 303
    # A new password is no second factor.
    assert visitor.log_in(office_code="NAC001", user="hanako", password=NEW_PASSWORD).location == "/login/second"


@pytest.mark.parametrize("typed", [{"user": "nobody"}, {"mail": "other@example.jp"}, {"office_code": "ZZZ999"}, {}])
def test_the_answer_is_the_same_whoever_asks_about_whom(doors: Doors, visitor: Visitor, typed: dict[str, str]) -> None:
    visitor.get("/forgotten")
    response = visitor.post("/forgotten", {**HANAKO, **typed})
    assert (response.status_code, response.location) == (303, "/forgotten/asked")
    assert len(answered(doors).fetch()) == (0 if typed else 1)


def test_all_three_are_asked_for_and_asking_on_and_on_is_not_answered(visitor: Visitor) -> None:
    visitor.get("/forgotten")
    assert visitor.post("/forgotten", {**HANAKO, "mail": ""}).status_code == 422
    for _ in range(5):
        assert visitor.post("/forgotten", HANAKO).status_code == 303
    response = visitor.post("/forgotten", HANAKO)
    assert response.status_code == 429
    assert int(response.headers["Retry-After"]) > 0
    assert PASSWORD not in response.text
