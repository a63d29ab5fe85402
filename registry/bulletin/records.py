"""The rows of the bulletin, its states, and what leaves the room: notices and their revisions."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, Index, Integer, Row, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from kernel.clock import day_start
from kernel.database import Base, UtcDateTime
from kernel.lifecycle import Lifecycle
from registry.bulletin.contents import LONGEST_TITLE, Content

_ID = BigInteger().with_variant(Integer, "sqlite")
_DAYS = ("publish_from", "publish_until")


class NoticeState(StrEnum):
    """Whether readers are meant to see a notice; the days on which they do stand beside it."""

    DRAFT = "draft"
    PUBLISHED = "published"
    WITHDRAWN = "withdrawn"


class NoticeEvent(StrEnum):
    """What staff do to a notice."""

    EDIT = "edit"
    PUBLISH = "publish"
    CORRECT = "correct"
    WITHDRAW = "withdraw"


BULLETIN = Lifecycle(
    "bulletin",
    NoticeState.DRAFT,
    {
        (NoticeState.DRAFT, NoticeEvent.EDIT): NoticeState.DRAFT,
        (NoticeState.DRAFT, NoticeEvent.PUBLISH): NoticeState.PUBLISHED,
        (NoticeState.PUBLISHED, NoticeEvent.CORRECT): NoticeState.PUBLISHED,
        (NoticeState.DRAFT, NoticeEvent.WITHDRAW): NoticeState.WITHDRAWN,
        (NoticeState.PUBLISHED, NoticeEvent.WITHDRAW): NoticeState.WITHDRAWN,
    },
)


class NoticeRow(Base):
    """One notice as it stands now.

    `uid` names it for feed readers for ever (RFC 4287 §4.2.6). `month` is the Tokyo month of `visible_from`, and
    `searchable_text` all its words in one spelling: both databases group and search by them alike.
    """

    __tablename__ = "registry_bulletin_notice"
    __table_args__ = (
        Index("ix_registry_bulletin_notice_visible", "state", "visible_from"),
        Index("ix_registry_bulletin_notice_month", "month"),
    )

    id: Mapped[int] = mapped_column(_ID, primary_key=True)
    uid: Mapped[str] = mapped_column(String(36), unique=True)
    state: Mapped[str] = mapped_column(String(10))
    version: Mapped[int]
    category: Mapped[str] = mapped_column(String(20))
    title_ja: Mapped[str] = mapped_column(String(LONGEST_TITLE))
    title_en: Mapped[str] = mapped_column(String(LONGEST_TITLE))
    body_ja: Mapped[str] = mapped_column(Text)
    body_en: Mapped[str] = mapped_column(Text)
    publish_from: Mapped[date | None]
    publish_until: Mapped[date | None]
    is_pinned: Mapped[bool]
    is_urgent: Mapped[bool]
    visible_from: Mapped[datetime | None] = mapped_column(UtcDateTime)
    visible_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    month: Mapped[str | None] = mapped_column(String(7))
    corrected_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    changed_at: Mapped[datetime] = mapped_column(UtcDateTime)
    changed_by: Mapped[str] = mapped_column(String(80))
    searchable_text: Mapped[str] = mapped_column(Text)


class RevisionRow(Base):
    """What was done to a notice and what it said afterwards. Rows are only added."""

    __tablename__ = "registry_bulletin_revision"

    notice_id: Mapped[int] = mapped_column(ForeignKey("registry_bulletin_notice.id"), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    actor: Mapped[str] = mapped_column(String(80))
    event: Mapped[str] = mapped_column(String(10))
    reason: Mapped[str] = mapped_column(Text)
    content: Mapped[dict[str, str | bool | None]] = mapped_column(JSON)


@dataclass(frozen=True)
class Notice:
    """A notice. `visible_from` is None until it was published, `visible_until` (exclusive) while no end is set.

    `corrected_at` is the last correction that readers may have seen the earlier text of.
    """

    id: int
    uid: str
    state: NoticeState
    version: int
    content: Content
    visible_from: datetime | None
    visible_until: datetime | None
    corrected_at: datetime | None
    changed_at: datetime
    changed_by: str

    def is_visible(self, now: datetime) -> bool:
        """Return whether readers see it at an instant."""
        began = self.visible_from is not None and self.visible_from <= now
        over = self.visible_until is not None and self.visible_until <= now
        return self.state is NoticeState.PUBLISHED and began and not over

    @property
    def updated_at(self) -> datetime:
        """When readers were last told something new by it (RFC 4287 §4.2.15)."""
        return max(filter(None, (self.visible_from, self.corrected_at)), default=self.changed_at)


@dataclass(frozen=True)
class Revision:
    """One step of a notice's history; `event` is None for the first draft."""

    version: int
    at: datetime
    actor: str
    event: NoticeEvent | None
    reason: str
    content: Content


def notice_of(row: NoticeRow | Row[*tuple[Any, ...]]) -> Notice:
    """Return a row as it leaves the room."""
    return Notice(
        id=row.id,
        uid=row.uid,
        state=NoticeState(row.state),
        version=row.version,
        content=Content(**{field.name: getattr(row, field.name) for field in dataclasses.fields(Content)}),
        visible_from=row.visible_from,
        visible_until=row.visible_until,
        corrected_at=row.corrected_at,
        changed_at=row.changed_at,
        changed_by=row.changed_by,
    )


def revision_of(row: RevisionRow) -> Revision:
    """Return a step of the history as it leaves the room."""
    return Revision(
        version=row.version,
        at=row.at,
        actor=row.actor,
        event=NoticeEvent(row.event) if row.event else None,
        reason=row.reason,
        content=_content_from(row.content),
    )


def kept(content: Content) -> dict[str, str | bool | None]:
    """Return a content as the history keeps it."""
    days = {name: day.isoformat() if (day := getattr(content, name)) else None for name in _DAYS}
    return {**dataclasses.asdict(content), **days}


def end_of(last_day: date | None) -> datetime | None:
    """Return the instant from which a notice is not seen any more: the end of its last day in Tokyo."""
    return day_start(last_day + timedelta(days=1)) if last_day else None


def _content_from(facts: Mapping[str, str | bool | None]) -> Content:
    days = {name: date.fromisoformat(str(text)) if (text := facts[name]) else None for name in _DAYS}
    return Content(**{**facts, **days})  # type: ignore[arg-type]  # the shape that `kept` gave them
