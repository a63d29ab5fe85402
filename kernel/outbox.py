"""Mail that a deed causes: written in the deed's transaction, delivered by a job, with retries and visible failures.

A mail never carries a code or a key; that is its writer's duty (`tests/journeys` reads every mail that leaves).
"""

import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Index,
    Integer,
    Row,
    Select,
    String,
    Text,
    and_,
    bindparam,
    case,
    func,
    or_,
    select,
    text,
)
from sqlalchemy.orm import Mapped, Session, mapped_column

from kernel.database import Base, Database, UtcDateTime
from kernel.errors import Refused, Unavailable

# Waits between tries, the last one repeated; after LAST_TRY the mail is given up and shown as failed.
BACKOFF = (timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=30), timedelta(hours=2), timedelta(hours=6))
LAST_TRY = timedelta(days=3)
# How long an address that nothing could be delivered to is told of.
TOLD = timedelta(days=90)


class OutboxMail(Base):
    """One mail to one address."""

    __tablename__ = "kernel_mail"
    # What waits and what was given up is few among all that was ever sent, and asked for often.
    __table_args__ = (
        Index(
            "ix_kernel_mail_next_try_at",
            "next_try_at",
            sqlite_where=text("next_try_at IS NOT NULL"),
            postgresql_where=text("next_try_at IS NOT NULL"),
        ),
        Index(
            "ix_kernel_mail_given_up",
            "id",
            sqlite_where=text("sent_at IS NULL AND next_try_at IS NULL"),
            postgresql_where=text("sent_at IS NULL AND next_try_at IS NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    message_id: Mapped[str] = mapped_column(String(64), unique=True)
    # What a bounce is told by: it stands in the address that mails come back to, new whenever the mail is put in.
    return_token: Mapped[str] = mapped_column(String(32), unique=True)
    office_code: Mapped[str | None] = mapped_column(String(6), index=True)
    recipient: Mapped[str] = mapped_column(String(254))
    # About somebody's own log-in: no matter of the office's others.
    is_personal: Mapped[bool] = mapped_column(default=False)
    subject: Mapped[str] = mapped_column(String(200))
    body: Mapped[str] = mapped_column(Text)
    attachment_name: Mapped[str | None] = mapped_column(String(100))
    attachment: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    # When it was put in, first or again: from then on LAST_TRY counts.
    queued_at: Mapped[datetime] = mapped_column(UtcDateTime)
    next_try_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    attempts: Mapped[int] = mapped_column(default=0)
    sent_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    # What came back counts as not sent: `left_at` keeps when it had left.
    bounced_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    left_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    # When a server on the way told that it is late, and that it went on after all: notifications come in any order.
    delayed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    passed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    last_error: Mapped[str | None] = mapped_column(Text)


@dataclass(frozen=True)
class Attachment:
    """A JSON file that goes with a mail."""

    name: str
    text: str


@dataclass(frozen=True)
class Letter:
    """What a transport is given: plain text in Japanese with English below it; a bounce is told by `return_token`."""

    message_id: str
    recipient: str
    subject: str
    body: str
    created_at: datetime
    attachment: Attachment | None = None
    return_token: str = ""


class MailState(StrEnum):
    """`waiting` for its next try (`attempts` tells whether one failed), `sent`, or `failed`: nobody tries any more.

    What was sent and came back later is `failed`, too.
    """

    WAITING = "waiting"
    SENT = "sent"
    FAILED = "failed"


@dataclass(frozen=True)
class MailView:
    """One mail, for pages. `sent_at` is also when something left that came back (`bounced_at`).

    `delayed_at` is when a server told that it could not pass the mail on yet, with the reason in `last_error`; it may have
    arrived since, and none when it is known to have.
    """

    id: int
    office_code: str | None
    recipient: str
    is_personal: bool
    subject: str
    body: str
    created_at: datetime
    state: MailState
    attempts: int
    next_try_at: datetime | None
    sent_at: datetime | None
    bounced_at: datetime | None
    delayed_at: datetime | None
    last_error: str | None


@dataclass(frozen=True)
class Wanted:
    """Which mails: of an office, to an address, in a state, that mention something (a receipt number); empty for any.

    `reader`: all but the personal ones to other addresses than this. `among`: only so many of the newest mails of all are
    looked through.
    """

    office_code: str = ""
    state: MailState | None = None
    mentioning: str = ""
    recipient: str = ""
    reader: str = ""
    among: int | None = None


class DeliveryFailed(Exception):
    """The transport could not hand a letter over; `permanent` when trying again is useless (SMTP 5xx)."""

    def __init__(self, reason: str, *, permanent: bool = False) -> None:
        super().__init__(reason)
        self.permanent = permanent


_CONDITIONS: dict[MailState, tuple[ColumnElement[bool], ...]] = {
    MailState.SENT: (OutboxMail.sent_at.is_not(None),),
    MailState.WAITING: (OutboxMail.sent_at.is_(None), OutboxMail.next_try_at.is_not(None)),
    MailState.FAILED: (OutboxMail.sent_at.is_(None), OutboxMail.next_try_at.is_(None)),
}


# All but the attachment.
_SHOWN = (
    OutboxMail.id,
    OutboxMail.office_code,
    OutboxMail.recipient,
    OutboxMail.is_personal,
    OutboxMail.subject,
    OutboxMail.body,
    OutboxMail.created_at,
    OutboxMail.attempts,
    OutboxMail.next_try_at,
    OutboxMail.sent_at,
    OutboxMail.bounced_at,
    OutboxMail.left_at,
    OutboxMail.delayed_at,
    OutboxMail.last_error,
)


@dataclass(frozen=True)
class Message:
    """What a mail says, before it is addressed."""

    subject: str
    body: str
    attachment: Attachment | None = None


def post(session: Session, *, now: datetime, recipient: str, subject: str, body: str, office_code: str | None = None) -> None:
    """Put a mail into the outbox, in the transaction of the deed that causes it."""
    post_message(session, Message(subject, body), now=now, recipient=recipient, office_code=office_code)


def post_message(
    session: Session,
    message: Message,
    *,
    now: datetime,
    recipient: str,
    office_code: str | None = None,
    is_personal: bool = False,
) -> None:
    """Put a mail that may have an attachment, or is about its reader's own log-in, into the outbox, as `post` does."""
    session.add(
        OutboxMail(
            message_id=secrets.token_hex(16),
            return_token=secrets.token_hex(16),
            office_code=office_code,
            recipient=recipient,
            is_personal=is_personal,
            subject=message.subject,
            body=message.body,
            attachment_name=message.attachment.name if message.attachment else None,
            attachment=message.attachment.text if message.attachment else None,
            created_at=now,
            queued_at=now,
            next_try_at=now,
            attempts=0,
        )
    )


def deliver(database: Database, deliver_letter: Callable[[Letter], None], *, now: datetime, at_most: int = 100) -> int:
    """Hand due mails to the transport and return how many left. A job; several nodes may run it at once.

    A mail is booked for its next try before the transport sees it, so a crash in between repeats it later
    under the same Message-ID instead of losing it. What we are not able to send now, because the key that signs mails is away
    for instance (the transport raises Unavailable), waits as long as that lasts; the error goes on to the caller.
    """
    sent = 0
    for _ in range(at_most):
        letter = _claim(database, now)
        if letter is None:
            break
        try:
            deliver_letter(letter)
        except DeliveryFailed as failure:
            _note_failure(database, letter, failure)
        except Unavailable as error:
            _put_back(database, letter, now, error)
            raise
        else:
            _note_sent(database, letter, now)
            sent += 1
    return sent


def count(session: Session, wanted: Wanted, *, most: int | None = None) -> int:
    """Return how many mails there are; where there are more than `most`, one more than that."""
    if most is None:
        return session.scalar(select(func.count()).select_from(OutboxMail).where(*_conditions(wanted))) or 0
    found = select(OutboxMail.id).where(*_conditions(wanted)).limit(most + 1)
    return session.scalar(select(func.count()).select_from(found.subquery())) or 0


_GIVEN_UP = func.sum(case((and_(*_CONDITIONS[MailState.FAILED]), 1), else_=0))
_TALLY = select(func.count(), _GIVEN_UP).where(
    OutboxMail.office_code == bindparam("office_code"),
    or_(*(column.contains(bindparam("words")) for column in (OutboxMail.body, OutboxMail.subject, OutboxMail.recipient))),
)


def tally(session: Session, office_code: str, number: str) -> tuple[int, int]:
    """Return how many mails of an office mention a number (letters and digits), and how many of those were given up."""
    total, failed = session.execute(_TALLY, {"office_code": office_code, "words": number}).one()
    return total, failed or 0


def search(session: Session, wanted: Wanted, *, first: int = 0, most: int = 50) -> tuple[MailView, ...]:
    """Return mails, newest first, from the position `first` on."""
    query: Select[*tuple[Any, ...]] = (
        select(*_SHOWN).where(*_conditions(wanted)).order_by(OutboxMail.id.desc()).offset(first).limit(most)
    )
    return tuple(_view(mail) for mail in session.execute(query))


def get(session: Session, mail_id: int) -> MailView | None:
    """Return one mail."""
    mail = session.get(OutboxMail, mail_id)
    return None if mail is None else _view(mail)


def send_again(session: Session, mail_id: int, *, now: datetime) -> MailView:
    """Try a mail that was given up, or that waits for a later try, again from now on.

    Raises Refused: mail-unknown, mail-sent.
    """
    mail = session.get(OutboxMail, mail_id, with_for_update=True)
    if mail is None:
        raise Refused("mail-unknown")
    if mail.sent_at is not None:
        raise Refused("mail-sent")
    mail.queued_at = mail.next_try_at = now
    mail.attempts = 0
    # What still comes back of the last time says nothing about this one.
    mail.return_token = secrets.token_hex(16)
    mail.bounced_at = mail.left_at = mail.delayed_at = mail.passed_at = None
    return _view(mail)


def bounce(session: Session, return_token: str, reason: str, *, now: datetime) -> bool:
    """Note that a mail came back for good; return False when that was known.

    Raises Refused("mail-unknown"): no mail of ours left with that token, or it was sent again since.
    """
    mail = _returned(session, return_token)
    if mail.bounced_at is not None:
        return False
    # It may come back before anybody noted that it left.
    mail.left_at, mail.bounced_at = mail.sent_at or now, now
    mail.sent_at = mail.next_try_at = None
    mail.last_error = reason[:500]
    return True


def note_delay(session: Session, return_token: str, reason: str, *, now: datetime) -> bool:
    """Note that a server on the way still tries to pass a mail on; return False for a mail that is not on its way.

    Raises Refused("mail-unknown"), as `bounce` does.
    """
    mail = _returned(session, return_token)
    if mail.sent_at is None or mail.passed_at is not None:
        return False
    mail.delayed_at, mail.last_error = now, reason[:500]
    return True


def note_passage(session: Session, return_token: str, *, now: datetime) -> bool:
    """Note that a mail was delivered or passed on, so is late no more; return False when nobody said it was.

    Raises Refused("mail-unknown"), as `bounce` does.
    """
    mail = _returned(session, return_token)
    was_late = mail.sent_at is not None and mail.delayed_at is not None
    mail.passed_at = now
    if was_late:
        mail.delayed_at = mail.last_error = None
    return was_late


def failing_addresses(session: Session, office_code: str, *, now: datetime) -> tuple[tuple[str, datetime], ...]:
    """Return the addresses whose newest mail of an office was given up, each with the instant at which that was written.

    An address to which a later mail went is not among them.
    """
    ended = (OutboxMail.office_code == office_code) & (OutboxMail.created_at > now - TOLD)
    ended &= OutboxMail.sent_at.is_not(None) | OutboxMail.next_try_at.is_(None)
    newest = select(func.max(OutboxMail.id)).where(ended).group_by(func.lower(OutboxMail.recipient))
    given_up = select(OutboxMail.recipient, OutboxMail.created_at).where(OutboxMail.id.in_(newest), OutboxMail.sent_at.is_(None))
    return tuple((recipient, created_at) for recipient, created_at in session.execute(given_up.order_by(OutboxMail.recipient)))


def _claim(database: Database, now: datetime) -> Letter | None:
    due = (
        select(OutboxMail)
        .where(OutboxMail.next_try_at <= now)
        .order_by(OutboxMail.next_try_at, OutboxMail.id)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    with database.snapshot() as session:  # most rounds find nothing: they must not take the writer's turn
        if session.scalar(select(OutboxMail.id).where(OutboxMail.next_try_at <= now).limit(1)) is None:
            return None
    with database.transaction() as session:
        mail = session.scalar(due)
        if mail is None:
            return None
        mail.attempts += 1
        wait = BACKOFF[min(mail.attempts, len(BACKOFF)) - 1]
        mail.next_try_at = now + wait if now + wait < mail.queued_at + LAST_TRY else None
        attachment = Attachment(mail.attachment_name, mail.attachment or "") if mail.attachment_name else None
        return Letter(
            mail.message_id, mail.recipient, mail.subject, mail.body, mail.created_at, attachment, mail.return_token
        )  # fmt: skip


def _note_sent(database: Database, letter: Letter, now: datetime) -> None:
    with database.transaction() as session:
        mail = session.scalars(select(OutboxMail).where(OutboxMail.message_id == letter.message_id)).one()
        if mail.bounced_at is None:
            mail.sent_at, mail.next_try_at, mail.last_error = now, None, None


def _returned(session: Session, return_token: str) -> OutboxMail:
    mail = session.scalar(select(OutboxMail).where(OutboxMail.return_token == return_token).with_for_update())
    if mail is None:
        raise Refused("mail-unknown")
    return mail


def _note_failure(database: Database, letter: Letter, failure: DeliveryFailed) -> None:
    with database.transaction() as session:
        mail = session.scalars(select(OutboxMail).where(OutboxMail.message_id == letter.message_id)).one()
        mail.last_error = str(failure)[:500]
        if failure.permanent:
            mail.next_try_at = None


def _put_back(database: Database, letter: Letter, now: datetime, error: Unavailable) -> None:
    """Undo a claim: the fault is ours, so neither the tries nor the time until the last one count."""
    with database.transaction() as session:
        mail = session.scalars(select(OutboxMail).where(OutboxMail.message_id == letter.message_id)).one()
        mail.attempts -= 1
        mail.queued_at, mail.next_try_at = now, now + BACKOFF[0]
        mail.last_error = str(error)[:500]


def _conditions(wanted: Wanted) -> Iterator[ColumnElement[bool]]:
    if wanted.office_code:
        yield OutboxMail.office_code == wanted.office_code
    if wanted.state is not None:
        yield from _CONDITIONS[wanted.state]
    if wanted.recipient:
        yield func.lower(OutboxMail.recipient) == wanted.recipient.lower()
    if wanted.reader:
        yield or_(OutboxMail.is_personal.is_(False), func.lower(OutboxMail.recipient) == wanted.reader.lower())
    if wanted.among is not None:
        yield OutboxMail.id > select(func.max(OutboxMail.id) - wanted.among).scalar_subquery()
    if wanted.mentioning:
        said = (OutboxMail.body, OutboxMail.subject, OutboxMail.recipient)
        yield or_(*(column.contains(wanted.mentioning, autoescape=True) for column in said))


def _view(mail: OutboxMail | Row[*tuple[Any, ...]]) -> MailView:
    unsent = MailState.FAILED if mail.next_try_at is None else MailState.WAITING
    return MailView(
        id=mail.id,
        office_code=mail.office_code,
        recipient=mail.recipient,
        is_personal=mail.is_personal,
        subject=mail.subject,
        body=mail.body,
        created_at=mail.created_at,
        state=unsent if mail.sent_at is None else MailState.SENT,
        attempts=mail.attempts,
        next_try_at=mail.next_try_at,
        sent_at=mail.sent_at or mail.left_at,
        bounced_at=mail.bounced_at,
        delayed_at=mail.delayed_at,
        last_error=mail.last_error,
    )
