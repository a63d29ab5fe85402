"""The second step of a log-in, as pages."""

from datetime import timedelta

import pytest
from sqlalchemy import delete, func, select

from kernel import outbox
from tests.webui.conftest import Doors
from tests.webui.mailbox import Mailbox
from tests.webui.visitors import PASSWORD, Visitor, code_at
from webui.factors.tables import LogInRow
from webui.tables import AccountRow, DeviceRow, HalfLogInRow

HANAKO = {"office_code": "NAC001", "user": "hanako"}


def halfway(doors: Doors, address: str = "192.0.2.1") -> Visitor:
    visitor = Visitor(doors.portal, address)
    visitor.get(visitor.log_in(**HANAKO).location)
    return visitor


def outcomes(doors: Doors) -> list[str]:
    with doors.database.snapshot() as session:
        return list(session.scalars(select(LogInRow.outcome).order_by(LogInRow.id)))


def test_the_password_alone_opens_nothing(doors: Doors) -> None:
    visitor = halfway(doors)
    for path in ("/", "/contract", "/factors", "/sessions"):
        assert visitor.get(path).location.startswith("/login")
    assert visitor.post("/factors/totp/begin").location.startswith("/login")
    assert outcomes(doors) == []


def test_the_code_opens_the_door_and_leads_to_where_one_wanted_to_be(doors: Doors) -> None:
    visitor = Visitor(doors.portal)
    visitor.get("/login?next=/contract")
    second = visitor.post("/login", {**HANAKO, "password": PASSWORD, "next": "/contract"})
    assert second.location == "/login/second?next=/contract"
    page = visitor.get(second.location).text
    assert 'autocomplete="one-time-code"' in page
    assert visitor.post("/login/second", {"factor_code": code_at(doors.clock), "next": "/contract"}).location == "/contract"
    assert visitor.get("/contract").status_code == 200
    assert outcomes(doors) == ["totp"]


def test_wrong_codes_read_the_same_and_are_slowed(doors: Doors) -> None:
    visitor = halfway(doors)
    assert "入力してください" in visitor.post("/login/second", {"factor_code": " "}).text
    for wrong in ("000000", "x", "AAAA-AAAA-AAAA-AAAA", "0" * 500, "\u0301"):
        answer = visitor.post("/login/second", {"factor_code": wrong})
        assert answer.status_code == 422
        assert "確認コードが違います" in answer.text
        assert 'value="' + wrong not in answer.text
    locked = visitor.post("/login/second", {"factor_code": code_at(doors.clock)})
    assert locked.status_code == 429
    assert int(locked.headers["Retry-After"]) > 1700
    assert outcomes(doors) == ["factor-failed"] * 5


def test_a_code_that_was_seen_over_a_shoulder_is_worth_nothing(doors: Doors) -> None:
    first, second = halfway(doors), halfway(doors, "192.0.2.77")
    code = code_at(doors.clock)
    assert first.post("/login/second", {"factor_code": code}).status_code == 303
    assert second.post("/login/second", {"factor_code": code}).status_code == 422


def test_who_takes_too_long_begins_again(doors: Doors) -> None:
    visitor = halfway(doors)
    doors.clock.advance(timedelta(minutes=11))
    answer = visitor.post("/login/second", {"factor_code": code_at(doors.clock)})
    assert answer.location == "/login?notice=late"
    assert "最初からやり直して" in visitor.get(answer.location).text


@pytest.mark.parametrize("change", [{"state": "disabled"}, {"password_changed_at": timedelta(minutes=1)}])
def test_an_account_that_changed_meanwhile_begins_again(doors: Doors, change: dict[str, object]) -> None:
    visitor = halfway(doors)
    with doors.database.transaction() as session:
        row = session.scalars(select(AccountRow).where(AccountRow.login == "hanako")).one()
        for name, value in change.items():
            setattr(row, name, doors.clock.now() + value if isinstance(value, timedelta) else value)
    assert visitor.post("/login/second", {"factor_code": code_at(doors.clock)}).location.startswith("/login?")


def test_half_a_log_in_at_one_door_is_none_at_the_other(doors: Doors) -> None:
    token = halfway(doors).cookie("__Host-tegata-portal")
    stranger = Visitor(doors.center)
    stranger.client.set_cookie("__Host-tegata-center", token, domain="localhost", secure=True)
    assert stranger.get("/login/second").location.startswith("/login?")


def test_the_second_step_leaves_no_half_behind(doors: Doors) -> None:
    doors.customer()
    with doors.database.snapshot() as session:
        assert session.scalars(select(func.count()).select_from(HalfLogInRow)).one() == 0


def test_staff_without_a_factor_get_one_before_they_see_anything(doors: Doors) -> None:
    visitor = Visitor(doors.center)
    assert visitor.log_in(user="sato").location == "/"
    led = visitor.get("/applications/?tab=all")
    assert led.location == "/factors?next=/applications/?tab%3Dall"
    page = visitor.get(led.location).text
    assert "二段階認証を設定してください" in page
    assert visitor.post("/password").location.startswith("/factors")
    assert visitor.get("/sessions").location.startswith("/factors")


def test_a_mail_tells_of_a_browser_that_is_new_but_not_of_the_first(doors: Doors) -> None:
    doors.customer()
    assert mails(doors) == []
    again = doors.customer(address="198.51.100.7")
    [told] = mails(doors)
    assert "198.51.100.7" in told
    assert "これまで使われていないブラウザー" in told
    again.post("/logout")
    doors.enter(again, "hanako", "NAC001")
    assert len(mails(doors)) == 1


def invited(doors: Doors, mailbox: Mailbox) -> dict[str, str]:
    """Invite a user and return the form by which they choose their password."""
    boss = doors.customer()
    boss.get("/invitation")
    boss.post("/invitation", {"login": "saburo", "name": "通関　三郎", "mail": "saburo@example.jp"})
    return {"code": mailbox.token_of("saburo@example.jp"), "new_password": PASSWORD, "new_password_again": PASSWORD}


def told_saburo(mailbox: Mailbox) -> list[str]:
    return [letter.subject for letter in mailbox.fetch() if letter.recipient == "saburo@example.jp"]


def test_the_browser_in_which_a_first_password_was_chosen_is_known_and_any_other_is_told(doors: Doors) -> None:
    mailbox = Mailbox(doors.database, doors.clock)
    form = invited(doors, mailbox)
    own = Visitor(doors.portal)
    own.get("/account/password")
    own.post("/account/password", form)
    assert told_saburo(mailbox) == ["【NSS】パスワード設定完了のお知らせ"]
    own.log_in(office_code="NAC001", user="saburo")
    assert told_saburo(mailbox) == []
    Visitor(doors.portal, "198.51.100.7").log_in(office_code="NAC001", user="saburo")
    assert told_saburo(mailbox) == ["【NSS】ログインに関するお知らせ"]


def test_somebody_else_who_is_the_first_to_log_in_is_told_of(doors: Doors) -> None:
    mailbox = Mailbox(doors.database, doors.clock)
    form = invited(doors, mailbox)
    own = Visitor(doors.portal)
    own.get("/account/password")
    own.post("/account/password", form)
    mailbox.fetch()
    Visitor(doors.portal, "198.51.100.7").log_in(office_code="NAC001", user="saburo")
    assert told_saburo(mailbox) == ["【NSS】ログインに関するお知らせ"]


def test_after_all_browsers_were_forgotten_the_next_log_in_is_told(doors: Doors) -> None:
    doors.customer()
    with doors.database.transaction() as session:
        session.execute(delete(DeviceRow))
    assert mails(doors) == []
    doors.customer()
    [told] = mails(doors)
    assert "これまで使われていないブラウザー" in told


def mails(doors: Doors) -> list[str]:
    with doors.database.snapshot() as session:
        return [mail.body for mail in outbox.search(session, outbox.Wanted())]
