"""One-time links in mails.

A link is ordered in the deed that causes it: the mail that goes into the outbox holds a reference in its place. The secret is
made when the mail leaves, put into what is handed to the transport, and kept as SHA-256 only; so neither the database nor the
pages that show mails ever hold it. A mail that is sent again carries a new secret, and the one before is worth nothing.

The secret stands in the address's fragment, which browsers do not send, and below it for typing: no log and no referrer has it.
"""

import hashlib
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from kernel.clock import TOKYO, Clock
from kernel.database import Database
from kernel.errors import Refused
from kernel.outbox import Letter
from webui.accounts.persons import Door
from webui.tables import AccountRow, AddressChangeRow, LinkRow

TOKEN_OCTETS = 32
# What `secrets.token_urlsafe` makes of them.
TOKEN_LENGTH = 43
# How long the traces of links that are over are kept.
KEPT = timedelta(days=30)
_MARKER = re.compile(r"\[\[link:([0-9a-f]{32})\]\]")
_HIDDEN = "(1回だけ使えるリンク。ここには表示されません / one-time link, not shown here)"
_OVER = "(このリンクは無効になりました / this link is no longer valid)"


class Purpose(StrEnum):
    """What a link lets its holder do."""

    ACTIVATE = "activate"
    RESET = "reset"
    CONFIRM_OLD = "confirm-old"
    CONFIRM_NEW = "confirm-new"


LASTING: Mapping[Purpose, timedelta] = {
    Purpose.ACTIVATE: timedelta(days=7),
    Purpose.RESET: timedelta(minutes=30),
    Purpose.CONFIRM_OLD: timedelta(days=7),
    Purpose.CONFIRM_NEW: timedelta(days=7),
}
PASSWORD_PURPOSES = (Purpose.ACTIVATE, Purpose.RESET)
MAIL_PURPOSES = (Purpose.CONFIRM_OLD, Purpose.CONFIRM_NEW)
# The pages, in both doors alike.
PATHS: Mapping[Purpose, str] = {
    Purpose.ACTIVATE: "/account/password",
    Purpose.RESET: "/account/password",
    Purpose.CONFIRM_OLD: "/account/mail",
    Purpose.CONFIRM_NEW: "/account/mail",
}


@dataclass(frozen=True)
class Carrier:
    """Hands letters to a transport with their links made: `urls` are the doors' public addresses."""

    database: Database
    clock: Clock
    urls: Mapping[Door, str]
    transport: Callable[[Letter], None]

    def __call__(self, letter: Letter) -> None:
        """Make the letter's links and pass it on."""
        references = _MARKER.findall(letter.body)
        if not references:
            self.transport(letter)
            return
        with self.database.transaction() as session:
            made = {reference: self._make(session, reference) for reference in references}
        self.transport(replace(letter, body=_MARKER.sub(lambda found: made[found[1]], letter.body)))

    def _make(self, session: Session, reference: str) -> str:
        now = self.clock.now()
        row = session.get(LinkRow, reference, with_for_update=True)
        if row is None or row.ended_at is not None:
            return _OVER
        token = secrets.token_urlsafe(TOKEN_OCTETS)
        purpose = Purpose(row.purpose)
        row.token_hash, row.expires_at = hash_of(token), now + LASTING[purpose]
        account = session.get(AccountRow, row.account_id) if row.account_id is not None else None
        door = Door(account.door) if account else Door.PORTAL
        address = self.urls[door] + PATHS[purpose]
        until = row.expires_at.astimezone(TOKYO)
        return (
            f"{address}#{token}\n\n"
            f"リンクを開けないとき / if the link does not open: {address}\n"
            f"確認コード / code: {token}\n"
            f"有効期限 / valid until: {until:%Y-%m-%d %H:%M} (JST)"
        )


def order(
    session: Session, purpose: Purpose, now: datetime, *, account_id: int | None = None, change_id: str | None = None
) -> str:
    """Order a link for a mail and return what stands in its place there.

    Links of the same purpose that the account, or the change, had before are over.
    """
    if account_id is not None:
        withdraw(session, now, account_id=account_id, purposes=(purpose,))
    reference = secrets.token_hex(16)
    session.add(LinkRow(reference=reference, purpose=purpose.value, account_id=account_id, change_id=change_id, created_at=now))
    return f"[[link:{reference}]]"


def withdraw(
    session: Session,
    now: datetime,
    *,
    account_id: int | None = None,
    change_id: str | None = None,
    purposes: tuple[Purpose, ...] = tuple(Purpose),
) -> None:
    """End the links of an account, or of a change of address."""
    owned = LinkRow.change_id == change_id if account_id is None else LinkRow.account_id == account_id
    open_ones = owned & LinkRow.ended_at.is_(None) & LinkRow.purpose.in_([purpose.value for purpose in purposes])
    session.execute(update(LinkRow).where(open_ones).values(ended_at=now, token_hash=None))


def opened(session: Session, token: str, purposes: tuple[Purpose, ...], now: datetime, *, lock_row: bool = False) -> LinkRow:
    """Return the link that a secret opens; raises Refused("link-invalid"), whatever is the matter with it."""
    token = token.strip()
    if len(token) != TOKEN_LENGTH or not token.isascii():
        raise Refused("link-invalid")
    query = select(LinkRow).where(LinkRow.token_hash == hash_of(token))
    # Whoever locks a link holds its account, or its change of address, already: everybody takes them in this order.
    locked = query.with_for_update().execution_options(populate_existing=True)
    row = session.scalar(locked if lock_row else query)
    if row is None or row.ended_at is not None or row.expires_at is None or row.expires_at <= now:
        raise Refused("link-invalid")
    if row.purpose not in [purpose.value for purpose in purposes]:
        raise Refused("link-invalid")
    return row


def use(row: LinkRow, now: datetime) -> None:
    """End a link that was opened under lock: it opens nothing again."""
    row.ended_at, row.token_hash = now, None


def without_links(body: str) -> str:
    """Return a mail's text as pages show it."""
    return _MARKER.sub(_HIDDEN, body)


def purge(database: Database, *, now: datetime) -> int:
    """Delete what is left of links and of changes of address long after they were over. A job."""
    with database.transaction() as session:
        links = session.execute(delete(LinkRow).where(LinkRow.created_at < now - KEPT))
        old = AddressChangeRow.ended_at.is_not(None) & (AddressChangeRow.ended_at < now - KEPT)
        changes = session.execute(delete(AddressChangeRow).where(old))
        return int(links.rowcount) + int(changes.rowcount)  # type: ignore[attr-defined]


def hash_of(token: str) -> bytes:
    """Return the SHA-256 of a link's secret."""
    return hashlib.sha256(token.encode()).digest()
