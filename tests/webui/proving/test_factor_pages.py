"""Getting and losing second factors, as pages; and being led through it in the middle of something."""

import json
import re
from datetime import timedelta

import pyotp
import pytest
from sqlalchemy import delete

from tests.webui.conftest import Doors
from tests.webui.test_kept import hidden
from tests.webui.visitors import PASSWORD, Visitor
from webui.factors.tables import TotpRow

SECRET = re.compile(r'id="secret">([A-Z2-7 ]+)<')
RECOVERY = re.compile(r'<li class="code">([0-9A-Z-]{19})</li>')


def app_code(doors: Doors, page: str) -> str:
    """Return what the app shows after it was given the secret of a page."""
    found = SECRET.search(page)
    assert found
    return pyotp.TOTP(found[1].replace(" ", "")).at(doors.clock.now())


def bare_customer(doors: Doors) -> Visitor:
    """Return hanako, who has no factor any more."""
    with doors.database.transaction() as session:
        session.execute(delete(TotpRow).where(TotpRow.account_id == doors.person("hanako", "NAC001").account_id))
    return doors.customer()


def test_an_app_is_added_by_its_first_code_and_recovery_codes_are_shown_once(doors: Doors) -> None:
    visitor = bare_customer(doors)
    assert "まだ設定されていません" in visitor.get("/factors").text
    begun = visitor.post("/factors/totp/begin")
    assert "secret" not in begun.location
    page = visitor.get(begun.location).text
    assert page == visitor.get(begun.location).text
    assert "<svg" in page
    wrong = visitor.post("/factors/totp", {"first_code": "000000"})
    assert (wrong.status_code, 'id="first_code-fault"' in wrong.text) == (422, True)
    done = visitor.post("/factors/totp", {"first_code": app_code(doors, page), "next": "/factors"})
    assert len(RECOVERY.findall(done.text)) == 10
    assert not RECOVERY.search(visitor.get("/factors").text)
    assert "残り10個" in visitor.get("/factors").text
    assert visitor.post("/factors/totp", {"first_code": "000000"}).location == "/factors"


def test_the_first_factor_takes_the_password_when_it_was_not_typed_lately(doors: Doors) -> None:
    visitor = bare_customer(doors)
    doors.clock.advance(timedelta(minutes=11))
    visitor.get("/")
    page = visitor.get(visitor.post("/factors/totp/begin").location).text
    assert 'type="password"' in page
    code = app_code(doors, page)
    for wrong in ({}, {"password": "wrong"}):
        assert visitor.post("/factors/totp", {"first_code": code, **wrong}).status_code == 422
    assert RECOVERY.search(visitor.post("/factors/totp", {"first_code": code, "password": PASSWORD}).text)


def test_staff_are_led_to_their_first_factor_and_back(doors: Doors) -> None:
    visitor = Visitor(doors.center)
    visitor.log_in(user="sato")
    visitor.get(visitor.get("/terminals/?state=suspended").location)
    begun = visitor.post("/factors/totp/begin", {"next": "/terminals/?state=suspended"})
    page = visitor.get(begun.location).text
    done = visitor.post("/factors/totp", {"first_code": app_code(doors, page), **hidden(page)}).text
    assert 'href="/terminals/?state=suspended"' in done
    assert visitor.get("/terminals/?state=suspended").status_code == 200


def test_who_has_no_factor_gets_one_on_the_way_and_nothing_typed_is_lost(doors: Doors) -> None:
    number, (first, second) = doors.prepared()
    path = f"/applications/{number}/id-notice"
    visitor = bare_customer(doors)
    visitor.get(path)
    question = visitor.post(path, {"terminal": [first, second]})
    assert (question.status_code, 'class="code">' in question.text.partition("<table")[2]) == (200, False)
    carried = hidden(question.text)
    assert carried["kept.terminal"] == [first, second]
    wrong = visitor.post("/factors/totp", {**carried, "first_code": "000000"})
    assert (wrong.status_code, hidden(wrong.text)) == (422, carried)
    done = visitor.post("/factors/totp", {**hidden(wrong.text), "first_code": app_code(doors, wrong.text)}).text
    assert len(RECOVERY.findall(done)) == 10
    assert f'action="{path}#codes"' in done
    shown = visitor.arrive(path, hidden(done)).text
    assert shown.count("data-copy") >= 6


def test_a_second_app_or_the_removal_of_the_first_takes_a_proof(doors: Doors) -> None:
    visitor = doors.customer()
    doors.clock.advance(timedelta(minutes=11))
    visitor.get("/")
    for path in ("/factors/totp/begin", "/factors/totp/remove", "/factors/recovery"):
        assert "確認コード" in visitor.post(path).text
    assert doors.factors.standing(doors.person("hanako", "NAC001").account_id).totp
    proof = {"factor_code": doors.code("hanako", "NAC001")}
    assert visitor.post("/factors/totp/remove", proof).location == "/factors"
    assert "認証アプリを削除しました" in visitor.get("/factors").text
    assert not doors.factors.standing(doors.person("hanako", "NAC001").account_id).is_any


def test_staff_can_not_remove_their_last_factor(doors: Doors) -> None:
    visitor = doors.staff()
    visitor.get("/factors/totp/remove")
    assert visitor.post("/factors/totp/remove").location == "/factors"
    assert "職員には二段階認証が必要です" in visitor.get("/factors").text


def test_recovery_codes_are_renewed_and_used_instead_of_the_app(doors: Doors) -> None:
    visitor = doors.customer()
    visitor.get("/factors")
    codes = RECOVERY.findall(visitor.post("/factors/recovery").text)
    other = Visitor(doors.portal, "192.0.2.8")
    other.get(other.log_in(office_code="NAC001", user="hanako").location)
    assert other.post("/login/second", {"factor_code": codes[0].lower()}).location == "/"
    assert "残り9個" in other.get("/factors").text
    assert "ログイン(回復コード)" in other.get("/log-ins").text


def test_nobody_touches_the_passkeys_of_others(doors: Doors) -> None:
    visitor = doors.customer()
    visitor.get("/")
    for number in (1, 2, 999):
        assert visitor.get(f"/factors/passkeys/{number}/remove").status_code == 404
        assert visitor.post(f"/factors/passkeys/{number}/remove").status_code == 404


@pytest.mark.parametrize("answer", ["", "{}", "[]", '{"rawId": 1}', '{"rawId": "é"}', "x" * 20_000, '{"id":"AA","rawId":"AA"}'])
def test_what_is_no_passkey_is_refused(doors: Doors, answer: str) -> None:
    visitor = doors.customer()
    visitor.get("/factors/passkeys/new")
    assert json.loads(visitor.post("/factors/passkeys/options").text)["challenge"]
    refused = visitor.post("/factors/passkeys", {"new_passkey": answer})
    assert (refused.status_code, "確認できませんでした" in refused.text) == (422, True)
    stranger = Visitor(doors.portal)
    stranger.get("/login")
    assert json.loads(stranger.post("/login/passkey/options").text)["allowCredentials"] == []
    refused = stranger.post("/login/passkey", {"factor_answer": answer})
    assert (refused.status_code, "確認できませんでした" in refused.text) == (422, True)
    late = stranger.post("/login/passkey", {"factor_answer": answer})
    assert "時間がかかりました" in late.text


def test_a_user_who_lost_everything_is_helped_by_staff_in_charge_of_security(doors: Doors) -> None:
    path = "/offices/NAC001/users/jiro/second-factors"
    ito = doors.staff("ito")
    assert path in ito.get("/offices/NAC001/users/jiro").text
    ito.get(path)
    assert ito.post(path, {"reason": " "}).status_code == 422
    confirmation = ito.arrive(path, {"reason": "電話で確認"}).text
    assert "まだ何も" in confirmation or "電話で確認" in confirmation
    done = ito.post(path, {"reason": "電話で確認", "step": "do"})
    assert done.location == "/offices/NAC001/users/jiro"
    assert "二段階認証を解除しました" in ito.get(done.location).text
    assert not doors.factors.standing(doors.person("jiro", "NAC001").account_id).is_any
    assert doors.staff("sato").get(path).status_code == 403
