"""Choosing a password by a link: the first one of a new account, or another one for who forgot it."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from kernel import audit, throttle
from kernel.clock import Clock
from kernel.database import Database
from kernel.errors import Refused
from webui.accounts import admission, expected, links
from webui.accounts.letters import UserLetters
from webui.accounts.links import PASSWORD_PURPOSES, Purpose
from webui.accounts.persons import AccountState, Door, Person, find, normal, person_of, record
from webui.accounts.sources import device_keys, login_keys
from webui.passwords import Passwords, require_good
from webui.tables import AccountRow, LinkRow, ResetRequestRow

# Who asks, about whom: as many may be asked from one address before it has to wait, existing accounts or not.
PER_NAME_AND_SOURCE = throttle.Limit(failures=5)
PER_SOURCE = throttle.Limit(failures=30)
# Mails of this kind to one account: nobody's mailbox is filled by others. Further requests are dropped without a word.
PER_ACCOUNT = throttle.Limit(failures=5, window=timedelta(hours=1), lock=timedelta(hours=1), longest=timedelta(hours=1))
_OPEN_STATES = (AccountState.ACTIVE, AccountState.INVITED)


@dataclass(frozen=True)
class Forgotten:
    """What was typed on the page for forgotten passwords, and the address it came from."""

    office_code: str
    login: str
    mail: str
    source: str


@dataclass(frozen=True)
class PasswordLinks:
    """The use cases of links that set a password."""

    database: Database
    clock: Clock
    letters: UserLetters
    passwords: Passwords = field(default_factory=Passwords)

    def ask(self, typed: Forgotten) -> None:
        """Note that somebody forgot a password: the same deed, in the same time, whether there is such an account or not.

        Raises Refused("throttled", retry_after=seconds), existing account or not.
        """
        now = self.clock.now()
        office_code, login = normal(typed.office_code).upper()[:6], normal(typed.login)[:40]
        pair = login_keys(Door.PORTAL, office_code, login, typed.source)[0][0].removeprefix("login:")
        keys = ((f"reset:{pair}", PER_NAME_AND_SOURCE), (f"reset-source:{typed.source}", PER_SOURCE))
        with self.database.transaction() as session:
            for key, _ in keys:
                throttle.require_unlocked(session, key, now, lock_row=True)
            for key, limit in keys:
                throttle.count_failure(session, key, limit, now)
            session.add(
                ResetRequestRow(
                    office_code=office_code, login=login, mail=normal(typed.mail)[:254], source=typed.source, asked_at=now
                )
            )

    def answer_due(self, now: datetime, *, at_most: int = 100) -> int:
        """Mail a link to those whose office code, log-in name and address are an account's; return how many. A job."""
        with self.database.snapshot() as session:
            waiting = session.scalars(select(ResetRequestRow.id).order_by(ResetRequestRow.id).limit(at_most)).all()
        return sum(self._answer(request_id, now) for request_id in waiting)

    def owner(self, door: Door, token: str) -> Person:
        """Return whose password a link sets; raises Refused("link-invalid")."""
        now = self.clock.now()
        with self.database.snapshot() as session:
            return person_of(_account(session, links.opened(session, token, PASSWORD_PURPOSES, now), door))

    def choose(self, door: Door, token: str, password: str, *, source: str) -> Person:
        """Set the password, end the account's sessions and links, forget its browsers, and tell its owner by mail.

        Raises Refused("link-invalid") for a link that is unknown, used, withdrawn or over, or the other door's; or what
        `passwords.require_good` says, and then the link stays.
        """
        person = self.owner(door, token)
        with self.database.snapshot() as session:
            known = expected.names(session, person.office_code, person.name, person.mail, letters=self.letters)
        require_good(password, login=person.login, names=known)
        hashed = self.passwords.hash(password)
        now = self.clock.now()
        with self.database.transaction() as session:
            row = _account(session, links.opened(session, token, PASSWORD_PURPOSES, now), door, lock_row=True)
            link = links.opened(session, token, PASSWORD_PURPOSES, now, lock_row=True)
            row.password_hash, row.password_changed_at, row.state = hashed, now, AccountState.ACTIVE.value
            links.use(link, now)
            links.withdraw(session, now, account_id=row.id, purposes=PASSWORD_PURPOSES)
            admission.end_all(session, row.id)
            person = person_of(row)
            # Who has just proven to read the account's mails need not wait for guesses that were made before.
            for key in _own_keys(session, person, source, now):
                throttle.forgive(session, key)
            record(session, now, person.actor, "account.choose-password", person, link=link.purpose, source=source)
            self.letters.chosen(session, person, now)
        return person

    def _answer(self, request_id: int, now: datetime) -> bool:
        with self.database.transaction() as session:
            request = session.get(ResetRequestRow, request_id, with_for_update=True)
            if request is None:
                return False
            session.delete(request)
            row = find(session, Door.PORTAL, request.office_code, request.login, lock_row=True)
            if row is None or row.state not in _OPEN_STATES or row.mail.casefold() != request.mail.casefold():
                return False
            try:
                throttle.require_unlocked(session, f"reset-mail:{row.id}", now, lock_row=True)
            except Refused:
                return False
            throttle.count_failure(session, f"reset-mail:{row.id}", PER_ACCOUNT, now)
            person = person_of(row)
            link = links.order(session, Purpose.RESET, now, account_id=row.id)
            self.letters.forgotten(session, person, link, now)
            record(session, now, audit.Actor("visitor", request.source), "account.ask-reset", person)
            return True


def _own_keys(session: Session, person: Person, source: str, now: datetime) -> tuple[str, ...]:
    """Return what an account's failures are counted by: for one source, from everywhere, and for its browsers that are locked."""
    pair, _, whole = (key for key, _ in login_keys(person.door, person.office_code, person.login, source))
    of_devices = device_keys(person.door, person.office_code, person.login, b"")[0][0]
    return pair, whole, *throttle.locked_keys(session, of_devices, now)


def _account(session: Session, link: LinkRow, door: Door, *, lock_row: bool = False) -> AccountRow:
    """Return the account of a link at its own door, which must be there to be opened."""
    query = select(AccountRow).where(AccountRow.id == link.account_id, AccountRow.door == door.value)
    row = session.scalar(query.with_for_update() if lock_row else query)
    if row is None or row.state not in _OPEN_STATES:
        raise Refused("link-invalid")
    return row
