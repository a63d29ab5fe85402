"""The rest of a change, as jobs that may be repeated: who has retrieved, who is reminded, what ends with the last day."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, exists, func, or_, select, update
from sqlalchemy.orm import Session

from ca import certificates
from ca.revocation import Reason
from enrollment import code_sets, ending, reissue_records
from enrollment import letters as room_letters
from enrollment.bulk import BulkRevocation
from enrollment.code_sets import CodeSetState
from enrollment.deeds import Ending
from enrollment.generations import letters, records
from enrollment.generations.records import Generation
from enrollment.generations.states import UNSETTLED, GenerationEvent, GenerationState, MemberState
from enrollment.generations.tables import MemberRow, ReminderRow
from enrollment.generations.waves import BATCH, JOB
from enrollment.letters import Envelope
from enrollment.tables import CodeSetRow, CredentialRow
from kernel.clock import Clock, tokyo_date
from kernel.database import Database, insert_if_absent
from kernel.errors import Refused
from registry import news, terminals
from registry.letters import Letters
from registry.news import NewsKind
from registry.states import SuspensionRule, TerminalState

# Days before the last one on which offices are reminded, the domain's days of reminders.
REMINDED = (28, 14, 7, 3, 1, 0)
# Offices that are told in one transaction.
_AT_ONCE = 100


@dataclass(frozen=True)
class Closing:
    """Settles, reminds, ends. Needs no key."""

    database: Database
    clock: Clock
    letters: Letters = room_letters.PLAIN

    def settle_due(self, now: datetime) -> int:
        """Note who has retrieved, and whose codes expired without; return how many changed. A job, repeatable."""
        changed = 0
        for change in self._in(GenerationState.RUNNING, GenerationState.PAUSED, GenerationState.ENDED):
            for state, after in _moves(change):
                with self.database.snapshot() as session:
                    if session.scalar(select(MemberRow.terminal).where(*after).limit(1)) is None:
                        continue
                with self.database.transaction() as session:
                    records.locked(session, change.number)
                    values: dict[str, Any] = {"state": state, "reason": None, "changed_at": now}
                    if state == MemberState.RETRIEVED:
                        values["retrieved_at"] = _since()
                    result = session.execute(update(MemberRow).where(*after).values(**values))
                    changed += int(result.rowcount)  # type: ignore[attr-defined]
        return changed

    def review_due(self, now: datetime) -> int:
        """Note which terminals were abolished meanwhile; return how many. A job of every hour."""
        left = 0
        for change in self._in(GenerationState.RUNNING, GenerationState.PAUSED):
            for names in self._batches(change, UNSETTLED):
                with self.database.transaction() as session:
                    records.locked(session, change.number)
                    gone = [name for name, one in terminals.named(session, names).items() if one.state == TerminalState.ABOLISHED]
                    _move(session, change, gone, MemberState.LEFT, now)
                left += len(gone)
        return left

    def remind_due(self, now: datetime) -> int:
        """Remind the offices whose terminals have codes and no certificate yet, once for each of the days; return how many."""
        today, told = tokyo_date(now), 0
        for change in self._in(GenerationState.RUNNING):
            days = min((days for days in REMINDED if (change.ends_on - today).days <= days), default=None)
            if days is None or change.ends_on < today:
                continue
            while offices := self._unreminded(change, days, now):
                told += self._remind(change, days, offices, now)
        return told

    def end_due(self, now: datetime) -> int:
        """End the old certificates that are left once the last day is over; return how many. A job, repeatable.

        Raises Refused("generation-waiting") while terminals never got codes: whoever got no chance is not cut off, people
        must decide.
        """
        ended = 0
        for change in self._in(GenerationState.RUNNING):
            if change.ends_on >= tokyo_date(now):
                continue
            self.settle_due(now)
            with self.database.snapshot() as session:
                if waiting := _count(session, change, MemberState.WAITING):
                    raise Refused("generation-waiting", generation=change.number, terminals=waiting)
            for names in self._batches(change, UNSETTLED):
                ended += self._end(change, names, now)
            with self.database.transaction() as session:
                row = records.locked(session, change.number)
                if row.state == GenerationState.RUNNING and not any(_count(session, change, state) for state in UNSETTLED):
                    records.step(session, row, GenerationEvent.END, JOB, now)
        return ended

    def suspend_due(self, now: datetime) -> int:
        """Suspend who neither retrieved in time nor with the codes that were left; return how many. A job, repeatable."""
        suspended = 0
        for change in self._in(GenerationState.ENDED):
            for names in self._batches(change, (MemberState.ENDED,), _has_no_open_set()):
                with self.database.transaction() as session:
                    records.locked(session, change.number)
                    suspended += _suspend(session, change, names, self.letters, now)
        return suspended

    def _end(self, change: Generation, names: Sequence[str], now: datetime) -> int:
        with self.database.snapshot() as session:
            living = certificates.living(session, names)
        # By serial number: what a terminal retrieves at this moment is of the new issuer, and is not named.
        old = [f"{issuer}:{serial}" for issuer, serial in living if issuer != change.issuer]
        bulk = BulkRevocation(self.database, self.clock, self.letters)
        done = bulk.revoke(old, lambda at: Ending(Reason.SUPERSEDED, JOB, at))
        with self.database.transaction() as session:
            if records.is_running(session, change.number):
                _move(session, change, names, MemberState.ENDED, now)
        return done.certificates

    def _unreminded(self, change: Generation, days: int, now: datetime) -> list[str]:
        told = exists().where(
            ReminderRow.generation == change.number,
            ReminderRow.office_code == MemberRow.office_code,
            ReminderRow.days == days,
        )
        query = select(MemberRow.office_code).where(*_outstanding(change, now), ~told).distinct()
        with self.database.snapshot() as session:
            return list(session.scalars(query.order_by(MemberRow.office_code).limit(_AT_ONCE)))

    def _remind(self, change: Generation, days: int, offices: Sequence[str], now: datetime) -> int:
        query = select(MemberRow.office_code, MemberRow.terminal).where(
            *_outstanding(change, now), MemberRow.office_code.in_(offices)
        )
        left, told = (change.ends_on - tokyo_date(now)).days, 0
        with self.database.transaction() as session:
            if not records.is_running(session, change.number):
                return 0
            names = _grouped(session.execute(query.order_by(MemberRow.terminal)))
            for office_code in offices:
                values = {"generation": change.number, "office_code": office_code, "days": days, "at": now}
                if insert_if_absent(session, ReminderRow, values) and names.get(office_code):
                    to = Envelope(session, self.letters, office_code, now)
                    letters.post_reminder(to, change.name, names[office_code], ends_on=change.ends_on, days=left)
                    told += 1
        return told

    def _in(self, *states: GenerationState) -> list[Generation]:
        with self.database.snapshot() as session:
            return [change for state in states for change in records.in_state(session, state)]

    def _batches(
        self, change: Generation, states: Sequence[MemberState], *conditions: ColumnElement[bool]
    ) -> Iterator[list[str]]:
        """Yield the names of members, in batches that are whole offices as far as these are not huge."""
        query = select(MemberRow.office_code, MemberRow.terminal).where(
            MemberRow.generation == change.number, MemberRow.state.in_(states), *conditions
        )
        with self.database.snapshot() as session:
            offices = _grouped(session.execute(query.order_by(MemberRow.office_code, MemberRow.terminal)))
        batch: list[str] = []
        for names in offices.values():
            if batch and len(batch) + len(names) > BATCH:
                yield batch
                batch = []
            batch += names
            while len(batch) > BATCH:
                yield batch[:BATCH]
                batch = batch[BATCH:]
        if batch:
            yield batch


def _moves(change: Generation) -> list[tuple[MemberState, tuple[ColumnElement[bool], ...]]]:
    """Return to which state members go by what is known of their certificates and codes, in this order."""
    of_change = MemberRow.generation == change.number
    retrieved = exists().where(CredentialRow.terminal == MemberRow.terminal, CredentialRow.issuer == change.issuer)
    usable = exists().where(
        CodeSetRow.terminal == MemberRow.terminal, CodeSetRow.state.in_((CodeSetState.PREPARED, CodeSetState.CLAIMED))
    )
    unretrieved = MemberRow.state.not_in((MemberState.RETRIEVED, MemberState.LEFT))
    return [
        (MemberState.RETRIEVED, (of_change, unretrieved, retrieved)),
        # A certificate may be rejected after it was retrieved (CMP); then the old one is current again.
        (MemberState.LAPSED, (of_change, MemberRow.state == MemberState.RETRIEVED, ~retrieved)),
        (MemberState.LAPSED, (of_change, MemberRow.state == MemberState.PREPARED, _has_no_open_set())),
        # Staff replaced the codes, or a reissue made others.
        (MemberState.PREPARED, (of_change, MemberRow.state == MemberState.LAPSED, usable)),
    ]


def _has_no_open_set() -> ColumnElement[bool]:
    return ~exists().where(CodeSetRow.terminal == MemberRow.terminal, CodeSetRow.state.in_(code_sets.OPEN))


def _since() -> ColumnElement[datetime]:
    return select(CredentialRow.since).where(CredentialRow.terminal == MemberRow.terminal).scalar_subquery()


def _outstanding(change: Generation, now: datetime) -> tuple[ColumnElement[bool], ...]:
    """Return who is reminded: whoever got codes today has had a mail today."""
    is_old = or_(MemberRow.prepared_on.is_(None), MemberRow.prepared_on < tokyo_date(now))
    has_codes = MemberRow.state.in_((MemberState.PREPARED, MemberState.LAPSED))
    return MemberRow.generation == change.number, and_(has_codes, is_old)


def _grouped(pairs: Iterable[tuple[str, str]]) -> Mapping[str, list[str]]:
    grouped: dict[str, list[str]] = defaultdict(list)
    for office_code, name in pairs:
        grouped[office_code].append(name)
    return grouped


def _count(session: Session, change: Generation, state: MemberState) -> int:
    of_state = MemberRow.generation == change.number, MemberRow.state == state
    return session.scalar(select(func.count()).select_from(MemberRow).where(*of_state)) or 0


def _move(session: Session, change: Generation, names: Sequence[str], state: MemberState, now: datetime) -> None:
    """Give members another state, unless they retrieved meanwhile."""
    of_these = MemberRow.generation == change.number, MemberRow.terminal.in_(names)
    left = MemberRow.state.not_in((MemberState.RETRIEVED, MemberState.LEFT))
    session.execute(update(MemberRow).where(*of_these, left).values(state=state, reason=None, changed_at=now))


def _suspend(session: Session, change: Generation, names: Sequence[str], words: Letters, now: datetime) -> int:
    """Suspend a batch, with one mail for each office; whose reissue was accepted is left to that."""
    opened = {row.terminal for row in code_sets.open_sets(session, names)}
    held = terminals.named(session, names, lock=True)
    rows = session.scalars(select(CredentialRow).where(CredentialRow.terminal.in_(names))).all()
    renewed = {row.terminal for row in rows if row.issuer == change.issuer}
    spared = opened | renewed | reissue_records.accepted_among(session, names)
    concerned = [one for one in held.values() if one.name not in spared]
    stopped = [one for one in concerned if one.state in (TerminalState.PENDING, TerminalState.IN_SERVICE)]
    for one in stopped:
        ending.stop(session, one, None, JOB, now, SuspensionRule.REISSUE_NOT_RETRIEVED)
    gone = [one.name for one in concerned if one.state == TerminalState.ABOLISHED]
    _move(session, change, gone, MemberState.LEFT, now)
    _move(session, change, [one.name for one in concerned if one.name not in gone], MemberState.SUSPENDED, now)
    news.publish_all(
        session,
        [(one.office_code, {"terminal": one.name}) for one in stopped],
        now=now,
        kind=NewsKind.CERTIFICATE,
        code="terminal-suspended",
    )
    for office_code, of_office in _grouped((one.office_code, one.name) for one in stopped).items():
        letters.post_suspended(Envelope(session, words, office_code, now), change.name, of_office)
    return len(stopped)
