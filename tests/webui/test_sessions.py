"""Sessions live on the server and end there."""

import secrets
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from kernel import audit
from kernel.errors import Refused
from registry.letters import Letters
from tests.webui.conftest import Doors
from tests.webui.visitors import PASSWORD, Visitor
from webui import sessions
from webui.accounts import Person, UserLetters, Users, admission
from webui.accounts.sources import device_hash
from webui.factors import AccountLetters, LogIns, Origin, Outcome
from webui.factors.log_ins import MOST_DEVICES
from webui.sessions import Sessions, Visit
from webui.tables import AccountRow, DeviceRow, HalfLogInRow, SessionRow

COOKIE = "__Host-tegata-portal"
LETTERS = AccountLetters()


def rows(doors: Doors) -> int:
    with doors.database.snapshot() as session:
        return session.scalars(select(func.count()).select_from(SessionRow)).one()


def test_a_visitor_without_log_in_costs_no_row(doors: Doors) -> None:
    visitor = Visitor(doors.portal)
    assert visitor.get("/").location == "/login"
    visitor.get("/login")
    assert visitor.cookie(COOKIE)
    assert rows(doors) == 0


def test_log_in_gives_a_new_name_and_keeps_only_its_hash(doors: Doors) -> None:
    visitor = Visitor(doors.portal)
    visitor.get("/login")
    planted = visitor.cookie(COOKIE)
    visitor.log_in(office_code="NAC001", user="hanako")
    halfway = visitor.cookie(COOKIE)
    assert rows(doors) == 0
    visitor.get("/login/second")
    response = visitor.post("/login/second", {"factor_code": doors.code("hanako", "NAC001")})
    token = visitor.cookie(COOKIE)
    assert len({planted, halfway, token}) == 3
    sent = next(value for value in response.headers.getlist("Set-Cookie") if value.startswith(f"{COOKIE}="))
    for word in ("Secure", "HttpOnly", "Path=/", "SameSite=Lax"):
        assert word in sent
    assert "Domain" not in sent
    with doors.database.snapshot() as session:
        assert session.scalars(select(SessionRow.token_hash)).one() == sessions.hash_of(token)
    for worthless in (planted, halfway):
        thief = Visitor(doors.portal)
        thief.client.set_cookie(COOKIE, worthless, domain="localhost", secure=True)
        assert thief.get("/").location == "/login"
        assert thief.get("/login/second").location.startswith("/login?")


def test_a_session_of_one_door_opens_no_other(doors: Doors) -> None:
    token = doors.customer().cookie(COOKIE)
    visitor = Visitor(doors.center)
    visitor.client.set_cookie("__Host-tegata-center", token, domain="localhost", secure=True)
    assert visitor.get("/").location == "/login"


def test_thirty_idle_minutes_end_a_session_and_lead_back(doors: Doors) -> None:
    visitor = doors.customer()
    for _ in range(3):
        doors.clock.advance(timedelta(minutes=29))
        assert visitor.get("/").status_code == 200
    doors.clock.advance(timedelta(minutes=31))
    assert visitor.get("/password?x=1").location == "/login?next=/password?x%3D1&notice=ended"
    assert "一定時間操作がなかった" in visitor.get("/login?notice=ended").text
    visitor.token = visitor.token or ""
    second = visitor.post("/login", {"office_code": "NAC001", "user": "hanako", "password": PASSWORD, "next": "/password?x=1"})
    assert 'name="next" value="/password?x=1"' in visitor.get(second.location).text
    answer = visitor.post("/login/second", {"factor_code": doors.code("hanako", "NAC001"), "next": "/password?x=1"})
    assert answer.location == "/password?x=1"


def test_twelve_hours_end_a_session_however_busy(doors: Doors) -> None:
    visitor = doors.customer()
    for _ in range(12 * 60 // 20):
        doors.clock.advance(timedelta(minutes=20))
        assert visitor.get("/").status_code == 200
    doors.clock.advance(timedelta(minutes=1))
    assert visitor.get("/").status_code == 303


def test_reading_pages_writes_at_most_once_a_minute(doors: Doors) -> None:
    visitor = doors.customer()
    seen = []
    for seconds in (30, 29, 1, 59, 1):
        doors.clock.advance(timedelta(seconds=seconds))
        visitor.get("/")
        with doors.database.snapshot() as session:
            seen.append(session.scalars(select(SessionRow.last_seen_at)).one())
    assert len(set(seen)) == 3
    assert seen[0] == seen[1]
    assert seen[2] == seen[3]


def test_log_out_ends_the_session_in_the_database(doors: Doors) -> None:
    visitor = doors.customer()
    token = visitor.cookie(COOKIE)
    visitor.get("/")
    assert visitor.post("/logout").location == "/login?notice=out"
    assert rows(doors) == 0
    thief = Visitor(doors.portal)
    thief.client.set_cookie(COOKIE, token, domain="localhost", secure=True)
    assert thief.get("/").status_code == 303


def test_a_new_password_ends_the_other_sessions(doors: Doors) -> None:
    here, there = doors.customer(), doors.customer()
    here.get("/password")
    form = {"current_password": PASSWORD, "new_password": "atarashii-aikotoba", "new_password_again": "atarashii-aikotoba"}
    assert here.post("/password", form).location == "/"
    assert "パスワードを変更しました" in here.get("/").text
    assert "パスワードを変更しました" not in here.get("/").text
    assert there.get("/").status_code == 303


def test_a_disabled_account_is_out_at_once(doors: Doors) -> None:
    visitor = doors.customer()
    with doors.database.transaction() as session:
        session.scalars(select(AccountRow).where(AccountRow.login == "hanako")).one().state = "disabled"
    assert visitor.get("/").status_code == 303


def test_what_is_over_is_purged(doors: Doors) -> None:
    doors.customer()
    doors.clock.advance(timedelta(minutes=20))
    doors.staff()
    assert sessions.purge(doors.database, now=doors.clock.now()) == 0
    doors.clock.advance(timedelta(minutes=11))
    assert sessions.purge(doors.database, now=doors.clock.now()) == 1


def browsers(doors: Doors) -> int:
    with doors.database.snapshot() as session:
        return session.scalars(select(func.count()).select_from(DeviceRow)).one()


def change_elsewhere(doors: Doors, person: Person) -> None:
    """Change somebody's password the way a reset does."""
    doors.clock.advance(timedelta(milliseconds=1))
    with doors.database.transaction() as session:
        session.get_one(AccountRow, person.account_id, with_for_update=True).password_changed_at = doors.clock.now()
        admission.end_all(session, person.account_id)


def test_a_reset_after_the_password_was_compared_leaves_nothing_that_opens(doors: Doors) -> None:
    hanako = doors.person("hanako", "NAC001")
    origin, at_portal = Origin("192.0.2.1", ""), Sessions(doors.database, doors.clock, hanako.door)
    halfway = Visit("x" * 43, is_new=False)
    at_portal.begin_half(halfway, hanako)
    change_elsewhere(doors, hanako)
    late = Visit("y" * 43, is_new=False)
    with pytest.raises(Refused, match="login-failed"):
        at_portal.begin_half(late, hanako)
    with pytest.raises(Refused, match="login-failed"):
        at_portal.begin(late, hanako, origin, is_proven=True)
    with pytest.raises(Refused, match="login-failed"):
        LogIns(doors.database, doors.clock, LETTERS).note_success(hanako, origin, Outcome.PASSWORD, "")
    assert late.person is None
    with doors.database.snapshot() as session:
        left = [session.scalars(select(func.count()).select_from(table)).one() for table in (SessionRow, HalfLogInRow, DeviceRow)]
    assert left == [0, 0, 0]


def test_who_is_overtaken_by_a_reset_begins_the_log_in_again(doors: Doors) -> None:
    hanako = doors.person("hanako", "NAC001")
    doors.code("hanako", "NAC001")
    visitor = Visitor(doors.portal)
    sent = visitor.log_in(office_code="NAC001", user="hanako")
    visitor.get(sent.location)
    change_elsewhere(doors, hanako)
    answer = visitor.post("/login/second", {"factor_code": doors.code("hanako", "NAC001")})
    assert answer.location == "/login?notice=late"
    assert rows(doors) == browsers(doors) == 0


def test_a_new_password_forgets_all_browsers_but_the_present_one(doors: Doors) -> None:
    here = doors.customer()
    doors.customer()
    assert browsers(doors) == 2
    here.get("/password")
    form = {"current_password": PASSWORD, "new_password": "atarashii-aikotoba", "new_password_again": "atarashii-aikotoba"}
    here.post("/password", form)
    own = here.cookie(f"{COOKIE}-device")
    with doors.database.snapshot() as session:
        assert session.scalars(select(DeviceRow.token_hash)).one() == device_hash(own)


@pytest.mark.parametrize("deed", ["disable", "remove", "reset"])
def test_what_ends_an_accounts_log_ins_forgets_its_browsers(doors: Doors, deed: str) -> None:
    doors.customer()
    doors.customer("saburo", office_code="NAC002")
    assert browsers(doors) == 2
    if deed == "reset":
        doors.factors.reset(doors.person("hanako", "NAC001"), audit.staff("ito"), "電話で本人を確認した。")
    else:
        users = Users(doors.database, doors.clock, UserLetters(Letters("https://localhost:8443")))
        getattr(users, deed)("NAC001", "hanako", doors.person("ito"))
    assert browsers(doors) == 1


def test_an_account_is_known_from_twenty_browsers_at_most(doors: Doors) -> None:
    hanako, history = doors.person("hanako", "NAC001"), LogIns(doors.database, doors.clock, LETTERS)
    tokens = []
    for _ in range(MOST_DEVICES + 2):
        doors.clock.advance(timedelta(minutes=1))
        tokens.append(history.note_success(hanako, Origin("192.0.2.1", ""), Outcome.PASSWORD, secrets.token_urlsafe(32)))
    with doors.database.snapshot() as session:
        known = set(session.scalars(select(DeviceRow.token_hash)))
    assert known == {device_hash(token) for token in tokens[2:]}
