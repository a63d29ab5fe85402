"""What staff decide about a generation change: plan it, start it, pause, resume, stop, postpone its end, make codes again."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date

from sqlalchemy import select, update

from enrollment.generations import plans, records
from enrollment.generations.forecast import Forecast, forecast
from enrollment.generations.plans import Plan
from enrollment.generations.states import GenerationEvent, GenerationState, MemberState
from enrollment.generations.tables import GenerationRow, MemberRow, WaveRow
from kernel.audit import Actor
from kernel.clock import Clock, tokyo_date
from kernel.database import Database, insert_if_absent
from kernel.errors import Refused
from registry.faults import Faults, FieldFault, Invalid


@dataclass(frozen=True)
class GenerationChanges:
    """The decisions. Needs no key: codes are made by a job (`waves`), which is nobody who approved."""

    database: Database
    clock: Clock

    def check(self, plan: Plan) -> Faults:
        """Return what is wrong with a plan."""
        now = self.clock.now()
        with self.database.snapshot() as session:
            found = plans.check(session, plan, now)
        if found:
            return found
        last = self.dry_run(plan)
        prepared_by = last.last_preparation
        if last.unprepared or (prepared_by is not None and plan.ends_on < prepared_by + plans.SHORTEST_NOTICE):
            return Faults([FieldFault("ends_on", "quota-too-small", {"days": plans.SHORTEST_NOTICE.days})])
        return Faults()

    def dry_run(self, plan: Plan) -> Forecast:
        """Play a plan through on the terminals that there are now."""
        with self.database.snapshot() as session:
            waiting = plans.old_generation(session, plan.issuer)
        return forecast(waiting, plan.waves, tokyo_date(self.clock.now()), plan.ends_on)

    def plan(self, plan: Plan, actor: Actor) -> int:
        """Put a plan on record and return its number; nothing happens before somebody else starts it.

        Raises Invalid, and Refused("generation-open") while another change is under way.
        """
        faults = self.check(plan)
        if faults:
            raise Invalid(faults)
        now = self.clock.now()
        values = {
            "name": plan.name.strip(),
            "issuer": plan.issuer,
            "state": GenerationState.PLANNED.value,
            "is_open": True,
            "ends_on": plan.ends_on,
            "hourly_capacity": plan.hourly_capacity,
            "planner": str(actor),
            "planned_at": now,
        }
        with self.database.transaction() as session:
            if not insert_if_absent(session, GenerationRow, values):
                raise Refused("generation-open")
            number = session.scalars(select(GenerationRow.number).where(GenerationRow.is_open)).one()
            for place, wave in enumerate(plan.waves, start=1):
                offices = " ".join(wave.offices)
                session.add(
                    WaveRow(
                        generation=number, number=place, starts_on=wave.starts_on, daily_quota=wave.daily_quota, offices=offices
                    )
                )
            records.trace(session, number, "generation.plan", actor, now, issuer=plan.issuer, ends_on=plan.ends_on.isoformat())
        return number

    def start(self, number: int, actor: Actor) -> None:
        """Let a plan run; its code sets name `actor` as their approver, and a job as their preparer.

        Raises Refused("generation-unknown"), "generation-state", "generation-same-person" for whoever planned it.
        """
        now = self.clock.now()
        with self.database.transaction() as session:
            row = records.locked(session, number)
            if row.planner == str(actor):
                raise Refused("generation-same-person")
            row.approver, row.approved_at = str(actor), now
            records.step(session, row, GenerationEvent.START, actor, now)

    def pause(self, number: int, actor: Actor) -> None:
        """Make no codes, remind nobody and end nothing until it is resumed; what was made stays good."""
        self._step(number, GenerationEvent.PAUSE, actor)

    def resume(self, number: int, actor: Actor) -> None:
        """Go on where it was paused."""
        self._step(number, GenerationEvent.RESUME, actor)

    def stop(self, number: int, actor: Actor) -> None:
        """Give a change up: codes that were made stay good until they expire, old certificates until they end."""
        self._step(number, GenerationEvent.STOP, actor)

    def postpone(self, number: int, ends_on: date, actor: Actor) -> None:
        """Give the old generation more time.

        Raises Refused("generation-unknown"), "generation-state" for one that is over, "end-not-later",
        "end-after-issuer" (last).
        """
        now = self.clock.now()
        with self.database.transaction() as session:
            row = records.locked(session, number)
            if not row.is_open:
                raise Refused("generation-state", state=row.state, event="postpone")
            if ends_on <= max(row.ends_on, tokyo_date(now)):
                raise Refused("end-not-later", ends_on=row.ends_on)
            last = next((one.ends_on for one in plans.successors(session) if one.name == row.issuer), None)
            if last is not None and ends_on > last:
                raise Refused("end-after-issuer", last=last)
            before, row.ends_on = row.ends_on, ends_on
            records.trace(
                session, number, "generation.postpone", actor, now, before=before.isoformat(), after=ends_on.isoformat()
            )

    def again(self, number: int, terminals: Collection[str], actor: Actor) -> int:
        """Let codes be made once more for terminals whose codes of the change expired; return for how many.

        Raises Refused("generation-unknown"), "generation-state" unless it runs or is paused.
        """
        now = self.clock.now()
        with self.database.transaction() as session:
            row = records.locked(session, number)
            if row.state not in (GenerationState.RUNNING, GenerationState.PAUSED):
                raise Refused("generation-state", state=row.state, event="again")
            of_these = (
                MemberRow.generation == number,
                MemberRow.terminal.in_(terminals),
                MemberRow.state == MemberState.LAPSED,
            )
            names = session.scalars(select(MemberRow.terminal).where(*of_these)).all()
            waiting = {"state": MemberState.WAITING, "code_set": None, "expires_on": None, "changed_at": now}
            session.execute(update(MemberRow).where(*of_these).values(**waiting))
            if names:
                records.trace(session, number, "generation.again", actor, now, terminals=len(names))
        return len(names)

    def _step(self, number: int, event: GenerationEvent, actor: Actor) -> None:
        now = self.clock.now()
        with self.database.transaction() as session:
            records.step(session, records.locked(session, number), event, actor, now)
