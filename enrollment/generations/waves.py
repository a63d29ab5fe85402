"""Preparing a change's codes: a job, wave by wave, in batches that commit one by one and are taken up where they were.

A batch is whole offices. Its codes are made before its transaction; in it the change is held and must still run, each
terminal is looked at anew under lock, and member and code set change together: so a terminal gets codes once, whatever is
interrupted, and a pause counts from the next batch on.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, exists, func, insert, literal, or_, select, update
from sqlalchemy.orm import Session

from ca import certificates
from enrollment import code_sets, preparation, reissue_records
from enrollment.code_sets import CodeSetState
from enrollment.generations import letters, records
from enrollment.generations.forecast import chosen
from enrollment.generations.plans import Wave
from enrollment.generations.records import Generation
from enrollment.generations.states import GenerationState, HeldReason, MemberState
from enrollment.generations.tables import MemberRow
from enrollment.letters import Envelope
from enrollment.preparation import CodePreparation, CodeSetValues
from enrollment.tables import CodeSetRow, CredentialRow
from kernel import audit
from kernel.clock import tokyo_date
from kernel.database import UtcDateTime
from registry import news, terminals
from registry.news import NewsKind
from registry.states import TerminalState
from registry.terminals import Terminal

# A batch takes offices until it has so many terminals.
BATCH = 500
# A terminal that was held for a reason that may pass is looked at again.
LOOK_AGAIN = timedelta(hours=1)
JOB = audit.job("generation")
_MAY_RETRIEVE = (TerminalState.PENDING, TerminalState.IN_SERVICE)


@dataclass(frozen=True)
class Waves:
    """Prepares what is due. Holds only the public half of the sealing key, inside `preparation`."""

    preparation: CodePreparation
    batch: int = BATCH

    def prepare_due(self, now: datetime) -> int:
        """Make the codes that today's quotas allow; return for how many terminals. A job, repeatable."""
        with self.preparation.database.snapshot() as session:
            running = records.in_state(session, GenerationState.RUNNING)
        done = 0
        for change in running:
            self._gather(change, now)
            while batch := self._next(change, now):
                prepared = self._prepare(change, batch)
                if prepared is None:
                    break
                done += prepared
        return done

    def _gather(self, change: Generation, now: datetime) -> None:
        """Take in whoever has a certificate of the old generation by now, and look again at those who were held."""
        missing = (
            CredentialRow.issuer != change.issuer,
            ~exists().where(MemberRow.generation == change.number, MemberRow.terminal == CredentialRow.terminal),
        )
        held = (
            MemberRow.generation == change.number,
            MemberRow.state == MemberState.HELD,
            MemberRow.changed_at < now - LOOK_AGAIN,
        )
        with self.preparation.database.snapshot() as session:
            is_idle = (
                session.scalar(select(CredentialRow.terminal).where(*missing).limit(1)) is None
                and session.scalar(select(MemberRow.terminal).where(*held).limit(1)) is None
            )
        if is_idle:
            return
        columns = ["generation", "terminal", "office_code", "state", "changed_at"]
        found = select(
            literal(change.number),
            CredentialRow.terminal,
            CredentialRow.office_code,
            literal(MemberState.WAITING.value),
            literal(now, UtcDateTime()),
        ).where(*missing)
        with self.preparation.database.transaction() as session:
            if records.is_running(session, change.number):
                session.execute(insert(MemberRow).from_select(columns, found))
                session.execute(update(MemberRow).where(*held).values(state=MemberState.WAITING, reason=None))

    def _next(self, change: Generation, now: datetime) -> "_Batch | None":
        """Return the next batch that today's quotas allow."""
        today = tokyo_date(now)
        with self.preparation.database.snapshot() as session:
            for number, wave in enumerate(change.waves, start=1):
                if wave.starts_on <= today and (names := self._of_wave(session, change, number, now)):
                    return _Batch(number, names, terminals.named(session, names))
        return None

    def _of_wave(self, session: Session, change: Generation, number: int, now: datetime) -> list[str]:
        """Return the names of a wave's next batch; empty when its quota is used up, or nobody waits."""
        wave = change.waves[number - 1]
        today = (
            MemberRow.generation == change.number,
            MemberRow.prepared_on == tokyo_date(now),
            MemberRow.wave == number,
        )
        used = session.scalar(select(func.count()).select_from(MemberRow).where(*today)) or 0
        if used >= wave.daily_quota:
            return []
        waiting = (MemberRow.generation == change.number, MemberRow.state == MemberState.WAITING, *_selected(wave))
        counts = select(MemberRow.office_code, func.count()).where(*waiting).group_by(MemberRow.office_code)
        found = dict(session.execute(counts).all())
        names: list[str] = []
        for office_code, count in chosen(found, wave, wave.daily_quota - used):
            of_office = select(MemberRow.terminal).where(*waiting, MemberRow.office_code == office_code)
            names += session.scalars(of_office.order_by(MemberRow.terminal).limit(count))
            if len(names) >= self.batch:
                break
        return names

    def _prepare(self, change: Generation, batch: "_Batch") -> int | None:
        """Make a batch's codes and store those of the terminals that may have some; return how many have, None if paused."""
        now = self.preparation.clock.now()
        hopeful = [terminal for terminal in batch.terminals.values() if terminal.state in _MAY_RETRIEVE]
        made = {str(values["terminal"]): values for values in self.preparation.make_sets(hopeful, change.approved_by, JOB, now)}
        with self.preparation.database.transaction() as session:
            if not records.is_running(session, change.number):
                return None
            waiting = _held_members(session, change.number, batch.names)
            fates = _Fates(session, change.issuer, waiting).of(made)
            stored = [made[name] for name, fate in fates.items() if fate.is_new]
            preparation.store_sets(session, stored, JOB, now)
            session.execute(
                update(MemberRow), [fate.values(change.number, name, batch.wave, now) for name, fate in fates.items()]
            )
            ready = {name: fate for name, fate in fates.items() if fate.state == MemberState.PREPARED}
            self._tell(session, change, {name: made_or_open.code_set for name, made_or_open in ready.items()}, now)
        return len(ready)

    def _tell(self, session: Session, change: Generation, ready: Mapping[str, CodeSetValues | None], now: datetime) -> None:
        """Write one mail and one line of news for each office."""
        offices: dict[str, list[CodeSetValues]] = defaultdict(list)
        for values in ready.values():
            if values is not None:
                offices[str(values["office_code"])].append(values)
        lines = [(office_code, {"count": len(made)}) for office_code, made in offices.items()]
        news.publish_all(session, lines, now=now, kind=NewsKind.CERTIFICATE, code="codes-prepared")
        for office_code, made in offices.items():
            letters.post_prepared(
                Envelope(session, self.preparation.letters, office_code, now),
                change.name,
                sorted(str(values["terminal"]) for values in made),
                expires_on=min(values["expires_on"] for values in made),
                ends_on=change.ends_on,
            )


@dataclass(frozen=True)
class _Batch:
    """Terminals to prepare codes for, and the wave whose quota they count in."""

    wave: int
    names: Sequence[str]
    terminals: Mapping[str, Terminal]


@dataclass(frozen=True)
class _Fate:
    """What becomes of a member now; `code_set` is the set that it is to redeem, new or open already."""

    state: MemberState
    reason: HeldReason | None = None
    code_set: CodeSetValues | None = None
    is_new: bool = False
    retrieved_at: datetime | None = None

    def values(self, generation: int, terminal: str, wave: int, now: datetime) -> dict[str, Any]:
        """Return the member's columns."""
        made = self.code_set or {}
        return {
            "generation": generation,
            "terminal": terminal,
            "state": self.state.value,
            "reason": self.reason.value if self.reason else None,
            "wave": wave if made else None,
            "prepared_on": tokyo_date(now) if made else None,
            "code_set": made.get("id"),
            "expires_on": made.get("expires_on"),
            "retrieved_at": self.retrieved_at,
            "changed_at": now,
        }


class _Fates:
    """What terminals are like under lock: code sets first, then terminals, as everybody locks them."""

    def __init__(self, session: Session, issuer: str, names: Collection[str]) -> None:
        self._issuer, self._names = issuer, names
        self._open = {row.terminal: row for row in code_sets.open_sets(session, names)}
        self._terminals = terminals.named(session, names, lock=True)
        rows = session.scalars(select(CredentialRow).where(CredentialRow.terminal.in_(names)))
        self._credentials = {row.terminal: row for row in rows.all()}
        self._living = certificates.living(session, names)
        self._reissued = reissue_records.accepted_among(session, names)

    def of(self, made: Mapping[str, CodeSetValues]) -> dict[str, _Fate]:
        """Return each terminal's fate; `made` are the code sets that are ready to be stored."""
        return {name: self._fate(name, made.get(name)) for name in self._names}

    def _fate(self, name: str, made: CodeSetValues | None) -> _Fate:
        terminal, credential, present = self._terminals.get(name), self._credentials.get(name), self._open.get(name)
        if terminal is None or terminal.state == TerminalState.ABOLISHED or credential is None:
            return _Fate(MemberState.LEFT)
        if credential.issuer == self._issuer:
            return _Fate(MemberState.RETRIEVED, retrieved_at=credential.since)
        # Without a set it was suspended a moment ago: it is looked at again in an hour.
        if terminal.state not in _MAY_RETRIEVE or made is None:
            return _Fate(MemberState.HELD, HeldReason.SUSPENDED)
        if present is not None:
            return _of_open(present)
        is_living = (credential.issuer, credential.serial) in self._living
        if name in self._reissued or not is_living:
            return _Fate(MemberState.HELD, HeldReason.REISSUE if name in self._reissued else HeldReason.REVOKED)
        return _Fate(MemberState.PREPARED, code_set=made, is_new=True)


def _of_open(row: CodeSetRow) -> _Fate:
    """Return the fate of a terminal that has codes already, of a reissue for instance: they serve, the issuer is the new one."""
    if row.state == CodeSetState.FROZEN:
        return _Fate(MemberState.HELD, HeldReason.FROZEN)
    present = {"id": row.id, "terminal": row.terminal, "office_code": row.office_code, "expires_on": row.expires_on}
    return _Fate(MemberState.PREPARED, code_set=present)


def _selected(wave: Wave) -> list[ColumnElement[bool]]:
    if not wave.offices:
        return []
    return [or_(*(MemberRow.office_code.startswith(code, autoescape=True) for code in wave.offices))]


def _held_members(session: Session, generation: int, names: Collection[str]) -> list[str]:
    query = select(MemberRow.terminal).where(
        MemberRow.generation == generation, MemberRow.terminal.in_(names), MemberRow.state == MemberState.WAITING
    )
    return list(session.scalars(query.order_by(MemberRow.terminal).with_for_update()))
