"""Batches as pages see them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Row, func, select
from sqlalchemy.orm import Session

from enrollment.batches.tables import BatchItemRow, BatchRow
from enrollment.code_sets import CodeSetState
from enrollment.tables import CodeSetRow
from kernel.lifecycle import Lifecycle
from registry.paging import Page, page_of


class BatchState(StrEnum):
    """`uploaded` waits for a person's confirmation; `confirmed` is worked off, and over when no item waits."""

    UPLOADED = "uploaded"
    CONFIRMED = "confirmed"
    CANCELLED = "cancelled"


class BatchEvent(StrEnum):
    """What a person does to a batch."""

    CONFIRM = "confirm"
    CANCEL = "cancel"


LIFECYCLE = Lifecycle(
    "batch",
    BatchState.UPLOADED,
    {
        (BatchState.UPLOADED, BatchEvent.CONFIRM): BatchState.CONFIRMED,
        (BatchState.UPLOADED, BatchEvent.CANCEL): BatchState.CANCELLED,
        # What is not redeemed yet stays unredeemed.
        (BatchState.CONFIRMED, BatchEvent.CANCEL): BatchState.CANCELLED,
    },
)


class ItemState(StrEnum):
    """`ready` waits for the confirmation, `confirmed` for the signing door."""

    READY = "ready"
    CONFIRMED = "confirmed"
    DONE = "done"
    REFUSED = "refused"
    CANCELLED = "cancelled"


@dataclass(frozen=True)
class Item:
    """One file of a batch; `reason` and `facts` are a refusal's code and facts."""

    place: int
    file_name: str
    terminal: str | None
    state: ItemState
    reason: str | None
    facts: Mapping[str, str | int]
    issuer: str | None
    serial: str | None
    decided_at: datetime | None


@dataclass(frozen=True)
class Batch:
    """A batch without its files; `counts` is how many there are in each state."""

    id: str
    office_code: str
    state: BatchState
    uploader: str
    uploaded_at: datetime
    confirmer: str | None
    confirmed_at: datetime | None
    counts: Mapping[ItemState, int]

    @property
    def total(self) -> int:
        """Return how many files there are."""
        return sum(self.counts.values())

    @property
    def is_finished(self) -> bool:
        """Return whether nothing more will come of it."""
        is_worked_off = self.state is BatchState.CONFIRMED and not self.counts[ItemState.CONFIRMED]
        return is_worked_off or self.state is BatchState.CANCELLED


@dataclass(frozen=True)
class Retrievable:
    """A terminal with codes that can be redeemed, and their last day."""

    terminal: str
    expires_on: date


def find(session: Session, batch_id: str, office_code: str) -> Batch | None:
    """Return an office's batch."""
    row = session.get(BatchRow, batch_id)
    return _batch(session, row) if row is not None and row.office_code == office_code else None


def listed(session: Session, office_code: str, *, most: int = 20) -> tuple[Batch, ...]:
    """Return an office's latest batches, newest first."""
    query = select(BatchRow).where(BatchRow.office_code == office_code).order_by(BatchRow.uploaded_at.desc(), BatchRow.id)
    return tuple(_batch(session, row) for row in session.scalars(query.limit(most)).all())


def items(session: Session, batch_id: str) -> tuple[Item, ...]:
    """Return a batch's files in their order."""
    query = select(BatchItemRow).where(BatchItemRow.batch == batch_id).order_by(BatchItemRow.place)
    return tuple(_item(row) for row in session.scalars(query))


def retrievable(session: Session, office_code: str, *, text: str = "", page: int = 1, size: int = 50) -> Page[Retrievable]:
    """Return the terminals of an office whose codes can be redeemed, by name: those whose name begins with the text."""
    query = select(CodeSetRow.terminal, CodeSetRow.expires_on).where(
        CodeSetRow.office_code == office_code, CodeSetRow.state.in_((CodeSetState.PREPARED, CodeSetState.CLAIMED))
    )
    if text:
        query = query.where(CodeSetRow.terminal.startswith(text.upper(), autoescape=True))
    return page_of(session, query.order_by(CodeSetRow.terminal), page, _retrievable, size=size)


def _retrievable(row: Row[*tuple[Any, ...]]) -> Retrievable:
    return Retrievable(row.terminal, row.expires_on)


def _batch(session: Session, row: BatchRow) -> Batch:
    query = select(BatchItemRow.state, func.count()).where(BatchItemRow.batch == row.id).group_by(BatchItemRow.state)
    counts = {ItemState(state): count for state, count in session.execute(query)}
    return Batch(
        id=row.id,
        office_code=row.office_code,
        state=BatchState(row.state),
        uploader=row.uploader,
        uploaded_at=row.uploaded_at,
        confirmer=row.confirmer,
        confirmed_at=row.confirmed_at,
        counts={state: counts.get(state, 0) for state in ItemState},
    )


def _item(row: BatchItemRow) -> Item:
    return Item(
        place=row.place,
        file_name=row.file_name,
        terminal=row.terminal,
        state=ItemState(row.state),
        reason=row.reason,
        facts=row.facts or {},
        issuer=row.issuer,
        serial=row.serial,
        decided_at=row.decided_at,
    )
