"""One-time links: made when the mail leaves, kept as a hash only, good once."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest
from sqlalchemy import select

from kernel import audit, outbox
from kernel.audit import AuditEntry
from kernel.database import Database
from kernel.errors import Refused
from kernel.outbox import DeliveryFailed, Letter, OutboxMail
from registry.letters import Letters
from tests.support.clock import SettableClock
from tests.webui.mailbox import CENTER, PORTAL, Mailbox
from tests.webui.visitors import PASSWORD
from webui.accounts import (
    Accounts,
    Credentials,
    Door,
    Forgotten,
    NewUser,
    PasswordLinks,
    Person,
    Right,
    Role,
    UserLetters,
    Users,
    links,
)
from webui.accounts.sources import device_hash
from webui.passwords import Passwords
from webui.tables import AccountRow, DeviceRow, LinkRow, ResetRequestRow, SessionRow

OPERATOR = audit.operator("test")
SOURCE = "192.0.2.1"
NEW_PASSWORD = "atarashii-aikotoba"
LETTERS = UserLetters(Letters(PORTAL))
HANAKO = NewUser("hanako", "通関　花子", "hanako@example.jp", frozenset({Right.ADMINISTRATOR}), "NAC001", "通関商事　東京")


@pytest.fixture
def users(accounts: Accounts) -> Users:
    return Users(accounts.database, accounts.clock, LETTERS)


@pytest.fixture
def password_links(accounts: Accounts) -> PasswordLinks:
    return PasswordLinks(accounts.database, accounts.clock, LETTERS, accounts.passwords)


@pytest.fixture
def mailbox(database: Database, clock: SettableClock) -> Mailbox:
    return Mailbox(database, clock)


@pytest.fixture
def hanako(users: Users) -> Person:
    person = users.found(HANAKO, OPERATOR)
    assert person is not None
    return person


def typed(password: str, login: str = "hanako") -> Credentials:
    return Credentials(Door.PORTAL, "NAC001", login, password, SOURCE)


def refusal(password_links: PasswordLinks, token: str, password: str = NEW_PASSWORD, door: Door = Door.PORTAL) -> str:
    with pytest.raises(Refused) as refused:
        password_links.choose(door, token, password, source=SOURCE)
    return refused.value.code


def active(password_links: PasswordLinks, mailbox: Mailbox) -> None:
    password_links.choose(Door.PORTAL, mailbox.token_of("hanako@example.jp"), PASSWORD, source=SOURCE)
    mailbox.fetch()


def reset_token(password_links: PasswordLinks, mailbox: Mailbox, clock: SettableClock) -> str:
    password_links.ask(Forgotten("NAC001", "hanako", "hanako@example.jp", SOURCE))
    password_links.answer_due(clock.now())
    return mailbox.token_of("hanako@example.jp")


def know(accounts: Accounts, person: Person, *browsers: str) -> None:
    with accounts.database.transaction() as session:
        for browser in browsers:
            device = DeviceRow(account_id=person.account_id, token_hash=device_hash(browser), seen_at=accounts.clock.now())
            session.merge(device)


@pytest.mark.usefixtures("hanako")
def test_the_first_account_of_an_office_is_activated_by_its_link_once(
    accounts: Accounts, password_links: PasswordLinks, mailbox: Mailbox
) -> None:
    with pytest.raises(Refused, match="login-failed"):
        accounts.authenticate(typed(""))
    address, token = mailbox.link_to("hanako@example.jp")
    assert address == f"{PORTAL}/account/password"
    assert len(token) == 43
    assert password_links.owner(Door.PORTAL, token).login == "hanako"
    assert refusal(password_links, token, "short") == "password-too-short"
    password_links.choose(Door.PORTAL, token, NEW_PASSWORD, source=SOURCE)
    assert accounts.authenticate(typed(NEW_PASSWORD)).is_administrator
    assert refusal(password_links, token) == "link-invalid"
    (told,) = mailbox.fetch()
    assert told.subject == "【NSS】パスワード設定完了のお知らせ"


@pytest.mark.usefixtures("hanako")
def test_no_row_and_no_entry_of_the_log_ever_holds_the_secret(
    database: Database, password_links: PasswordLinks, mailbox: Mailbox
) -> None:
    def everything() -> str:
        with database.snapshot() as session:
            rows = [session.execute(select(table.__table__)).all() for table in (OutboxMail, AuditEntry, LinkRow, AccountRow)]
        return repr(rows)

    token = mailbox.token_of("hanako@example.jp")
    assert token not in everything()
    with database.snapshot() as session:
        assert session.scalars(select(LinkRow.token_hash)).one() == links.hash_of(token)
        body = outbox.search(session, outbox.Wanted())[0].body
    assert "one-time link, not shown here" in links.without_links(body)
    assert "[[link:" not in links.without_links(body)
    password_links.choose(Door.PORTAL, token, NEW_PASSWORD, source=SOURCE)
    assert token not in everything()
    with database.snapshot() as session:
        assert session.scalars(select(LinkRow.token_hash)).one() is None


@pytest.mark.usefixtures("hanako")
def test_an_activation_is_good_for_seven_days(
    password_links: PasswordLinks, mailbox: Mailbox, clock: SettableClock, users: Users
) -> None:
    token = mailbox.token_of("hanako@example.jp")
    user = users.get("NAC001", "hanako")
    assert user is not None
    assert user.link_until == clock.now() + timedelta(days=7)
    clock.advance(timedelta(days=7) - timedelta(seconds=1))
    password_links.owner(Door.PORTAL, token)
    clock.advance(timedelta(seconds=1))
    assert refusal(password_links, token) == "link-invalid"


@pytest.mark.usefixtures("hanako")
@pytest.mark.parametrize("token", ["", "x", "x" * 43, "あ" * 43, "x" * 10_000])
def test_what_is_no_link_opens_nothing(password_links: PasswordLinks, mailbox: Mailbox, token: str) -> None:
    mailbox.fetch()
    assert refusal(password_links, token) == "link-invalid"


@pytest.mark.usefixtures("hanako")
def test_a_link_opens_its_own_door_only(password_links: PasswordLinks, mailbox: Mailbox) -> None:
    assert refusal(password_links, mailbox.token_of("hanako@example.jp"), door=Door.CENTER) == "link-invalid"


def test_staff_are_mailed_the_centers_address(accounts: Accounts, users: Users, mailbox: Mailbox) -> None:
    sato = users.found(NewUser("sato", "佐藤", "sato@example.jp", frozenset({Role.REVIEW})), OPERATOR)
    assert sato is not None
    address, token = mailbox.link_to("sato@example.jp")
    assert address == f"{CENTER}/account/password"
    PasswordLinks(accounts.database, accounts.clock, LETTERS, accounts.passwords).choose(
        Door.CENTER, token, PASSWORD, source=SOURCE
    )


@pytest.mark.usefixtures("hanako")
def test_a_mail_that_is_tried_again_carries_another_secret(
    password_links: PasswordLinks, mailbox: Mailbox, clock: SettableClock
) -> None:
    lost: list[Letter] = []

    def lose(letter: Letter) -> None:
        lost.append(letter)
        raise DeliveryFailed("451 later")

    mailbox.fetch(lose)
    clock.advance(timedelta(minutes=2))
    token = mailbox.token_of("hanako@example.jp")
    before = lost[0].body.split("#")[1][:43]
    assert before != token
    assert refusal(password_links, before) == "link-invalid"
    password_links.choose(Door.PORTAL, token, NEW_PASSWORD, source=SOURCE)


@pytest.mark.usefixtures("hanako")
def test_a_mail_whose_link_was_replaced_says_so(users: Users, mailbox: Mailbox) -> None:
    ito = users.found(NewUser("ito", "伊藤", "ito@example.jp", frozenset({Role.SECURITY})), OPERATOR)
    assert ito is not None
    with users.database.transaction() as session:
        session.get_one(AccountRow, ito.account_id).state = "active"
    users.send_link("NAC001", "hanako", ito)
    first, _, second = mailbox.fetch()
    assert "no longer valid" in first.body
    assert "no longer valid" not in second.body


def test_whoever_forgot_the_password_chooses_another_by_mail_and_is_logged_out_everywhere(
    accounts: Accounts, password_links: PasswordLinks, mailbox: Mailbox, hanako: Person, clock: SettableClock
) -> None:
    active(password_links, mailbox)
    with accounts.database.transaction() as session:
        session.add(
            SessionRow(
                token_hash=b"x" * 32,
                door="portal",
                account_id=hanako.account_id,
                created_at=clock.now(),
                last_seen_at=clock.now(),
                address="192.0.2.1",
                device="",
                content={},
            )
        )
    password_links.ask(Forgotten("ｎａｃ００１", " Hanako ", "HANAKO@example.jp", SOURCE))
    assert password_links.answer_due(clock.now()) == 1
    token = mailbox.token_of("hanako@example.jp")
    accounts.authenticate(typed(PASSWORD))
    password_links.choose(Door.PORTAL, token, NEW_PASSWORD, source=SOURCE)
    with accounts.database.snapshot() as session:
        assert session.scalars(select(SessionRow)).all() == []
    with pytest.raises(Refused, match="login-failed"):
        accounts.authenticate(typed(PASSWORD))
    accounts.authenticate(typed(NEW_PASSWORD))


def test_a_reset_lets_its_owner_in_from_the_browser_that_was_locked_and_forgets_all_that_were_known(
    accounts: Accounts, password_links: PasswordLinks, mailbox: Mailbox, hanako: Person, clock: SettableClock
) -> None:
    active(password_links, mailbox)
    know(accounts, hanako, "own", "other")
    own = replace(typed("wrong password"), device="own")
    for told in ["login-failed"] * 5 + ["throttled"]:
        with pytest.raises(Refused, match=told):
            accounts.authenticate(own)
    password_links.choose(Door.PORTAL, reset_token(password_links, mailbox, clock), NEW_PASSWORD, source=SOURCE)
    with accounts.database.snapshot() as session:
        assert session.scalars(select(DeviceRow)).all() == []
    for _ in range(2):
        accounts.authenticate(replace(own, password=NEW_PASSWORD))
        know(accounts, hanako, "own")  # as the log-in does, which leaves a browser its cookie


@dataclass(frozen=True)
class Interrupted(Passwords):
    """Something happens once while a password is compared."""

    waiting: list[Callable[[], object]] = field(default_factory=list, repr=False, compare=False)

    def matches(self, stored: str | None, password: str) -> bool:
        """Compare as ever, and let it happen before the answer."""
        found = super().matches(stored, password)
        while self.waiting:
            self.waiting.pop()()
        return found


def interrupted_by_a_reset(accounts: Accounts, password_links: PasswordLinks, mailbox: Mailbox, clock: SettableClock) -> Accounts:
    """Return accounts in which the password is reset while the first one is compared."""
    active(password_links, mailbox)
    token = reset_token(password_links, mailbox, clock)

    def reset() -> None:
        clock.advance(timedelta(milliseconds=1))
        password_links.choose(Door.PORTAL, token, NEW_PASSWORD, source=SOURCE)

    return replace(accounts, passwords=Interrupted(memory_kib=8, passes=1, waiting=[reset]))


@pytest.mark.usefixtures("hanako")
def test_a_reset_that_lands_while_the_old_password_is_compared_lets_nobody_in(
    accounts: Accounts, password_links: PasswordLinks, mailbox: Mailbox, clock: SettableClock
) -> None:
    slow = interrupted_by_a_reset(accounts, password_links, mailbox, clock)
    with pytest.raises(Refused, match="login-failed"):
        slow.authenticate(typed(PASSWORD))
    slow.authenticate(typed(NEW_PASSWORD))


def test_a_reset_that_lands_while_the_password_is_changed_stays(
    accounts: Accounts, password_links: PasswordLinks, mailbox: Mailbox, hanako: Person, clock: SettableClock
) -> None:
    slow = interrupted_by_a_reset(accounts, password_links, mailbox, clock)
    with pytest.raises(Refused, match="password-wrong"):
        slow.change_password(hanako, LETTERS, current=PASSWORD, new="dareka-no-aikotoba", keep=b"")
    accounts.authenticate(typed(NEW_PASSWORD))


def test_an_account_stopped_while_its_password_is_compared_lets_nobody_in(
    accounts: Accounts, password_links: PasswordLinks, mailbox: Mailbox, hanako: Person
) -> None:
    active(password_links, mailbox)

    def stop() -> None:
        with accounts.database.transaction() as session:
            session.get_one(AccountRow, hanako.account_id).state = "disabled"

    slow = replace(accounts, passwords=Interrupted(memory_kib=8, passes=1, waiting=[stop]))
    with pytest.raises(Refused, match="login-failed"):
        slow.authenticate(typed(PASSWORD))


@pytest.mark.usefixtures("hanako")
def test_a_hash_renewed_while_its_password_is_compared_is_still_the_same_passwords(
    accounts: Accounts, password_links: PasswordLinks, mailbox: Mailbox
) -> None:
    active(password_links, mailbox)
    other = replace(accounts, passwords=Passwords(memory_kib=16, passes=1))
    slow = replace(accounts, passwords=Interrupted(memory_kib=8, passes=1, waiting=[lambda: other.authenticate(typed(PASSWORD))]))
    slow.authenticate(typed(PASSWORD))


@pytest.mark.usefixtures("hanako")
def test_a_reset_is_good_for_thirty_minutes(password_links: PasswordLinks, mailbox: Mailbox, clock: SettableClock) -> None:
    active(password_links, mailbox)
    password_links.ask(Forgotten("NAC001", "hanako", "hanako@example.jp", SOURCE))
    password_links.answer_due(clock.now())
    token = mailbox.token_of("hanako@example.jp")
    clock.advance(timedelta(minutes=30))
    assert refusal(password_links, token) == "link-invalid"


@pytest.mark.usefixtures("hanako")
@pytest.mark.parametrize(
    ("office_code", "login", "mail"),
    [
        ("NAC001", "nobody", "hanako@example.jp"),
        ("NAC002", "hanako", "hanako@example.jp"),
        ("NAC001", "hanako", "other@example.jp"),
        ("", "", ""),
        ("x" * 500, "y" * 500, "z" * 500),
    ],
)
def test_nobody_learns_who_has_an_account(
    accounts: Accounts, password_links: PasswordLinks, mailbox: Mailbox, office_code: str, login: str, mail: str
) -> None:
    mailbox.fetch()
    password_links.ask(Forgotten(office_code, login, mail, SOURCE))
    assert password_links.answer_due(accounts.clock.now()) == 0
    assert mailbox.fetch() == []
    with accounts.database.snapshot() as session:
        assert session.scalars(select(ResetRequestRow)).all() == []


@pytest.mark.parametrize("login", ["hanako", "nobody"])
@pytest.mark.usefixtures("hanako")
def test_asking_often_is_throttled_existing_account_or_not(password_links: PasswordLinks, login: str) -> None:
    asked = Forgotten("NAC001", login, "hanako@example.jp", SOURCE)
    for _ in range(5):
        password_links.ask(asked)
    with pytest.raises(Refused, match="throttled"):
        password_links.ask(asked)
    password_links.ask(Forgotten("NAC001", login, "hanako@example.jp", "192.0.2.2"))


@pytest.mark.usefixtures("hanako")
def test_nobodys_mailbox_is_filled_from_many_addresses(
    password_links: PasswordLinks, mailbox: Mailbox, clock: SettableClock
) -> None:
    mailbox.fetch()
    for number in range(12):
        password_links.ask(Forgotten("NAC001", "hanako", "hanako@example.jp", f"192.0.2.{number}"))
    assert password_links.answer_due(clock.now()) == 5
    clock.advance(timedelta(hours=2))
    password_links.ask(Forgotten("NAC001", "hanako", "hanako@example.jp", SOURCE))
    assert password_links.answer_due(clock.now()) == 1


@pytest.mark.usefixtures("hanako")
def test_of_many_who_open_a_link_at_once_one_sets_the_password(password_links: PasswordLinks, mailbox: Mailbox) -> None:
    token = mailbox.token_of("hanako@example.jp")

    def choose(number: int) -> str:
        try:
            password_links.choose(Door.PORTAL, token, f"{NEW_PASSWORD}-{number}", source=SOURCE)
        except Refused as refused:
            return refused.code
        return "done"

    with ThreadPoolExecutor(4) as threads:
        outcomes = sorted(threads.map(choose, range(4)))
    assert outcomes == ["done", "link-invalid", "link-invalid", "link-invalid"]


@pytest.mark.usefixtures("hanako")
def test_links_are_forgotten_long_after_they_are_over(database: Database, mailbox: Mailbox, clock: SettableClock) -> None:
    mailbox.fetch()
    assert links.purge(database, now=clock.now()) == 0
    clock.advance(timedelta(days=31))
    assert links.purge(database, now=clock.now()) == 1
