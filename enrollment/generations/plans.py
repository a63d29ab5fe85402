"""What may be planned: name, issuing CA, waves, the old generation's last day. Faults are codes beside fields."""

import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from ca import terms
from enrollment.generations.tables import GenerationRow
from enrollment.tables import CredentialRow
from kernel.clock import day_start, tokyo_date
from registry.faults import Faults, FieldFault
from registry.japanese import forbidden_character

MOST_WAVES, LARGEST_QUOTA, LONGEST_NAME = 4, 100_000, 60
# Whoever gets codes last has at least so many days to use them.
SHORTEST_NOTICE = timedelta(days=14)
_SELECTED = re.compile(r"[A-Z]{3}([0-9]{3})?")


@dataclass(frozen=True)
class Wave:
    """From a day on, at most so many code sets a day; for offices (NAC001) and companies (NAC) by code, for all if none."""

    starts_on: date
    daily_quota: int
    offices: tuple[str, ...] = ()

    def is_for(self, office_code: str) -> bool:
        """Return whether the wave takes up an office."""
        return not self.offices or office_code in self.offices or office_code[:3] in self.offices


@dataclass(frozen=True)
class Plan:
    """A change as somebody plans it. The last wave is for all, so that nobody is left over."""

    name: str
    issuer: str
    ends_on: date
    waves: tuple[Wave, ...]
    hourly_capacity: int


@dataclass(frozen=True)
class Successor:
    """An issuing CA that a generation may change to: from when it issues, and the last day of its own certificate."""

    name: str
    issues_from: datetime
    ends_on: date


def successors(session: Session) -> tuple[Successor, ...]:
    """Return the issuing CAs that come after another one, the last to come first."""
    order = [term for term in terms.succession(session) if not term.is_revoked]
    return tuple(Successor(term.issuer.name, term.begin, terms.last_day(term.issuer)) for term in reversed(order[1:]))


def old_generation(session: Session, issuer: str) -> dict[str, int]:
    """Return how many terminals of each office have a current certificate that this issuer did not sign."""
    query = select(CredentialRow.office_code, func.count()).where(CredentialRow.issuer != issuer)
    return dict(session.execute(query.group_by(CredentialRow.office_code)).all())


def check(session: Session, plan: Plan, now: datetime) -> Faults:
    """Return what is wrong with a plan, beside `name`, `issuer`, `ends_on`, `capacity` and `wave1` to `wave4`."""
    found = [*_of_name(session, plan.name), *_of_capacity(plan)]
    successor = next((one for one in successors(session) if one.name == plan.issuer), None)
    if successor is None:
        return Faults((*found, FieldFault("issuer", "issuer-unknown")))
    begin = tokyo_date(successor.issues_from)
    if day_start(begin) < successor.issues_from:
        begin += timedelta(days=1)
    first = max(begin, tokyo_date(now))
    for number, wave in enumerate(plan.waves, start=1):
        found += _of_wave(f"wave{number}", wave, first)
    if not plan.waves:
        found.append(FieldFault("wave1", "required"))
    elif plan.waves[-1].offices:
        found.append(FieldFault(f"wave{len(plan.waves)}", "wave-last"))
    if plan.ends_on > successor.ends_on:
        found.append(FieldFault("ends_on", "end-after-issuer", {"last": successor.ends_on}))
    elif plan.waves and plan.ends_on < max(wave.starts_on for wave in plan.waves) + SHORTEST_NOTICE:
        found.append(FieldFault("ends_on", "end-too-early", {"days": SHORTEST_NOTICE.days}))
    return Faults(found)


def _of_name(session: Session, name: str) -> list[FieldFault]:
    if not name.strip():
        return [FieldFault("name", "required")]
    if len(name) > LONGEST_NAME:
        return [FieldFault("name", "too-long", {"most": LONGEST_NAME})]
    if (character := forbidden_character(name)) is not None:
        return [FieldFault("name", "character", {"character": character})]
    if session.scalar(select(GenerationRow.number).where(GenerationRow.name == name)) is not None:
        return [FieldFault("name", "name-taken")]
    return []


def _of_capacity(plan: Plan) -> list[FieldFault]:
    return [] if 0 < plan.hourly_capacity <= 10_000_000 else [FieldFault("capacity", "capacity")]  # noqa: PLR2004 (absurd)


def _of_wave(field: str, wave: Wave, first: date) -> list[FieldFault]:
    if not 0 < wave.daily_quota <= LARGEST_QUOTA:
        return [FieldFault(field, "quota", {"most": LARGEST_QUOTA})]
    if wave.starts_on < first:
        return [FieldFault(field, "wave-too-early", {"first": first})]
    if wrong := next((code for code in wave.offices if not _SELECTED.fullmatch(code)), None):
        return [FieldFault(field, "office-code", {"code": wrong[:10]})]
    return []
