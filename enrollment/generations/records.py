"""Generation changes as records: views, and the steps that staff and jobs share."""

from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from enrollment.generations.plans import Wave
from enrollment.generations.states import LIFECYCLE, OPEN, GenerationEvent, GenerationState
from enrollment.generations.tables import GenerationRow, WaveRow
from kernel import audit
from kernel.audit import Actor
from kernel.audit.entries import Fact
from kernel.errors import Refused


@dataclass(frozen=True)
class Generation:
    """A change as it stood when it was read; people are actors' texts."""

    number: int
    name: str
    issuer: str
    state: GenerationState
    ends_on: date
    hourly_capacity: int
    planner: str
    planned_at: datetime
    approver: str | None
    approved_at: datetime | None
    ended_at: datetime | None
    waves: tuple[Wave, ...]

    @property
    def is_open(self) -> bool:
        """Whether something is still to come of it."""
        return self.state in OPEN

    @property
    def approved_by(self) -> str:
        """Who started it; raises ValueError for one that nobody started."""
        if self.approver is None:
            raise ValueError(f"generation change {self.number} was not started")
        return self.approver


def find(session: Session, number: int) -> Generation | None:
    """Return a change by its number."""
    row = session.get(GenerationRow, number)
    return view_of(session, row) if row else None


def listed(session: Session) -> tuple[Generation, ...]:
    """Return all changes, newest first."""
    rows = session.scalars(select(GenerationRow).order_by(GenerationRow.number.desc())).all()
    return tuple(view_of(session, row) for row in rows)


def in_state(session: Session, state: GenerationState) -> tuple[Generation, ...]:
    """Return the changes in a state, oldest first."""
    query = select(GenerationRow).where(GenerationRow.state == state).order_by(GenerationRow.number)
    return tuple(view_of(session, row) for row in session.scalars(query).all())


def locked(session: Session, number: int) -> GenerationRow:
    """Return a change and hold it, before its members and everything else; raises Refused("generation-unknown")."""
    row = session.get(GenerationRow, number, with_for_update=True, populate_existing=True)
    if row is None:
        raise Refused("generation-unknown")
    return row


def is_running(session: Session, number: int) -> bool:
    """Hold a change and return whether it runs: jobs ask in each transaction, so that a pause counts at once."""
    return locked(session, number).state == GenerationState.RUNNING


def step(session: Session, row: GenerationRow, event: GenerationEvent, actor: Actor, now: datetime) -> None:
    """Take a held change through an event, on record; raises Refused("generation-state")."""
    row.state = LIFECYCLE.step(GenerationState(row.state), event).value
    row.is_open = row.state in OPEN
    if not row.is_open:
        row.ended_at = now
    session.flush()
    trace(session, row.number, f"generation.{event.value}", actor, now)


def trace(session: Session, number: int, action: str, actor: Actor, now: datetime, **facts: Fact) -> None:
    """Write the audit entry of what was done to a change."""
    audit.record_all(session, [audit.Subject(f"generation:{number}", None, facts)], now=now, actor=actor, action=action)


def view_of(session: Session, row: GenerationRow) -> Generation:
    """Return a row's content with its waves."""
    waves = session.scalars(select(WaveRow).where(WaveRow.generation == row.number).order_by(WaveRow.number))
    return Generation(
        number=row.number,
        name=row.name,
        issuer=row.issuer,
        state=GenerationState(row.state),
        ends_on=row.ends_on,
        hourly_capacity=row.hourly_capacity,
        planner=row.planner,
        planned_at=row.planned_at,
        approver=row.approver,
        approved_at=row.approved_at,
        ended_at=row.ended_at,
        waves=tuple(Wave(wave.starts_on, wave.daily_quota, tuple(wave.offices.split())) for wave in waves),
    )
