"""Log-ins, kept on the server: the cookie is a random name, everything else is a row.

Visitors who have not logged in cost no row: their cookie only carries the random token that the cross-site guard
derives its form token from. Each door has a cookie of its own name, because cookies know no ports.
"""

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast

import flask
from flask.sessions import SessionInterface, SessionMixin
from sqlalchemy import bindparam, delete, select, update
from sqlalchemy.orm import Session
from werkzeug.datastructures import CallbackDict
from werkzeug.wrappers import Response

from kernel.clock import Clock
from kernel.database import Database
from kernel.errors import Refused
from webui.accounts import AccountState, Door, Person, admission, person_of, record
from webui.factors.log_ins import Origin
from webui.tables import AccountRow, HalfLogInRow, SessionRow

# Reading a page must not be a write each time: "last seen" is this coarse.
TOUCH = timedelta(minutes=1)
# How long the second factor may come after the password.
HALF = timedelta(minutes=10)


@dataclass(frozen=True)
class Limits:
    """When a log-in ends by itself: after so much time without a request, and however busy it is."""

    idle: timedelta = timedelta(minutes=30)
    absolute: timedelta = timedelta(hours=12)


@dataclass(frozen=True)
class OpenSession:
    """One log-in, for its person to see. `key` names it in addresses; it opens nothing."""

    key: str
    device: str
    address: str
    since: datetime
    last_seen_at: datetime
    is_present: bool


class Visit(CallbackDict[str, object], SessionMixin):
    """The visit that a request belongs to; what Flask calls session. Nothing is read before `Sessions.recognise`.

    Only a logged-in visit keeps what is put into it.
    """

    def __init__(self, token: str, *, is_new: bool) -> None:
        super().__init__(on_update=Visit._note_change)
        self.token = token
        self.new = is_new
        self.modified = False
        self.accessed = True
        # The cookie is set when a page needs it (a form), not for every passer-by.
        self.needs_cookie = False
        self.person: Person | None = None
        self.since: datetime | None = None
        # When a second factor was shown last.
        self.proven_at: datetime | None = None
        self.has_ended = False

    def _note_change(self) -> None:
        self.modified = True

    @property
    def token_hash(self) -> bytes:
        """Return the key of the visit's row."""
        return hash_of(self.token)

    def form_token(self) -> str:
        """Return the token that this visit's forms carry; it can be made only by who knows the cookie."""
        self.needs_cookie = True
        return hashlib.sha256(b"form " + self.token.encode()).hexdigest()


def visit() -> Visit:
    """Return the present request's visit."""
    return cast("Visit", flask.session._get_current_object())  # type: ignore[attr-defined]  # noqa: SLF001 (the proxy's own way)


# Asked at each request: a log-in, and whose it is (what `person_of` reads).
_PRESENT = (
    select(
        SessionRow.created_at.label("began_at"),
        SessionRow.last_seen_at,
        SessionRow.proven_at,
        SessionRow.content,
        AccountRow.id,
        AccountRow.door,
        AccountRow.office_code,
        AccountRow.login,
        AccountRow.name,
        AccountRow.mail,
        AccountRow.grants,
        AccountRow.state,
        AccountRow.password_changed_at,
    )
    .join_from(SessionRow, AccountRow, AccountRow.id == SessionRow.account_id)
    .where(SessionRow.token_hash == bindparam("token_hash"), SessionRow.door == bindparam("door"))
)


@dataclass(frozen=True)
class Sessions(SessionInterface):
    """The sessions of one door."""

    database: Database
    clock: Clock
    door: Door
    limits: Limits = Limits()

    @property
    def cookie(self) -> str:
        """Return the cookie's name; `__Host-` makes browsers insist on Secure, no domain, and the whole path."""
        return f"__Host-tegata-{self.door}"

    def open_session(self, app: flask.Flask, request: flask.Request) -> Visit:
        """Take the token from the cookie; no database yet, so that the error pages do not depend on it."""
        del app
        token = request.cookies.get(self.cookie, "")
        well_formed = len(token) == len(_new_token()) and token.isascii()
        return Visit(token if well_formed else _new_token(), is_new=not well_formed)

    def recognise(self, present: Visit) -> None:
        """Find out whose visit it is: the row must stand, be neither idle nor too old, and its account active."""
        if present.new:
            return
        now = self.clock.now()
        whose = {"token_hash": present.token_hash, "door": self.door.value}
        with self.database.snapshot() as session:
            row = session.connection().execute(_PRESENT, whose).first()
        if row is None:
            return
        ended = now - row.last_seen_at > self.limits.idle or now - row.began_at > self.limits.absolute
        if ended or row.state != AccountState.ACTIVE.value:
            present.has_ended = True
            return
        present.person, present.since, present.proven_at = person_of(row), row.began_at, row.proven_at
        present.update(row.content)
        present.modified = False
        if now - row.last_seen_at >= TOUCH:
            self._touch(present.token_hash, now)

    def begin_half(self, present: Visit, person: Person) -> None:
        """Note, under a new token, that the password was right and the second factor is to come. Nothing is open yet.

        Raises Refused("login-failed") as `begin`.
        """
        token = _new_token()
        with self.database.transaction() as session:
            _require_current(session, person)
            session.execute(delete(HalfLogInRow).where(HalfLogInRow.token_hash == present.token_hash))
            session.add(
                HalfLogInRow(
                    token_hash=hash_of(token), door=self.door.value, account_id=person.account_id, created_at=self.clock.now()
                )
            )
        present.token, present.needs_cookie, present.new = token, True, True

    def half(self, present: Visit) -> Person | None:
        """Return who typed the right password in this visit a short while ago, and still owes the second factor."""
        query = (
            select(HalfLogInRow, AccountRow)
            .join(AccountRow, AccountRow.id == HalfLogInRow.account_id)
            .where(HalfLogInRow.token_hash == present.token_hash, HalfLogInRow.door == self.door.value)
        )
        with self.database.snapshot() as session:
            found = session.execute(query).first()
        if found is None:
            return None
        row, account = found
        late = self.clock.now() - row.created_at > HALF or account.password_changed_at > row.created_at
        return None if late or account.state != AccountState.ACTIVE.value else person_of(account)

    def begin(self, present: Visit, person: Person, origin: Origin, *, is_proven: bool) -> None:
        """Start a log-in under a new token: one that was planted before is worth nothing.

        Raises Refused("login-failed") when the password was changed, or the account stopped, since `person` was read.
        """
        now = self.clock.now()
        token = _new_token()
        with self.database.transaction() as session:
            _require_current(session, person)
            for table in (SessionRow, HalfLogInRow):
                session.execute(delete(table).where(table.token_hash == present.token_hash))
            session.add(
                SessionRow(
                    token_hash=hash_of(token),
                    door=self.door.value,
                    account_id=person.account_id,
                    created_at=now,
                    last_seen_at=now,
                    proven_at=now if is_proven else None,
                    address=origin.address,
                    device=origin.device,
                    content={},
                )
            )
        present.clear()
        present.token, present.person, present.since = token, person, now
        present.proven_at = now if is_proven else None
        present.needs_cookie, present.new, present.modified = True, True, False

    def prove(self, present: Visit) -> None:
        """Note that a second factor was shown just now."""
        present.proven_at = self.clock.now()
        with self.database.transaction() as session:
            mine = update(SessionRow).where(SessionRow.token_hash == present.token_hash)
            session.execute(mine.values(proven_at=present.proven_at))

    def listed(self, person: Person, present: Visit) -> tuple[OpenSession, ...]:
        """Return a person's log-ins that have not ended, the latest first."""
        now = self.clock.now()
        query = select(SessionRow).where(
            SessionRow.account_id == person.account_id,
            SessionRow.last_seen_at >= now - self.limits.idle,
            SessionRow.created_at >= now - self.limits.absolute,
        )
        with self.database.snapshot() as session:
            rows = list(session.scalars(query.order_by(SessionRow.last_seen_at.desc(), SessionRow.created_at.desc())))
        return tuple(
            OpenSession(
                _key(row.token_hash),
                row.device,
                row.address,
                row.created_at,
                row.last_seen_at,
                row.token_hash == present.token_hash,
            )
            for row in rows
        )

    def end_one(self, person: Person, key: str) -> bool:
        """End one of a person's log-ins; False when it has ended already, or is another's."""
        return self._end_those(person, lambda row: _key(row.token_hash) == key) > 0

    def end_others(self, person: Person, present: Visit) -> int:
        """End a person's log-ins but for the present one; return how many there were."""
        return self._end_those(person, lambda row: row.token_hash != present.token_hash)

    def end_all(self, person: Person, present: Visit) -> None:
        """End all of a person's log-ins, the present one, too."""
        self.end_others(person, present)
        self.end(present)

    def end(self, present: Visit) -> None:
        """Log out: the row goes, so the cookie opens nothing any more wherever a copy of it lies."""
        person = present.person
        if person is None:
            return
        now = self.clock.now()
        with self.database.transaction() as session:
            session.execute(delete(SessionRow).where(SessionRow.token_hash == present.token_hash))
            record(session, now, person.actor, "account.logout", person)
        present.clear()
        present.person = present.since = present.proven_at = None
        present.modified = False
        present.token, present.new = _new_token(), True

    def save_session(self, app: flask.Flask, session: SessionMixin, response: Response) -> None:
        """Store what changed and send the cookie when a page needs it."""
        del app
        present = cast("Visit", session)
        if present.modified and present.person is not None:
            with self.database.transaction() as transaction:
                changed = update(SessionRow).where(SessionRow.token_hash == present.token_hash)
                transaction.execute(changed.values(content=dict(present)))
        if present.needs_cookie and present.new:
            response.set_cookie(
                self.cookie,
                present.token,
                secure=True,
                httponly=True,
                # Mails link into the portal, and Strict would greet a logged-in customer with the log-in page.
                samesite="Lax" if self.door is Door.PORTAL else "Strict",
                path="/",
            )

    def _end_those(self, person: Person, is_meant: Callable[[SessionRow], bool]) -> int:
        now = self.clock.now()
        with self.database.transaction() as session:
            rows = session.scalars(select(SessionRow).where(SessionRow.account_id == person.account_id))
            meant = [row for row in rows if is_meant(row)]
            for row in meant:
                session.delete(row)
            if meant:
                record(session, now, person.actor, "account.end-sessions", person, count=len(meant))
        return len(meant)

    def _touch(self, token_hash: bytes, now: datetime) -> None:
        with self.database.transaction() as session:
            session.execute(update(SessionRow).where(SessionRow.token_hash == token_hash).values(last_seen_at=now))


def purge(database: Database, *, now: datetime, limits: Limits = Limits()) -> int:
    """Delete the rows of log-ins that are over, and of those that stopped half way. A job."""
    over = (SessionRow.last_seen_at < now - limits.idle) | (SessionRow.created_at < now - limits.absolute)
    with database.transaction() as session:
        session.execute(delete(HalfLogInRow).where(HalfLogInRow.created_at < now - HALF))
        return int(session.execute(delete(SessionRow).where(over)).rowcount)  # type: ignore[attr-defined]


def hash_of(token: str) -> bytes:
    """Return the SHA-256 of a token."""
    return hashlib.sha256(token.encode()).digest()


def _require_current(session: Session, person: Person) -> None:
    if admission.held(session, person.account_id, person.password_changed_at) is None:
        raise Refused("login-failed")


def _key(token_hash: bytes) -> str:
    return token_hash.hex()[:32]


def _new_token() -> str:
    return secrets.token_urlsafe(32)
