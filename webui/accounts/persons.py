"""Who an account is: the person, the door that it opens, the rights and roles that it holds."""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Row, select
from sqlalchemy.orm import Session

from kernel import audit
from kernel.errors import Refused
from registry.applicants import Contact
from webui.tables import AccountRow

NAME_MOST = 80
# Printable ASCII: other mail servers may not speak SMTPUTF8, and what nobody sees in an address is no address.
_MAIL = re.compile(r"(?=.{3,254}$)[!-?A-~]+@[!-?A-~]+")
_LOGIN = re.compile(r"[a-z0-9][a-z0-9._-]{1,39}")


class Door(StrEnum):
    """The two doors; an account opens one of them."""

    PORTAL = "portal"
    CENTER = "center"


class Right(StrEnum):
    """What a customer's user may do beyond looking.

    Whoever has `administrator` is the office's administrator (管理責任者) and has all rights.
    """

    APPLY = "apply"
    CODES = "codes"
    BILLING = "billing"
    USERS = "users"
    ADMINISTRATOR = "administrator"


class Role(StrEnum):
    """What a member of staff does. One person may hold several; that four eyes see a deed is enforced where the deed is."""

    REVIEW = "review"
    ISSUING = "issuing"
    SECURITY = "security"


class AccountState(StrEnum):
    """Whether an account may log in: only an active one. An invited one has no password yet; a removed one never comes back."""

    INVITED = "invited"
    ACTIVE = "active"
    DISABLED = "disabled"
    REMOVED = "removed"


@dataclass(frozen=True)
class Person:
    """An account as the pages see it. `office_code` is empty for staff; `password_changed_at` names the password it had."""

    account_id: int
    door: Door
    office_code: str
    login: str
    name: str
    mail: str
    grants: frozenset[str]
    password_changed_at: datetime

    @property
    def actor(self) -> audit.Actor:
        """Return the person as the audit log names them."""
        if self.door is Door.CENTER:
            return audit.staff(self.login)
        return audit.customer(self.office_code, self.login)

    def may(self, grant: Right | Role) -> bool:
        """Tell whether the person holds a right or role; an office's administrator holds every right."""
        return grant.value in self.grants or (isinstance(grant, Right) and Right.ADMINISTRATOR.value in self.grants)

    @property
    def is_administrator(self) -> bool:
        """Tell whether the person is an office's administrator."""
        return Right.ADMINISTRATOR.value in self.grants


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
    """What was typed at a door, the address it came from, and the browser's lasting cookie, empty for none."""

    door: Door
    office_code: str
    login: str
    password: str = field(repr=False)
    source: str
    device: str = field(default="", repr=False)


def person_of(row: AccountRow | Row[*tuple[Any, ...]]) -> Person:
    """Return a row as the pages see it."""
    grants = frozenset(row.grants)
    return Person(row.id, Door(row.door), row.office_code, row.login, row.name, row.mail, grants, row.password_changed_at)


def objections(login: str, name: str, mail: str) -> Iterator[Refused]:
    """Yield what is wrong with a new account's data: login-malformed, name-malformed, mail-malformed.

    `login` is normalised already (`normal`).
    """
    if not _LOGIN.fullmatch(login):
        yield Refused("login-malformed")
    if not _is_name(name):
        yield Refused("name-malformed", most=NAME_MOST)
    if not _MAIL.fullmatch(mail):
        yield Refused("mail-malformed")


def require_well_formed(*, login: str, name: str, mail: str) -> None:
    """Raise the first of the `objections` as Refused."""
    for objection in objections(login, name, mail):
        raise objection


def normal(name: str) -> str:
    """Return a log-in name as it is kept: half width, small letters."""
    return unicodedata.normalize("NFKC", name).strip().lower()


def find(session: Session, door: Door, office_code: str, login: str, *, lock_row: bool = False) -> AccountRow | None:
    """Return an account's row by its name; `lock_row` holds it until the transaction ends."""
    named = (AccountRow.door == door.value) & (AccountRow.office_code == office_code) & (AccountRow.login == login)
    query = select(AccountRow).where(named)
    return session.scalar(query.with_for_update() if lock_row else query)


def contact_of(session: Session, actor: str) -> Contact | None:
    """Return how to reach a customer whom the audit log names so; None for anyone else, and for who may not log in any more."""
    kind, _, named = actor.partition(":")
    office_code, _, login = named.rpartition("/")
    row = find(session, Door.PORTAL, office_code, login) if kind == "customer" else None
    if row is None or row.state != AccountState.ACTIVE:
        return None
    return Contact(row.name, "", "", "", "", "", "", "", row.mail)


def subject_of(person: Person) -> str:
    """Return an account as the audit log names it as a subject: `account:NAC001/hanako`, `account:sato`."""
    return subject_named(person.office_code, person.login)


def subject_named(office_code: str, login: str) -> str:
    """Return the same of its names."""
    return f"account:{office_code}/{login}" if office_code else f"account:{login}"


def record(session: Session, now: datetime, actor: audit.Actor, action: str, person: Person, **facts: audit.entries.Fact) -> None:
    """Write a deed upon an account into the audit log."""
    audit.record(
        session,
        now=now,
        actor=actor,
        action=action,
        subject=subject_of(person),
        office_code=person.office_code or None,
        **facts,
    )


def _is_name(text: str) -> bool:
    return len(text.strip()) > 0 and len(text) <= NAME_MOST and all(unicodedata.category(one)[0] != "C" for one in text)
