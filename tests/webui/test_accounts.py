"""Accounts: who may log in, and how guessing is slowed."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select

from kernel import audit, outbox
from kernel.audit import AuditEntry
from kernel.database import Database
from kernel.errors import Refused
from registry.letters import Letters
from tests.support.clock import SettableClock
from tests.webui.visitors import PASSWORD
from webui.accounts import Accounts, Credentials, Door, NewAccount, Person, Right, Role, UserLetters, network_of
from webui.accounts.sources import device_hash
from webui.passwords import Passwords
from webui.tables import AccountRow, DeviceRow

OPERATOR = audit.operator("test")


@pytest.fixture
def hanako(accounts: Accounts) -> Person:
    account = NewAccount("Hanako", "通関 花子", "hanako@example.jp", PASSWORD, frozenset(Right), "NAC001")
    return accounts.add(account, OPERATOR)


def typed(password: str = PASSWORD, *, user: str = "hanako", source: str = "192.0.2.1") -> Credentials:
    return Credentials(Door.PORTAL, "NAC001", user, password, source)


def refusal(accounts: Accounts, credentials: Credentials) -> str:
    with pytest.raises(Refused) as refused:
        accounts.authenticate(credentials)
    return refused.value.code


def actions(database: Database) -> list[tuple[str, str]]:
    with database.snapshot() as session:
        return [(entry.action, entry.subject) for entry in session.scalars(select(AuditEntry).order_by(AuditEntry.id))]


def test_the_right_password_names_the_person_and_leaves_a_trace(accounts: Accounts, database: Database, hanako: Person) -> None:
    person = accounts.authenticate(Credentials(Door.PORTAL, "ｎａｃ００１ ", " HANAKO", PASSWORD, "192.0.2.1"))
    assert person == hanako
    assert str(person.actor) == "customer:NAC001/hanako"
    assert person.may(Right.CODES)
    assert actions(database) == [("account.add", "account:NAC001/hanako"), ("account.login", "account:NAC001/hanako")]


def test_staff_do_not_open_the_customers_door(accounts: Accounts) -> None:
    sato = accounts.add(NewAccount("sato", "佐藤", "sato@example.jp", PASSWORD, frozenset({Role.REVIEW})), OPERATOR)
    assert str(sato.actor) == "staff:sato"
    assert refusal(accounts, Credentials(Door.PORTAL, "", "sato", PASSWORD, "192.0.2.1")) == "login-failed"


@pytest.mark.usefixtures("hanako")
def test_an_account_is_made_once(accounts: Accounts) -> None:
    again = NewAccount("hanako", "別人", "x@example.jp", PASSWORD, frozenset(), "NAC001")
    with pytest.raises(Refused, match="account-exists"):
        accounts.add(again, OPERATOR)


@pytest.mark.parametrize(
    ("login", "name", "mail", "code"),
    [
        ("Bad Name", "通関　花子", "x@example.jp", "login-malformed"),
        ("x" * 41, "通関　花子", "x@example.jp", "login-malformed"),
        ("good", " ", "x@example.jp", "name-malformed"),
        ("good", "長" * 81, "x@example.jp", "name-malformed"),
        ("good", "通関\n花子", "x@example.jp", "name-malformed"),
        ("good", "通関　花子", "", "mail-malformed"),
        ("good", "通関　花子", f"x@{'y' * 253}", "mail-malformed"),
    ],
)
def test_an_account_has_a_name_and_an_address(accounts: Accounts, login: str, name: str, mail: str, code: str) -> None:
    with pytest.raises(Refused, match=code):
        accounts.add(NewAccount(login, name, mail, PASSWORD, frozenset(), "NAC001"), OPERATOR)


@pytest.mark.parametrize(
    ("password", "code"),
    [
        ("short", "password-too-short"),
        ("x" * 129, "password-too-long"),
        ("my-name-is-hanako", "password-holds-login"),
        ("aaaaaaaaaaaa", "password-too-simple"),
        ("password1234", "password-too-common"),
        ("tsukan.shoji-2026", "password-too-common"),  # the address's domain
    ],
)
def test_a_poor_password_is_refused(accounts: Accounts, password: str, code: str) -> None:
    with pytest.raises(Refused, match=code):
        accounts.add(NewAccount("hanako", "通関", "x@tsukan-shoji.example.jp", password, frozenset(), "NAC001"), OPERATOR)


@pytest.mark.usefixtures("hanako")
def test_unknown_user_and_wrong_password_get_the_same_answer(accounts: Accounts, database: Database) -> None:
    assert refusal(accounts, typed("wrong password")) == refusal(accounts, typed(user="nobody")) == "login-failed"
    # What was typed as an unknown name may be a password: it is not kept.
    assert [subject for _, subject in actions(database)[1:]] == ["account:NAC001/hanako", "account:unknown"]


def test_an_unknown_user_costs_the_same_work(accounts: Accounts) -> None:
    passwords = accounts.passwords
    assert not passwords.matches(None, "nobody has this password")
    parameters = [stored.rpartition("$")[0].rpartition("$")[0] for stored in (passwords._nobody, passwords.hash(PASSWORD))]  # noqa: SLF001
    assert parameters[0] == parameters[1]


@pytest.mark.usefixtures("hanako")
@pytest.mark.parametrize("user", ["hanako", "nobody"])
def test_five_failures_lock_the_account_for_that_address_only(accounts: Accounts, clock: SettableClock, user: str) -> None:
    for _ in range(5):
        assert refusal(accounts, typed("wrong password", user=user)) == "login-failed"
    assert refusal(accounts, typed(user=user)) == "throttled"
    if user == "hanako":
        accounts.authenticate(typed(source="192.0.2.2"))
    clock.advance(timedelta(minutes=31))
    if user == "hanako":
        accounts.authenticate(typed())


@pytest.mark.usefixtures("hanako")
def test_an_address_that_fails_on_many_accounts_is_locked_as_a_whole(accounts: Accounts) -> None:
    for number in range(60):
        refusal(accounts, typed(user=f"user{number}"))
    assert refusal(accounts, typed()) == "throttled"
    accounts.authenticate(typed(source="192.0.2.2"))


@pytest.mark.usefixtures("hanako")
def test_an_account_attacked_from_many_addresses_is_locked_as_a_whole(accounts: Accounts) -> None:
    for number in range(50):
        refusal(accounts, typed("wrong password", source=f"192.0.2.{number // 5}"))
    assert refusal(accounts, typed(source="198.51.100.1")) == "throttled"


def test_a_browser_that_the_account_knows_is_locked_by_its_own_failures_only(
    accounts: Accounts, database: Database, hanako: Person
) -> None:
    with database.transaction() as session:
        session.add(DeviceRow(account_id=hanako.account_id, token_hash=device_hash("known"), seen_at=accounts.clock.now()))
    for number in range(60):
        refusal(accounts, typed("wrong password", source=f"192.0.2.{number // 5}"))
        refusal(accounts, typed(user=f"user{number}"))
    known, unknown = (replace(typed(), device=token) for token in ("known", "unknown"))
    assert refusal(accounts, unknown) == "throttled"
    accounts.authenticate(known)
    for _ in range(5):
        assert refusal(accounts, replace(known, password="wrong password")) == "login-failed"
    assert refusal(accounts, known) == "throttled"
    neighbour = accounts.add(NewAccount("jiro", "次郎", "jiro@example.jp", PASSWORD, frozenset(), "NAC001"), OPERATOR)
    assert refusal(accounts, replace(typed(user=neighbour.login), device="known")) == "throttled"  # by the address


@pytest.mark.usefixtures("hanako")
def test_old_hashes_are_renewed_at_log_in(database: Database, clock: SettableClock) -> None:
    Accounts(database, clock, Passwords(memory_kib=16, passes=1)).authenticate(typed())
    with database.snapshot() as session:
        assert "m=16," in (session.scalars(select(AccountRow.password_hash)).one() or "")


def test_a_new_password_needs_the_current_one_and_is_told_to_its_owner(accounts: Accounts, hanako: Person) -> None:
    letters = UserLetters(Letters("https://portal.example.jp"))
    with pytest.raises(Refused, match="password-wrong"):
        accounts.change_password(hanako, letters, current="something else", new="atarashii-aikotoba", keep=b"")
    with pytest.raises(Refused, match="password-same"):
        accounts.change_password(hanako, letters, current=PASSWORD, new=PASSWORD, keep=b"")
    accounts.change_password(hanako, letters, current=PASSWORD, new="atarashii-aikotoba", keep=b"")
    assert refusal(accounts, typed()) == "login-failed"
    accounts.authenticate(typed("atarashii-aikotoba"))
    with accounts.database.snapshot() as session:
        (mail,) = outbox.search(session, outbox.Wanted())
    assert (mail.recipient, mail.subject) == (hanako.mail, "【NSS】パスワード変更のお知らせ")
    assert "aikotoba" not in mail.body


def test_a_source_is_an_address_or_an_ipv6_network() -> None:
    assert network_of("192.0.2.7") == "192.0.2.7"
    assert network_of("::ffff:192.0.2.7") == "192.0.2.7"
    assert network_of("2001:db8:1:2:3:4:5:6") == "2001:db8:1:2::/64"
    assert network_of(None) == "unknown"
