"""Log-ins, kept on the server: the cookie is a random name, everything else is a row.

Visitors who have not logged in cost no row: their cookie only carries the random token that the cross-site guard
derives its form token from. Each door has a cookie of its own name, because cookies know no ports.
"""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast

import flask
from flask.sessions import SessionInterface, SessionMixin
from sqlalchemy import delete, select, update
from werkzeug.datastructures import CallbackDict
from werkzeug.wrappers import Response

from kernel import audit
from kernel.clock import Clock
from kernel.database import Database
from webui.accounts import AccountState, Door, Person, person_of
from webui.tables import AccountRow, SessionRow

IDLE = timedelta(minutes=30)
ABSOLUTE = timedelta(hours=12)
# Reading a page must not be a write each time: "last seen" is this coarse.
TOUCH = timedelta(minutes=1)


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


@dataclass(frozen=True)
class Sessions(SessionInterface):
    """The sessions of one door."""

    database: Database
    clock: Clock
    door: Door

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
        query = (
            select(SessionRow, AccountRow)
            .join(AccountRow, AccountRow.id == SessionRow.account_id)
            .where(SessionRow.token_hash == present.token_hash, SessionRow.door == self.door.value)
        )
        with self.database.snapshot() as session:
            found = session.execute(query).first()
        if found is None:
            return
        row, account = found
        ended = now - row.last_seen_at > IDLE or now - row.created_at > ABSOLUTE
        if ended or account.state != AccountState.ACTIVE.value:
            present.has_ended = True
            return
        present.person, present.since = person_of(account), row.created_at
        present.update(row.content)
        present.modified = False
        if now - row.last_seen_at >= TOUCH:
            self._touch(present.token_hash, now)

    def begin(self, present: Visit, person: Person) -> None:
        """Start a log-in under a new token: one that was planted before is worth nothing."""
        now = self.clock.now()
        token = _new_token()
        with self.database.transaction() as session:
            session.execute(delete(SessionRow).where(SessionRow.token_hash == present.token_hash))
            session.add(
                SessionRow(
                    token_hash=hash_of(token),
                    door=self.door.value,
                    account_id=person.account_id,
                    created_at=now,
                    last_seen_at=now,
                    content={},
                )
            )
        present.clear()
        present.token, present.person, present.since = token, person, now
        present.needs_cookie, present.new, present.modified = True, True, False

    def end(self, present: Visit) -> None:
        """Log out: the row goes, so the cookie opens nothing any more wherever a copy of it lies."""
        person = present.person
        if person is None:
            return
        now = self.clock.now()
        with self.database.transaction() as session:
            session.execute(delete(SessionRow).where(SessionRow.token_hash == present.token_hash))
            name = f"{person.office_code}/{person.login}" if person.office_code else person.login
            audit.record(
                session,
                now=now,
                actor=person.actor,
                action="account.logout",
                subject=f"account:{name}",
                office_code=person.office_code or None,
            )
        present.clear()
        present.person, present.since, present.modified = None, None, False
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

    def _touch(self, token_hash: bytes, now: datetime) -> None:
        with self.database.transaction() as session:
            session.execute(update(SessionRow).where(SessionRow.token_hash == token_hash).values(last_seen_at=now))


def purge(database: Database, *, now: datetime) -> int:
    """Delete the rows of sessions that are over. A job."""
    over = (SessionRow.last_seen_at < now - IDLE) | (SessionRow.created_at < now - ABSOLUTE)
    with database.transaction() as session:
        return int(session.execute(delete(SessionRow).where(over)).rowcount)  # type: ignore[attr-defined]


def hash_of(token: str) -> bytes:
    """Return the SHA-256 of a token."""
    return hashlib.sha256(token.encode()).digest()


def _new_token() -> str:
    return secrets.token_urlsafe(32)
