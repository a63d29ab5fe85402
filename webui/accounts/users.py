"""The users of an office, and the center's staff, as those see them who manage them."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from kernel import audit, throttle
from kernel.clock import Clock
from kernel.database import Database, insert_if_absent
from kernel.errors import Refused
from webui.accounts import admission, links, rules
from webui.accounts.letters import UserLetters
from webui.accounts.links import Purpose
from webui.accounts.persons import (
    AccountState,
    Door,
    Person,
    Right,
    Role,
    find,
    normal,
    person_of,
    record,
    require_well_formed,
)
from webui.accounts.sources import device_keys, login_keys
from webui.tables import AccountRow, LinkRow

# Of one office: more accounts than people are a mistake, or somebody's mischief.
MOST_USERS = 200


@dataclass(frozen=True)
class NewUser:
    """Somebody to invite: staff have no office. `office_name` is what the mail says of where the account is."""

    login: str
    name: str
    mail: str
    grants: frozenset[Right] | frozenset[Role]
    office_code: str = ""
    office_name: str = ""

    @property
    def door(self) -> Door:
        """Return the door that the account is for."""
        return Door.PORTAL if self.office_code else Door.CENTER


@dataclass(frozen=True)
class User:
    """An account as those see it who manage it.

    `link_until` is the end of its open invitation, None while none has left. `is_locked` is told by `Users.get` only.
    """

    person: Person
    state: AccountState
    created_at: datetime
    last_login_at: datetime | None
    link_until: datetime | None = None
    is_locked: bool = False


@dataclass(frozen=True)
class Users:
    """The use cases of managing accounts. Every deed says `by` whom; `rules` says who may."""

    database: Database
    clock: Clock
    letters: UserLetters

    def listed(self, office_code: str) -> tuple[User, ...]:
        """Return the accounts of an office, or with an empty code those of staff, by log-in name."""
        present = (AccountRow.office_code == office_code) & (AccountRow.state != AccountState.REMOVED.value)
        with self.database.snapshot() as session:
            rows = session.scalars(select(AccountRow).where(present).order_by(AccountRow.login)).all()
            ends = _invitations(session, [row.id for row in rows])
            return tuple(_user(row, ends) for row in rows)

    def get(self, office_code: str, login: str) -> User | None:
        """Return one of them; None for one who is not there, or was removed."""
        now = self.clock.now()
        with self.database.snapshot() as session:
            row = find(session, Door.PORTAL if office_code else Door.CENTER, office_code, normal(login))
            if row is None or row.state == AccountState.REMOVED:
                return None
            return replace(_user(row, _invitations(session, [row.id])), is_locked=bool(_locks(session, row, now)))

    def invite(self, new: NewUser, by: Person) -> Person:
        """Make an account without a password and mail its owner a link to choose one.

        Raises Refused: not-manager, right-not-own, users-too-many, account-exists, login-malformed, name-malformed,
        mail-malformed.
        """
        now = self.clock.now()
        with self.database.transaction() as session:
            rows = rules.held_office(session, new.office_code, by)
            rules.require_own(by, new.grants)
            if new.office_code and sum(row.state != AccountState.REMOVED for row in rows) >= MOST_USERS:
                raise Refused("users-too-many", most=MOST_USERS)
            return self._add(session, new, by.actor, now)

    def found(self, new: NewUser, actor: audit.Actor) -> Person | None:
        """Make an office's first account, as `invite` does; None when the office has, or had, one already."""
        now = self.clock.now()
        with self.database.transaction() as session:
            if session.scalar(select(AccountRow.id).where(AccountRow.office_code == new.office_code).limit(1)) is not None:
                return None
            return self._add(session, new, actor, now)

    def send_link(self, office_code: str, login: str, by: Person) -> Person:
        """Mail a link to choose a password, again for who was invited, or anew for who has one; older links are over.

        Raises as `rules.held`, and Refused("user-state") for an account that is disabled.
        """
        now = self.clock.now()
        with self.database.transaction() as session:
            row = rules.held(session, office_code, login, by)
            person = person_of(row)
            if row.state == AccountState.INVITED:
                self._post_invitation(session, person, now)
            elif row.state == AccountState.ACTIVE:
                link = links.order(session, Purpose.RESET, now, account_id=row.id)
                self.letters.forgotten(session, person, link, now)
            else:
                raise Refused("user-state", state=row.state)
            record(session, now, by.actor, "account.send-link", person)
        return person

    def change_grants(self, office_code: str, login: str, grants: Collection[Right | Role], by: Person) -> bool:
        """Give an account exactly these rights or roles, from its next request on; return False if it had just them.

        Raises as `rules.held`, and Refused("right-not-own").
        """
        now, wanted = self.clock.now(), {grant.value for grant in grants}
        with self.database.transaction() as session:
            row = rules.held(session, office_code, login, by)
            before = set(row.grants)
            if before == wanted:
                return False
            kind = Right if office_code else Role
            rules.require_own(by, [kind(grant) for grant in before ^ wanted])
            row.grants = sorted(wanted)
            person = person_of(row)
            record(session, now, by.actor, "account.change-grants", person, before=" ".join(sorted(before)), grants=_spaced(row))
        return True

    def disable(self, office_code: str, login: str, by: Person) -> None:
        """Let nobody log in with an account until it is enabled, and end its sessions and links; raises as `rules.held`."""
        self._change(office_code, login, by, AccountState.DISABLED, "account.disable")

    def enable(self, office_code: str, login: str, by: Person) -> None:
        """Let a disabled account be used again, with the password that it had; raises as `rules.held`."""
        self._change(office_code, login, by, AccountState.ACTIVE, "account.enable")

    def remove(self, office_code: str, login: str, by: Person) -> None:
        """End an account for good: its log-in name is never used again. Raises as `rules.held`."""
        self._change(office_code, login, by, AccountState.REMOVED, "account.remove")

    def unlock(self, office_code: str, login: str, by: Person) -> bool:
        """Forget the failures that lock an account; return False if there were none. Raises as `rules.held`."""
        now = self.clock.now()
        with self.database.transaction() as session:
            row = rules.held(session, office_code, login, by)
            keys = _locks(session, row, now)
            for key in keys:
                throttle.forgive(session, key)
            if keys:
                record(session, now, by.actor, "account.unlock", person_of(row))
        return bool(keys)

    def _add(self, session: Session, new: NewUser, actor: audit.Actor, now: datetime) -> Person:
        login = normal(new.login)
        require_well_formed(login=login, name=new.name, mail=new.mail)
        values: dict[str, object] = {
            "door": new.door.value,
            "office_code": new.office_code,
            "login": login,
            "name": new.name.strip(),
            "mail": new.mail,
            "password_hash": None,
            "grants": sorted(grant.value for grant in new.grants),
            "state": AccountState.INVITED.value,
            "created_at": now,
            "password_changed_at": now,
        }
        if not insert_if_absent(session, AccountRow, values):
            raise Refused("account-exists", login=login)
        row = find(session, new.door, new.office_code, login)
        assert row is not None  # noqa: S101 (inserted above, in this transaction)
        person = person_of(row)
        record(session, now, actor, "account.invite", person, grants=_spaced(row))
        self._post_invitation(session, person, now, office=new.office_name)
        return person

    def _post_invitation(self, session: Session, person: Person, now: datetime, *, office: str = "") -> None:
        link = links.order(session, Purpose.ACTIVATE, now, account_id=person.account_id)
        self.letters.invited(session, person, link, now, office=office or person.office_code)

    def _change(self, office_code: str, login: str, by: Person, state: AccountState, action: str) -> None:
        now = self.clock.now()
        with self.database.transaction() as session:
            row = rules.held(session, office_code, login, by)
            is_enabling = state is AccountState.ACTIVE
            if (row.state == AccountState.DISABLED) is not is_enabling and state is not AccountState.REMOVED:
                raise Refused("user-state", state=row.state)
            person = person_of(row)
            row.state = (AccountState.INVITED if is_enabling and row.password_hash is None else state).value
            if state is AccountState.REMOVED:
                row.password_hash, row.grants = None, []
            if not is_enabling:
                admission.end_all(session, row.id)
                links.withdraw(session, now, account_id=row.id)
            record(session, now, by.actor, action, person)


def has_administrator(session: Session, office_code: str) -> bool:
    """Tell whether an office has an active account that is its administrator's."""
    active = (AccountRow.office_code == office_code) & (AccountRow.state == AccountState.ACTIVE.value)
    return any(person_of(row).is_administrator for row in session.scalars(select(AccountRow).where(active)))


def _user(row: AccountRow, ends: dict[int, datetime]) -> User:
    return User(
        person=person_of(row),
        state=AccountState(row.state),
        created_at=row.created_at,
        last_login_at=row.last_login_at,
        link_until=ends.get(row.id),
    )


def _invitations(session: Session, account_ids: Collection[int]) -> dict[int, datetime]:
    """Return until when the open invitations of accounts are good, those whose mail has left."""
    open_ones = LinkRow.ended_at.is_(None) & (LinkRow.purpose == Purpose.ACTIVATE.value) & LinkRow.expires_at.is_not(None)
    query = select(LinkRow.account_id, LinkRow.expires_at).where(open_ones, LinkRow.account_id.in_(account_ids))
    return {found.account_id: found.expires_at for found in session.execute(query)}


def _locks(session: Session, row: AccountRow, now: datetime) -> tuple[str, ...]:
    """Return the keys under which an account is locked at present, for whomever."""
    named = login_keys(Door(row.door), row.office_code, row.login, "")
    whole = (named[2][0], f"password:{row.id}")
    locked = tuple(key for key in whole if throttle.standing(session, key, now).locked_for)
    of_devices = device_keys(Door(row.door), row.office_code, row.login, b"")[0][0]
    return locked + throttle.locked_keys(session, named[0][0], now) + throttle.locked_keys(session, of_devices, now)


def _spaced(row: AccountRow) -> str:
    return " ".join(row.grants)
