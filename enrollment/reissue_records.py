"""Reissues as records: reasons, states, views, and the steps that whatever lands on a terminal shares with them.

All of this is guarded by the terminal's row: whoever changes a reissue holds it.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import BindParameter, ColumnElement, Row, bindparam, func, select, update
from sqlalchemy.orm import Session

from enrollment.tables import ReissueRow
from kernel.clock import day_start, tokyo_date
from kernel.database import among, many
from kernel.lifecycle import Lifecycle
from registry.calendar import add_business_days
from registry.japanese import searchable
from registry.paging import SIZE, Page, page_of


class ReissueReason(StrEnum):
    """Why a certificate is reissued (domain rules, "Renewal, reissue, suspension").

    The first block is the operator's published list, `windows_password` and `network_settings` its doubtful cases; the last
    block is ours: of these the old certificate is revoked at once.
    """

    WINDOWS_ACCOUNT = "windows-account"
    PC_REPLACED = "pc-replaced"
    OS_REPLACED = "os-replaced"
    CERTIFICATE_DELETED = "certificate-deleted"
    EXPIRED = "expired"
    MISTAKE = "mistake"
    WRONG_BROWSER = "wrong-browser"
    UNUSABLE = "unusable"
    WINDOWS_PASSWORD = "windows-password"  # noqa: S105 (a reason, no password)
    NETWORK_SETTINGS = "network-settings"
    LOST = "lost"
    STOLEN = "stolen"
    COMPROMISED = "compromised"

    @property
    def is_compromise(self) -> bool:
        """Whether somebody else may have the private key."""
        return self in _COMPROMISES


_COMPROMISES = frozenset({ReissueReason.LOST, ReissueReason.STOLEN, ReissueReason.COMPROMISED})


class ReissueState(StrEnum):
    """Where a reissue is in its life; `prepared` has codes that nobody redeemed yet."""

    REQUESTED = "requested"
    ACCEPTED = "accepted"
    PREPARED = "prepared"
    COMPLETED = "completed"
    DECLINED = "declined"
    WITHDRAWN = "withdrawn"
    LAPSED = "lapsed"


class ReissueEvent(StrEnum):
    """What may happen to a reissue."""

    ACCEPT = "accept"
    PREPARE = "prepare"
    RETRIEVE = "retrieve"
    DECLINE = "decline"
    WITHDRAW = "withdraw"
    LAPSE = "lapse"


# A terminal has at most one such reissue.
OPEN = (ReissueState.REQUESTED, ReissueState.ACCEPTED, ReissueState.PREPARED)
# Such a one blocks renewal.
ACCEPTED = (ReissueState.ACCEPTED, ReissueState.PREPARED)
# Nothing is to come of such a one.
ENDED = (ReissueState.COMPLETED, ReissueState.DECLINED, ReissueState.WITHDRAWN, ReissueState.LAPSED)
# A request that nobody decided for so many business days is late, as an application is.
PATIENCE = 2

LIFECYCLE = Lifecycle(
    "reissue",
    ReissueState.REQUESTED,
    {
        (ReissueState.REQUESTED, ReissueEvent.ACCEPT): ReissueState.ACCEPTED,
        (ReissueState.ACCEPTED, ReissueEvent.PREPARE): ReissueState.PREPARED,
        (ReissueState.PREPARED, ReissueEvent.RETRIEVE): ReissueState.COMPLETED,
        (ReissueState.REQUESTED, ReissueEvent.DECLINE): ReissueState.DECLINED,
        (ReissueState.REQUESTED, ReissueEvent.WITHDRAW): ReissueState.WITHDRAWN,
        (ReissueState.ACCEPTED, ReissueEvent.WITHDRAW): ReissueState.WITHDRAWN,
        # Also a terminal that was abolished, or another reissue that took this one's place.
        **{(state, ReissueEvent.LAPSE): ReissueState.LAPSED for state in OPEN},
    },
)


@dataclass(frozen=True)
class ReissueView:
    """A reissue for pages and doors; people are actors' texts.

    `ends_on` is the last day of old certificate and codes, once there are codes; `answer` why it was declined.
    """

    id: str
    terminal: str
    office_code: str
    state: ReissueState
    reason: ReissueReason
    remark: str
    answer: str | None
    requester: str
    requested_at: datetime
    accepter: str | None
    accepted_at: datetime | None
    ready_on: date | None
    preparer: str | None
    prepared_at: datetime | None
    ends_on: date | None
    ended_at: datetime | None

    @property
    def is_open(self) -> bool:
        """Whether something is still to come of it."""
        return self.state in OPEN


def of_terminal(session: Session, terminal: str) -> tuple[ReissueView, ...]:
    """Return a terminal's reissues, newest first."""
    return _views(session, ReissueRow.terminal == terminal)


def of_office(session: Session, office_code: str, *, most: int = 200) -> tuple[ReissueView, ...]:
    """Return an office's reissues, newest first."""
    return _views(session, ReissueRow.office_code == office_code, most=most)


def find(session: Session, reissue_id: str) -> ReissueView | None:
    """Return a reissue."""
    row = session.get(ReissueRow, reissue_id)
    return view_of(row) if row else None


def to_prepare(session: Session, today: date, *, most: int = 200) -> tuple[ReissueView, ...]:
    """Return the accepted reissues whose codes may be prepared today, oldest first."""
    query = select(ReissueRow.__table__).where(_of_stage(Stage.PREPARE, today)).order_by(ReissueRow.requested_at, ReissueRow.id)
    return tuple(view_of(row) for row in session.execute(query.limit(most)))


class Stage(StrEnum):
    """Which reissues staff look for. `late` are those that keep a customer waiting: see `is_late`."""

    DECIDE = "decide"
    PREPARE = "prepare"
    LATE = "late"
    OPEN = "open"
    ENDED = "ended"


def search(
    session: Session, stage: Stage, today: date, *, text: str = "", page: int = 1, size: int = SIZE
) -> Page[ReissueView]:  # fmt: skip
    """Return reissues of a stage, those whose terminal or office code begins with the text.

    Keys that others may have come first, then the oldest; ended ones newest first.
    """
    query = select(ReissueRow.__table__).where(_of_stage(stage, today))
    if wanted := searchable(text).upper():
        begins = ReissueRow.terminal.startswith(wanted, autoescape=True)
        query = query.where(begins | ReissueRow.office_code.startswith(wanted, autoescape=True))
    if stage is Stage.ENDED:
        query = query.order_by(ReissueRow.ended_at.desc(), ReissueRow.id)
    else:
        query = query.order_by(ReissueRow.reason.in_(_COMPROMISES).desc(), ReissueRow.requested_at, ReissueRow.id)
    return page_of(session, query, page, view_of, size=size)


def counts(session: Session, today: date) -> Mapping[Stage, int]:
    """Return how many reissues wait for staff: for a decision, for their codes, and longer than they should."""
    asked = {"today": today, "answered_by_now": _answered_by_now(today)}
    return dict(zip(_WAITING_FOR_STAFF, session.execute(_COUNTS, asked).one(), strict=True))


def is_late(reissue: ReissueView, today: date) -> bool:
    """Return whether staff keep a customer waiting: PATIENCE business days without a decision, or a day after `ready_on`."""
    if reissue.state is ReissueState.REQUESTED:
        return tokyo_date(reissue.requested_at) <= add_business_days(today, -PATIENCE)
    return reissue.state is ReissueState.ACCEPTED and reissue.ready_on is not None and reissue.ready_on < today


def _of_stage(stage: Stage, today: date) -> ColumnElement[bool]:
    return _in_stage(stage, today, _answered_by_now(today) if stage is Stage.LATE else None)


def _in_stage(stage: Stage, today: date | BindParameter[date], answered_by_now: object) -> ColumnElement[bool]:
    asked, accepted = ReissueRow.state == ReissueState.REQUESTED, ReissueRow.state == ReissueState.ACCEPTED
    if stage is Stage.DECIDE:
        return asked
    if stage is Stage.PREPARE:
        return accepted & (ReissueRow.ready_on <= today)
    if stage is Stage.LATE:
        undecided = asked & (ReissueRow.requested_at < answered_by_now)
        return undecided | (accepted & (ReissueRow.ready_on < today))
    return ReissueRow.state.in_(OPEN if stage is Stage.OPEN else ENDED)


def _answered_by_now(today: date) -> datetime:
    """Return before which instant a reissue was asked for that should have been decided for."""
    return day_start(add_business_days(today, -PATIENCE) + timedelta(days=1))


_WAITING_FOR_STAFF = (Stage.DECIDE, Stage.PREPARE, Stage.LATE)
_COUNTS = select(
    *(
        select(func.count()).where(_in_stage(stage, bindparam("today"), bindparam("answered_by_now"))).scalar_subquery()
        for stage in _WAITING_FOR_STAFF
    )
)


def is_accepted(session: Session, terminal: str) -> bool:
    """Return whether a reissue of a terminal was accepted and its certificate not retrieved yet: then nothing is renewed."""
    query = select(ReissueRow.id).where(ReissueRow.terminal == terminal, ReissueRow.state.in_(ACCEPTED))
    return session.scalar(query) is not None


def accepted_among(session: Session, terminals: Collection[str]) -> set[str]:
    """Return those of many terminals of which `is_accepted` is true."""
    query = select(ReissueRow.terminal).where(ReissueRow.terminal.in_(terminals), ReissueRow.state.in_(ACCEPTED))
    return set(session.scalars(query))


_OPEN_OF = select(ReissueRow.__table__).where(among(ReissueRow.terminal), ReissueRow.state.in_(OPEN))


def open_of(session: Session, terminals: Collection[str]) -> dict[str, ReissueView]:
    """Return the open reissues of many terminals by the terminal's name."""
    if not terminals:
        return {}
    return {row.terminal: view_of(row) for row in session.execute(_OPEN_OF, many(terminals))}


def open_one(session: Session, terminal: str) -> ReissueRow | None:
    """Return a terminal's open reissue as it is stored."""
    query = select(ReissueRow).where(ReissueRow.terminal == terminal, ReissueRow.state.in_(OPEN))
    return session.scalar(query.execution_options(populate_existing=True))


def complete(session: Session, terminal: str, now: datetime) -> None:
    """Close the reissue whose codes were redeemed, if there is one."""
    row = open_one(session, terminal)
    if row is not None and row.state == ReissueState.PREPARED:
        end(session, row, ReissueEvent.RETRIEVE, now)


_COMPLETE = (
    update(ReissueRow)
    .where(among(ReissueRow.terminal), ReissueRow.state == ReissueState.PREPARED)
    .values(state=bindparam("following"), ended_at=bindparam("now"))
)


def complete_all(session: Session, terminals: Collection[str], now: datetime) -> None:
    """Close the reissues of many terminals, which are held, as `complete` does."""
    following = LIFECYCLE.step(ReissueState.PREPARED, ReissueEvent.RETRIEVE)
    session.connection().execute(_COMPLETE, many(terminals) | {"following": following, "now": now})


def drop(session: Session, terminal: str, now: datetime) -> None:
    """Let a terminal's open reissue lapse, if there is one: nothing will come of it."""
    row = open_one(session, terminal)
    if row is not None:
        end(session, row, ReissueEvent.LAPSE, now)


def prolong(session: Session, terminal: str, ends_on: date) -> None:
    """Let a reissue whose codes were replaced end with the new ones: until then the old certificate serves."""
    row = open_one(session, terminal)
    if row is not None and row.state == ReissueState.PREPARED:
        row.ends_on = ends_on
        session.flush()


def step(session: Session, row: ReissueRow, event: ReissueEvent) -> None:
    """Take a reissue through an event; raises Refused("reissue-state")."""
    row.state = LIFECYCLE.step(ReissueState(row.state), event)
    session.flush()


def end(session: Session, row: ReissueRow, event: ReissueEvent, now: datetime) -> None:
    """Take a reissue through its last event; raises Refused("reissue-state")."""
    step(session, row, event)
    row.ended_at = now
    session.flush()


def view_of(row: ReissueRow | Row[*tuple[Any, ...]]) -> ReissueView:
    """Return a row's content."""
    return ReissueView(
        id=row.id,
        terminal=row.terminal,
        office_code=row.office_code,
        state=ReissueState(row.state),
        reason=ReissueReason(row.reason),
        remark=row.remark,
        answer=row.answer,
        requester=row.requester,
        requested_at=row.requested_at,
        accepter=row.accepter,
        accepted_at=row.accepted_at,
        ready_on=row.ready_on,
        preparer=row.preparer,
        prepared_at=row.prepared_at,
        ends_on=row.ends_on,
        ended_at=row.ended_at,
    )


def _views(session: Session, *conditions: ColumnElement[bool], most: int = 200) -> tuple[ReissueView, ...]:
    query = select(ReissueRow.__table__).where(*conditions).order_by(ReissueRow.requested_at.desc(), ReissueRow.id)
    return tuple(view_of(row) for row in session.execute(query.limit(most)))
