"""Forms of other sites do nothing."""

import pytest

from tests.webui.conftest import Doors
from tests.webui.visitors import PASSWORD, Visitor
from webui.csrf import FIELD

FORM = {"office_code": "NAC001", "user": "hanako", "password": PASSWORD}


def test_a_form_without_the_token_is_refused(doors: Doors) -> None:
    visitor = doors.customer()
    visitor.get("/")
    for form in ({"x": ""}, {FIELD: ""}, {FIELD: "0" * 64}, {FIELD: "あ"}):
        response = visitor.post_bare("/logout", form)
        assert response.status_code == 400
        assert "フォームの有効期限が切れました" in response.text
    assert visitor.get("/").status_code == 200


def test_log_in_forms_are_guarded_too(doors: Doors) -> None:
    assert Visitor(doors.portal).post_bare("/login", FORM).status_code == 400


def test_the_token_of_another_visit_is_refused(doors: Doors) -> None:
    other = doors.customer()
    other.get("/")
    visitor = doors.customer()
    visitor.get("/")
    assert visitor.post_bare("/logout", {FIELD: other.token}).status_code == 400


def test_the_token_from_before_the_log_in_is_refused_after_it(doors: Doors) -> None:
    visitor = Visitor(doors.portal)
    visitor.get("/login")
    before = visitor.token
    visitor.post("/login", FORM)
    assert visitor.post_bare("/logout", {FIELD: before}).status_code == 400


@pytest.mark.parametrize(("site", "status"), [("cross-site", 400), ("same-site", 400), ("same-origin", 303), ("none", 303)])
def test_the_browsers_own_word_counts(doors: Doors, site: str, status: int) -> None:
    visitor = doors.customer()
    visitor.get("/")
    headers = {"Sec-Fetch-Site": site}
    assert visitor.post("/logout", None, **headers).status_code == status
