"""Managing accounts: who may do what to whose."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from sqlalchemy import select

from kernel import audit
from kernel.audit import AuditEntry
from kernel.database import Database
from kernel.errors import Refused
from registry.letters import Letters
from tests.webui.mailbox import PORTAL, Mailbox
from tests.webui.visitors import PASSWORD
from webui.accounts import (
    Accounts,
    AccountState,
    Credentials,
    Door,
    NewAccount,
    NewUser,
    PasswordLinks,
    Person,
    Right,
    Role,
    UserLetters,
    Users,
)
from webui.accounts.sources import device_hash
from webui.accounts.users import MOST_USERS, has_administrator
from webui.tables import DeviceRow

OPERATOR = audit.operator("test")
LETTERS = UserLetters(Letters(PORTAL))
BOSS = frozenset({Right.ADMINISTRATOR})
# A right that none of the others here holds.
CLERK = frozenset({Right.APPLY, Right.USERS})


@pytest.fixture
def users(accounts: Accounts) -> Users:
    return Users(accounts.database, accounts.clock, LETTERS)


def made(accounts: Accounts, login: str, grants: frozenset[Right] | frozenset[Role], office_code: str = "NAC001") -> Person:
    return accounts.add(NewAccount(login, login, f"{login}@example.jp", PASSWORD, grants, office_code), OPERATOR)


@pytest.fixture
def hanako(accounts: Accounts) -> Person:
    return made(accounts, "hanako", BOSS)


@pytest.fixture
def jiro(accounts: Accounts) -> Person:
    return made(accounts, "jiro", CLERK)


@pytest.fixture
def ito(accounts: Accounts) -> Person:
    return made(accounts, "ito", frozenset({Role.SECURITY}), "")


def invitation(login: str = "saburo", *rights: Right, office_code: str = "NAC001") -> NewUser:
    return NewUser(login, "通関　三郎", f"{login}@example.jp", frozenset(rights), office_code)


def test_an_administrator_has_every_right(hanako: Person, jiro: Person) -> None:
    assert all(hanako.may(right) for right in Right)
    assert not hanako.may(Role.SECURITY)
    assert [right for right in Right if jiro.may(right)] == [Right.APPLY, Right.USERS]


def test_whoever_is_invited_logs_in_after_choosing_a_password(
    accounts: Accounts, users: Users, hanako: Person, database: Database
) -> None:
    mailbox = Mailbox(database, accounts.clock)
    users.invite(invitation("Saburo", Right.APPLY), hanako)
    invited = users.get("NAC001", "saburo")
    assert invited is not None
    assert (invited.state, invited.last_login_at, invited.link_until) == (AccountState.INVITED, None, None)
    token = mailbox.token_of("Saburo@example.jp")
    PasswordLinks(database, accounts.clock, LETTERS, accounts.passwords).choose(Door.PORTAL, token, PASSWORD, source="192.0.2.1")
    accounts.authenticate(Credentials(Door.PORTAL, "NAC001", "saburo", PASSWORD, "192.0.2.1"))
    shown = {user.person.login: user for user in users.listed("NAC001")}
    assert shown["saburo"].state is AccountState.ACTIVE
    assert shown["saburo"].last_login_at == accounts.clock.now()
    assert shown["hanako"].last_login_at is None


@pytest.mark.parametrize(
    ("by", "whom", "code"),
    [
        ("hanako", "hanako", "user-self"),
        ("jiro", "jiro", "user-self"),
        ("jiro", "hanako", "user-administrator"),
        ("shiro", "jiro", "not-manager"),
        ("stranger", "jiro", "user-unknown"),
        ("hanako", "nobody", "user-unknown"),
        ("sato", "jiro", "not-manager"),
        ("ito", "ito", "user-self"),
    ],
)
@pytest.mark.usefixtures("hanako", "jiro", "ito")
def test_who_may_do_nothing_to_whom(accounts: Accounts, users: Users, by: str, whom: str, code: str) -> None:
    made(accounts, "shiro", frozenset({Right.APPLY}))
    made(accounts, "stranger", BOSS, "NAC002")
    made(accounts, "sato", frozenset({Role.REVIEW}), "")
    people = {person.login: person for door in Door for person in accounts.listed(door)}
    office_code = "" if whom == "ito" else "NAC001"
    for deed in (users.disable, users.enable, users.remove, users.send_link, users.unlock):
        with pytest.raises(Refused, match=code):
            deed(office_code, whom, people[by])


def test_nobody_gives_or_takes_a_right_that_they_do_not_hold(
    accounts: Accounts, users: Users, hanako: Person, jiro: Person
) -> None:
    made(accounts, "shiro", frozenset({Right.CODES, Right.APPLY}))
    for wanted in ({Right.CODES}, {Right.ADMINISTRATOR}):
        with pytest.raises(Refused, match="right-not-own"):
            users.invite(invitation("goro", *wanted), jiro)
    for granted in ({Right.APPLY}, {Right.CODES, Right.BILLING}, {Right.ADMINISTRATOR, Right.CODES, Right.APPLY}):
        with pytest.raises(Refused, match="right-not-own"):
            users.change_grants("NAC001", "shiro", granted, jiro)
    assert users.change_grants("NAC001", "shiro", {Right.CODES, Right.USERS}, jiro)
    assert not users.change_grants("NAC001", "shiro", {Right.CODES, Right.USERS}, jiro)
    assert users.change_grants("NAC001", "shiro", {Right.ADMINISTRATOR}, hanako)


def test_of_two_administrators_who_remove_each_other_one_is_left(accounts: Accounts, users: Users, hanako: Person) -> None:
    other = made(accounts, "kyoko", BOSS)
    users.remove("NAC001", "kyoko", hanako)
    with pytest.raises(Refused, match="not-manager"):
        users.remove("NAC001", "hanako", other)
    with accounts.database.snapshot() as session:
        assert has_administrator(session, "NAC001")


def test_two_administrators_who_remove_each_other_at_once_do_not_both_succeed(
    accounts: Accounts, users: Users, hanako: Person
) -> None:
    other = made(accounts, "kyoko", BOSS)

    def remove(pair: tuple[Person, Person]) -> str:
        try:
            users.remove("NAC001", pair[1].login, pair[0])
        except Refused as refused:
            return refused.code
        return "done"

    with ThreadPoolExecutor(2) as threads:
        outcomes = sorted(threads.map(remove, ((hanako, other), (other, hanako))))
    assert outcomes == ["done", "not-manager"]


def test_a_right_that_was_taken_meanwhile_counts_no_more(users: Users, hanako: Person, jiro: Person) -> None:
    users.change_grants("NAC001", "jiro", {Right.APPLY}, hanako)
    with pytest.raises(Refused, match="not-manager"):
        users.invite(invitation("goro"), jiro)


def test_a_disabled_user_is_out_and_comes_back_with_the_same_password(accounts: Accounts, users: Users, hanako: Person) -> None:
    typed = Credentials(Door.PORTAL, "NAC001", "jiro", PASSWORD, "192.0.2.1")
    made(accounts, "jiro", CLERK)
    users.disable("NAC001", "jiro", hanako)
    with pytest.raises(Refused, match="login-failed"):
        accounts.authenticate(typed)
    with pytest.raises(Refused, match="user-state"):
        users.disable("NAC001", "jiro", hanako)
    with pytest.raises(Refused, match="user-state"):
        users.send_link("NAC001", "jiro", hanako)
    users.enable("NAC001", "jiro", hanako)
    assert accounts.authenticate(typed).may(Right.APPLY)


def test_who_was_disabled_before_choosing_a_password_is_invited_again(
    accounts: Accounts, users: Users, hanako: Person, database: Database
) -> None:
    mailbox = Mailbox(database, accounts.clock)
    users.invite(invitation(), hanako)
    old = mailbox.token_of("saburo@example.jp")
    users.disable("NAC001", "saburo", hanako)
    users.enable("NAC001", "saburo", hanako)
    again = users.get("NAC001", "saburo")
    assert again is not None
    assert again.state is AccountState.INVITED
    users.send_link("NAC001", "saburo", hanako)
    chosen = PasswordLinks(database, accounts.clock, LETTERS, accounts.passwords)
    with pytest.raises(Refused, match="link-invalid"):
        chosen.choose(Door.PORTAL, old, PASSWORD, source="192.0.2.1")
    chosen.choose(Door.PORTAL, mailbox.token_of("saburo@example.jp"), PASSWORD, source="192.0.2.1")


def test_the_name_of_who_was_removed_is_nobody_elses(accounts: Accounts, users: Users, hanako: Person) -> None:
    made(accounts, "jiro", CLERK)
    users.remove("NAC001", "jiro", hanako)
    assert users.get("NAC001", "jiro") is None
    assert [user.person.login for user in users.listed("NAC001")] == ["hanako"]
    with pytest.raises(Refused, match="account-exists"):
        users.invite(invitation("jiro"), hanako)
    with pytest.raises(Refused, match="user-unknown"):
        users.enable("NAC001", "jiro", hanako)


def test_a_lock_is_seen_and_lifted(accounts: Accounts, users: Users, ito: Person, jiro: Person) -> None:
    wrong = Credentials(Door.PORTAL, "NAC001", jiro.login, "wrong password", "2001:db8:1:2::/64")
    for _ in range(5):
        with pytest.raises(Refused, match="login-failed"):
            accounts.authenticate(wrong)
    locked = users.get("NAC001", "jiro")
    assert locked is not None
    assert locked.is_locked
    assert users.unlock("NAC001", "jiro", ito)
    assert not users.unlock("NAC001", "jiro", ito)
    accounts.authenticate(Credentials(Door.PORTAL, "NAC001", "jiro", PASSWORD, wrong.source))


def test_the_lock_of_a_browser_that_is_known_is_seen_and_lifted_too(
    accounts: Accounts, users: Users, ito: Person, jiro: Person
) -> None:
    with accounts.database.transaction() as session:
        session.add(DeviceRow(account_id=jiro.account_id, token_hash=device_hash("known"), seen_at=accounts.clock.now()))
    wrong = Credentials(Door.PORTAL, "NAC001", jiro.login, "wrong password", "192.0.2.1", "known")
    for told in ["login-failed"] * 5 + ["throttled"]:
        with pytest.raises(Refused, match=told):
            accounts.authenticate(wrong)
    assert users.unlock("NAC001", "jiro", ito)
    accounts.authenticate(replace(wrong, password=PASSWORD))


def test_an_office_has_a_first_account_once(users: Users) -> None:
    assert users.found(invitation("first", Right.ADMINISTRATOR), OPERATOR) is not None
    assert users.found(invitation("second", Right.ADMINISTRATOR), OPERATOR) is None


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_an_office_has_so_many_users_and_no_more(users: Users, hanako: Person) -> None:
    for number in range(MOST_USERS - 1):
        users.invite(invitation(f"user{number}"), hanako)
    with pytest.raises(Refused, match="users-too-many"):
        users.invite(invitation("one-more"), hanako)


def test_staff_manage_staff_but_never_themselves(accounts: Accounts, users: Users, ito: Person) -> None:
    made(accounts, "sato", frozenset({Role.REVIEW}), "")
    assert users.change_grants("", "sato", {Role.REVIEW, Role.ISSUING}, ito)
    users.invite(NewUser("kato", "加藤", "kato@example.jp", frozenset({Role.SECURITY})), ito)
    with pytest.raises(Refused, match="user-self"):
        users.change_grants("", "ito", {Role.REVIEW}, ito)
    assert [user.person.login for user in users.listed("")] == ["ito", "kato", "sato"]


def test_every_deed_is_on_record(users: Users, hanako: Person, database: Database) -> None:
    users.invite(invitation("saburo", Right.APPLY), hanako)
    users.send_link("NAC001", "saburo", hanako)
    users.change_grants("NAC001", "saburo", {Right.CODES}, hanako)
    users.disable("NAC001", "saburo", hanako)
    users.enable("NAC001", "saburo", hanako)
    users.remove("NAC001", "saburo", hanako)
    with database.snapshot() as session:
        entries = session.scalars(select(AuditEntry).order_by(AuditEntry.id)).all()[1:]
    assert [entry.action for entry in entries] == [
        "account.invite",
        "account.send-link",
        "account.change-grants",
        "account.disable",
        "account.enable",
        "account.remove",
    ]
    assert {(entry.actor, entry.subject, entry.office_code) for entry in entries} == {
        ("customer:NAC001/hanako", "account:NAC001/saburo", "NAC001")
    }
    assert entries[2].facts == {"before": "apply", "grants": "codes"}
