"""Who may log in: customers by office code, user and password; staff by user and password.

Guessing is slowed at three widths. Five failures lock one account for one source, so an address that guesses locks out
itself and nobody else; a source that fails often on many accounts is locked as a whole; and an account that fails often
from many sources is locked as a whole, which takes at least ten addresses.
"""

import hashlib
import ipaddress
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from kernel import audit, throttle
from kernel.clock import Clock
from kernel.database import Database, insert_if_absent
from kernel.errors import Refused
from webui.passwords import Passwords, require_good
from webui.tables import AccountRow, SessionRow

PER_ACCOUNT_AND_SOURCE = throttle.Limit(failures=5)
PER_SOURCE = throttle.Limit(failures=60, lock=timedelta(minutes=15), longest=timedelta(hours=1))
PER_ACCOUNT = throttle.Limit(failures=50, lock=timedelta(minutes=15), longest=timedelta(hours=1))

NAME_MOST = 80
_MAIL = re.compile(r"(?=.{3,254}$)[^@\s]+@[^@\s]+")
_LOGIN = re.compile(r"[a-z0-9][a-z0-9._-]{1,39}")


class Door(StrEnum):
    """The two doors; an account opens one of them."""

    PORTAL = "portal"
    CENTER = "center"


class Right(StrEnum):
    """What a customer's user may do beyond looking; whoever has `administrator` is the office's administrator (管理責任者)."""

    APPLY = "apply"
    CODES = "codes"
    ADMINISTRATOR = "administrator"


class Role(StrEnum):
    """What a member of staff does. One person may hold several; that four eyes see a deed is enforced where the deed is."""

    REVIEW = "review"
    ISSUING = "issuing"
    SECURITY = "security"


class AccountState(StrEnum):
    """Whether an account may log in."""

    ACTIVE = "active"
    DISABLED = "disabled"


@dataclass(frozen=True)
class Person:
    """An account as the pages see it. `office_code` is empty for staff."""

    account_id: int
    door: Door
    office_code: str
    login: str
    name: str
    mail: str
    grants: frozenset[str]

    @property
    def actor(self) -> audit.Actor:
        """Return the person as the audit log names them."""
        if self.door is Door.CENTER:
            return audit.staff(self.login)
        return audit.customer(self.office_code, self.login)

    def may(self, grant: Right | Role) -> bool:
        """Tell whether the person holds a right or role."""
        return grant.value in self.grants


@dataclass(frozen=True)
class NewAccount:
    """What makes an account. A customer's `grants` are rights, a staff member's are roles."""

    login: str
    name: str
    mail: str
    password: str = field(repr=False)
    grants: frozenset[Right | Role]
    office_code: str = ""

    @property
    def door(self) -> Door:
        """Return the door that the account is for: those of an office use the portal."""
        return Door.PORTAL if self.office_code else Door.CENTER


@dataclass(frozen=True)
class Credentials:
    """What was typed at a door, and the address it came from."""

    door: Door
    office_code: str
    login: str
    password: str = field(repr=False)
    source: str


@dataclass(frozen=True)
class Accounts:
    """The use cases of accounts."""

    database: Database
    clock: Clock
    passwords: Passwords = field(default_factory=Passwords)

    def add(self, account: NewAccount, actor: audit.Actor) -> Person:
        """Make an account.

        Raises Refused: login-malformed, name-malformed, mail-malformed, account-exists, or what `passwords.require_good` says.
        """
        now = self.clock.now()
        login = _normal(account.login)
        if not _LOGIN.fullmatch(login):
            raise Refused("login-malformed")
        if not _is_name(account.name):
            raise Refused("name-malformed", most=NAME_MOST)
        if not _MAIL.fullmatch(account.mail):
            raise Refused("mail-malformed")
        require_good(account.password, login=login)
        hashed = self.passwords.hash(account.password)
        values: dict[str, object] = {
            "door": account.door.value,
            "office_code": account.office_code,
            "login": login,
            "name": account.name,
            "mail": account.mail,
            "password_hash": hashed,
            "grants": sorted(grant.value for grant in account.grants),
            "state": AccountState.ACTIVE.value,
            "created_at": now,
            "password_changed_at": now,
        }
        with self.database.transaction() as session:
            if not insert_if_absent(session, AccountRow, values):
                raise Refused("account-exists", login=login)
            row = _find(session, account.door, account.office_code, login)
            assert row is not None  # noqa: S101 (inserted above, in this transaction)
            person = person_of(row)
            _record(session, now, actor, "account.add", person, grants=" ".join(row.grants))
        return person

    def listed(self, door: Door) -> tuple[Person, ...]:
        """Return everyone who may log in at a door, by office and log-in name."""
        query = (
            select(AccountRow)
            .where(AccountRow.door == door.value, AccountRow.state == AccountState.ACTIVE.value)
            .order_by(AccountRow.office_code, AccountRow.login)
        )
        with self.database.snapshot() as session:
            return tuple(person_of(row) for row in session.scalars(query))

    def administrators(self, office_code: str) -> frozenset[str]:
        """Return those active accounts of an office that are its administrator's, as the audit log names them."""
        query = select(AccountRow).where(
            AccountRow.door == Door.PORTAL.value,
            AccountRow.office_code == office_code,
            AccountRow.state == AccountState.ACTIVE.value,
        )
        with self.database.snapshot() as session:
            people = [person_of(row) for row in session.scalars(query)]
        return frozenset(str(person.actor) for person in people if person.may(Right.ADMINISTRATOR))

    def require_password(self, person: Person, password: str) -> None:
        """Let somebody who is logged in prove again who they are; raises Refused("password-wrong"), "throttled"."""
        now = self.clock.now()
        key = f"password:{person.account_id}"
        with self.database.snapshot() as session:
            throttle.require_unlocked(session, key, now)
            row = session.get_one(AccountRow, person.account_id)
        matches = self.passwords.matches(row.password_hash, password)
        with self.database.transaction() as session:
            if not matches:
                throttle.count_failure(session, key, PER_ACCOUNT_AND_SOURCE, now)
            else:
                throttle.require_unlocked(session, key, now, lock_row=True)
                throttle.forgive(session, key)
            _record(session, now, person.actor, "account.confirm" if matches else "account.confirm-failed", person)
        if not matches:
            raise Refused("password-wrong")

    def authenticate(self, typed: Credentials) -> Person:
        """Return the person whose credentials these are.

        Raises Refused("login-failed"), the same in words and time whether the account exists or not, and
        Refused("throttled", retry_after=seconds).
        """
        now = self.clock.now()
        office_code, login = _normal(typed.office_code).upper(), _normal(typed.login)
        keys = _keys(typed.door, office_code, login, typed.source)
        with self.database.snapshot() as session:
            for key, _ in keys:
                throttle.require_unlocked(session, key, now)
            row = _find(session, typed.door, office_code, login)
        # Argon2 takes tens of milliseconds on purpose: never while a transaction is open.
        matches = self.passwords.matches(row.password_hash if row else None, typed.password)
        if row is None or not matches or row.state != AccountState.ACTIVE.value:
            self._note_failure(row, keys, typed, now)
            raise Refused("login-failed")
        renewed = self.passwords.hash(typed.password) if self.passwords.is_outdated(row.password_hash) else None
        with self.database.transaction() as session:
            # Judged again under lock: guesses sent at the same moment do not slip in before the count.
            for key, _ in keys:
                throttle.require_unlocked(session, key, now, lock_row=True)
            throttle.forgive(session, keys[0][0])
            if renewed:
                unchanged = (AccountRow.id == row.id) & (AccountRow.password_hash == row.password_hash)
                session.execute(update(AccountRow).where(unchanged).values(password_hash=renewed))
            person = person_of(row)
            _record(session, now, person.actor, "account.login", person, source=typed.source)
        return person

    def change_password(self, person: Person, *, current: str, new: str, keep: bytes) -> None:
        """Change one's own password and end all one's other sessions; `keep` is the hash of the present session's token.

        Raises Refused: password-wrong, password-same, throttled, or what `passwords.require_good` says.
        """
        now = self.clock.now()
        key = f"password:{person.account_id}"
        with self.database.snapshot() as session:
            throttle.require_unlocked(session, key, now)
            row = session.get_one(AccountRow, person.account_id)
        if not self.passwords.matches(row.password_hash, current):
            with self.database.transaction() as session:
                throttle.count_failure(session, key, PER_ACCOUNT_AND_SOURCE, now)
            raise Refused("password-wrong")
        require_good(new, login=person.login)
        if self.passwords.matches(row.password_hash, new):
            raise Refused("password-same")
        hashed = self.passwords.hash(new)
        with self.database.transaction() as session:
            throttle.require_unlocked(session, key, now, lock_row=True)
            throttle.forgive(session, key)
            changed = update(AccountRow).where(AccountRow.id == person.account_id)
            session.execute(changed.values(password_hash=hashed, password_changed_at=now))
            others = (SessionRow.account_id == person.account_id) & (SessionRow.token_hash != keep)
            session.execute(delete(SessionRow).where(others))
            _record(session, now, person.actor, "account.change-password", person)

    def _note_failure(
        self, row: AccountRow | None, keys: Iterable[tuple[str, throttle.Limit]], typed: Credentials, now: datetime
    ) -> None:
        actor = audit.Actor("visitor", typed.source)
        # An unknown name is not written down: people type passwords into the wrong field.
        subject = f"account:{_subject(person_of(row))}" if row else "account:unknown"
        office_code = (row.office_code or None) if row else None
        with self.database.transaction() as session:
            locked = False
            for key, limit in keys:
                locked |= throttle.count_failure(session, key, limit, now).locked_for > 0
            audit.record(
                session,
                now=now,
                actor=actor,
                action="account.login-failed",
                subject=subject,
                office_code=office_code,
                locked=locked,
            )


def person_of(row: AccountRow) -> Person:
    """Return a row as the pages see it."""
    return Person(row.id, Door(row.door), row.office_code, row.login, row.name, row.mail, frozenset(row.grants))


def network_of(address: str | None) -> str:
    """Return what counts as one source: an IPv4 address, an IPv6 /64 (which one customer has as a whole)."""
    try:
        parsed = ipaddress.ip_address(address or "")
    except ValueError:
        return "unknown"
    if isinstance(parsed, ipaddress.IPv6Address):
        mapped = parsed.ipv4_mapped
        return str(mapped) if mapped else str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)


def _is_name(text: str) -> bool:
    return len(text.strip()) > 0 and len(text) <= NAME_MOST and all(unicodedata.category(one)[0] != "C" for one in text)


def _normal(name: str) -> str:
    return unicodedata.normalize("NFKC", name).strip().lower()


def _find(session: Session, door: Door, office_code: str, login: str) -> AccountRow | None:
    named = (AccountRow.door == door.value) & (AccountRow.office_code == office_code) & (AccountRow.login == login)
    return session.scalar(select(AccountRow).where(named))


def _keys(door: Door, office_code: str, login: str, source: str) -> tuple[tuple[str, throttle.Limit], ...]:
    """Return what failures are counted by, existing account or not; the pair first. Hashed: names are people's."""
    account = hashlib.sha256(f"{door} {office_code} {login}".encode()).hexdigest()[:32]
    return (
        (f"login:{account}:{source}", PER_ACCOUNT_AND_SOURCE),
        (f"login-source:{door}:{source}", PER_SOURCE),
        (f"login-account:{account}", PER_ACCOUNT),
    )


def _subject(person: Person) -> str:
    return f"{person.office_code}/{person.login}" if person.office_code else person.login


def _record(
    session: Session, now: datetime, actor: audit.Actor, action: str, person: Person, **facts: audit.entries.Fact
) -> None:
    audit.record(
        session,
        now=now,
        actor=actor,
        action=action,
        subject=f"account:{_subject(person)}",
        office_code=person.office_code or None,
        **facts,
    )
