"""What staff do to notices. Every deed leaves a revision and an audit entry `bulletin.<deed>`; nothing is deleted."""

import dataclasses
import uuid
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from kernel import audit
from kernel.audit import Actor
from kernel.clock import Clock, day_start, tokyo_date
from kernel.database import Database
from kernel.errors import Refused
from registry.bulletin.contents import Content
from registry.bulletin.records import (
    BULLETIN,
    NoticeEvent,
    NoticeRow,
    NoticeState,
    RevisionRow,
    end_of,
    kept,
    notice_of,
)


@dataclass(frozen=True)
class BulletinDesk:
    """The use cases of staff. `version` is the one that the page showed: two who write at once do not undo each other.

    All but `draft` raise Refused("bulletin-unknown"), Refused("bulletin-changed") for another version, and
    Refused("bulletin-state") where the state allows no such deed.
    """

    database: Database
    clock: Clock

    def draft(self, content: Content, actor: Actor) -> int:
        """Write a notice that nobody sees yet; return its number."""
        now = self.clock.now()
        with self.database.transaction() as session:
            row = NoticeRow(uid=str(uuid.uuid4()), state=BULLETIN.initial.value, version=1)
            row.visible_from = row.visible_until = row.month = row.corrected_at = None
            _write(row, content)
            row.changed_at, row.changed_by = now, str(actor)
            session.add(row)
            session.flush()
            _remember(session, row, None, "")
            audit.record(session, now=now, actor=actor, action="bulletin.draft", subject=f"bulletin:{row.id}")
            return row.id

    def change(self, number: int, version: int, content: Content, actor: Actor) -> NoticeState:
        """Write a draft anew, or correct a published notice; return which it was. The earlier text stays on record."""
        now = self.clock.now()
        with self.database.transaction() as session:
            row = _held(session, number, version)
            event = NoticeEvent.EDIT if row.state == NoticeState.DRAFT else NoticeEvent.CORRECT
            _step(session, row, _Deed(event, actor, now, content=content))
            return NoticeState(row.state)

    def publish(self, number: int, version: int, actor: Actor) -> datetime:
        """Let readers see a draft, at once or from its first day on; return from when.

        Raises Refused("bulletin-over") when its last day has passed.
        """
        now = self.clock.now()
        with self.database.transaction() as session:
            row = _held(session, number, version)
            if row.publish_until is not None and row.publish_until < tokyo_date(now):
                raise Refused("bulletin-over")
            _step(session, row, _Deed(NoticeEvent.PUBLISH, actor, now))
            return row.visible_from or now

    def withdraw(self, number: int, version: int, actor: Actor, *, reason: str) -> None:
        """Take a notice away; its number stays taken and its history stays."""
        now = self.clock.now()
        with self.database.transaction() as session:
            _step(session, _held(session, number, version), _Deed(NoticeEvent.WITHDRAW, actor, now, reason=reason))


@dataclass(frozen=True)
class _Deed:
    """What somebody does to a notice: with a new content, or with a reason."""

    event: NoticeEvent
    actor: Actor
    now: datetime
    content: Content | None = None
    reason: str = ""


def _held(session: Session, number: int, version: int) -> NoticeRow:
    row = session.scalar(select(NoticeRow).where(NoticeRow.id == number).with_for_update())
    if row is None:
        raise Refused("bulletin-unknown")
    if row.version != version:
        raise Refused("bulletin-changed")
    return row


def _step(session: Session, row: NoticeRow, deed: _Deed) -> None:
    state = BULLETIN.step(NoticeState(row.state), deed.event)
    was_seen = row.visible_from is not None and row.visible_from <= deed.now
    if deed.content is not None:
        _write(row, dataclasses.replace(deed.content, publish_from=row.publish_from) if was_seen else deed.content)
    if state is NoticeState.PUBLISHED:
        _schedule(row, deed.now, was_seen=was_seen)
    if deed.event is NoticeEvent.CORRECT and was_seen:
        row.corrected_at = deed.now
    row.state, row.version, row.changed_at, row.changed_by = state.value, row.version + 1, deed.now, str(deed.actor)
    session.flush()
    _remember(session, row, deed.event, deed.reason)
    action, subject = f"bulletin.{deed.event}", f"bulletin:{row.id}"
    audit.record(session, now=deed.now, actor=deed.actor, action=action, subject=subject, version=row.version)


def _schedule(row: NoticeRow, now: datetime, *, was_seen: bool) -> None:
    if not was_seen:
        row.visible_from = max(now, day_start(row.publish_from)) if row.publish_from else now
        row.month = tokyo_date(row.visible_from).strftime("%Y-%m")
    row.visible_until = end_of(row.publish_until)


def _write(row: NoticeRow, content: Content) -> None:
    for field in dataclasses.fields(content):
        setattr(row, field.name, getattr(content, field.name))
    row.searchable_text = content.searchable_text


def _remember(session: Session, row: NoticeRow, event: NoticeEvent | None, reason: str) -> None:
    session.add(
        RevisionRow(
            notice_id=row.id,
            version=row.version,
            at=row.changed_at,
            actor=row.changed_by,
            event=event.value if event else "",
            reason=reason,
            content=kept(notice_of(row).content),
        )
    )
