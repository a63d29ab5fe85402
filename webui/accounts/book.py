"""Who may log in: customers by office code, user and password; staff by user and password.

Guessing is slowed at three widths. Five failures lock one account for one source, so an address that guesses locks out
itself and nobody else; a source that fails often on many accounts is locked as a whole; and an account that fails often
from many sources is locked as a whole, which takes at least ten addresses. A browser from which the account was entered
before stands apart from all that: its failures are counted by themselves, and nobody else's keep it out
(docs/decisions/0048).
"""

from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Row, bindparam, select
from sqlalchemy.orm import Session

from kernel import audit, throttle
from kernel.clock import Clock
from kernel.database import Database, insert_if_absent
from kernel.errors import Refused
from webui.accounts import admission, expected
from webui.accounts.letters import UserLetters
from webui.accounts.persons import (
    AccountState,
    Credentials,
    Door,
    NewAccount,
    Person,
    find,
    normal,
    person_of,
    record,
    require_well_formed,
    subject_named,
)
from webui.accounts.sources import PER_ACCOUNT_AND_SOURCE, device_hash, device_keys, login_keys
from webui.passwords import Passwords, require_good
from webui.tables import AccountRow, DeviceRow

# Columns, no entity: making one would be work that names which nobody has do not cost.
_STORED = select(
    AccountRow.id,
    AccountRow.office_code,
    AccountRow.login,
    AccountRow.password_hash,
    AccountRow.state,
    AccountRow.password_changed_at,
).where(
    AccountRow.door == bindparam("door"),
    AccountRow.office_code == bindparam("office_code"),
    AccountRow.login == bindparam("login"),
)
_KNOWN = select(DeviceRow.account_id).where(
    DeviceRow.account_id == bindparam("account_id"), DeviceRow.token_hash == bindparam("token_hash")
)
_NOBODY = -1
_Stored = Row[int, str, str, str | None, str, datetime]
_Keys = tuple[tuple[str, throttle.Limit], ...]


_NAMES = select(AccountRow.login, AccountRow.name).where(
    AccountRow.door == bindparam("door"), AccountRow.office_code == "", AccountRow.state == AccountState.ACTIVE.value
)
_OF_OFFICE = select(AccountRow.__table__).where(
    AccountRow.door == Door.PORTAL.value,
    AccountRow.office_code == bindparam("office_code"),
    AccountRow.state == AccountState.ACTIVE.value,
)


def names(session: Session, door: Door) -> dict[str, str]:
    """Return the names of everyone who may log in at a door and has no office, by log-in name."""
    return dict(session.connection().execute(_NAMES, {"door": door.value}).all())


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
        login = normal(account.login)
        require_well_formed(login=login, name=account.name, mail=account.mail)
        with self.database.snapshot() as session:
            known = expected.names(session, account.office_code, account.name, account.mail)
        require_good(account.password, login=login, names=known)
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
            row = find(session, account.door, account.office_code, login)
            assert row is not None  # noqa: S101 (inserted above, in this transaction)
            person = person_of(row)
            record(session, now, actor, "account.add", person, grants=" ".join(row.grants))
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
        with self.database.snapshot() as session:
            people = [person_of(row) for row in session.execute(_OF_OFFICE, {"office_code": office_code})]
        return frozenset(str(person.actor) for person in people if person.is_administrator)

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
            record(session, now, person.actor, "account.confirm" if matches else "account.confirm-failed", person)
        if not matches:
            raise Refused("password-wrong")

    def authenticate(self, typed: Credentials) -> Person:
        """Return the person whose credentials these are.

        Raises Refused("login-failed"), the same in words and time whether the account exists or not, and
        Refused("throttled", retry_after=seconds).
        """
        now = self.clock.now()
        office_code, login = normal(typed.office_code).upper(), normal(typed.login)
        keys = login_keys(typed.door, office_code, login, typed.source)
        with self.database.snapshot() as session:
            row = _stored(session, typed.door, office_code, login)
            if typed.device and _knows(session, row, token_hash := device_hash(typed.device)):
                keys = device_keys(typed.door, office_code, login, token_hash)
            for key, _ in keys:
                throttle.require_unlocked(session, key, now)
        # Argon2 takes tens of milliseconds on purpose: never while a transaction is open.
        matches = self.passwords.matches(row.password_hash if row else None, typed.password)
        is_right = row is not None and matches and row.state == AccountState.ACTIVE.value
        person = self._admitted(row, keys, typed, now) if row is not None and is_right else None
        if person is None:
            self._note_failure(row, keys, typed, now)
            raise Refused("login-failed")
        return person

    def change_password(
        self, person: Person, letters: UserLetters, *, current: str, new: str, keep: bytes, device: str = ""
    ) -> None:  # fmt: skip
        """Change one's own password, end all one's other sessions, and tell the account's owner by mail.

        `keep` is the hash of the present session's token, `device` its browser's lasting cookie: other browsers are forgotten.

        Raises Refused: password-wrong, password-same, throttled, or what `passwords.require_good` says.
        """
        now = self.clock.now()
        key = f"password:{person.account_id}"
        with self.database.snapshot() as session:
            throttle.require_unlocked(session, key, now)
            row = session.get_one(AccountRow, person.account_id)
            known = expected.names(session, person.office_code, person.name, person.mail, letters=letters)
        if not self.passwords.matches(row.password_hash, current):
            with self.database.transaction() as session:
                throttle.count_failure(session, key, PER_ACCOUNT_AND_SOURCE, now)
            raise Refused("password-wrong")
        require_good(new, login=person.login, names=known)
        if self.passwords.matches(row.password_hash, new):
            raise Refused("password-same")
        hashed = self.passwords.hash(new)
        with self.database.transaction() as session:
            account = admission.held(session, person.account_id, row.password_changed_at)
            if account is None:
                raise Refused("password-wrong")
            throttle.require_unlocked(session, key, now, lock_row=True)
            throttle.forgive(session, key)
            account.password_hash, account.password_changed_at = hashed, now
            admission.end_all(session, account.id, keep=keep, keep_device=device_hash(device))
            record(session, now, person.actor, "account.change-password", person)
            letters.changed(session, person, now)

    def _admitted(self, row: _Stored, keys: _Keys, typed: Credentials, now: datetime) -> Person | None:
        """Note that somebody typed the right password; None when it was changed, or the account stopped, meanwhile."""
        is_outdated = row.password_hash is not None and self.passwords.is_outdated(row.password_hash)
        renewed = self.passwords.hash(typed.password) if is_outdated else None
        with self.database.transaction() as session:
            account = admission.held(session, row.id, row.password_changed_at)
            if account is None:
                return None
            # Judged again under lock: guesses sent at the same moment do not slip in before the count.
            for key, _ in keys:
                throttle.require_unlocked(session, key, now, lock_row=True)
            throttle.forgive(session, keys[0][0])
            account.password_hash = renewed or account.password_hash
            account.last_login_at = now
            person = person_of(account)
            record(session, now, person.actor, "account.login", person, source=typed.source)
        return person

    def _note_failure(self, row: _Stored | None, keys: _Keys, typed: Credentials, now: datetime) -> None:
        actor = audit.Actor("visitor", typed.source)
        # An unknown name is not written down: people type passwords into the wrong field.
        subject = subject_named(row.office_code, row.login) if row else "account:unknown"
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


def _stored(session: Session, door: Door, office_code: str, login: str) -> _Stored | None:
    named = {"door": door.value, "office_code": office_code, "login": login}
    return session.connection().execute(_STORED, named).first()


def _knows(session: Session, row: _Stored | None, token_hash: bytes) -> bool:
    """Tell whether an account was entered before from the browser that has a cookie; nobody's account costs the same."""
    asked = {"account_id": row.id if row else _NOBODY, "token_hash": token_hash}
    return session.connection().execute(_KNOWN, asked).first() is not None
