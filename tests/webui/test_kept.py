"""A form whose session has ended: what was typed survives the log-in, and nothing is done by itself."""

import re
from datetime import timedelta

from registry.drafts import Section
from tests.webui.conftest import HANAKO, Doors
from tests.webui.visitors import PASSWORD, Visitor
from webui.csrf import FIELD

LOG_IN: dict[str, str | list[str]] = {"office_code": "NAC001", "user": "hanako", "password": PASSWORD}
ITEMS: dict[str, str | list[str]] = {"items": ["terminals", "storage"], "wished_start": "２０２６１２１５", "then": "back"}


def hidden(page: str) -> dict[str, str | list[str]]:
    found: dict[str, str | list[str]] = {}
    form = page.partition("<main")[2].partition("</form>")[0]
    for name, value in re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', form):
        found[name] = [*found.get(name, []), value]
    found.pop(FIELD, None)
    return found


def begun(doors: Doors) -> Visitor:
    visitor = doors.customer()
    visitor.get("/apply")
    visitor.post("/apply")
    visitor.get("/apply/items")
    doors.clock.advance(timedelta(hours=1))
    return visitor


def sent_late(visitor: Visitor, path: str, form: dict[str, str | list[str]]) -> str:
    """Send a form, follow the redirect as a browser does, and return the page."""
    redirect = visitor.post(path, form)
    assert redirect.status_code == 307
    return visitor.post(redirect.location, form).text


def test_what_was_typed_is_sent_after_the_log_in_and_only_then(doors: Doors) -> None:
    visitor = begun(doors)
    login = sent_late(visitor, "/apply/items", ITEMS)
    assert "入力した内容を送信できます" in login
    carried = hidden(login)
    assert visitor.post("/login", {**LOG_IN, **carried, "password": "mistyped-password"}).status_code == 422
    second = visitor.post("/login", {**LOG_IN, **carried})
    mistyped = visitor.post("/login/second", {**hidden(second.text), "factor_code": "mistyped"})
    resumed = visitor.post("/login/second", {**hidden(mistyped.text), "factor_code": doors.code("hanako", "NAC001")})
    assert 'action="/apply/items"' in resumed.text
    draft = doors.drafts.load(HANAKO)
    assert draft is not None
    assert not draft.has(Section.CHOICE)
    assert visitor.post("/apply/items", hidden(resumed.text)).location == "/apply/applicant"
    draft = doors.drafts.load(HANAKO)
    assert draft is not None
    assert draft.section(Section.CHOICE) == {"items": ["terminals", "storage"], "wished_start": ["２０２６１２１５"]}


def test_the_press_of_a_confirming_button_is_not_kept(doors: Doors) -> None:
    number = doors.applied()
    visitor = doors.staff()
    visitor.get(f"/applications/{number}/reject")
    doors.clock.advance(timedelta(hours=1))
    login = sent_late(visitor, f"/applications/{number}/reject", {"reason": "重複のため", "step": "do"})
    second = visitor.post("/login", {"user": "sato", "password": PASSWORD, **hidden(login)})
    resumed = visitor.post("/login/second", {**hidden(second.text), "factor_code": doors.code("sato")})
    confirmation = visitor.arrive(f"/applications/{number}/reject", hidden(resumed.text)).text
    assert "まだ何も行われていません" in confirmation
    assert "重複のため" in confirmation


def test_neither_passwords_nor_empty_forms_nor_those_of_other_sites_are_kept(doors: Doors) -> None:
    visitor = begun(doors)
    passwords: dict[str, str | list[str]] = {"current_password": PASSWORD, "new_password": "atarashii-aikotoba"}
    assert visitor.post("/password", passwords).location == "/login?next=/password&notice=ended"
    assert visitor.post("/apply").location == "/login?next=/apply&notice=ended"
    assert visitor.post_bare("/apply/items", ITEMS).status_code == 303
    assert visitor.post("/apply/items", ITEMS, **{"Sec-Fetch-Site": "cross-site"}).status_code == 303


def test_the_language_is_switched_where_the_faulty_form_can_be_read_again(doors: Doors) -> None:
    visitor = doors.customer()
    visitor.get("/apply")
    page = visitor.post("/apply/discard", {FIELD: "wrong"}).text
    assert 'name="next" value=""' in page
